/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Reassembly (docs/protocol/session.md §18, after RFC 815 and RFC 5722).
 *
 * A packet under way has a list of ranges that are there, disjoint, in order and merged where they
 * touch; it is whole when one range reaches from 0 to the known end. Any contradiction (an overlap,
 * even a plain repetition; bytes behind the end; two ends) gives the packet up: nothing can tell
 * which of the two was right, and DTLS drops repeated datagrams before they get here.
 *
 * Memory is one block, made with the store: pages that hold the bytes where they will be in the
 * packet, so that order does not matter. A packet takes a page when its first byte in there comes.
 * When pages or places run out, the packet that was touched longest ago gives way; a whole store
 * is twice the longest packet, so the one that asks never has to give way to itself. What is too
 * old is forgotten when the next fragment comes, no timer runs: numbers come round after 65536
 * packets, and the end of an old packet must not complete a new one.
 */

#include "lib/engine/reassembly.h"

#include <stdlib.h>
#include <string.h>

#define PAGE       2048
#define PAGES      (SW_REASSEMBLY_BYTES / PAGE)
#define PAGES_MOST ((SW_INSIDE_PACKET_MAX + PAGE - 1) / PAGE)
#define RANGES     (SW_REASSEMBLY_PIECES / 2)
#define NO_PAGE    0xff

_Static_assert(PAGES <= NO_PAGE && PAGES >= 2 * PAGES_MOST, "room for any packet beside another");

struct range {
    uint16_t begin, end;
};

struct partial {
    bool used;
    uint16_t id;
    bool end_known;
    uint16_t end;
    uint8_t pieces, n_ranges;
    struct range ranges[RANGES];
    uint8_t page[PAGES_MOST]; /* NO_PAGE: nothing there yet */
    sw_time began;
    uint64_t touched; /* larger is later */
};

struct sw_reassembly {
    struct partial partials[SW_REASSEMBLY_PACKETS];
    uint8_t free_pages[PAGES];
    unsigned n_free;
    uint64_t clock;
    uint8_t pages[PAGES][PAGE];
};

struct sw_reassembly *sw_reassembly_new(void)
{
    struct sw_reassembly *r = malloc(sizeof *r);

    if (r == NULL) return NULL;
    memset(r->partials, 0, sizeof r->partials);
    r->clock = 0;
    for (r->n_free = 0; r->n_free < PAGES; r->n_free++)
        r->free_pages[r->n_free] = (uint8_t)r->n_free;
    return r;
}

void sw_reassembly_free(struct sw_reassembly *r)
{
    free(r);
}

unsigned sw_reassembly_packets(const struct sw_reassembly *r)
{
    unsigned n = 0;

    for (size_t i = 0; i < SW_REASSEMBLY_PACKETS; i++)
        n += r->partials[i].used;
    return n;
}

enum sw_fragment_fate sw_fragment_judge(const struct sw_frame_frag *frag)
{
    if (frag->data.len == 0 || frag->offset + frag->data.len > SW_INSIDE_PACKET_MAX)
        return SW_FRAGMENT_MALFORMED;
    if (frag->more) return frag->data.len % 8 == 0 ? SW_FRAGMENT_KEPT : SW_FRAGMENT_MALFORMED;
    return frag->offset == 0 ? SW_FRAGMENT_COMPLETES : SW_FRAGMENT_KEPT;
}

/* --- places and pages --------------------------------------------------------------------------*/

static void give_up(struct sw_reassembly *r, struct partial *p)
{
    for (size_t i = 0; i < PAGES_MOST; i++)
        if (p->page[i] != NO_PAGE) r->free_pages[r->n_free++] = p->page[i];
    p->used = false;
}

static bool is_old(const struct partial *p, sw_time now)
{
    return now - p->began > SW_REASSEMBLY_AGE;
}

/* The packet with this number; a fresh one if there is none. */
static struct partial *partial_of(struct sw_reassembly *r, uint16_t id, sw_time now,
                                  uint64_t fates[SW_FRAGMENT_FATES])
{
    struct partial *found = NULL, *place = NULL;

    for (struct partial *p = r->partials; p < r->partials + SW_REASSEMBLY_PACKETS; p++) {
        if (p->used && is_old(p, now)) {
            fates[SW_FRAGMENT_EXPIRED]++;
            give_up(r, p);
        }
        if (p->used && p->id == id) found = p;
        if (place == NULL || (place->used && (!p->used || p->touched < place->touched))) place = p;
    }
    if (found != NULL) return found;
    if (place->used) {
        fates[SW_FRAGMENT_EVICTED]++;
        give_up(r, place);
    }
    *place = (struct partial){.used = true, .id = id, .began = now};
    memset(place->page, NO_PAGE, sizeof place->page);
    return place;
}

