/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which packets may become one superpacket, and the making of it (docs/offload.md C.2, E.3, F.13).
 *
 * The measure of every rule is the segmenter: a packet may join if cutting the run afterwards gives
 * it back byte for byte. What the segmenter copies from the superpacket's headers must be equal in
 * all packets; what it computes (lengths, identification, sequence number, checksums) must be what
 * it would compute. The kernel's own GRO is looser in one point: it also merges packets with DF
 * that all carry the same identification, which a virtio header cannot express.
 *
 * The kernel trusts a superpacket's payload. So checksums are verified before a packet is taken in,
 * and they must be the very bytes that a sender computes: one's complement has two zeros, and a
 * packet with the other one would come back changed.
 *
 * Payload is copied once, and summed in the same pass, to the run's end; if the sum turns out wrong
 * the run's length was not advanced and the bytes are forgotten. Handing the kernel the pieces
 * where they lie instead costs more than this copy: it copies each of them separately.
 */

#include "lib/offload/run.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/packet.h"

#define IP_HEADER      20
#define TCP_HEADER_MIN 20
#define UDP_HEADER     8
#define SUPERPACKET    65535

#define VERSION_AND_IHL 0x45   /* IPv4, header of five words */
#define NOT_DF          0xbfff /* every bit of the fragment field but DF */

enum ip_field {
    IP_TOS = 1,
    IP_TOTAL_LEN = 2,
    IP_ID = 4,
    IP_FRAGMENT = 6,
    IP_TTL = 8,
    IP_PROTOCOL = 9,
    IP_CHECKSUM = 10,
    IP_ADDRESSES = 12,
};
enum tcp_field {
    TCP_SEQUENCE = 4,
    TCP_ACKNOWLEDGEMENT = 8,
    TCP_DATA_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_WINDOW = 14,
    TCP_CHECKSUM = 16,
    TCP_URGENT = 18,
};
enum udp_field { UDP_LEN = 4, UDP_CHECKSUM = 6 };

#define TCP_FIN      0x01
#define TCP_PSH      0x08
#define TCP_ACK      0x10
#define TCP_RESERVED 0x0f /* of the byte that begins with the data offset */

#define OTHER_ZERO 0xffff

/* --- looking at a packet ------------------------------------------------------------------------
 */

static enum sw_coalesce_reason examine_tcp(struct sw_run_packet *p)
{
    const uint8_t *tcp = p->data + IP_HEADER;
    size_t left = p->len - IP_HEADER;
    if (left < TCP_HEADER_MIN) return SW_COALESCE_HEADER;
    p->scope = SW_FLOW_PORTS;
    memcpy(&p->flow.ports, tcp, 4);

    size_t header = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
    if (header < TCP_HEADER_MIN || header > left) return SW_COALESCE_HEADER;
    uint8_t flags = tcp[TCP_FLAGS];
    if ((flags & ~(TCP_FIN | TCP_PSH)) != TCP_ACK) return SW_COALESCE_FLAGS;
    if ((tcp[TCP_DATA_OFFSET] & TCP_RESERVED) != 0) return SW_COALESCE_FLAGS;
    if (header == left) return SW_COALESCE_EMPTY;
    if (sw_get_be16(tcp + TCP_CHECKSUM) == OTHER_ZERO) return SW_COALESCE_CHECKSUM;

    p->headers = IP_HEADER + header;
    p->sequence = sw_get_be32(tcp + TCP_SEQUENCE);
    p->last = (flags & (TCP_FIN | TCP_PSH)) != 0;
    return SW_COALESCE_NOT;
}

static enum sw_coalesce_reason examine_udp(struct sw_run_packet *p)
{
    const uint8_t *udp = p->data + IP_HEADER;
    size_t left = p->len - IP_HEADER;
    if (left < UDP_HEADER) return SW_COALESCE_HEADER;
    p->scope = SW_FLOW_PORTS;
    memcpy(&p->flow.ports, udp, 4);

    if (sw_get_be16(udp + UDP_LEN) != left) return SW_COALESCE_HEADER;
    if (left == UDP_HEADER) return SW_COALESCE_EMPTY;
    if (sw_get_be16(udp + UDP_CHECKSUM) == 0) return SW_COALESCE_NO_CHECKSUM;

    p->headers = IP_HEADER + UDP_HEADER;
    p->last = false;
    return SW_COALESCE_NOT;
}

enum sw_coalesce_reason sw_run_examine(const uint8_t *data, size_t len, struct sw_run_packet *p)
{
    p->data = data;
    p->len = len;
    p->scope = SW_FLOW_UNKNOWN;
    p->flow.ports = 0;
    if (len < IP_HEADER || data[0] >> 4 != 4) return SW_COALESCE_LENGTH;
    p->scope = SW_FLOW_ADDRESSES;
    p->flow.protocol = data[IP_PROTOCOL];
    memcpy(&p->flow.addresses, data + IP_ADDRESSES, 8);

    if (sw_get_be16(data + IP_TOTAL_LEN) != len) return SW_COALESCE_LENGTH;
    if (data[0] != VERSION_AND_IHL) return SW_COALESCE_OPTIONS;
    if ((sw_get_be16(data + IP_FRAGMENT) & NOT_DF) != 0) return SW_COALESCE_FRAGMENT;
    if (sw_get_be16(data + IP_CHECKSUM) == OTHER_ZERO) return SW_COALESCE_CHECKSUM;
    p->id = sw_get_be16(data + IP_ID);
    switch (p->flow.protocol) {
    case SW_IPPROTO_TCP:
        return examine_tcp(p);
    case SW_IPPROTO_UDP:
        return examine_udp(p);
    default:
        return SW_COALESCE_PROTOCOL;
    }
}

