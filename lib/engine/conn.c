/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The life of a connection: made, moved through its states, closed, freed (docs/protocol/session.md
 * §2, §14). Closing is one function for every reason; the memory goes when the outermost call of
 * the engine returns, so that whoever is still working with the connection further up the stack
 * only has to look at its state.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/engine/conn_table.h"
#include "lib/engine/durations.h"
#include "lib/engine/engine.h"
#include "lib/engine/path_mtu.h"

/* The DTLS timer of an established session starts over before it can run out
 * (docs/protocol/session.md §11). */
#define LONGEST_ESTABLISHED_INTERVAL (3 * SW_SECOND)

/* … but does not go on for as long as the session of a vanished client is kept. */
#define SILENT_AFTER (2 * SW_MINUTE)

/* What a connection has elsewhere: plugins, codec, its place among the deadlines. All or nothing.
 */
static int equip(struct sw_conn *conn)
{
    int r = sw_plugins_attach(conn);

    if (r < 0) return r;
    r = sw_encoding_attach(conn);
    if (r < 0) goto no_codec;
    r = sw_deadlines_add(&conn->engine->deadlines, &conn->deadline);
    if (r == 0) return 0;
    sw_encoding_detach(conn);
no_codec:
    sw_plugins_detach(conn);
    return r;
}

struct sw_conn *sw_conn_new(struct sw_engine *engine, enum sw_transport transport,
                            const struct sw_path *path)
{
    struct sw_conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL) return NULL;
    conn->engine = engine;
    conn->transport = transport;
    conn->state = SW_STATE_CONNECTING;
    conn->path = *path;
    conn->stats.created = engine->env.now;
    conn->tracer_fired_for = SW_NEVER;
    for (int i = 0; i < SW_TIMERS; i++)
        conn->timers[i] = SW_NEVER;
    sw_list_init(&conn->link);
    sw_keepalive_init(&conn->keepalive, engine->config.keepalive_interval,
                      engine->config.keepalive_timeout, !engine->config.keepalive_on_demand);
    if (equip(conn) < 0) {
        free(conn);
        return NULL;
    }
    sw_path_mtu_init(conn);
    sw_list_append(&engine->conns, &conn->link);
    conn->source = sw_half_open_source(sw_address_host_hash(engine, &path->remote));
    sw_half_open_add(&engine->half_open, conn->source);
    engine->counters.conn_created++;
    return conn;
}

void sw_conn_free(struct sw_conn *conn)
{
    sw_list_remove(&conn->link);
    sw_tls_free(conn->tls);
    sw_stream_queue_release(&conn->out);
    free(conn->in);
    sw_reassembly_free(conn->reassembly);
    sw_expresslane_release(conn);
    sw_encoding_detach(conn);
    sw_plugins_detach(conn);
    sw_tls_wipe(conn->auth_digest, sizeof conn->auth_digest);
    free(conn);
}

void sw_conn_event(struct sw_conn *conn, enum sw_event_type type)
{
    const struct sw_event event = {.type = type};
    conn->engine->config.callbacks->event(conn->engine->config.user, conn, &event);
}

void sw_conn_enter_state(struct sw_conn *conn, enum sw_state state)
{
    struct sw_engine *engine = conn->engine;

    if (conn->state == SW_STATE_DISCONNECTING || conn->state == SW_STATE_DISCONNECTED) return;
    if (state == SW_STATE_ONLINE) {
        conn->was_online = true;
        sw_half_open_remove(&engine->half_open, conn->source);
        engine->counters.conn_online++;
        sw_durations_add(&engine->counters.to_online_time, engine->env.now - conn->stats.created);
        conn->stats.online_since = engine->env.now;
        conn->key_update.since = engine->env.now;
        sw_conn_set_timer(conn, SW_TIMER_CONNECT, SW_NEVER);
        sw_conn_set_timer(conn, SW_TIMER_AUTH, SW_NEVER);
        if (engine->config.role == SW_SERVER)
            sw_conn_set_timer(conn, SW_TIMER_IDLE, engine->env.now + engine->config.idle_after);
        else
            sw_keepalive_online(&conn->keepalive, engine->env.now);
    }
    conn->state = state;
    sw_conn_event(conn, SW_EVENT_STATE);
    if (state == SW_STATE_ONLINE && conn->state == state) sw_expresslane_rotate(conn);
    if (state == SW_STATE_ONLINE && conn->state == state) sw_encoding_online(conn);
    if (state == SW_STATE_ONLINE && conn->state == state) sw_path_mtu_online(conn);
}

bool sw_conn_established(const struct sw_conn *conn)
{
    return conn->state == SW_STATE_LINK_UP || conn->state == SW_STATE_AUTHENTICATING ||
           conn->state == SW_STATE_ONLINE;
}

void sw_conn_set_timer(struct sw_conn *conn, enum sw_timer timer, sw_time at)
{
    conn->timers[timer] = at;
}

