/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Route netlink by libmnl. One socket, one request in flight: every request asks for an
 * acknowledgement and the answer is read until it comes, so that an error belongs to its call.
 */

#include "host/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"

#define BUFFER 16384 /* a link with all its attributes is about 2 KiB */

struct sw_netlink {
    struct mnl_socket *socket;
    uint32_t port, seq;
    struct nlmsghdr *request;
    _Alignas(struct nlmsghdr) char buffer[BUFFER];
};

struct sw_netlink *sw_netlink_open(void)
{
    struct sw_netlink *nl = calloc(1, sizeof *nl);
    if (nl == NULL) return NULL;
    nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (nl->socket == NULL || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int error = errno;
        sw_netlink_close(nl);
        errno = error;
        return NULL;
    }
    nl->port = mnl_socket_get_portid(nl->socket);
    return nl;
}

void sw_netlink_close(struct sw_netlink *nl)
{
    if (nl == NULL) return;
    if (nl->socket != NULL) mnl_socket_close(nl->socket);
    free(nl);
}

/* Starts a request in the buffer; the returned space of len bytes is zero. */
static void *begin(struct sw_netlink *nl, uint16_t type, uint16_t flags, size_t len)
{
    nl->request = mnl_nlmsg_put_header(nl->buffer);
    nl->request->nlmsg_type = type;
    nl->request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    nl->request->nlmsg_seq = ++nl->seq;
    return mnl_nlmsg_put_extra_header(nl->request, len);
}

/* Sends the request and reads until it is acknowledged; answer is called for every message. */
static int finish(struct sw_netlink *nl, mnl_cb_t answer, void *user)
{
    if (mnl_socket_sendto(nl->socket, nl->request, nl->request->nlmsg_len) < 0) return -1;
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof nl->buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        int more = mnl_cb_run(nl->buffer, (size_t)n, nl->seq, nl->port, answer, user);
        if (more < 0) return -1;
        if (more == MNL_CB_STOP) return 0;
    }
}

/* --- links -------------------------------------------------------------------------------------*/

static uint32_t attribute_u32(const struct nlattr *attribute)
{
    return mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(attribute);
}

static int read_link(const struct nlmsghdr *message, void *user)
{
    struct sw_link_info *out = user;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    out->index = (unsigned)info->ifi_index;
    out->up = (info->ifi_flags & IFF_UP) != 0;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        switch (mnl_attr_get_type(attribute)) {
        case IFLA_IFNAME:
            if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
                snprintf(out->name, sizeof out->name, "%s", mnl_attr_get_str(attribute));
            break;
        case IFLA_MTU:
            out->mtu = attribute_u32(attribute);
            break;
        case IFLA_GSO_MAX_SIZE:
            out->gso_max_size = attribute_u32(attribute);
            break;
        case IFLA_GSO_MAX_SEGS:
            out->gso_max_segs = attribute_u32(attribute);
            break;
        default:
            break;
        }
    }
    return MNL_CB_OK;
}

int sw_netlink_link(struct sw_netlink *nl, unsigned index, struct sw_link_info *out)
{
    struct ifinfomsg *info = begin(nl, RTM_GETLINK, 0, sizeof *info);
    info->ifi_index = (int)index;
    memset(out, 0, sizeof *out);
    return finish(nl, read_link, out);
}

int sw_netlink_link_up(struct sw_netlink *nl, unsigned index)
{
    struct ifinfomsg *info = begin(nl, RTM_NEWLINK, 0, sizeof *info);
    info->ifi_index = (int)index;
    info->ifi_flags = IFF_UP;
    info->ifi_change = IFF_UP;
    return finish(nl, NULL, NULL);
}

int sw_netlink_link_mtu(struct sw_netlink *nl, unsigned index, unsigned mtu)
{
    struct ifinfomsg *info = begin(nl, RTM_NEWLINK, 0, sizeof *info);
    info->ifi_index = (int)index;
    mnl_attr_put_u32(nl->request, IFLA_MTU, mtu);
    return finish(nl, NULL, NULL);
}

int sw_netlink_link_queue(struct sw_netlink *nl, unsigned index, unsigned packets)
{
    struct ifinfomsg *info = begin(nl, RTM_NEWLINK, 0, sizeof *info);
    info->ifi_index = (int)index;
    mnl_attr_put_u32(nl->request, IFLA_TXQLEN, packets);
    return finish(nl, NULL, NULL);
}

/* --- addresses ---------------------------------------------------------------------------------*/

int sw_netlink_address_add(struct sw_netlink *nl, unsigned index, uint32_t ip, unsigned prefix,
                           uint32_t peer)
{
    struct ifaddrmsg *info = begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof *info);
    info->ifa_family = AF_INET;
    info->ifa_prefixlen = (uint8_t)prefix;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = index;
    mnl_attr_put_u32(nl->request, IFA_LOCAL, htonl(ip));
    mnl_attr_put_u32(nl->request, IFA_ADDRESS, htonl(peer != 0 ? peer : ip));
    return finish(nl, NULL, NULL);
}

