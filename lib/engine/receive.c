/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * From records to frames to effects (docs/protocol/session.md §4, docs/protocol/wire.md §6). On UDP
 * each record stands alone: what cannot be decoded costs the rest of that record and nothing else.
 * On TCP frames are a stream, and an undecodable one ends it.
 *
 * What nobody can have signed is looked at before the TLS library is: plaintext alerts and
 * malformed plaintext records never reach it (wire.md §9).
 */

#include <stdlib.h>
#include <string.h>

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"
#include "lib/engine/fragments.h"
#include "lib/engine/path_mtu.h"
#include "lib/engine/translate.h"
#include "lib/offload/mss.h"
#include "lib/wire/dtls_record.h"

/* A stream's frame buffer starts with one record and one ordinary frame … */
#define STREAM_ROOM_FIRST (2 * SW_TLS_RECORD_MAX)
/* … and never needs more than the longest frame and the record that completes it. */
#define STREAM_ROOM_MOST (65536 + 16 + SW_TLS_RECORD_MAX)

static int on_nothing(struct sw_conn *conn, const struct sw_frame *frame)
{
    (void)frame;
    conn->engine->counters.frames_ignored++;
    return 0;
}

static int on_ping(struct sw_conn *conn, const struct sw_frame *frame)
{
    uint8_t reading[SW_LANE_READING_LEN];
    struct sw_frame pong = {.kind = SW_FRAME_PONG, .ping = {.id = frame->ping.id}};

    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (frame->ping.id == 0 && sw_expresslane_reading(conn, reading))
        pong.ping.payload = (struct sw_span){reading, sizeof reading};
    sw_conn_send_frame(conn, &pong);
    return 0;
}

static int on_pong(struct sw_conn *conn, const struct sw_frame *frame)
{
    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (frame->ping.id != 0) {
        sw_path_mtu_pong(conn, frame->ping.id);
        return 0;
    }
    sw_expresslane_pong(conn, frame->ping.payload);
    if (conn->state != SW_STATE_ONLINE) return 0; /* closed by a callback */
    if (conn->engine->config.role == SW_CLIENT)
        sw_keepalive_reply(&conn->keepalive, conn->engine->env.now);
    sw_conn_event(conn, SW_EVENT_KEEPALIVE_REPLY);
    return 0;
}

static int on_auth_request(struct sw_conn *conn, const struct sw_frame *frame)
{
    return sw_auth_request(conn, &frame->auth_request);
}

static int on_auth_success(struct sw_conn *conn, const struct sw_frame *frame)
{
    return sw_auth_success(conn, &frame->auth_success);
}

static int on_auth_failure(struct sw_conn *conn, const struct sw_frame *frame)
{
    (void)conn;
    (void)frame;
    return SW_EUNAUTHORISED;
}

static int on_goodbye(struct sw_conn *conn, const struct sw_frame *frame)
{
    (void)conn;
    (void)frame;
    return SW_EGOODBYE;
}

/* session.md §20: towards the TUN the server names the sender, the client the receiver. */
static int translate_inbound(const struct sw_conn *conn, uint8_t *packet, size_t len)
{
    const struct sw_engine_config *config = &conn->engine->config;

    if (config->role == SW_SERVER) {
        const struct sw_translation t = {.set = conn->inside_ip};
        return sw_translate_source(packet, len, &t, false);
    }
    const struct sw_translation t = {
        .set = config->tun_ip,
        .dns_match = conn->ip_config.dns_ip,
        .dns_set = config->tun_dns_ip,
    };
    return sw_translate_destination(packet, len, &t, false);
}

void sw_conn_inside_reply(struct sw_conn *conn, uint8_t *data, size_t len)
{
    struct sw_engine *engine = conn->engine;
    struct sw_packet packet;

    if (sw_packet_parse(data, len, &packet) < 0 ||
        translate_inbound(conn, data, packet.total_len) < 0) {
        engine->counters.plugin_failed++;
        return;
    }
    engine->config.callbacks->inside(engine->config.user, conn, data, packet.total_len);
}

