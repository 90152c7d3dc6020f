/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The rules of parallel connecting (docs/configuration.md, preferred_connection_wait_interval). The
 * first server of the list is chosen as soon as it is Online. Another that is Online before has to
 * wait until the interval is over; then the one closest to the head of the list is chosen, or the
 * next that comes Online. Those that fail drop out, and what stands behind them moves up: nobody
 * waits for a server that has failed.
 */

#include "client/selection.h"

int sw_select(const enum sw_contender *contenders, size_t n, bool time_is_up)
{
    bool all_failed = true;
    for (size_t i = 0; i < n; i++) {
        if (contenders[i] == SW_CONTENDER_ONLINE && (all_failed || time_is_up)) return (int)i;
        if (contenders[i] != SW_CONTENDER_FAILED) all_failed = false;
    }
    return all_failed ? SW_SELECT_NONE : SW_SELECT_WAIT;
}
