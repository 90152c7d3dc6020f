/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The stateless first step (docs/protocol/session.md §9.3). One listening session is kept and used
 * for every stranger's hello; wolfSSL answers a hello without cookie from it and forgets, and turns
 * it into a real session when the cookie is good. Only then does the stranger cost memory: a new
 * listening session takes its place with the next hello.
 *
 * The cookie is bound to the peer's address and made with a secret that changes every two minutes:
 * the digest of a key and the number of the period, so that workers with one key agree about it.
 * The secret before it stays good for a minute more, since a connect under way would otherwise die
 * of a fatal alert. Whether a cookie is good can only be tried; whatever the library answers to a
 * bad one is thrown away.
 */

#include "lib/tls/hello_retry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/tls/environment.h"
#include "lib/tls/session.h"

#define SECRET_LEN    32
#define SECRET_PERIOD (2 * SW_MINUTE)
#define SECRET_GRACE  SW_MINUTE

struct sw_hello_retry {
    struct sw_tls_context *context;
    const struct sw_tls_env *env;
    uint16_t mtu;
    struct sw_tls *listening;
    uint8_t key[SW_COOKIE_KEY_LEN];
    sw_time origin;                /**< when period 0 began */
    uint64_t period;               /**< of the secrets */
    uint8_t secret[2][SECRET_LEN]; /**< present, previous */
    bool has_previous;
    struct sw_retry_answer *answer; /**< where output goes during a call */
    bool overflow;                  /**< it was more than one small datagram */
};

static void capture(void *user, const uint8_t *data, size_t len)
{
    struct sw_hello_retry *retry = user;

    if (retry->answer->len > 0 || len > sizeof retry->answer->bytes) {
        retry->overflow = true;
        return;
    }
    memcpy(retry->answer->bytes, data, len);
    retry->answer->len = len;
}

static void make_secret(const struct sw_hello_retry *retry, uint64_t period,
                        uint8_t out[SECRET_LEN])
{
    uint8_t text[SW_COOKIE_KEY_LEN + sizeof period];

    memcpy(text, retry->key, SW_COOKIE_KEY_LEN);
    sw_put_be64(text + SW_COOKIE_KEY_LEN, period);
    sw_tls_digest(text, sizeof text, out);
    sw_tls_wipe(text, sizeof text);
}

static void make_secrets(struct sw_hello_retry *retry, uint64_t period)
{
    retry->period = period;
    make_secret(retry, period, retry->secret[0]);
    make_secret(retry, period - 1, retry->secret[1]);
}

struct sw_hello_retry *sw_hello_retry_new(struct sw_tls_context *context,
                                          const struct sw_tls_env *env, uint16_t mtu,
                                          const uint8_t *key)
{
    struct sw_hello_retry *retry = calloc(1, sizeof *retry);

    if (retry == NULL) return NULL;
    sw_tls_context_hold(context);
    retry->context = context;
    retry->env = env;
    retry->mtu = mtu;
    if (key != NULL) {
        memcpy(retry->key, key, sizeof retry->key);
    } else {
        env->random(env->user, retry->key, sizeof retry->key);
        retry->origin = env->now;
    }
    make_secrets(retry, (env->now - retry->origin) / SECRET_PERIOD);
    return retry;
}

void sw_hello_retry_free(struct sw_hello_retry *retry)
{
    if (retry == NULL) return;
    sw_tls_free(retry->listening);
    sw_tls_context_free(retry->context);
    sw_tls_wipe(retry, sizeof *retry);
    free(retry);
}

void sw_hello_retry_set_context(struct sw_hello_retry *retry, struct sw_tls_context *context)
{
    sw_tls_context_hold(context);
    sw_tls_context_free(retry->context);
    retry->context = context;
    sw_tls_free(retry->listening); /* it has no state that a client knows of */
    retry->listening = NULL;
}

static void rotate_secret(struct sw_hello_retry *retry)
{
    sw_time age = retry->env->now - retry->origin;
    uint64_t period = age / SECRET_PERIOD;

    if (period != retry->period) make_secrets(retry, period);
    retry->has_previous = period > 0 && age % SECRET_PERIOD < SECRET_GRACE;
}

/* One try with one secret. What the library sends lands in retry->answer. */
static enum sw_retry_verdict attempt(struct sw_hello_retry *retry, const uint8_t *secret,
                                     struct sw_span hello, struct sw_span peer)
{
    retry->answer->len = 0;
    retry->overflow = false;
    if (retry->listening == NULL)
        retry->listening = sw_tls_new(retry->context, retry->env, retry->mtu, capture, retry);
    if (retry->listening == NULL) return SW_RETRY_DROP;

    WOLFSSL *wolf = retry->listening->wolf;
    sw_tls_enter(retry->env);
    if (wolfSSL_send_hrr_cookie(wolf, secret, SECRET_LEN) != WOLFSSL_SUCCESS) return SW_RETRY_DROP;
    if (wolfSSL_dtls_set_peer(wolf, (void *)(uintptr_t)peer.data, (unsigned)peer.len) !=
        WOLFSSL_SUCCESS)
        return SW_RETRY_DROP;
    sw_tls_feed(retry->listening, hello);
    int r = wolfDTLS_accept_stateless(wolf);
    sw_tls_feed(retry->listening, (struct sw_span){NULL, 0});
    if (r == WOLFSSL_SUCCESS) return SW_RETRY_ACCEPT;
    if (r == WOLFSSL_FAILURE) return retry->answer->len > 0 ? SW_RETRY_ANSWER : SW_RETRY_DROP;

    sw_tls_free(retry->listening); /* the library will not go on with it */
    retry->listening = NULL;
    return SW_RETRY_DROP;
}

enum sw_retry_verdict sw_hello_retry(struct sw_hello_retry *retry, struct sw_span hello,
                                     bool has_cookie, struct sw_span peer,
                                     struct sw_retry_answer *answer, struct sw_tls **session)
{
    rotate_secret(retry);
    retry->answer = answer;
    enum sw_retry_verdict verdict = attempt(retry, retry->secret[0], hello, peer);
    if (has_cookie && verdict != SW_RETRY_ACCEPT && retry->has_previous)
        verdict = attempt(retry, retry->secret[1], hello, peer);
    retry->answer = NULL;

    if (verdict == SW_RETRY_ACCEPT) {
        *session = retry->listening;
        retry->listening = NULL;
    } else if (has_cookie || retry->overflow) {
        verdict = SW_RETRY_DROP;
    }
    return verdict;
}
