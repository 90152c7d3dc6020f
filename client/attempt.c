/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One try to connect to one address (client/attempt.h), with its own socket, TLS context and
 * engine.
 *
 * It ends by itself when the server cannot be reached, refuses, or is silent: however far it has
 * come, connect_timeout is all it gets. Over UDP, word that nobody listens (an ICMP error) ends it
 * after a moment in which nothing else came; anybody on the way could have made that up, so it does
 * not count once the server has been heard.
 *
 * One that is not needed any more parts: as long as its handshake over UDP is under way, neither
 * side has keys for a goodbye, and the server would keep its half until it gets stale. So it goes
 * on for a moment and is then ended properly.
 */

#define SW_LOG_TARGET "client"

#include "client/attempt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"
#include "host/random.h"

#define REFUSED_GRACE (250 * SW_MILLISECOND)
#define PARTING_TIME  (3 * SW_SECOND)

#define METHOD_USER_PASSWORD   1
#define METHOD_VERSIONED_TOKEN 3

static void fail(struct sw_attempt *attempt, enum sw_client_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct sw_attempt *attempt, enum sw_client_exit status, const char *format, ...)
{
    va_list arguments;
    if (attempt->over) return;
    va_start(arguments, format);
    vsnprintf(attempt->why, sizeof attempt->why, format, arguments);
    va_end(arguments);
    attempt->over = true;
    attempt->exit = status;
    sw_client_kick(attempt->client);
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

/* It must be reached past the tunnel and the packet filter. A packet that went into the tunnel
 * would be lost, and its socket would keep the tunnel's address when the way is there again. */
static int open_way(struct sw_attempt *attempt)
{
    struct sw_footprint *footprint = &attempt->client->footprint;
    char why[sizeof attempt->why];
    int error =
        sw_footprint_reach(footprint, &attempt->address, attempt->server->mode, why, sizeof why);
    if (error < 0) fail(attempt, SW_EXIT_UNREACHABLE, "%s", why);
    return error;
}

static int open_tls(struct sw_attempt *attempt)
{
    const struct sw_client_server *server = attempt->server;
    const struct sw_tls_config tls = {
        .role = SW_CLIENT,
        .transport = server->mode,
        .ca = {server->ca_cert.pem, strlen(server->ca_cert.pem)},
        .cipher = server->cipher == SW_CLIENT_AES256 ? SW_CIPHER_AES256 : SW_CIPHER_CHACHA20,
        .keyshare = attempt->client->config->keyshare == SW_CLIENT_P521MLKEM1024
                        ? SW_KEYSHARE_P521MLKEM1024
                        : SW_KEYSHARE_X25519MLKEM768,
        .server_name = server->server_dn,
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    const char *detail = NULL;
    int error = 0;
    attempt->tls = sw_tls_context_new(&tls, &error, &detail);
    if (attempt->tls != NULL) return 0;
    const char *what = error == SW_ECERT   ? "ca_cert: holds no usable certificate"
                       : error == SW_ENAME ? "server_dn: is no name to check a certificate against"
                                           : sw_strerror(error);
    fail(attempt, SW_EXIT_SETUP, "%s%s%s%s", what, detail != NULL ? " (" : "",
         detail != NULL ? detail : "", detail != NULL ? ")" : "");
    return error;
}

/* --- events ------------------------------------------------------------------------------------*/

void sw_client_explain(const struct sw_event *event, const struct sw_client_server *server,
                       bool was_online, bool heard, char *why, size_t size)
{
    const char *name = server->server_dn;
    const char *detail = event->detail != NULL ? event->detail : "";
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
                 was_online ? "the server does not answer any more (keepalive timeout)"
                 : heard    ? "the server did not finish the connection in time"
                            : "the server does not answer");
        break;
    default:
        snprintf(why, size, "the connection ended: %s%s%s%s", sw_strerror(event->error),
                 *detail != '\0' ? " (" : "", detail, *detail != '\0' ? ")" : "");
        break;
    }
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_attempt *attempt = user;
    char why[sizeof attempt->why];
    switch (event->type) {
    case SW_EVENT_STATE:
        if (sw_conn_state(conn) == SW_STATE_ONLINE) attempt->online = true;
        sw_client_kick(attempt->client);
        break;
    case SW_EVENT_FIRST_PACKET:
        attempt->heard = true;
        sw_client_kick(attempt->client);
        break;
    case SW_EVENT_CLOSED:
        attempt->conn = NULL;
        sw_client_explain(event, attempt->server, attempt->online, attempt->heard, why, sizeof why);
        fail(attempt, sw_exit_of_error(event->error, attempt->online), "%s", why);
        break;
    default:
        break;
    }
}

