/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One WOLFSSL_CTX per role and transport: protocol version, suites, groups, certificates
 * (docs/protocol/session.md §5). Everything that every session of a program shares is decided here;
 * session.c only instantiates.
 */

#include "lib/tls/context.h"

#include <stdlib.h>
#include <string.h>

#include "lib/tls/environment.h"
#include "lib/tls/host_name.h"

/* session.md §5.2: each side's preference; a client offers exactly one suite. */
#define AES    "TLS13-AES256-GCM-SHA384"
#define CHACHA "TLS13-CHACHA20-POLY1305-SHA256"

/* session.md §5.3: the server's order of preference. */
static const int plain_groups[] = {WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_X25519};
static const int pqc_groups[] = {
    WOLFSSL_SECP521R1MLKEM1024, WOLFSSL_P521_KYBER_LEVEL5, WOLFSSL_X25519MLKEM768,
    WOLFSSL_SECP256R1MLKEM512,  WOLFSSL_P256_KYBER_LEVEL1, WOLFSSL_ECC_SECP256R1,
    WOLFSSL_ECC_X25519,
};

static const uint16_t keyshare_groups[] = {
    [SW_KEYSHARE_P521MLKEM1024] = WOLFSSL_SECP521R1MLKEM1024,
    [SW_KEYSHARE_X25519MLKEM768] = WOLFSSL_X25519MLKEM768,
};

static const struct {
    int wolfssl;
    int ours;
} error_map[] = {
    {WOLFSSL_ERROR_WANT_READ, SW_EAGAIN},
    {WOLFSSL_ERROR_WANT_WRITE, SW_EAGAIN},
    {WANT_READ, SW_EAGAIN},
    {WANT_WRITE, SW_EAGAIN},
    {WOLFSSL_ERROR_ZERO_RETURN, SW_EPEERCLOSED},
    {ZERO_RETURN, SW_EPEERCLOSED},
    {SOCKET_PEER_CLOSED_E, SW_EPEERCLOSED},
    {DOMAIN_NAME_MISMATCH, SW_ENAME},
    {ASN_NO_SIGNER_E, SW_ECERT},
    {ASN_SELF_SIGNED_E, SW_ECERT},
    {ASN_SIG_CONFIRM_E, SW_ECERT},
    {ASN_SIG_OID_E, SW_ECERT},
    {ASN_SIG_KEY_E, SW_ECERT},
    {ASN_AFTER_DATE_E, SW_ECERT},
    {ASN_BEFORE_DATE_E, SW_ECERT},
    {ASN_DATE_SZ_E, SW_ECERT},
    {ASN_PARSE_E, SW_ECERT},
    {ASN_PATHLEN_SIZE_E, SW_ECERT},
    {ASN_PATHLEN_INV_E, SW_ECERT},
    {ASN_CRIT_EXT_E, SW_ECERT},
    {ASN_NAME_INVALID_E, SW_ECERT},
    {KEYUSE_SIGNATURE_E, SW_ECERT},
    {EXTKEYUSE_AUTH_E, SW_ECERT},
    {KEYUSAGE_E, SW_ECERT},
    {EXTKEYUSAGE_E, SW_ECERT},
    {RSA_KEY_SIZE_E, SW_ECERT},
    {ECC_KEY_SIZE_E, SW_ECERT},
    {NO_PEER_CERT, SW_ECERT},
    {VERIFY_CERT_ERROR, SW_ECERT},
    {BAD_CERTIFICATE_STATUS_ERROR, SW_ECERT},
    {FATAL_ERROR, SW_ETLSFATAL},
    {DUPLICATE_MSG_E, SW_ETLSFATAL},
    {MEMORY_E, SW_ENOMEM},
};

static _Atomic unsigned contexts; /* of the process, as the library's own state is */

int sw_tls_error_from_wolfssl(int error)
{
    for (size_t i = 0; i < sizeof error_map / sizeof error_map[0]; i++)
        if (error_map[i].wolfssl == error) return error_map[i].ours;
    return SW_ETLS;
}

const char *sw_tls_error_words(int error)
{
    return wolfSSL_ERR_reason_error_string((unsigned long)error);
}

static WOLFSSL_METHOD *method(const struct sw_tls_config *config)
{
    bool server = config->role == SW_SERVER;
    if (config->transport == SW_DATAGRAM)
        return server ? wolfDTLSv1_3_server_method() : wolfDTLSv1_3_client_method();
    return server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
}

static const char *suites(const struct sw_tls_config *config)
{
    if (config->role == SW_CLIENT) return config->cipher == SW_CIPHER_CHACHA20 ? CHACHA : AES;
    return config->transport == SW_DATAGRAM ? CHACHA ":" AES : AES ":" CHACHA;
}

static int set_groups(WOLFSSL_CTX *wolf, const struct sw_tls_config *config)
{
    const int *from = config->pqc ? pqc_groups : plain_groups;
    size_t n = config->pqc ? sizeof pqc_groups / sizeof(int) : sizeof plain_groups / sizeof(int);
    int groups[sizeof pqc_groups / sizeof(int)];

    memcpy(groups, from, n * sizeof(int));
    return wolfSSL_CTX_set_groups(wolf, groups, (int)n);
}

