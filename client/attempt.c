/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Finding a server: the entries of the list one after the other, each resolved, each of its
 * addresses tried, until one comes Online. Every attempt has its own socket, TLS context and
 * engine. A failed one is taken down from a timer, never from inside the engine's event that
 * reported it.
 *
 * Once Online there is no second attempt: when that connection ends, so does the client.
 */

#define SW_LOG_TARGET "client"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"
#include "host/random.h"

#define CONNECT_TIMEOUT_MS 10000

#define METHOD_USER_PASSWORD   1
#define METHOD_VERSIONED_TOKEN 3

const struct sw_client_server *sw_client_server(const struct sw_client *client)
{
    return &client->config->servers.entries[client->entry];
}

/* --- one attempt -------------------------------------------------------------------------------*/

static void take_down(struct sw_client *client)
{
    if (client->dial != NULL) sw_dial_cancel(client->dial);
    client->dial = NULL;
    sw_worker_stop_engine(client->worker);
    sw_worker_detach_udp(client->worker);
    sw_tls_context_free(client->tls);
    client->tls = NULL;
    client->conn = NULL;
}

static void on_next(uv_timer_t *timer);

static void give_up_attempt(struct sw_client *client)
{
    if (!client->ending) uv_timer_start(&client->next, on_next, 0, 0);
}

static struct sw_credentials credentials(const struct sw_client_server *server)
{
    if (server->token != NULL)
        return (struct sw_credentials){
            .method = METHOD_VERSIONED_TOKEN,
            .token = server->token,
            .token_len = strlen(server->token),
        };
    return (struct sw_credentials){
        .method = METHOD_USER_PASSWORD,
        .user = server->user,
        .user_len = strlen(server->user),
        .password = server->password,
        .password_len = strlen(server->password),
    };
}

