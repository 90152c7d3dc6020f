/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_EXPECTED_H
#define SIM_EXPECTED_H

/* What must come out of a node's TUN, byte for byte and in order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/superpacket.h"
#include "tests/unit/packet_bytes.h"

/** The packets that are to arrive at a node, one behind the other. */
struct expected {
    uint8_t *bytes;
    size_t len, room, at;
    unsigned count, arrived, wrong;
};

static inline void expect(struct expected *e, const uint8_t *packet, size_t len)
{
    if (e->len + len > e->room) {
        e->room = 2 * (e->len + len);
        e->bytes = realloc(e->bytes, e->room);
        assert_non_null(e->bytes);
    }
    memcpy(e->bytes + e->len, packet, len);
    e->len += len;
    e->count++;
}

static inline void arrive(struct node *node, uint8_t *packet, size_t len)
{
    struct expected *e = node->data;

    e->arrived++;
    if (!plain_packet_ok(packet, len) || e->at + len > e->len ||
        memcmp(e->bytes + e->at, packet, len) != 0)
        e->wrong++;
    e->at += len;
}

/** Cuts a copy with the addresses that the receiver sees. */
static inline unsigned expect_segments(struct expected *e, const struct sw_inside_packet *packet,
                                       uint32_t from, uint32_t to)
{
    static uint8_t copy[SUPERPACKET_MAX], segment[SUPERPACKET_MAX];
    struct sw_segmenter s;

    memcpy(copy, packet->data, packet->len);
    sw_put_be32(copy + 12, from);
    sw_put_be32(copy + 16, to);
    assert_int_equal(sw_segmenter_init(&s, copy, packet->len, &packet->vnet, NULL), 0);
    for (unsigned i = 0; i < s.count; i++) {
        sw_segment_build(&s, i, segment);
        expect(e, segment, sw_segment_len(&s, i));
    }
    return s.count;
}

static inline bool all_arrived(const struct expected *e)
{
    return e->arrived == e->count && e->at == e->len && e->wrong == 0;
}

static inline void expect_at(struct node *node, struct expected *e)
{
    node->inside = arrive;
    node->data = e;
}

#endif