static void on_refused(void *user)
{
    struct sw_attempt *attempt = user;
    if (attempt->refused_at != SW_NEVER) return;
    attempt->refused_at = sw_worker_now();
    sw_client_kick(attempt->client);
}

static const struct sw_trial_ops trial_ops = {.event = on_event, .refused = on_refused};

/* --- beginning ---------------------------------------------------------------------------------*/

static int open_engine(struct sw_attempt *attempt)
{
    struct sw_client *client = attempt->client;
    const struct sw_client_config *config = client->config;
    const struct sw_client_server *server = attempt->server;
    bool datagram = server->mode == SW_DATAGRAM;
    sw_time now = sw_worker_now();
    const struct sw_engine_config engine = {
        .role = SW_CLIENT,
        .datagram = datagram ? attempt->tls : NULL,
        .stream = datagram ? NULL : attempt->tls,
        .inside_mtu = (uint16_t)sw_worker_tun(client->worker)->mtu,
        .outside_mtu = (uint16_t)config->outside_mtu,
        .pmtud = config->enable_pmtud,
        .pmtud_base = (uint16_t)config->pmtud_base_mtu,
        .credentials = credentials(server),
        .connect_timeout = attempt->until > now ? attempt->until - now : 1,
        .tun_ip = ntohl(config->tun_local_ip.s_addr),
        .tun_dns_ip = ntohl(config->tun_dns_ip.s_addr),
        .keepalive_interval = config->keepalive_interval,
        .keepalive_timeout = config->keepalive_timeout,
        .keepalive_on_demand = !config->keepalive_continuous,
        .tracer_timeout = config->tracer_packet_timeout,
        .expresslane = config->enable_expresslane && datagram,
        .expresslane_rotation = config->expresslane_keys_rotation_interval,
    };
    attempt->trial = sw_trial_new(client->worker, &engine, &trial_ops, attempt);
    if (attempt->trial != NULL) return 0;
    fail(attempt, SW_EXIT_SETUP, "protocol engine: %s", sw_strerror(SW_ENOMEM));
    return SW_ENOMEM;
}

static int open_udp(struct sw_attempt *attempt, struct sw_udp *udp)
{
    struct sw_client *client = attempt->client;
    const struct sw_client_config *config = client->config;
    const struct sw_udp_config udp_config = {
        .remote = attempt->address,
        .send_buffer = config->sndbuf,
        .receive_buffer = config->rcvbuf,
        .mark = config->fwmark,
        .never_df = attempt->address.family == 4, /* routers fragment IPv4 only */
        .gro = sw_offload_is_on(&client->offloads, SW_OFFLOAD_UDP_GRO),
        .slots = client->offloads.allowed || config->enable_batch_receive ? SW_UDP_SLOTS : 1,
        .place = client->had_socket ? SW_REUSEPORT_NEXT : SW_REUSEPORT_ALONE,
    };
    char why[sizeof attempt->why];
    int error = sw_udp_open(udp, &udp_config, &sw_sys_kernel, why, sizeof why);
    client->had_socket = true;
    if (error < 0) fail(attempt, SW_EXIT_UNREACHABLE, "%s", why);
    return error;
}

/* Socket and engine are there and hello was said, or conn is NULL. */
static void talk(struct sw_attempt *attempt, struct sw_conn *conn, int error)
{
    attempt->conn = attempt->over ? NULL : conn;
    if (conn == NULL) fail(attempt, SW_EXIT_CONNECTION, "connecting: %s", sw_strerror(error));
}

static void start_udp(struct sw_attempt *attempt)
{
    struct sw_udp udp;
    int error;
    if (open_udp(attempt, &udp) < 0) return;
    if (open_engine(attempt) < 0) {
        sw_udp_close(&udp);
        return;
    }
    struct sw_conn *conn = sw_trial_connect_udp(attempt->trial, &udp, &error);
    talk(attempt, conn, error);
}

