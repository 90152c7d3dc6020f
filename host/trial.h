/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_TRIAL_H
#define SW_HOST_TRIAL_H

/*
 * A connection on trial: an engine with its own socket, which runs on a worker's loop beside the
 * worker's data path. A client has several at once until it has chosen one; that one becomes the
 * worker's data path, the others end.
 */

#include "host/worker.h"

struct sw_trial;

struct sw_trial_ops {
    /** As in struct sw_worker_ops. The trial must not be freed or promoted in here. */
    void (*event)(void *user, struct sw_conn *conn, const struct sw_event *event);

    /** Word came that nobody listens there. Anybody on the way can make it up: a hint, no more. */
    void (*refused)(void *user);
};

/**
 * Makes the engine; callbacks, user, batch and unix_time are filled in. NULL: out of memory or
 * contradictory config.
 */
struct sw_trial *sw_trial_new(struct sw_worker *worker, const struct sw_engine_config *config,
                              const struct sw_trial_ops *ops, void *user);

/**
 * Takes over an open socket, also on failure, and starts the connection to its peer; what is to be
 * sent leaves before the loop sleeps. NULL: *error says why.
 */
struct sw_conn *sw_trial_connect_udp(struct sw_trial *trial, const struct sw_udp *udp, int *error);

/** The same for fd, a TCP connection to remote. */
struct sw_conn *sw_trial_connect_tcp(struct sw_trial *trial, int fd,
                                     const struct sw_address *remote, int *error);

/**
 * Makes engine and socket the worker's, which has neither. The trial is gone afterwards, except
 * when there was no memory: SW_ENOMEM.
 */
int sw_trial_promote(struct sw_trial *trial);

/** Says goodbye where there is somebody to say it to, and ends. No event follows. NULL is fine. */
void sw_trial_free(struct sw_trial *trial);

#endif
