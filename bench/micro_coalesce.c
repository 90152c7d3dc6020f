/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Putting TCP segments together. The plain way knows one flow and TCP only, sums eight bytes at a
 * time, then copies: about the least that does the work, while sw_coalesce has a table of flows,
 * verifies IP headers and merges UDP too.
 */

#include <string.h>

#include "bench/micro.h"
#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/coalesce.h"
#include "tests/unit/packet_bytes.h"

#define HEADERS 52
#define MSS     1320
#define LEN     (HEADERS + MSS)
#define BATCH   46 /* packets between two flushes, as one receive of the kernel's has them */
#define FLOWS   8

/* --- the plain way ------------------------------------------------------------------------------
 */

typedef int (*write_function)(void *user, const struct sw_vnet *vnet, const uint8_t *packet,
                              size_t len);

static struct plain {
    write_function write;
    void *user;
    uint8_t buffer[65536];
    size_t len, headers, mss;
    unsigned count;
    uint32_t sequence;
    uint16_t id;
} plain;

static uint64_t word_sum(const uint8_t *p, size_t n, uint64_t sum)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    for (; n >= 2; n -= 2, p += 2) {
        uint16_t word;
        memcpy(&word, p, 2);
        sum += word;
    }
    return n > 0 ? sum + *p : sum;
}

static uint64_t word_pseudo(const uint8_t *ip, size_t transport_len)
{
    return word_sum(ip + 12, 8, 0) + (6 << 8) + __builtin_bswap16((uint16_t)transport_len);
}

static void plain_flush(void)
{
    struct sw_vnet vnet = {0};
    uint8_t *ip = plain.buffer;
    if (plain.len == 0) return;
    if (plain.count > 1) {
        vnet = (struct sw_vnet){SW_VNET_NEEDS_CSUM,  SW_GSO_TCPV4, (uint16_t)plain.headers,
                                (uint16_t)plain.mss, 20,           16};
        sw_put_be16(ip + 2, (uint16_t)plain.len);
        sw_checksum_ip4_header(ip, 20);
        uint16_t sum = sw_sum_fold(word_pseudo(ip, plain.len - 20));
        memcpy(ip + 36, &sum, 2);
    }
    plain.write(plain.user, &vnet, ip, plain.len);
    plain.len = 0;
}

static bool plain_join(const uint8_t *p, size_t headers, size_t payload)
{
    uint8_t *ip = plain.buffer;
    if (plain.len == 0 || plain.headers != headers || sw_get_be32(p + 24) != plain.sequence ||
        sw_get_be16(p + 4) != plain.id || payload > plain.mss || plain.len + payload > 65535 ||
        memcmp(ip + 12, p + 12, 12) != 0 || memcmp(ip + 28, p + 28, 4) != 0 ||
        memcmp(ip + 34, p + 34, 2) != 0 || memcmp(ip + 40, p + 40, headers - 40) != 0)
        return false;
    memcpy(ip + plain.len, p + headers, payload);
    ip[33] |= p[33];
    plain.len += payload;
    plain.count++;
    plain.sequence += (uint32_t)payload;
    plain.id++;
    if (payload < plain.mss || (p[33] & 9) != 0) plain_flush();
    return true;
}

static void plain_push(const uint8_t *p, size_t len)
{
    size_t headers = 20 + (size_t)(p[32] >> 4) * 4;
    size_t payload = len - headers;
    bool good = payload > 0 && (p[33] & ~9) == 0x10 &&
                sw_sum_fold(word_sum(p + 20, len - 20, word_pseudo(p, len - 20))) == 0xffff;
    if (good && plain_join(p, headers, payload)) return;
    plain_flush();
    if (!good || (p[33] & 9) != 0) {
        const struct sw_vnet zero = {0};
        plain.write(plain.user, &zero, p, len);
        return;
    }
    memcpy(plain.buffer, p, len);
    plain.len = len;
    plain.headers = headers;
    plain.mss = payload;
    plain.count = 1;
    plain.sequence = sw_get_be32(p + 24) + (uint32_t)payload;
    plain.id = (uint16_t)(sw_get_be16(p + 4) + 1);
}

/* --- equality -----------------------------------------------------------------------------------
 */

/* For the timed runs. */
static uint64_t written;

static int forget(void *user, const struct sw_vnet *vnet, const uint8_t *packet, size_t len)
{
    *(uint64_t *)user += len + vnet->gso_size + packet[37];
    return 0;
}

struct record {
    uint8_t bytes[1 << 22];
    size_t len;
};
static struct record *want, *got;

static int keep(void *user, const struct sw_vnet *vnet, const uint8_t *packet, size_t len)
{
    struct record *r = user;
    BENCH_CHECK(r->len + SW_VNET_LEN + len <= sizeof r->bytes);
    sw_vnet_encode(r->bytes + r->len, vnet);
    memcpy(r->bytes + r->len + SW_VNET_LEN, packet, len);
    r->len += SW_VNET_LEN + len;
    return 0;
}

