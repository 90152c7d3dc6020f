/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_NETLINK_H
#define SW_HOST_NETLINK_H

/*
 * Set-up of devices, addresses and routes through route netlink. Every call is one request and its
 * answer, made at start, at the end, or when a connection comes Online; never on the data path.
 *
 * The calls return 0, or -1 with errno set to what the kernel answered.
 */

#include <slipway/types.h>

struct sw_netlink;

/** NULL with errno set. */
struct sw_netlink *sw_netlink_open(void);
void sw_netlink_close(struct sw_netlink *nl);

struct sw_link_info {
    unsigned index;
    char name[16];
    unsigned mtu;
    bool up;
    uint32_t gso_max_size, gso_max_segs; /**< 0: this kernel does not say */
};

int sw_netlink_link(struct sw_netlink *nl, unsigned index, struct sw_link_info *out);
int sw_netlink_link_up(struct sw_netlink *nl, unsigned index);
int sw_netlink_link_mtu(struct sw_netlink *nl, unsigned index, unsigned mtu);
/** Sets the length of the transmit queue, in packets. */
int sw_netlink_link_queue(struct sw_netlink *nl, unsigned index, unsigned packets);

/** Gives a device an IPv4 address, host byte order; peer 0: none. An address it has is fine. */
int sw_netlink_address_add(struct sw_netlink *nl, unsigned index, uint32_t ip, unsigned prefix,
                           uint32_t peer);

/** Takes it away again. EADDRNOTAVAIL if it is not there. */
int sw_netlink_address_delete(struct sw_netlink *nl, unsigned index, uint32_t ip, unsigned prefix);

/** A unicast route in the main table. */
struct sw_route {
    struct sw_address destination; /**< port unused; family decides the route's family */
    uint8_t prefix;
    struct sw_address gateway; /**< family 0: the destination is on the link */
    unsigned index;            /**< device */
    uint32_t table; /**< where a lookup or a walk found it; other calls: main, whatever it says */
};

/** Adds with protocol static. EEXIST if there is one to the same destination with equal metric. */
int sw_netlink_route_add(struct sw_netlink *nl, const struct sw_route *route);

/** Removes exactly this route. ESRCH if it is not there. */
int sw_netlink_route_delete(struct sw_netlink *nl, const struct sw_route *route);

/**
 * Which way the kernel would send a packet now, with all its rules; mark 0: none. *out gets
 * destination (full prefix), gateway and device.
 */
int sw_netlink_route_lookup(struct sw_netlink *nl, const struct sw_address *destination,
                            uint32_t mark, struct sw_route *out);

/**
 * The most specific route of the main table that leads to destination and has at most max_prefix
 * bits, the one of lowest metric among equals, without those for which skip is true. Unlike a
 * lookup this also finds what a more specific route hides. ENETUNREACH if there is none.
 */
int sw_netlink_route_best(struct sw_netlink *nl, const struct sw_address *destination,
                          unsigned max_prefix, bool (*skip)(void *, const struct sw_route *),
                          void *user, struct sw_route *out);

/** Whether both lead to the same destination the same way. */
bool sw_route_equal(const struct sw_route *a, const struct sw_route *b);

#endif
