/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_ROUTES_H
#define SW_CLIENT_ROUTES_H

/* The routes that lead a client's traffic into the tunnel. */

#include "host/netlink.h"

#define SW_ROUTES_MAX 5

/** What was installed, in order. All zero: nothing. */
struct sw_routes {
    struct sw_route installed[SW_ROUTES_MAX];
    size_t n;
    bool server_pinned; /**< the first one is the server's */
};

struct sw_routes_plan {
    struct sw_address server;
    uint32_t mark; /**< of the packets to the server */
    unsigned tun_index;
    uint32_t tun_peer; /**< next hop of tunnel routes, host byte order */
    uint32_t tun_dns;  /**< reached through the tunnel; 0: none */
};

/**
 * Pins the way to the server to where it leads now, then sends both halves of the IPv4 Internet and
 * the DNS address into the tunnel. 0, or a negative SW_E… with one sentence in why; what was
 * installed by then is in routes and has to be removed all the same.
 */
int sw_routes_install(struct sw_routes *routes, struct sw_netlink *nl,
                      const struct sw_routes_plan *plan, char *why, size_t why_size);

/**
 * Another server has taken the place of the first, or the same again: its way is pinned, the old
 * one's is not any more. The routes into the tunnel are not touched. As sw_routes_install().
 */
int sw_routes_move_server(struct sw_routes *routes, struct sw_netlink *nl,
                          const struct sw_routes_plan *plan, char *why, size_t why_size);

/** Adds the server's route again, if one was installed and the kernel has dropped it since. */
void sw_routes_put_back_server(const struct sw_routes *routes, struct sw_netlink *nl);

/** Removes what was installed, last first. What is gone already is fine. */
void sw_routes_remove(struct sw_routes *routes, struct sw_netlink *nl);

#endif
