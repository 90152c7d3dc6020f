/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_HELLO_RETRY_H
#define SW_TLS_HELLO_RETRY_H

/*
 * The stateless first step of a DTLS server: a ClientHello without a cookie is answered by a
 * HelloRetryRequest, one with a good cookie becomes a session (docs/protocol/session.md §9.3).
 */

#include "lib/tls/tls.h"

/** One datagram of the stateless answer. */
#define SW_RETRY_MAX 512

struct sw_hello_retry;

/**
 * key: SW_COOKIE_KEY_LEN bytes that cookies are made with, copied; those with the same key and
 * clock take each other's cookies. NULL: random. NULL: out of memory.
 */
struct sw_hello_retry *sw_hello_retry_new(struct sw_tls_context *context,
                                          const struct sw_tls_env *env, uint16_t mtu,
                                          const uint8_t *key);
void sw_hello_retry_free(struct sw_hello_retry *retry);

/** Sessions come from this context from now on. Cookies stay good. */
void sw_hello_retry_set_context(struct sw_hello_retry *retry, struct sw_tls_context *context);

enum sw_retry_verdict {
    SW_RETRY_DROP,   /**< nothing to answer */
    SW_RETRY_ANSWER, /**< answer holds a HelloRetryRequest */
    SW_RETRY_ACCEPT, /**< the cookie is good: *session is a new session that has consumed the hello
                      */
};

struct sw_retry_answer {
    uint8_t bytes[SW_RETRY_MAX];
    size_t len;
};

/**
 * hello: one epoch-0 handshake record with the first fragment of a ClientHello. peer: bytes that
 * stand for the peer's address; the cookie is bound to them. has_cookie: as sw_hello_parse() found.
 * On ACCEPT the session belongs to the caller, who gives it an output with sw_tls_set_output() and
 * goes on with sw_tls_handshake(session, empty).
 */
enum sw_retry_verdict sw_hello_retry(struct sw_hello_retry *retry, struct sw_span hello,
                                     bool has_cookie, struct sw_span peer,
                                     struct sw_retry_answer *answer, struct sw_tls **session);

#endif