static uint8_t take_page(struct sw_reassembly *r, const struct partial *keep,
                         uint64_t fates[SW_FRAGMENT_FATES])
{
    while (r->n_free == 0) {
        struct partial *oldest = NULL;
        for (struct partial *p = r->partials; p < r->partials + SW_REASSEMBLY_PACKETS; p++)
            if (p->used && p != keep && (oldest == NULL || p->touched < oldest->touched))
                oldest = p;
        fates[SW_FRAGMENT_EVICTED]++;
        give_up(r, oldest);
    }
    return r->free_pages[--r->n_free];
}

/* --- one packet --------------------------------------------------------------------------------*/

static enum sw_fragment_fate check_end(const struct partial *p, const struct sw_frame_frag *frag)
{
    size_t end = frag->offset + frag->data.len;
    size_t reach = p->n_ranges > 0 ? p->ranges[p->n_ranges - 1].end : 0;

    if (frag->more) return p->end_known && end >= p->end ? SW_FRAGMENT_BEYOND : SW_FRAGMENT_KEPT;
    return p->end_known || reach > end ? SW_FRAGMENT_BEYOND : SW_FRAGMENT_KEPT;
}

/* Notes that [begin, end) is there. */
static enum sw_fragment_fate add_range(struct partial *p, uint16_t begin, uint16_t end)
{
    struct range *list = p->ranges;
    unsigned i = 0; /* of the first range behind the new one */

    while (i < p->n_ranges && list[i].begin < end) {
        if (list[i].end > begin) return SW_FRAGMENT_OVERLAPS;
        i++;
    }
    bool joins_left = i > 0 && list[i - 1].end == begin;
    bool joins_right = i < p->n_ranges && list[i].begin == end;
    if (joins_left && joins_right) {
        list[i - 1].end = list[i].end;
        memmove(list + i, list + i + 1, (--p->n_ranges - i) * sizeof *list);
    } else if (joins_left) {
        list[i - 1].end = end;
    } else if (joins_right) {
        list[i].begin = begin;
    } else {
        if (p->n_ranges == RANGES) return SW_FRAGMENT_TOO_MANY;
        memmove(list + i + 1, list + i, (p->n_ranges++ - i) * sizeof *list);
        list[i] = (struct range){begin, end};
    }
    return SW_FRAGMENT_KEPT;
}

static void store(struct sw_reassembly *r, struct partial *p, const struct sw_frame_frag *frag,
                  uint64_t fates[SW_FRAGMENT_FATES])
{
    for (size_t done = 0, n; done < frag->data.len; done += n) {
        size_t at = frag->offset + done;
        uint8_t *page = &p->page[at / PAGE];
        n = PAGE - at % PAGE;
        if (n > frag->data.len - done) n = frag->data.len - done;
        if (*page == NO_PAGE) *page = take_page(r, p, fates);
        memcpy(r->pages[*page] + at % PAGE, frag->data.data + done, n);
    }
}

static void gather(const struct sw_reassembly *r, const struct partial *p, uint8_t *out)
{
    for (size_t at = 0; at < p->end; at += PAGE) {
        size_t n = p->end - at < PAGE ? p->end - at : PAGE;
        memcpy(out + at, r->pages[p->page[at / PAGE]], n);
    }
}

static bool is_whole(const struct partial *p)
{
    return p->end_known && p->n_ranges == 1 && p->ranges[0].begin == 0;
}

static enum sw_fragment_fate enter(struct partial *p, const struct sw_frame_frag *frag)
{
    size_t end = frag->offset + frag->data.len;
    enum sw_fragment_fate fate = check_end(p, frag);

    if (fate == SW_FRAGMENT_KEPT && p->pieces++ == SW_REASSEMBLY_PIECES)
        fate = SW_FRAGMENT_TOO_MANY;
    if (fate == SW_FRAGMENT_KEPT) fate = add_range(p, (uint16_t)frag->offset, (uint16_t)end);
    if (fate == SW_FRAGMENT_KEPT && !frag->more) {
        p->end_known = true;
        p->end = (uint16_t)end;
    }
    return fate;
}

enum sw_fragment_fate sw_reassembly_add(struct sw_reassembly *r, const struct sw_frame_frag *frag,
                                        sw_time now, uint8_t *out, size_t *len,
                                        uint64_t fates[SW_FRAGMENT_FATES])
{
    enum sw_fragment_fate fate = sw_fragment_judge(frag);

    if (fate == SW_FRAGMENT_KEPT) {
        struct partial *p = partial_of(r, frag->id, now, fates);
        fate = enter(p, frag);
        if (fate == SW_FRAGMENT_KEPT) store(r, p, frag, fates);
        p->touched = ++r->clock;
        if (fate == SW_FRAGMENT_KEPT && is_whole(p)) {
            fate = SW_FRAGMENT_COMPLETES;
            *len = p->end;
            gather(r, p, out);
        }
        if (fate != SW_FRAGMENT_KEPT) give_up(r, p);
    } else if (fate == SW_FRAGMENT_COMPLETES) {
        *len = frag->data.len;
        memcpy(out, frag->data.data, frag->data.len);
    }
    fates[fate]++;
    return fate;
}
