/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_HISTOGRAM_H
#define SW_HOST_HISTOGRAM_H

/*
 * How often a size was at most 1, 2, 4 … 64, or more: one add per observation. Each observation is
 * in one bucket; host/metrics.h shows them added up, as Prometheus wants histograms.
 */

#include <stdint.h>

#define SW_HISTOGRAM_BUCKETS 8

struct sw_histogram {
    uint64_t buckets[SW_HISTOGRAM_BUCKETS]; /**< the last one: larger than all limits */
};

static inline void sw_histogram_add(struct sw_histogram *histogram, unsigned value)
{
    unsigned bucket = value <= 1 ? 0 : 32 - (unsigned)__builtin_clz(value - 1);
    histogram->buckets[bucket < SW_HISTOGRAM_BUCKETS ? bucket : SW_HISTOGRAM_BUCKETS - 1]++;
}

#endif
