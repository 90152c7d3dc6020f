/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_HOST_NAME_H
#define SW_TLS_HOST_NAME_H

/*
 * Whether a certificate carries a name that the TLS library has no check for: a name without a dot,
 * an address, free text.
 */

#include <stdbool.h>

#include "lib/base/span.h"

#define SW_HOST_NAME_MAX 253 /**< bytes of the longest domain name */

/** What a subjectAltName entry is, as far as it matters. */
enum sw_host_name_kind {
    SW_HOST_NAME_DNS,     /**< text */
    SW_HOST_NAME_ADDRESS, /**< 4 or 16 bytes */
    SW_HOST_NAME_URI,
    SW_HOST_NAME_OTHER,
};

/** One question about one certificate. */
struct sw_host_name {
    const char *text;
    uint8_t address[16]; /**< what text stands for */
    size_t address_len;  /**< 0: no address */
    bool found;
    bool has_names; /**< the certificate's common name does not count */
};

/** Can it be asked for: not empty, not too long, UTF-8 without control characters. */
bool sw_host_name_valid(const char *text);

/** Asks for text, a valid name, which is borrowed. */
void sw_host_name_ask(struct sw_host_name *name, const char *text);

/** Tells it of one entry of the subjectAltName. */
void sw_host_name_alternative(struct sw_host_name *name, enum sw_host_name_kind kind,
                              struct sw_span entry);

/** After all the entries: does the certificate with this common name (may be empty) carry it? */
bool sw_host_name_carried(const struct sw_host_name *name, struct sw_span common_name);

#endif