/* Whether the plugins let the packet pass, which may have moved. */
static bool plugins_pass(struct sw_conn *conn, uint8_t **data, size_t *len)
{
    enum sw_plugins_result result = sw_plugins_inside_out(conn, data, len);

    if (result == SW_PLUGINS_REPLY) sw_conn_peer_reply(conn, *data, *len);
    return result == SW_PLUGINS_PASS;
}

/* An inside packet of the peer; data is ours to change. */
static void deliver(struct sw_conn *conn, uint8_t *data, size_t len)
{
    struct sw_engine *engine = conn->engine;
    struct sw_packet packet;
    int r = sw_packet_parse(data, len, &packet);

    if (r == 0 && engine->plugins.inside.count > 0) {
        len = packet.total_len;
        if (!plugins_pass(conn, &data, &len)) return;
        r = sw_packet_parse(data, len, &packet);
    }
    if (r < 0 || translate_inbound(conn, data, packet.total_len) < 0) {
        engine->counters.drop_invalid_inside_packet++;
        return;
    }
    if (sw_is_tcp_syn(data, &packet) && sw_mss_clamp(data, &packet, sw_path_mtu_mss(conn)))
        engine->counters.mss_clamped++;
    engine->counters.tunnel_to_inside++;
    engine->counters.tunnel_to_inside_bytes += packet.total_len;
    conn->stats.packets_in++;
    conn->stats.bytes_in += packet.total_len;
    conn->encoding.delivered = engine->env.now;
    engine->config.callbacks->inside(engine->config.user, conn, data, packet.total_len);
}

int sw_conn_decoded(struct sw_conn *conn, uint8_t *packet, size_t len, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    sw_engine_enter(engine, now);
    deliver(conn, packet, len);
    sw_engine_leave(engine);
    return 0;
}

static int on_data(struct sw_conn *conn, const struct sw_frame *frame)
{
    if (conn->state != SW_STATE_ONLINE) {
        conn->engine->counters.drop_data_not_online++;
        return SW_ESTATE;
    }
    /* The frame lies in a buffer of ours, where the TLS library put it. */
    deliver(conn, (uint8_t *)(uintptr_t)frame->data.data, frame->data.len);
    return 0;
}

/* 0, or the error that ends the connection if what was encoded is certainly the peer's. */
static int decode(struct sw_conn *conn, uint8_t *data, size_t len)
{
    if (!sw_encoding_possible(conn)) return SW_ENOCODEC;
    switch (sw_encoding_decode(conn, data, len)) {
    case SW_CODEC_TAKEN:
        return 0;
    case SW_CODEC_SKIPPED:
        if (conn->state == SW_STATE_ONLINE) deliver(conn, data, len); /* it may have closed it */
        return 0;
    case SW_CODEC_FAILED:
        break;
    }
    return SW_ECODEC;
}

static int on_encoded(struct sw_conn *conn, const struct sw_frame *frame)
{
    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    return decode(conn, (uint8_t *)(uintptr_t)frame->data.data, frame->data.len);
}

static int on_fragment(struct sw_conn *conn, const struct sw_frame *frame)
{
    uint8_t *data;
    size_t len;

    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (!sw_fragments_take(conn, &frame->frag, &data, &len)) return 0;
    /* What the whole is, the frame that completes it says (session.md §18). */
    if (frame->kind == SW_FRAME_ENCODED_DATA_FRAG) return decode(conn, data, len);
    deliver(conn, data, len);
    return 0;
}

static int on_encoding_request(struct sw_conn *conn, const struct sw_frame *frame)
{
    return sw_encoding_request(conn, &frame->encoding);
}

static int on_encoding_response(struct sw_conn *conn, const struct sw_frame *frame)
{
    return sw_encoding_response(conn, &frame->encoding);
}

static int on_expresslane_config(struct sw_conn *conn, const struct sw_frame *frame)
{
    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (conn->transport == SW_STREAM) return on_nothing(conn, frame);
    sw_expresslane_config(conn, &frame->expresslane);
    return 0;
}

