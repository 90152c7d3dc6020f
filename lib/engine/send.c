/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Inside to outside: a packet or superpacket from the TUN becomes Data frames in records
 * (docs/protocol/session.md §15, §20, docs/offload.md A.5, F.4-F.8).
 *
 * The order matters: a single packet's checksum is completed first, because the address rewrite
 * updates it incrementally; a superpacket's is not, because every segment is summed from scratch.
 * On UDP each segment is a record of its own and lands in the batch, where equal ones become one
 * UDP_SEGMENT message. Room is asked for before a record is sealed, so that a full batch stops the
 * sender between segments and loses nothing. On TCP as many frames as fit go into one record.
 */

#include "lib/engine/engine.h"
#include "lib/engine/fragments.h"
#include "lib/engine/icmp.h"
#include "lib/engine/path_mtu.h"
#include "lib/engine/translate.h"
#include "lib/offload/checksum.h"
#include "lib/offload/mss.h"
#include "lib/offload/segment.h"

/* The MTU that oversized packets are answered with, where the way carries that much. */
#define TOLD_MTU 1350

/* What one sealed record adds to its plaintext on a stream. */
#define STREAM_RECORD_OVERHEAD 22

/* packet->next: 0 untouched, else the next segment and one; with a mark if the codec was offered it
 * and left it alone. */
enum { UNTOUCHED = 0, FIRST_SEGMENT = 1 };
#define LEFT_ALONE (1u << 31)

/* Cut or not, what is sent looks the same: count pieces of at most piece_max bytes. */
struct pieces {
    bool super;
    bool encoded; /* output of an encoder: one piece */
    struct sw_segmenter segmenter;
    const struct sw_inside_packet *packet;
    unsigned count;
    size_t piece_max;
};

static int cut(struct sw_engine *engine, const struct sw_inside_packet *packet,
               struct pieces *pieces)
{
    enum sw_segment_refusal why;

    pieces->encoded = false;
    pieces->packet = packet;
    pieces->super = sw_vnet_is_super(&packet->vnet);
    pieces->count = 1;
    pieces->piece_max = packet->len;
    if (!pieces->super) return 0;
    if (sw_segmenter_init(&pieces->segmenter, packet->data, packet->len, &packet->vnet, &why) < 0) {
        engine->counters.drop_segmenter[why]++;
        return SW_EVNET;
    }
    pieces->count = pieces->segmenter.count;
    pieces->piece_max = pieces->count > 0 ? sw_segment_len(&pieces->segmenter, 0) : 0;
    return 0;
}

static size_t piece_len(const struct pieces *pieces, unsigned i)
{
    return pieces->super ? sw_segment_len(&pieces->segmenter, i) : pieces->packet->len;
}

static void build_piece(const struct pieces *pieces, unsigned i, uint8_t *out)
{
    if (pieces->super)
        sw_segment_build(&pieces->segmenter, i, out);
    else
        memcpy(out, pieces->packet->data, pieces->packet->len);
}

/* Appends piece i as a Data or EncodedData frame. The caller has seen to the room. */
static void put_piece(const struct pieces *pieces, unsigned i, struct sw_writer *w)
{
    size_t len = piece_len(pieces, i);
    uint8_t *out;

    sw_writer_u8(w, pieces->encoded ? SW_FRAME_ENCODED_DATA : SW_FRAME_DATA);
    sw_writer_be16(w, (uint16_t)len);
    if (sw_writer_claim(w, len, &out) == 0) build_piece(pieces, i, out);
}

static void refuse_oversize(struct sw_conn *conn, const struct sw_inside_packet *packet)
{
    struct sw_engine *engine = conn->engine;
    uint8_t answer[SW_ICMP_MAX];
    uint16_t mtu = conn->limits.data < TOLD_MTU ? conn->limits.data : TOLD_MTU;
    size_t len = sw_icmp_too_big(packet->data, packet->len, mtu, answer);

    engine->counters.drop_oversize++;
    if (len > 0) engine->config.callbacks->inside(engine->config.user, conn, answer, len);
}

static int translate_outbound(const struct sw_conn *conn, struct sw_inside_packet *packet,
                              bool super)
{
    const struct sw_engine_config *config = &conn->engine->config;

    if (config->role == SW_SERVER) {
        const struct sw_translation t = {.set = config->client_ip};
        return sw_translate_destination(packet->data, packet->len, &t, super);
    }
    const struct sw_translation t = {
        .set = conn->ip_config.local_ip,
        .dns_match = config->tun_dns_ip,
        .dns_set = conn->ip_config.dns_ip,
    };
    return sw_translate_source(packet->data, packet->len, &t, super);
}

