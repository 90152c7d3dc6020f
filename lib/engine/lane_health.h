/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_LANE_HEALTH_H
#define SW_ENGINE_LANE_HEALTH_H

/*
 * Does the fast lane pass packets? Both ends compare how many they sent and received
 * (docs/protocol/expresslane.md §10). Pure.
 */

#include <slipway/types.h>

struct sw_lane_reading {
    uint64_t sent; /**< packets, since the connection began */
    uint64_t received;
};

struct sw_lane_health {
    struct sw_lane_reading own, peer; /**< at the last evaluated pong */
    unsigned missing_peer, missing_own;
    uint8_t strikes_in, strikes_out;
};

enum sw_lane_verdict { SW_LANE_HEALTHY, SW_LANE_DEGRADE };

/** A pong without counters. */
enum sw_lane_verdict sw_lane_peer_missing(struct sw_lane_health *health);

/** A pong with the peer's counters; own NULL: ours cannot be read. */
enum sw_lane_verdict sw_lane_evaluate(struct sw_lane_health *health,
                                      const struct sw_lane_reading *own,
                                      const struct sw_lane_reading *peer);

#endif
