/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Routes of the client. The Internet goes into the tunnel as two halves, which are more specific
 * than a default route and so leave that one alone. The tunnel's own packets must not follow: the
 * server gets a host route over the gateway and device that lead there outside the tunnel, and in
 * mode lan so do the private networks. Nothing of IPv6 goes into the tunnel, so an IPv6 server
 * needs such a route only where somebody else's leads it inside.
 *
 * All are of protocol static in the main table, one of them per server. A route that is there
 * already is not ours and stays at the end; a half that leads elsewhere is an error, because
 * nothing would go through the tunnel.
 *
 * A link that goes down takes its routes along, and a host moves to other gateways. What counts is
 * therefore whether a route is there and leads the way that is right now, not whether anything
 * differs from what was remembered. The right way is looked for among the routes of the main table
 * without ours; where rules of the host send the server's packets to another table, those decide
 * and our route changes nothing.
 */

#define SW_LOG_TARGET "routes"

#include "client/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"

#define LOOPBACK_INDEX 1

const struct sw_lan_network sw_lan_networks[SW_ROUTES_LAN] = {
    {UINT32_C(0xc0a80000), 16}, /* 192.168.0.0 */
    {UINT32_C(0xac100000), 12}, /* 172.16.0.0 */
    {UINT32_C(0x0a000000), 8},  /* 10.0.0.0 */
    {UINT32_C(0xa9fe0000), 16}, /* 169.254.0.0 */
    {UINT32_C(0xe0000000), 24}, /* 224.0.0.0 */
};

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

/* --- what the state file says of a route -------------------------------------------------------*/

static void note(struct sw_routes *routes, const char *word, const struct sw_route *route)
{
    char destination[SW_ADDRESS_TEXT], gateway[SW_ADDRESS_TEXT] = "-", device[IF_NAMESIZE] = "-";
    if (route->gateway.family != 0) sw_address_host_text(&route->gateway, gateway);
    if_indextoname(route->index, device);
    sw_journal_note(routes->journal, "%s %s/%u via %s dev %s", word,
                    sw_address_host_text(&route->destination, destination), route->prefix, gateway,
                    device);
}

static bool read_address(const char *text, struct sw_address *out)
{
    struct in_addr v4;
    struct in6_addr v6;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4) == 1) *out = sw_address_from_in(v4, 0);
    if (inet_pton(AF_INET6, text, &v6) == 1) *out = sw_address_from_in6(&v6, 0, 0);
    return out->family != 0;
}

bool sw_routes_undo(struct sw_netlink *nl, const char *line)
{
    char destination[64], gateway[64], device[IF_NAMESIZE];
    struct sw_route route;
    unsigned prefix;
    memset(&route, 0, sizeof route);
    if (sscanf(line, "route %63[^/]/%u via %63s dev %15s", destination, &prefix, gateway, device) !=
            4 ||
        !read_address(destination, &route.destination) || prefix > 128)
        return false;
    read_address(gateway, &route.gateway); /* "-": none */
    route.prefix = (uint8_t)prefix;
    route.index = if_nametoindex(device);
    return route.index != 0 && sw_netlink_route_delete(nl, &route) == 0;
}

/* --- one route ---------------------------------------------------------------------------------*/

/* With its device or its gateway away for the moment a route of ours is put in later. */
static bool is_away(int error)
{
    return error == ENETUNREACH || error == ENETDOWN || error == ENODEV || error == EHOSTUNREACH;
}

static int put(struct sw_routes *routes, struct sw_routes_entry *entry)
{
    note(routes, "route", &entry->route);
    if (sw_netlink_route_add(routes->nl, &entry->route) == 0) {
        entry->ours = true;
        return 0;
    }
    int error = errno;
    note(routes, "not", &entry->route);
    errno = error;
    return -1;
}

static int add(struct sw_routes *routes, enum sw_route_kind kind, const struct sw_route *route)
{
    if (routes->n == SW_ROUTES_MAX) {
        errno = ENOSPC;
        return -1;
    }
    struct sw_routes_entry *entry = &routes->entries[routes->n];
    *entry = (struct sw_routes_entry){.route = *route, .kind = kind};
    int result = put(routes, entry);
    if (result == 0 || errno == EEXIST) routes->n++;
    return result;
}

static void take_out(struct sw_routes *routes, const struct sw_routes_entry *entry)
{
    char text[SW_ADDRESS_TEXT];
    const struct sw_route *route = &entry->route;
    if (!entry->ours) return;
    if (sw_netlink_route_delete(routes->nl, route) < 0 && errno != ESRCH && errno != ENODEV)
        sw_log_warn("route %s/%u is not removed: %s",
                    sw_address_host_text(&route->destination, text), route->prefix,
                    strerror(errno));
}