/* 0, or the reason why the packet goes no further, counted. */
static int plugins_pass(struct sw_conn *conn, struct sw_inside_packet *packet)
{
    struct sw_packet ip;

    switch (sw_plugins_inside_in(conn, packet)) {
    case SW_PLUGINS_PASS:
        break;
    case SW_PLUGINS_REPLY:
        sw_conn_inside_reply(conn, packet->data, packet->len);
        return SW_EPACKET;
    case SW_PLUGINS_GONE:
        return SW_EPACKET;
    }
    if (sw_packet_parse(packet->data, packet->len, &ip) < 0) {
        conn->engine->counters.drop_invalid_packet++;
        return SW_EPACKET;
    }
    packet->len = ip.total_len;
    return 0;
}

/* What goes in one datagram of the lane in use. */
static size_t one_datagram(const struct sw_conn *conn)
{
    return sw_expresslane_ready(&conn->lane) ? conn->limits.lane : conn->limits.data;
}

/* Pieces too long for one datagram: can they be made smaller, or go in fragments? */
static bool carries(const struct sw_conn *conn, const struct pieces *pieces)
{
    if (pieces->super && pieces->segmenter.tcp)
        return one_datagram(conn) > pieces->segmenter.headers;
    return pieces->piece_max <= conn->limits.data || sw_fragments_fit(conn, pieces->piece_max);
}

/*
 * The segments of a TCP superpacket become smaller: how a sender's bytes are cut means nothing to
 * TCP. The new size is noted in the packet, so that one which has to wait is cut the same way
 * afterwards. Whatever else there is goes in a Data frame although the lane carries less, or in
 * fragments.
 */
static int fit(struct sw_conn *conn, struct sw_inside_packet *packet, struct pieces *pieces)
{
    if (!carries(conn, pieces)) { /* a plugin made it longer */
        conn->engine->counters.drop_oversize++;
        return SW_EOVERSIZE;
    }
    if (!pieces->super || !pieces->segmenter.tcp) return 0;
    packet->vnet.gso_size = (uint16_t)(one_datagram(conn) - pieces->segmenter.headers);
    conn->engine->counters.superpackets_recut++;
    return cut(conn->engine, packet, pieces);
}

/* Everything that is done once per packet. 0 or the reason it is dropped, counted. */
static int prepare(struct sw_conn *conn, struct sw_inside_packet *packet, struct pieces *pieces)
{
    struct sw_engine *engine = conn->engine;
    struct sw_packet ip;

    if (sw_packet_parse(packet->data, packet->len, &ip) < 0) {
        engine->counters.drop_invalid_packet++;
        return SW_EPACKET;
    }
    packet->len = ip.total_len;
    int r = cut(engine, packet, pieces);
    if (r < 0) return r;
    if (pieces->piece_max > one_datagram(conn) && !carries(conn, pieces)) {
        refuse_oversize(conn, packet);
        return SW_EOVERSIZE;
    }
    if (!pieces->super && (packet->vnet.flags & SW_VNET_NEEDS_CSUM) != 0) {
        if (sw_checksum_complete(packet->data, packet->len, &packet->vnet) < 0)
            engine->counters.gso_none_checksum_skipped++;
        else
            engine->counters.checksums_completed++;
    }
    if (sw_is_tcp_syn(packet->data, &ip) && sw_mss_clamp(packet->data, &ip, sw_path_mtu_mss(conn)))
        engine->counters.mss_clamped++;
    translate_outbound(conn, packet, pieces->super);
    if (engine->plugins.inside.count > 0 && (r = plugins_pass(conn, packet)) < 0) return r;
    /* Again: the segments' sums cover the addresses, and a plugin may have changed everything. */
    if (pieces->super || engine->plugins.inside.count > 0) r = cut(engine, packet, pieces);
    if (r == 0 && pieces->piece_max > one_datagram(conn)) r = fit(conn, packet, pieces);
    if (r < 0) return r;
    if (pieces->super) {
        engine->counters.superpackets++;
        engine->counters.superpacket_segments += pieces->count;
    }
    packet->next = FIRST_SEGMENT;
    return 0;
}

static void count_sent(struct sw_conn *conn, size_t bytes)
{
    conn->engine->counters.inside_to_tunnel++;
    conn->engine->counters.inside_to_tunnel_bytes += bytes;
    conn->stats.packets_out++;
    conn->stats.bytes_out += bytes;
}

static bool send_record(struct sw_conn *conn, const struct pieces *pieces, unsigned i)
{
    struct sw_engine *engine = conn->engine;
    struct sw_writer w = sw_writer(engine->plain, sizeof engine->plain);

    put_piece(pieces, i, &w);
    if (sw_tls_write(conn->tls, w.start, sw_writer_len(&w)) == 0) return true;
    engine->counters.drop_tls_write++;
    return false;
}

