/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Exponential back-off with jitter (client/backoff.h). A server that lets the client in and throws
 * it out again at once must not make it spin: only a connection that lasted a while starts the
 * count over.
 */

#include "client/backoff.h"

#define DOUBLINGS_MAX 40

void sw_backoff_over(struct sw_backoff *backoff, sw_time online_for)
{
    if (online_for >= SW_BACKOFF_LASTING)
        backoff->failures = 0;
    else
        backoff->failures++;
}

sw_time sw_backoff_wait(const struct sw_backoff *backoff, uint32_t dice)
{
    if (backoff->failures == 0) return 0;
    sw_time wait = backoff->first;
    for (unsigned i = 1; i < backoff->failures && i < DOUBLINGS_MAX && wait < backoff->longest; i++)
        wait *= 2;
    if (wait > backoff->longest) wait = backoff->longest;
    return wait / 2 + wait / 2 / UINT32_MAX * dice + wait / 2 % UINT32_MAX * dice / UINT32_MAX;
}
