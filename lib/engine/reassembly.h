/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_REASSEMBLY_H
#define SW_ENGINE_REASSEMBLY_H

/*
 * Inside packets that come in fragments (docs/protocol/session.md §18): one store per connection,
 * of fixed size. Pure.
 */

#include <slipway/types.h>

#include "lib/wire/frame.h"

#define SW_REASSEMBLY_PACKETS 64              /**< incomplete ones at a time */
#define SW_REASSEMBLY_BYTES   (128u << 10)    /**< held in all of them */
#define SW_REASSEMBLY_PIECES  64              /**< fragments of one packet */
#define SW_REASSEMBLY_AGE     (2 * SW_SECOND) /**< from the first fragment to the last */

#define SW_INSIDE_PACKET_MAX 65535

enum sw_fragment_fate {
    SW_FRAGMENT_KEPT,
    SW_FRAGMENT_COMPLETES, /**< the packet is whole */
    /* Contradictions: the packet is given up with everything it had. */
    SW_FRAGMENT_MALFORMED, /**< empty, too long, or not the last and no multiple of eight */
    SW_FRAGMENT_OVERLAPS,  /**< repeats bytes that are there */
    SW_FRAGMENT_BEYOND,    /**< contradicts where the packet ends */
    SW_FRAGMENT_TOO_MANY,  /**< pieces */
    /* What happened to others meanwhile; never returned. */
    SW_FRAGMENT_EXPIRED, /**< never became whole */
    SW_FRAGMENT_EVICTED, /**< gave way to a newer packet */
    SW_FRAGMENT_FATES
};

struct sw_reassembly;

/** NULL: out of memory. */
struct sw_reassembly *sw_reassembly_new(void);
void sw_reassembly_free(struct sw_reassembly *r);

/**
 * Takes a fragment. What became of it; each count of fates that is due, its own included, is
 * incremented. COMPLETES: the packet is in out (SW_INSIDE_PACKET_MAX bytes of room), *len bytes.
 */
enum sw_fragment_fate sw_reassembly_add(struct sw_reassembly *r, const struct sw_frame_frag *frag,
                                        sw_time now, uint8_t *out, size_t *len,
                                        uint64_t fates[SW_FRAGMENT_FATES]);

/** Packets begun and not yet whole. */
unsigned sw_reassembly_packets(const struct sw_reassembly *r);

/** What a fragment is worth by itself: KEPT if others are needed, COMPLETES if it is a packet
 * alone, or MALFORMED. */
enum sw_fragment_fate sw_fragment_judge(const struct sw_frame_frag *frag);

#endif
