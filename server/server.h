/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_SERVER_H
#define SW_SERVER_SERVER_H

#include "server/server_options.h"

/**
 * Runs a server until a signal ends it. Logging is set up. Returns the exit status: 0 after SIGTERM
 * or SIGINT, 1 if it could not start or lost its TUN device; the reason is on standard error.
 */
int sw_server_run(const struct sw_server_config *config);

#endif