/* Returns wolfSSL's code: 1 or a negative error. *error says what it means for the caller. */
static int load_server(WOLFSSL_CTX *wolf, const struct sw_tls_config *config, int *error)
{
    *error = SW_ECERT;
    int r = wolfSSL_CTX_use_certificate_chain_buffer(
        wolf, (const unsigned char *)config->certificate.text, (long)config->certificate.len);
    if (r != WOLFSSL_SUCCESS) return r;
    *error = SW_EINVAL;
    r = wolfSSL_CTX_use_PrivateKey_buffer(wolf, (const unsigned char *)config->key.text,
                                          (long)config->key.len, WOLFSSL_FILETYPE_PEM);
    if (r != WOLFSSL_SUCCESS) return r;
    r = wolfSSL_CTX_check_private_key(wolf);
    if (r != WOLFSSL_SUCCESS) return r;
    *error = SW_ETLS;
    return set_groups(wolf, config);
}

static int load_client(WOLFSSL_CTX *wolf, const struct sw_tls_config *config, int *error)
{
    *error = SW_ECERT;
    int r = wolfSSL_CTX_load_verify_buffer(wolf, (const unsigned char *)config->ca.text,
                                           (long)config->ca.len, WOLFSSL_FILETYPE_PEM);
    if (r != WOLFSSL_SUCCESS) return r;
    wolfSSL_CTX_set_verify(wolf, WOLFSSL_VERIFY_PEER, NULL);
    return WOLFSSL_SUCCESS;
}

/* The library takes only fully qualified names and "localhost"; the others are ours to look for. */
static int try_server_name(struct sw_tls_context *context, int *error)
{
    const char *name = context->server_name;
    int r = MEMORY_E;

    if (name == NULL) return WOLFSSL_SUCCESS;
    *error = SW_ENAME;
    if (!sw_host_name_valid(name)) return WOLFSSL_FAILURE;
    *error = SW_ENOMEM;
    WOLFSSL *wolf = wolfSSL_new(context->wolf);
    if (wolf == NULL) return r;
    if (wolfSSL_check_domain_name(wolf, name) == WOLFSSL_SUCCESS) {
        r = WOLFSSL_SUCCESS;
    } else if (wolfSSL_get_error(wolf, WOLFSSL_FAILURE) != MEMORY_ERROR) {
        context->compares_name = true;
        r = WOLFSSL_SUCCESS;
    }
    wolfSSL_free(wolf);
    return r;
}

static int configure(struct sw_tls_context *context, const struct sw_tls_config *config, int *error)
{
    int r = config->role == SW_SERVER ? load_server(context->wolf, config, error)
                                      : load_client(context->wolf, config, error);
    if (r != WOLFSSL_SUCCESS) return r;

    *error = SW_ETLS;
    if (config->role == SW_SERVER) wolfSSL_CTX_set_verify(context->wolf, WOLFSSL_VERIFY_NONE, NULL);
    r = wolfSSL_CTX_set_cipher_list(context->wolf, suites(config));
    return r == WOLFSSL_SUCCESS ? try_server_name(context, error) : r;
}

struct sw_tls_context *sw_tls_context_new(const struct sw_tls_config *config, int *error,
                                          const char **detail)
{
    const struct sw_tls_env env = {
        .unix_time = config->unix_time, .random = config->random, .user = config->user};
    struct sw_tls_context *context = calloc(1, sizeof *context);
    int r = MEMORY_E;

    if (detail != NULL) *detail = NULL;
    *error = SW_ENOMEM;
    sw_tls_enter(&env);
    if (context == NULL || wolfSSL_Init() != WOLFSSL_SUCCESS) goto fail_plain;
    /* The library's first start forgets them; later, other threads may be looking at them. */
    if (atomic_fetch_add(&contexts, 1) == 0) sw_tls_install_hooks();
    context->holders = 1;
    context->role = config->role;
    context->transport = config->transport;
    if (config->server_name != NULL && config->server_name[0] != '\0') {
        context->server_name = strdup(config->server_name);
        if (context->server_name == NULL) goto fail;
    }
    if (config->role == SW_CLIENT) context->keyshare = keyshare_groups[config->keyshare];
    context->wolf = wolfSSL_CTX_new(method(config));
    if (context->wolf == NULL) goto fail;
    r = configure(context, config, error);
    if (r != WOLFSSL_SUCCESS) goto fail;
    sw_tls_enter(NULL);
    return context;

fail:
    /* For its plain "no" the library has no words. */
    if (detail != NULL && r != WOLFSSL_FAILURE) *detail = sw_tls_error_words(r);
    sw_tls_context_free(context);
    sw_tls_enter(NULL);
    return NULL;
fail_plain:
    free(context);
    sw_tls_enter(NULL);
    return NULL;
}

void sw_tls_context_hold(struct sw_tls_context *context)
{
    atomic_fetch_add_explicit(&context->holders, 1, memory_order_relaxed);
}

void sw_tls_context_free(struct sw_tls_context *context)
{
    if (context == NULL ||
        atomic_fetch_sub_explicit(&context->holders, 1, memory_order_acq_rel) > 1)
        return;
    wolfSSL_CTX_free(context->wolf);
    free(context->server_name);
    free(context);
    atomic_fetch_sub(&contexts, 1);
    wolfSSL_Cleanup();
}

const char *sw_tls_library(void)
{
    return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
}
