/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_RANDOM_H
#define SW_TESTS_RANDOM_H

/* SplitMix64: reproducible by its seed, which is the state it starts with. */

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_u64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/** 0..limit - 1, limit > 0. */
static inline size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)(random_u64(state) % limit);
}

static inline void random_fill(uint64_t *state, void *out, size_t len)
{
    uint8_t *p = out;
    for (size_t i = 0; i < len; i++) {
        p[i] = (uint8_t)random_u64(state);
    }
}

#endif
