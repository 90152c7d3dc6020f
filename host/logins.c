/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Who may log in (docs/configuration.md, options user_db and token_rsa_pub_key_pem).
 *
 * One value holds both files as they were when they were read. A reload makes the next one beside
 * it, and whoever is still checking with the old one holds it until the answer is there; so nothing
 * is locked and no answer is made of two states. Answers are not remembered here: the engine knows
 * which request of which connection it has let in, and forgets that at a reload
 * (sw_engine_forget_logins()).
 */

#include "host/logins.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/users.h"

struct sw_logins {
    _Atomic unsigned holders;
    struct sw_users *users;    /* NULL: no passwords */
    struct sw_jwt_key *tokens; /* NULL: no tokens */
};

/* --- reading -----------------------------------------------------------------------------------*/

struct sw_logins *sw_logins_load(const char *user_db, const char *token_rsa_pub_key_pem, char *why,
                                 size_t why_size)
{
    char reason[384] = "";
    const char *option = "user_db";
    struct sw_logins *logins = calloc(1, sizeof *logins);
    if (logins == NULL) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    logins->holders = 1;
    if (user_db != NULL) {
        logins->users = sw_users_load(user_db, reason, sizeof reason);
        if (logins->users == NULL) goto fail;
    }
    if (token_rsa_pub_key_pem != NULL) {
        option = "token_rsa_pub_key_pem";
        logins->tokens = sw_jwt_key_load(token_rsa_pub_key_pem, reason, sizeof reason);
        if (logins->tokens == NULL) goto fail;
    }
    return logins;
fail:
    snprintf(why, why_size, "%s: %s", option, reason);
    sw_logins_free(logins);
    return NULL;
}

struct sw_logins *sw_logins_hold(struct sw_logins *logins)
{
    atomic_fetch_add_explicit(&logins->holders, 1, memory_order_relaxed);
    return logins;
}

void sw_logins_free(struct sw_logins *logins)
{
    if (logins == NULL || atomic_fetch_sub_explicit(&logins->holders, 1, memory_order_acq_rel) > 1)
        return;
    sw_users_free(logins->users);
    sw_jwt_key_free(logins->tokens);
    free(logins);
}

size_t sw_logins_users(const struct sw_logins *logins)
{
    return logins->users != NULL ? sw_users_count(logins->users) : 0;
}

unsigned sw_logins_key_bits(const struct sw_logins *logins)
{
    return logins->tokens != NULL ? sw_jwt_key_bits(logins->tokens) : 0;
}

/* --- checking ----------------------------------------------------------------------------------*/

static void check_password(const struct sw_logins *logins, const struct sw_credentials *credentials,
                           int64_t unix_time, struct sw_login_answer *answer)
{
    static const char *const refusals[] = {
        [SW_USERS_RIGHT] = NULL,
        [SW_USERS_UNKNOWN] = "unknown user",
        [SW_USERS_WRONG_PASSWORD] = "wrong password",
        [SW_USERS_UNUSABLE] = "the user's hash in user_db has a format that never matches",
    };
    answer->refusal =
        refusals[sw_users_verify(logins->users, credentials->user, credentials->user_len,
                                 credentials->password, credentials->password_len)];
}

static void check_token(const struct sw_logins *logins, const struct sw_credentials *credentials,
                        int64_t unix_time, struct sw_login_answer *answer)
{
    answer->detail = sw_jwt_check(logins->tokens, credentials->token, credentials->token_len,
                                  unix_time, answer->name);
    if (answer->detail != NULL) answer->refusal = "invalid token";
}

static bool has_users(const struct sw_logins *logins)
{
    return logins->users != NULL;
}

static bool has_tokens(const struct sw_logins *logins)
{
    return logins->tokens != NULL;
}

struct method {
    uint8_t number; /* docs/protocol/wire.md §7.4 */
    bool (*available)(const struct sw_logins *logins);
    const char *otherwise;
    void (*check)(const struct sw_logins *logins, const struct sw_credentials *credentials,
                  int64_t unix_time, struct sw_login_answer *answer);
};

static const char no_users[] = "passwords are not accepted: user_db is not set";
static const char no_tokens[] = "tokens are not accepted: token_rsa_pub_key_pem is not set";

static const struct method methods[] = {
    {1, has_users, no_users, check_password},
    {2, has_tokens, no_tokens, check_token},
    {3, has_tokens, no_tokens, check_token},
};

/* NULL: *refusal says why not. */
static const struct method *find_method(const struct sw_logins *logins, uint8_t number,
                                        const char **refusal)
{
    *refusal = "the way to log in is not known";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const struct method *method = &methods[i];
        if (method->number != number) continue;
        *refusal = method->available(logins) ? NULL : method->otherwise;
        return *refusal == NULL ? method : NULL;
    }
    return NULL;
}

const char *sw_logins_refusal(const struct sw_logins *logins, uint8_t method)
{
    const char *refusal;
    find_method(logins, method, &refusal);
    return refusal;
}

void sw_logins_check(const struct sw_logins *logins, const struct sw_credentials *credentials,
                     int64_t unix_time, struct sw_login_answer *answer)
{
    *answer = (struct sw_login_answer){0};
    const struct method *method = find_method(logins, credentials->method, &answer->refusal);
    if (method != NULL) method->check(logins, credentials, unix_time, answer);
}

/* --- on the thread pool ------------------------------------------------------------------------*/

struct sw_login_check {
    uv_work_t work;
    struct sw_logins *logins;
    sw_login_verdict verdict; /* NULL: abandoned */
    void *data;
    struct sw_login_answer answer;
    struct sw_credentials credentials; /* texts are in bytes */
    size_t len;
    char bytes[];
};

static void check_work(uv_work_t *work)
{
    struct sw_login_check *check = work->data;
    sw_logins_check(check->logins, &check->credentials, time(NULL), &check->answer);
}

static void check_done(uv_work_t *work, int status)
{
    struct sw_login_check *check = work->data;
    if (status < 0) check->answer.refusal = "the check was called off";
    explicit_bzero(check->bytes, check->len);
    if (check->verdict != NULL) check->verdict(check->data, &check->answer);
    sw_logins_free(check->logins);
    free(check);
}

/* Copies a text behind those that are there already. */
static void copy(struct sw_login_check *check, const char **text, size_t len)
{
    char *place = check->bytes + check->len;
    if (len > 0) memcpy(place, *text, len);
    *text = place;
    check->len += len;
}

struct sw_login_check *sw_login_check_start(uv_loop_t *loop, struct sw_logins *logins,
                                            const struct sw_credentials *credentials,
                                            sw_login_verdict verdict, void *data)
{
    size_t len = credentials->user_len + credentials->password_len + credentials->token_len;
    struct sw_login_check *check = calloc(1, sizeof *check + len);
    if (check == NULL) return NULL;
    check->work.data = check;
    check->logins = sw_logins_hold(logins);
    check->verdict = verdict;
    check->data = data;
    check->credentials = *credentials;
    copy(check, &check->credentials.user, credentials->user_len);
    copy(check, &check->credentials.password, credentials->password_len);
    copy(check, &check->credentials.token, credentials->token_len);
    if (uv_queue_work(loop, &check->work, check_work, check_done) == 0) return check;
    explicit_bzero(check->bytes, check->len);
    sw_logins_free(check->logins);
    free(check);
    return NULL;
}

void sw_login_check_abandon(struct sw_login_check *check)
{
    check->verdict = NULL;
    uv_cancel((uv_req_t *)&check->work); /* succeeds only while it waits for a thread */
}