/* --- the way outside ---------------------------------------------------------------------------*/

static bool is_inside(void *user, const struct sw_route *route)
{
    const struct sw_routes *routes = user;
    if (route->index == routes->plan.tun_index) return true;
    for (size_t i = 0; i < routes->n; i++)
        if (routes->entries[i].ours && sw_route_equal(&routes->entries[i].route, route))
            return true;
    return false;
}

enum way {
    WAY_NONE,  /* no route leads there outside the tunnel */
    WAY_GIVEN, /* it needs no route of ours */
    WAY_FOUND, /* *out leads there */
};

static enum way way_to(struct sw_routes *routes, const struct sw_address *server,
                       struct sw_route *out)
{
    struct sw_route now, best;
    struct sw_address host = *server;
    unsigned whole = host.family == 4 ? 32 : 128;
    host.port = 0;
    memset(out, 0, sizeof *out);
    out->destination = host;
    out->prefix = (uint8_t)whole;
    bool known = sw_netlink_route_lookup(routes->nl, &host, routes->plan.mark, &now) == 0;
    bool outside = known && now.index != routes->plan.tun_index;
    if (host.scope != 0 || (known && now.index == LOOPBACK_INDEX)) return WAY_GIVEN;
    if (outside && host.family == 6) return WAY_GIVEN;
    if (outside && now.table != RT_TABLE_MAIN && routes->n > 0) return WAY_GIVEN;
    if (sw_netlink_route_best(routes->nl, &host, whole, is_inside, routes, &best) < 0 ||
        (outside && now.table != RT_TABLE_MAIN)) {
        if (!outside || routes->n > 0) return WAY_NONE;
        best = now;
    }
    out->gateway = best.gateway;
    out->index = best.index;
    return WAY_FOUND;
}

/* Private networks are where the default route leads, or, without one, where the server is. */
static bool way_to_lan(struct sw_routes *routes, struct sw_route *out)
{
    struct sw_address any = ipv4(0);
    if (sw_netlink_route_best(routes->nl, &any, 0, is_inside, routes, out) == 0) return true;
    return routes->plan.server.family == 4 &&
           way_to(routes, &routes->plan.server, out) == WAY_FOUND;
}

/* --- installing --------------------------------------------------------------------------------*/

static struct sw_routes_entry *server_entry(struct sw_routes *routes,
                                            const struct sw_address *server)
{
    for (size_t i = 0; i < routes->n; i++) {
        struct sw_routes_entry *entry = &routes->entries[i];
        if (entry->kind == SW_ROUTE_SERVER &&
            sw_address_same_host(&entry->route.destination, server))
            return entry;
    }
    return NULL;
}

static int add_server(struct sw_routes *routes, const struct sw_address *server, char *why,
                      size_t why_size)
{
    struct sw_route route;
    if (server_entry(routes, server) != NULL) return 0;
    switch (way_to(routes, server, &route)) {
    case WAY_GIVEN:
        return 0;
    case WAY_NONE:
        return fail(&route, "no route leads there outside the tunnel", why, why_size);
    default:
        if (add(routes, SW_ROUTE_SERVER, &route) == 0 || errno == EEXIST) return 0;
        return fail(&route, strerror(errno), why, why_size);
    }
}

/* Of the servers that were looked at one was chosen. */
static void forget_other_servers(struct sw_routes *routes)
{
    size_t kept = 0;
    for (size_t i = 0; i < routes->n; i++) {
        struct sw_routes_entry entry = routes->entries[i];
        if (entry.kind == SW_ROUTE_SERVER &&
            !sw_address_same_host(&entry.route.destination, &routes->plan.server))
            take_out(routes, &entry);
        else
            routes->entries[kept++] = entry;
    }
    routes->n = kept;
}

static int add_lan(struct sw_routes *routes, char *why, size_t why_size)
{
    struct sw_route way;
    if (!way_to_lan(routes, &way)) {
        sw_log_info("no default route: private networks stay where they are");
        return 0;
    }
    for (size_t i = 0; i < SW_ROUTES_LAN; i++) {
        const struct sw_route route = {
            .destination = ipv4(sw_lan_networks[i].ip),
            .prefix = sw_lan_networks[i].prefix,
            .gateway = way.gateway,
            .index = way.index,
        };
        if (add(routes, SW_ROUTE_LAN, &route) < 0 && errno != EEXIST)
            return fail(&route, strerror(errno), why, why_size);
    }
    return 0;
}

/* Whether some address of the network is routed to the device. */
static bool leads_to(struct sw_netlink *nl, const struct sw_route *route)
{
    struct sw_address inside = route->destination;
    struct sw_route found;
    if (route->prefix < 32) inside.ip[0] |= 1;
    return sw_netlink_route_lookup(nl, &inside, 0, &found) == 0 && found.index == route->index;
}

