/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Cutting a superpacket (docs/offload.md A.5, A.7, F.3, F.8, F.12).
 *
 * sw_segmenter_init() believes nothing: header lengths come from the packet, and what the virtio
 * header says (type, csum_start, csum_offset) must agree with them; hdr_len is never looked at.
 * After it said yes, cutting cannot fail.
 *
 * The headers of all segments differ in a few words only. Their sums without these words are taken
 * once; a segment adds its own words and its payload. All header lengths are even, so every piece
 * but the end of the payload starts on an even offset, as continued sums require.
 *
 * The result equals the kernel's own segmentation byte for byte: FIN and PSH on the last segment,
 * CWR on the first, everything else of the headers on all.
 */

#include "lib/offload/segment.h"

#include <assert.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/packet.h"

#define IP4_HEADER_MIN 20
#define IP6_HEADER     40
#define TCP_HEADER_MIN 20
#define UDP_HEADER     8

enum ip4_field {
    IP4_TOTAL_LEN = 2,
    IP4_ID = 4,
    IP4_FRAGMENT = 6,
    IP4_PROTOCOL = 9,
    IP4_CHECKSUM = 10,
};
enum ip6_field { IP6_PAYLOAD_LEN = 4, IP6_NEXT = 6 };
enum tcp_field { TCP_SEQUENCE = 4, TCP_DATA_OFFSET = 12, TCP_FLAGS = 13, TCP_CHECKSUM = 16 };
enum udp_field { UDP_LEN = 4, UDP_CHECKSUM = 6 };

#define FRAGMENTED 0x3fff /* more fragments, or an offset */

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static const char *const refusal_names[SW_REFUSALS] = {
    [SW_REFUSED_NOT] = "none",
    [SW_REFUSED_EMPTY] = "empty",
    [SW_REFUSED_IP_VERSION] = "ip_version",
    [SW_REFUSED_IP_HEADER] = "ip_header",
    [SW_REFUSED_PROTOCOL] = "protocol",
    [SW_REFUSED_TRANSPORT_HEADER] = "transport_header",
    [SW_REFUSED_GSO_TYPE] = "gso_type",
    [SW_REFUSED_GSO_SIZE] = "zero_gso_size",
    [SW_REFUSED_CSUM_START] = "csum_start",
    [SW_REFUSED_LENGTH] = "length",
};

const char *sw_segment_refusal_name(enum sw_segment_refusal why)
{
    assert((unsigned)why < SW_REFUSALS);
    return refusal_names[why];
}

static enum sw_segment_refusal check_ip4(struct sw_segmenter *s, uint8_t *protocol)
{
    const uint8_t *ip = s->packet;
    if (s->len < IP4_HEADER_MIN) return SW_REFUSED_IP_HEADER;
    s->ip_len = (size_t)(ip[0] & 15) * 4;
    if (s->ip_len < IP4_HEADER_MIN || s->ip_len > s->len) return SW_REFUSED_IP_HEADER;
    /* The kernel fragments after it has cut, never before. */
    if ((sw_get_be16(ip + IP4_FRAGMENT) & FRAGMENTED) != 0) return SW_REFUSED_IP_HEADER;
    if (sw_get_be16(ip + IP4_TOTAL_LEN) != s->len) return SW_REFUSED_LENGTH;
    *protocol = ip[IP4_PROTOCOL];
    return SW_REFUSED_NOT;
}

/* Extension headers are refused as an unknown protocol. */
static enum sw_segment_refusal check_ip6(struct sw_segmenter *s, uint8_t *protocol)
{
    if (s->len < IP6_HEADER) return SW_REFUSED_IP_HEADER;
    s->ip6 = true;
    s->ip_len = IP6_HEADER;
    if (sw_get_be16(s->packet + IP6_PAYLOAD_LEN) != s->len - IP6_HEADER) return SW_REFUSED_LENGTH;
    *protocol = s->packet[IP6_NEXT];
    return SW_REFUSED_NOT;
}

static enum sw_segment_refusal check_ip(struct sw_segmenter *s, uint8_t *protocol)
{
    if (s->len == 0) return SW_REFUSED_EMPTY;
    switch (s->packet[0] >> 4) {
    case 4:
        return check_ip4(s, protocol);
    case 6:
        return check_ip6(s, protocol);
    default:
        return SW_REFUSED_IP_VERSION;
    }
}

