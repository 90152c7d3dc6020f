/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_TLS_H
#define SLIPWAY_TLS_H

#include <slipway/error.h>
#include <slipway/types.h>

/*
 * TLS settings of one role on one transport: certificates, suites, groups (docs/protocol/session.md
 * §5). A context is immutable once made and may be shared by threads. Engines and the connections
 * in them hold the contexts they use, so it may be freed while it is in use.
 */

enum sw_cipher { SW_CIPHER_AES256, SW_CIPHER_CHACHA20 };

enum sw_keyshare { SW_KEYSHARE_P521MLKEM1024, SW_KEYSHARE_X25519MLKEM768 };

/** PEM text; len counts bytes without a terminating zero. */
struct sw_pem {
    const char *text;
    size_t len;
};

struct sw_tls_config {
    enum sw_role role;
    enum sw_transport transport;

    /* Server */
    struct sw_pem certificate; /**< the server's certificate, then the rest of its chain */
    struct sw_pem key;
    bool pqc; /**< prefer the post-quantum groups */

    /* Client */
    struct sw_pem ca; /**< the only trust anchors */
    enum sw_cipher cipher;
    enum sw_keyshare keyshare;
    const char *server_name; /**< name or address that the certificate must carry; NULL or "": any
                                  under the CA */

    int64_t
        unix_time; /**< now, in seconds since 1970: certificates are checked as they are loaded */

    /** Fills out with len bytes from a cryptographic generator. */
    void (*random)(void *user, uint8_t *out, size_t len);
    void *user;
};

#define SW_COOKIE_KEY_LEN 32 /**< of the key that a server's cookies are made with */

struct sw_tls_context;

/**
 * NULL on failure; *error is then SW_ENOMEM, SW_ECERT (certificate, chain or CA unusable),
 * SW_EINVAL (key does not fit the certificate), SW_ENAME (server_name is longer than 253 bytes or
 * no text) or SW_ETLS, and *detail (may be NULL) the TLS library's own words, static text.
 */
struct sw_tls_context *sw_tls_context_new(const struct sw_tls_config *config, int *error,
                                          const char **detail);

/** Lets go of a context; its memory is freed when nobody uses it any more. */
void sw_tls_context_free(struct sw_tls_context *context);

/** Version text of the TLS library, e.g. "wolfSSL 5.9.2". */
const char *sw_tls_library(void);

#endif
