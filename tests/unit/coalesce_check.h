/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_COALESCE_CHECK_H
#define SW_TESTS_COALESCE_CHECK_H

/*
 * A coalescer with a witness: what goes in is remembered, what comes out is cut by the segmenter,
 * and checked_order_ok() says whether the pieces are the packets that went in, byte for byte, those
 * of one flow in their order. For unit tests and the fuzzer; a broken promise of the coalescer
 * itself (a superpacket that the segmenter refuses, say) aborts.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/coalesce.h"
#include "lib/offload/segment.h"
#include "tests/unit/packet_bytes.h"

#define CHECKED_PACKETS 4096
#define CHECKED_WRITES  4096

#define CHECKED(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Bytes in an allocation of exactly their size. */
struct checked_bytes {
    uint8_t *data;
    size_t len;
};

struct checked_write {
    struct sw_vnet vnet;
    struct checked_bytes packet;
    unsigned segments;
};

struct checked {
    struct sw_coalesce *c;
    int answer; /* of the write callback */
    unsigned pushed, written, cut;
    struct checked_bytes in[CHECKED_PACKETS];
    struct checked_bytes out[CHECKED_PACKETS]; /* packets and segments */
    struct checked_write writes[CHECKED_WRITES];
};

static inline struct checked_bytes checked_copy(const uint8_t *data, size_t len)
{
    struct checked_bytes copy = {malloc(len > 0 ? len : 1), len};
    CHECKED(copy.data != NULL);
    if (len > 0) memcpy(copy.data, data, len);
    return copy;
}

