/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_ENVIRONMENT_H
#define SW_TLS_ENVIRONMENT_H

#include "lib/tls/tls.h"

/** Makes env the source of time and randomness for the wolfSSL calls that follow on this thread. */
void sw_tls_enter(const struct sw_tls_env *env);

/** Installs the hooks; idempotent. */
void sw_tls_install_hooks(void);

#endif
