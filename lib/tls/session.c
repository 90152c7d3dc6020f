/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One (D)TLS session. wolfSSL runs over two callbacks: reading takes from the span given by
 * sw_tls_feed(), writing goes to the owner's send function, which never blocks (a datagram that
 * finds no room is lost, room for stream bytes is checked before the write), so the library is
 * never left with a half-sent record (docs/offload.md C-10).
 */

#include <stdlib.h>
#include <string.h>

#include "lib/tls/context.h"
#include "lib/tls/environment.h"
#include "lib/tls/session.h"
#include "lib/tls/verify.h"

/* session.md §6: one "second" of the library's retransmission timer is 100 ms of Lightway. */
#define TIMER_UNIT (100 * SW_MILLISECOND)

static int read_callback(WOLFSSL *wolf, char *out, int size, void *user)
{
    struct sw_tls *tls = user;
    size_t n = tls->input.len;

    (void)wolf;
    if (n == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
    if (n > (size_t)size) {
        if (tls->context->transport == SW_DATAGRAM) { /* a record never spans datagrams */
            tls->input.len = 0;
            return WOLFSSL_CBIO_ERR_WANT_READ;
        }
        n = (size_t)size;
    }
    memcpy(out, tls->input.data, n);
    tls->input.data += n;
    tls->input.len -= n;
    return (int)n;
}

static int write_callback(WOLFSSL *wolf, char *data, int len, void *user)
{
    struct sw_tls *tls = user;

    (void)wolf;
    tls->sealed++;
    tls->send(tls->user, (const uint8_t *)data, (size_t)len);
    return len;
}

static int configure_datagram(struct sw_tls *tls, uint16_t mtu)
{
    if (wolfSSL_dtls_set_mtu(tls->wolf, mtu) != WOLFSSL_SUCCESS) return SW_ETLS;
    wolfSSL_dtls_set_using_nonblock(tls->wolf, 1);
    if (tls->context->role == SW_SERVER &&
        wolfSSL_dtls13_allow_ch_frag(tls->wolf, 1) != WOLFSSL_SUCCESS)
        return SW_ETLS;
    return 0;
}

static int configure_client(struct sw_tls *tls)
{
    const char *name = tls->context->server_name;

    if (wolfSSL_UseKeyShare(tls->wolf, tls->context->keyshare) != WOLFSSL_SUCCESS) return SW_ETLS;
    if (tls->context->compares_name)
        sw_tls_compare_name(tls);
    else if (name != NULL && wolfSSL_check_domain_name(tls->wolf, name) != WOLFSSL_SUCCESS)
        return SW_ENAME;
    return 0;
}

struct sw_tls *sw_tls_new(struct sw_tls_context *context, const struct sw_tls_env *env,
                          uint16_t mtu, sw_tls_send *send, void *user)
{
    struct sw_tls *tls = calloc(1, sizeof *tls);
    int r = 0;

    if (tls == NULL) return NULL;
    sw_tls_enter(env);
    sw_tls_context_hold(context);
    *tls = (struct sw_tls){.context = context, .env = env, .mtu = mtu, .send = send, .user = user};
    tls->wolf = wolfSSL_new(context->wolf);
    if (tls->wolf == NULL) goto fail;
    wolfSSL_SSLSetIORecv(tls->wolf, read_callback);
    wolfSSL_SSLSetIOSend(tls->wolf, write_callback);
    wolfSSL_SetIOReadCtx(tls->wolf, tls);
    wolfSSL_SetIOWriteCtx(tls->wolf, tls);
    if (context->transport == SW_DATAGRAM) r = configure_datagram(tls, mtu);
    if (r == 0 && context->role == SW_CLIENT) r = configure_client(tls);
    if (r == 0) return tls;
fail:
    sw_tls_free(tls);
    return NULL;
}

void sw_tls_free(struct sw_tls *tls)
{
    if (tls == NULL) return;
    sw_tls_enter(tls->env);
    wolfSSL_free(tls->wolf);
    sw_tls_context_free(tls->context);
    free(tls);
}

void sw_tls_set_output(struct sw_tls *tls, sw_tls_send *send, void *user)
{
    tls->send = send;
    tls->user = user;
}

/* What a failed library call means. In DTLS the library drops what it cannot authenticate by
 * itself. */
static int failure(struct sw_tls *tls, int result)
{
    int error = wolfSSL_get_error(tls->wolf, result);
    if (tls->name_verdict == SW_NAME_MISSING) /* for the library, just a verify problem */
        error = DOMAIN_NAME_MISMATCH;
    int ours = sw_tls_error_from_wolfssl(error);

    if (ours != SW_EAGAIN) tls->error = error;
    return ours;
}

int sw_tls_handshake(struct sw_tls *tls, struct sw_span input)
{
    sw_tls_enter(tls->env);
    tls->input = input;
    int r =
        tls->context->role == SW_SERVER ? wolfSSL_accept(tls->wolf) : wolfSSL_connect(tls->wolf);
    bool datagram = tls->context->transport == SW_DATAGRAM;

    if (r != WOLFSSL_SUCCESS) {
        /* The first hello could use the whole MTU (its key share must fit); what follows is cut
         * smaller, so that it passes tunnels and PPPoE without IP fragmentation (session.md §5.9).
         */
        r = failure(tls, r);
        if (r == SW_EAGAIN && datagram && !tls->shrunk && tls->mtu > SW_DTLS_HANDSHAKE_MTU) {
            wolfSSL_dtls_set_mtu(tls->wolf, SW_DTLS_HANDSHAKE_MTU);
            tls->shrunk = true;
        }
        return r;
    }
    if (tls->context->compares_name && tls->name_verdict != SW_NAME_CARRIED) {
        tls->error = DOMAIN_NAME_MISMATCH;
        return SW_ENAME;
    }
    if (tls->shrunk) wolfSSL_dtls_set_mtu(tls->wolf, tls->mtu);
    tls->shrunk = false;
    return 0;
}

void sw_tls_feed(struct sw_tls *tls, struct sw_span input)
{
    tls->input = input;
}

/* The library reads no datagram much longer than its own MTU, but the peer's may be larger. What a
 * read makes it send, acknowledgements and KeyUpdates, is small. */
static void set_reading(struct sw_tls *tls, bool reading)
{
    if (tls->context->transport == SW_DATAGRAM && tls->mtu < SW_DTLS_MTU_MAX)
        wolfSSL_dtls_set_mtu(tls->wolf, reading ? SW_DTLS_MTU_MAX : tls->mtu);
}

int sw_tls_read(struct sw_tls *tls, uint8_t *out, size_t size)
{
    sw_tls_enter(tls->env);
    set_reading(tls, true);
    int n = wolfSSL_read(tls->wolf, out, (int)size);
    set_reading(tls, false);
    if (n <= 0) return failure(tls, n);
    tls->opened++;
    return n;
}

int sw_tls_write(struct sw_tls *tls, const uint8_t *data, size_t len)
{
    sw_tls_enter(tls->env);
    int n = wolfSSL_write(tls->wolf, data, (int)len);
    if (n == (int)len) return 0;
    int r = failure(tls, n);
    return r == SW_EAGAIN ? SW_ETLS : r;
}

void sw_tls_close(struct sw_tls *tls)
{
    sw_tls_enter(tls->env);
    wolfSSL_shutdown(tls->wolf);
}

bool sw_tls_timer_wanted(struct sw_tls *tls)
{
    return sw_tls_unacknowledged(tls) || wolfSSL_dtls13_use_quick_timeout(tls->wolf);
}

sw_time sw_tls_timer_interval(struct sw_tls *tls)
{
    sw_time interval = (sw_time)wolfSSL_dtls_get_current_timeout(tls->wolf) * TIMER_UNIT;
    return wolfSSL_dtls13_use_quick_timeout(tls->wolf) ? interval / 4 : interval;
}

int sw_tls_timer(struct sw_tls *tls)
{
    sw_tls_enter(tls->env);
    if (wolfSSL_dtls_got_timeout(tls->wolf) == WOLFSSL_SUCCESS) return 0;
    tls->error = wolfSSL_get_error(tls->wolf, WOLFSSL_FATAL_ERROR);
    return SW_ETIMEOUT;
}

void sw_tls_timer_reset(struct sw_tls *tls)
{
    wolfSSL_dtls_set_timeout_init(tls->wolf, 1);
}

bool sw_tls_unacknowledged(struct sw_tls *tls)
{
    return wolfSSL_dtls13_has_pending_msg(tls->wolf);
}

int sw_tls_update_keys(struct sw_tls *tls)
{
    sw_tls_enter(tls->env);
    return wolfSSL_update_keys(tls->wolf) == WOLFSSL_SUCCESS ? 0 : SW_ETLS;
}

bool sw_tls_update_followed(struct sw_tls *tls)
{
    int awaited = 0;
    return wolfSSL_key_update_response(tls->wolf, &awaited) == 0 && awaited == 0;
}

uint64_t sw_tls_records(const struct sw_tls *tls)
{
    return tls->sealed > tls->opened ? tls->sealed : tls->opened;
}

void sw_tls_records_reset(struct sw_tls *tls)
{
    tls->sealed = tls->opened = 0;
}

const char *sw_tls_cipher(struct sw_tls *tls)
{
    const char *name = wolfSSL_get_cipher(tls->wolf);
    return name != NULL ? name : "unknown";
}

const char *sw_tls_group(struct sw_tls *tls)
{
    const char *name = wolfSSL_get_curve_name(tls->wolf);
    return name != NULL ? name : "unknown";
}

const char *sw_tls_error_text(const struct sw_tls *tls)
{
    return tls->error != 0 ? sw_tls_error_words(tls->error) : NULL;
}

void sw_tls_digest(const uint8_t *data, size_t len, uint8_t out[SW_DIGEST_LEN])
{
    wc_Sha256Hash(data, (word32)len, out);
}

void sw_tls_keyed_digest(const uint8_t key[SW_DIGEST_LEN], const uint8_t *data, size_t len,
                         uint8_t out[SW_DIGEST_LEN])
{
    Hmac hmac;
    wc_HmacInit(&hmac, NULL, INVALID_DEVID);
    wc_HmacSetKey(&hmac, WC_SHA256, key, SW_DIGEST_LEN);
    wc_HmacUpdate(&hmac, data, (word32)len);
    wc_HmacFinal(&hmac, out);
    wc_HmacFree(&hmac);
}

bool sw_tls_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

void sw_tls_wipe(void *data, size_t len)
{
    volatile uint8_t *p = data;
    while (len-- > 0)
        *p++ = 0;
}