int sw_netlink_address_delete(struct sw_netlink *nl, unsigned index, uint32_t ip, unsigned prefix)
{
    struct ifaddrmsg *info = begin(nl, RTM_DELADDR, 0, sizeof *info);
    info->ifa_family = AF_INET;
    info->ifa_prefixlen = (uint8_t)prefix;
    info->ifa_index = index;
    mnl_attr_put_u32(nl->request, IFA_LOCAL, htonl(ip));
    return finish(nl, NULL, NULL);
}

/* --- routes ------------------------------------------------------------------------------------*/

static size_t ip_len(const struct sw_address *address)
{
    return address->family == 4 ? 4 : 16;
}

/* A gateway of the other family goes with its family before it. */
static void put_gateway(struct sw_netlink *nl, const struct sw_route *route)
{
    const struct sw_address *gateway = &route->gateway;
    uint8_t via[2 + 16];
    uint16_t family = (uint16_t)sw_address_family(gateway);
    if (gateway->family == 0) return;
    if (gateway->family == route->destination.family) {
        mnl_attr_put(nl->request, RTA_GATEWAY, ip_len(gateway), gateway->ip);
        return;
    }
    memcpy(via, &family, 2);
    memcpy(via + 2, gateway->ip, ip_len(gateway));
    mnl_attr_put(nl->request, RTA_VIA, 2 + ip_len(gateway), via);
}

static void put_route(struct sw_netlink *nl, struct rtmsg *info, const struct sw_route *route)
{
    info->rtm_family = (uint8_t)sw_address_family(&route->destination);
    info->rtm_dst_len = route->prefix;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = RTPROT_STATIC;
    info->rtm_type = RTN_UNICAST;
    info->rtm_scope = route->gateway.family == 0 && route->destination.family == 4
                          ? RT_SCOPE_LINK
                          : RT_SCOPE_UNIVERSE;
    mnl_attr_put(nl->request, RTA_DST, ip_len(&route->destination), route->destination.ip);
    put_gateway(nl, route);
    mnl_attr_put_u32(nl->request, RTA_OIF, route->index);
}

int sw_netlink_route_add(struct sw_netlink *nl, const struct sw_route *route)
{
    struct rtmsg *info = begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *info);
    put_route(nl, info, route);
    return finish(nl, NULL, NULL);
}

int sw_netlink_route_delete(struct sw_netlink *nl, const struct sw_route *route)
{
    struct rtmsg *info = begin(nl, RTM_DELROUTE, 0, sizeof *info);
    put_route(nl, info, route);
    return finish(nl, NULL, NULL);
}

static void read_ip(const struct nlattr *attribute, uint8_t family, struct sw_address *out)
{
    memset(out, 0, sizeof *out);
    if (mnl_attr_get_payload_len(attribute) != (family == AF_INET ? 4 : 16)) return;
    out->family = family == AF_INET ? 4 : 6;
    memcpy(out->ip, mnl_attr_get_payload(attribute), ip_len(out));
}

static void read_via(const struct nlattr *attribute, struct sw_address *out)
{
    uint16_t family;
    size_t len = mnl_attr_get_payload_len(attribute);
    const uint8_t *bytes = mnl_attr_get_payload(attribute);
    memset(out, 0, sizeof *out);
    if (len < 2) return;
    memcpy(&family, bytes, 2);
    if (len != (family == AF_INET ? 6 : 18)) return;
    out->family = family == AF_INET ? 4 : 6;
    memcpy(out->ip, bytes + 2, len - 2);
}

/* The next hop as attributes tell it: those of a route, or of one path of several. */
static void read_hop(const struct nlattr *attribute, uint8_t family, struct sw_route *out)
{
    switch (mnl_attr_get_type(attribute)) {
    case RTA_GATEWAY:
        read_ip(attribute, family, &out->gateway);
        break;
    case RTA_VIA:
        read_via(attribute, &out->gateway);
        break;
    case RTA_OIF:
        out->index = attribute_u32(attribute);
        break;
    default:
        break;
    }
}

/* Of several paths the first one: any of them leads there. */
static void read_paths(const struct nlattr *paths, uint8_t family, struct sw_route *out)
{
    const struct rtnexthop *hop = mnl_attr_get_payload(paths);
    size_t len = mnl_attr_get_payload_len(paths);
    if (len < sizeof *hop || hop->rtnh_len < sizeof *hop || hop->rtnh_len > len) return;
    const char *end = (const char *)hop + hop->rtnh_len;
    const struct nlattr *attribute = (const struct nlattr *)RTNH_DATA(hop);
    out->index = (unsigned)hop->rtnh_ifindex;
    for (; mnl_attr_ok(attribute, (int)(end - (const char *)attribute));
         attribute = mnl_attr_next(attribute))
        read_hop(attribute, family, out);
}

