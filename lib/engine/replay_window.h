/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_REPLAY_WINDOW_H
#define SW_ENGINE_REPLAY_WINDOW_H

/*
 * Which packet counters have been accepted (docs/protocol/expresslane.md §8.1): the last 8192 below
 * the highest one.
 */

#include <slipway/types.h>

#define SW_REPLAY_WINDOW 8192

struct sw_replay_window {
    uint64_t high; /**< highest accepted counter; 0: none */
    uint64_t seen[SW_REPLAY_WINDOW / 64];
};

/** Would this counter be taken? Changes nothing. */
bool sw_replay_window_takes(const struct sw_replay_window *window, uint64_t counter);

/** Takes a counter whose packet has authenticated. False if it would not be taken. */
bool sw_replay_window_commit(struct sw_replay_window *window, uint64_t counter);

#endif
