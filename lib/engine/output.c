/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The way out: TLS output becomes datagrams in the engine's batch, each behind its own Lightway
 * header, or bytes in the connection's stream queue. Output never blocks and never fails towards
 * the TLS library: what finds no room is lost and counted (docs/protocol/session.md §3.1); bulk
 * senders ask sw_output_room() before they seal.
 */

#include <string.h>

#include "lib/engine/engine.h"

/* session.md §3.2: a client says everything three times until it is Online. */
#define COPIES_BEFORE_ONLINE 3

int sw_output_room(struct sw_engine *engine, size_t n)
{
    size_t len = SW_HEADER_LEN + n + engine->plugins.outside_grows;
    uint8_t *ignored;

    if (sw_batch_reserve(engine->config.batch, len, &ignored) == 0) return 0;
    if (engine->config.callbacks->flush(engine->config.user) < 0) return SW_EAGAIN;
    return sw_batch_reserve(engine->config.batch, len, &ignored) == 0 ? 0 : SW_EAGAIN;
}

/* What a plugin drops counts as sent for whoever made it. conn may be NULL. */
static void commit(struct sw_engine *engine, struct sw_conn *conn, const struct sw_path *path,
                   uint8_t *out, size_t len)
{
    if (engine->plugins.outside.count > 0 && !sw_plugins_datagram_out(engine, conn, out, &len))
        return;
    if (conn != NULL && conn->probing)
        sw_batch_commit_probe(engine->config.batch, path, len);
    else
        sw_batch_commit(engine->config.batch, path, len, 0);
    engine->counters.udp_sent++;
    engine->counters.udp_sent_bytes += len;
}

void sw_output_commit(struct sw_conn *conn, uint8_t *out, size_t len)
{
    commit(conn->engine, conn, &conn->path, out, len);
}

static void put_datagram(struct sw_engine *engine, struct sw_conn *conn, const struct sw_path *path,
                         const struct sw_header *header, struct sw_span payload)
{
    size_t len = SW_HEADER_LEN + payload.len;
    uint8_t *out;

    if (sw_output_room(engine, payload.len) < 0 ||
        sw_batch_reserve(engine->config.batch, len + engine->plugins.outside_grows, &out) < 0) {
        engine->counters.udp_no_room++;
        return;
    }
    sw_header_encode(out, header);
    if (payload.len > 0) memcpy(out + SW_HEADER_LEN, payload.data, payload.len);
    commit(engine, conn, path, out, len);
}

void sw_output_datagram(struct sw_engine *engine, const struct sw_path *path,
                        const struct sw_header *header, struct sw_span payload)
{
    put_datagram(engine, NULL, path, header, payload);
}

struct sw_session_id sw_conn_outgoing_session(const struct sw_conn *conn)
{
    return sw_session_equal(conn->rotation, SW_SESSION_EMPTY) ? conn->session : conn->rotation;
}

static void emit_datagram(struct sw_conn *conn, struct sw_span payload)
{
    struct sw_engine *engine = conn->engine;

    const struct sw_header header = {
        .version = conn->version,
        .session = sw_conn_outgoing_session(conn),
    };
    bool triple =
        engine->config.role == SW_CLIENT && conn->state != SW_STATE_ONLINE && !conn->was_online;

    for (int i = 0; i < (triple ? COPIES_BEFORE_ONLINE : 1); i++)
        put_datagram(engine, conn, &conn->path, &header, payload);
}

static void emit_stream(struct sw_conn *conn, struct sw_span bytes)
{
    size_t waiting = sw_stream_queue_len(&conn->out);
    bool was_empty = waiting == 0;

    if (conn->out_lost < 0) return;
    if (conn->engine->plugins.outside.count > 0 &&
        !sw_plugins_stream_out(conn, &bytes.data, &bytes.len))
        return;
    if (waiting + bytes.len > SW_STREAM_QUEUE_MOST)
        conn->out_lost = SW_EFULL;
    else
        conn->out_lost = sw_stream_queue_put(&conn->out, bytes.data, bytes.len);
    if (conn->out_lost < 0) { /* a stream with a hole is over; the next timer ends it */
        sw_conn_set_timer(conn, SW_TIMER_CONNECT, conn->engine->env.now);
        return;
    }
    /* We are inside the TLS library: whoever hears of it may close the connection only later. */
    if (was_empty) conn->out_unannounced = true;
}

void sw_conn_emit(void *user, const uint8_t *data, size_t len)
{
    struct sw_conn *conn = user;
    struct sw_span bytes = {data, len};

    if (conn->transport == SW_DATAGRAM)
        emit_datagram(conn, bytes);
    else
        emit_stream(conn, bytes);
}

/* session.md §3.3: a peer that asks and does not read the answers gets no more of them. */
static bool is_too_much(const struct sw_conn *conn, const struct sw_frame *frame)
{
    return conn->transport == SW_STREAM && frame->kind != SW_FRAME_GOODBYE &&
           sw_stream_queue_len(&conn->out) > SW_STREAM_QUEUE_FRAMES;
}

int sw_conn_send_frame(struct sw_conn *conn, const struct sw_frame *frame)
{
    struct sw_engine *engine = conn->engine;
    struct sw_writer w = sw_writer(engine->plain, sizeof engine->plain);

    if (is_too_much(conn, frame)) {
        engine->counters.drop_queue_full++;
        return SW_EFULL;
    }
    int r = sw_frame_encode(&w, frame);
    if (r == 0) r = sw_tls_write(conn->tls, w.start, sw_writer_len(&w));
    if (r < 0) engine->counters.drop_tls_write++;
    return r;
}

int sw_conn_send_ping(struct sw_conn *conn)
{
    uint8_t reading[SW_LANE_READING_LEN];
    struct sw_frame ping = {.kind = SW_FRAME_PING};

    if (sw_expresslane_reading(conn, reading))
        ping.ping.payload = (struct sw_span){reading, sizeof reading};
    return sw_conn_send_frame(conn, &ping);
}
