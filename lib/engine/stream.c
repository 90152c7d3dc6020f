/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A connection's stream towards the socket, and its end (docs/protocol/session.md §3.3, §9.6). */

#include "lib/engine/engine.h"

const uint8_t *sw_conn_stream_peek(const struct sw_conn *conn, size_t *len)
{
    *len = sw_stream_queue_len(&conn->out);
    return *len > 0 ? conn->out.bytes + conn->out.start : NULL;
}

void sw_conn_stream_sent(struct sw_conn *conn, size_t len, sw_time now)
{
    (void)now;
    sw_stream_queue_take(&conn->out, len);
}

void sw_conn_stream_end(struct sw_conn *conn, int error, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    sw_conn_end(conn, error < 0 ? error : SW_EPEERCLOSED, false);
    sw_engine_leave(engine);
}
