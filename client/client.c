/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The client's life: device, worker, control socket, then connecting (connect.c), then the tunnel
 * until something ends it. What was changed on the host (footprint.c) is undone before the process
 * ends, then comes the goodbye, then the device goes.
 */

#define SW_LOG_TARGET "client"

#include "client/client.h"

#include <errno.h>
#include <signal.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client_internal.h"
#include "host/log.h"

void sw_client_end(struct sw_client *client, enum sw_client_exit status, const char *format, ...)
{
    char line[sizeof client->why]; /* format may take its text from there */
    va_list arguments;
    if (client->ending) return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    memcpy(client->why, line, sizeof line);
    client->ending = true;
    client->status = status;
    if (client->worker != NULL) sw_worker_stop(client->worker);
}

static bool needs_udp(const struct sw_client_config *config)
{
    for (size_t i = 0; i < config->servers.n; i++)
        if (config->servers.entries[i].mode == SW_DATAGRAM) return true;
    return false;
}

/* The device, and what the kernel can do for it and for sockets. */
static int open_tun(struct sw_client *client, struct sw_tun *tun)
{
    const struct sw_client_config *config = client->config;
    struct sw_offloads *offloads = &client->offloads;
    sw_offload_begin(offloads, config->enable_tun_offload, &config->offload);
    if (!needs_udp(config)) {
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_SEGMENT, "mode is tcp");
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_GRO, "mode is tcp");
    }
    int error =
        sw_client_open_tun(config, offloads, client->nl, tun, client->why, sizeof client->why);
    if (error < 0) return error;
    sw_offload_probe_udp(offloads, &sw_sys_kernel);
    error = sw_offload_judge(offloads, client->why, sizeof client->why);
    if (error < 0) sw_tun_close(tun);
    return error;
}

static int open_worker(struct sw_client *client, const struct sw_tun *tun)
{
    const struct sw_worker_config config = {
        .ops = &sw_client_ops,
        .user = client,
        .sys = &sw_sys_kernel,
        .max_segments = client->offloads.max_segments,
        .batching = client->offloads.allowed,
    };
    client->worker = sw_worker_new(&config);
    client->metrics = sw_metrics_new();
    if (client->worker == NULL || client->metrics == NULL ||
        sw_worker_metrics(client->worker, client->metrics) < 0 || sw_client_report_init(client) < 0)
        return SW_ENOMEM;
    return sw_worker_attach_tun(client->worker, tun);
}

static int open_control(struct sw_client *client)
{
    struct sw_control_ops ops = sw_client_control;
    ops.user = client;
    char *path =
        sw_control_path(client->config->control_socket, sw_worker_tun(client->worker)->name);
    if (path == NULL) return 0;
    int error = sw_control_open(sw_worker_loop(client->worker), path, &ops, &client->control,
                                client->why, sizeof client->why);
    free(path);
    if (error < 0 && !client->config->control_socket_explicit) {
        sw_log_warn("no control socket: %s", client->why);
        return 0;
    }
    return error;
}

static int start(struct sw_client *client)
{
    struct sw_tun tun;
    snprintf(client->why, sizeof client->why, "out of memory");
    client->nl = sw_netlink_open();
    if (client->nl == NULL) {
        snprintf(client->why, sizeof client->why, "netlink: %s", strerror(errno));
        return SW_EINVAL;
    }
    int error = open_tun(client, &tun);
    if (error < 0) return error;
    error = open_worker(client, &tun);
    if (error < 0) {
        sw_tun_close(&tun);
        return error;
    }
    const struct sw_tun *device = sw_worker_tun(client->worker);
    error = sw_footprint_open(&client->footprint, client->config, client->nl, device->name,
                              device->index, client->why, sizeof client->why);
    return error < 0 ? error : open_control(client);
}

static void on_signal(void *user, int number)
{
    struct sw_client *client = user;
    if (number == SIGHUP) {
        json_decref(sw_reload(&client->reload));
        return;
    }
    sw_log_info("%s: ending", number == SIGINT ? "SIGINT" : "SIGTERM");
    sw_client_end(client, SW_EXIT_STOPPED, "ended by a signal");
}

static void start_watching(struct sw_client *client)
{
    uv_loop_t *loop = sw_worker_loop(client->worker);
    sw_signals_watch(&client->signals, loop, on_signal, client);
    uv_timer_init(loop, &client->turn);
    client->turn.data = client;
    sw_list_init(&client->parting);
    client->network = sw_client_watch_network(client);
}

static void stop_watching(struct sw_client *client)
{
    sw_signals_close(&client->signals);
    sw_network_watch_close(client->network);
    uv_close((uv_handle_t *)&client->turn, NULL);
}

/* libuv resolves names on half of its threads, of which there are four: with many servers, a few
 * names that hang would hold up all the others. */
static void allow_many_resolvers(const struct sw_client_config *config)
{
    char threads[16];
    size_t n = 2 * config->servers.n;
    if (n <= 4) return;
    snprintf(threads, sizeof threads, "%zu", n < 64 ? n : 64);
    setenv("UV_THREADPOOL_SIZE", threads, 0);
}

/* What a reload changes (host/reload.h): the log's threshold, encoding. */
static int apply(void *user, const void *all, char *why, size_t why_size)
{
    struct sw_client *client = user;
    const struct sw_client_config *fresh = all;
    bool encoding = fresh->enable_inside_pkt_encoding;
    sw_log_set_level(fresh->log_level);
    if (encoding != client->config->enable_inside_pkt_encoding)
        sw_client_set_encoding(client, encoding);
    sw_log_info("Reloaded");
    return 0;
}

int sw_client_run(struct sw_client_config *config, int argc, char *const *argv)
{
    struct sw_client client = {
        .config = config,
        .reload =
            {
                .set = &sw_client_options,
                .argc = argc,
                .argv = argv,
                .config = config,
                .apply = apply,
                .user = &client,
            },
        .started = sw_worker_now(),
    };

    allow_many_resolvers(config);
    if (start(&client) < 0) {
        client.status = SW_EXIT_SETUP;
    } else {
        start_watching(&client);
        if (sw_client_connect(&client) == 0)
            sw_worker_run(client.worker);
        else
            sw_client_end(&client, SW_EXIT_SETUP, "out of memory");
        client.ending = true;
        sw_footprint_close(&client.footprint, client.status == SW_EXIT_STOPPED);
        sw_client_disconnect(&client);
        stop_watching(&client);
    }
    sw_footprint_close(&client.footprint, false);
    if (client.status != 0) fprintf(stderr, "slipway-client: %s\n", client.why);
    sw_control_close(client.control);
    if (client.resolving > 0) {
        /* A resolver that waits for its own time-outs cannot be called off, and both libuv and
         * exit() would wait for it. Nothing is left that only we could undo. */
        fflush(NULL);
        _exit(client.status);
    }
    sw_worker_free(client.worker);
    sw_metrics_free(client.metrics);
    sw_netlink_close(client.nl);
    return client.status;
}
