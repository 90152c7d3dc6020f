/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The server's life: everything is opened in one order, each step naming what went wrong, the
 * workers run on their threads and the main thread's loop until a signal comes, and everything is
 * undone in the reverse order. Each worker stops its engine as the last thing its thread does: it
 * says goodbye to every client through a socket that is still open.
 */

#define SW_LOG_TARGET "server"

#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "host/address.h"
#include "host/log.h"
#include "host/random.h"
#include "server/server_internal.h"

static int open_map(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    char reason[256];
    if (config->ip_map.n == 0) return 0;
    server->map = sw_address_map_new(config->ip_map.entries, config->ip_map.n, &config->ip_pool,
                                     reason, sizeof reason);
    if (server->map != NULL) return 0;
    snprintf(why, why_size, "ip_map: %s", reason);
    return SW_EINVAL;
}

static int open_pool(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    const uint32_t reserved[] = {
        ntohl(config->lightway_client_ip.s_addr), ntohl(config->lightway_server_ip.s_addr),
        ntohl(config->lightway_dns_ip.s_addr), ntohl(config->tun_ip.s_addr)};
    if (open_map(server, why, why_size) < 0) return SW_EINVAL;
    const struct sw_address_pool_config pool = {
        .network = ntohl(config->ip_pool.address.s_addr),
        .prefix = config->ip_pool.prefix,
        .reserved = reserved,
        .n_reserved = sizeof reserved / sizeof reserved[0],
        .map = server->map,
        .random = config->randomize_ippool ? sw_random_below : NULL,
    };
    server->pool = sw_address_pool_new(&pool, why, why_size);
    if (server->pool == NULL) return SW_EINVAL;
    server->network = sw_address_pool_network(server->pool);
    server->span = sw_address_pool_span(server->pool);
    if (sw_address_pool_part_size(server->pool, 0) == 0)
        sw_log_warn("ip_map leaves no address of ip_pool to clients of other addresses");
    return 0;
}

/* The device, and what the kernel can do for it and for sockets. */
static int open_tun(struct sw_server *server, struct sw_tun *tun, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    struct sw_offloads *offloads = &server->offloads;
    sw_offload_begin(offloads, config->enable_tun_offload, &config->offload);
    if (!sw_server_serves(config, SW_DATAGRAM)) {
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_SEGMENT, "mode is tcp");
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_GRO, "mode is tcp");
    }
    int error = sw_server_open_tun(config, sw_server_count_workers(config) > 1, offloads, tun, why,
                                   why_size);
    if (error < 0) return error;
    sw_offload_probe_udp(offloads, &sw_sys_kernel);
    error = sw_offload_judge(offloads, why, why_size);
    if (error < 0) sw_tun_close(tun);
    return error;
}

static int open_control(struct sw_server *server, char *why, size_t why_size)
{
    struct sw_control_ops ops = sw_server_control;
    ops.user = server;
    char *path = sw_control_path(server->config->control_socket,
                                 sw_worker_tun(server->crew.workers[0])->name);
    if (path == NULL) return 0;
    int error = sw_control_open(&server->loop, path, &ops, &server->control, why, why_size);
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
        json_decref(sw_reload(&server->reload));
        return;
    }
    sw_log_info("%s: saying goodbye to every client", number == SIGINT ? "SIGINT" : "SIGTERM");
    uv_stop(&server->loop);
}

static void on_statistics(uv_timer_t *timer)
{
    sw_server_log_statistics(timer->data);
}

static void on_lost(uv_async_t *lost)
{
    struct sw_server *server = lost->data;
    uv_stop(&server->loop);
}

static void start_watching(struct sw_server *server)
{
    sw_signals_watch(&server->signals, &server->loop, on_signal, server);
    uint64_t interval = server->config->statistics_reporting_interval / SW_MILLISECOND;
    if (interval > 0) uv_timer_start(&server->statistics, on_statistics, interval, interval);
}

static int open_loop(struct sw_server *server)
{
    if (uv_loop_init(&server->loop) < 0) return SW_ENOMEM;
    server->loop_open = true;
    uv_timer_init(&server->loop, &server->statistics);
    uv_async_init(&server->loop, &server->lost, on_lost);
    server->statistics.data = server->lost.data = server;
    return 0;
}

static void close_loop(struct sw_server *server)
{
    if (!server->loop_open) return;
    uv_close((uv_handle_t *)&server->statistics, NULL);
    uv_close((uv_handle_t *)&server->lost, NULL);
    while (uv_run(&server->loop, UV_RUN_DEFAULT) != 0)
        continue;
    uv_loop_close(&server->loop);
}

