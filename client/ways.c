/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * While a client that has lost its connection looks for another server, the routes into the tunnel
 * stay, and they would catch its packets to every server but the one it had. So each address that
 * is tried gets a host route first, over the gateway and device that the main table has for it when
 * the TUN device is left out (client/ways.h). Of protocol static, as all routes of the client.
 */

#define SW_LOG_TARGET "routes"

#include "client/ways.h"

#include <errno.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"

static bool leads_into(void *user, const struct sw_route *route)
{
    const unsigned *tun_index = user;
    return route->index == *tun_index;
}

bool sw_ways_open(struct sw_ways *ways, struct sw_netlink *nl, const struct sw_address *address,
                  uint32_t mark, unsigned tun_index)
{
    char text[SW_ADDRESS_TEXT];
    const unsigned bits = address->family == 4 ? 32 : 128;
    struct sw_address host = *address;
    struct sw_route route;
    host.port = 0;
    if (sw_netlink_route_lookup(nl, &host, mark, &route) < 0 || route.index != tun_index)
        return false;
    if (ways->n == SW_WAYS_MAX ||
        sw_netlink_route_best(nl, &host, bits, leads_into, &tun_index, &route) < 0) {
        sw_log_info("no way to %s past the tunnel", sw_address_host_text(&host, text));
        return false;
    }
    route.destination = host;
    route.prefix = (uint8_t)bits;
    if (sw_netlink_route_add(nl, &route) < 0) {
        sw_log_warn("route %s/%u: %s", sw_address_host_text(&host, text), bits, strerror(errno));
        return false;
    }
    ways->routes[ways->n++] = route;
    return true;
}

void sw_ways_close(struct sw_ways *ways, struct sw_netlink *nl, const struct sw_address *used)
{
    while (ways->n > 0) {
        const struct sw_route *route = &ways->routes[--ways->n];
        if (used == NULL || !sw_address_same_host(&route->destination, used))
            sw_netlink_route_delete(nl, route);
    }
}
