/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The server's workers: for each a queue of the TUN, an engine, and a UDP socket, a TCP listener or
 * both on the one address. Queues and sockets are opened in the order of the workers, for that is
 * how the kernel's steering numbers them.
 *
 * Connections are spread evenly: the kernel's hash, which decides where a client's first datagrams
 * arrive, knows nothing of load, so a connection is given to the worker that has the fewest.
 *
 * Steering saves work and is never needed: what lands on the wrong worker gets to the right one by
 * mail (host/worker_mail.c). So a kernel that refuses it is a line in the log, unless the
 * configuration insists.
 */

#define SW_LOG_TARGET "server"

#include <arpa/inet.h>
#include <errno.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/address.h"
#include "host/log.h"
#include "host/proxy_gate.h"
#include "host/random.h"
#include "server/server_internal.h"

#define HALF_OPEN_LIMIT 4096 /* of all workers together */

#define PROXY_HEADER_TIMEOUT_MS 5000

unsigned sw_server_count_workers(const struct sw_server_config *config)
{
    return config->workers != 0 ? config->workers : sw_crew_default_count();
}

/* --- one worker --------------------------------------------------------------------------------*/

/* Takes over the queue. */
static int make_worker(struct sw_server *server, unsigned index, struct sw_tun *queue)
{
    struct sw_server_worker *worker = &server->workers[index];
    const struct sw_worker_config config = {
        .crew = &server->crew,
        .index = index,
        .ops = &sw_server_ops,
        .user = worker,
        .sys = &sw_sys_kernel,
        .max_segments = server->offloads.max_segments,
        .batching = server->offloads.allowed || server->config->enable_batch_send,
    };
    worker->server = server;
    worker->index = index;
    worker->logins = sw_logins_hold(server->logins);
    worker->conns = calloc(server->span, sizeof(struct sw_conn *));
    worker->metrics = sw_metrics_new();
    worker->worker = server->crew.workers[index] = sw_worker_new(&config);
    if (worker->conns != NULL && worker->metrics != NULL && worker->worker != NULL &&
        sw_worker_metrics(worker->worker, worker->metrics) == 0 &&
        sw_server_report_init(worker) == 0 && sw_worker_attach_tun(worker->worker, queue) == 0)
        return 0;
    sw_tun_close(queue);
    return SW_ENOMEM;
}

unsigned sw_server_half_open_limit(const struct sw_server *server)
{
    return HALF_OPEN_LIMIT / server->crew.count;
}

static int open_engine(struct sw_server_worker *worker, unsigned mtu)
{
    const struct sw_server *server = worker->server;
    const struct sw_server_config *config = server->config;
    const struct sw_plugin *const inside_plugins[] = {sw_source_guard()};
    const struct sw_engine_config engine = {
        .role = SW_SERVER,
        .datagram = server->tls.contexts[SW_DATAGRAM],
        .stream = server->tls.contexts[SW_STREAM],
        .inside_mtu = (uint16_t)(mtu <= UINT16_MAX ? mtu : UINT16_MAX),
        .client_ip = ntohl(config->lightway_client_ip.s_addr),
        .server_ip = ntohl(config->lightway_server_ip.s_addr),
        .dns_ip = ntohl(config->lightway_dns_ip.s_addr),
        .half_open_limit = sw_server_half_open_limit(server),
        .worker = worker->index,
        .workers = server->crew.count,
        .idle_after = config->connection_idle_limit,
        .key_update_interval = config->key_update_interval,
        .cookie_key = server->cookie_key,
        .inside_plugins = {inside_plugins, sizeof inside_plugins / sizeof inside_plugins[0]},
        .pmtud = config->enable_pmtud,
        .expresslane = config->enable_expresslane,
        .expresslane_rotation = config->expresslane_keys_rotation_interval,
    };
    return sw_worker_start_engine(worker->worker, &engine);
}

