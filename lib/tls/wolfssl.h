/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_WOLFSSL_H
#define SW_TLS_WOLFSSL_H

/* wolfSSL's headers, in the order and with the options they need. */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <wolfssl/error-ssl.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/memory.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>
#pragma GCC diagnostic pop

#endif
