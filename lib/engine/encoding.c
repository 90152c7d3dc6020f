/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Turning the inside packet codec on and off (docs/protocol/session.md §16): the client asks, the
 * server agrees or not, and both encoders follow the answer. Requests carry a number; one that was
 * overtaken changes nothing, one that was repeated is answered again.
 *
 * A peer without a codec never hears of any of this: it ignores requests, and its client sends
 * none.
 */

#include "lib/engine/engine.h"

#define REPEAT_UNIT (500 * SW_MILLISECOND)
#define REPEATS     5

int sw_encoding_attach(struct sw_conn *conn)
{
    const struct sw_codec *codec = conn->engine->config.codec;

    if (codec == NULL || conn->transport != SW_DATAGRAM) return 0;
    conn->encoding.instance = codec->open != NULL ? codec->open(codec, conn) : codec->user;
    return codec->open != NULL && conn->encoding.instance == NULL ? SW_ENOMEM : 0;
}

void sw_encoding_detach(struct sw_conn *conn)
{
    const struct sw_codec *codec = conn->engine->config.codec;

    if (codec == NULL || conn->transport != SW_DATAGRAM) return;
    if (codec->open != NULL && codec->close != NULL) codec->close(conn->encoding.instance);
}

bool sw_encoding_possible(const struct sw_conn *conn)
{
    return conn->engine->config.codec != NULL && conn->transport == SW_DATAGRAM;
}

enum sw_codec_result sw_encoding_decode(struct sw_conn *conn, const uint8_t *bytes, size_t len)
{
    return conn->engine->config.codec->decode(conn->encoding.instance, bytes, len,
                                              conn->engine->env.now);
}

bool sw_conn_encoding(const struct sw_conn *conn)
{
    return conn->encoding.enabled;
}

static void enable(struct sw_conn *conn, bool enabled)
{
    if (conn->encoding.enabled == enabled) return;
    conn->encoding.enabled = enabled;
    conn->encoding.delivered = conn->engine->env.now;
    sw_conn_event(conn, SW_EVENT_ENCODING);
}

static void send(struct sw_conn *conn, enum sw_frame_kind kind, uint64_t id, bool enabled)
{
    const struct sw_frame frame = {.kind = kind, .encoding = {.id = id, .enable = enabled}};
    sw_conn_send_frame(conn, &frame);
}

/* --- client ------------------------------------------------------------------------------------*/

static void send_request(struct sw_conn *conn)
{
    struct sw_encoding *e = &conn->encoding;

    send(conn, SW_FRAME_ENCODING_REQUEST, e->id, e->wanted);
    sw_conn_set_timer(conn, SW_TIMER_ENCODING,
                      conn->engine->env.now + REPEAT_UNIT * (1 + e->repeated));
}

static void ask(struct sw_conn *conn, bool enabled)
{
    struct sw_encoding *e = &conn->encoding;

    e->id++;
    e->pending = true;
    e->wanted = enabled;
    e->repeated = 0;
    send_request(conn);
}

void sw_encoding_timer(struct sw_conn *conn)
{
    struct sw_encoding *e = &conn->encoding;

    if (!e->pending || conn->state != SW_STATE_ONLINE) return;
    if (e->repeated == REPEATS) {
        e->pending = false;
        return;
    }
    e->repeated++;
    send_request(conn);
}

void sw_encoding_online(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;

    if (config->role == SW_CLIENT && config->encode_at_connect && sw_encoding_possible(conn))
        ask(conn, true);
}

void sw_encoding_watch(struct sw_conn *conn)
{
    const struct sw_engine *engine = conn->engine;
    const struct sw_encoding *e = &conn->encoding;

    if (engine->config.role != SW_CLIENT || engine->config.encoding_stall == 0 || e->pending)
        return;
    if (engine->env.now - e->delivered <= engine->config.encoding_stall) return;
    ask(conn, false);
    sw_conn_rearm(conn);
}

int sw_conn_set_encoding(struct sw_conn *conn, bool enabled, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    if (engine->config.role != SW_CLIENT) return SW_EMODE;
    if (engine->config.codec == NULL) return SW_ENOCODEC;
    if (conn->transport != SW_DATAGRAM) return SW_ETRANSPORT;
    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    sw_engine_enter(engine, now);
    ask(conn, enabled);
    sw_conn_rearm(conn);
    sw_engine_leave(engine);
    return 0;
}

int sw_encoding_response(struct sw_conn *conn, const struct sw_frame_encoding *response)
{
    const struct sw_engine *engine = conn->engine;
    struct sw_encoding *e = &conn->encoding;

    if (engine->config.role != SW_CLIENT) conn->engine->counters.received_encoding_res_as_server++;
    if (engine->config.codec == NULL) return SW_ENOCODEC;
    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (conn->transport != SW_DATAGRAM) return SW_ETRANSPORT;
    if (engine->config.role != SW_CLIENT) return SW_EMODE;
    if (!e->pending || response->id != e->id) return 0;
    e->pending = false;
    sw_conn_set_timer(conn, SW_TIMER_ENCODING, SW_NEVER);
    enable(conn, response->enable);
    return 0;
}

/* --- server ------------------------------------------------------------------------------------*/

static bool is_granted(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;

    if (config->role != SW_SERVER || !conn->granted) return false;
    return config->callbacks->encoding_allowed == NULL ||
           config->callbacks->encoding_allowed(config->user, conn);
}

/* A client that is asked has granted nothing either, and says so. */
int sw_encoding_request(struct sw_conn *conn, const struct sw_frame_encoding *request)
{
    struct sw_engine *engine = conn->engine;
    struct sw_encoding *e = &conn->encoding;

    if (engine->config.codec == NULL) {
        engine->counters.frames_ignored++;
        return 0;
    }
    if (conn->state != SW_STATE_ONLINE) engine->counters.received_encoding_req_non_online++;
    if (!is_granted(conn)) {
        engine->counters.received_encoding_req_no_authorization++;
        send(conn, SW_FRAME_ENCODING_RESPONSE, request->id, false);
        return 0;
    }
    if (conn->transport != SW_DATAGRAM) {
        engine->counters.received_encoding_req_with_tcp++;
        return SW_ETRANSPORT;
    }
    if (request->id < e->id) return 0;
    e->id = request->id;
    enable(conn, request->enable);
    if (conn->state == SW_STATE_ONLINE)
        send(conn, SW_FRAME_ENCODING_RESPONSE, request->id, request->enable);
    return 0;
}
