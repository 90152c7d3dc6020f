/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The server's life: everything is opened in one order, each step naming what went wrong, the loop
 * runs until a signal comes, and everything is undone in the reverse order. The engine is stopped
 * last among the things that talk: it says goodbye to every client through sockets that are still
 * open.
 */

#define SW_LOG_TARGET "server"

#include "server/server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/address.h"
#include "host/log.h"
#include "host/random.h"
#include "host/slurp.h"
#include "server/server_internal.h"

#define PEM_MAX (4u << 20)

static int open_pool(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    const uint32_t reserved[] = {
        ntohl(config->lightway_client_ip.s_addr), ntohl(config->lightway_server_ip.s_addr),
        ntohl(config->lightway_dns_ip.s_addr), ntohl(config->tun_ip.s_addr)};
    server->pool =
        sw_address_pool_new(ntohl(config->ip_pool.address.s_addr), config->ip_pool.prefix, reserved,
                            sizeof reserved / sizeof reserved[0], sw_random_below, why, why_size);
    return server->pool != NULL ? 0 : SW_EINVAL;
}

static int read_pem(const char *path, struct sw_pem *pem, char **text, char *why, size_t why_size)
{
    char reason[256];
    size_t len;
    int error = sw_slurp(path, PEM_MAX, text, &len, reason, sizeof reason);
    if (error < 0) {
        snprintf(why, why_size, "%s: %s", path, reason);
        return error;
    }
    *pem = (struct sw_pem){*text, len};
    return 0;
}

static int open_tls(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    struct sw_tls_config tls = {
        .role = SW_SERVER,
        .transport = config->mode,
        .pqc = config->enable_pqc,
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    char *certificate = NULL, *key = NULL;
    const char *detail = NULL;
    int error = read_pem(config->server_cert, &tls.certificate, &certificate, why, why_size);
    if (error == 0) error = read_pem(config->server_key, &tls.key, &key, why, why_size);
    if (error == 0) {
        server->tls = sw_tls_context_new(&tls, &error, &detail);
        if (server->tls == NULL)
            snprintf(why, why_size, "server_cert %s, server_key %s: %s%s%s%s", config->server_cert,
                     config->server_key, sw_strerror(error), detail != NULL ? " (" : "",
                     detail != NULL ? detail : "", detail != NULL ? ")" : "");
        else
            error = 0;
    }
    if (key != NULL) explicit_bzero(key, tls.key.len);
    free(key);
    free(certificate);
    return error;
}

/* The device, and what the kernel can do for it and for sockets. */
static int open_tun(struct sw_server *server, struct sw_tun *tun, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    struct sw_offloads *offloads = &server->offloads;
    sw_offload_begin(offloads, config->enable_tun_offload, &config->offload);
    if (config->mode == SW_STREAM) {
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_SEGMENT, "mode is tcp");
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_GRO, "mode is tcp");
    }
    int error = sw_server_open_tun(config, offloads, tun, why, why_size);
    if (error < 0) return error;
    sw_offload_probe_udp(offloads, &sw_sys_kernel);
    error = sw_offload_judge(offloads, why, why_size);
    if (error < 0) sw_tun_close(tun);
    return error;
}

static int open_worker(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_worker_config config = {
        .ops = &sw_server_ops,
        .user = server,
        .sys = &sw_sys_kernel,
        .max_segments = server->offloads.max_segments,
        .batching = server->offloads.allowed || server->config->enable_batch_send,
    };
    server->worker = sw_worker_new(&config);
    server->metrics = sw_metrics_new();
    if (server->worker == NULL || server->metrics == NULL ||
        sw_worker_metrics(server->worker, server->metrics) < 0 ||
        sw_server_report_init(server) < 0) {
        snprintf(why, why_size, "out of memory");
        return SW_ENOMEM;
    }
    return 0;
}

static int open_engine(struct sw_server *server, unsigned mtu, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    bool datagram = config->mode == SW_DATAGRAM;
    const struct sw_engine_config engine = {
        .role = SW_SERVER,
        .datagram = datagram ? server->tls : NULL,
        .stream = datagram ? NULL : server->tls,
        .inside_mtu = (uint16_t)(mtu <= UINT16_MAX ? mtu : UINT16_MAX),
        .client_ip = ntohl(config->lightway_client_ip.s_addr),
        .server_ip = ntohl(config->lightway_server_ip.s_addr),
        .dns_ip = ntohl(config->lightway_dns_ip.s_addr),
        .expresslane = config->enable_expresslane,
        .expresslane_rotation = config->expresslane_keys_rotation_interval,
    };
    int error = sw_worker_start_engine(server->worker, &engine);
    if (error < 0) snprintf(why, why_size, "protocol engine: %s", sw_strerror(error));
    return error;
}

static int open_udp(struct sw_server *server, char *why, size_t why_size)
{
    bool batching = server->offloads.allowed || server->config->enable_batch_receive;
    const struct sw_udp_config config = {
        .local = server->address,
        .send_buffer = server->config->udp_buffer_size,
        .receive_buffer = server->config->udp_buffer_size,
        .never_df = true,
        .gro = sw_offload_is_on(&server->offloads, SW_OFFLOAD_UDP_GRO),
        .slots = batching ? SW_UDP_SLOTS : 1,
    };
    struct sw_udp udp;
    int error = sw_udp_open(&udp, &config, &sw_sys_kernel, why, why_size);
    if (error < 0) return error;
    error = sw_worker_attach_udp(server->worker, &udp);
    if (error < 0) {
        sw_udp_close(&udp);
        snprintf(why, why_size, "UDP socket: %s", sw_strerror(error));
    }
    return error;
}

