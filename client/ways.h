/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_WAYS_H
#define SW_CLIENT_WAYS_H

/* Ways past the tunnel to servers that are tried while the routes into it are there. */

#include "host/netlink.h"

#define SW_WAYS_MAX 64

/** All zero: none. */
struct sw_ways {
    struct sw_route routes[SW_WAYS_MAX];
    size_t n;
};

/**
 * Packets to the address lead into the TUN device: gives it a host route along the way they would
 * take without the tunnel. False: they do not lead there, or there is no other way.
 */
bool sw_ways_open(struct sw_ways *ways, struct sw_netlink *nl, const struct sw_address *address,
                  uint32_t mark, unsigned tun_index);

/** Removes them, but for the one to an address that is in use; NULL: all. */
void sw_ways_close(struct sw_ways *ways, struct sw_netlink *nl, const struct sw_address *used);

#endif
