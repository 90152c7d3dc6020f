/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Address translation (docs/protocol/session.md §20).
 *
 * Both directions are one rewrite seen in a mirror: one address always becomes t->set, the opposite
 * one is replaced if it is the DNS address. Checksums are updated incrementally (RFC 1624), never
 * recomputed, so that a packet which was wrong before is still wrong afterwards.
 *
 * An ICMP error quotes the packet it is about, and that packet travelled the other way: its
 * opposite address is what our address is in the outer header. Quoted packets are usually cut after
 * the first eight bytes of their transport header; a checksum field that was cut off needs no
 * update. The ICMP checksum covers the quotation and is corrected by the difference of the
 * quotation's sum.
 *
 * A packet that is too short for the header it announces keeps its transport bytes: only whole
 * fields are touched.
 */

#include "lib/engine/translate.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/packet.h"

enum ip4_field {
    IP4_TOTAL_LEN = 2,
    IP4_FRAGMENT = 6,
    IP4_PROTOCOL = 9,
    IP4_CHECKSUM = 10,
    IP4_SOURCE = 12,
    IP4_DESTINATION = 16,
    IP4_HEADER_MIN = 20,
};

#define FRAGMENT_OFFSET 0x1fff

#define ICMP_CHECKSUM 2
#define ICMP_HEADER   8

/* The transport protocols whose checksum covers the addresses. */
static const struct transport {
    uint8_t protocol;
    uint8_t checksum;  /* offset of the field */
    bool zero_is_none; /* 0 means "no checksum" and is never a result */
} transports[] = {
    {SW_IPPROTO_TCP, 16, false},
    {SW_IPPROTO_UDP, 6, true},
    {SW_IPPROTO_UDPLITE, 6, true},
    {SW_IPPROTO_DCCP, 6, false},
};

/* The header being rewritten: of the packet itself or of the one an ICMP error quotes. */
struct header {
    uint8_t *ip;
    uint8_t *transport_checksum; /* NULL: none, or not present */
    bool zero_is_none;
};

static void find_transport_checksum(struct header *h, uint8_t protocol, uint8_t *transport,
                                    size_t len)
{
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        const struct transport *t = &transports[i];
        if (t->protocol != protocol || len < (size_t)t->checksum + 2) continue;
        h->transport_checksum = transport + t->checksum;
        h->zero_is_none = t->zero_is_none;
        return;
    }
}

static void set_address(const struct header *h, size_t field, uint32_t address)
{
    uint32_t old;
    uint32_t new_ = __builtin_bswap32(address);
    memcpy(&old, h->ip + field, sizeof old);
    if (old == new_) return;
    memcpy(h->ip + field, &new_, sizeof new_);
    sw_checksum_replace32(h->ip + IP4_CHECKSUM, old, new_, false);
    if (h->transport_checksum != NULL) {
        sw_checksum_replace32(h->transport_checksum, old, new_, h->zero_is_none);
    }
}

static void rewrite(const struct header *h, size_t ours, const struct sw_translation *t)
{
    size_t opposite = IP4_SOURCE + IP4_DESTINATION - ours;
    set_address(h, ours, t->set);
    if (t->dns_match != 0 && sw_get_be32(h->ip + opposite) == t->dns_match) {
        set_address(h, opposite, t->dns_set);
    }
}

/* Types 3, 4, 5, 11 and 12 quote a packet (RFC 792). */
static bool is_icmp_error(uint8_t type)
{
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static void rewrite_quotation(uint8_t *icmp, size_t len, size_t ours,
                              const struct sw_translation *t)
{
    if (len < ICMP_HEADER + IP4_HEADER_MIN || !is_icmp_error(icmp[0])) return;
    struct header quoted = {.ip = icmp + ICMP_HEADER};
    uint8_t *ip = quoted.ip;
    size_t left = len - ICMP_HEADER;
    size_t header_len = (size_t)(ip[0] & 15) * 4;
    if (ip[0] >> 4 != 4 || header_len < IP4_HEADER_MIN || header_len > left) return;

    /* What follows the quoted packet, such as an extension of RFC 4884, is not its transport
     * header. */
    size_t total_len = sw_get_be16(ip + IP4_TOTAL_LEN);
    if (left > total_len) left = total_len;
    size_t changed_len = header_len;
    if (left > header_len && (sw_get_be16(ip + IP4_FRAGMENT) & FRAGMENT_OFFSET) == 0) {
        find_transport_checksum(&quoted, ip[IP4_PROTOCOL], ip + header_len, left - header_len);
        if (quoted.transport_checksum != NULL) {
            changed_len = (size_t)(quoted.transport_checksum + 2 - ip);
        }
    }

    uint16_t before = sw_sum_fold(sw_sum(ip, changed_len, 0));
    rewrite(&quoted, IP4_SOURCE + IP4_DESTINATION - ours, t);
    uint16_t after = sw_sum_fold(sw_sum(ip, changed_len, 0));
    sw_checksum_replace32(icmp + ICMP_CHECKSUM, before, after, false);
}

static int translate(uint8_t *packet, size_t len, size_t ours, const struct sw_translation *t,
                     bool super)
{
    struct sw_packet shape;
    int rc = sw_packet_parse(packet, len, &shape);
    if (rc < 0) return rc;

    struct header h = {.ip = packet};
    uint8_t *transport = packet + shape.header_len;
    size_t left = shape.total_len - shape.header_len;
    if (!super && !shape.later_fragment) {
        find_transport_checksum(&h, shape.protocol, transport, left);
        if (shape.protocol == SW_IPPROTO_ICMP) rewrite_quotation(transport, left, ours, t);
    }
    rewrite(&h, ours, t);
    return 0;
}

int sw_translate_source(uint8_t *packet, size_t len, const struct sw_translation *t, bool super)
{
    return translate(packet, len, IP4_SOURCE, t, super);
}

int sw_translate_destination(uint8_t *packet, size_t len, const struct sw_translation *t,
                             bool super)
{
    return translate(packet, len, IP4_DESTINATION, t, super);
}