static int open_udp(struct sw_server_worker *worker, enum sw_reuseport place, char *why,
                    size_t why_size)
{
    const struct sw_server *server = worker->server;
    bool batching = server->offloads.allowed || server->config->enable_batch_receive;
    const struct sw_udp_config config = {
        .local = server->address,
        .send_buffer = server->config->udp_buffer_size,
        .receive_buffer = server->config->udp_buffer_size,
        .never_df = true,
        .gro = sw_offload_is_on(&server->offloads, SW_OFFLOAD_UDP_GRO),
        .place = place,
        .slots = batching ? SW_UDP_SLOTS : 1,
    };
    struct sw_udp udp;
    int error = sw_udp_open(&udp, &config, &sw_sys_kernel, why, why_size);
    if (error < 0) return error;
    error = sw_worker_attach_udp(worker->worker, &udp);
    if (error < 0) {
        sw_udp_close(&udp);
        snprintf(why, why_size, "UDP socket: %s", sw_strerror(error));
    }
    return error;
}

void sw_server_accept(void *user, int fd, const struct sw_path *path)
{
    struct sw_server_worker *worker = user;
    int error;
    struct sw_conn *conn =
        sw_accept_stream(sw_worker_engine(worker->worker), path, sw_worker_now(), &error);
    if (conn == NULL) {
        sw_log_rate(SW_LOG_WARN, "a TCP connection is refused: %s", sw_strerror(error));
        close(fd);
        return;
    }
    sw_worker_attach_stream(worker->worker, fd, conn);
    sw_worker_flush(worker->worker);
}

static void on_accepted(void *user, int fd, const struct sw_path *path)
{
    struct sw_server_worker *worker = user;
    if (!sw_worker_place_stream(worker->worker, fd, path)) sw_server_accept(worker, fd, path);
}

static int open_gate(struct sw_server_worker *worker)
{
    const struct sw_proxy_gate_config config = {
        .sys = &sw_sys_kernel,
        .counters = sw_streams_counters(sw_worker_streams(worker->worker)),
        .limit = sw_server_half_open_limit(worker->server),
        .timeout_ms = PROXY_HEADER_TIMEOUT_MS,
        .passed = on_accepted,
        .user = worker,
    };
    worker->gate = sw_proxy_gate_new(sw_worker_loop(worker->worker), &config);
    return worker->gate != NULL ? 0 : SW_ENOMEM;
}

static int open_listener(struct sw_server_worker *worker, enum sw_reuseport place, char *why,
                         size_t why_size)
{
    bool proxied = worker->server->config->proxy_protocol;
    snprintf(why, why_size, "out of memory");
    if (proxied && open_gate(worker) < 0) return SW_ENOMEM;
    const struct sw_listener_config config = {
        .address = worker->server->address,
        .place = place,
        .sys = &sw_sys_kernel,
        .counters = sw_streams_counters(sw_worker_streams(worker->worker)),
        .accepted = proxied ? sw_proxy_gate_accepted : on_accepted,
        .user = proxied ? (void *)worker->gate : worker,
    };
    return sw_listener_open(sw_worker_loop(worker->worker), &config, &worker->listener, why,
                            why_size);
}

static enum sw_reuseport place_of(const struct sw_server_worker *worker)
{
    if (worker->server->crew.count == 1) return SW_REUSEPORT_ALONE;
    return worker->index == 0 ? SW_REUSEPORT_FIRST : SW_REUSEPORT_NEXT;
}

static int open_sockets(struct sw_server *server, char *why, size_t why_size)
{
    sw_address_from_sockaddr(&server->address,
                             (const struct sockaddr *)&server->config->bind_address);
    for (unsigned i = 0; i < server->crew.count; i++) {
        struct sw_server_worker *worker = &server->workers[i];
        int error = 0;
        if (sw_server_serves(server->config, SW_DATAGRAM))
            error = open_udp(worker, place_of(worker), why, why_size);
        if (error == 0 && sw_server_serves(server->config, SW_STREAM))
            error = open_listener(worker, place_of(worker), why, why_size);
        if (error < 0) return error;
    }
    return 0;
}

/* --- steering ----------------------------------------------------------------------------------*/

/* False: not possible here; the phrase says what happens instead, and why. */
static bool steer_outside(struct sw_server *server)
{
    char *phrase = server->steering_outside;
    size_t size = sizeof server->steering_outside;
    if (!sw_server_serves(server->config, SW_DATAGRAM)) {
        snprintf(phrase, size, "by connection");
        return true;
    }
    if (server->config->offload_steering == SW_OFF) {
        snprintf(phrase, size, "by address and port: offload_steering is false");
        return false;
    }
    if (sw_reuseport_steer(sw_worker_udp(server->crew.workers[0])->fd, server->crew.count,
                           &sw_sys_kernel) == 0) {
        snprintf(phrase, size, "by session id");
        return true;
    }
    snprintf(phrase, size, "by address and port: SO_ATTACH_REUSEPORT_CBPF: %s", strerror(errno));
    return false;
}

