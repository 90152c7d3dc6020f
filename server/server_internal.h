/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_SERVER_INTERNAL_H
#define SW_SERVER_SERVER_INTERNAL_H

/*
 * What the server's files share: server.c (life), server_tls.c (certificate and key),
 * server_workers.c (the workers and their sockets), reload.c (changes at run time),
 * device.c (the TUN), clients.c (who comes and goes), report.c (status, statistics).
 *
 * A struct sw_server_worker belongs to the thread of its worker; everything else is the main
 * thread's, or does not change, or says how it is shared.
 */

#include <stdatomic.h>

#include "host/address_pool.h"
#include "host/control.h"
#include "host/crew.h"
#include "host/logins.h"
#include "host/metrics.h"
#include "host/offload.h"
#include "host/reload.h"
#include "host/signals.h"
#include "host/tun_steering.h"
#include "server/host_setup.h"
#include "server/server.h"

/** Present values, filled in by sw_server_gauge(). */
struct sw_server_gauges {
    uint64_t sessions_encoding_enabled;
    uint64_t sessions_current_online, sessions_lifetime_total, sessions_pending_id_rotations;
    uint64_t active[3], standby[3]; /**< 5, 15, 60 minutes */
    uint64_t assigned_internal_ips; /**< of all workers; in the first one's */
};

struct sw_server_worker {
    struct sw_server *server;
    unsigned index;
    struct sw_worker *worker;
    struct sw_conn **conns;       /**< by distance of the inside address from the pool's network */
    struct sw_logins *logins;     /**< the server's, held */
    unsigned checks;              /**< logins being checked now */
    struct sw_listener *listener; /**< TCP */
    struct sw_proxy_gate *gate;   /**< NULL: no PROXY protocol headers are expected */
    struct sw_metrics *metrics;
    struct sw_server_gauges gauges;
};

/** By enum sw_transport; NULL: not served. */
struct sw_server_tls {
    struct sw_tls_context *contexts[2];
};

struct sw_server {
    const struct sw_server_config *config; /**< what a reload changes in it is the main thread's */
    struct sw_offloads offloads;
    uv_loop_t loop; /**< of the main thread: signals, control socket, statistics */
    bool loop_open;
    struct sw_reload reload;
    struct sw_server_tls tls;
    struct sw_logins *logins;     /**< who may come in */
    struct sw_address_map *map;   /**< NULL: none */
    struct sw_address_pool *pool; /**< locks itself */
    uint32_t network, span;       /**< of the pool */
    struct sw_address address;    /**< bound to */
    struct sw_crew crew;
    struct sw_server_worker workers[SW_WORKERS_MAX];
    struct sw_tun_steering steering;
    uint8_t cookie_key[SW_COOKIE_KEY_LEN];            /**< of all workers */
    char steering_outside[160], steering_inside[160]; /**< one phrase each */
    struct sw_host_setup *host_setup;                 /**< NULL: nothing has been set up */
    struct sw_control *control;
    struct sw_signals signals;
    uv_timer_t statistics;
    uv_async_t lost; /**< a worker has lost its TUN */
    sw_time started;
    _Atomic bool failed;
};

/** A client's name at sw_link.program. */
struct sw_client {
    struct sw_server_worker *worker;
    struct sw_conn *conn;
    struct sw_login_check *check; /**< NULL: no login is being checked */
    struct sw_version told;       /**< by the login being checked; 0.0: it does not say */
    char *user;                   /**< who was let in; NULL: nobody yet, or nobody said */
    char *claimed;                /**< who the login being checked, or refused, is of */
    bool granted;                 /**< a login was right */
    bool was_online;
    uint64_t data_seen; /**< packets in both directions when last looked at */
    sw_time data_at;    /**< when they had last changed */
};

/** user: a struct sw_server_worker. */
extern const struct sw_worker_ops sw_server_ops;

/** The client of a connection, or NULL if it has not said anything yet. */
struct sw_client *sw_client_of(const struct sw_conn *conn);

/** Who a client is, or as long as it was not let in, claims to be; NULL if that is not known. */
const char *sw_client_user(const struct sw_client *client);

/**
 * Opens the TUN device and, if it is ours, sets it up: MTU, address, route of the pool. Denies the
 * offloads that it cannot do. 0, or a negative SW_E… with one sentence in why.
 */
int sw_server_open_tun(const struct sw_server_config *config, bool multi_queue,
                       struct sw_offloads *offloads, struct sw_tun *tun, char *why,
                       size_t why_size);

/**
 * Reads certificate and key and makes a context for each transport that is served. 0, or a negative
 * SW_E… with one sentence in why that names the option.
 */
int sw_server_open_tls(const struct sw_server_config *config, struct sw_server_tls *out, char *why,
                       size_t why_size);
void sw_server_close_tls(struct sw_server_tls *tls);

/** As in struct sw_reload; user is the server, all the fresh configuration. */
int sw_server_apply(void *user, const void *all, char *why, size_t why_size);

/** A TCP connection of this worker; user: a struct sw_server_worker. */
void sw_server_accept(void *user, int fd, const struct sw_path *path);

/** Connections of one worker that may be not yet Online, and logins of one that may be under way.
 */
unsigned sw_server_half_open_limit(const struct sw_server *server);

/** How many workers the configuration asks for. */
unsigned sw_server_count_workers(const struct sw_server_config *config);

/**
 * Makes the workers, each with its queue of the TUN (taken over in any case), engine and socket,
 * and lets the kernel steer. 0, or a negative SW_E… with one sentence in why.
 */
int sw_server_open_workers(struct sw_server *server, struct sw_tun *tun, char *why,
                           size_t why_size);

/** What steers what, in one line of the log. */
void sw_server_log_steering(const struct sw_server *server);

/** Frees what sw_server_open_workers() has made, however far it came. Threads have ended. */
void sw_server_close_workers(struct sw_server *server);

/** Answers of the control socket; user is the server. */
extern const struct sw_control_ops sw_server_control;

/** Adds the gauges to the worker's registry. 0 or SW_ENOMEM. */
int sw_server_report_init(struct sw_server_worker *worker);

/** The two lines of every statistics interval. */
void sw_server_log_statistics(struct sw_server *server);

#endif
