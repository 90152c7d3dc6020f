/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What the server tells about itself: status and metrics over the control socket, and the
 * statistics lines in the log.
 *
 * A session is active in a window if packets of its tunnel moved within it, and standby if only
 * signs of life came. When packets last moved is not kept per packet: it is noted whenever somebody
 * looks, at least once per statistics interval, and is that exact.
 */

#define SW_LOG_TARGET "statistics"

#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

#include "host/address.h"
#include "host/log.h"
#include "server/server_internal.h"

static const sw_time windows[3] = {5 * SW_MINUTE, 15 * SW_MINUTE, 60 * SW_MINUTE};

#define GAUGE(field, sentence) SW_METRIC_NOW(struct sw_server_gauges, field, #field, sentence)
#define GAUGE_NAMED(field, name, sentence)                                                         \
    SW_METRIC_NOW(struct sw_server_gauges, field, name, sentence)

static const struct sw_metric_def gauges[] = {
    GAUGE(sessions_current_online, "Sessions online"),
    GAUGE(sessions_lifetime_total, "Connections since the start"),
    GAUGE(sessions_pending_id_rotations, "Sessions between two session ids"),
    GAUGE(sessions_encoding_enabled, "Sessions whose packets are offered to a codec"),
    GAUGE(assigned_internal_ips, "Inside addresses in use"),
    GAUGE_NAMED(active[0], "sessions_active_5m", "Sessions that moved packets in 5 minutes"),
    GAUGE_NAMED(active[1], "sessions_active_15m", "Sessions that moved packets in 15 minutes"),
    GAUGE_NAMED(active[2], "sessions_active_60m", "Sessions that moved packets in an hour"),
    GAUGE_NAMED(standby[0], "sessions_standby_5m", "Sessions only kept alive in 5 minutes"),
    GAUGE_NAMED(standby[1], "sessions_standby_15m", "Sessions only kept alive in 15 minutes"),
    GAUGE_NAMED(standby[2], "sessions_standby_60m", "Sessions only kept alive in an hour"),
};

int sw_server_report_init(struct sw_server_worker *worker)
{
    return sw_metrics_add(worker->metrics, gauges, SW_METRIC_COUNT(gauges), &worker->gauges);
}

static void gauge_session(struct sw_server_gauges *out, struct sw_conn *conn, sw_time now)
{
    struct sw_client *client = sw_client_of(conn);
    struct sw_conn_stats stats;
    if (sw_conn_state(conn) != SW_STATE_ONLINE || client == NULL) return;
    sw_conn_stats(conn, &stats);
    uint64_t data = stats.packets_in + stats.packets_out;
    if (data != client->data_seen) {
        client->data_seen = data;
        client->data_at = now;
    }
    out->sessions_current_online++;
    if (sw_conn_rotating(conn)) out->sessions_pending_id_rotations++;
    if (sw_conn_encoding(conn)) out->sessions_encoding_enabled++;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        if (data > 0 && now - client->data_at <= windows[i])
            out->active[i]++;
        else if (now - stats.last_received <= windows[i])
            out->standby[i]++;
    }
}

static void gauge(struct sw_server_worker *worker)
{
    struct sw_server_gauges *out = &worker->gauges;
    struct sw_engine *engine = sw_worker_engine(worker->worker);
    const struct sw_engine_counters *counters = sw_engine_counters(engine);
    sw_time now = sw_worker_now();
    *out = (struct sw_server_gauges){
        .sessions_lifetime_total = counters->conn_created + counters->conn_create_failed,
        .assigned_internal_ips =
            worker->index == 0 ? sw_address_pool_used(worker->server->pool) : 0,
    };
    struct sw_conn *conn = NULL;
    while ((conn = sw_engine_next_conn(engine, conn)) != NULL)
        gauge_session(out, conn, now);
}

/* --- asking the workers ------------------------------------------------------------------------*/

/* What each worker answers, in its place, on its thread. */
struct answers {
    struct sw_server *server;
    json_t *json[SW_WORKERS_MAX];
    struct sw_server_gauges gauges[SW_WORKERS_MAX];
};

