/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_CLIENT_INTERNAL_H
#define SW_CLIENT_CLIENT_INTERNAL_H

/*
 * What the client's files share: client.c (life), connect.c (all servers at once, until one is
 * chosen; again after the connection ended), candidate.c (one server), attempt.c (one address of
 * it), online.c (the connection), device.c (the TUN), footprint.c (routes, name server, packet
 * filter), roaming.c (changes of the network), report.c (status).
 */

#include "client/backoff.h"
#include "client/candidate.h"
#include "client/client.h"
#include "client/footprint.h"
#include "host/control.h"
#include "host/metrics.h"
#include "host/network_watch.h"
#include "host/offload.h"
#include "host/reload.h"
#include "host/signals.h"
#include "host/worker.h"

enum sw_client_phase {
    SW_PHASE_CONNECTING, /**< to all servers */
    SW_PHASE_ONLINE,     /**< one is chosen */
    SW_PHASE_WAITING,    /**< until it is time to connect again */
};

/** As of the last time somebody asked. */
struct sw_client_gauges {
    uint64_t path_mtu, path_mtu_inside;
};

struct sw_client {
    const struct sw_client_config *config;
    struct sw_reload reload;
    struct sw_worker *worker;
    struct sw_metrics *metrics;
    struct sw_client_gauges gauges;
    struct sw_control *control;
    struct sw_netlink *nl;
    struct sw_footprint footprint;
    struct sw_signals signals;
    struct sw_network_watch *network;
    struct sw_offloads offloads;
    sw_time started;

    /* Connecting */
    uv_timer_t turn; /* looks at what has changed, and at what is due */
    bool kicked;     /* it is to fire at once */
    enum sw_client_phase phase;
    struct sw_candidate *candidates;
    enum sw_contender *contenders; /* what each of them is */
    size_t n_candidates;
    sw_time wait_until;     /* how long the preferred one is waited for; SW_NEVER: nothing tried */
    struct sw_list parting; /* attempts that are not needed any more */
    unsigned resolving;     /* names that are being resolved, wanted or not */
    bool had_socket;        /* warnings about what the kernel grants were given */

    /* The connection; while there is none, the last one's */
    size_t entry;             /* of the server list */
    struct sw_address server; /* where it is */
    struct sw_address local;  /* TCP: where we are */
    sw_time homeless_since; /* TCP: since when local is no address of this host; SW_NEVER: it is */
    struct sw_tls_context *tls;
    struct sw_conn *conn;     /* NULL: none */
    bool over;                /* it has ended: */
    enum sw_client_exit exit; /* why, as a status */
    sw_time online_since;
    uint16_t path_mtu_told; /**< in the log, last */

    /* Connecting again */
    struct sw_backoff backoff;
    unsigned reconnects; /* connections after the first */
    unsigned refusals;   /* in a row */
    sw_time retry_at;

    bool ending;
    int status;    /* to exit with */
    char why[512]; /* the final line, or why the last connection or try ended */
};

extern const struct sw_worker_ops sw_client_ops;
extern const struct sw_control_ops sw_client_control;
/** 0 or SW_ENOMEM. */
int sw_client_report_init(struct sw_client *client);

/** The entry of the connection. */
const struct sw_client_server *sw_client_server(const struct sw_client *client);

/** Begins to connect. 0, or SW_ENOMEM. */
int sw_client_connect(struct sw_client *client);

/** Takes down whatever attempts and connection there are; says goodbye. Not from an engine's event.
 */
void sw_client_disconnect(struct sw_client *client);

/** The chosen connection is there: routes, name server, a line in the log. */
void sw_client_online(struct sw_client *client);

/** It is over, for a reason that its own end does not tell. Allowed everywhere. */
void sw_client_lost(struct sw_client *client, enum sw_client_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** There is a chance that it works now: a long wait becomes a short one. */
void sw_client_try_soon(struct sw_client *client);

/** Time passes while local is gone: the connection is over when it stays so. */
void sw_client_look_homeless(struct sw_client *client, sw_time now);
sw_time sw_client_homeless_deadline(const struct sw_client *client);

/** Moves the connection when the host's addresses or routes change. NULL: it will not. */
struct sw_network_watch *sw_client_watch_network(struct sw_client *client);

/** Applies enable_inside_pkt_encoding to the connection, if it is Online. Not from an event of the
 * engine. */
void sw_client_set_encoding(struct sw_client *client, bool enable);

/** Ends the run: status to exit with and, unless it is 0, the final line. */
void sw_client_end(struct sw_client *client, enum sw_client_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Opens the TUN device, sets it up and denies the offloads that it cannot do. 0, or a negative
 * SW_E… with one sentence in why.
 */
int sw_client_open_tun(const struct sw_client_config *config, struct sw_offloads *offloads,
                       struct sw_netlink *nl, struct sw_tun *tun, char *why, size_t why_size);

#endif
