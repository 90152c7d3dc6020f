/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_ROUTES_H
#define SW_CLIENT_ROUTES_H

/* The routes that lead a client's traffic into the tunnel, and the tunnel's own around it. */

#include "client/journal.h"
#include "host/netlink.h"

/** Servers that may have a route of their own at the same time, while one of them is looked for. */
#define SW_ROUTES_SERVERS 256
#define SW_ROUTES_LAN     5
#define SW_ROUTES_MAX     (SW_ROUTES_SERVERS + SW_ROUTES_LAN + 3)

/** The private networks of route_mode lan. */
struct sw_lan_network {
    uint32_t ip; /**< host byte order */
    uint8_t prefix;
};
extern const struct sw_lan_network sw_lan_networks[SW_ROUTES_LAN];

enum sw_route_kind { SW_ROUTE_SERVER, SW_ROUTE_LAN, SW_ROUTE_TUNNEL };

struct sw_routes_plan {
    struct sw_address server;
    uint32_t mark; /**< of the packets to the server */
    unsigned tun_index;
    uint32_t tun_peer; /**< next hop of tunnel routes, host byte order */
    uint32_t tun_dns;  /**< reached through the tunnel; 0: none */
    bool lan;          /**< private networks go beside the tunnel */
};

/** What was installed, in order. All zero but nl and journal: nothing. */
struct sw_routes {
    struct sw_netlink *nl;
    struct sw_journal *journal; /**< where changes are noted; NULL: nowhere */
    struct sw_routes_plan plan;
    bool complete; /**< sw_routes_install() came to its end */
    struct sw_routes_entry {
        struct sw_route route;
        enum sw_route_kind kind;
        bool ours; /**< false: an equal one was there before */
    } entries[SW_ROUTES_MAX];
    size_t n;
};

/**
 * Pins the way to the server to where it leads now, keeps private networks out if the plan says so,
 * then sends both halves of the IPv4 Internet and the DNS address into the tunnel. Called again,
 * with another server, only the server's route changes. 0, or a negative SW_E… with one sentence in
 * why; what was installed by then is in routes and has to be removed all the same.
 */
int sw_routes_install(struct sw_routes *routes, const struct sw_routes_plan *plan, char *why,
                      size_t why_size);

/**
 * While the routes are installed: another server, too, is to be reached beside the tunnel. The next
 * sw_routes_install() takes away the routes of all but the one that was chosen. False with one
 * sentence in why: what is sent there now goes into the tunnel.
 */
bool sw_routes_reach(struct sw_routes *routes, const struct sw_address *server, char *why,
                     size_t why_size);

/**
 * After a change of the network: whatever is missing is added again, and the routes to the server
 * and to private networks follow the way that leads there now.
 */
void sw_routes_repair(struct sw_routes *routes);

/** Removes what was installed, last first. What is gone already is fine. */
void sw_routes_remove(struct sw_routes *routes);

/**
 * Undoes one line of a state file that begins with "route ". Returns whether there was something to
 * undo.
 */
bool sw_routes_undo(struct sw_netlink *nl, const char *line);

#endif
