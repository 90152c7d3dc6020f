/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Token buckets kept as one time each: a bucket is as empty as the time until it is full again is
 * long.
 */

#include "lib/engine/reject_limit.h"

#define BURST  10
#define REFILL (SW_SECOND / 10) /* time for one token */

static unsigned burst(unsigned workers)
{
    return workers < BURST ? BURST / workers : 1;
}

bool sw_reject_allowed(struct sw_reject_limit *limit, uint64_t hash, unsigned workers, sw_time now)
{
    sw_time refill = workers * REFILL;
    sw_time *full_at = &limit->buckets[hash % SW_REJECT_BUCKETS].full_at;
    sw_time from = *full_at > now ? *full_at : now;

    if (from + refill > now + burst(workers) * refill) return false;
    *full_at = from + refill;
    return true;
}