/* Once the address is bound, and so no other server can be using the same TUN device. */
static int set_host_up(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    const struct sw_tun *tun = sw_worker_tun(server->crew.workers[0]);
    const struct sw_host_setup_plan plan = {
        .tun = tun->name,
        .tun_index = tun->index,
        .tun_is_new = !tun->existed,
        .tun_ip = ntohl(config->tun_ip.s_addr),
        .pool = config->ip_pool,
        .device = config->host_setup_device,
    };
    if (!config->host_setup) {
        sw_host_setup_clean(&plan);
        return 0;
    }
    return sw_host_setup_start(&plan, &server->host_setup, why, why_size);
}

/* Opens everything; the TUN is the workers' from then on. */
static int start(struct sw_server *server, char *why, size_t why_size)
{
    const struct sw_server_config *config = server->config;
    struct sw_tun tun;
    int error = open_loop(server);
    if (error < 0) return error;
    server->logins = sw_logins_load(config->user_db, config->token_rsa_pub_key_pem, why, why_size);
    if (server->logins == NULL) return SW_EINVAL;
    error = open_pool(server, why, why_size);
    if (error == 0) error = sw_server_open_tls(config, &server->tls, why, why_size);
    if (error == 0) error = open_tun(server, &tun, why, why_size);
    if (error == 0) error = sw_server_open_workers(server, &tun, why, why_size);
    if (error == 0) error = set_host_up(server, why, why_size);
    if (error == 0) error = open_control(server, why, why_size);
    return error;
}

static void log_start(const struct sw_server *server)
{
    char text[SW_ADDRESS_TEXT], offload[128];
    const struct sw_tun *tun = sw_worker_tun(server->crew.workers[0]);
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"version", .text = SLIPWAY_VERSION},
                               {"mode", .text = sw_server_mode_name(server->config)},
                               {"address", .text = sw_address_text(&server->address, text)},
                               {"tun", .text = tun->name}, {"mtu", .number = tun->mtu},
                               {"offload", .text = sw_offload_summary(&server->offloads, offload,
                                                                      sizeof offload)},
                               {"addresses", .number = sw_address_pool_size(server->pool)},
                               {"workers", .number = server->crew.count}),
                 "Server started");
    sw_server_log_steering(server);
    const char *aead = sw_engine_aead(sw_worker_engine(server->crew.workers[0]));
    if (aead != NULL)
        sw_log_event(SW_LOG_INFO, SW_LOG_FIELDS({"aead", .text = aead}), "Expresslane is on");
}

static void run(struct sw_server *server)
{
    log_start(server);
    if (sw_crew_start(&server->crew) == 0) {
        start_watching(server);
        uv_run(&server->loop, UV_RUN_DEFAULT);
        sw_signals_close(&server->signals);
    } else {
        sw_log_error("no thread for a worker: out of memory");
        server->failed = true;
    }
    sw_crew_stop(&server->crew);
}

static int serve(struct sw_server *server)
{
    char why[512] = "out of memory";
    if (start(server, why, sizeof why) < 0) {
        fprintf(stderr, "slipway-server: %s\n", why);
        server->failed = true;
    } else {
        run(server);
    }
    sw_host_setup_stop(server->host_setup);
    sw_control_close(server->control);
    close_loop(server);
    sw_server_close_workers(server);
    sw_logins_free(server->logins);
    sw_server_close_tls(&server->tls);
    sw_address_pool_free(server->pool);
    sw_address_map_free(server->map);
    explicit_bzero(server->cookie_key, sizeof server->cookie_key);
    sw_tun_steering_close(&server->steering);
    return server->failed ? 1 : 0;
}

/* Each client over TCP takes a descriptor. The limit that a process starts with is for the sake of
 * select(2), which nobody here uses. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        sw_log_warn("the limit of open files stays low: %s", strerror(errno));
}

int sw_server_run(struct sw_server_config *config, int argc, char *const *argv)
{
    struct sw_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fprintf(stderr, "slipway-server: out of memory\n");
        return 1;
    }
    server->config = config;
    server->reload = (struct sw_reload){.set = &sw_server_options,
                                        .argc = argc,
                                        .argv = argv,
                                        .config = config,
                                        .apply = sw_server_apply,
                                        .user = server};
    server->started = sw_worker_now();
    allow_descriptors();
    int status = serve(server);
    free(server);
    return status;
}
