/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_STREAM_QUEUE_H
#define SW_ENGINE_STREAM_QUEUE_H

/*
 * Bytes of a stream on their way to the socket (docs/protocol/session.md §3.3): one bounded queue
 * per connection.
 */

#include <slipway/error.h>
#include <slipway/types.h>

/** Inside packets are refused beyond this … */
#define SW_STREAM_QUEUE_LIMIT (256 * 1024)
/** … frames of our own, but for the goodbye, beyond this … */
#define SW_STREAM_QUEUE_FRAMES (SW_STREAM_QUEUE_LIMIT + 16 * 1024)
/** … and whoever makes the TLS library say more than this has lost the connection. */
#define SW_STREAM_QUEUE_MOST (SW_STREAM_QUEUE_LIMIT + 64 * 1024)

struct sw_stream_queue {
    uint8_t *bytes;
    size_t start; /**< first byte not yet written to the socket */
    size_t end;   /**< behind the last */
    size_t room;
};

static inline size_t sw_stream_queue_len(const struct sw_stream_queue *q)
{
    return q->end - q->start;
}

/** Appends. SW_ENOMEM: nothing was appended. Takes more than the limit: only callers know what may
 * wait. */
int sw_stream_queue_put(struct sw_stream_queue *q, const uint8_t *data, size_t len);

/** The first len bytes have left. */
void sw_stream_queue_take(struct sw_stream_queue *q, size_t len);

void sw_stream_queue_release(struct sw_stream_queue *q);

#endif
