/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_CLIENT_INTERNAL_H
#define SW_CLIENT_CLIENT_INTERNAL_H

/*
 * What the client's files share: client.c (life), attempt.c (one server after the other), device.c
 * (the TUN), routes.c, roaming.c (changes of the network), report.c (status).
 */

#include "client/client.h"
#include "client/routes.h"
#include "host/control.h"
#include "host/metrics.h"
#include "host/network_watch.h"
#include "host/offload.h"
#include "host/signals.h"
#include "host/worker.h"

struct sw_client {
    const struct sw_client_config *config;
    struct sw_worker *worker;
    struct sw_metrics *metrics;
    struct sw_control *control;
    struct sw_netlink *nl;
    struct sw_routes routes;
    struct sw_signals signals;
    struct sw_network_watch *network;
    struct sw_offloads offloads;
    sw_time started;

    /* The attempt: entry of the server list, its addresses, which of them. */
    size_t entry;
    uv_getaddrinfo_t resolving;
    bool resolving_now;
    struct sw_address *addresses;
    size_t n_addresses, address;
    uv_timer_t next; /* the attempt failed: take it down and make the next */
    struct sw_tls_context *tls;
    struct sw_dial *dial;
    struct sw_conn *conn; /* NULL: none */
    bool heard;           /* something came from the server */
    bool was_online;

    bool ending;
    int status;    /* to exit with */
    char why[512]; /* the final line, or what the last attempt failed of */
};

extern const struct sw_worker_ops sw_client_ops;
extern const struct sw_control_ops sw_client_control;

const struct sw_client_server *sw_client_server(const struct sw_client *client);

/** Begins with the first server. */
void sw_client_connect(struct sw_client *client);

/** Takes down whatever attempt or connection there is; says goodbye. Not from an engine's event. */
void sw_client_disconnect(struct sw_client *client);

/** Moves the connection when the host's addresses or routes change. NULL: it will not. */
struct sw_network_watch *sw_client_watch_network(struct sw_client *client);

/** Ends the run: status to exit with and, unless it is 0, the final line. */
void sw_client_end(struct sw_client *client, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Opens the TUN device, sets it up and denies the offloads that it cannot do. 0, or a negative
 * SW_E… with one sentence in why.
 */
int sw_client_open_tun(const struct sw_client_config *config, struct sw_offloads *offloads,
                       struct sw_netlink *nl, struct sw_tun *tun, char *why, size_t why_size);

#endif
