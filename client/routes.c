/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Routes of the default mode. The Internet goes into the tunnel as two halves, which are more
 * specific than a default route and so leave that one alone. The tunnel's own packets must not
 * follow: the server keeps a host route over the gateway and device that the kernel uses for it at
 * that moment, asked before the halves are there.
 *
 * All are of protocol static in the main table. A route that is there already and equal to ours in
 * everything, protocol included, was left behind by a client that died: it becomes ours. Any other
 * is not ours to remove; a half that leads elsewhere is an error, because nothing would go through
 * the tunnel.
 */

#define SW_LOG_TARGET "routes"

#include "client/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"

#define LOOPBACK_INDEX 1

static struct sw_address ipv4(uint32_t ip)
{
    return sw_address_from_in((struct in_addr){.s_addr = htonl(ip)}, 0);
}

static int fail(const struct sw_route *route, const char *what, char *why, size_t why_size)
{
    char text[SW_ADDRESS_TEXT];
    snprintf(why, why_size, "route %s/%u: %s", sw_address_host_text(&route->destination, text),
             route->prefix, what);
    return SW_EINVAL;
}

static int add(struct sw_routes *routes, struct sw_netlink *nl, const struct sw_route *route)
{
    if (sw_netlink_route_add(nl, route) < 0) {
        if (errno != EEXIST) return -1;
        if (sw_netlink_route_delete(nl, route) < 0) {
            errno = EEXIST;
            return -1;
        }
        if (sw_netlink_route_add(nl, route) < 0) return -1;
    }
    routes->installed[routes->n++] = *route;
    return 0;
}

static int add_server(struct sw_routes *routes, struct sw_netlink *nl,
                      const struct sw_routes_plan *plan, char *why, size_t why_size)
{
    struct sw_route route;
    struct sw_address server = plan->server;
    server.port = 0;
    if (sw_netlink_route_lookup(nl, &server, plan->mark, &route) < 0)
        return fail(&route, strerror(errno), why, why_size);
    if (route.index == LOOPBACK_INDEX || server.scope != 0)
        return 0; /* on this very host, or link-local: no default route leads there */
    if (route.index == plan->tun_index)
        return fail(&route, "it leads into the tunnel itself", why, why_size);
    if (add(routes, nl, &route) == 0)
        routes->server_pinned = true;
    else if (errno != EEXIST)
        return fail(&route, strerror(errno), why, why_size);
    return 0;
}

/* With its link the kernel drops a route. Without a link, or with one that is there: no harm. */
void sw_routes_put_back_server(const struct sw_routes *routes, struct sw_netlink *nl)
{
    if (routes->server_pinned) sw_netlink_route_add(nl, &routes->installed[0]);
}

/* Whether some address of the network is routed to the device. */
static bool leads_to(struct sw_netlink *nl, const struct sw_route *route)
{
    struct sw_address inside = route->destination;
    struct sw_route found;
    if (route->prefix < 32) inside.ip[0] |= 1;
    return sw_netlink_route_lookup(nl, &inside, 0, &found) == 0 && found.index == route->index;
}

static int add_tunnel(struct sw_routes *routes, struct sw_netlink *nl, const struct sw_route *route,
                      char *why, size_t why_size)
{
    if (add(routes, nl, route) == 0) return 0;
    if (errno != EEXIST) return fail(route, strerror(errno), why, why_size);
    if (leads_to(nl, route)) return 0;
    return fail(route, "there is such a route already, and it leads elsewhere", why, why_size);
}

int sw_routes_install(struct sw_routes *routes, struct sw_netlink *nl,
                      const struct sw_routes_plan *plan, char *why, size_t why_size)
{
    const struct {
        uint32_t ip;
        uint8_t prefix;
    } tunnel[] = {
        {UINT32_C(0x00000000), 1},
        {UINT32_C(0x80000000), 1},
        {plan->tun_dns, 32},
    };
    int error = add_server(routes, nl, plan, why, why_size);
    for (size_t i = 0; error == 0 && i < sizeof tunnel / sizeof tunnel[0]; i++) {
        if (tunnel[i].prefix == 32 && tunnel[i].ip == 0) continue;
        const struct sw_route route = {
            .destination = ipv4(tunnel[i].ip),
            .prefix = tunnel[i].prefix,
            .gateway = ipv4(plan->tun_peer),
            .index = plan->tun_index,
        };
        error = add_tunnel(routes, nl, &route, why, why_size);
    }
    return error;
}

int sw_routes_move_server(struct sw_routes *routes, struct sw_netlink *nl,
                          const struct sw_routes_plan *plan, char *why, size_t why_size)
{
    const bool had = routes->server_pinned;
    const struct sw_route old = routes->installed[0];
    if (had && sw_address_same_host(&old.destination, &plan->server)) {
        sw_routes_put_back_server(routes, nl);
        return 0;
    }
    routes->server_pinned = false;
    int error = add_server(routes, nl, plan, why, why_size);
    if (routes->server_pinned) { /* it came last and belongs first */
        const struct sw_route new = routes->installed[--routes->n];
        if (!had) memmove(&routes->installed[1], &routes->installed[0], routes->n++ * sizeof new);
        routes->installed[0] = new;
    } else if (had) {
        memmove(&routes->installed[0], &routes->installed[1], --routes->n * sizeof old);
    }
    if (had) sw_netlink_route_delete(nl, &old);
    return error;
}

void sw_routes_remove(struct sw_routes *routes, struct sw_netlink *nl)
{
    char text[SW_ADDRESS_TEXT];
    while (routes->n > 0) {
        const struct sw_route *route = &routes->installed[--routes->n];
        if (sw_netlink_route_delete(nl, route) < 0 && errno != ESRCH && errno != ENODEV)
            sw_log_warn("route %s/%u is not removed: %s",
                        sw_address_host_text(&route->destination, text), route->prefix,
                        strerror(errno));
    }
}