static int handle(struct sw_conn *conn, const struct sw_frame *frame)
{
    static int (*const handlers[])(struct sw_conn *, const struct sw_frame *) = {
        [SW_FRAME_NOOP] = on_nothing,
        [SW_FRAME_PING] = on_ping,
        [SW_FRAME_PONG] = on_pong,
        [SW_FRAME_AUTH_REQUEST] = on_auth_request,
        [SW_FRAME_DATA] = on_data,
        [SW_FRAME_AUTH_SUCCESS] = on_auth_success,
        [SW_FRAME_AUTH_FAILURE] = on_auth_failure,
        [SW_FRAME_GOODBYE] = on_goodbye,
        [SW_FRAME_SERVER_CONFIG] = on_nothing,
        [SW_FRAME_DATA_FRAG] = on_fragment,
        [SW_FRAME_ENCODED_DATA] = on_encoded,
        [SW_FRAME_ENCODED_DATA_FRAG] = on_fragment,
        [SW_FRAME_ENCODING_REQUEST] = on_encoding_request,
        [SW_FRAME_ENCODING_RESPONSE] = on_encoding_response,
        [SW_FRAME_EXPRESSLANE_CONFIG] = on_expresslane_config,
    };
    return handlers[frame->kind](conn, frame);
}

/* Something authentic came in. */
static void note_activity(struct sw_conn *conn)
{
    conn->stats.last_received = conn->engine->env.now;
    if (conn->engine->config.role == SW_CLIENT && conn->state == SW_STATE_ONLINE)
        sw_keepalive_activity(&conn->keepalive, conn->engine->env.now);
}

/* Passwords and keys do not stay where they were read. */
static void wipe_secrets(struct sw_frame *frame, const uint8_t *begin, const uint8_t *end)
{
    if (frame->kind != SW_FRAME_AUTH_REQUEST && frame->kind != SW_FRAME_EXPRESSLANE_CONFIG) return;
    sw_tls_wipe((void *)(uintptr_t)begin, (size_t)(end - begin));
    sw_tls_wipe(frame, sizeof *frame);
}

/* A frame ends the connection. What is an ordinary end, or has a counter of its own, is no error of
 * the peer. */
static int frame_ends(struct sw_conn *conn, int error)
{
    static const int ordinary[] = {SW_EGOODBYE,   SW_EUNAUTHORISED, SW_EDENIED,
                                   SW_ENOADDRESS, SW_ECLOSED,       SW_ENOMEM};

    for (size_t i = 0; i < sizeof ordinary / sizeof ordinary[0]; i++)
        if (ordinary[i] == error) return error;
    conn->engine->counters.conn_unknown_error++;
    return error;
}

/* All frames of one datagram record. The count of those decoded, or a fatal error. */
static int record_frames(struct sw_conn *conn, const uint8_t *data, size_t len)
{
    struct sw_cursor c = sw_cursor(data, len);
    struct sw_frame frame;
    int count = 0;

    while (sw_cursor_left(&c) > 0 && conn->state != SW_STATE_DISCONNECTED) {
        const uint8_t *begin = c.p;
        int r = sw_frame_decode(&c, &frame);
        if (r == 0) {
            count++;
            note_activity(conn);
            r = handle(conn, &frame);
            wipe_secrets(&frame, begin, c.p);
        } else {
            conn->engine->counters.drop_bad_frame++;
        }
        if (sw_error_is_fatal(SW_DATAGRAM, r)) return frame_ends(conn, r);
        if (r < 0) break; /* the rest of the record goes with it */
    }
    return count;
}

/* wire.md §4: the client learns its id from the first authentic datagram, and never a reserved one.
 */
static void adopt_session(struct sw_conn *conn, const struct sw_header *header)
{
    if (conn->engine->config.role == SW_SERVER || sw_session_is_reserved(header->session) ||
        sw_session_equal(conn->session, header->session))
        return;
    conn->session = header->session;
    if (conn->lane.state == SW_EXPRESSLANE_ACTIVE) sw_expresslane_publish(conn);
}

/* Reads what the library makes of the record it was fed. The count of frames, or a fatal error. */
static int read_record(struct sw_conn *conn, const struct sw_header *header)
{
    struct sw_engine *engine = conn->engine;
    int count = 0;

    while (conn->state != SW_STATE_DISCONNECTED) {
        int n = sw_tls_read(conn->tls, engine->inbox, sizeof engine->inbox);
        if (n == SW_EAGAIN) break;
        if (n < 0) {
            engine->counters.conn_tls_error++;
            return sw_error_is_fatal(SW_DATAGRAM, n) ? n : count;
        }
        adopt_session(conn, header);
        n = record_frames(conn, engine->inbox, (size_t)n);
        if (n < 0) return n;
        count += n;
    }
    return count;
}

