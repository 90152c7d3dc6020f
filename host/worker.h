/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_WORKER_H
#define SW_HOST_WORKER_H

/*
 * A worker: one loop with its UDP socket, TCP streams, TUN queue, engine, batch and counters.
 * Nothing in it is shared with another worker, and nothing is global. Workers of one program
 * (host/crew.h) write each other mail about what arrived at the wrong one.
 *
 * The worker moves packets and drives the clock; what a program decides (who is let in, which
 * connection an inside address belongs to, what a closed connection means) it asks through
 * sw_worker_ops.
 */

#include <slipway/engine.h>
#include <uv.h>

#include "host/metrics.h"
#include "host/tcp.h"
#include "host/tun.h"
#include "host/udp.h"
#include "host/udp_send.h"

/** What the host keeps of a connection, at sw_conn_user(). */
struct sw_link {
    struct sw_stream *stream; /**< TCP, else NULL */
    void *program;            /**< the program's own; it frees it in the CLOSED event */
};

struct sw_worker_ops {
    /** After the worker's own handling, except for CLOSED: there before the link goes away. */
    void (*event)(void *user, struct sw_conn *conn, const struct sw_event *event);

    /** As in struct sw_callbacks; NULL on a client. */
    int (*authorise)(void *user, struct sw_conn *conn, const struct sw_credentials *credentials);
    int (*assign)(void *user, struct sw_conn *conn, uint32_t *inside_ip);
    void (*release)(void *user, struct sw_conn *conn, uint32_t inside_ip);

    /** Whose packets to this inside address (host byte order) are. NULL: none of this worker's. */
    struct sw_conn *(*find)(void *user, uint32_t destination);

    /** Whose they are then: the number of a worker, or one that is none. NULL on a client. */
    unsigned (*owner)(void *user, uint32_t destination);

    /** Another worker has accepted a TCP connection for this one; fd is the callee's. NULL: none.
     */
    void (*stream)(void *user, int fd, const struct sw_path *path);

    /** The TUN cannot be read any more. */
    void (*tun_lost)(void *user);
};

struct sw_crew;

struct sw_worker_config {
    struct sw_crew *crew; /**< must outlive the worker; NULL: alone */
    unsigned index;       /**< in the crew */
    const struct sw_worker_ops *ops;
    void *user;
    const struct sw_sys *sys;
    unsigned max_segments; /**< datagrams per UDP_SEGMENT message, 1: none */
    bool batching;         /**< several datagrams per system call, in both directions */
};

struct sw_worker_counters {
    uint64_t wakeups;
    uint64_t no_connection; /**< inside packets to an address nobody has */
    uint64_t not_ipv4;      /**< inside packets that are no IPv4 */
    uint64_t paused;        /**< how often reading of the TUN stopped for a full socket or queue */
    uint64_t held_dropped;  /**< inside packets that waited for a connection that closed */
    uint64_t inside_discarded;            /**< packets for the TUN while there is none */
    uint64_t mail_datagrams, mail_inside; /**< what was another worker's, and handed to it */
    uint64_t mail_full;                   /**< mail dropped: the other is too far behind */
    uint64_t mail_received;
    uint64_t placed; /**< connections given to a less busy worker */
};

struct sw_worker;

/** Something to be done on a worker's thread; the caller's until run was called. */
struct sw_worker_call {
    void (*run)(void *user);
    void *user;
    struct sw_worker_call *next; /**< private */
};

/** Loop and buffers, without sockets yet. NULL: out of memory. */
struct sw_worker *sw_worker_new(const struct sw_worker_config *config);

/** Closes whatever is open, runs the loop until libuv has let go, frees. */
void sw_worker_free(struct sw_worker *worker);

uv_loop_t *sw_worker_loop(struct sw_worker *worker);
struct sw_engine *sw_worker_engine(struct sw_worker *worker);
struct sw_streams *sw_worker_streams(struct sw_worker *worker);
const struct sw_tun *sw_worker_tun(const struct sw_worker *worker);
const struct sw_udp *sw_worker_udp(const struct sw_worker *worker);

/** The monotonic clock of everything a worker does. */
sw_time sw_worker_now(void);

/** Takes over an open TUN queue (tun is copied) and starts reading. 0 or SW_ENOMEM. */
int sw_worker_attach_tun(struct sw_worker *worker, const struct sw_tun *tun);

/** The same for a UDP socket. */
int sw_worker_attach_udp(struct sw_worker *worker, const struct sw_udp *udp);

/** sw_udp_follow_route() for the worker's UDP socket, if it has one. */
bool sw_worker_follow_route(struct sw_worker *worker, const struct sw_address *inside,
                            struct sw_address *local);

/** Ends the use of the UDP socket; what waits to be sent is lost. */
void sw_worker_detach_udp(struct sw_worker *worker);

/**
 * Makes the engine; the worker fills in callbacks, user, batch and unix_time. 0, or SW_EINVAL or
 * SW_ENOMEM.
 */
int sw_worker_start_engine(struct sw_worker *worker, const struct sw_engine_config *config);

/**
 * Takes over an engine that another has run so far (host/trial.h); the worker has none. 0 or
 * SW_ENOMEM.
 */
int sw_worker_adopt_engine(struct sw_worker *worker, struct sw_engine *engine);

/** Says goodbye to all, sends what can be sent and frees the engine. Not from one of its events. */
void sw_worker_stop_engine(struct sw_worker *worker);

/**
 * Takes over fd, the connected socket of a stream connection of the engine. Without memory the
 * connection is closed.
 */
void sw_worker_attach_stream(struct sw_worker *worker, int fd, struct sw_conn *conn);

/**
 * Gives an accepted TCP connection to a worker that has fewer. False: there is none, fd is still
 * the caller's.
 */
bool sw_worker_place_stream(struct sw_worker *worker, int fd, const struct sw_path *path);

/** Sends what the engine has produced, now. For calls of the engine from outside a wake-up. */
void sw_worker_flush(struct sw_worker *worker);

/** Has the worker run the call between two wake-ups, soon. Any thread may call it. */
void sw_worker_call(struct sw_worker *worker, struct sw_worker_call *call);

/** Runs until sw_worker_stop(), which is for the thread of the worker only. */
void sw_worker_run(struct sw_worker *worker);
void sw_worker_stop(struct sw_worker *worker);

/** The link of a connection, made when it has none. NULL: out of memory. */
struct sw_link *sw_link_of(struct sw_conn *conn);

/** conn closes: its stream is finished, its link freed. For whoever runs an engine by himself. */
void sw_link_drop(struct sw_conn *conn);

/**
 * Adds all counters of the worker, its sockets, and its engines from now on. metrics must outlive
 * the worker. 0 or SW_ENOMEM.
 */
int sw_worker_metrics(struct sw_worker *worker, struct sw_metrics *metrics);

#endif