static int add_tunnel(struct sw_routes *routes, char *why, size_t why_size)
{
    const struct sw_routes_plan *plan = &routes->plan;
    const struct sw_lan_network tunnel[] = {
        {UINT32_C(0x00000000), 1},
        {UINT32_C(0x80000000), 1},
        {plan->tun_dns, 32},
    };
    for (size_t i = 0; i < sizeof tunnel / sizeof tunnel[0]; i++) {
        if (tunnel[i].prefix == 32 && tunnel[i].ip == 0) continue;
        const struct sw_route route = {
            .destination = ipv4(tunnel[i].ip),
            .prefix = tunnel[i].prefix,
            .gateway = ipv4(plan->tun_peer),
            .index = plan->tun_index,
        };
        if (add(routes, SW_ROUTE_TUNNEL, &route) == 0) continue;
        if (errno != EEXIST) return fail(&route, strerror(errno), why, why_size);
        if (!leads_to(routes->nl, &route))
            return fail(&route, "there is such a route already, and it leads elsewhere", why,
                        why_size);
    }
    return 0;
}

int sw_routes_install(struct sw_routes *routes, const struct sw_routes_plan *plan, char *why,
                      size_t why_size)
{
    routes->plan = *plan;
    int error = add_server(routes, &plan->server, why, why_size);
    if (error < 0) return error;
    if (routes->complete) {
        forget_other_servers(routes);
        return 0;
    }
    if (plan->lan) error = add_lan(routes, why, why_size);
    if (error == 0) error = add_tunnel(routes, why, why_size);
    routes->complete = error == 0;
    return error;
}

/* The route that we made may have gone with its link, which the two halves did not. */
static bool leads_in(struct sw_routes *routes, const struct sw_address *server)
{
    struct sw_route now;
    return sw_netlink_route_lookup(routes->nl, server, routes->plan.mark, &now) == 0 &&
           now.index == routes->plan.tun_index;
}

bool sw_routes_reach(struct sw_routes *routes, const struct sw_address *server, char *why,
                     size_t why_size)
{
    char text[SW_ADDRESS_TEXT];
    if (!routes->complete) return true;
    if (add_server(routes, server, why, why_size) < 0) return false;
    if (!leads_in(routes, server)) return true;
    snprintf(why, why_size, "no route leads to %s outside the tunnel",
             sw_address_host_text(server, text));
    return false;
}

/* --- repair and removal ------------------------------------------------------------------------*/

static void follow(struct sw_routes *routes, struct sw_routes_entry *entry,
                   const struct sw_route *way)
{
    char text[SW_ADDRESS_TEXT], device[IF_NAMESIZE] = "";
    struct sw_route moved = entry->route;
    moved.gateway = way->gateway;
    moved.index = way->index;
    if (sw_route_equal(&moved, &entry->route)) return;
    take_out(routes, entry);
    entry->route = moved;
    entry->ours = false;
    sw_log_info("route %s/%u leads over %s now", sw_address_host_text(&moved.destination, text),
                moved.prefix, if_indextoname(moved.index, device) != NULL ? device : "?");
    put(routes, entry);
}

/* Without a way out at the moment the route stays as it is: it may come back with its link. */
static void repair(struct sw_routes *routes, struct sw_routes_entry *entry,
                   const struct sw_route *lan)
{
    struct sw_route way;
    char text[SW_ADDRESS_TEXT];
    if (entry->kind == SW_ROUTE_SERVER) {
        enum way found = way_to(routes, &entry->route.destination, &way);
        if (found == WAY_GIVEN) return;
        if (found == WAY_FOUND) follow(routes, entry, &way);
    } else if (entry->kind == SW_ROUTE_LAN && lan != NULL) {
        follow(routes, entry, lan);
    }
    if (sw_netlink_route_add(routes->nl, &entry->route) == 0) {
        if (!entry->ours) note(routes, "route", &entry->route);
        entry->ours = true;
    } else if (errno != EEXIST && !is_away(errno)) {
        sw_log_warn("route %s/%u is gone: %s",
                    sw_address_host_text(&entry->route.destination, text), entry->route.prefix,
                    strerror(errno));
    }
}

void sw_routes_repair(struct sw_routes *routes)
{
    struct sw_route lan;
    if (!routes->complete) return;
    bool known = routes->plan.lan && way_to_lan(routes, &lan);
    for (size_t i = 0; i < routes->n; i++)
        repair(routes, &routes->entries[i], known ? &lan : NULL);
}

void sw_routes_remove(struct sw_routes *routes)
{
    while (routes->n > 0)
        take_out(routes, &routes->entries[--routes->n]);
    routes->complete = false;
}
