/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_WORKER_PAIR_H
#define SW_TESTS_WORKER_PAIR_H

/*
 * Two workers, a server's and a client's, on loopback in one thread: host/worker.h. Their TUN
 * devices are socket pairs, which keep packets apart as a TUN does, so that a test sees and decides
 * what comes and goes on the inside.
 */

#include "host/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"
#include "host/random.h"
#include "host/worker_metrics.h"
#include "lib/base/bytes.h"
#include "lib/offload/segment.h"

#define INSIDE_IP UINT32_C(0x0a7d0007) /* of the client at the server */
#define REMOTE_IP UINT32_C(0x0a000001) /* somebody behind the server */
#define CLIENT_IP UINT32_C(0x0a7d0005) /* what every client is told */
#define TUN_IP    UINT32_C(0x64400006) /* of the client's TUN */

/* --- an end ------------------------------------------------------------------------------------*/

struct end {
    struct sw_worker *worker;
    struct sw_tls_context *tls;
    struct sw_metrics *metrics;
    struct sw_conn *conn; /* the only one */
    int inside;           /* our side of the socket pair */
    int closed_error;
    unsigned closed, lost;
};

static struct end server, client;

/* A superpacket that was written to a TUN, being cut up again. */
static struct {
    uint8_t packet[70000];
    struct sw_segmenter segmenter;
    unsigned next;
} super;

static struct sw_listener *listener;
static bool socket_full; /* the client's: sendmmsg says EAGAIN */
static bool tun_broken;  /* the client's: readv says EBADFD */
static bool take_runs;   /* sockets opened from now on have UDP_GRO */

static int maybe_full(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (socket_full && fd == sw_worker_udp(client.worker)->fd) {
        errno = EAGAIN;
        return -1;
    }
    return sw_sys_kernel.sendmmsg(fd, messages, count, flags);
}

static ssize_t maybe_broken(int fd, const struct iovec *iov, int count)
{
    if (tun_broken && fd == sw_worker_tun(client.worker)->fd) {
        errno = EBADFD;
        return -1;
    }
    return sw_sys_kernel.readv(fd, iov, count);
}

static struct sw_sys sys;

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct end *end = user;
    if (event->type == SW_EVENT_STATE) end->conn = conn;
    if (event->type != SW_EVENT_CLOSED) return;
    end->conn = NULL;
    end->closed++;
    end->closed_error = event->error;
}

static int authorise(void *user, struct sw_conn *conn, const struct sw_credentials *credentials)
{
    return 0;
}

static int assign(void *user, struct sw_conn *conn, uint32_t *inside_ip)
{
    *inside_ip = INSIDE_IP;
    return 0;
}

static void release(void *user, struct sw_conn *conn, uint32_t inside_ip)
{
    assert_int_equal(inside_ip, INSIDE_IP);
}

static bool is_online(const struct end *end)
{
    return end->conn != NULL && sw_conn_state(end->conn) == SW_STATE_ONLINE;
}

static struct sw_conn *find(void *user, uint32_t destination)
{
    struct end *end = user;
    if (!is_online(end) || (end == &server && destination != INSIDE_IP)) return NULL;
    return end->conn;
}

static void tun_lost(void *user)
{
    ((struct end *)user)->lost++;
}

static const struct sw_worker_ops ops = {
    .event = on_event,
    .authorise = authorise,
    .assign = assign,
    .release = release,
    .find = find,
    .tun_lost = tun_lost,
};

static struct sw_pem read_pem(const char *name)
{
    static char texts[4][8192];
    static unsigned next;
    char path[512];
    char *text = texts[next++ % 4];
    snprintf(path, sizeof path, "%s/certs/%s", SW_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof texts[0], file);
    fclose(file);
    return (struct sw_pem){text, len};
}

static void open_end(struct end *end, bool batching)
{
    const struct sw_worker_config config = {.ops = &ops,
                                            .user = end,
                                            .sys = &sys,
                                            .max_segments = batching ? 64 : 1,
                                            .batching = batching};
    struct sw_tun tun = {.framing = true,
                         .mask = 3,
                         .takes_tcp = true,
                         .takes_udp = true,
                         .existed = true,
                         .sys = &sys,
                         .name = "pair"};
    int pair[2], size = 1 << 20;
    *end = (struct end){.inside = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
                     0);
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    end->inside = pair[0];
    tun.fd = pair[1];
    end->worker = sw_worker_new(&config);
    end->metrics = sw_metrics_new();
    assert_non_null(end->worker);
    assert_int_equal(sw_worker_metrics(end->worker, end->metrics), 0);
    assert_int_equal(sw_worker_attach_tun(end->worker, &tun), 0);
}

