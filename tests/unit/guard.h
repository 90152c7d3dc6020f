/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_GUARD_H
#define SW_TESTS_GUARD_H

/*
 * Bytes that end where a page begins that nobody may touch: even hand-written assembly, which no
 * sanitizer sees into, cannot read or write one byte too far unnoticed. The bytes before them hold
 * a pattern, to be looked at afterwards.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_PATTERN 0xc3
#define GUARD_BEFORE  64

struct guard {
    uint8_t *map;
    size_t size; /**< usable bytes */
    size_t page;
};

/** Room for up to size bytes. */
static inline struct guard guard_new(size_t size)
{
    struct guard g = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    g.size = (size + GUARD_BEFORE + g.page - 1) / g.page * g.page;
    g.map = mmap(NULL, g.size + g.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.map != MAP_FAILED);
    const int r = mprotect(g.map + g.size, g.page, PROT_NONE);
    assert(r == 0);
    return g;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->size + g->page);
}

/** len bytes at the end, with the pattern before them. */
static inline uint8_t *guard_room(const struct guard *g, size_t len)
{
    assert(len + GUARD_BEFORE <= g->size);
    uint8_t *room = g->map + g->size - len;
    memset(room - GUARD_BEFORE, GUARD_PATTERN, GUARD_BEFORE);
    return room;
}

static inline uint8_t *guard_copy(const struct guard *g, const void *data, size_t len)
{
    uint8_t *room = guard_room(g, len);
    if (len > 0) memcpy(room, data, len);
    return room;
}

/** Nothing was written before the room of len bytes. */
static inline bool guard_intact(const struct guard *g, size_t len)
{
    const uint8_t *before = g->map + g->size - len - GUARD_BEFORE;
    for (size_t i = 0; i < GUARD_BEFORE; i++)
        if (before[i] != GUARD_PATTERN) return false;
    return true;
}

#endif
