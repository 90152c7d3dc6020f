/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_FOOTPRINT_H
#define SW_CLIENT_FOOTPRINT_H

/*
 * Everything that the client changes on its host beside the TUN device: routes, name server, packet
 * filter. Each is made when its time comes, and undone at the end or, if the client was killed, by
 * the next one of the same TUN device.
 */

#include "client/client_options.h"
#include "client/dns.h"
#include "client/firewall.h"
#include "client/routes.h"

struct sw_footprint {
    const struct sw_client_config *config;
    char tun[16];
    unsigned tun_index;
    struct sw_journal *journal; /**< NULL: there is none */
    struct sw_routes routes;
    struct sw_dns dns;
    struct sw_firewall firewall;
    bool filtering;              /**< the table is loaded */
    char left[SW_FIREWALL_NAME]; /**< an earlier client's table that still stands; "": none */
};

/**
 * Undoes what a client that died left behind and, with kill_switch, lets nothing out from now on
 * but what finds and reaches a server. 0, or a negative SW_E… with one sentence in why; it has to
 * be closed all the same.
 */
int sw_footprint_open(struct sw_footprint *footprint, const struct sw_client_config *config,
                      struct sw_netlink *nl, const char *tun_name, unsigned tun_index, char *why,
                      size_t why_size);

/**
 * Before the first packet to a server, address with port: the packet filter lets it out, and while
 * routes lead the Internet into the tunnel it gets one outside. Again for the same is nothing. 0,
 * or a negative SW_E… with one sentence in why: the server cannot be reached at the moment.
 */
int sw_footprint_reach(struct sw_footprint *footprint, const struct sw_address *server,
                       enum sw_transport transport, char *why, size_t why_size);

/**
 * The connection to this server carries the tunnel now: routes, name server, filter. Called again
 * with another server, only the server's route moves. 0, or a negative SW_E… with one sentence in
 * why.
 */
int sw_footprint_online(struct sw_footprint *footprint, const struct sw_address *server, char *why,
                        size_t why_size);

/** Routes follow a change of the network. */
void sw_footprint_repair(struct sw_footprint *footprint);

/**
 * Undoes everything; what cannot be undone is warned of. The table of kill_switch stays if the end
 * was not asked for (clean false).
 */
void sw_footprint_close(struct sw_footprint *footprint, bool clean);

/** How the name server is set, "none" if it is not. */
const char *sw_footprint_dns(const struct sw_footprint *footprint);

#endif
