/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The connection that was chosen: what the worker tells about it and asks of it. Its end is only
 * noted here; what follows from it is decided in connect.c.
 */

#define SW_LOG_TARGET "client"

#include <slipway/error.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"

const struct sw_client_server *sw_client_server(const struct sw_client *client)
{
    return &client->config->servers.entries[client->entry];
}

static void on_lane(struct sw_client *client, const struct sw_conn *conn)
{
    enum sw_expresslane_state state = sw_conn_expresslane(conn);
    if (state == SW_EXPRESSLANE_ACTIVE)
        sw_log_event(
            SW_LOG_INFO,
            SW_LOG_FIELDS({"aead", .text = sw_engine_aead(sw_worker_engine(client->worker))}),
            "Expresslane is active");
    else if (state == SW_EXPRESSLANE_DEGRADED)
        sw_log_warn("Expresslane loses packets: DTLS for the rest of the connection");
    else
        sw_log_info("Expresslane is inactive: DTLS until keys are agreed on again");
}

/* Each step is worth a line for who looks closely; another result is news for everybody. */
static void on_path_mtu(struct sw_client *client, const struct sw_conn *conn)
{
    struct sw_path_mtu path;
    sw_conn_path_mtu(conn, &path);
    if (path.state == SW_PMTUD_DISABLED) return;
    bool news = path.state == SW_PMTUD_COMPLETE && path.outside != client->path_mtu_told;
    if (news) client->path_mtu_told = path.outside;
    sw_log_event(news ? SW_LOG_INFO : SW_LOG_DEBUG,
                 SW_LOG_FIELDS({"state", .text = sw_pmtud_state_name(path.state)},
                               {"path_mtu", .number = path.outside},
                               {"inside", .number = path.inside}),
                 "Path MTU");
}

void sw_client_online(struct sw_client *client)
{
    const struct sw_conn *conn = client->conn;
    char session[SW_SESSION_TEXT], server[SW_ADDRESS_TEXT];
    if (sw_footprint_online(&client->footprint, &client->server, client->why, sizeof client->why) <
        0) {
        sw_client_end(client, SW_EXIT_HOST, "%s", client->why);
        return;
    }
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"session", .text = sw_session_text(sw_conn_session(conn), session)},
                               {"server", .text = sw_address_text(&client->server, server)},
                               {"cipher", .text = sw_conn_cipher(conn)},
                               {"group", .text = sw_conn_group(conn)},
                               {"server_mtu", .number = sw_conn_ip_config(conn)->mtu}),
                 "Online");
    if (sw_conn_expresslane(conn) == SW_EXPRESSLANE_ACTIVE)
        on_lane(client, conn); /* it was quick */
    on_path_mtu(client, conn);
    if (client->config->enable_inside_pkt_encoding) sw_client_set_encoding(client, true);
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_client *client = user;
    char why[sizeof client->why];
    switch (event->type) {
    case SW_EVENT_STATE:
        sw_log_debug("state %s", sw_state_name(sw_conn_state(conn)));
        break;
    case SW_EVENT_EXPRESSLANE:
        on_lane(client, conn);
        break;
    case SW_EVENT_PATH_MTU:
        on_path_mtu(client, conn);
        break;
    case SW_EVENT_ENCODING:
        sw_log_info("encoding of inside packets is %s", sw_conn_encoding(conn) ? "on" : "off");
        break;
    case SW_EVENT_REJECTED:
        sw_log_rate(SW_LOG_INFO, "the server may have forgotten this session: asking it");
        break;
    case SW_EVENT_CLOSED:
        client->conn = NULL;
        sw_client_explain(event, sw_client_server(client), true, true, why, sizeof why);
        sw_client_lost(client, sw_exit_of_error(event->error, true), "%s", why);
        break;
    default:
        break;
    }
}

static struct sw_conn *find(void *user, uint32_t destination)
{
    struct sw_client *client = user;
    return client->conn;
}

static void tun_lost(void *user)
{
    struct sw_client *client = user;
    sw_client_end(client, SW_EXIT_HOST, "the TUN device %s is gone",
                  sw_worker_tun(client->worker)->name);
}

const struct sw_worker_ops sw_client_ops = {
    .event = on_event,
    .find = find,
    .tun_lost = tun_lost,
};