static enum sw_segment_refusal check_transport(struct sw_segmenter *s, uint8_t protocol)
{
    const uint8_t *transport = s->packet + s->ip_len;
    size_t left = s->len - s->ip_len;
    size_t header;

    if (protocol == SW_IPPROTO_TCP) {
        if (left < TCP_HEADER_MIN) return SW_REFUSED_TRANSPORT_HEADER;
        header = (size_t)(transport[TCP_DATA_OFFSET] >> 4) * 4;
        if (header < TCP_HEADER_MIN || header > left) return SW_REFUSED_TRANSPORT_HEADER;
        s->tcp = true;
    } else if (protocol == SW_IPPROTO_UDP) {
        if (left < UDP_HEADER) return SW_REFUSED_TRANSPORT_HEADER;
        header = UDP_HEADER;
        if (sw_get_be16(transport + UDP_LEN) != left) return SW_REFUSED_LENGTH;
    } else {
        return SW_REFUSED_PROTOCOL;
    }
    s->headers = s->ip_len + header;
    return SW_REFUSED_NOT;
}

/*
 * A superpacket comes with its checksum to be completed, or already verified. Neither would mean
 * that nobody vouches for bytes which the segments' new checksums are about to cover.
 */
static enum sw_segment_refusal check_vnet(const struct sw_segmenter *s, const struct sw_vnet *vnet)
{
    uint8_t tcp_type = s->ip6 ? SW_GSO_TCPV6 : SW_GSO_TCPV4;
    bool type_ok =
        s->tcp ? (vnet->gso_type & ~SW_GSO_ECN) == tcp_type : vnet->gso_type == SW_GSO_UDP_L4;
    if (!type_ok) return SW_REFUSED_GSO_TYPE;
    if (vnet->gso_size == 0) return SW_REFUSED_GSO_SIZE;

    if ((vnet->flags & SW_VNET_NEEDS_CSUM) == 0) {
        return (vnet->flags & SW_VNET_DATA_VALID) != 0 ? SW_REFUSED_NOT : SW_REFUSED_CSUM_START;
    }
    uint16_t csum_offset = s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
    if (vnet->csum_start != s->ip_len || vnet->csum_offset != csum_offset) {
        return SW_REFUSED_CSUM_START;
    }
    return SW_REFUSED_NOT;
}

/* Zeroes the words of the headers that differ from segment to segment. */
static void clear_variable_words(const struct sw_segmenter *s, uint8_t *headers)
{
    uint8_t *transport = headers + s->ip_len;
    if (!s->ip6) {
        memset(headers + IP4_TOTAL_LEN, 0, 4); /* and the identification */
        memset(headers + IP4_CHECKSUM, 0, 2);
    }
    if (s->tcp) {
        memset(transport + TCP_SEQUENCE, 0, 4);
        transport[TCP_FLAGS] = 0;
        memset(transport + TCP_CHECKSUM, 0, 2);
    } else {
        memset(transport + UDP_LEN, 0, 4); /* and the checksum */
    }
}

static void sum_headers(struct sw_segmenter *s)
{
    uint8_t headers[60 + 60];
    memcpy(headers, s->packet, s->headers);
    clear_variable_words(s, headers);

    uint8_t protocol = s->tcp ? SW_IPPROTO_TCP : SW_IPPROTO_UDP;
    uint64_t pseudo =
        s->ip6 ? sw_sum_pseudo_ip6(headers, protocol, 0) : sw_sum_pseudo_ip4(headers, protocol, 0);
    s->ip_sum = s->ip6 ? 0 : sw_sum(headers, s->ip_len, 0);
    s->transport_sum = sw_sum(headers + s->ip_len, s->headers - s->ip_len, pseudo);
}

