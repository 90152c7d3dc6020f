/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_CONTEXT_H
#define SW_TLS_CONTEXT_H

#include <stdatomic.h>

#include "lib/tls/tls.h"
#include "lib/tls/wolfssl.h"

/* What a session needs to know of its context. */
struct sw_tls_context {
    _Atomic unsigned holders; /**< who made it, engines, sessions */
    WOLFSSL_CTX *wolf;
    enum sw_role role;
    enum sw_transport transport;
    uint16_t keyshare;  /**< client: group of the key share */
    char *server_name;  /**< client: or NULL */
    bool compares_name; /**< the library has no check for it, verify.c has */
};

/** Maps a wolfSSL error code to ours. */
int sw_tls_error_from_wolfssl(int error);

/** Static text for a wolfSSL error code. */
const char *sw_tls_error_words(int error);

#endif
