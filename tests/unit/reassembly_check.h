/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_REASSEMBLY_CHECK_H
#define SW_TESTS_REASSEMBLY_CHECK_H

/*
 * A reassembly that is watched by the plainest one there is: one flag per unit of eight bytes,
 * where every piece begins and all but the last end. Whatever fragments come, both must agree on
 * what becomes of each, and on every byte of what is whole (docs/protocol/session.md §18).
 */

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/reassembly.h"

#define PLAIN_UNITS 8192

struct plain_partial {
    bool used;
    uint16_t id;
    size_t end; /* 0: not known */
    size_t reach;
    unsigned pieces, pages;
    sw_time began;
    uint64_t touched;
    uint8_t have[PLAIN_UNITS], bytes[65536];
};

struct checked_reassembly {
    struct sw_reassembly *r;
    struct plain_partial partials[SW_REASSEMBLY_PACKETS];
    uint64_t clock;
    uint64_t fates[SW_FRAGMENT_FATES], expected[SW_FRAGMENT_FATES];
    uint8_t whole[SW_INSIDE_PACKET_MAX];
    size_t len;
};

static inline struct checked_reassembly *checked_reassembly_new(void)
{
    struct checked_reassembly *c = calloc(1, sizeof *c);
    assert(c != NULL);
    c->r = sw_reassembly_new();
    assert(c->r != NULL);
    return c;
}

static inline void checked_reassembly_free(struct checked_reassembly *c)
{
    sw_reassembly_free(c->r);
    free(c);
}

/** As new. */
static inline void checked_reassembly_reset(struct checked_reassembly *c)
{
    sw_reassembly_free(c->r);
    c->r = sw_reassembly_new();
    assert(c->r != NULL);
    for (size_t i = 0; i < SW_REASSEMBLY_PACKETS; i++)
        c->partials[i].used = false;
    memset(c->fates, 0, sizeof c->fates);
    memset(c->expected, 0, sizeof c->expected);
}

static inline unsigned plain_count_pages(const struct plain_partial *p)
{
    unsigned pages = 0;
    for (size_t page = 0; page < 32; page++)
        pages += memchr(p->have + page * 256, 1, 256) != NULL;
    return pages;
}

static inline unsigned plain_ranges(const struct plain_partial *p)
{
    unsigned ranges = 0;
    for (size_t i = 0; i < PLAIN_UNITS; i++)
        ranges += p->have[i] && (i == 0 || !p->have[i - 1]);
    return ranges;
}

static inline struct plain_partial *plain_oldest(struct checked_reassembly *c,
                                                 const struct plain_partial *keep)
{
    struct plain_partial *oldest = NULL;
    for (struct plain_partial *p = c->partials; p < c->partials + SW_REASSEMBLY_PACKETS; p++)
        if (p->used && p != keep && (oldest == NULL || p->touched < oldest->touched)) oldest = p;
    return oldest;
}

static inline struct plain_partial *plain_find(struct checked_reassembly *c, uint16_t id,
                                               sw_time now)
{
    struct plain_partial *found = NULL, *unused = NULL;
    for (struct plain_partial *p = c->partials; p < c->partials + SW_REASSEMBLY_PACKETS; p++) {
        if (p->used && now - p->began > SW_REASSEMBLY_AGE) {
            p->used = false;
            c->expected[SW_FRAGMENT_EXPIRED]++;
        }
        if (p->used && p->id == id) found = p;
        if (!p->used) unused = p;
    }
    if (found != NULL) return found;
    if (unused == NULL) {
        unused = plain_oldest(c, NULL);
        c->expected[SW_FRAGMENT_EVICTED]++;
    }
    memset(unused, 0, offsetof(struct plain_partial, bytes));
    unused->used = true;
    unused->id = id;
    unused->began = now;
    return unused;
}

static inline enum sw_fragment_fate plain_enter(struct plain_partial *p,
                                                const struct sw_frame_frag *f)
{
    const size_t end = f->offset + f->data.len;
    uint8_t *units = p->have + f->offset / 8;
    const size_t n = (f->data.len + 7) / 8;

    if (f->more && p->end != 0 && end >= p->end) return SW_FRAGMENT_BEYOND;
    if (!f->more && (p->end != 0 || p->reach > end)) return SW_FRAGMENT_BEYOND;
    if (++p->pieces > SW_REASSEMBLY_PIECES) return SW_FRAGMENT_TOO_MANY;
    if (memchr(units, 1, n) != NULL) return SW_FRAGMENT_OVERLAPS;
    memset(units, 1, n);
    memcpy(p->bytes + f->offset, f->data.data, f->data.len);
    p->pages = plain_count_pages(p);
    if (end > p->reach) p->reach = end;
    if (plain_ranges(p) > SW_REASSEMBLY_PIECES / 2) return SW_FRAGMENT_TOO_MANY;
    if (!f->more) p->end = end;
    if (p->end == 0 || memchr(p->have, 0, (p->end + 7) / 8) != NULL) return SW_FRAGMENT_KEPT;
    return SW_FRAGMENT_COMPLETES;
}

static inline void plain_make_room(struct checked_reassembly *c, struct plain_partial *keep)
{
    for (;;) {
        unsigned pages = 0;
        for (size_t i = 0; i < SW_REASSEMBLY_PACKETS; i++)
            if (c->partials[i].used) pages += c->partials[i].pages;
        if (pages <= SW_REASSEMBLY_BYTES / 2048) break;
        plain_oldest(c, keep)->used = false;
        c->expected[SW_FRAGMENT_EVICTED]++;
    }
}

static inline unsigned plain_packets(const struct checked_reassembly *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < SW_REASSEMBLY_PACKETS; i++)
        n += c->partials[i].used;
    return n;
}

/** Adds the fragment to both; aborts when they disagree. The whole packet is in c->whole. */
static inline enum sw_fragment_fate checked_add(struct checked_reassembly *c,
                                                const struct sw_frame_frag *f, sw_time now)
{
    enum sw_fragment_fate fate = sw_reassembly_add(c->r, f, now, c->whole, &c->len, c->fates);
    const size_t end = f->offset + f->data.len;
    const uint8_t *bytes = f->data.data;
    enum sw_fragment_fate expected = SW_FRAGMENT_MALFORMED;

    if (f->data.len > 0 && end <= 65535 && !f->more && f->offset == 0) {
        expected = SW_FRAGMENT_COMPLETES;
    } else if (f->data.len > 0 && end <= 65535 && !(f->more && f->data.len % 8 != 0)) {
        struct plain_partial *p = plain_find(c, f->id, now);
        p->touched = ++c->clock;
        expected = plain_enter(p, f);
        if (expected == SW_FRAGMENT_KEPT || expected == SW_FRAGMENT_COMPLETES)
            plain_make_room(c, p);
        if (expected != SW_FRAGMENT_KEPT) p->used = false;
        bytes = p->bytes;
    }
    c->expected[expected]++;
    if (fate != expected || memcmp(c->fates, c->expected, sizeof c->fates) != 0) abort();
    if (fate == SW_FRAGMENT_COMPLETES && (c->len != end && f->offset == 0 && !f->more)) abort();
    if (fate == SW_FRAGMENT_COMPLETES && memcmp(c->whole, bytes, c->len) != 0) abort();
    if (sw_reassembly_packets(c->r) != plain_packets(c)) abort();
    return fate;
}

#endif
