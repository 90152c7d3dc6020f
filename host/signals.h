/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_SIGNALS_H
#define SW_HOST_SIGNALS_H

#include <uv.h>

/** Called on the loop for SIGTERM, SIGINT and SIGHUP. */
typedef void (*sw_signal_handler)(void *user, int number);

struct sw_signals {
    uv_signal_t handles[3];
    sw_signal_handler handler;
    void *user;
};

/**
 * Before anything is set up: the three signals wait from now on, and SIGPIPE is ignored. A signal
 * during start or clean-up so never ends the process halfway.
 */
void sw_signals_hold(void);

/** Delivers them to handler, also those that came meanwhile. */
void sw_signals_watch(struct sw_signals *signals, uv_loop_t *loop, sw_signal_handler handler,
                      void *user);

/** Holds them again, for good. */
void sw_signals_close(struct sw_signals *signals);

#endif