/* The configuration of an end's engine, and the TLS context for it. */
static struct sw_engine_config engine_config(struct end *end, enum sw_role role,
                                             enum sw_transport transport)
{
    int error;
    const struct sw_tls_config tls = {
        .role = role,
        .transport = transport,
        .certificate = read_pem("server.crt"),
        .key = read_pem("server.key"),
        .ca = read_pem("ca.crt"),
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    end->tls = sw_tls_context_new(&tls, &error, NULL);
    assert_non_null(end->tls);
    return (struct sw_engine_config){
        .role = role,
        .datagram = transport == SW_DATAGRAM ? end->tls : NULL,
        .stream = transport == SW_STREAM ? end->tls : NULL,
        .inside_mtu = 1350,
        .outside_mtu = 1500,
        .client_ip = CLIENT_IP,
        .server_ip = UINT32_C(0x0a7d0006),
        .dns_ip = UINT32_C(0x0a7d0001),
        .tun_ip = TUN_IP,
        .credentials =
            {.method = 1, .user = "u", .user_len = 1, .password = "p", .password_len = 1},
    };
}

static void start_engine(struct end *end, enum sw_role role, enum sw_transport transport)
{
    const struct sw_engine_config config = engine_config(end, role, transport);
    assert_int_equal(sw_worker_start_engine(end->worker, &config), 0);
}

/* Runs both loops until done says so; false after 10 seconds. */
static bool run_until(bool (*done)(void))
{
    const struct end *ends[2] = {&server, &client};
    uint64_t limit = uv_hrtime() + 10 * UINT64_C(1000000000);
    while (!done() && uv_hrtime() < limit) {
        struct pollfd wait[2];
        int timeout = 100;
        for (size_t i = 0; i < 2; i++) {
            uv_loop_t *loop = sw_worker_loop(ends[i]->worker);
            uv_run(loop, UV_RUN_NOWAIT);
            int due = uv_backend_timeout(loop);
            wait[i] = (struct pollfd){.fd = uv_backend_fd(loop), .events = POLLIN};
            if (due >= 0 && due < timeout) timeout = due;
        }
        if (!done()) poll(wait, 2, timeout);
    }
    return done();
}

static void attach_udp(struct end *end, struct sw_udp_config config)
{
    struct sw_udp udp;
    char why[256] = "";
    config.slots = 8;
    config.gro = take_runs;
    config.receive_buffer = 8 << 20;
    if (sw_udp_open(&udp, &config, &sys, why, sizeof why) < 0) fail_msg("%s", why);
    assert_int_equal(sw_worker_attach_udp(end->worker, &udp), 0);
}

static void say_hello(enum sw_transport transport, const struct sw_address *to, int fd)
{
    const struct sw_path path = {.remote = *to};
    int error;
    struct sw_conn *conn =
        sw_connect(sw_worker_engine(client.worker), transport, &path, sw_worker_now(), &error);
    assert_non_null(conn);
    if (fd >= 0) sw_worker_attach_stream(client.worker, fd, conn);
    sw_worker_flush(client.worker);
}

static void on_accepted(void *user, int fd, const struct sw_path *path)
{
    int error;
    struct sw_conn *conn =
        sw_accept_stream(sw_worker_engine(server.worker), path, sw_worker_now(), &error);
    assert_non_null(conn);
    sw_worker_attach_stream(server.worker, fd, conn);
}

static void on_dialled(void *user, int fd, int error)
{
    assert_true(fd >= 0);
    say_hello(SW_STREAM, user, fd);
}

static bool both_online(void)
{
    return is_online(&server) && is_online(&client);
}

/* Two ends without engines. */
static void open_ends(bool batching)
{
    sys = sw_sys_kernel;
    sys.sendmmsg = maybe_full;
    sys.readv = maybe_broken;
    socket_full = tun_broken = false;
    open_end(&server, batching);
    open_end(&client, batching);
}

/* Where the server is from then on. */
static struct sw_address open_server(enum sw_transport transport)
{
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct sw_address address = sw_address_from_in(loopback, 0);
    char why[256];
    start_engine(&server, SW_SERVER, transport);
    if (transport == SW_DATAGRAM) {
        attach_udp(&server, (struct sw_udp_config){.local = address});
        return sw_worker_udp(server.worker)->local;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* a port that was free a moment ago */
    struct sockaddr_storage bound;
    socklen_t len = sw_address_to_sockaddr(&address, AF_INET, &bound);
    assert_int_equal(bind(fd, (struct sockaddr *)&bound, len), 0);
    getsockname(fd, (struct sockaddr *)&bound, &len);
    sw_address_from_sockaddr(&address, (struct sockaddr *)&bound);
    close(fd);
    const struct sw_listener_config config = {
        .address = address,
        .sys = &sys,
        .counters = sw_streams_counters(sw_worker_streams(server.worker)),
        .accepted = on_accepted,
    };
    assert_int_equal(
        sw_listener_open(sw_worker_loop(server.worker), &config, &listener, why, sizeof why), 0);
    return address;
}

static inline void open_tunnel(enum sw_transport transport, bool batching)
{
    open_ends(batching);
    struct sw_address address = open_server(transport);
    start_engine(&client, SW_CLIENT, transport);
    if (transport == SW_DATAGRAM) {
        attach_udp(&client, (struct sw_udp_config){.remote = address});
        say_hello(SW_DATAGRAM, &address, -1);
    } else {
        assert_non_null(
            sw_dial_start(sw_worker_loop(client.worker), &address, 0, 5000, on_dialled, &address));
    }
    assert_true(run_until(both_online));
}

static int set_up(void **state)
{
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    super.next = super.segmenter.count = 0;
    listener = NULL;
    return 0;
}

static int tear_down(void **state)
{
    struct end *ends[2] = {&client, &server};
    socket_full = tun_broken = take_runs = false;
    sw_listener_close(listener);
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->worker == NULL) continue;
        sw_worker_free(ends[i]->worker);
        sw_metrics_free(ends[i]->metrics);
        sw_tls_context_free(ends[i]->tls);
        close(ends[i]->inside);
    }
    return 0;
}

