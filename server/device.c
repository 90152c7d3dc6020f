/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The server's TUN device.
 *
 * A device that an administrator or a set-up script made before is brought up and else left as it
 * is: its MTU, addresses and routes are theirs. A device that we make gets what it needs to work:
 * the MTU, the address tun_ip, and the route of the address pool.
 */

#define SW_LOG_TARGET "tun"

#include <arpa/inet.h>
#include <errno.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"
#include "server/server_internal.h"

static int add_pool_route(struct sw_netlink *nl, const struct sw_tun *tun,
                          const struct sw_ipv4_net *pool)
{
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = sw_address_from_in(pool->address, 0);
    route.prefix = pool->prefix;
    route.index = tun->index;
    return sw_netlink_route_add(nl, &route);
}

/* What could not be done, or NULL; errno says why. */
static const char *set_up(struct sw_netlink *nl, struct sw_tun *tun,
                          const struct sw_server_config *config)
{
    if (!tun->existed) {
        uint32_t ip = ntohl(config->tun_ip.s_addr);
        if (sw_netlink_link_mtu(nl, tun->index, SW_TUN_MTU) < 0) return "MTU";
        if (ip != 0 && sw_netlink_address_add(nl, tun->index, ip, 32, 0) < 0) return "address";
    }
    if (sw_netlink_link_up(nl, tun->index) < 0) return "bringing it up";
    if (!tun->existed && add_pool_route(nl, tun, &config->ip_pool) < 0)
        return errno == EEXIST ? "route of ip_pool (there is one already)" : "route of ip_pool";
    if (sw_tun_refresh(tun, nl) < 0) return "reading its MTU";
    return NULL;
}

int sw_server_open_tun(const struct sw_server_config *config, bool multi_queue,
                       struct sw_offloads *offloads, struct sw_tun *tun, char *why, size_t why_size)
{
    struct sw_tun_config tun_config = sw_offload_tun_config(offloads, config->tun_name);
    tun_config.multi_queue = multi_queue;
    int error = sw_tun_open(tun, &tun_config, &sw_sys_kernel, why, why_size);
    if (error < 0) return error;

    struct sw_netlink *nl = sw_netlink_open();
    const char *what = nl != NULL ? set_up(nl, tun, config) : "netlink";
    if (what != NULL) {
        snprintf(why, why_size, "TUN device %s: %s: %s", tun->name, what, strerror(errno));
        sw_tun_close(tun);
        error = SW_EINVAL;
    } else if (tun->mtu > SW_TUN_MTU_MOST) {
        sw_log_warn("the MTU of %s is %u: packets above %d bytes travel in fragments; %d is the "
                    "right value",
                    tun->name, tun->mtu, SW_TUN_MTU_MOST, SW_TUN_MTU);
    }
    sw_netlink_close(nl);
    if (error < 0) return error;
    if (multi_queue && !tun->multi_queue)
        sw_log_warn("%s has a single queue: one worker reads it and passes packets on to the "
                    "others; a device with a queue for each is made by: ip tuntap add dev %s mode "
                    "tun multi_queue",
                    tun->name, tun->name);
    sw_offload_tun_opened(offloads, tun);
    sw_offload_probe_tun(offloads, tun);
    return 0;
}