static int open_tls(struct sw_client *client)
{
    const struct sw_client_server *server = sw_client_server(client);
    const struct sw_tls_config tls = {
        .role = SW_CLIENT,
        .transport = server->mode,
        .ca = {server->ca_cert.pem, strlen(server->ca_cert.pem)},
        .cipher = server->cipher == SW_CLIENT_AES256 ? SW_CIPHER_AES256 : SW_CIPHER_CHACHA20,
        .keyshare = client->config->keyshare == SW_CLIENT_P521MLKEM1024
                        ? SW_KEYSHARE_P521MLKEM1024
                        : SW_KEYSHARE_X25519MLKEM768,
        .server_name = server->server_dn,
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    const char *detail = NULL;
    int error = 0;
    client->tls = sw_tls_context_new(&tls, &error, &detail);
    if (client->tls != NULL) return 0;
    snprintf(client->why, sizeof client->why, "%s: %s%s%s%s",
             error == SW_ENAME ? "server_dn" : "ca_cert", sw_strerror(error),
             detail != NULL ? " (" : "", detail != NULL ? detail : "", detail != NULL ? ")" : "");
    return error;
}

static int open_engine(struct sw_client *client)
{
    const struct sw_client_config *config = client->config;
    const struct sw_client_server *server = sw_client_server(client);
    bool datagram = server->mode == SW_DATAGRAM;
    const struct sw_engine_config engine = {
        .role = SW_CLIENT,
        .datagram = datagram ? client->tls : NULL,
        .stream = datagram ? NULL : client->tls,
        .inside_mtu = SW_TUN_MTU,
        .outside_mtu = (uint16_t)config->outside_mtu,
        .credentials = credentials(server),
        .tun_ip = ntohl(config->tun_local_ip.s_addr),
        .tun_dns_ip = ntohl(config->tun_dns_ip.s_addr),
        .keepalive_interval = config->keepalive_interval,
        .keepalive_timeout = config->keepalive_timeout,
        .keepalive_on_demand = !config->keepalive_continuous,
        .tracer_timeout = config->tracer_packet_timeout,
        .expresslane = config->enable_expresslane && datagram,
        .expresslane_rotation = config->expresslane_keys_rotation_interval,
    };
    int error = sw_worker_start_engine(client->worker, &engine);
    if (error < 0)
        snprintf(client->why, sizeof client->why, "protocol engine: %s", sw_strerror(error));
    return error;
}

static int open_udp(struct sw_client *client, const struct sw_address *address)
{
    const struct sw_client_config *config = client->config;
    const struct sw_udp_config udp_config = {
        .remote = *address,
        .send_buffer = config->sndbuf,
        .receive_buffer = config->rcvbuf,
        .mark = config->fwmark,
        .gro = sw_offload_is_on(&client->offloads, SW_OFFLOAD_UDP_GRO),
        .slots = client->offloads.allowed || config->enable_batch_receive ? SW_UDP_SLOTS : 1,
    };
    struct sw_udp udp;
    int error = sw_udp_open(&udp, &udp_config, &sw_sys_kernel, client->why, sizeof client->why);
    if (error < 0) return error;
    error = sw_worker_attach_udp(client->worker, &udp);
    if (error < 0) sw_udp_close(&udp);
    return error;
}

/* Socket and engine are there: say hello. */
static int say_hello(struct sw_client *client, int stream_fd)
{
    const struct sw_path path = {.remote = client->addresses[client->address]};
    enum sw_transport transport = sw_client_server(client)->mode;
    int error;
    struct sw_conn *conn =
        sw_connect(sw_worker_engine(client->worker), transport, &path, sw_worker_now(), &error);
    if (conn == NULL) {
        snprintf(client->why, sizeof client->why, "connecting: %s", sw_strerror(error));
        return error;
    }
    client->conn = conn;
    if (stream_fd >= 0) sw_worker_attach_stream(client->worker, stream_fd, conn);
    sw_worker_flush(client->worker);
    return 0;
}

static void on_dialled(void *user, int fd, int error)
{
    struct sw_client *client = user;
    client->dial = NULL;
    if (fd < 0) {
        char text[SW_ADDRESS_TEXT];
        snprintf(client->why, sizeof client->why, "TCP connection to %s: %s",
                 sw_address_text(&client->addresses[client->address], text), strerror(error));
        give_up_attempt(client);
        return;
    }
    if (open_engine(client) < 0) {
        close(fd);
        give_up_attempt(client);
    } else if (say_hello(client, fd) < 0) {
        if (client->conn == NULL) close(fd);
        give_up_attempt(client);
    }
}

static void try_address(struct sw_client *client)
{
    char text[SW_ADDRESS_TEXT];
    const struct sw_address *address = &client->addresses[client->address];
    bool datagram = sw_client_server(client)->mode == SW_DATAGRAM;
    client->heard = false;
    sw_log_info("Connecting to %s over %s", sw_address_text(address, text),
                datagram ? "udp" : "tcp");
    if (open_tls(client) < 0) goto fail;
    if (datagram) {
        if (open_udp(client, address) < 0 || open_engine(client) < 0 || say_hello(client, -1) < 0)
            goto fail;
        return;
    }
    client->dial = sw_dial_start(sw_worker_loop(client->worker), address, client->config->fwmark,
                                 CONNECT_TIMEOUT_MS, on_dialled, client);
    if (client->dial != NULL) return;
    snprintf(client->why, sizeof client->why, "TCP connection to %s: %s",
             sw_address_text(address, text), strerror(errno));
fail:
    give_up_attempt(client);
}

/* --- addresses ---------------------------------------------------------------------------------*/

static void take_addresses(struct sw_client *client, const struct addrinfo *found)
{
    size_t n = 0;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        n++;
    free(client->addresses);
    client->addresses = calloc(n > 0 ? n : 1, sizeof *client->addresses);
    client->n_addresses = client->address = 0;
    if (client->addresses == NULL) return;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        if (sw_address_from_sockaddr(&client->addresses[client->n_addresses], a->ai_addr) == 0)
            client->n_addresses++;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct sw_client *client = request->data;
    client->resolving_now = false;
    if (status == 0) take_addresses(client, found);
    uv_freeaddrinfo(found);
    if (client->ending) return;
    if (status == 0 && client->n_addresses > 0) {
        try_address(client);
        return;
    }
    snprintf(client->why, sizeof client->why, "server %s: %s",
             sw_client_server(client)->server.host,
             status < 0 ? uv_strerror(status) : "it has no address");
    give_up_attempt(client);
}

static void resolve(struct sw_client *client)
{
    const struct sw_host_port *server = &sw_client_server(client)->server;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    char port[8];
    snprintf(port, sizeof port, "%u", server->port);
    client->n_addresses = client->address = 0;
    client->resolving.data = client;
    int error = uv_getaddrinfo(sw_worker_loop(client->worker), &client->resolving, on_resolved,
                               server->host, port, &hints);
    client->resolving_now = error == 0;
    if (error == 0) return;
    snprintf(client->why, sizeof client->why, "server %s: %s", server->host, uv_strerror(error));
    give_up_attempt(client);
}

/* The attempt failed: the next address, the next entry, or the end. */
static void on_next(uv_timer_t *timer)
{
    struct sw_client *client = timer->data;
    take_down(client);
    if (client->ending) return;
    if (client->was_online) {
        sw_client_end(client, 1, "%s", client->why);
        return;
    }
    if (client->address + 1 < client->n_addresses) {
        sw_log_warn("%s", client->why);
        client->address++;
        try_address(client);
        return;
    }
    if (client->entry + 1 < client->config->servers.n) {
        sw_log_warn("%s", client->why);
        client->entry++;
        resolve(client);
        return;
    }
    sw_client_end(client, 1, "%s", client->why);
}

void sw_client_connect(struct sw_client *client)
{
    resolve(client);
}

void sw_client_disconnect(struct sw_client *client)
{
    if (client->resolving_now) uv_cancel((uv_req_t *)&client->resolving);
    take_down(client);
}

/* --- events ------------------------------------------------------------------------------------*/

static void explain(struct sw_client *client, const struct sw_event *event)
{
    const char *name = sw_client_server(client)->server_dn;
    const char *detail = event->detail != NULL ? event->detail : "";
    char *why = client->why;
    size_t size = sizeof client->why;
    switch (event->error) {
    case SW_EUNAUTHORISED:
        snprintf(why, size, "the server refused the login: wrong user, password or token");
        break;
    case SW_ECERT:
        snprintf(why, size, "the server's certificate was not accepted%s%s%s",
                 *detail != '\0' ? " (" : "", detail, *detail != '\0' ? ")" : "");
        break;
    case SW_ENAME:
        snprintf(why, size, "the server's certificate does not carry the name %s",
                 name != NULL ? name : "");
        break;
    case SW_EGOODBYE:
        snprintf(why, size, "the server said goodbye");
        break;
    case SW_EPEERCLOSED:
        snprintf(why, size, "the server closed the connection");
        break;
    case SW_ETIMEOUT:
        snprintf(why, size, "%s",
                 client->was_online ? "the server does not answer any more (keepalive timeout)"
                 : client->heard    ? "the server did not finish the connection in time"
                                    : "the server does not answer");
        break;
    default:
        snprintf(why, size, "the connection ended: %s%s%s%s", sw_strerror(event->error),
                 *detail != '\0' ? " (" : "", detail, *detail != '\0' ? ")" : "");
        break;
    }
}

static int install_routes(struct sw_client *client)
{
    const struct sw_client_config *config = client->config;
    const struct sw_routes_plan plan = {
        .server = client->addresses[client->address],
        .mark = config->fwmark,
        .tun_index = sw_worker_tun(client->worker)->index,
        .tun_peer = ntohl(config->tun_peer_ip.s_addr),
        .tun_dns = ntohl(config->tun_dns_ip.s_addr),
    };
    if (config->route_mode == SW_CLIENT_ROUTES_NOEXEC) return 0;
    return sw_routes_install(&client->routes, client->nl, &plan, client->why, sizeof client->why);
}

static void on_online(struct sw_client *client, struct sw_conn *conn)
{
    char session[SW_SESSION_TEXT];
    const struct sw_ip_config *ip = sw_conn_ip_config(conn);
    client->was_online = true;
    if (install_routes(client) < 0) {
        sw_client_end(client, 1, "%s", client->why);
        return;
    }
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"cipher", .text = sw_conn_cipher(conn)},
                               {"group", .text = sw_conn_group(conn)},
                               {"server_mtu", .number = ip->mtu}),
                 "Online");
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_client *client = user;
    switch (event->type) {
    case SW_EVENT_STATE:
        sw_log_debug("state %s", sw_state_name(sw_conn_state(conn)));
        if (sw_conn_state(conn) == SW_STATE_ONLINE) on_online(client, conn);
        break;
    case SW_EVENT_FIRST_PACKET:
        client->heard = true;
        break;
    case SW_EVENT_REJECTED:
        sw_log_rate(SW_LOG_INFO, "the server may have forgotten this session: asking it");
        break;
    case SW_EVENT_CLOSED:
        if (client->conn != conn) break; /* sw_connect() itself reports this one */
        client->conn = NULL;
        explain(client, event);
        give_up_attempt(client);
        break;
    default:
        break;
    }
}

static struct sw_conn *find(void *user, uint32_t destination)
{
    struct sw_client *client = user;
    bool online = client->conn != NULL && sw_conn_state(client->conn) == SW_STATE_ONLINE;
    return online ? client->conn : NULL;
}

static void tun_lost(void *user)
{
    struct sw_client *client = user;
    sw_client_end(client, 1, "the TUN device %s is gone", sw_worker_tun(client->worker)->name);
}

const struct sw_worker_ops sw_client_ops = {
    .event = on_event,
    .find = find,
    .tun_lost = tun_lost,
};