static void make_packet(uint8_t *ip, size_t payload, uint16_t flow, uint16_t id, uint32_t sequence,
                        uint8_t flags, uint32_t seed)
{
    static const uint8_t headers[HEADERS] = {0x45, 0, 0,  0,  0, 0, 0x40, 0,  64, 6,
                                             0,    0, 10, 20, 1, 9, 10,   20, 2,  9};
    size_t len = HEADERS + payload;
    fill_random(ip + HEADERS, payload, seed);
    memcpy(ip, headers, sizeof headers);
    sw_put_be16(ip + 2, (uint16_t)len);
    sw_put_be16(ip + 4, id);
    sw_put_be16(ip + 10, plain_checksum(ip, 20, 0));
    sw_put_be16(ip + 20, flow);
    sw_put_be32(ip + 24, sequence);
    ip[32] = 0x80;
    ip[33] = flags;
    sw_put_be16(ip + 36, plain_checksum(ip + 20, len - 20, plain_pseudo_sum(ip, 6, len - 20)));
}

static void check(void)
{
    static uint8_t packet[65536];
    uint64_t seed = 5;
    uint16_t id = 0;
    uint32_t sequence = 0;
    want = calloc(1, sizeof *want);
    got = calloc(1, sizeof *got);
    BENCH_CHECK(want != NULL && got != NULL);
    struct sw_coalesce *c = sw_coalesce_new(keep, got);
    BENCH_CHECK(c != NULL);
    plain.write = keep;
    plain.user = want;
    plain.len = 0;

    for (int n = 0; n < 3000; n++) {
        size_t payload = random_below(&seed, 8) == 0 ? random_below(&seed, MSS) : MSS;
        uint8_t flags = random_below(&seed, 12) == 0 ? 0x18 : 0x10;
        if (random_below(&seed, 50) == 0) sequence++;
        if (random_below(&seed, 50) == 0) id++;
        make_packet(packet, payload, 1, id++, sequence, flags, (uint32_t)n);
        if (random_below(&seed, 50) == 0) packet[HEADERS] ^= 1;
        sequence += (uint32_t)payload;
        plain_push(packet, HEADERS + payload);
        sw_coalesce_push(c, packet, HEADERS + payload);
        if (n % 500 != 499) continue;
        plain_flush();
        sw_coalesce_flush(c);
        BENCH_CHECK(want->len == got->len && memcmp(want->bytes, got->bytes, got->len) == 0);
        want->len = got->len = 0;
    }
    BENCH_CHECK(sw_coalesce_counters(c)->superpackets > 100);
    sw_coalesce_free(c);
    free(want);
    free(got);
    plain.write = forget;
    plain.user = &written;
}

/* --- speed --------------------------------------------------------------------------------------
 */

static uint8_t one_flow[BATCH][LEN], many_flows[BATCH][LEN], acks[BATCH][HEADERS];
static struct sw_coalesce *coalesce;

static void set_up(void)
{
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned n = i / FLOWS;
        uint16_t flow = (uint16_t)(i % FLOWS);
        make_packet(one_flow[i], MSS, 1, (uint16_t)i, i * MSS, 0x10, i);
        make_packet(many_flows[i], MSS, flow, (uint16_t)n, n * MSS, 0x10, i);
        make_packet(acks[i], 0, 1, (uint16_t)i, 1, 0x10, i);
    }
    coalesce = sw_coalesce_new(forget, &written);
    BENCH_CHECK(coalesce != NULL);
}

static void tear_down(void)
{
    sw_coalesce_free(coalesce);
}

static uint64_t plain_one_flow(unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        plain_push(one_flow[n % BATCH], LEN);
        if (n % BATCH == BATCH - 1) plain_flush();
    }
    return written;
}

static uint64_t plain_acks(unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        plain_push(acks[n % BATCH], HEADERS);
    return written;
}

static inline uint64_t ours(const uint8_t *packets, size_t len, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        sw_coalesce_push(coalesce, packets + n % BATCH * len, len);
        if (n % BATCH == BATCH - 1) sw_coalesce_flush(coalesce);
    }
    return written;
}

static uint64_t ours_one_flow(unsigned count)
{
    return ours(one_flow[0], LEN, count);
}

static uint64_t ours_many_flows(unsigned count)
{
    return ours(many_flows[0], LEN, count);
}

static uint64_t ours_acks(unsigned count)
{
    return ours(acks[0], HEADERS, count);
}

const struct bench_group bench_coalesce = {
    "coalesce",
    "packet of 1372 bytes",
    set_up,
    check,
    tear_down,
    {{"plain, one flow", plain_one_flow, 0},
     {"sw_coalesce, one flow", ours_one_flow, 0},
     {"sw_coalesce, 8 flows, packet by packet", ours_many_flows, 0}},
};

const struct bench_group bench_coalesce_acks = {
    "coalesce-acks", "pure ACK", set_up,
    check,           tear_down,  {{"plain", plain_acks, 0}, {"sw_coalesce", ours_acks, 0}},
};
