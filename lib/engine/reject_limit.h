/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_REJECT_LIMIT_H
#define SW_ENGINE_REJECT_LIMIT_H

/*
 * How many REJECTs a source may have (docs/protocol/wire.md §10): a bucket of ten that refills at
 * ten a second, per source address. Sources share 256 buckets by a keyed hash, so the memory is
 * fixed and nobody can choose whom to collide with.
 */

#include <slipway/types.h>

#define SW_REJECT_BUCKETS 256

struct sw_reject_limit {
    struct {
        sw_time full_at; /**< when the bucket will be full again */
    } buckets[SW_REJECT_BUCKETS];
};

/**
 * May one more REJECT go to the source with this hash? Counts it if so. workers: how many have such
 * a limit each; together they allow no more than one.
 */
bool sw_reject_allowed(struct sw_reject_limit *limit, uint64_t hash, unsigned workers, sw_time now);

#endif
