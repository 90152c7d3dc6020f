/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_SERVER_H
#define SW_SERVER_SERVER_H

#include "server/server_options.h"

/**
 * Runs a server until a signal ends it; argc and argv are what config was loaded with, and a reload
 * changes config. Logging is set up. Returns the exit status: 0 after SIGTERM
 * or SIGINT, 1 if it could not start or lost its TUN device; the reason is on standard error.
 */
int sw_server_run(struct sw_server_config *config, int argc, char *const *argv);

#endif