/* Who has not been heard for so long is not written to until it is. */
static bool is_lost(const struct sw_conn *conn)
{
    sw_time heard = conn->stats.last_received > conn->stats.created ? conn->stats.last_received
                                                                    : conn->stats.created;
    return conn->engine->env.now - heard > SILENT_AFTER;
}

/* One-shot; a tick that is due earlier than the one outstanding replaces it (session.md §6). */
static void rearm_dtls(struct sw_conn *conn)
{
    if (conn->transport != SW_DATAGRAM || conn->begin_again) return;
    if (conn->state != SW_STATE_CONNECTING &&
        !(sw_conn_established(conn) && sw_tls_timer_wanted(conn->tls) && !is_lost(conn))) {
        conn->timers[SW_TIMER_DTLS] = SW_NEVER;
        return;
    }
    sw_time at = conn->engine->env.now + sw_tls_timer_interval(conn->tls);
    if (at < conn->timers[SW_TIMER_DTLS]) conn->timers[SW_TIMER_DTLS] = at;
}

void sw_conn_rearm(struct sw_conn *conn)
{
    if (conn->state != SW_STATE_DISCONNECTED && conn->out_unannounced) {
        conn->out_unannounced = false;
        sw_conn_event(conn, SW_EVENT_WRITABLE);
    }
    if (conn->state == SW_STATE_DISCONNECTED) return;
    rearm_dtls(conn);
    sw_time at = sw_keepalive_deadline(&conn->keepalive);
    for (int i = 0; i < SW_TIMERS; i++)
        if (conn->timers[i] < at) at = conn->timers[i];
    if (at != conn->deadline.at) sw_deadlines_set(&conn->engine->deadlines, &conn->deadline, at);
}

static void say_goodbye(struct sw_conn *conn)
{
    const struct sw_frame goodbye = {.kind = SW_FRAME_GOODBYE};

    conn->state = SW_STATE_DISCONNECTING;
    sw_conn_event(conn, SW_EVENT_STATE);
    sw_conn_send_frame(conn, &goodbye);
    sw_tls_close(conn->tls);
}

void sw_conn_hand_over_address(struct sw_conn *conn)
{
    struct sw_conn *heir = conn->successor;

    if (heir == NULL) return;
    conn->successor = NULL;
    heir->predecessor = NULL;
    if (sw_conn_table_claim_address(conn->engine, heir) < 0) sw_conn_end(heir, SW_ENOMEM, false);
}

/* Takes the connection out of everything that could find it. */
static void detach(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;

    sw_conn_table_remove(engine, conn);
    if (conn->predecessor != NULL) conn->predecessor->successor = NULL;
    sw_conn_hand_over_address(conn);
    if (engine->client == conn) engine->client = NULL;
    sw_deadlines_remove(&engine->deadlines, &conn->deadline);
    sw_list_remove(&conn->link);
    sw_list_append(&engine->dead, &conn->link);
    if (conn->inside_ip != 0)
        engine->config.callbacks->release(engine->config.user, conn, conn->inside_ip);
    conn->inside_ip = 0;
}

void sw_conn_end(struct sw_conn *conn, int reason, bool goodbye)
{
    struct sw_engine *engine = conn->engine;
    const struct sw_event closed = {
        .type = SW_EVENT_CLOSED,
        .error = reason,
        .detail = conn->tls != NULL && reason != 0 ? sw_tls_error_text(conn->tls) : NULL,
    };

    if (conn->state == SW_STATE_DISCONNECTED || conn->state == SW_STATE_DISCONNECTING) return;
    if (!conn->was_online) sw_half_open_remove(&engine->half_open, conn->source);
    if (goodbye && sw_conn_established(conn)) say_goodbye(conn);
    conn->state = SW_STATE_DISCONNECTED;
    detach(conn);
    engine->counters.conn_closed++;
    engine->config.callbacks->event(engine->config.user, conn, &closed);
}

void sw_conn_fail(struct sw_conn *conn, int error)
{
    struct sw_engine_counters *counters = &conn->engine->counters;

    if (error == SW_EGOODBYE) counters->conn_client_closed++;
    sw_conn_end(conn, error, true);
}

void sw_conn_close(struct sw_conn *conn, int reason, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    sw_conn_end(conn, reason, true);
    sw_engine_leave(engine);
}

/* The retransmission timer. Only a handshake can run out of tries; an established session starts
 * over. */
static void dtls_timer(struct sw_conn *conn)
{
    if (conn->begin_again) {
        sw_conn_begin_again(conn);
        return;
    }
    if (sw_conn_established(conn) &&
        sw_tls_timer_interval(conn->tls) > LONGEST_ESTABLISHED_INTERVAL)
        sw_tls_timer_reset(conn->tls);
    if (sw_tls_timer(conn->tls) < 0 && conn->state == SW_STATE_CONNECTING)
        sw_conn_fail(conn, SW_ETIMEOUT);
}