static int protected_record(struct sw_conn *conn, const struct sw_header *header,
                            struct sw_span record)
{
    uint8_t epoch = sw_record_epoch_bits(record);
    int r;

    if (sw_key_update_withholds(conn, record)) return 0;
    if (sw_conn_established(conn)) {
        sw_tls_feed(conn->tls, record);
        r = read_record(conn, header);
    } else {
        r = sw_conn_handshake(conn, record, true);
        if (r == 0 && sw_conn_established(conn)) r = read_record(conn, header);
    }
    if (r > 0) conn->peer_epoch = epoch;
    return r;
}

/* A plaintext hello or ACK: of interest only while the handshake runs. */
static int plaintext_record(struct sw_conn *conn, const struct sw_record *record)
{
    enum sw_hello_type expected =
        conn->engine->config.role == SW_SERVER ? SW_CLIENT_HELLO : SW_SERVER_HELLO;

    if (conn->state != SW_STATE_CONNECTING) return 0;
    if (record->kind == SW_RECORD_HANDSHAKE && record->hello != expected) {
        conn->engine->counters.udp_forged_record++;
        return 0;
    }
    return sw_conn_handshake(conn, (struct sw_span){record->raw.data, record->raw.len}, false);
}

static int one_record(struct sw_conn *conn, const struct sw_header *header,
                      const struct sw_record *record)
{
    switch (record->kind) {
    case SW_RECORD_PROTECTED:
        return protected_record(conn, header, (struct sw_span){record->raw.data, record->raw.len});
    case SW_RECORD_HANDSHAKE:
    case SW_RECORD_ACK:
        return plaintext_record(conn, record);
    case SW_RECORD_ALERT:
    case SW_RECORD_MALFORMED:
        break;
    }
    conn->engine->counters.udp_forged_record++;
    return 0;
}

static void count_lane_error(struct sw_engine_counters *counters, int error)
{
    switch (error) {
    case SW_EREPLAY:
        counters->expresslane_replayed++;
        break;
    case SW_ENOKEY:
        counters->expresslane_decrypt_no_key++;
        break;
    case SW_EAUTH:
        counters->expresslane_decrypt_failed++;
        break;
    default:
        counters->expresslane_malformed++;
        break;
    }
}

/* One Expresslane packet is as good as a frame (docs/protocol/expresslane.md §8): 1, or 0 if it was
 * nothing. */
static int expresslane_packet(struct sw_conn *conn, const struct sw_header *header,
                              struct sw_span payload)
{
    struct sw_engine *engine = conn->engine;
    bool encoded;
    int n =
        sw_expresslane_open(conn, header, payload, engine->inbox, sizeof engine->inbox, &encoded);

    if (n < 0) {
        count_lane_error(&engine->counters, n);
        return 0;
    }
    engine->counters.expresslane_received++;
    adopt_session(conn, header);
    note_activity(conn);
    if (conn->state != SW_STATE_ONLINE)
        engine->counters.drop_data_not_online++;
    else if (encoded && decode(conn, engine->inbox, (size_t)n) < 0)
        engine->counters.drop_encoded++; /* R4 */
    else if (!encoded)
        deliver(conn, engine->inbox, (size_t)n);
    return 1;
}

int sw_conn_datagram(struct sw_conn *conn, const struct sw_header *header, struct sw_span payload)
{
    struct sw_engine *engine = conn->engine;
    struct sw_cursor c = sw_cursor(payload.data, payload.len);
    struct sw_record record;
    int count = 0;

    if (engine->config.role == SW_SERVER &&
        sw_version_compare(header->version, conn->version) != 0) {
        engine->counters.udp_bad_packet_version++;
        return 0;
    }
    if (conn->begin_again) return 0;
    if (header->expresslane) {
        count = expresslane_packet(conn, header, payload);
        sw_conn_rearm(conn);
        return count;
    }
    while (conn->state != SW_STATE_DISCONNECTED && sw_record_next(&c, &record) == 1) {
        int r = one_record(conn, header, &record);
        if (r < 0) {
            sw_conn_fail(conn, r);
            break;
        }
        count += r;
    }
    sw_conn_rearm(conn);
    return count;
}

