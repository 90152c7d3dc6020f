/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The client's TUN device: its MTU is 1350, or what outside_mtu has room for without path MTU
 * discovery, its address always tun_local_ip with tun_peer_ip behind it, whoever made it. The
 * addresses that the server tells are translated at the ends of the tunnel and never appear on the
 * device (docs/protocol/session.md §8, §20).
 */

#define SW_LOG_TARGET "tun"

#include <arpa/inet.h>
#include <errno.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

#include "client/client_internal.h"
#include "host/log.h"

/* Without path MTU discovery, what does not fit the outside does not enter the tunnel: that is
 * better than fragments, and the MSS that hosts derive from it holds the other direction to it as
 * well. With it, the way is looked at instead. */
static unsigned inside_mtu(const struct sw_client_config *config)
{
    unsigned room = config->outside_mtu - SW_TUN_OVERHEAD;

    if (room >= SW_TUN_MTU || config->enable_pmtud) return SW_TUN_MTU;
    sw_log_warn("outside_mtu %u leaves room for inside packets of %u bytes instead of %d",
                (unsigned)config->outside_mtu, room, SW_TUN_MTU);
    return room;
}

/* What could not be done, or NULL; errno says why. */
static const char *set_up(struct sw_netlink *nl, struct sw_tun *tun,
                          const struct sw_client_config *config)
{
    if (sw_netlink_link_mtu(nl, tun->index, inside_mtu(config)) < 0) return "MTU";
    if (sw_netlink_address_add(nl, tun->index, ntohl(config->tun_local_ip.s_addr), 32,
                               ntohl(config->tun_peer_ip.s_addr)) < 0)
        return "address";
    if (sw_netlink_link_up(nl, tun->index) < 0) return "bringing it up";
    if (sw_tun_refresh(tun, nl) < 0) return "reading its MTU";
    return NULL;
}

int sw_client_open_tun(const struct sw_client_config *config, struct sw_offloads *offloads,
                       struct sw_netlink *nl, struct sw_tun *tun, char *why, size_t why_size)
{
    const struct sw_tun_config tun_config = sw_offload_tun_config(offloads, config->tun_name);
    int error = sw_tun_open(tun, &tun_config, &sw_sys_kernel, why, why_size);
    if (error < 0) return error;
    const char *what = set_up(nl, tun, config);
    if (what == NULL) {
        sw_offload_tun_opened(offloads, tun);
        sw_offload_probe_tun(offloads, tun);
        return 0;
    }
    snprintf(why, why_size, "TUN device %s: %s: %s", tun->name, what, strerror(errno));
    sw_tun_close(tun);
    return SW_EINVAL;
}
