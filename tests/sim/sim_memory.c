/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Out of memory, once, anywhere: a client connects, packets go both ways, it leaves; and in every
 * run another one of the allocations on the way fails, the TLS library's included. Nothing
 * may crash or leak, and the server, which has had the failure or seen a client that had, serves
 * the next client. The linker puts the wrappers below in front of malloc() and its kin.
 *
 * Not on the simulated network of the other tests, which allocates itself: datagrams and streams go
 * straight from one engine to the other.
 */

#include <setjmp.h>
#include <slipway/engine.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/superpacket.h"
#include "tests/sim/world.h"

/* --- allocations -------------------------------------------------------------------------------*/

static struct {
    bool armed;    /* allocations are counted, and one of them fails */
    uint64_t seen; /* since the run began */
    uint64_t fails;
    int64_t live;
} memory;

static bool refuse(void)
{
    if (!memory.armed) return false;
    memory.seen++;
    return memory.seen == memory.fails;
}

static void *alive(void *p)
{
    if (p != NULL) memory.live++;
    return p;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : alive(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : alive(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refuse()) return NULL;
    void *p = __real_realloc(old, size);
    return old == NULL ? alive(p) : p;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : alive(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
    if (p != NULL) memory.live--;
    __real_free(p);
}

/* --- two ends ----------------------------------------------------------------------------------*/

#define ROOM 4096

struct end {
    struct sw_engine *engine;
    struct sw_batch *batch;
    struct sw_address address;
    struct sw_conn *conn; /* the last that reported something */
    bool online;
    unsigned packets;
};

static struct {
    sw_time now;
    uint64_t random;
    struct sw_tls_context *tls[2][2]; /* by role and transport */
    enum sw_transport transport;
    struct end server, client;
    struct {
        struct end *to;
        struct sw_address from;
        size_t len;
        uint8_t bytes[1600];
    } queue[ROOM];
    unsigned first, last;
    bool narrow; /* nothing above 1272 bytes arrives */
} net;

static void take(struct end *end)
{
    struct sw_batch *batch = end->batch;

    for (unsigned i = 0; i < batch->count; i++) {
        const struct sw_batch_chunk *chunk = &batch->chunks[i];
        for (size_t at = 0; at < chunk->len; at += chunk->stride) {
            size_t len = chunk->len - at < chunk->stride ? chunk->len - at : chunk->stride;
            if (net.narrow && len > 1272) continue;
            assert_true(len <= sizeof net.queue[0].bytes);
            unsigned slot = net.last++ % ROOM;
            assert_true(net.last - net.first <= ROOM);
            net.queue[slot].to = end == &net.client ? &net.server : &net.client;
            net.queue[slot].from = end->address;
            net.queue[slot].len = len;
            memcpy(net.queue[slot].bytes, batch->buffer + chunk->offset + at, len);
        }
    }
    sw_batch_clear(batch);
}

static int on_flush(void *user)
{
    take(user);
    return 0;
}

static void on_inside(void *user, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct end *end = user;

    (void)conn;
    (void)packet;
    (void)len;
    end->packets++;
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct end *end = user;

    if (event->type == SW_EVENT_CLOSED && end->conn == conn) end->conn = NULL;
    if (event->type == SW_EVENT_CLOSED) return;
    end->conn = conn;
    if (event->type == SW_EVENT_STATE && sw_conn_state(conn) == SW_STATE_ONLINE) end->online = true;
}

static int on_authorise(void *user, struct sw_conn *conn, const struct sw_credentials *c)
{
    (void)user;
    (void)conn;
    (void)c;
    return 0;
}

static int on_assign(void *user, struct sw_conn *conn, uint32_t *ip)
{
    (void)user;
    (void)conn;
    *ip = POOL_FIRST_IP;
    return 0;
}

static void on_release(void *user, struct sw_conn *conn, uint32_t ip)
{
    (void)user;
    (void)conn;
    (void)ip;
}

static void on_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    for (size_t i = 0; i < len; i++) {
        net.random = net.random * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(net.random >> 56);
    }
}

static const struct sw_callbacks callbacks = {
    .flush = on_flush,
    .inside = on_inside,
    .event = on_event,
    .authorise = on_authorise,
    .assign = on_assign,
    .release = on_release,
    .random = on_random,
};

/* A codec and a plugin that need memory of their own for each connection. */
static void *own_plugin(const struct sw_plugin *plugin, struct sw_conn *conn)
{
    (void)plugin;
    (void)conn;
    return malloc(10);
}

static void *own_codec(const struct sw_codec *codec, struct sw_conn *conn)
{
    (void)codec;
    (void)conn;
    return malloc(10);
}

static enum sw_codec_result pass(void *instance, const uint8_t *bytes, size_t len, sw_time now)
{
    (void)instance;
    (void)bytes;
    (void)len;
    (void)now;
    return SW_CODEC_SKIPPED;
}

static const struct sw_plugin plugin = {
    .name = "own", .grows = 1, .open = own_plugin, .close = free};
static const struct sw_plugin *const plugins[] = {&plugin, &plugin};
static const struct sw_codec codec = {
    .open = own_codec, .close = free, .encode = pass, .decode = pass};

static struct sw_engine *open_engine(struct end *end, enum sw_role role)
{
    const struct sw_engine_config config = {
        .role = role,
        .callbacks = &callbacks,
        .user = end,
        .datagram = net.tls[role][SW_DATAGRAM],
        .stream = net.tls[role][SW_STREAM],
        .batch = end->batch,
        .unix_time = 1798761600,
        .inside_mtu = 1350,
        .outside_mtu = 1500,
        .expresslane = true,
        .client_ip = CLIENT_IP,
        .server_ip = SERVER_IP,
        .dns_ip = DNS_IP,
        .tun_ip = TUN_IP,
        .pmtud = role == SW_CLIENT,
        .credentials =
            {.method = 1, .user = "u", .user_len = 1, .password = "p", .password_len = 1},
        .connect_timeout = 5 * SW_SECOND,
        .encode_at_connect = true,
        .codec = &codec,
        .inside_plugins = {plugins, 2},
        .outside_plugins = {plugins, 2},
    };
    return sw_engine_new(&config, net.now);
}

/* --- passing time ------------------------------------------------------------------------------*/

/* Bytes of a stream from one end to the other; true if there were any. */
static bool pump(struct end *from, struct end *to)
{
    static uint8_t bytes[65536];
    size_t len;

    if (from->conn == NULL) return false;
    const uint8_t *waiting = sw_conn_stream_peek(from->conn, &len);
    if (waiting == NULL) return false;
    if (len > sizeof bytes) len = sizeof bytes;
    memcpy(bytes, waiting, len);
    sw_conn_stream_sent(from->conn, len, net.now);
    if (to->conn != NULL) sw_conn_stream_recv(to->conn, bytes, len, net.now);
    return true;
}

static bool deliver(void)
{
    if (net.transport == SW_STREAM)
        return pump(&net.client, &net.server) || pump(&net.server, &net.client);
    take(&net.client);
    take(&net.server);
    if (net.first == net.last) return false;
    unsigned slot = net.first++ % ROOM;
    struct end *to = net.queue[slot].to;
    const struct sw_path path = {.remote = net.queue[slot].from, .local = to->address};
    if (to->engine != NULL)
        sw_engine_datagram(to->engine, &path, net.queue[slot].bytes, net.queue[slot].len, net.now);
    return true;
}

static sw_time deadline(const struct end *end)
{
    return end->engine != NULL ? sw_engine_deadline(end->engine) : SW_NEVER;
}

static void run_for(sw_time patience)
{
    sw_time end = net.now + patience;

    for (;;) {
        if (deliver()) continue;
        sw_time at = deadline(&net.client) < deadline(&net.server) ? deadline(&net.client)
                                                                   : deadline(&net.server);
        if (at > end) break;
        if (at > net.now) net.now = at;
        if (net.client.engine != NULL) sw_engine_timer(net.client.engine, net.now);
        if (net.server.engine != NULL) sw_engine_timer(net.server.engine, net.now);
    }
    net.now = end;
}

/* --- the run -----------------------------------------------------------------------------------*/

static void send_large(struct end *end, uint32_t from, uint32_t to, size_t body)
{
    static uint8_t bytes[SUPERPACKET_MAX];

    if (end->conn == NULL) return;
    struct sw_inside_packet packet = {
        .data = bytes, .len = world_packet(bytes, from, to, 1, body), .room = sizeof bytes};
    sw_conn_send(end->conn, &packet, net.now);
    if (end->conn == NULL) return;
    packet = superpacket(bytes, from, to, 20000, 1200, 1);
    packet.room = sizeof bytes;
    sw_conn_send(end->conn, &packet, net.now);
}

/* A client comes from a port of its own, and goes. Whether it came Online and packets went both
 * ways. */
static bool visit(uint16_t port)
{
    const struct sw_path path = {.remote = net.server.address};
    struct sw_path back = {.local = net.server.address};
    int error;

    net.client.address.port = back.remote.port = port;
    back.remote = net.client.address;
    net.client.online = net.server.online = false;
    net.client.packets = net.server.packets = 0;
    net.client.engine = open_engine(&net.client, SW_CLIENT);
    if (net.client.engine == NULL) return false;
    struct sw_conn *conn = sw_connect(net.client.engine, net.transport, &path, net.now, &error);
    if (conn != NULL && net.transport == SW_STREAM)
        net.server.conn = sw_accept_stream(net.server.engine, &back, net.now, &error);
    net.narrow = false;
    run_for(4 * SW_SECOND);
    send_large(&net.client, TUN_IP, REMOTE_IP, 500);
    send_large(&net.server, REMOTE_IP, POOL_FIRST_IP, 500);
    run_for(SW_MINUTE);
    net.narrow = true; /* the search finds a black hole, and packets go in fragments */
    send_large(&net.client, TUN_IP, REMOTE_IP, 1380);
    run_for(11 * SW_MINUTE);
    send_large(&net.client, TUN_IP, REMOTE_IP, 1380);
    run_for(SW_SECOND);
    if (net.client.conn != NULL) sw_conn_close(net.client.conn, 0, net.now);
    run_for(SW_SECOND);
    take(&net.client);
    sw_engine_free(net.client.engine);
    net.client.engine = NULL;
    net.client.conn = NULL;
    net.first = net.last = 0;
    return net.client.online && net.client.packets > 10 && net.server.packets > 10;
}

/* One server, a client that meets the failure, and one after it. */
static void run_once(uint64_t fails)
{
    int64_t before = memory.live;

    net.now = SW_SECOND;
    net.random = 1;
    memory.seen = 0;
    memory.fails = fails;
    memory.armed = true;
    net.server.engine = open_engine(&net.server, SW_SERVER);
    bool well = net.server.engine != NULL && visit(1000);
    memory.armed = false;
    if (fails == 0) assert_true(well);
    if (net.server.engine != NULL && !visit(2000))
        fail_msg("no second client after allocation %llu", (unsigned long long)fails);
    sw_engine_free(net.server.engine);
    net.server.engine = NULL;
    net.server.conn = NULL;
    if (memory.live != before)
        fail_msg("%lld blocks lost after allocation %llu", (long long)(memory.live - before),
                 (unsigned long long)fails);
}

static struct sw_pem read_pem(const char *name)
{
    static char texts[4][8192];
    static unsigned next;
    char path[512], *text = texts[next++ % 4];

    snprintf(path, sizeof path, "%s/certs/%s", SW_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof texts[0] - 1, file);
    fclose(file);
    return (struct sw_pem){text, len};
}

static int set_up(void **state)
{
    (void)state;
    for (enum sw_role role = SW_CLIENT; role <= SW_SERVER; role++)
        for (enum sw_transport transport = SW_DATAGRAM; transport <= SW_STREAM; transport++) {
            const struct sw_tls_config config = {
                .role = role,
                .transport = transport,
                .certificate = read_pem("server.crt"),
                .key = read_pem("server.key"),
                .ca = read_pem("ca.crt"),
                .unix_time = 1798761600,
                .random = on_random,
            };
            int error;
            net.tls[role][transport] = sw_tls_context_new(&config, &error, NULL);
            assert_non_null(net.tls[role][transport]);
        }
    net.server.address = world_stranger(1, 27690);
    net.client.address = world_stranger(2, 1000);
    net.server.batch = sw_batch_new(1 << 20, 1024, 64);
    net.client.batch = sw_batch_new(1 << 20, 1024, 64);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        sw_tls_context_free(net.tls[i / 2][i % 2]);
    sw_batch_free(net.server.batch);
    sw_batch_free(net.client.batch);
    return 0;
}

/* Every one; under sanitizers the first, which are the engine's own, and some of the others. */
static void fail_anywhere(enum sw_transport transport)
{
    net.transport = transport;
    run_once(0); /* what the library keeps for good is there now */
    run_once(0);
    uint64_t count = memory.seen;
    uint64_t step = 1 + count / world_seeds(2000);
    for (uint64_t i = 1; i <= count; i += i < 60 ? 1 : step)
        run_once(i);
}

static void test_an_allocation_that_fails_over_udp_harms_one_client_at_most(void **state)
{
    (void)state;
    fail_anywhere(SW_DATAGRAM);
}

static void test_an_allocation_that_fails_over_tcp_harms_one_client_at_most(void **state)
{
    (void)state;
    fail_anywhere(SW_STREAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_allocation_that_fails_over_udp_harms_one_client_at_most),
        cmocka_unit_test(test_an_allocation_that_fails_over_tcp_harms_one_client_at_most),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
