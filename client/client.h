/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_CLIENT_H
#define SW_CLIENT_CLIENT_H

#include "client/client_options.h"

/**
 * Runs a client until a signal or the end of its connection; argc and argv are what config was
 * loaded with, and a reload changes config. Logging is set up. Returns the exit status
 * (client/exit_status.h), with the reason in one line on standard error unless it is 0.
 */
int sw_client_run(struct sw_client_config *config, int argc, char *const *argv);

#endif
