/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks a wolfSSL whether Slipway can use it: by doing, since the headers do not tell. Two sessions
 * over memory, in a time that this program makes:
 *
 *  - a DTLS 1.3 handshake with the P-521 + ML-KEM-1024 hybrid comes to its end: that needs the
 *    groups, a fragmented ClientHello, the MTU and the HRR cookie (docs/protocol/session.md §5.3,
 *    §5.6);
 *  - a ClientHello with a legacy session id has it echoed, as clients of older wolfSSL demand
 * (§5.9);
 *  - the verify callback is asked about a certificate that was accepted, for it looks for the names
 *    that the library itself does not (§5.4);
 *  - the client retransmits 100 ms after its last retransmission, not only after a second (§6), and
 *    by the clock that the caller supplies.
 *
 * tools/deps runs it on the library it built, the configuration with -Dsystem_wolfssl=true on the
 * machine's. Exit status 0 when all holds, else a line says what does not.
 */
#define USE_CERT_BUFFERS_256

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/random.h>

#include <wolfssl/certs_test.h>

enum {
    MTU = 1456,
    RECORD_HEADER = 13,
    HANDSHAKE_HEADER = 12,
    /* where a hello's session id starts: after version and random; its length stands before */
    HELLO_SESSION_ID = RECORD_HEADER + HANDSHAKE_HEADER + 2 + 32 + 1,
    SESSION_ID = 32,
    QUEUE = 64,
};

struct datagram {
    size_t len;
    unsigned char bytes[2048];
};

struct queue {
    unsigned head, tail;
    struct datagram datagrams[QUEUE];
};

static long long clock_ms = 1000;

/* The two clocks that wolfSSL asks for when it is built with USER_TICKS. */
word32 LowResTimer(void);
word32 LowResTimer(void)
{
    return (word32)(clock_ms / 1000);
}

sword64 TimeNowInMilliseconds(void);
sword64 TimeNowInMilliseconds(void)
{
    return clock_ms;
}

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(EXIT_FAILURE);
}

static int send_datagram(WOLFSSL *ssl, char *bytes, int len, void *arg)
{
    struct queue *queue = arg;
    struct datagram *datagram = &queue->datagrams[queue->tail % QUEUE];

    (void)ssl;
    if (queue->tail - queue->head == QUEUE || (size_t)len > sizeof(datagram->bytes))
        return WOLFSSL_CBIO_ERR_GENERAL;
    memcpy(datagram->bytes, bytes, (size_t)len);
    datagram->len = (size_t)len;
    queue->tail++;
    return len;
}

static int receive_datagram(WOLFSSL *ssl, char *bytes, int len, void *arg)
{
    struct queue *queue = arg;
    struct datagram *datagram = &queue->datagrams[queue->head % QUEUE];

    (void)ssl;
    if (queue->head == queue->tail) return WOLFSSL_CBIO_ERR_WANT_READ;
    if ((size_t)len < datagram->len) return WOLFSSL_CBIO_ERR_GENERAL;
    memcpy(bytes, datagram->bytes, datagram->len);
    queue->head++;
    return (int)datagram->len;
}

/* Certificates that the library has accepted and yet asked about. */
static unsigned verified;

static int note_verified(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
    (void)store;
    if (accepted == 1) verified++;
    return 1;
}

static WOLFSSL *new_session(WOLFSSL_CTX *ctx, struct queue *in, struct queue *out)
{
    WOLFSSL *ssl = wolfSSL_new(ctx);

    if (ssl == NULL) fail("no session: out of memory?");
    wolfSSL_SetIOReadCtx(ssl, in);
    wolfSSL_SetIOWriteCtx(ssl, out);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    if (wolfSSL_dtls_set_mtu(ssl, MTU) != WOLFSSL_SUCCESS) fail("the MTU of DTLS cannot be set");
    return ssl;
}

static WOLFSSL *new_client(WOLFSSL_CTX *ctx, struct queue *in, struct queue *out)
{
    WOLFSSL *ssl = new_session(ctx, in, out);

    if (wolfSSL_UseKeyShare(ssl, WOLFSSL_SECP521R1MLKEM1024) != WOLFSSL_SUCCESS)
        fail("the key exchange SecP521r1MLKEM1024 is missing");
    return ssl;
}

static WOLFSSL *new_server(WOLFSSL_CTX *ctx, struct queue *in, struct queue *out)
{
    static unsigned char secret[32] = {1};
    WOLFSSL *ssl = new_session(ctx, in, out);
    int groups[] = {WOLFSSL_SECP521R1MLKEM1024, WOLFSSL_ECC_SECP256R1};

    if (wolfSSL_set_groups(ssl, groups, 2) != WOLFSSL_SUCCESS)
        fail("the groups of a server cannot be set");
    if (wolfSSL_dtls13_allow_ch_frag(ssl, 1) != WOLFSSL_SUCCESS)
        fail("a fragmented ClientHello is not accepted");
    if (wolfSSL_send_hrr_cookie(ssl, secret, sizeof(secret)) != WOLFSSL_SUCCESS)
        fail("no cookie in HelloRetryRequest");
    return ssl;
}

/* One step of a handshake: true when it is complete. */
static bool advance(WOLFSSL *ssl, int (*step)(WOLFSSL *))
{
    int ret = step(ssl);

    if (ret == WOLFSSL_SUCCESS) return true;
    int error = wolfSSL_get_error(ssl, ret);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE) {
        printf("handshake error %d: ", error);
        fail(wolfSSL_ERR_reason_error_string((unsigned long)error));
    }
    return false;
}

