/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Clients coming and going: the engine's questions and events (include/slipway/engine.h).
 *
 * A login is checked on the thread pool while the worker goes on; the connection may close
 * meanwhile. So the check and the client know each other, and whichever ends first tells the other:
 * a closed connection abandons its check, a finished check clears its place in the client.
 *
 * One line in the log per client that comes and one per client that goes.
 */

#define SW_LOG_TARGET "clients"

#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"
#include "server/server_internal.h"

struct sw_client *sw_client_of(const struct sw_conn *conn)
{
    const struct sw_link *link = sw_conn_user(conn);
    return link != NULL ? link->program : NULL;
}

static struct sw_client *make_client(struct sw_server_worker *worker, struct sw_conn *conn)
{
    struct sw_client *client = sw_client_of(conn);
    if (client != NULL) return client;
    struct sw_link *link = sw_link_of(conn);
    client = link != NULL ? calloc(1, sizeof *client) : NULL;
    if (client == NULL) return NULL;
    client->worker = worker;
    client->conn = conn;
    client->data_at = sw_worker_now();
    link->program = client;
    return client;
}

const char *sw_client_user(const struct sw_client *client)
{
    if (client == NULL) return NULL;
    return client->granted ? client->user : client->claimed;
}

static const char *user_of(const struct sw_client *client)
{
    const char *user = sw_client_user(client);
    return user != NULL ? user : "";
}

/* --- logging in --------------------------------------------------------------------------------*/

static void log_refusal(const struct sw_conn *conn, const char *user, const char *why,
                        const char *detail)
{
    char peer[SW_ADDRESS_TEXT], reason[192];
    snprintf(reason, sizeof reason, "%s%s%s", why, detail != NULL ? ": " : "",
             detail != NULL ? detail : "");
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"peer", .text = sw_address_text(&sw_conn_path(conn)->remote, peer)},
                               {"user", .text = user}, {"reason", .text = reason}),
                 "Login refused");
}

static void set_claimed(struct sw_client *client, const char *name, size_t len)
{
    free(client->claimed);
    client->claimed = len > 0 ? strndup(name, len) : NULL;
}

static const char *claimed_by(const struct sw_client *client)
{
    return client->claimed != NULL ? client->claimed : "";
}

static void let_in(struct sw_client *client)
{
    free(client->user);
    client->user = client->claimed;
    client->claimed = NULL;
    client->granted = true;
}

static void on_verdict(void *data, const struct sw_login_answer *answer)
{
    struct sw_client *client = data;
    struct sw_server_worker *worker = client->worker;
    bool granted = answer->refusal == NULL;
    client->check = NULL;
    worker->checks--;
    if (answer->name[0] != '\0') set_claimed(client, answer->name, strlen(answer->name));
    if (granted)
        let_in(client);
    else
        log_refusal(client->conn, claimed_by(client), answer->refusal, answer->detail);
    if (granted && client->told.major != 0 && sw_conn_transport(client->conn) == SW_STREAM)
        sw_conn_set_version(client->conn, client->told);
    sw_conn_authorised(client->conn, granted ? 0 : SW_EDENIED, sw_worker_now());
    sw_worker_flush(worker->worker);
}

static int authorise(void *user, struct sw_conn *conn, const struct sw_credentials *credentials)
{
    struct sw_server_worker *worker = user;
    struct sw_client *client = make_client(worker, conn);
    if (client == NULL) return SW_EDENIED;
    set_claimed(client, credentials->user, credentials->user_len);
    client->told = credentials->version;
    const char *refusal = sw_logins_refusal(worker->logins, credentials->method);
    /* A client that was let in may ask again, so this can be reached, but not by newcomers alone:
     * a right password is not refused because many come at once. */
    if (refusal == NULL && worker->checks == sw_server_half_open_limit(worker->server))
        refusal = "too many logins at once";
    if (refusal != NULL) {
        log_refusal(conn, claimed_by(client), refusal, NULL);
        return SW_EDENIED;
    }
    client->check = sw_login_check_start(sw_worker_loop(worker->worker), worker->logins,
                                         credentials, on_verdict, client);
    if (client->check == NULL) return SW_EDENIED;
    worker->checks++;
    return SW_EPENDING;
}

static int assign(void *user, struct sw_conn *conn, uint32_t *inside_ip)
{
    struct sw_server_worker *worker = user;
    const struct sw_server *server = worker->server;
    const struct sw_address *incoming = &sw_conn_path(conn)->local;
    char text[SW_ADDRESS_TEXT], detail[SW_ADDRESS_TEXT + 24];
    int error = sw_address_pool_take(server->pool, incoming, worker->index, inside_ip);
    if (error == 0) {
        worker->conns[*inside_ip - server->network] = conn;
        return 0;
    }
    snprintf(detail, sizeof detail, "ip_map for %s", sw_address_host_text(incoming, text));
    log_refusal(conn, user_of(sw_client_of(conn)), "no inside address is free",
                sw_address_map_part(server->map, incoming) != 0 ? detail : NULL);
    return error;
}

static void release(void *user, struct sw_conn *conn, uint32_t inside_ip)
{
    struct sw_server_worker *worker = user;
    const struct sw_server *server = worker->server;
    worker->conns[inside_ip - server->network] = NULL;
    if (sw_address_pool_give(server->pool, inside_ip) < 0)
        sw_log_warn("an inside address was released that nobody had");
}