static inline bool checked_equal(const struct checked_bytes *a, const struct checked_bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static inline void checked_super(struct checked *k, struct checked_write *w)
{
    struct sw_segmenter s;
    enum sw_segment_refusal why;
    const uint8_t *packet = w->packet.data;
    bool tcp = w->vnet.gso_type == SW_GSO_TCPV4;

    CHECKED(sw_segmenter_init(&s, packet, w->packet.len, &w->vnet, &why) == 0);
    CHECKED(w->packet.len <= 65535 && w->vnet.flags == SW_VNET_NEEDS_CSUM);
    CHECKED(s.count >= 2 && (tcp || s.count <= SW_COALESCE_UDP_SEGMENTS));
    CHECKED(w->vnet.hdr_len == s.headers && plain_ip4_header_ok(packet));
    uint16_t field = sw_get_be16(packet + 20 + w->vnet.csum_offset);
    CHECKED(field == plain_pseudo_sum(packet, packet[9], w->packet.len - 20));

    w->segments = s.count;
    for (unsigned i = 0; i < s.count; i++) {
        struct checked_bytes segment = {NULL, sw_segment_len(&s, i)};
        segment.data = malloc(segment.len);
        CHECKED(segment.data != NULL && k->cut < CHECKED_PACKETS);
        sw_segment_build(&s, i, segment.data);
        k->out[k->cut++] = segment;
    }
}

static inline int checked_on_write(void *user, const struct sw_vnet *vnet, const uint8_t *packet,
                                   size_t len)
{
    struct checked *k = user;
    CHECKED(k->written < CHECKED_WRITES);
    struct checked_write *w = &k->writes[k->written++];
    *w = (struct checked_write){*vnet, checked_copy(packet, len), 1};
    if (sw_vnet_is_super(vnet)) {
        checked_super(k, w);
    } else {
        static const struct sw_vnet zero;
        CHECKED(memcmp(vnet, &zero, sizeof zero) == 0 && k->cut < CHECKED_PACKETS);
        k->out[k->cut++] = checked_copy(packet, len);
    }
    return k->answer;
}

static inline struct checked *checked_new(void)
{
    struct checked *k = calloc(1, sizeof *k);
    CHECKED(k != NULL);
    k->c = sw_coalesce_new(checked_on_write, k);
    CHECKED(k->c != NULL);
    return k;
}

static inline void checked_clear(struct checked *k)
{
    for (unsigned i = 0; i < k->pushed; i++)
        free(k->in[i].data);
    for (unsigned i = 0; i < k->cut; i++)
        free(k->out[i].data);
    for (unsigned i = 0; i < k->written; i++)
        free(k->writes[i].packet.data);
    k->pushed = k->cut = k->written = 0;
}

static inline void checked_free(struct checked *k)
{
    checked_clear(k);
    sw_coalesce_free(k->c);
    free(k);
}

/* Pushes a copy that is gone afterwards, so that a pointer kept too long is seen by sanitizers. */
static inline void checked_push(struct checked *k, const uint8_t *packet, size_t len)
{
    CHECKED(k->pushed < CHECKED_PACKETS);
    struct checked_bytes lent = checked_copy(packet, len);
    k->in[k->pushed++] = checked_copy(packet, len);
    sw_coalesce_push(k->c, lent.data, lent.len);
    CHECKED(checked_equal(&lent, &k->in[k->pushed - 1]));
    free(lent.data);
}

/* Which flow a packet belongs to: addresses, protocol and, where they can be had, ports. */
struct checked_flow {
    bool ip4, ports;
    uint8_t bytes[13];
};

static inline struct checked_flow checked_flow_of(const struct checked_bytes *p)
{
    struct checked_flow f = {0};
    if (p->len < 20 || p->data[0] >> 4 != 4) return f;
    f.ip4 = true;
    f.bytes[0] = p->data[9];
    memcpy(f.bytes + 1, p->data + 12, 8);
    bool whole = p->data[0] == 0x45 && sw_get_be16(p->data + 2) == p->len &&
                 (sw_get_be16(p->data + 6) & 0xbfff) == 0;
    if (!whole) return f;
    f.ports = (p->data[9] == 6 && p->len >= 40) || (p->data[9] == 17 && p->len >= 28);
    if (f.ports) memcpy(f.bytes + 9, p->data + 20, 4);
    return f;
}

static inline bool checked_related(const struct checked_bytes *p, const struct checked_bytes *q)
{
    struct checked_flow a = checked_flow_of(p), b = checked_flow_of(q);
    if (!a.ip4 || !b.ip4) return false;
    return memcmp(a.bytes, b.bytes, a.ports && b.ports ? 13 : 9) == 0;
}

/*
 * To be asked after a flush: is the output the input, each packet once, and did no packet overtake
 * another of its flow?
 */
static inline bool checked_order_ok(const struct checked *k)
{
    static unsigned place[CHECKED_PACKETS];
    static bool taken[CHECKED_PACKETS];
    if (k->pushed != k->cut) return false;
    memset(taken, 0, sizeof taken);
    for (unsigned i = 0; i < k->pushed; i++) {
        unsigned at = 0;
        while (at < k->cut && (taken[at] || !checked_equal(&k->in[i], &k->out[at])))
            at++;
        if (at == k->cut) return false;
        taken[at] = true;
        place[i] = at;
    }
    for (unsigned i = 0; i < k->pushed; i++) {
        for (unsigned j = i + 1; j < k->pushed; j++) {
            if (place[j] < place[i] && checked_related(&k->in[i], &k->in[j])) return false;
        }
    }
    return true;
}

/* Every packet is accounted for, once; to be asked after a flush. */
static inline bool checked_counters_ok(const struct checked *k)
{
    const struct sw_coalesce_counters *n = sw_coalesce_counters(k->c);
    return n->packets == n->merged + n->singles && n->merged >= 2 * n->superpackets;
}

/* --- packets ------------------------------------------------------------------------------------
 */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

/* A packet of one of many flows; what is zero is left at a sensible value. */
struct recipe {
    uint8_t protocol; /* 0: TCP */
    uint8_t flow;
    uint16_t id;
    uint32_t sequence;
    uint8_t flags; /* or-ed to ACK */
    size_t payload;
    size_t options;   /* bytes, multiple of 4, most 40 */
    uint32_t content; /* seed of the payload */
};

static inline void checksum_transport(uint8_t *ip, size_t len)
{
    uint8_t *field = ip + 20 + (ip[9] == 6 ? 16 : 6);
    sw_put_be16(field, 0);
    uint16_t sum = plain_checksum(ip + 20, len - 20, plain_pseudo_sum(ip, ip[9], len - 20));
    sw_put_be16(field, ip[9] == 17 && sum == 0 ? 0xffff : sum);
}

static inline void checksum_ip(uint8_t *ip)
{
    sw_put_be16(ip + 10, 0);
    sw_put_be16(ip + 10, plain_checksum(ip, 20, 0));
}

/* Makes the packet right again after a field was changed; not for IP options. */
static inline void checksum_packet(uint8_t *ip, size_t len)
{
    checksum_ip(ip);
    checksum_transport(ip, len);
}

static inline size_t build(const struct recipe *r, uint8_t *ip)
{
    uint8_t protocol = r->protocol != 0 ? r->protocol : 6;
    size_t headers = protocol == 6 ? 40 + r->options : 28;
    size_t len = headers + r->payload;
    static const uint8_t header[20] = {0x45, 0, 0,  0,  0, 0, 0x40, 0,  64, 0,
                                       0,    0, 10, 20, 1, 9, 10,   20, 2,  9};
    memset(ip, 0, headers);
    memcpy(ip, header, sizeof header);
    sw_put_be16(ip + 2, (uint16_t)len);
    sw_put_be16(ip + 4, r->id);
    ip[9] = protocol;
    sw_put_be16(ip + 20, (uint16_t)(1234 + r->flow));
    sw_put_be16(ip + 22, 5678);
    if (protocol == 6) {
        sw_put_be32(ip + 24, r->sequence);
        sw_put_be32(ip + 28, 0x10203040);
        ip[32] = (uint8_t)((20 + r->options) / 4 << 4);
        ip[33] = (uint8_t)(TCP_ACK | r->flags);
        sw_put_be16(ip + 34, 501);
        if (r->options > 0) fill_random(ip + 40, r->options, 77);
    } else {
        sw_put_be16(ip + 24, (uint16_t)(len - 20));
    }
    fill_random(ip + headers, r->payload, r->content + 1);
    checksum_packet(ip, len);
    return len;
}

#endif
