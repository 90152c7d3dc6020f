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
 *
 * A TCP connection cannot move. When its address is gone and does not come back in a moment, it is
 * over: the keepalive would need a minute to notice. A client that waits to connect again takes a
 * change for an occasion.
 */

#define SW_LOG_TARGET "client"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"

#define HOMELESS_MAX (2 * SW_SECOND)

static bool leads_out(struct sw_client *client)
{
    struct sw_route route;
    unsigned tun = sw_worker_tun(client->worker)->index;
    const struct sw_address *server = &client->server;
    uint32_t mark = client->config->fwmark;

    return sw_netlink_route_lookup(client->nl, server, mark, &route) == 0 && route.index != tun;
}

/* Only what is an address of this host can be bound to. */
static bool is_ours(const struct sw_address *address)
{
    struct sockaddr_storage local;
    struct sw_address any_port = *address;
    any_port.port = 0;
    socklen_t len = sw_address_to_sockaddr(&any_port, sw_address_family(address), &local);
    int fd = socket(sw_address_family(address), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true; /* nobody knows */
    bool bound = bind(fd, (struct sockaddr *)&local, len) == 0 || errno != EADDRNOTAVAIL;
    close(fd);
    return bound;
}

static void look_at_own_address(struct sw_client *client)
{
    char text[SW_ADDRESS_TEXT];
    bool at_home = client->local.family == 0 || is_ours(&client->local);
    if (at_home == (client->homeless_since == SW_NEVER)) return;
    client->homeless_since = at_home ? SW_NEVER : sw_worker_now();
    sw_log_info("%s, where the TCP connection is from, is %s",
                sw_address_host_text(&client->local, text), at_home ? "back" : "gone");
    sw_client_kick(client);
}

sw_time sw_client_homeless_deadline(const struct sw_client *client)
{
    return client->homeless_since == SW_NEVER ? SW_NEVER : client->homeless_since + HOMELESS_MAX;
}

void sw_client_look_homeless(struct sw_client *client, sw_time now)
{
    char text[SW_ADDRESS_TEXT];
    if (now < sw_client_homeless_deadline(client)) return;
    sw_client_lost(client, SW_EXIT_CONNECTION,
                   "the network changed: %s, where the TCP connection is from, is gone",
                   sw_address_host_text(&client->local, text));
}

static void on_network(void *user)
{
    struct sw_client *client = user;
    char text[SW_ADDRESS_TEXT];
    struct sw_address local;

    if (client->ending) return;
    sw_footprint_repair(&client->footprint);
    sw_client_try_soon(client);
    if (client->conn == NULL) return;
    if (sw_client_server(client)->mode == SW_STREAM) {
        look_at_own_address(client);
        return;
    }
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
