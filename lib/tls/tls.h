/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_TLS_H
#define SW_TLS_TLS_H

/*
 * (D)TLS 1.3 sessions over memory: the one room that knows wolfSSL. A session is given the bytes of
 * one record (datagram) or a piece of the stream, and hands what it wants to send to a callback.
 */

#include <slipway/tls.h>

#include "lib/base/span.h"

/** Real bytes of DTLS 1.3 record overhead: 5 unified header, 1 content type, 16 tag
 * (docs/protocol/wire.md §8). */
#define SW_DTLS_OVERHEAD 22

/** Largest DTLS datagram of all: what an outside MTU of 1500 leaves. */
#define SW_DTLS_MTU_MAX 1456

/** Largest DTLS datagram while the handshake runs: its fragments pass every path of 1200 bytes, and
 * a client of the smallest outside MTU takes them, since wolfSSL reads no datagram longer than its
 * own MTU and 500 (532 + 500). */
#define SW_DTLS_HANDSHAKE_MTU 1032

/** Most plaintext of one TLS record (RFC 8446 §5.1). */
#define SW_TLS_RECORD_MAX 16384

/**
 * Where the TLS library takes time and randomness from during a call. The library asks for them
 * through process-wide hooks without an argument, so every call enters with the environment of its
 * engine.
 */
struct sw_tls_env {
    sw_time now;
    int64_t unix_time; /**< seconds since 1970 at now = 0 */
    void (*random)(void *user, uint8_t *out, size_t len);
    void *user;
};

struct sw_tls;

/** Where a session's output goes. Returns nothing: what cannot be sent is lost (datagram) or was
 * checked before (stream). */
typedef void sw_tls_send(void *user, const uint8_t *data, size_t len);

/** One more sw_tls_context_free() is needed. Any thread may hold and free a context. */
void sw_tls_context_hold(struct sw_tls_context *context);

/**
 * mtu: largest datagram the session may make (ignored for streams). NULL: out of memory or a
 * library failure. The session holds its context; the environment is borrowed and must outlive the
 * session; the caller keeps env->now up to date.
 */
struct sw_tls *sw_tls_new(struct sw_tls_context *context, const struct sw_tls_env *env,
                          uint16_t mtu, sw_tls_send *send, void *user);
void sw_tls_free(struct sw_tls *tls);

/** Redirects the session's output. */
void sw_tls_set_output(struct sw_tls *tls, sw_tls_send *send, void *user);

/**
 * One step of the handshake with the bytes of input (may be empty). 0 done, SW_EAGAIN not yet, else
 * why it failed.
 */
int sw_tls_handshake(struct sw_tls *tls, struct sw_span input);

/** Gives the session bytes for the reads that follow. The bytes must stay until the last of those
 * reads. */
void sw_tls_feed(struct sw_tls *tls, struct sw_span input);

/** Plaintext bytes read into out, SW_EAGAIN when the input is used up, or an error. */
int sw_tls_read(struct sw_tls *tls, uint8_t *out, size_t size);

/** Seals data as one record (stream: as few as possible). 0 or an error; nothing was sent then. */
int sw_tls_write(struct sw_tls *tls, const uint8_t *data, size_t len);

/** Sends close_notify. */
void sw_tls_close(struct sw_tls *tls);

/** DTLS: something sent still waits for its acknowledgement, or an acknowledgement waits to be
 * sent. */
bool sw_tls_timer_wanted(struct sw_tls *tls);

/** DTLS: how long until sw_tls_timer() should be called (docs/protocol/session.md §6). */
sw_time sw_tls_timer_interval(struct sw_tls *tls);

/** DTLS: retransmits. 0, or SW_ETIMEOUT when the peer has not answered for too long. */
int sw_tls_timer(struct sw_tls *tls);

/** DTLS: sets the retransmission timeout back to its start, so that an established session never
 * runs out. */
void sw_tls_timer_reset(struct sw_tls *tls);

/** DTLS: something sent has not been acknowledged. */
bool sw_tls_unacknowledged(struct sw_tls *tls);

/**
 * Sends a KeyUpdate that asks the peer for one, too. Over DTLS not while sw_tls_unacknowledged(). 0
 * or SW_ETLS.
 */
int sw_tls_update_keys(struct sw_tls *tls);

/** The peer's KeyUpdate, which the last sw_tls_update_keys() asked for, has come. */
bool sw_tls_update_followed(struct sw_tls *tls);

/** Records sealed or opened since the start or the last reset, whichever are more. */
uint64_t sw_tls_records(const struct sw_tls *tls);
void sw_tls_records_reset(struct sw_tls *tls);

const char *sw_tls_cipher(struct sw_tls *tls);
const char *sw_tls_group(struct sw_tls *tls);

/** The library's words for the last failure of this session; static text. */
const char *sw_tls_error_text(const struct sw_tls *tls);

#define SW_DIGEST_LEN 32
/** SHA-256. */
void sw_tls_digest(const uint8_t *data, size_t len, uint8_t out[SW_DIGEST_LEN]);

/** HMAC-SHA-256. */
void sw_tls_keyed_digest(const uint8_t key[SW_DIGEST_LEN], const uint8_t *data, size_t len,
                         uint8_t out[SW_DIGEST_LEN]);

/** Equal? In constant time. */
bool sw_tls_equal(const uint8_t *a, const uint8_t *b, size_t len);

/** Overwrites secrets so that the compiler cannot leave it out. */
void sw_tls_wipe(void *data, size_t len);

#endif
