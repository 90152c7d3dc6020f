/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What the client tells about itself over its control socket. */

#include <stdio.h>

#include "client/client_internal.h"
#include "host/address.h"

static const struct sw_metric_def gauges[] = {
    SW_METRIC_NOW(struct sw_client_gauges, path_mtu, "path_mtu",
                  "The largest outside IP packet that is known to pass; 0 without enable_pmtud"),
    SW_METRIC_NOW(struct sw_client_gauges, path_mtu_inside, "path_mtu_inside",
                  "The largest inside packet that goes in one datagram or record"),
};

int sw_client_report_init(struct sw_client *client)
{
    return sw_metrics_add(client->metrics, gauges, SW_METRIC_COUNT(gauges), &client->gauges);
}

static json_t *metrics(void *user)
{
    struct sw_client *client = user;
    struct sw_path_mtu path = {0};
    if (client->conn != NULL) sw_conn_path_mtu(client->conn, &path);
    client->gauges = (struct sw_client_gauges){path.outside, path.inside};
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
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "state",
                     sw_state_name(sw_conn_state(conn)), "session",
                     sw_session_text(sw_conn_session(conn), session), "cipher",
                     sw_conn_cipher(conn), "group", sw_conn_group(conn), "protocol", protocol,
                     "expresslane", sw_expresslane_state_name(sw_conn_expresslane(conn)), "online",
                     seconds(stats.online_since, now), "idle", seconds(stats.last_received, now),
                     "packets_in", (json_int_t)stats.packets_in, "bytes_in",
                     (json_int_t)stats.bytes_in, "packets_out", (json_int_t)stats.packets_out,
                     "bytes_out", (json_int_t)stats.bytes_out);
}

static void add_path_mtu(const struct sw_conn *conn, json_t *out)
{
    struct sw_path_mtu path;
    sw_conn_path_mtu(conn, &path);
    if (path.state == SW_PMTUD_DISABLED) return;
    json_object_set_new(out, "pmtud", json_string(sw_pmtud_state_name(path.state)));
    json_object_set_new(out, "plpmtu", json_integer(path.plpmtu));
    json_object_set_new(out, "path_mtu", json_integer(path.outside));
    json_object_set_new(out, "path_mtu_inside", json_integer(path.inside));
}

/* What has become of each entry of the server list. */
static json_t *servers(const struct sw_client *client, bool connected)
{
    static const char *const names[] = {
        [SW_CONTENDER_TRYING] = "trying",
        [SW_CONTENDER_ONLINE] = "online",
        [SW_CONTENDER_FAILED] = "failed",
    };
    json_t *out = json_array();
    for (size_t i = 0; i < client->n_candidates; i++) {
        const struct sw_candidate *candidate = &client->candidates[i];
        bool chosen = connected && i == client->entry;
        bool failed = candidate->state == SW_CONTENDER_FAILED && candidate->why[0] != '\0';
        json_array_append_new(
            out, json_pack("{s:s, s:i, s:s, s:s, s:s*}", "server", candidate->server->server.host,
                           "port", (int)candidate->server->server.port, "mode",
                           candidate->server->mode == SW_DATAGRAM ? "udp" : "tcp", "state",
                           chosen ? "chosen"
                           : candidate->state == SW_CONTENDER_FAILED && !failed
                               ? "not needed"
                               : names[candidate->state],
                           "why", failed && !chosen ? candidate->why : NULL));
    }
    return out;
}

static void add_reconnect(const struct sw_client *client, json_t *out, sw_time now)
{
    bool waiting = client->phase == SW_PHASE_WAITING && client->retry_at > now;
    json_object_set_new(out, "reconnects", json_integer(client->reconnects));
    if (client->why[0] != '\0') json_object_set_new(out, "last_end", json_string(client->why));
    if (waiting)
        json_object_set_new(out, "next_try_in_ms",
                            json_integer((json_int_t)((client->retry_at - now) / SW_MILLISECOND)));
}

static json_t *status(void *user)
{
    struct sw_client *client = user;
    char server[SW_ADDRESS_TEXT];
    const struct sw_tun *tun = sw_worker_tun(client->worker);
    bool connected = client->phase == SW_PHASE_ONLINE && client->conn != NULL;
    sw_time now = sw_worker_now();
    json_t *counted = metrics(user);
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:i, s:I, s:s}", "program", "slipway-client",
                  "version", SLIPWAY_VERSION, "tls_library", sw_tls_library(), "mode",
                  sw_client_server(client)->mode == SW_DATAGRAM ? "udp" : "tcp", "server",
                  connected ? sw_address_text(&client->server, server) : NULL, "tun_name",
                  tun->name, "tun_mtu", (int)tun->mtu, "uptime", seconds(client->started, now),
                  "state", client->online_since == 0 ? "Connecting" : "Reconnecting");
    if (connected) json_object_update_new(out, connection_status(client->conn, now));
    if (connected) add_path_mtu(client->conn, out);
    if (client->config->reconnect) add_reconnect(client, out, now);
    json_object_set_new(out, "servers", servers(client, connected));
    json_object_set_new(out, "dns", json_string(sw_footprint_dns(&client->footprint)));
    json_object_set_new(out, "kill_switch", json_boolean(client->config->kill_switch));
    json_object_set_new(out, "offload", sw_offload_status(&client->offloads, counted));
    json_decref(counted);
    return out;
}
/* clang-format on */

static json_t *reload(void *user)
{
    const struct sw_client *client = user;
    return sw_reload(&client->reload);
}

const struct sw_control_ops sw_client_control = {
    .status = status, .metrics = metrics, .reload = reload};
