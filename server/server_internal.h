/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_SERVER_INTERNAL_H
#define SW_SERVER_SERVER_INTERNAL_H

/*
 * What the server's files share: server.c (life), device.c (the TUN), clients.c (who comes and
 * goes), report.c (status, statistics).
 */

#include "host/address_pool.h"
#include "host/control.h"
#include "host/metrics.h"
#include "host/offload.h"
#include "host/signals.h"
#include "host/users.h"
#include "host/worker.h"
#include "server/server.h"

/** Present values, filled in by sw_server_gauge(). */
struct sw_server_gauges {
    uint64_t sessions_current_online, sessions_lifetime_total, sessions_pending_id_rotations;
    uint64_t active[3], standby[3]; /**< 5, 15, 60 minutes */
    uint64_t assigned_internal_ips;
};

struct sw_server {
    const struct sw_server_config *config;
    struct sw_offloads offloads;
    struct sw_worker *worker;
    struct sw_tls_context *tls;
    struct sw_users *users; /**< NULL: no user database */
    unsigned checks;        /**< passwords being checked now */
    struct sw_address_pool *pool;
    struct sw_listener *listener; /**< TCP */
    struct sw_address address;    /**< bound to */
    struct sw_metrics *metrics;
    struct sw_server_gauges gauges;
    struct sw_control *control;
    struct sw_signals signals;
    uv_timer_t statistics;
    sw_time started;
    bool failed;
};

/** A client's name at sw_link.program. */
struct sw_client {
    struct sw_server *server;
    struct sw_conn *conn;
    struct sw_users_check *check; /**< NULL: no password is being checked */
    char *user;                   /**< NULL: not known yet */
    bool was_online;
    uint64_t data_seen; /**< packets in both directions when last looked at */
    sw_time data_at;    /**< when they had last changed */
};

extern const struct sw_worker_ops sw_server_ops;

/** The client of a connection, or NULL if it has not said anything yet. */
struct sw_client *sw_client_of(const struct sw_conn *conn);

/**
 * Opens the TUN device and, if it is ours, sets it up: MTU, address, route of the pool. Denies the
 * offloads that it cannot do. 0, or a negative SW_E… with one sentence in why.
 */
int sw_server_open_tun(const struct sw_server_config *config, struct sw_offloads *offloads,
                       struct sw_tun *tun, char *why, size_t why_size);

/** Answers of the control socket; user is the server. */
extern const struct sw_control_ops sw_server_control;

/** Adds the gauges to the registry. 0 or SW_ENOMEM. */
int sw_server_report_init(struct sw_server *server);

/** Counts sessions by how long ago they were used. */
void sw_server_gauge(struct sw_server *server);

/** The two lines of every statistics interval. */
void sw_server_log_statistics(struct sw_server *server);

#endif
