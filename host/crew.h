/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_CREW_H
#define SW_HOST_CREW_H

/*
 * The workers of a program, each on a thread of its own, and what another thread may ask of them.
 */

#include <pthread.h>

#include "host/mailbox.h"
#include "host/worker.h"

struct sw_crew {
    unsigned count;
    struct sw_worker *workers[SW_WORKERS_MAX];
    struct sw_mailboxes *mail; /**< NULL for a single worker */
    _Atomic unsigned bulk;     /**< of sw_tun_queue_open() */
    bool placing;              /**< new connections go to the worker with the fewest; set before
                                  sw_crew_start() */
    _Atomic uint64_t connections[SW_WORKERS_MAX]; /**< of each worker, as of a moment ago */
    /* private */
    pthread_t threads[SW_WORKERS_MAX];
    unsigned started;
};

/** One worker per CPU that this process may use, up to SW_WORKERS_MAX. */
unsigned sw_crew_default_count(void);

/**
 * A crew of count workers, 1..SW_WORKERS_MAX. The caller makes each with sw_worker_new(), with the
 * crew in its configuration, and puts it into workers. 0 or SW_ENOMEM.
 */
int sw_crew_init(struct sw_crew *crew, unsigned count);

/** Starts the threads. 0 or SW_ENOMEM; then some may run, and sw_crew_stop() ends them. */
int sw_crew_start(struct sw_crew *crew);

/**
 * Runs call on the thread of each worker, between two of its wake-ups, and returns when all have
 * done so. Not from a worker's thread; the crew must have been started.
 */
void sw_crew_call(struct sw_crew *crew, void (*call)(void *user, unsigned index), void *user);

/** Every worker says goodbye to its clients (sw_worker_stop_engine()), all at once; threads end. */
void sw_crew_stop(struct sw_crew *crew);

/** Frees the workers and the mail. */
void sw_crew_free(struct sw_crew *crew);

#endif
