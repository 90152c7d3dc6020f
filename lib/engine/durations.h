/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_DURATIONS_H
#define SW_ENGINE_DURATIONS_H

#include <slipway/engine.h>

static inline void sw_durations_add(struct sw_durations *d, sw_time took)
{
    static const sw_time limits[SW_DURATION_BUCKETS - 1] = {
        50 * SW_MILLISECOND, 100 * SW_MILLISECOND,  250 * SW_MILLISECOND, 500 * SW_MILLISECOND,
        SW_SECOND,           2500 * SW_MILLISECOND, 10 * SW_SECOND};
    unsigned i = 0;

    while (i < SW_DURATION_BUCKETS - 1 && took > limits[i])
        i++;
    d->buckets[i]++;
}

#endif