static void check_handshake(WOLFSSL_CTX *client_ctx, WOLFSSL_CTX *server_ctx)
{
    static struct queue to_server, to_client;
    WOLFSSL *client = new_client(client_ctx, &to_client, &to_server);
    WOLFSSL *server = new_server(server_ctx, &to_server, &to_client);
    bool known = false, client_done = false, server_done = false;

    for (int round = 0; round < 32 && !(client_done && server_done); round++) {
        client_done = client_done || advance(client, wolfSSL_connect);
        if (!known) known = wolfDTLS_accept_stateless(server) == WOLFSSL_SUCCESS;
        if (known) server_done = server_done || advance(server, wolfSSL_accept);
    }
    if (!client_done || !server_done) fail("a handshake over DTLS 1.3 does not come to its end");
    if (strcmp(wolfSSL_get_curve_name(client), "SecP521r1MLKEM1024") != 0)
        fail("a handshake did not use SecP521r1MLKEM1024 though both sides want it");
    if (verified == 0)
        fail("nobody is asked about certificates that are accepted (WOLFSSL_ALWAYS_VERIFY_CB)");
    wolfSSL_free(client);
    wolfSSL_free(server);
}

static void add_be(unsigned char *field, int bytes, unsigned value)
{
    for (int i = bytes - 1; i >= 0; i--) {
        value += field[i];
        field[i] = (unsigned char)value;
        value >>= 8;
    }
}

/* Puts a session id into a ClientHello that has none, and mends the three lengths around it. */
static void insert_session_id(struct datagram *hello)
{
    unsigned char *id = hello->bytes + HELLO_SESSION_ID;

    if (hello->len <= HELLO_SESSION_ID || hello->len + SESSION_ID > sizeof(hello->bytes) ||
        id[-1] != 0)
        fail("the first ClientHello is not what it should be");
    memmove(id + SESSION_ID, id, hello->len - HELLO_SESSION_ID);
    memset(id, 0x5a, SESSION_ID);
    id[-1] = SESSION_ID;
    hello->len += SESSION_ID;
    add_be(hello->bytes + RECORD_HEADER - 2, 2, SESSION_ID);
    add_be(hello->bytes + RECORD_HEADER + 1, 3, SESSION_ID);
    add_be(hello->bytes + RECORD_HEADER + 9, 3, SESSION_ID);
}

static void check_echo(WOLFSSL_CTX *client_ctx, WOLFSSL_CTX *server_ctx)
{
    static struct queue to_server, to_client;
    WOLFSSL *client = new_client(client_ctx, &to_client, &to_server);
    WOLFSSL *server = new_server(server_ctx, &to_server, &to_client);

    advance(client, wolfSSL_connect);
    if (to_server.tail != 1) fail("the first ClientHello does not fit one datagram");
    insert_session_id(&to_server.datagrams[0]);
    wolfDTLS_accept_stateless(server);

    const struct datagram *retry = &to_client.datagrams[0];
    if (to_client.tail != 1 || retry->len < HELLO_SESSION_ID)
        fail("a ClientHello with a legacy session id gets no HelloRetryRequest");
    if (retry->bytes[HELLO_SESSION_ID - 1] != SESSION_ID ||
        memcmp(retry->bytes + HELLO_SESSION_ID, to_server.datagrams[0].bytes + HELLO_SESSION_ID,
               SESSION_ID) != 0)
        fail("a legacy session id is not echoed (WOLFSSL_DTLS13_ECHO_LEGACY_SESSION_ID)");
    wolfSSL_free(client);
    wolfSSL_free(server);
}

static void check_retransmission(WOLFSSL_CTX *client_ctx)
{
    static struct queue to_server, to_client;
    WOLFSSL *client = new_client(client_ctx, &to_client, &to_server);

    advance(client, wolfSSL_connect);
    for (unsigned sent = 1; sent <= 3; sent++) {
        if (to_server.tail != sent)
            fail("no second retransmission after 100 ms (DTLS13_MIN_RTX_INTERVAL, USER_TICKS)");
        clock_ms += 100;
        wolfSSL_dtls_got_timeout(client);
    }
    /* and by this clock: at the same moment once more, it must refuse */
    unsigned before = to_server.tail;
    wolfSSL_dtls_got_timeout(client);
    if (to_server.tail != before)
        fail("retransmissions do not obey the caller's clock (USER_TICKS)");
    wolfSSL_free(client);
}

static WOLFSSL_CTX *new_context(WOLFSSL_METHOD *method)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);

    if (ctx == NULL) fail("DTLS 1.3 is missing");
    wolfSSL_CTX_SetIORecv(ctx, receive_datagram);
    wolfSSL_CTX_SetIOSend(ctx, send_datagram);
    return ctx;
}

int main(void)
{
    if (wolfSSL_Init() != WOLFSSL_SUCCESS) fail("the library does not start");
    /* Both must be there; this is what the library does by itself. */
    wc_SetSeed_Cb(wc_GenerateSeed);
    wc_SetTimeCb(NULL);

    WOLFSSL_CTX *client = new_context(wolfDTLSv1_3_client_method());
    WOLFSSL_CTX *server = new_context(wolfDTLSv1_3_server_method());
    wolfSSL_CTX_set_verify(client, WOLFSSL_VERIFY_NONE, note_verified);
    if (wolfSSL_CTX_use_certificate_buffer(server, serv_ecc_der_256, sizeof_serv_ecc_der_256,
                                           WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_buffer(server, ecc_key_der_256, sizeof_ecc_key_der_256,
                                          WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
        fail("a certificate on P-256 cannot be used");

    check_handshake(client, server);
    check_echo(client, server);
    check_retransmission(client);
    wolfSSL_CTX_free(client);
    wolfSSL_CTX_free(server);
    wolfSSL_Cleanup();
    return EXIT_SUCCESS;
}