/* Whole frames at the front of the stream buffer. 0 or an error. */
static int stream_frames(struct sw_conn *conn)
{
    struct sw_cursor c = sw_cursor(conn->in, conn->in_len);
    struct sw_frame frame;
    const uint8_t *begin = c.p;
    int r = 0;

    while (conn->state != SW_STATE_DISCONNECTED && (r = sw_frame_decode(&c, &frame)) == 0) {
        note_activity(conn);
        r = handle(conn, &frame);
        wipe_secrets(&frame, begin, c.p);
        begin = c.p;
        if (r < 0) return frame_ends(conn, r);
    }
    if (r < 0 && r != SW_ESHORT) return frame_ends(conn, r);
    conn->in_len = sw_cursor_left(&c);
    memmove(conn->in, c.p, conn->in_len);
    return 0;
}

static int stream_room(struct sw_conn *conn)
{
    size_t need = conn->in_len + SW_TLS_RECORD_MAX;
    size_t room = need <= STREAM_ROOM_FIRST ? STREAM_ROOM_FIRST : STREAM_ROOM_MOST;

    if (need <= conn->in_room) return 0;
    uint8_t *in = realloc(conn->in, room);
    if (in == NULL) return SW_ENOMEM;
    conn->in = in;
    conn->in_room = room;
    return 0;
}

/* All that the library can decrypt by now. 0 or an error. */
static int read_stream(struct sw_conn *conn)
{
    while (conn->state != SW_STATE_DISCONNECTED) {
        int r = stream_room(conn);
        if (r < 0) return r;
        int n = sw_tls_read(conn->tls, conn->in + conn->in_len, conn->in_room - conn->in_len);
        if (n == SW_EAGAIN) return 0;
        if (n < 0) {
            conn->engine->counters.conn_tls_error++;
            return n;
        }
        conn->in_len += (size_t)n;
        r = stream_frames(conn);
        if (r < 0) return r;
    }
    return 0;
}

static int stream_bytes(struct sw_conn *conn, struct sw_span bytes)
{
    if (sw_conn_established(conn)) {
        sw_tls_feed(conn->tls, bytes);
        return read_stream(conn);
    }
    int r = sw_conn_handshake(conn, bytes, true);
    return r < 0 || !sw_conn_established(conn) ? r : read_stream(conn);
}

/* What one read gave; through the plugins, in pieces they can be given. */
static int stream_read(struct sw_conn *conn, struct sw_span bytes)
{
    struct sw_engine *engine = conn->engine;

    while (bytes.len > 0 && conn->state != SW_STATE_DISCONNECTED) {
        struct sw_span piece = bytes;
        bool passes = true;
        if (engine->plugins.outside.count > 0) {
            if (piece.len > SW_PLUGIN_PIECE) piece.len = SW_PLUGIN_PIECE;
            bytes = (struct sw_span){bytes.data + piece.len, bytes.len - piece.len};
            passes = sw_plugins_outside_in(engine, conn, &piece.data, &piece.len);
        } else {
            bytes.len = 0;
        }
        int r = passes && piece.len > 0 ? stream_bytes(conn, piece) : 0;
        if (r < 0) return r;
    }
    return 0;
}

void sw_conn_stream_recv(struct sw_conn *conn, const uint8_t *data, size_t len, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    if (conn->state != SW_STATE_DISCONNECTED) {
        if (!conn->first_packet_seen && engine->config.role == SW_CLIENT)
            sw_conn_event(conn, SW_EVENT_FIRST_PACKET);
        conn->first_packet_seen = true;
        int r = stream_read(conn, (struct sw_span){data, len});
        if (r < 0) sw_conn_fail(conn, r);
        sw_key_update_run(conn, true);
        sw_conn_rearm(conn);
    }
    sw_engine_leave(engine);
}