/* --- checksums ----------------------------------------------------------------------------------
 */

static bool sum_ok(uint64_t sum)
{
    return sw_sum_fold(sum) == 0xffff;
}

static bool ip_header_ok(const uint8_t *ip)
{
    return sum_ok(sw_sum(ip, IP_HEADER, 0));
}

/* The sum of everything that the transport checksum covers, up to the payload. */
static uint64_t headers_sum(const struct sw_run_packet *p)
{
    uint64_t pseudo = sw_sum_pseudo_ip4(p->data, p->flow.protocol, p->len - IP_HEADER);
    return sw_sum(p->data + IP_HEADER, p->headers - IP_HEADER, pseudo);
}

/* Copies the payload to out. False: the packet is damaged. */
static bool take_payload(const struct sw_run_packet *p, uint8_t *out)
{
    if (!ip_header_ok(p->data)) return false;
    return sum_ok(sw_sum_copy(out, p->data + p->headers, p->len - p->headers, headers_sum(p)));
}

/* --- growing ------------------------------------------------------------------------------------
 */

/* What one packet more or less leaves behind. */
static void advance(struct sw_run *run, const struct sw_run_packet *p)
{
    size_t payload = p->len - p->headers;
    run->count++;
    run->id = (uint16_t)(p->id + 1);
    if (run->flow.protocol == SW_IPPROTO_TCP) {
        run->sequence = p->sequence + (uint32_t)payload;
        run->flags = p->data[IP_HEADER + TCP_FLAGS]; /* all but the last have ACK only */
        run->closed = p->last || payload < run->gso_size;
    } else {
        run->closed = payload < run->gso_size || run->count == SW_COALESCE_UDP_SEGMENTS;
    }
}

enum sw_coalesce_reason sw_run_start(struct sw_run *run, const struct sw_run_packet *p)
{
    if (!take_payload(p, run->buffer + p->headers)) return SW_COALESCE_CHECKSUM;
    memcpy(run->buffer, p->data, p->headers);
    run->len = p->len;
    run->flow = p->flow;
    run->headers = p->headers;
    run->gso_size = p->len - p->headers;
    run->count = 0;
    advance(run, p);
    return SW_COALESCE_NOT;
}

/* The flow's addresses and ports are known to be equal. */
static bool same_fields(const uint8_t *a, const uint8_t *b, const struct sw_run_packet *p)
{
    if (a[IP_TOS] != b[IP_TOS] || a[IP_TTL] != b[IP_TTL] ||
        memcmp(a + IP_FRAGMENT, b + IP_FRAGMENT, 2) != 0)
        return false;
    if (p->flow.protocol != SW_IPPROTO_TCP) return true;

    a += IP_HEADER;
    b += IP_HEADER;
    size_t options = p->headers - IP_HEADER - TCP_HEADER_MIN;
    return memcmp(a + TCP_ACKNOWLEDGEMENT, b + TCP_ACKNOWLEDGEMENT, 4) == 0 &&
           memcmp(a + TCP_WINDOW, b + TCP_WINDOW, 2) == 0 &&
           memcmp(a + TCP_URGENT, b + TCP_URGENT, 2) == 0 &&
           memcmp(a + TCP_HEADER_MIN, b + TCP_HEADER_MIN, options) == 0;
}

enum sw_coalesce_reason sw_run_join(struct sw_run *run, const struct sw_run_packet *p)
{
    size_t payload = p->len - p->headers;
    bool tcp = run->flow.protocol == SW_IPPROTO_TCP;

    if (p->headers != run->headers || !same_fields(run->buffer, p->data, p))
        return SW_COALESCE_FIELDS;
    if (p->id != run->id) return SW_COALESCE_ID;
    if (tcp && p->sequence != run->sequence) return SW_COALESCE_SEQUENCE;
    if (payload > run->gso_size) return SW_COALESCE_SIZE;
    if (run->len + payload > SUPERPACKET) return SW_COALESCE_FULL;
    if (!take_payload(p, run->buffer + run->len)) return SW_COALESCE_CHECKSUM;
    run->len += payload;
    advance(run, p);
    return SW_COALESCE_NOT;
}

/* --- the end ------------------------------------------------------------------------------------
 */

void sw_run_finish(struct sw_run *run, struct sw_vnet *vnet)
{
    memset(vnet, 0, sizeof *vnet);
    if (run->count < 2) return;

    uint8_t *ip = run->buffer;
    uint8_t *transport = ip + IP_HEADER;
    size_t transport_len = run->len - IP_HEADER;
    bool tcp = run->flow.protocol == SW_IPPROTO_TCP;
    *vnet = (struct sw_vnet){
        .flags = SW_VNET_NEEDS_CSUM,
        .gso_type = tcp ? SW_GSO_TCPV4 : SW_GSO_UDP_L4,
        .hdr_len = (uint16_t)run->headers,
        .gso_size = (uint16_t)run->gso_size,
        .csum_start = IP_HEADER,
        .csum_offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
    };

    sw_put_be16(ip + IP_TOTAL_LEN, (uint16_t)run->len);
    sw_checksum_ip4_header(ip, IP_HEADER);
    if (tcp) {
        transport[TCP_FLAGS] = run->flags;
    } else {
        sw_put_be16(transport + UDP_LEN, (uint16_t)transport_len);
    }
    /* The stack adds what lies between csum_start and the end, and complements. */
    uint16_t pseudo = sw_sum_fold(sw_sum_pseudo_ip4(ip, run->flow.protocol, transport_len));
    memcpy(transport + vnet->csum_offset, &pseudo, sizeof pseudo);
}