static void answer_gauges(void *user, unsigned index)
{
    struct answers *answers = user;
    gauge(&answers->server->workers[index]);
    answers->gauges[index] = answers->server->workers[index].gauges;
}

static void answer_metrics(void *user, unsigned index)
{
    struct answers *answers = user;
    gauge(&answers->server->workers[index]);
    answers->json[index] = sw_metrics_json(answers->server->workers[index].metrics);
}

static void add_gauges(struct sw_server_gauges *sum, const struct sw_server_gauges *more)
{
    sum->sessions_current_online += more->sessions_current_online;
    sum->sessions_lifetime_total += more->sessions_lifetime_total;
    sum->sessions_pending_id_rotations += more->sessions_pending_id_rotations;
    sum->assigned_internal_ips += more->assigned_internal_ips;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        sum->active[i] += more->active[i];
        sum->standby[i] += more->standby[i];
    }
}

void sw_server_log_statistics(struct sw_server *server)
{
    struct answers answers = {.server = server};
    struct sw_server_gauges sum = {0}, *g = &sum;
    sw_crew_call(&server->crew, answer_gauges, &answers);
    for (unsigned i = 0; i < server->crew.count; i++)
        add_gauges(&sum, &answers.gauges[i]);
    sw_log_event(
        SW_LOG_INFO,
        SW_LOG_FIELDS(
            {"total", .number = g->sessions_lifetime_total},
            {"current", .number = g->sessions_current_online},
            {"active_5m", .number = g->active[0]}, {"active_15m", .number = g->active[1]},
            {"active_60m", .number = g->active[2]}, {"standby_5m", .number = g->standby[0]},
            {"standby_15m", .number = g->standby[1]}, {"standby_60m", .number = g->standby[2]},
            {"pending_session_id_rotations", .number = g->sessions_pending_id_rotations}),
        "Session Statistics");
    sw_log_event(SW_LOG_INFO, SW_LOG_FIELDS({"current", .number = g->assigned_internal_ips}),
                 "IP Statistics");
}

/* --- control socket ----------------------------------------------------------------------------*/

static json_int_t seconds(sw_time since, sw_time now)
{
    return (json_int_t)((now - since) / SW_SECOND);
}

/* clang-format off: key and value share a line */
static json_t *session_status(struct sw_conn *conn, unsigned worker, sw_time now)
{
    char inside[SW_ADDRESS_TEXT], peer[SW_ADDRESS_TEXT], session[SW_SESSION_TEXT], protocol[8];
    const struct sw_client *client = sw_client_of(conn);
    struct sw_conn_stats stats;
    struct sw_version version = sw_conn_version(conn);
    sw_conn_stats(conn, &stats);
    snprintf(protocol, sizeof protocol, "%u.%u", version.major, version.minor);
    return json_pack(
        "{s:s, s:s, s:s*, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}",
        "state", sw_state_name(sw_conn_state(conn)), "inside_ip",
        sw_ipv4_text(sw_conn_inside_ip(conn), inside), "user", sw_client_user(client), "peer",
        sw_address_text(&sw_conn_path(conn)->remote, peer), "session",
        sw_session_text(sw_conn_session(conn), session), "cipher", sw_conn_cipher(conn), "group",
        sw_conn_group(conn), "protocol", protocol, "expresslane",
        sw_expresslane_state_name(sw_conn_expresslane(conn)), "worker", (int)worker, "age",
        seconds(stats.created, now), "idle",
        stats.last_received != 0 ? seconds(stats.last_received, now) : 0, "packets_in",
        (json_int_t)stats.packets_in, "bytes_in", (json_int_t)stats.bytes_in, "packets_out",
        (json_int_t)stats.packets_out, "bytes_out", (json_int_t)stats.bytes_out);
}