/* Built where it will be sent from, and sealed there. */
static bool send_sealed(struct sw_conn *conn, const struct pieces *pieces, unsigned i, size_t len)
{
    struct sw_engine *engine = conn->engine;
    uint8_t *out;

    if (sw_batch_reserve(engine->config.batch,
                         sw_lane_datagram_len(len) + engine->plugins.outside_grows, &out) < 0)
        return false;
    build_piece(pieces, i, out + SW_LANE_TEXT);
    sw_expresslane_seal(conn, out, len, pieces->encoded);
    sw_output_commit(conn, out, sw_lane_datagram_len(len));
    engine->counters.expresslane_sent++;
    return true;
}

/* docs/offload.md F.10: cut first, then each segment to the encoder. */
static enum sw_codec_result encode_piece(struct sw_conn *conn, const struct pieces *pieces,
                                         unsigned i, size_t len)
{
    const struct sw_engine *engine = conn->engine;

    build_piece(pieces, i, engine->piece);
    enum sw_codec_result result =
        engine->config.codec->encode(conn->encoding.instance, engine->piece, len, engine->env.now);
    if (result == SW_CODEC_TAKEN) count_sent(conn, len);
    if (result == SW_CODEC_FAILED) sw_conn_fail(conn, SW_ECODEC);
    return result;
}

/* A piece that no single datagram carries. 0 or SW_EAGAIN. */
static int send_in_fragments(struct sw_conn *conn, const struct pieces *pieces, unsigned i)
{
    const uint8_t *data = pieces->packet->data;
    size_t len = piece_len(pieces, i);

    if (pieces->super) {
        build_piece(pieces, i, conn->engine->whole);
        data = conn->engine->whole;
    }
    int r = sw_fragments_send(conn, data, len, pieces->encoded);
    if (r == 0 && !pieces->encoded) count_sent(conn, len);
    return r;
}

/* Room for a piece by either lane, or for the first of its fragments, which ask for themselves. */
static int piece_room(const struct sw_conn *conn, size_t len)
{
    size_t most = conn->limits.data;
    return sw_output_room(conn->engine, (len < most ? len : most) + SW_LANE_HEADER_LEN);
}

static int send_datagrams(struct sw_conn *conn, struct sw_inside_packet *packet,
                          const struct pieces *pieces)
{
    bool fast = sw_expresslane_ready(&conn->lane) && pieces->piece_max <= conn->limits.lane;
    unsigned i = (packet->next & ~LEFT_ALONE) - FIRST_SEGMENT;

    for (; i < pieces->count; packet->next = ++i + FIRST_SEGMENT) {
        size_t len = piece_len(pieces, i);

        if (piece_room(conn, len) < 0) return SW_EAGAIN;
        if (conn->encoding.enabled && !pieces->encoded && (packet->next & LEFT_ALONE) == 0) {
            enum sw_codec_result result = encode_piece(conn, pieces, i, len);
            if (result == SW_CODEC_FAILED || conn->state != SW_STATE_ONLINE) return 0;
            if (result == SW_CODEC_TAKEN) continue;
            packet->next |= LEFT_ALONE;
            if (piece_room(conn, len) < 0) return SW_EAGAIN; /* the codec has sent something */
        }
        if (len > conn->limits.data) {
            if (send_in_fragments(conn, pieces, i) < 0) return SW_EAGAIN;
            continue;
        }
        if ((fast ? send_sealed(conn, pieces, i, len) : send_record(conn, pieces, i)) &&
            !pieces->encoded)
            count_sent(conn, len);
    }
    return 0;
}

int sw_conn_encoded(struct sw_conn *conn, const uint8_t *bytes, size_t len, sw_time now)
{
    struct sw_engine *engine = conn->engine;
    struct sw_inside_packet packet = {
        .data = (uint8_t *)(uintptr_t)bytes, .len = len, .next = FIRST_SEGMENT};
    struct pieces pieces;

    if (conn->state != SW_STATE_ONLINE) return SW_ESTATE;
    if (conn->transport != SW_DATAGRAM) return SW_ETRANSPORT;
    if (len > conn->limits.data && !sw_fragments_fit(conn, len)) return SW_EOVERSIZE;
    sw_engine_enter(engine, now);
    cut(engine, &packet, &pieces);
    pieces.encoded = true;
    int r = send_datagrams(conn, &packet, &pieces);
    sw_engine_leave(engine);
    return r;
}

/* Upper bound of what the packet adds to the stream queue. */
static size_t stream_cost(const struct pieces *pieces)
{
    size_t plain = pieces->count * (pieces->piece_max + SW_FRAME_DATA_OVERHEAD);
    return plain + (plain / (SW_TLS_RECORD_MAX / 2) + 1) * STREAM_RECORD_OVERHEAD;
}

