/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_BACKOFF_H
#define SW_CLIENT_BACKOFF_H

/* How long to wait before the next try to connect. Pure. */

#include <slipway/types.h>

struct sw_backoff {
    sw_time first, longest; /**< bounds of what is waited; 0 < first <= longest */
    unsigned failures;      /**< tries in a row that came to nothing */
};

/** A connection that lasted this long counts as a success. */
#define SW_BACKOFF_LASTING (30 * SW_SECOND)

/** The connection, or the try to make one, is over after it was Online for so long (0: never). */
void sw_backoff_over(struct sw_backoff *backoff, sw_time online_for);

/**
 * What to wait now. The first try after a lasting connection comes at once; then the wait doubles
 * from first to longest. Between half and all of it is waited, by dice in 0..UINT32_MAX, so that
 * clients that lost their server together do not come back together.
 */
sw_time sw_backoff_wait(const struct sw_backoff *backoff, uint32_t dice);

#endif
