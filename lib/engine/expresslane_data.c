/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Expresslane packets, out and in (docs/protocol/expresslane.md §3, §7, §8). The nonce is the key's
 * random salt and the packet's counter (R7): unique without asking for randomness per packet.
 */

#include <string.h>

#include "lib/engine/engine.h"

/* The session id and the counter, and from version 2 on the flags as they stand in the packet. */
#define AAD_V1_LEN 16
#define AAD_V2_LEN 18

#define FLAG_ENCODED 0x8000

static size_t put_aad(uint8_t out[AAD_V2_LEN], uint8_t version, const struct sw_session_id *session,
                      uint64_t counter, uint16_t flags)
{
    memcpy(out, session->bytes, sizeof session->bytes);
    sw_put_be64(out + 8, counter);
    sw_put_be16(out + 16, flags);
    return version >= 2 ? AAD_V2_LEN : AAD_V1_LEN;
}

void sw_expresslane_seal(struct sw_conn *conn, uint8_t *datagram, size_t len, bool encoded)
{
    struct sw_expresslane *lane = &conn->lane;
    const struct sw_header header = {
        .version = conn->version,
        .expresslane = true,
        .session = sw_conn_outgoing_session(conn),
    };
    uint8_t *p = datagram + SW_HEADER_LEN;
    uint8_t *nonce = p + 8, *tag = p + 20;
    uint8_t aad[AAD_V2_LEN];
    uint64_t counter = ++lane->sent;
    uint16_t flags = encoded ? FLAG_ENCODED : 0;

    sw_header_encode(datagram, &header);
    sw_put_be64(p, counter);
    memcpy(nonce, &lane->self.salt, sizeof lane->self.salt);
    sw_put_be64(nonce + 4, counter);
    sw_put_be16(p + 36, (uint16_t)len);
    sw_put_be16(p + 38, flags);
    const struct sw_aead_packet packet = {
        .nonce = nonce,
        .aad = aad,
        .aad_len = put_aad(aad, lane->version, &header.session, counter, flags),
    };
    lane->self.sealed++;
    sw_aead_seal(conn->engine->aead, lane->self.ready, &packet, datagram + SW_LANE_TEXT, len, tag);
}

/* What the 40 bytes say. */
struct lane_packet {
    uint64_t counter;
    const uint8_t *nonce, *tag, *text;
    uint16_t len, flags;
};

static int parse(struct sw_span payload, struct lane_packet *out)
{
    struct sw_cursor c = sw_cursor(payload.data, payload.len);

    if (sw_cursor_be64(&c, &out->counter) < 0 ||
        sw_cursor_bytes(&c, SW_AEAD_NONCE_LEN, &out->nonce) < 0 ||
        sw_cursor_bytes(&c, SW_AEAD_TAG_LEN, &out->tag) < 0 || sw_cursor_be16(&c, &out->len) < 0 ||
        sw_cursor_be16(&c, &out->flags) < 0)
        return SW_ESHORT;
    return sw_cursor_bytes(&c, out->len, &out->text);
}

/* R9: the old key goes some time after the new one has opened its first packet. */
static void begin_grace(struct sw_conn *conn)
{
    if (conn->lane.previous.ready != NULL && conn->timers[SW_TIMER_LANE_GRACE] == SW_NEVER)
        sw_conn_set_timer(conn, SW_TIMER_LANE_GRACE, conn->engine->env.now + SW_LANE_GRACE);
}

static int decrypt(struct sw_conn *conn, const struct sw_header *header,
                   const struct lane_packet *packet, uint8_t *out)
{
    struct sw_expresslane *lane = &conn->lane;
    uint8_t aad[AAD_V2_LEN];
    const struct sw_aead_packet sealed = {
        .nonce = packet->nonce,
        .aad = aad,
        .aad_len = put_aad(aad, lane->version, &header->session, packet->counter, packet->flags),
    };

    if (lane->peer.ready == NULL) return SW_ENOKEY;
    if (sw_aead_open(conn->engine->aead, lane->peer.ready, &sealed, packet->text, packet->len,
                     packet->tag, out) == 0) {
        begin_grace(conn);
        return 0;
    }
    if (lane->previous.ready == NULL) return SW_EAUTH;
    return sw_aead_open(conn->engine->aead, lane->previous.ready, &sealed, packet->text,
                        packet->len, packet->tag, out);
}

int sw_expresslane_open(struct sw_conn *conn, const struct sw_header *header,
                        struct sw_span payload, uint8_t *out, size_t size, bool *encoded)
{
    struct sw_expresslane *lane = &conn->lane;
    struct lane_packet packet;
    int r = parse(payload, &packet);

    if (r < 0) return r;
    if (packet.len > size) return SW_EOVERSIZE;
    if (!sw_replay_window_takes(&lane->window, packet.counter)) return SW_EREPLAY;
    r = decrypt(conn, header, &packet, out);
    if (r < 0) return r;
    sw_replay_window_commit(&lane->window, packet.counter);
    lane->received++;
    *encoded = (packet.flags & FLAG_ENCODED) != 0;
    return packet.len;
}