/* Seals what has been gathered. A stream with a failed write cannot go on. */
static int flush_record(struct sw_conn *conn, struct sw_writer *w)
{
    int r = sw_writer_len(w) > 0 ? sw_tls_write(conn->tls, w->start, sw_writer_len(w)) : 0;

    w->p = w->start;
    if (r < 0) {
        conn->engine->counters.drop_tls_write++;
        sw_conn_fail(conn, r);
    }
    return r;
}

static int send_stream(struct sw_conn *conn, struct sw_inside_packet *packet,
                       const struct pieces *pieces)
{
    struct sw_engine *engine = conn->engine;
    struct sw_writer w = sw_writer(engine->plain, sizeof engine->plain);

    for (; packet->next - FIRST_SEGMENT < pieces->count; packet->next++) {
        unsigned i = packet->next - FIRST_SEGMENT;
        size_t len = piece_len(pieces, i);

        if (sw_writer_len(&w) + len + SW_FRAME_DATA_OVERHEAD > SW_TLS_RECORD_MAX &&
            flush_record(conn, &w) < 0)
            return 0;
        put_piece(pieces, i, &w);
        count_sent(conn, len);
    }
    flush_record(conn, &w);
    return 0;
}

/* session.md §3.3: a server drops for one slow client, a client waits; unless no waiting helps,
 * because the segments are so small that their headers make too much of them. */
static int stream_room(struct sw_conn *conn, const struct pieces *pieces)
{
    size_t cost = stream_cost(pieces);

    if (sw_stream_queue_len(&conn->out) + cost <= SW_STREAM_QUEUE_LIMIT) return 0;
    if (conn->engine->config.role == SW_CLIENT && cost <= SW_STREAM_QUEUE_LIMIT) return SW_EAGAIN;
    conn->engine->counters.drop_queue_full++;
    return SW_EFULL;
}

/* session.md §12: packets go out and nothing comes back. */
static void trace(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;
    sw_time since = conn->stats.last_received;

    if (engine->config.role != SW_CLIENT || !engine->config.keepalive_on_demand) return;
    if (engine->env.now - since <= engine->config.tracer_timeout || conn->tracer_fired_for == since)
        return;
    if (conn->keepalive.state == SW_KEEPALIVE_PENDING) return;
    conn->tracer_fired_for = since;
    if (sw_keepalive_ask(&conn->keepalive, engine->env.now)) sw_conn_send_ping(conn);
    sw_conn_rearm(conn);
}

static int send_packet(struct sw_conn *conn, struct sw_inside_packet *packet)
{
    struct pieces pieces;
    int r;

    if (conn->state != SW_STATE_ONLINE) {
        conn->engine->counters.drop_not_online++;
        return 0;
    }
    if (conn->transport == SW_DATAGRAM) sw_expresslane_rotate(conn);
    if (conn->timers[SW_TIMER_EXPRESSLANE] < conn->deadline.at) sw_conn_rearm(conn);
    if (packet->next == UNTOUCHED) {
        r = prepare(conn, packet, &pieces);
    } else {
        r = cut(conn->engine, packet, &pieces);
    }
    if (r < 0) return 0;
    if (conn->transport == SW_STREAM) {
        r = stream_room(conn, &pieces);
        if (r == SW_EAGAIN) return r;
        if (r < 0) return 0;
        r = send_stream(conn, packet, &pieces);
        sw_conn_rearm(conn);
    } else {
        r = send_datagrams(conn, packet, &pieces);
    }
    sw_key_update_after_send(conn);
    if (r == 0 && conn->state == SW_STATE_ONLINE) trace(conn);
    if (conn->encoding.enabled && conn->state == SW_STATE_ONLINE) sw_encoding_watch(conn);
    return conn->state == SW_STATE_ONLINE ? r : 0; /* nothing waits for what a callback closed */
}

void sw_conn_peer_reply(struct sw_conn *conn, uint8_t *data, size_t len)
{
    struct sw_engine *engine = conn->engine;
    struct sw_inside_packet packet = {.data = data, .len = len, .next = FIRST_SEGMENT};
    struct pieces pieces;
    struct sw_packet ip;

    if (sw_packet_parse(data, len, &ip) < 0 || ip.total_len > conn->limits.data) {
        engine->counters.plugin_failed++;
        return;
    }
    packet.len = ip.total_len;
    cut(engine, &packet, &pieces);
    if (conn->transport == SW_DATAGRAM) {
        if (send_datagrams(conn, &packet, &pieces) < 0) engine->counters.udp_no_room++;
        return;
    }
    int r = stream_room(conn, &pieces);
    if (r == 0) send_stream(conn, &packet, &pieces);
    if (r == SW_EAGAIN) engine->counters.drop_queue_full++;
}

int sw_conn_send(struct sw_conn *conn, struct sw_inside_packet *packet, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    int r = send_packet(conn, packet);
    sw_engine_leave(engine);
    return r;
}