/* --- packets -----------------------------------------------------------------------------------*/

#define UDP_HEADERS 28

static void put_sum(uint8_t *packet, size_t headers)
{
    uint32_t sum = 0;
    sw_put_be16(packet + 10, 0);
    for (size_t i = 0; i < headers; i += 2)
        sum += sw_get_be16(packet + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sw_put_be16(packet + 10, (uint16_t)~sum);
}

/* A UDP packet without checksum; its payload begins with number. */
static size_t make_packet(uint8_t *packet, uint32_t from, uint32_t to, size_t payload,
                          uint32_t number)
{
    memset(packet, 0, UDP_HEADERS + payload);
    packet[0] = 0x45;
    sw_put_be16(packet + 2, (uint16_t)(UDP_HEADERS + payload));
    packet[8] = 64;
    packet[9] = 17;
    sw_put_be32(packet + 12, from);
    sw_put_be32(packet + 16, to);
    sw_put_be16(packet + 20, 1000);
    sw_put_be16(packet + 22, 2000);
    sw_put_be16(packet + 24, (uint16_t)(8 + payload));
    sw_put_be32(packet + 28, number);
    put_sum(packet, 20);
    return UDP_HEADERS + payload;
}

/* What a TUN would hand over. False: its queue is full. */
static bool inject(struct end *end, const uint8_t *packet, size_t len, const struct sw_vnet *vnet)
{
    static const struct sw_vnet plain;
    uint8_t header[SW_VNET_LEN];
    struct iovec iov[2] = {{header, sizeof header}, {(void *)(uintptr_t)packet, len}};
    sw_vnet_encode(header, vnet != NULL ? vnet : &plain);
    return writev(end->inside, iov, 2) > 0;
}

static uint8_t received[70000];

static ssize_t next_segment(void)
{
    size_t len = sw_segment_len(&super.segmenter, super.next);
    sw_segment_build(&super.segmenter, super.next++, received);
    return (ssize_t)len;
}

/* The next packet written to the TUN of end, without virtio header; -1: none. */
static ssize_t next_packet(struct end *end)
{
    struct sw_vnet vnet;
    if (super.next < super.segmenter.count) return next_segment();
    ssize_t n = recv(end->inside, received, sizeof received, MSG_DONTWAIT);
    if (n < 0) return -1;
    assert_true(n > SW_VNET_LEN);
    sw_vnet_decode(received, &vnet);
    n -= SW_VNET_LEN;
    memmove(received, received + SW_VNET_LEN, (size_t)n);
    if (!sw_vnet_is_super(&vnet)) {
        assert_int_equal(vnet.flags, 0);
        return n;
    }
    memcpy(super.packet, received, (size_t)n);
    super.next = 0;
    assert_int_equal(sw_segmenter_init(&super.segmenter, super.packet, (size_t)n, &vnet, NULL), 0);
    return next_segment();
}

static bool something_arrived(void)
{
    if (super.next < super.segmenter.count) return true;
    struct pollfd wait[2] = {{.fd = server.inside, .events = POLLIN},
                             {.fd = client.inside, .events = POLLIN}};
    return poll(wait, 2, 0) > 0;
}

static inline void expect_number(struct end *end, uint32_t number, uint32_t from, uint32_t to)
{
    assert_true(run_until(something_arrived));
    assert_true(next_packet(end) >= UDP_HEADERS + 4);
    assert_int_equal(sw_get_be32(received + 28), number);
    assert_int_equal(sw_get_be32(received + 12), from);
    assert_int_equal(sw_get_be32(received + 16), to);
}

static uint64_t metric(const struct end *end, const char *name)
{
    return sw_metrics_get(end->metrics, name);
}

#endif
