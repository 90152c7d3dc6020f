/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_USERS_H
#define SW_HOST_USERS_H

/*
 * The user database: a file of "user:hash" lines as htpasswd writes it, and checking a password
 * against it. A check costs tens of milliseconds on purpose, so programs do it on libuv's thread
 * pool (host/logins.h), never on a worker.
 */

#include <stdbool.h>
#include <stddef.h>

struct sw_users;

/**
 * Reads the database. NULL, and one sentence in why, which names file and line: unreadable, not
 * UTF-8, a line without colon, an empty user or hash, no user at all. A user whose hash has a
 * format that can never match is a warning in the log. Immutable afterwards.
 */
struct sw_users *sw_users_load(const char *path, char *why, size_t why_size);

/** The same from len bytes of text; path is for messages only. */
struct sw_users *sw_users_parse(const char *text, size_t len, const char *path, char *why,
                                size_t why_size);
void sw_users_free(struct sw_users *users);

/** Different users. */
size_t sw_users_count(const struct sw_users *users);

enum sw_users_answer {
    SW_USERS_RIGHT,
    SW_USERS_UNKNOWN,        /**< no such user */
    SW_USERS_WRONG_PASSWORD, /**< or one that could not be checked: out of memory */
    SW_USERS_UNUSABLE,       /**< the user's hash has a format that never matches */
};

/**
 * Whether the password is that user's. Any thread may call it. An unknown user takes as long as a
 * known one. user and password need no terminating zero.
 */
enum sw_users_answer sw_users_verify(const struct sw_users *users, const char *user,
                                     size_t user_len, const char *password, size_t password_len);

/** True for hash formats that sw_users_verify() can check. */
bool sw_users_hash_supported(const char *hash);

#endif