int sw_segmenter_init(struct sw_segmenter *s, const uint8_t *packet, size_t len,
                      const struct sw_vnet *vnet, enum sw_segment_refusal *why)
{
    *s = (struct sw_segmenter){.packet = packet, .len = len};
    uint8_t protocol = 0;
    enum sw_segment_refusal refusal = check_ip(s, &protocol);
    if (refusal == SW_REFUSED_NOT) refusal = check_transport(s, protocol);
    if (refusal == SW_REFUSED_NOT) refusal = check_vnet(s, vnet);
    if (why != NULL) *why = refusal;
    if (refusal != SW_REFUSED_NOT) return SW_EVNET;

    size_t payload = len - s->headers;
    s->gso_size = vnet->gso_size;
    s->count = (unsigned)((payload + s->gso_size - 1) / s->gso_size);
    sum_headers(s);
    return 0;
}

static size_t payload_len(const struct sw_segmenter *s, unsigned i)
{
    assert(i < s->count);
    if (i + 1 < s->count) return s->gso_size;
    return s->len - s->headers - (size_t)i * s->gso_size;
}

size_t sw_segment_len(const struct sw_segmenter *s, unsigned i)
{
    return s->headers + payload_len(s, i);
}

/* A 16-bit value as the word a sum in memory order sees. */
static uint64_t word16(size_t value)
{
    return __builtin_bswap16((uint16_t)value);
}

static void put_ip_header(const struct sw_segmenter *s, unsigned i, uint8_t *ip, size_t total_len)
{
    if (s->ip6) {
        sw_put_be16(ip + IP6_PAYLOAD_LEN, (uint16_t)(total_len - IP6_HEADER));
        return;
    }
    uint16_t id = (uint16_t)(sw_get_be16(s->packet + IP4_ID) + i);
    sw_put_be16(ip + IP4_TOTAL_LEN, (uint16_t)total_len);
    sw_put_be16(ip + IP4_ID, id);
    sw_checksum_store(ip + IP4_CHECKSUM, s->ip_sum + word16(total_len) + word16(id), false);
}

static void put_tcp_header(const struct sw_segmenter *s, unsigned i, uint8_t *tcp, uint64_t sum)
{
    uint32_t offset = i * (uint32_t)s->gso_size;
    uint32_t sequence = sw_get_be32(s->packet + s->ip_len + TCP_SEQUENCE) + offset;
    uint8_t flags = s->packet[s->ip_len + TCP_FLAGS];
    if (i > 0) flags &= (uint8_t)~TCP_CWR;
    if (i + 1 < s->count) flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);

    sw_put_be32(tcp + TCP_SEQUENCE, sequence);
    tcp[TCP_FLAGS] = flags;
    sum += (uint64_t)__builtin_bswap32(sequence) + ((uint64_t)flags << 8);
    sw_checksum_store(tcp + TCP_CHECKSUM, sum, false);
}

static void put_udp_header(uint8_t *udp, size_t udp_len, uint64_t sum)
{
    sw_put_be16(udp + UDP_LEN, (uint16_t)udp_len);
    sw_checksum_store(udp + UDP_CHECKSUM, sum + word16(udp_len), true);
}

/* The headers of segment i around a payload of which only length and sum matter. */
static void put_headers(const struct sw_segmenter *s, unsigned i, uint8_t *out, size_t len,
                        uint64_t payload_sum)
{
    size_t total_len = s->headers + len;
    size_t transport_len = total_len - s->ip_len;
    uint64_t sum = s->transport_sum + word16(transport_len) + payload_sum;

    memcpy(out, s->packet, s->headers);
    put_ip_header(s, i, out, total_len);
    if (s->tcp) {
        put_tcp_header(s, i, out + s->ip_len, sum);
    } else {
        put_udp_header(out + s->ip_len, transport_len, sum);
    }
}

static const uint8_t *payload_start(const struct sw_segmenter *s, unsigned i)
{
    return s->packet + s->headers + (size_t)i * s->gso_size;
}

void sw_segment_build(const struct sw_segmenter *s, unsigned i, uint8_t *out)
{
    size_t len = payload_len(s, i);
    uint64_t sum = sw_sum_copy(out + s->headers, payload_start(s, i), len, 0);
    put_headers(s, i, out, len, sum);
}

void sw_segment_headers(const struct sw_segmenter *s, unsigned i, uint8_t *out,
                        const uint8_t **payload, size_t *len)
{
    *len = payload_len(s, i);
    *payload = payload_start(s, i);
    put_headers(s, i, out, *len, sw_sum(*payload, *len, 0));
}
