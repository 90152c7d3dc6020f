/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Signals of a program with one loop. Outside the loop they are blocked: what was changed on the
 * host while starting has to be undone in order, and a second Ctrl-C while that happens must not
 * cut it short.
 */

#include "host/signals.h"

#include <signal.h>
#include <stddef.h>

static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};

static void mask(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&set, numbers[i]);
    pthread_sigmask(how, &set, NULL);
}

void sw_signals_hold(void)
{
    signal(SIGPIPE, SIG_IGN);
    mask(SIG_BLOCK);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct sw_signals *signals = handle->data;
    signals->handler(signals->user, number);
}

void sw_signals_watch(struct sw_signals *signals, uv_loop_t *loop, sw_signal_handler handler,
                      void *user)
{
    signals->handler = handler;
    signals->user = user;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(loop, &signals->handles[i]);
        signals->handles[i].data = signals;
        uv_signal_start(&signals->handles[i], on_signal, numbers[i]);
    }
    mask(SIG_UNBLOCK);
}

void sw_signals_close(struct sw_signals *signals)
{
    mask(SIG_BLOCK);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
        signal(numbers[i], SIG_IGN); /* other threads do not block it */
    }
}