static bool steer_inside(struct sw_server *server)
{
    char *phrase = server->steering_inside, why[128];
    size_t size = sizeof server->steering_inside;
    const struct sw_tun *tun = sw_worker_tun(server->crew.workers[0]);
    if (!tun->multi_queue) {
        snprintf(phrase, size, "none: %s has a single queue", tun->name);
        return false;
    }
    if (server->config->offload_steering == SW_OFF) {
        snprintf(phrase, size, "by flow: offload_steering is false");
        return false;
    }
    if (sw_tun_steering_start(&server->steering, tun, server->network, server->span, &sw_sys_kernel,
                              why, sizeof why) < 0) {
        snprintf(phrase, size, "by flow: %s", why);
        return false;
    }
    sw_address_pool_publish(server->pool, server->steering.table);
    snprintf(phrase, size, "by inside address");
    return true;
}

static int steer(struct sw_server *server, char *why, size_t why_size)
{
    if (server->crew.count == 1) return 0;
    bool outside = steer_outside(server), inside = steer_inside(server);
    /* Without steering, all that comes for a connection placed elsewhere would go by mail. */
    server->crew.placing = outside;
    if (server->config->offload_steering != SW_ON || (outside && inside)) return 0;
    snprintf(why, why_size, "offload_steering is true, but %s is steered %s",
             outside ? "the inside" : "the outside",
             outside ? server->steering_inside : server->steering_outside);
    return SW_EINVAL;
}

void sw_server_log_steering(const struct sw_server *server)
{
    if (server->crew.count == 1) return;
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"workers", .number = server->crew.count},
                               {"outside", .text = server->steering_outside},
                               {"inside", .text = server->steering_inside}),
                 "Steering to workers");
}

/* --- all of them -------------------------------------------------------------------------------*/

static int open_queues(struct sw_server *server, struct sw_tun *first, char *why, size_t why_size)
{
    snprintf(why, why_size, "out of memory");
    int error = make_worker(server, 0, first);
    for (unsigned i = 1; error == 0 && i < server->crew.count; i++) {
        struct sw_tun queue;
        error = sw_tun_open_queue(&queue, first, why, why_size);
        if (error < 0) return error;
        snprintf(why, why_size, "out of memory");
        error = make_worker(server, i, &queue);
    }
    return error;
}

static int open_engines(struct sw_server *server, unsigned mtu, char *why, size_t why_size)
{
    for (unsigned i = 0; i < server->crew.count; i++) {
        int error = open_engine(&server->workers[i], mtu);
        if (error == 0) continue;
        snprintf(why, why_size, "protocol engine: %s", sw_strerror(error));
        return error;
    }
    return 0;
}

int sw_server_open_workers(struct sw_server *server, struct sw_tun *tun, char *why, size_t why_size)
{
    unsigned count = sw_server_count_workers(server->config);
    if (sw_crew_init(&server->crew, count) < 0) {
        sw_tun_close(tun);
        snprintf(why, why_size, "out of memory");
        return SW_ENOMEM;
    }
    sw_random_fill(server->cookie_key, sizeof server->cookie_key);
    int error = open_queues(server, tun, why, why_size);
    if (error == 0) error = open_engines(server, tun->mtu, why, why_size);
    if (error == 0) error = open_sockets(server, why, why_size);
    if (error == 0) error = steer(server, why, why_size);
    return error;
}

void sw_server_close_workers(struct sw_server *server)
{
    if (server->steering.table != NULL)
        sw_tun_steering_stop(&server->steering, sw_worker_tun(server->crew.workers[0]),
                             &sw_sys_kernel);
    for (unsigned i = 0; i < server->crew.count; i++) {
        sw_listener_close(server->workers[i].listener);
        sw_proxy_gate_free(server->workers[i].gate);
    }
    sw_crew_free(&server->crew);
    for (unsigned i = 0; i < server->crew.count; i++) {
        sw_metrics_free(server->workers[i].metrics);
        sw_logins_free(server->workers[i].logins);
        free(server->workers[i].conns);
    }
}
