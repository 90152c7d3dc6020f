/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A bitmap indexed by the counter modulo its size, so that the window moves without shifting (in
 * the manner of RFC 6479). When it moves, the bits of the counters it passes over are cleared:
 * whole words where it jumps far.
 */

#include "lib/engine/replay_window.h"

#include <string.h>

static uint64_t bit(uint64_t counter)
{
    return (uint64_t)1 << (counter % 64);
}

static uint64_t *word(struct sw_replay_window *window, uint64_t counter)
{
    return &window->seen[counter % SW_REPLAY_WINDOW / 64];
}

bool sw_replay_window_takes(const struct sw_replay_window *window, uint64_t counter)
{
    if (counter == 0) return false;
    if (counter > window->high) return true;
    if (window->high - counter >= SW_REPLAY_WINDOW) return false;
    return (window->seen[counter % SW_REPLAY_WINDOW / 64] & bit(counter)) == 0;
}

/* Clears the bits of all counters strictly between the old and the new highest one. */
static void advance(struct sw_replay_window *window, uint64_t counter)
{
    uint64_t from = window->high + 1;

    if (counter - window->high >= SW_REPLAY_WINDOW) {
        memset(window->seen, 0, sizeof window->seen);
    } else {
        while (from < counter) {
            if (from % 64 == 0 && counter - from >= 64) {
                *word(window, from) = 0;
                from += 64;
            } else {
                *word(window, from) &= ~bit(from);
                from++;
            }
        }
    }
    window->high = counter;
    *word(window, counter) &= ~bit(counter);
}

bool sw_replay_window_commit(struct sw_replay_window *window, uint64_t counter)
{
    if (!sw_replay_window_takes(window, counter)) return false;
    if (counter > window->high) advance(window, counter);
    *word(window, counter) |= bit(counter);
    return true;
}
