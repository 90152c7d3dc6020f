/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_HALF_OPEN_H
#define SW_ENGINE_HALF_OPEN_H

/*
 * How many connections are not yet Online, all together and of each source
 * (docs/protocol/session.md §9.3). Sources share counters by a keyed hash, so that counting costs
 * the same however many there are, and nobody can choose whom to collide with.
 */

#include <stdbool.h>
#include <stdint.h>

#define SW_HALF_OPEN_SOURCES 4096

/** One source may hold a sixteenth of what the limit allows. */
#define SW_HALF_OPEN_SHARE 16

struct sw_half_open {
    unsigned count;
    uint16_t of_source[SW_HALF_OPEN_SOURCES];
};

/** The counter of a source with this hash. */
static inline uint16_t sw_half_open_source(uint64_t hash)
{
    return (uint16_t)(hash % SW_HALF_OPEN_SOURCES);
}

static inline void sw_half_open_add(struct sw_half_open *h, uint16_t source)
{
    h->count++;
    if (h->of_source[source] < UINT16_MAX) h->of_source[source]++;
}

static inline void sw_half_open_remove(struct sw_half_open *h, uint16_t source)
{
    h->count--;
    if (h->of_source[source] > 0) h->of_source[source]--;
}

/** Whether the source has its share, which counts only once there are so many at all. */
static inline bool sw_half_open_has_share(const struct sw_half_open *h, uint16_t source,
                                          unsigned limit)
{
    unsigned share = limit / SW_HALF_OPEN_SHARE;
    return h->of_source[source] >= (share > 0 ? share : 1);
}

#endif
