/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_LOGINS_H
#define SW_HOST_LOGINS_H

/*
 * Who may log in: the user database (host/users.h), the key that tokens are signed with
 * (host/jwt.h), or both. Checks run on libuv's thread pool, never on a worker.
 */

#include <slipway/engine.h>
#include <uv.h>

#include "host/jwt.h"

/** Immutable once loaded; any thread may use, hold and free it. */
struct sw_logins;

/**
 * Reads the files, either of which may be NULL. NULL, and one sentence in why that names the option
 * and the file. Held once.
 */
struct sw_logins *sw_logins_load(const char *user_db, const char *token_rsa_pub_key_pem, char *why,
                                 size_t why_size);
struct sw_logins *sw_logins_hold(struct sw_logins *logins);
void sw_logins_free(struct sw_logins *logins);

/** Different users; 0 also without a database. */
size_t sw_logins_users(const struct sw_logins *logins);

/** Of the key that tokens are signed with, in bits; 0: no tokens. */
unsigned sw_logins_key_bits(const struct sw_logins *logins);

struct sw_login_answer {
    const char *refusal;       /**< why not, for the log, static text; NULL: come in */
    const char *detail;        /**< more of it, or NULL */
    char name[SW_JWT_SUBJECT]; /**< whose a good token is, as far as it says so */
};

/**
 * Why nobody gets in by this method (sw_credentials.method), for the log, static text; NULL: it has
 * to be checked.
 */
const char *sw_logins_refusal(const struct sw_logins *logins, uint8_t method);

/** The check itself. It takes tens of milliseconds; any thread may call it. */
void sw_logins_check(const struct sw_logins *logins, const struct sw_credentials *credentials,
                     int64_t unix_time, struct sw_login_answer *answer);

/** A check under way on the thread pool. */
struct sw_login_check;

/** Called on the loop's thread, once; the check is gone afterwards. */
typedef void (*sw_login_verdict)(void *data, const struct sw_login_answer *answer);

/** Starts a check of a copy of the credentials, which is wiped when it is done; logins are held as
 * long. NULL: out of memory, verdict will not be called. */
struct sw_login_check *sw_login_check_start(uv_loop_t *loop, struct sw_logins *logins,
                                            const struct sw_credentials *credentials,
                                            sw_login_verdict verdict, void *data);

/** Nobody wants to know any more: verdict will not be called. The check must still be under way. */
void sw_login_check_abandon(struct sw_login_check *check);

#endif