static void on_accepted(void *user, int fd, const struct sw_path *path)
{
    struct sw_server *server = user;
    int error;
    struct sw_conn *conn =
        sw_accept_stream(sw_worker_engine(server->worker), path, sw_worker_now(), &error);
    if (conn == NULL) {
        sw_log_rate(SW_LOG_WARN, "a TCP connection is refused: %s", sw_strerror(error));
        close(fd);
        return;
    }
    sw_worker_attach_stream(server->worker, fd, conn);
    sw_worker_flush(server->worker);
}

static int open_socket(struct sw_server *server, char *why, size_t why_size)
{
    sw_address_from_sockaddr(&server->address,
                             (const struct sockaddr *)&server->config->bind_address);
    if (server->config->mode == SW_DATAGRAM) return open_udp(server, why, why_size);
    return sw_listener_open(sw_worker_loop(server->worker), &server->address, &sw_sys_kernel,
                            sw_streams_counters(sw_worker_streams(server->worker)), on_accepted,
                            server, &server->listener, why, why_size);
}

static int open_control(struct sw_server *server, char *why, size_t why_size)
{
    struct sw_control_ops ops = sw_server_control;
    ops.user = server;
    char *path =
        sw_control_path(server->config->control_socket, sw_worker_tun(server->worker)->name);
    if (path == NULL) return 0;
    int error = sw_control_open(sw_worker_loop(server->worker), path, &ops, &server->control, why,
                                why_size);
    free(path);
    if (error < 0 && !server->config->control_socket_explicit) {
        sw_log_warn("no control socket: %s", why);
        return 0;
    }
    return error;
}

static void on_signal(void *user, int number)
{
    struct sw_server *server = user;
    if (number == SIGHUP) {
        sw_log_info("SIGHUP: nothing is reloaded; restart to use a changed configuration");
        return;
    }
    sw_log_info("%s: saying goodbye to every client", number == SIGINT ? "SIGINT" : "SIGTERM");
    sw_worker_stop(server->worker);
}

static void on_statistics(uv_timer_t *timer)
{
    sw_server_log_statistics(timer->data);
}

static void start_watching(struct sw_server *server)
{
    uv_loop_t *loop = sw_worker_loop(server->worker);
    uint64_t interval = server->config->statistics_reporting_interval / SW_MILLISECOND;
    sw_signals_watch(&server->signals, loop, on_signal, server);
    uv_timer_init(loop, &server->statistics);
    server->statistics.data = server;
    if (interval > 0) uv_timer_start(&server->statistics, on_statistics, interval, interval);
}

static void stop_watching(struct sw_server *server)
{
    sw_signals_close(&server->signals);
    uv_close((uv_handle_t *)&server->statistics, NULL);
}

/* Opens everything. The TUN is the worker's from the moment it is attached. */
static int start(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    struct sw_tun tun;
    if (config->user_db != NULL) {
        server->users = sw_users_load(config->user_db, why, why_size);
        if (server->users == NULL) return SW_EINVAL;
    }
    int error = open_pool(server, why, why_size);
    if (error == 0) error = open_tls(server, why, why_size);
    if (error == 0) error = open_tun(server, &tun, why, why_size);
    if (error < 0) return error;
    error = open_worker(server, why, why_size);
    if (error == 0) error = sw_worker_attach_tun(server->worker, &tun);
    if (error < 0) {
        sw_tun_close(&tun);
        return error;
    }
    error = open_engine(server, tun.mtu, why, why_size);
    if (error == 0) error = open_socket(server, why, why_size);
    if (error == 0) error = open_control(server, why, why_size);
    return error;
}

static void log_start(const struct sw_server *server)
{
    char text[SW_ADDRESS_TEXT], offload[128];
    const struct sw_tun *tun = sw_worker_tun(server->worker);
    sw_log_event(
        SW_LOG_INFO,
        SW_LOG_FIELDS(
            {"version", .text = SLIPWAY_VERSION},
            {"mode", .text = server->config->mode == SW_DATAGRAM ? "udp" : "tcp"},
            {"address", .text = sw_address_text(&server->address, text)},
            {"tun", .text = tun->name}, {"mtu", .number = tun->mtu},
            {"offload", .text = sw_offload_summary(&server->offloads, offload, sizeof offload)},
            {"addresses", .number = sw_address_pool_size(server->pool)}),
        "Server started");
}

int sw_server_run(const struct sw_server_config *config)
{
    char why[512] = "out of memory";
    struct sw_server server = {.config = config, .started = sw_worker_now()};

    if (start(&server, why, sizeof why) < 0) {
        fprintf(stderr, "slipway-server: %s\n", why);
        server.failed = true;
    } else {
        start_watching(&server);
        log_start(&server);
        sw_worker_run(server.worker);
        stop_watching(&server);
    }
    sw_control_close(server.control);
    sw_listener_close(server.listener);
    sw_worker_free(server.worker);
    sw_metrics_free(server.metrics);
    sw_users_free(server.users);
    sw_tls_context_free(server.tls);
    sw_address_pool_free(server.pool);
    return server.failed ? 1 : 0;
}