static void auth_timer(struct sw_conn *conn)
{
    sw_auth_repeat(conn);
}

static void connect_timer(struct sw_conn *conn)
{
    if (conn->out_lost < 0) {
        sw_conn_end(conn, conn->out_lost, false);
        return;
    }
    if (conn->engine->config.role == SW_SERVER) conn->engine->counters.conn_stale_closed++;
    sw_conn_fail(conn, SW_ETIMEOUT);
}

static void idle_timer(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;
    sw_time due = conn->stats.last_received + engine->config.idle_after;

    if (due > engine->env.now) {
        sw_conn_set_timer(conn, SW_TIMER_IDLE, due);
        return;
    }
    engine->counters.conn_aged_out++;
    sw_conn_fail(conn, SW_ETIMEOUT);
}

static void expiry_timer(struct sw_conn *conn)
{
    conn->engine->counters.user_auth_eviction++;
    sw_conn_fail(conn, SW_EEXPIRED);
}

void sw_conn_expire_at(struct sw_conn *conn, sw_time at, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    if (conn->state != SW_STATE_DISCONNECTED) {
        sw_conn_set_timer(conn, SW_TIMER_EXPIRY, at);
        sw_conn_rearm(conn);
    }
    sw_engine_leave(engine);
}

static void keepalive_timer(struct sw_conn *conn)
{
    switch (sw_keepalive_timer(&conn->keepalive, conn->engine->env.now)) {
    case SW_KEEPALIVE_NOTHING:
        break;
    case SW_KEEPALIVE_PING:
        sw_conn_send_ping(conn);
        break;
    case SW_KEEPALIVE_GIVE_UP:
        sw_conn_fail(conn, SW_ETIMEOUT);
        break;
    }
}

void sw_conn_watch_lane(struct sw_conn *conn)
{
    const struct sw_engine *engine = conn->engine;
    bool watch = engine->config.role == SW_CLIENT && conn->lane.state == SW_EXPRESSLANE_ACTIVE;

    sw_conn_set_timer(conn, SW_TIMER_LANE_PING,
                      watch ? engine->env.now + engine->config.keepalive_interval : SW_NEVER);
}

static void lane_ping_timer(struct sw_conn *conn)
{
    if (conn->state != SW_STATE_ONLINE) return;
    sw_keepalive_sent(&conn->keepalive, conn->engine->env.now);
    sw_conn_send_ping(conn);
    sw_conn_watch_lane(conn);
}

void sw_conn_timer(struct sw_conn *conn)
{
    static void (*const handlers[SW_TIMERS])(struct sw_conn *) = {
        [SW_TIMER_DTLS] = dtls_timer,
        [SW_TIMER_AUTH] = auth_timer,
        [SW_TIMER_CONNECT] = connect_timer,
        [SW_TIMER_EXPRESSLANE] = sw_expresslane_timer,
        [SW_TIMER_ENCODING] = sw_encoding_timer,
        [SW_TIMER_LANE_PING] = lane_ping_timer,
        [SW_TIMER_PATH_MTU] = sw_path_mtu_timer,
        [SW_TIMER_IDLE] = idle_timer,
        [SW_TIMER_EXPIRY] = expiry_timer,
        [SW_TIMER_LANE_GRACE] = sw_expresslane_grace_over,
    };
    sw_time now = conn->engine->env.now;

    for (int i = 0; i < SW_TIMERS && conn->state != SW_STATE_DISCONNECTED; i++) {
        if (conn->timers[i] > now) continue;
        conn->timers[i] = SW_NEVER;
        handlers[i](conn);
    }
    if (conn->state == SW_STATE_ONLINE && sw_keepalive_deadline(&conn->keepalive) <= now)
        keepalive_timer(conn);
    sw_conn_rearm(conn);
}

void sw_conn_expresslane_activity(struct sw_conn *conn, bool rx, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    if (conn->state == SW_STATE_ONLINE) {
        if (rx) conn->stats.last_received = now;
        sw_expresslane_rotate(conn);
        sw_conn_rearm(conn);
    }
    sw_engine_leave(engine);
}

void sw_conn_suspend_keepalive(struct sw_conn *conn, sw_time now)
{
    sw_engine_enter(conn->engine, now);
    sw_keepalive_suspend(&conn->keepalive);
    sw_conn_rearm(conn);
    sw_engine_leave(conn->engine);
}

void sw_conn_network_changed(struct sw_conn *conn, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    if (conn->state == SW_STATE_ONLINE) {
        sw_keepalive_network_changed(&conn->keepalive, conn->transport == SW_DATAGRAM, now);
        sw_conn_send_ping(conn);
    }
    conn->encoding.delivered = now; /* what is late now may be late for that reason */
    sw_path_mtu_recheck(conn);
    sw_conn_rearm(conn);
    sw_engine_leave(engine);
}