/* Everything of a message but the destination, which a lookup knows and a walk reads. */
static void read_way(const struct nlmsghdr *message, struct sw_route *out, uint32_t *metric)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    out->table = info->rtm_table;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        switch (mnl_attr_get_type(attribute)) {
        case RTA_TABLE:
            out->table = attribute_u32(attribute);
            break;
        case RTA_PRIORITY:
            *metric = attribute_u32(attribute);
            break;
        case RTA_MULTIPATH:
            read_paths(attribute, info->rtm_family, out);
            break;
        default:
            read_hop(attribute, info->rtm_family, out);
            break;
        }
    }
}

static int read_lookup(const struct nlmsghdr *message, void *user)
{
    uint32_t metric;
    if (message->nlmsg_type == RTM_NEWROUTE) read_way(message, user, &metric);
    return MNL_CB_OK;
}

int sw_netlink_route_lookup(struct sw_netlink *nl, const struct sw_address *destination,
                            uint32_t mark, struct sw_route *out)
{
    struct rtmsg *info = begin(nl, RTM_GETROUTE, 0, sizeof *info);
    info->rtm_family = (uint8_t)sw_address_family(destination);
    info->rtm_dst_len = (uint8_t)(8 * ip_len(destination));
    info->rtm_flags = RTM_F_LOOKUP_TABLE;
    mnl_attr_put(nl->request, RTA_DST, ip_len(destination), destination->ip);
    if (mark != 0) mnl_attr_put_u32(nl->request, RTA_MARK, mark);
    if (destination->scope != 0) mnl_attr_put_u32(nl->request, RTA_OIF, destination->scope);

    memset(out, 0, sizeof *out);
    out->destination = *destination;
    out->destination.port = 0;
    out->prefix = (uint8_t)(8 * ip_len(destination));
    if (finish(nl, read_lookup, out) < 0) return -1;
    if (out->index == 0) {
        errno = ENETUNREACH;
        return -1;
    }
    return 0;
}

bool sw_route_equal(const struct sw_route *a, const struct sw_route *b)
{
    return a->prefix == b->prefix && a->index == b->index &&
           a->destination.family == b->destination.family &&
           a->gateway.family == b->gateway.family &&
           memcmp(a->destination.ip, b->destination.ip, sizeof a->destination.ip) == 0 &&
           memcmp(a->gateway.ip, b->gateway.ip, sizeof a->gateway.ip) == 0;
}

/* --- a walk through the main table -------------------------------------------------------------*/

struct walk {
    const struct sw_address *destination;
    unsigned max_prefix;
    bool (*skip)(void *, const struct sw_route *);
    void *user;
    struct sw_route *best; /* index 0: none yet */
    uint32_t metric;       /* of the best */
};

static bool contains(const struct sw_route *route, const struct sw_address *address)
{
    unsigned whole = route->prefix / 8u, rest = route->prefix % 8u;
    if (route->prefix > 8 * ip_len(address)) return false;
    if (memcmp(route->destination.ip, address->ip, whole) != 0) return false;
    return rest == 0 || ((route->destination.ip[whole] ^ address->ip[whole]) >> (8u - rest)) == 0;
}

static int read_walk(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    struct sw_route route;
    uint32_t metric = 0;
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_type != RTN_UNICAST ||
        info->rtm_family != sw_address_family(walk->destination) ||
        (info->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0)
        return MNL_CB_OK;
    memset(&route, 0, sizeof route);
    route.destination.family = walk->destination->family;
    route.prefix = info->rtm_dst_len;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        if (mnl_attr_get_type(attribute) == RTA_DST)
            read_ip(attribute, info->rtm_family, &route.destination);
    }
    read_way(message, &route, &metric);
    if (route.table != RT_TABLE_MAIN || route.index == 0 || route.prefix > walk->max_prefix ||
        !contains(&route, walk->destination) || walk->skip(walk->user, &route))
        return MNL_CB_OK;
    struct sw_route *best = walk->best;
    if (best->index != 0 &&
        (route.prefix < best->prefix || (route.prefix == best->prefix && metric >= walk->metric)))
        return MNL_CB_OK;
    *best = route;
    walk->metric = metric;
    return MNL_CB_OK;
}

int sw_netlink_route_best(struct sw_netlink *nl, const struct sw_address *destination,
                          unsigned max_prefix, bool (*skip)(void *, const struct sw_route *),
                          void *user, struct sw_route *out)
{
    struct walk walk = {destination, max_prefix, skip, user, out, 0};
    struct rtmsg *info = begin(nl, RTM_GETROUTE, NLM_F_DUMP, sizeof *info);
    info->rtm_family = (uint8_t)sw_address_family(destination);
    memset(out, 0, sizeof *out);
    if (finish(nl, read_walk, &walk) < 0) return -1;
    if (out->index == 0) {
        errno = ENETUNREACH;
        return -1;
    }
    return 0;
}