static struct sw_conn *find(void *user, uint32_t destination)
{
    const struct sw_server_worker *worker = user;
    uint32_t index = destination - worker->server->network;
    return index < worker->server->span ? worker->conns[index] : NULL;
}

static unsigned owner(void *user, uint32_t destination)
{
    const struct sw_server_worker *worker = user;
    return sw_address_pool_owner(worker->server->pool, destination);
}

/* --- events ------------------------------------------------------------------------------------*/

static void log_online(const struct sw_conn *conn, const struct sw_client *client)
{
    char peer[SW_ADDRESS_TEXT], inside[SW_ADDRESS_TEXT], session[SW_SESSION_TEXT];
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"peer", .text = sw_address_text(&sw_conn_path(conn)->remote, peer)},
                               {"user", .text = user_of(client)},
                               {"inside_ip", .text = sw_ipv4_text(sw_conn_inside_ip(conn), inside)},
                               {"cipher", .text = sw_conn_cipher(conn)},
                               {"group", .text = sw_conn_group(conn)}),
                 "Client online");
}

static void log_closed(const struct sw_conn *conn, const struct sw_client *client,
                       const struct sw_event *event)
{
    char peer[SW_ADDRESS_TEXT], session[SW_SESSION_TEXT], reason[192];
    bool online = client != NULL && client->was_online;
    snprintf(reason, sizeof reason, "%s%s%s%s",
             event->error != 0 ? sw_strerror(event->error) : "shutdown",
             event->detail != NULL ? " (" : "", event->detail != NULL ? event->detail : "",
             event->detail != NULL ? ")" : "");
    sw_log_event(online ? SW_LOG_INFO : SW_LOG_DEBUG,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"peer", .text = sw_address_text(&sw_conn_path(conn)->remote, peer)},
                               {"user", .text = user_of(client)}, {"reason", .text = reason}),
                 online ? "Client gone" : "Connection ended before it was online");
}

static void log_moved(const struct sw_conn *conn)
{
    char peer[SW_ADDRESS_TEXT], session[SW_SESSION_TEXT];
    sw_log_event(
        SW_LOG_INFO,
        SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                      {"peer", .text = sw_address_text(&sw_conn_path(conn)->remote, peer)}),
        "Client moved to another address");
}

static void log_new_keys(const struct sw_conn *conn)
{
    char session[SW_SESSION_TEXT];
    sw_log_event(
        SW_LOG_DEBUG,
        SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)}),
        "The keys of a session are new");
}

/* Every client of the lane comes by here; that it fails is news. */
static void log_lane(const struct sw_conn *conn, const struct sw_client *client)
{
    char session[SW_SESSION_TEXT];
    enum sw_expresslane_state state = sw_conn_expresslane(conn);
    bool degraded = state == SW_EXPRESSLANE_DEGRADED;
    sw_log_event(degraded ? SW_LOG_WARN : SW_LOG_DEBUG,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"user", .text = user_of(client)},
                               {"state", .text = sw_expresslane_state_name(state)}),
                 degraded ? "Expresslane loses packets: DTLS for the rest of the connection"
                          : "Expresslane");
}

static void log_path_mtu(const struct sw_conn *conn, const struct sw_client *client)
{
    char session[SW_SESSION_TEXT];
    struct sw_path_mtu path;
    sw_conn_path_mtu(conn, &path);
    sw_log_event(SW_LOG_DEBUG,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"user", .text = user_of(client)},
                               {"state", .text = sw_pmtud_state_name(path.state)},
                               {"path_mtu", .number = path.outside}),
                 "Path MTU");
}

static void forget_client(struct sw_client *client)
{
    if (client->check != NULL) {
        sw_login_check_abandon(client->check);
        client->worker->checks--;
    }
    free(client->user);
    free(client->claimed);
    free(client);
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_client *client;
    switch (event->type) {
    case SW_EVENT_STATE:
        sw_log_trace("a connection is now %s", sw_state_name(sw_conn_state(conn)));
        if (sw_conn_state(conn) != SW_STATE_ONLINE) break;
        client = make_client(user, conn);
        if (client != NULL) client->was_online = true;
        log_online(conn, client);
        break;
    case SW_EVENT_FLOATED:
        log_moved(conn);
        break;
    case SW_EVENT_KEY_UPDATE_DONE:
        log_new_keys(conn);
        break;
    case SW_EVENT_EXPRESSLANE:
        log_lane(conn, sw_client_of(conn));
        break;
    case SW_EVENT_PATH_MTU:
        log_path_mtu(conn, sw_client_of(conn));
        break;
    case SW_EVENT_CLOSED:
        client = sw_client_of(conn);
        log_closed(conn, client, event);
        if (client != NULL) forget_client(client);
        break;
    default:
        break;
    }
}

static void tun_lost(void *user)
{
    struct sw_server_worker *worker = user;
    struct sw_server *server = worker->server;
    if (atomic_exchange(&server->failed, true)) return; /* another worker has said so */
    sw_log_error("the TUN device %s is gone", sw_worker_tun(worker->worker)->name);
    uv_async_send(&server->lost);
}

const struct sw_worker_ops sw_server_ops = {
    .event = on_event,
    .authorise = authorise,
    .assign = assign,
    .release = release,
    .find = find,
    .owner = owner,
    .stream = sw_server_accept,
    .tun_lost = tun_lost,
};