static void tcp_failed(struct sw_attempt *attempt, int error)
{
    char text[SW_ADDRESS_TEXT];
    fail(attempt, SW_EXIT_UNREACHABLE, "TCP connection to %s: %s",
         sw_address_text(&attempt->address, text), strerror(error));
}

static void note_local(struct sw_attempt *attempt, int fd)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &len) == 0)
        sw_address_from_sockaddr(&attempt->local, (struct sockaddr *)&local);
}

static void on_dialled(void *user, int fd, int error)
{
    struct sw_attempt *attempt = user;
    attempt->dial = NULL;
    if (fd < 0) {
        tcp_failed(attempt, error);
    } else if (open_engine(attempt) < 0) {
        close(fd);
    } else {
        note_local(attempt, fd);
        struct sw_conn *conn = sw_trial_connect_tcp(attempt->trial, fd, &attempt->address, &error);
        talk(attempt, conn, error);
    }
}

static void start_tcp(struct sw_attempt *attempt, sw_time now)
{
    struct sw_client *client = attempt->client;
    uint64_t patience_ms = (attempt->until - now + SW_MILLISECOND - 1) / SW_MILLISECOND;
    attempt->dial = sw_dial_start(sw_worker_loop(client->worker), &attempt->address,
                                  client->config->fwmark, patience_ms, on_dialled, attempt);
    if (attempt->dial == NULL) tcp_failed(attempt, errno);
}

struct sw_attempt *sw_attempt_start(struct sw_client *client, const struct sw_client_server *server,
                                    const struct sw_address *address, sw_time now)
{
    char text[SW_ADDRESS_TEXT];
    struct sw_attempt *attempt = calloc(1, sizeof *attempt);
    if (attempt == NULL) return NULL;
    sw_list_init(&attempt->link);
    attempt->client = client;
    attempt->server = server;
    attempt->address = *address;
    attempt->until = now + client->config->connect_timeout;
    attempt->refused_at = attempt->part_by = SW_NEVER;
    sw_log_info("Connecting to %s over %s", sw_address_text(address, text),
                server->mode == SW_DATAGRAM ? "udp" : "tcp");
    if (open_way(attempt) < 0 || open_tls(attempt) < 0) return attempt;
    if (server->mode == SW_DATAGRAM)
        start_udp(attempt);
    else
        start_tcp(attempt, now);
    return attempt;
}

/* --- time passes -------------------------------------------------------------------------------*/

static sw_time refused_until(const struct sw_attempt *attempt)
{
    bool counts = attempt->refused_at != SW_NEVER && !attempt->heard && !attempt->over;
    return counts ? attempt->refused_at + REFUSED_GRACE : SW_NEVER;
}

sw_time sw_attempt_deadline(const struct sw_attempt *attempt)
{
    sw_time refused = refused_until(attempt);
    return refused < attempt->part_by ? refused : attempt->part_by;
}

void sw_attempt_turn(struct sw_attempt *attempt, sw_time now)
{
    char text[SW_ADDRESS_TEXT];
    if (refused_until(attempt) <= now)
        fail(attempt, SW_EXIT_UNREACHABLE, "UDP to %s: %s",
             sw_address_text(&attempt->address, text), strerror(ECONNREFUSED));
}

/* --- ending ------------------------------------------------------------------------------------*/

void sw_attempt_free(struct sw_attempt *attempt)
{
    if (attempt == NULL) return;
    sw_list_remove(&attempt->link);
    if (attempt->dial != NULL) sw_dial_cancel(attempt->dial);
    sw_trial_free(attempt->trial);
    sw_tls_context_free(attempt->tls);
    free(attempt);
}

void sw_attempt_part(struct sw_attempt *attempt, sw_time now)
{
    bool half_done = attempt->server->mode == SW_DATAGRAM && attempt->heard && !attempt->over &&
                     attempt->conn != NULL && sw_conn_state(attempt->conn) == SW_STATE_CONNECTING;
    if (!half_done) {
        sw_attempt_free(attempt);
        return;
    }
    attempt->part_by = now + PARTING_TIME;
    sw_list_append(&attempt->client->parting, &attempt->link);
}
