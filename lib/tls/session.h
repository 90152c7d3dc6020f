/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_SESSION_H
#define SW_TLS_SESSION_H

#include "lib/tls/context.h"

/** Of the comparison of names that is not the library's (lib/tls/verify.h). */
enum sw_name_verdict { SW_NAME_UNSEEN, SW_NAME_CARRIED, SW_NAME_MISSING };

struct sw_tls {
    WOLFSSL *wolf;
    struct sw_tls_context *context;
    const struct sw_tls_env *env;
    struct sw_span input; /**< not yet read by the library */
    sw_tls_send *send;
    void *user;
    int error;                         /**< wolfSSL's code of the last failure */
    uint16_t mtu;                      /**< datagram: once the handshake is done */
    uint64_t sealed, opened;           /**< records, since sw_tls_records_reset() */
    bool shrunk;                       /**< datagram: handshake fragments are being kept small */
    enum sw_name_verdict name_verdict; /**< of the server's certificate */
};

#endif
