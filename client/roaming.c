/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The host moves to another network, or gets another address. A connected socket keeps the source
 * address of the moment in which it was connected: the kernel refuses to send from an address that
 * is gone, and answers to one that is not routed any more get lost. So whenever addresses or routes
 * change and the kernel would now send to the server from elsewhere, the socket is connected again,
 * and the server is asked at once whether it is there: it knows the session by its id and moves to
 * the new address (docs/protocol/session.md §9.4, §12).
 *
 * A link that went down has lost the route to the server, and both halves of the Internet lead into
 * the tunnel: the routes outside are put right before anything else, for TCP as well, which
 * keeps its address and its connection if the old address comes back. Nothing is moved as long as
 * the way to the server would lead into the tunnel itself.
 */

#define SW_LOG_TARGET "client"

#include <errno.h>
#include <string.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"

static bool leads_out(struct sw_client *client)
{
    struct sw_route route;
    unsigned tun = sw_worker_tun(client->worker)->index;
    const struct sw_address *server = &client->server;
    uint32_t mark = client->config->fwmark;

    return sw_netlink_route_lookup(client->nl, server, mark, &route) == 0 && route.index != tun;
}

static void on_network(void *user)
{
    struct sw_client *client = user;
    char text[SW_ADDRESS_TEXT];
    struct sw_address local;

    if (client->ending) return;
    sw_footprint_repair(&client->footprint);
    if (client->conn == NULL || sw_client_server(client)->mode != SW_DATAGRAM) return;
    const struct sw_address inside = sw_address_from_in(client->config->tun_local_ip, 0);
    if (!leads_out(client) || !sw_worker_follow_route(client->worker, &inside, &local)) return;
    sw_log_info("the network changed: sending from %s now", sw_address_text(&local, text));
    sw_conn_network_changed(client->conn, sw_worker_now());
    sw_worker_flush(client->worker);
}

struct sw_network_watch *sw_client_watch_network(struct sw_client *client)
{
    struct sw_network_watch *watch =
        sw_network_watch_open(sw_worker_loop(client->worker), on_network, client);
    if (watch == NULL) sw_log_warn("changes of the network go unnoticed: %s", strerror(errno));
    return watch;
}
