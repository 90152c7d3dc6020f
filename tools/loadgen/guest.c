/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One simulated client: socket, engine and connection, from the first datagram to the goodbye, and
 * then all over again with everything new, as a client that was started again would.
 *
 * Every call of the engine is followed by settle(), which sends what the engine has to say, notices
 * the end of the connection, and sets the guest's deadline.
 */

#include <errno.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/address.h"
#include "host/random.h"
#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "tools/loadgen/loadgen.h"

#define TUN_IP     0x64400006u /* 100.64.0.6 */
#define TUN_DNS_IP 0x64400001u
#define INSIDE_MTU 1350
#define ROOM       65536

#define METHOD_USER_PASSWORD 1

#define PING_LEN     64
#define IP_LEN       20
#define ECHO_REQUEST 8
#define ECHO_REPLY   0

/* --- the engine's callbacks --------------------------------------------------------------------*/

static int on_flush(void *user)
{
    struct guest *guest = user;
    struct load *load = guest->load;
    struct sw_batch *batch = load->batch;

    for (unsigned i = 0; i < batch->count; i++) {
        const struct sw_batch_chunk *chunk = &batch->chunks[i];
        for (size_t at = 0; at < chunk->len; at += chunk->stride) {
            size_t len = chunk->len - at < chunk->stride ? chunk->len - at : chunk->stride;
            const uint8_t *datagram = batch->buffer + chunk->offset + at;
            bool sent = send(guest->fd, datagram, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
            *(sent ? &load->counts.datagrams : &load->counts.unsent) += 1;
        }
    }
    sw_batch_clear(batch);
    return 0;
}

static void on_inside(void *user, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct guest *guest = user;
    struct load_counts *counts = &guest->load->counts;
    bool answer = len == PING_LEN && packet[9] == 1 && packet[IP_LEN] == ECHO_REPLY &&
                  sw_get_be32(packet + 16) == TUN_IP;

    (void)conn;
    *(answer ? &counts->pongs : &counts->wrong_packets) += 1;
}

static void note_latency(struct load *load, sw_time took)
{
    if (load->n_latencies == load->latency_room) {
        size_t room = load->latency_room > 0 ? 2 * load->latency_room : 4096;
        uint32_t *more = realloc(load->latencies, room * sizeof *more);
        if (more == NULL) return; /* the report says how many it knows */
        load->latencies = more;
        load->latency_room = room;
    }
    load->latencies[load->n_latencies++] = (uint32_t)(took / SW_MICROSECOND);
}

/* What the socket takes of a stream. False: it is broken. */
static bool write_out(struct guest *guest, struct sw_conn *conn)
{
    const uint8_t *bytes;
    size_t len;

    while ((bytes = sw_conn_stream_peek(conn, &len)) != NULL) {
        ssize_t n = send(guest->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        sw_conn_stream_sent(conn, (size_t)n, guest->load->now);
    }
    return true;
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct guest *guest = user;
    struct load *load = guest->load;

    if (event->type == SW_EVENT_CLOSED) {
        write_out(guest, conn); /* the goodbye: there is no later */
        guest->conn = NULL;
        guest->error = event->error;
    } else if (event->type == SW_EVENT_STATE && sw_conn_state(conn) == SW_STATE_ONLINE) {
        guest->online = true;
        guest->leaves = load->now + load->options.hold;
        guest->pings = load->options.ping != 0 ? load->now : SW_NEVER;
        load->counts.online++;
        note_latency(load, load->now - guest->begun);
    }
}

static const struct sw_callbacks callbacks = {
    .flush = on_flush,
    .inside = on_inside,
    .event = on_event,
    .random = sw_random_callback,
};

/* A client that lies: behind the engine's translation, another source. */
static enum sw_plugin_verdict forge(void *instance, struct sw_conn *conn,
                                    struct sw_plugin_buffer *buffer)
{
    const struct guest *guest = sw_conn_user(conn);

    (void)instance;
    sw_put_be32(buffer->data + 12, guest->load->options.forged);
    sw_checksum_ip4_header(buffer->data, IP_LEN);
    return SW_PLUGIN_ACCEPT;
}

static const struct sw_plugin forger = {.name = "forger", .ingress = forge};
static const struct sw_plugin *const forgers[] = {&forger};

/* --- the end of a connection -------------------------------------------------------------------*/

void guest_drop(struct guest *guest)
{
    sw_engine_free(guest->engine);
    if (guest->fd >= 0) close(guest->fd); /* and epoll forgets it */
    if (guest->phase != GUEST_AWAY) guest->load->engaged--;
    guest->engine = NULL;
    guest->conn = NULL;
    guest->fd = -1;
    guest->watches_write = false;
    guest->phase = GUEST_AWAY;
}

/* The connection is over, for error or in peace: everything goes, and the next one is due. */
static void finish(struct guest *guest, int error)
{
    struct load *load = guest->load;

    if (error == 0 && guest->online) {
        load->counts.ended++;
    } else if (!(error == 0 && load->stopping)) {
        load->counts.failed++;
        if (error < 0 && error > -LOAD_ERRORS) load->counts.failures[-error]++;
    }
    guest_drop(guest);
    sw_deadlines_set(&load->deadlines, &guest->deadline, load_slot(load));
}

/* The system does not let us: errno says why. */
static void refuse(struct guest *guest)
{
    guest->load->counts.socket_errors++;
    finish(guest, SW_EINVAL);
}

/* --- socket ------------------------------------------------------------------------------------*/

static void watch(struct guest *guest, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = guest};

    if (write == guest->watches_write) return;
    guest->watches_write = write;
    epoll_ctl(guest->load->epoll, EPOLL_CTL_MOD, guest->fd, &event);
}

static void write_stream(struct guest *guest)
{
    size_t len;

    if (guest->conn == NULL) return;
    if (!write_out(guest, guest->conn)) {
        sw_conn_stream_end(guest->conn, SW_EPEERCLOSED, guest->load->now);
        return;
    }
    watch(guest, sw_conn_stream_peek(guest->conn, &len) != NULL);
}

static sw_time earlier(sw_time a, sw_time b)
{
    return a < b ? a : b;
}

/* After every call of the engine. */
static void settle(struct guest *guest)
{
    struct load *load = guest->load;

    on_flush(guest);
    if (load->options.transport == SW_STREAM) write_stream(guest);
    if (guest->conn == NULL) {
        finish(guest, guest->error);
        return;
    }
    sw_time at = sw_engine_deadline(guest->engine);
    if (guest->online) at = earlier(at, earlier(guest->leaves, guest->pings));
    sw_deadlines_set(&load->deadlines, &guest->deadline, at);
}

void guest_leave(struct guest *guest)
{
    if (guest->phase == GUEST_DIALLING) finish(guest, 0);
    if (guest->phase != GUEST_ENGAGED) return;
    sw_conn_close(guest->conn, 0, guest->load->now);
    settle(guest);
}

/* --- the beginning -----------------------------------------------------------------------------*/

static bool open_engine(struct guest *guest)
{
    struct load *load = guest->load;
    const struct load_options *o = &load->options;
    const struct sw_engine_config config = {
        .role = SW_CLIENT,
        .callbacks = &callbacks,
        .user = guest,
        .datagram = o->transport == SW_DATAGRAM ? load->tls : NULL,
        .stream = o->transport == SW_STREAM ? load->tls : NULL,
        .batch = load->batch,
        .unix_time = load->unix_start - (int64_t)(load->start / SW_SECOND),
        .inside_mtu = INSIDE_MTU,
        .outside_mtu = 1500,
        .expresslane = o->expresslane && o->transport == SW_DATAGRAM,
        .credentials =
            {
                .method = METHOD_USER_PASSWORD,
                .user = o->user,
                .user_len = strlen(o->user),
                .password = o->password,
                .password_len = strlen(o->password),
            },
        .tun_ip = TUN_IP,
        .tun_dns_ip = TUN_DNS_IP,
        .connect_timeout = o->timeout,
        .inside_plugins = {forgers, o->forged != 0 ? 1 : 0},
    };

    guest->engine = sw_engine_new(&config, load->now);
    return guest->engine != NULL;
}

/* The socket is connected: hello. */
static void engage(struct guest *guest)
{
    struct load *load = guest->load;
    const struct sw_path path = {.remote = load->options.server};
    int error = SW_ENOMEM;

    guest->phase = GUEST_ENGAGED;
    if (open_engine(guest))
        guest->conn = sw_connect(guest->engine, load->options.transport, &path, load->now, &error);
    if (guest->conn == NULL) {
        finish(guest, error);
        return;
    }
    sw_conn_set_user(guest->conn, guest);
    settle(guest);
}

static void begin(struct guest *guest)
{
    struct load *load = guest->load;
    const struct sw_address *server = &load->options.server;
    bool stream = load->options.transport == SW_STREAM;
    int family = sw_address_family(server);
    struct sockaddr_storage to;
    socklen_t len = sw_address_to_sockaddr(server, family, &to);
    struct epoll_event event = {.events = EPOLLIN | (stream ? EPOLLOUT : 0), .data.ptr = guest};

    load->counts.begun++;
    load->engaged++;
    guest->phase = GUEST_DIALLING;
    guest->online = false;
    guest->error = 0;
    guest->begun = load->now;
    guest->leaves = guest->pings = SW_NEVER;
    guest->watches_write = stream;
    guest->fd =
        socket(family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (guest->fd < 0 || epoll_ctl(load->epoll, EPOLL_CTL_ADD, guest->fd, &event) < 0 ||
        (connect(guest->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)) {
        refuse(guest);
        return;
    }
    if (stream)
        sw_deadlines_set(&load->deadlines, &guest->deadline, load->now + load->options.timeout);
    else
        engage(guest);
}

/* --- what happens to it ------------------------------------------------------------------------*/

static size_t make_ping(const struct guest *guest, uint8_t out[PING_LEN])
{
    memset(out, 0, PING_LEN);
    out[0] = 0x45;
    sw_put_be16(out + 2, PING_LEN);
    out[8] = 64;
    out[9] = 1;
    sw_put_be32(out + 12, TUN_IP);
    sw_put_be32(out + 16, guest->load->options.ping);
    sw_checksum_ip4_header(out, IP_LEN);
    out[IP_LEN] = ECHO_REQUEST;
    sw_put_be16(out + IP_LEN + 6, guest->sequence);
    uint16_t sum = (uint16_t)~sw_sum_fold(sw_sum(out + IP_LEN, PING_LEN - IP_LEN, 0));
    memcpy(out + IP_LEN + 2, &sum, sizeof sum);
    return PING_LEN;
}

static void send_ping(struct guest *guest)
{
    struct load *load = guest->load;
    uint8_t bytes[PING_LEN];
    struct sw_inside_packet packet = {.data = bytes, .len = make_ping(guest, bytes)};

    guest->sequence++;
    guest->pings = load->now + load->options.ping_interval;
    if (sw_conn_send(guest->conn, &packet, load->now) == 0) load->counts.pings++;
}

void guest_timer(struct guest *guest)
{
    struct load *load = guest->load;

    switch (guest->phase) {
    case GUEST_AWAY:
        begin(guest);
        return;
    case GUEST_DIALLING:
        finish(guest, SW_ETIMEOUT);
        return;
    case GUEST_ENGAGED:
        break;
    }
    sw_engine_timer(guest->engine, load->now);
    if (guest->conn != NULL && guest->online && load->now >= guest->leaves) {
        guest_leave(guest);
        return;
    }
    if (guest->conn != NULL && guest->online && load->now >= guest->pings) send_ping(guest);
    settle(guest);
}

static void dialled(struct guest *guest)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(guest->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0)
        refuse(guest);
    else
        engage(guest);
}

static void read_stream(struct guest *guest)
{
    static uint8_t bytes[ROOM];

    while (guest->conn != NULL) {
        ssize_t n = recv(guest->fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n > 0)
            sw_conn_stream_recv(guest->conn, bytes, (size_t)n, guest->load->now);
        else
            sw_conn_stream_end(guest->conn, n < 0 ? SW_EPEERCLOSED : 0, guest->load->now);
    }
}

static void read_datagrams(struct guest *guest)
{
    static uint8_t bytes[ROOM];
    const struct sw_path path = {.remote = guest->load->options.server};

    while (guest->conn != NULL) {
        ssize_t n = recv(guest->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EINTR || errno == ECONNREFUSED)) continue; /* news of a send */
        if (n < 0) break;
        sw_engine_datagram(guest->engine, &path, bytes, (size_t)n, guest->load->now);
    }
}

void guest_ready(struct guest *guest, uint32_t events)
{
    if (guest->phase == GUEST_DIALLING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) dialled(guest);
        return;
    }
    if (guest->phase != GUEST_ENGAGED) return;
    if (guest->load->options.transport == SW_STREAM)
        read_stream(guest);
    else
        read_datagrams(guest);
    settle(guest);
}
