/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_VERIFY_H
#define SW_TLS_VERIFY_H

#include "lib/tls/session.h"

/** Makes a client's session look for its context's server_name by itself (context->compares_name),
 * besides all that the library verifies. */
void sw_tls_compare_name(struct sw_tls *tls);

#endif
