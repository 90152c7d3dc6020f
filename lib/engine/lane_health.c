/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A window is what was sent between two pongs. One in which more than half of at least ten packets
 * were lost is bad; bad windows fill a bucket of three that good ones drain one by one, so that
 * losing two windows of three is still noticed.
 */

#include "lib/engine/lane_health.h"

#define ENOUGH_PACKETS 10
#define STRIKES        3
#define MISSING        3

static bool is_bad(uint64_t sent, uint64_t received)
{
    return sent >= ENOUGH_PACKETS && received < sent && sent - received > sent / 2;
}

static enum sw_lane_verdict strike(uint8_t *strikes, bool bad)
{
    if (!bad) {
        if (*strikes > 0) (*strikes)--;
        return SW_LANE_HEALTHY;
    }
    if (*strikes < UINT8_MAX) (*strikes)++;
    return *strikes >= STRIKES ? SW_LANE_DEGRADE : SW_LANE_HEALTHY;
}

enum sw_lane_verdict sw_lane_peer_missing(struct sw_lane_health *health)
{
    return ++health->missing_peer >= MISSING ? SW_LANE_DEGRADE : SW_LANE_HEALTHY;
}

enum sw_lane_verdict sw_lane_evaluate(struct sw_lane_health *health,
                                      const struct sw_lane_reading *own,
                                      const struct sw_lane_reading *peer)
{
    health->missing_peer = 0;
    if (own == NULL) return ++health->missing_own >= MISSING ? SW_LANE_DEGRADE : SW_LANE_HEALTHY;
    health->missing_own = 0;

    const struct sw_lane_reading ours = {own->sent - health->own.sent,
                                         own->received - health->own.received};
    const struct sw_lane_reading theirs = {peer->sent - health->peer.sent,
                                           peer->received - health->peer.received};
    health->own = *own;
    health->peer = *peer;
    if (strike(&health->strikes_in, is_bad(theirs.sent, ours.received)) == SW_LANE_DEGRADE)
        return SW_LANE_DEGRADE;
    return strike(&health->strikes_out, is_bad(ours.sent, theirs.received));
}
