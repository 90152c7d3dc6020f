/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A flat buffer that is written at its end and read at its start. When the end is reached, what is
 * left moves to the front: with a socket that drains, that is little. The buffer grows to what the
 * connection needs and stays.
 */

#include "lib/engine/stream_queue.h"

#include <stdlib.h>
#include <string.h>

int sw_stream_queue_put(struct sw_stream_queue *q, const uint8_t *data, size_t len)
{
    size_t waiting = sw_stream_queue_len(q);

    if (q->end + len > q->room && q->start > 0) {
        memmove(q->bytes, q->bytes + q->start, waiting);
        q->start = 0;
        q->end = waiting;
    }
    if (q->end + len > q->room) {
        size_t room = q->room > 0 ? q->room : 4096;
        while (room < q->end + len)
            room *= 2;
        uint8_t *bytes = realloc(q->bytes, room);
        if (bytes == NULL) return SW_ENOMEM;
        q->bytes = bytes;
        q->room = room;
    }
    memcpy(q->bytes + q->end, data, len);
    q->end += len;
    return 0;
}

void sw_stream_queue_take(struct sw_stream_queue *q, size_t len)
{
    q->start += len;
    if (q->start == q->end) q->start = q->end = 0;
}

void sw_stream_queue_release(struct sw_stream_queue *q)
{
    free(q->bytes);
    *q = (struct sw_stream_queue){0};
}