static void add_path_mtu(const struct sw_conn *conn, json_t *out)
{
    struct sw_path_mtu path;
    sw_conn_path_mtu(conn, &path);
    if (path.state == SW_PMTUD_DISABLED) return;
    json_object_set_new(out, "pmtud", json_string(sw_pmtud_state_name(path.state)));
    json_object_set_new(out, "plpmtu", json_integer(path.plpmtu));
    json_object_set_new(out, "path_mtu", json_integer(path.outside));
}

/* The sessions of one worker, and a line about itself. */
static void answer_status(void *user, unsigned index)
{
    struct answers *answers = user;
    struct sw_server_worker *worker = &answers->server->workers[index];
    const struct sw_metrics *m = worker->metrics;
    sw_time now = sw_worker_now();
    json_t *sessions = json_array();
    struct sw_conn *conn = NULL;
    while ((conn = sw_engine_next_conn(sw_worker_engine(worker->worker), conn)) != NULL) {
        json_t *session = session_status(conn, index, now);
        add_path_mtu(conn, session);
        json_array_append_new(sessions, session);
    }
    json_t *line = json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker", (int)index,
                             "connections", (json_int_t)json_array_size(sessions), "datagrams_in",
                             (json_int_t)sw_metrics_get(m, "udp_recv_datagrams"), "datagrams_out",
                             (json_int_t)sw_metrics_get(m, "udp_send_datagrams"), "tun_reads",
                             (json_int_t)sw_metrics_get(m, "tun_reads"), "tun_writes",
                             (json_int_t)sw_metrics_get(m, "tun_writes"), "mail_datagrams",
                             (json_int_t)sw_metrics_get(m, "worker_mail_datagrams"), "mail_inside",
                             (json_int_t)sw_metrics_get(m, "worker_mail_inside"), "mail_full",
                             (json_int_t)sw_metrics_get(m, "worker_mail_full"));
    answers->json[index] = json_pack("{s:o, s:o}", "sessions", sessions, "line", line);
}

static json_t *metrics(void *user)
{
    struct sw_server *server = user;
    struct answers answers = {.server = server};
    sw_crew_call(&server->crew, answer_metrics, &answers);
    json_t *sums = answers.json[0];
    for (unsigned i = 1; i < server->crew.count; i++) {
        if (sums != NULL && answers.json[i] != NULL) sw_metrics_json_add(sums, answers.json[i]);
        json_decref(answers.json[i]);
    }
    return sums;
}

static json_t *status(void *user)
{
    struct sw_server *server = user;
    char address[SW_ADDRESS_TEXT];
    const struct sw_tun *tun = sw_worker_tun(server->crew.workers[0]);
    struct answers answers = {.server = server};
    bool several = server->crew.count > 1;
    json_t *sessions = json_array(), *workers = json_array(), *counted = metrics(user);
    json_t *offload = sw_offload_status(&server->offloads, counted);
    json_decref(counted);
    sw_crew_call(&server->crew, answer_status, &answers);
    for (unsigned i = 0; i < server->crew.count; i++) {
        json_array_extend(sessions, json_object_get(answers.json[i], "sessions"));
        json_array_append(workers, json_object_get(answers.json[i], "line"));
        json_decref(answers.json[i]);
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:I, s:I, s:s*, s:s*, s:o, s:o, s:o}", "program",
        "slipway-server", "version", SLIPWAY_VERSION, "tls_library", sw_tls_library(), "mode",
        sw_server_mode_name(server->config), "uptime", seconds(server->started, sw_worker_now()),
        "bind_address", sw_address_text(&server->address, address), "tun_name", tun->name,
        "tun_mtu", (int)tun->mtu, "addresses_used", (json_int_t)sw_address_pool_used(server->pool),
        "addresses_total", (json_int_t)sw_address_pool_size(server->pool), "steering_outside",
        several ? server->steering_outside : NULL, "steering_inside",
        several ? server->steering_inside : NULL, "offload", offload, "workers", workers,
        "sessions", sessions);
}

/* clang-format on */

static json_t *reload(void *user)
{
    const struct sw_server *server = user;
    return sw_reload(&server->reload);
}

const struct sw_control_ops sw_server_control = {
    .status = status, .metrics = metrics, .reload = reload};
