/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What the client tells about itself over its control socket. */

#include <stdio.h>

#include "client/client_internal.h"
#include "host/address.h"

static json_t *metrics(void *user)
{
    struct sw_client *client = user;
    return sw_metrics_json(client->metrics);
}

static json_int_t seconds(sw_time since, sw_time now)
{
    return since != 0 ? (json_int_t)((now - since) / SW_SECOND) : 0;
}

/* clang-format off: key and value share a line */
static json_t *connection_status(const struct sw_conn *conn, sw_time now)
{
    char session[SW_SESSION_TEXT], protocol[8];
    struct sw_version version = sw_conn_version(conn);
    struct sw_conn_stats stats;
    sw_conn_stats(conn, &stats);
    snprintf(protocol, sizeof protocol, "%u.%u", version.major, version.minor);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "state",
                     sw_state_name(sw_conn_state(conn)), "session",
                     sw_session_text(sw_conn_session(conn), session), "cipher",
                     sw_conn_cipher(conn), "group", sw_conn_group(conn), "protocol", protocol,
                     "online", seconds(stats.online_since, now), "idle",
                     seconds(stats.last_received, now), "packets_in", (json_int_t)stats.packets_in,
                     "bytes_in", (json_int_t)stats.bytes_in, "packets_out",
                     (json_int_t)stats.packets_out, "bytes_out", (json_int_t)stats.bytes_out);
}

static json_t *status(void *user)
{
    struct sw_client *client = user;
    char server[SW_ADDRESS_TEXT];
    const struct sw_tun *tun = sw_worker_tun(client->worker);
    bool resolved = client->address < client->n_addresses;
    sw_time now = sw_worker_now();
    json_t *counted = metrics(user);
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:i, s:I, s:s}", "program", "slipway-client",
                  "version", SLIPWAY_VERSION, "tls_library", sw_tls_library(), "mode",
                  sw_client_server(client)->mode == SW_DATAGRAM ? "udp" : "tcp", "server",
                  resolved ? sw_address_text(&client->addresses[client->address], server) : NULL,
                  "tun_name", tun->name, "tun_mtu", (int)tun->mtu, "uptime",
                  seconds(client->started, now), "state", sw_state_name(SW_STATE_DISCONNECTED));
    if (client->conn != NULL) json_object_update_new(out, connection_status(client->conn, now));
    json_object_set_new(out, "offload", sw_offload_status(&client->offloads, counted));
    json_decref(counted);
    return out;
}
/* clang-format on */

const struct sw_control_ops sw_client_control = {.status = status, .metrics = metrics};
