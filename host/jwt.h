/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_JWT_H
#define SW_HOST_JWT_H

/*
 * JSON web tokens signed with RS256 (RFC 7519, RFC 7515), as clients log in with: reading the key
 * that checks them, and checking.
 */

#include <stddef.h>
#include <stdint.h>

#define SW_JWT_SUBJECT                                                                             \
    65 /**< room for what a token says about whose it is, with the final zero                      \
        */

/** The public key of whoever makes tokens; immutable, any thread may use it. */
struct sw_jwt_key;

/**
 * Reads the key: PEM, an RSA public key (PKCS #1 or SubjectPublicKeyInfo) or an X.509 certificate,
 * 2048 to 8192 bits. NULL, and one sentence in why that names the file. One whose tokens cannot fit
 * into a login is a warning in the log.
 */
struct sw_jwt_key *sw_jwt_key_load(const char *path, char *why, size_t why_size);

/** The same from len bytes of text; path is for messages only. */
struct sw_jwt_key *sw_jwt_key_parse(const char *text, size_t len, const char *path, char *why,
                                    size_t why_size);
void sw_jwt_key_free(struct sw_jwt_key *key);

unsigned sw_jwt_key_bits(const struct sw_jwt_key *key);

/**
 * Looks at a token. NULL: it is good; else why it is not, a phrase about "the token", static text.
 * unix_time: now, in seconds since 1970. subject (SW_JWT_SUBJECT bytes) receives the "sub" claim of
 * a good token, cut to what fits, as UTF-8; empty if there is none.
 */
const char *sw_jwt_check(const struct sw_jwt_key *key, const char *token, size_t len,
                         int64_t unix_time, char *subject);

#endif
