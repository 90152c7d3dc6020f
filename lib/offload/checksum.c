/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Internet checksums (RFC 1071; docs/offload.md A.6, F.11).
 *
 * The one's-complement sum does not care about byte order as long as the words are loaded and the
 * result is stored the same way, so nothing here swaps bytes except values that are computed rather
 * than read. It does not care about word size either: 2^16 is 1 modulo 2^16 - 1, so a sum of 32-bit
 * words folds to the same 16 bits. The main loop therefore adds 32-bit words into 64-bit lanes,
 * which cannot overflow for any packet; the compiler's vector types spell it for whatever vector
 * unit there is, four lanes at a time, which a baseline x86-64 does in two halves. There the same
 * loop exists a second time, compiled for AVX2, and long pieces take it if the processor can: it is
 * twice as fast.
 *
 * sw_sum_copy() is the same loop with a store in it: copying a segment's payload while it is summed
 * costs little more than the copy alone.
 */

#include "lib/offload/checksum.h"

#include <assert.h>
#include <slipway/error.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/packet.h"

#define STEP 64

#define IP4_PROTOCOL  9
#define IP4_CHECKSUM  10
#define IP4_ADDRESSES 12
#define IP6_NEXT      6
#define IP6_ADDRESSES 8

typedef uint64_t lanes __attribute__((vector_size(32)));

static_assert(STEP == 2 * sizeof(lanes), "one step fills two vectors");

/* Inlined wherever it is called; the tests of the constant copy disappear. */
static inline __attribute__((always_inline)) uint64_t
sum_words(bool copy, uint8_t *out, const uint8_t *data, size_t len, uint64_t start)
{
    const lanes low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    lanes a = {0}, b = {0}, c = {0}, d = {0};

    for (; len >= STEP; len -= STEP, data += STEP) {
        lanes v, w;
        memcpy(&v, data, sizeof v);
        memcpy(&w, data + sizeof v, sizeof w);
        if (copy) {
            memcpy(out, &v, sizeof v);
            memcpy(out + sizeof v, &w, sizeof w);
            out += STEP;
        }
        a += v & low;
        b += v >> 32;
        c += w & low;
        d += w >> 32;
    }
    a += b + c + d;
    uint64_t total = start + a[0] + a[1] + a[2] + a[3];

    for (; len >= 8; len -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        if (copy) {
            memcpy(out, &word, sizeof word);
            out += sizeof word;
        }
        total += (word >> 32) + (uint32_t)word;
    }
    uint64_t rest = 0; /* the zero padding of an odd length comes from here */
    for (size_t i = 0; i < len; i++) {
        if (copy) out[i] = data[i];
        rest |= (uint64_t)data[i] << 8 * i;
    }
    return total + (rest >> 32) + (uint32_t)rest;
}

#ifdef __x86_64__
/* Shorter pieces gain nothing. */
#define WIDE_FROM 128

static bool can_wide(size_t len)
{
    return len >= WIDE_FROM && __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2"))) static uint64_t sum_wide(const uint8_t *data, size_t len,
                                                         uint64_t start)
{
    return sum_words(false, NULL, data, len, start);
}

__attribute__((target("avx2"))) static uint64_t
sum_copy_wide(uint8_t *restrict out, const uint8_t *restrict data, size_t len, uint64_t start)
{
    return sum_words(true, out, data, len, start);
}
#else
#define can_wide(len) false
#define sum_wide      sw_sum
#define sum_copy_wide sw_sum_copy
#endif

uint64_t sw_sum(const uint8_t *data, size_t len, uint64_t start)
{
    if (can_wide(len)) return sum_wide(data, len, start);
    return sum_words(false, NULL, data, len, start);
}

uint64_t sw_sum_copy(uint8_t *restrict out, const uint8_t *restrict data, size_t len,
                     uint64_t start)
{
    if (can_wide(len)) return sum_copy_wide(out, data, len, start);
    return sum_words(true, out, data, len, start);
}

uint16_t sw_sum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    return (uint16_t)sum;
}

/* The words of a pseudo header after the addresses: a zero byte, the protocol, the 32-bit length.
 */
static uint64_t pseudo_tail(uint8_t protocol, size_t transport_len)
{
    return ((uint64_t)protocol << 8) + __builtin_bswap32((uint32_t)transport_len);
}

uint64_t sw_sum_pseudo_ip4(const uint8_t *ip, uint8_t protocol, size_t transport_len)
{
    return sw_sum(ip + IP4_ADDRESSES, 8, pseudo_tail(protocol, transport_len));
}

uint64_t sw_sum_pseudo_ip6(const uint8_t *ip, uint8_t protocol, size_t transport_len)
{
    return sw_sum(ip + IP6_ADDRESSES, 32, pseudo_tail(protocol, transport_len));
}

void sw_checksum_store(uint8_t *field, uint64_t sum, bool is_udp)
{
    uint16_t checksum = (uint16_t)~sw_sum_fold(sum);
    if (is_udp && checksum == 0) checksum = 0xffff;
    memcpy(field, &checksum, sizeof checksum);
}

void sw_checksum_ip4_header(uint8_t *ip, size_t header_len)
{
    memset(ip + IP4_CHECKSUM, 0, 2);
    sw_checksum_store(ip + IP4_CHECKSUM, sw_sum(ip, header_len, 0), false);
}

/*
 * csum_start and csum_offset do not name the protocol. With IPv6 extension headers the next header
 * is not UDP and a zero stays, which is the harmless mistake (docs/offload.md A.6).
 */
static bool carries_udp(const uint8_t *packet, size_t len)
{
    if (len <= IP4_PROTOCOL) return false;
    switch (packet[0] >> 4) {
    case 4:
        return packet[IP4_PROTOCOL] == SW_IPPROTO_UDP;
    case 6:
        return packet[IP6_NEXT] == SW_IPPROTO_UDP;
    default:
        return false;
    }
}

int sw_checksum_complete(uint8_t *packet, size_t len, const struct sw_vnet *vnet)
{
    size_t start = vnet->csum_start;
    size_t field = start + vnet->csum_offset;
    if (field + 2 > len) return SW_EVNET;
    /* The field already holds the sum of the pseudo header and counts like any other word. */
    uint64_t sum = sw_sum(packet + start, len - start, 0);
    sw_checksum_store(packet + field, sum, carries_udp(packet, len));
    return 0;
}

void sw_checksum_replace32(uint8_t *field, uint32_t old, uint32_t new_, bool is_udp)
{
    uint16_t checksum;
    memcpy(&checksum, field, sizeof checksum);
    if (is_udp && checksum == 0) return;
    /* RFC 1624, equation 3: about zero it agrees with a sum from scratch. */
    uint64_t sum = (uint64_t)(uint16_t)~checksum + (uint32_t)~old + new_;
    sw_checksum_store(field, sum, is_udp);
}
