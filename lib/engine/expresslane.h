/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_EXPRESSLANE_H
#define SW_ENGINE_EXPRESSLANE_H

/*
 * Expresslane: inside packets sealed with AES-256-GCM straight behind the Lightway header, beside a
 * DTLS session that carries the keys (docs/protocol/expresslane.md). Section and rule numbers (R1
 * …) in this room's comments are that page's.
 */

#include <slipway/engine.h>

#include "lib/aead/aead.h"
#include "lib/engine/lane_health.h"
#include "lib/engine/replay_window.h"
#include "lib/wire/frame.h"
#include "lib/wire/header.h"

/** Counter, nonce, tag, length, flags: between the Lightway header and the ciphertext (§3). */
#define SW_LANE_HEADER_LEN 40

/** Where the text begins in a datagram. */
#define SW_LANE_TEXT (SW_HEADER_LEN + SW_LANE_HEADER_LEN)

/** Highest version we speak. */
#define SW_LANE_VERSION 2

/** R9: how long the old key of the peer is kept once the new one has opened a packet: two whole
 * exchanges. */
#define SW_LANE_GRACE (21 * SW_SECOND)

/** A key in use. ready is NULL for "no key", and for the all-zero key, under which nothing may be
 * sealed or opened (§6.4). */
struct sw_lane_key {
    struct sw_aead_key *ready;
    uint8_t bytes[SW_EXPRESSLANE_KEY_LEN];
    uint32_t salt;   /**< first bytes of every nonce under it; sending only */
    uint64_t sealed; /**< packets */
};

struct sw_expresslane {
    enum sw_expresslane_state state;
    uint8_t version; /**< negotiated; 0: not yet */

    struct sw_lane_key self;     /**< seals */
    struct sw_lane_key next;     /**< offered, not yet acknowledged */
    bool staged;                 /**< next is one, possibly the zero key */
    struct sw_lane_key peer;     /**< opens */
    struct sw_lane_key previous; /**< opens what was still under way when the peer changed keys */

    uint64_t sent; /**< the last counter used */
    uint64_t received;
    struct sw_replay_window window;

    /* The exchange */
    uint64_t exchange;      /**< ours, 0 before the first */
    uint64_t peer_exchange; /**< highest seen */
    bool peer_gave_up;      /**< it sent a notice: offers would be ignored (R2) */
    bool offered;
    sw_time offered_at;
    sw_time not_before; /**< R2: after a give-up */
    unsigned give_ups;
    unsigned retransmits;
    struct sw_frame_expresslane offer; /**< as sent, to be repeated */

    sw_time active_since;
    struct sw_lane_health health;
};

struct sw_conn;

void sw_expresslane_init(struct sw_conn *conn);
void sw_expresslane_release(struct sw_conn *conn);

/** Used for sending? */
static inline bool sw_expresslane_ready(const struct sw_expresslane *lane)
{
    return lane->state == SW_EXPRESSLANE_ACTIVE && lane->self.ready != NULL &&
           lane->peer.ready != NULL;
}

/** Something wants to be sent: offers a key if the last one is old. */
void sw_expresslane_rotate(struct sw_conn *conn);

void sw_expresslane_config(struct sw_conn *conn, const struct sw_frame_expresslane *config);

/** SW_TIMER_EXPRESSLANE: repeats an offer, or gives up. */
void sw_expresslane_timer(struct sw_conn *conn);

/** SW_TIMER_LANE_GRACE: erases the peer's key before the present one. */
void sw_expresslane_grace_over(struct sw_conn *conn);

/** The 16 bytes of a keepalive (§10). False: nothing to report, send none. */
#define SW_LANE_READING_LEN 16
bool sw_expresslane_reading(struct sw_conn *conn, uint8_t out[SW_LANE_READING_LEN]);

/** The payload of a keepalive's answer. */
void sw_expresslane_pong(struct sw_conn *conn, struct sw_span payload);

/** Tells the embedder about keys, when it asked for them (§13). */
void sw_expresslane_publish(struct sw_conn *conn);

/* expresslane_data.c */

/** Bytes of the datagram that carries a text of n bytes. */
static inline size_t sw_lane_datagram_len(size_t n)
{
    return SW_LANE_TEXT + n;
}

/**
 * Makes a packet of the len bytes of text, at most 65535, at datagram + SW_LANE_TEXT: seals them in
 * place and writes what goes before them. encoded: it is output of an encoder. The lane must be
 * ready.
 */
void sw_expresslane_seal(struct sw_conn *conn, uint8_t *datagram, size_t len, bool encoded);

/**
 * Opens the payload of a flagged datagram into out (size bytes). Bytes of the text, with *encoded
 * saying what it is, or SW_ESHORT, SW_EREPLAY, SW_ENOKEY, SW_EAUTH; payload is unchanged.
 */
int sw_expresslane_open(struct sw_conn *conn, const struct sw_header *header,
                        struct sw_span payload, uint8_t *out, size_t size, bool *encoded);

#endif
