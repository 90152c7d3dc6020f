/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The simulated network: a heap of datagrams ordered by arrival, and the deadlines of the engines.
 * Time jumps from one to the next. Randomness, also that of keys and TLS, comes from one generator
 * (xorshift64*), so a failing seed can be run again.
 */

#include "tests/sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/engine/engine.h"
#include "lib/offload/checksum.h"

struct in_flight {
    sw_time at;
    uint64_t order;
    struct sw_address from, to;
    size_t len;
    uint8_t *bytes;
};

#define IP4_AND_UDP 28

/* 2027-01-01: inside the validity of the test certificates. */
#define UNIX_TIME 1798761600

uint64_t world_random(struct world *world, uint64_t below)
{
    world->seed ^= world->seed >> 12;
    world->seed ^= world->seed << 25;
    world->seed ^= world->seed >> 27;
    return (world->seed * 0x2545f4914f6cdd1dULL >> 11) % below;
}

void world_random_bytes(struct world *world, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)world_random(world, 256);
}

static bool percent(struct world *world, unsigned chance)
{
    return chance > 0 && world_random(world, 100) < chance;
}

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->first_seed = seed;
    world->seed = seed * 0x9e3779b97f4a7c15ULL + 1;
    world->now = SW_SECOND;
    world->weather.delay = 5 * SW_MILLISECOND;
}

void world_say_seed(const struct world *world)
{
    fprintf(stderr, "seed %llu, at %.6f s\n", (unsigned long long)world->first_seed,
            (double)world->now / (double)SW_SECOND);
}

unsigned world_seeds(unsigned otherwise)
{
    const char *text = getenv("SIM_SEEDS");
    unsigned long seeds = text != NULL ? strtoul(text, NULL, 10) : 0;
    return seeds > 0 ? (unsigned)seeds : otherwise;
}

void world_end(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        sw_engine_free(node->engine);
        sw_batch_free(node->batch);
        sw_tls_context_free(node->tls[SW_DATAGRAM]);
        sw_tls_context_free(node->tls[SW_STREAM]);
    }
    world_swallow(world);
    free(world->queue);
}

void world_swallow(struct world *world)
{
    for (size_t i = 0; i < world->queued; i++)
        free(world->queue[i].bytes);
    world->queued = 0;
}

static bool earlier(const struct in_flight *a, const struct in_flight *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct in_flight *a, struct in_flight *b)
{
    struct in_flight t = *a;
    *a = *b;
    *b = t;
}

static void push(struct world *world, struct in_flight item)
{
    if (world->queued == world->queue_room) {
        world->queue_room = world->queue_room > 0 ? 2 * world->queue_room : 256;
        world->queue = realloc(world->queue, world->queue_room * sizeof *world->queue);
        assert(world->queue != NULL);
    }
    size_t i = world->queued++;
    world->queue[i] = item;
    for (; i > 0 && earlier(&world->queue[i], &world->queue[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&world->queue[i], &world->queue[(i - 1) / 2]);
}

static struct in_flight pop(struct world *world)
{
    struct in_flight first = world->queue[0];

    world->queue[0] = world->queue[--world->queued];
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= world->queued) break;
        if (child + 1 < world->queued && earlier(&world->queue[child + 1], &world->queue[child]))
            child++;
        if (!earlier(&world->queue[child], &world->queue[i])) break;
        swap(&world->queue[i], &world->queue[child]);
        i = child;
    }
    return first;
}

void world_inject(struct world *world, const struct sw_address *from, const struct sw_address *to,
                  const uint8_t *bytes, size_t len)
{
    struct in_flight item = {.order = world->order++, .from = *from, .to = *to, .len = len};

    item.at = world->now + world->weather.delay;
    if (world->weather.jitter > 0) item.at += world_random(world, world->weather.jitter);
    item.bytes = malloc(len + 1);
    assert(item.bytes != NULL);
    memcpy(item.bytes, bytes, len);
    if (percent(world, world->weather.corrupt) && len > 0)
        item.bytes[world_random(world, len)] ^= (uint8_t)(1 + world_random(world, 255));
    push(world, item);
}

static void record(struct tape *tape, sw_time now, const struct sw_address *from,
                   const struct sw_address *to, const uint8_t *bytes, size_t len)
{
    if (tape->count == tape->room) {
        tape->room = tape->room > 0 ? 2 * tape->room : 64;
        tape->items = realloc(tape->items, tape->room * sizeof *tape->items);
        assert(tape->items != NULL);
    }
    struct recorded *item = &tape->items[tape->count++];
    *item = (struct recorded){.at = now, .from = *from, .to = *to, .len = len};
    item->bytes = malloc(len + 1);
    assert(item->bytes != NULL);
    memcpy(item->bytes, bytes, len);
}

void tape_free(struct tape *tape)
{
    for (size_t i = 0; i < tape->count; i++)
        free(tape->items[i].bytes);
    free(tape->items);
    *tape = (struct tape){0};
}

/* What the links on the way make of a datagram. */
static bool passes(const struct node *node, size_t len, bool df)
{
    const struct world *world = node->world;
    bool cut = (world->path_mtu != 0 && len + IP4_AND_UDP > world->path_mtu) ||
               (node->link_mtu != 0 && len + IP4_AND_UDP > node->link_mtu);

    return !cut || (!df && !world->drop_fragments);
}

static void transmit(struct node *node, const struct sw_path *path, uint8_t *bytes, size_t len)
{
    struct world *world = node->world;
    unsigned index = (unsigned)(node - world->nodes);

    world->datagrams_from[index]++;
    world->bytes_from[index] += len;
    if (world->tape != NULL)
        record(world->tape, world->now, &node->address, &path->remote, bytes, len);
    if (world->tap != NULL && !world->tap(world, &node->address, &path->remote, bytes, len)) return;
    int copies = percent(world, world->weather.duplicate) ? 2 : 1;
    while (copies-- > 0)
        if (!percent(world, world->weather.loss))
            world_inject(world, &node->address, &path->remote, bytes, len);
}

static void note_too_long(struct node *node, const struct sw_batch_chunk *chunk)
{
    node->too_long = *chunk;
}

/* EMSGSIZE, told when the engine is not at work. */
static void report_too_long(struct node *node)
{
    while (node->too_long.len > 0) {
        const struct sw_batch_chunk chunk = node->too_long;
        node->too_long.len = 0;
        sw_engine_too_long(node->engine, &chunk.path, chunk.len, node->world->now);
        world_flush(node);
    }
}

void world_flush(struct node *node)
{
    struct sw_batch *batch = node->batch;

    for (unsigned i = 0; i < batch->count; i++) {
        struct sw_batch_chunk *chunk = &batch->chunks[i];
        /* what the kernel demands of one message with UDP_SEGMENT */
        assert(chunk->count == (chunk->len + chunk->stride - 1) / chunk->stride);
        assert(chunk->count <= batch->max_segments);
        assert(chunk->len <=
               (chunk->path.remote.family == 6 ? SW_BATCH_BYTES_IPV6 : SW_BATCH_BYTES_IPV4));
        assert(!chunk->probe || chunk->count == 1);
        if (chunk->probe && node->link_mtu != 0 && chunk->len + IP4_AND_UDP > node->link_mtu)
            note_too_long(node, chunk);
        for (size_t at = 0; at < chunk->len; at += chunk->stride) {
            size_t len = chunk->len - at < chunk->stride ? chunk->len - at : chunk->stride;
            if (passes(node, len, chunk->probe))
                transmit(node, &chunk->path, batch->buffer + chunk->offset + at, len);
        }
    }
    sw_batch_clear(batch);
}

static int on_flush(void *user)
{
    struct node *node = user;

    if (node->flush_blocked) return SW_EAGAIN;
    world_flush(node);
    return 0;
}

static void on_inside(void *user, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct node *node = user;

    (void)conn;
    node->inside_count++;
    if (node->inside != NULL) node->inside(node, packet, len);
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct node *node = user;

    node->conn = conn;
    switch (event->type) {
    case SW_EVENT_STATE:
        if (sw_conn_state(conn) == SW_STATE_ONLINE) node->online++;
        break;
    case SW_EVENT_FLOATED:
        node->floated++;
        break;
    case SW_EVENT_ROTATION_DONE:
        node->rotations++;
        break;
    case SW_EVENT_KEEPALIVE_REPLY:
        node->replies++;
        break;
    case SW_EVENT_REJECTED:
        node->rejected_events++;
        break;
    case SW_EVENT_CLOSED:
        node->closed++;
        node->close_error = event->error;
        node->conn = NULL;
        break;
    default:
        break;
    }
    if (node->event != NULL) node->event(node, conn, event);
}

static int on_authorise(void *user, struct sw_conn *conn, const struct sw_credentials *c)
{
    struct node *node = user;

    node->authorised++;
    node->peer_version = c->version;
    if (node->close_in_authorise) sw_conn_close(conn, 0, node->world->now);
    if (node->verdict != 0) return node->verdict;
    if (node->anyone) return 0;
    if (c->method == 3)
        return c->token_len == 5 && memcmp(c->token, "token", 5) == 0 ? 0 : SW_EDENIED;
    bool user_ok =
        c->user_len == strlen(node->user) && memcmp(c->user, node->user, c->user_len) == 0;
    bool password_ok = c->password_len == strlen(node->password) &&
                       memcmp(c->password, node->password, c->password_len) == 0;
    return user_ok && password_ok ? 0 : SW_EDENIED;
}

static bool on_encoding_allowed(void *user, struct sw_conn *conn)
{
    const struct node *node = user;

    (void)conn;
    return !node->no_encoding;
}

static int on_assign(void *user, struct sw_conn *conn, uint32_t *ip)
{
    struct node *node = user;

    if (node->close_in_assign) sw_conn_close(conn, 0, node->world->now);
    if (node->no_address) return SW_ENOADDRESS;
    *ip = node->next_ip++;
    assert(*ip - POOL_FIRST_IP < WORLD_LEASES);
    node->leases[*ip - POOL_FIRST_IP] = LEASE_HELD;
    node->assigned++;
    return 0;
}

static void on_release(void *user, struct sw_conn *conn, uint32_t ip)
{
    struct node *node = user;

    (void)conn;
    assert(node->leases[ip - POOL_FIRST_IP] ==
           LEASE_HELD); /* released once, and only what it had */
    node->leases[ip - POOL_FIRST_IP] = LEASE_OVER;
    node->released++;
}

static void on_random(void *user, uint8_t *out, size_t len)
{
    struct node *node = user;
    world_random_bytes(node->world, out, len);
}

static void on_keys(void *user, struct sw_conn *conn, const struct sw_expresslane_keys *keys)
{
    struct node *node = user;

    (void)conn;
    (void)keys;
    node->key_changes++;
}

static const struct sw_callbacks callbacks = {
    .expresslane_keys = on_keys,
    .flush = on_flush,
    .inside = on_inside,
    .event = on_event,
    .authorise = on_authorise,
    .encoding_allowed = on_encoding_allowed,
    .assign = on_assign,
    .release = on_release,
    .random = on_random,
};

static struct sw_pem read_pem(const char *name)
{
    static char texts[8][8192];
    static unsigned next;
    char path[512];
    char *text = texts[next++ % 8];

    snprintf(path, sizeof path, "%s/certs/%s", SW_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    assert(file != NULL);
    size_t len = fread(text, 1, sizeof texts[0], file);
    fclose(file);
    return (struct sw_pem){text, len};
}

static struct node *add_node(struct world *world)
{
    assert(world->count < WORLD_NODES);
    struct node *node = &world->nodes[world->count];

    *node = (struct node){
        .world = world, .next_ip = POOL_FIRST_IP, .user = "user", .password = "password"};
    node->address = (struct sw_address){.family = 4,
                                        .port = (uint16_t)(40000 + world->count),
                                        .ip = {10, 0, 0, (uint8_t)(1 + world->count)}};
    node->batch = sw_batch_new(256 * 1024, 64, 64);
    assert(node->batch != NULL);
    world->count++;
    return node;
}

static void make_tls(struct node *node, struct sw_tls_config *config)
{
    int error;
    const char *detail = NULL;

    config->unix_time = UNIX_TIME;
    config->random = on_random;
    config->user = node;
    for (enum sw_transport t = SW_DATAGRAM; t <= SW_STREAM; t++) {
        config->transport = t;
        node->tls[t] = sw_tls_context_new(config, &error, &detail);
        if (node->tls[t] == NULL)
            fprintf(stderr, "TLS context: %s (%s)\n", sw_strerror(error),
                    detail != NULL ? detail : "");
        assert(node->tls[t] != NULL);
    }
}

struct node *world_server(struct world *world, bool pqc)
{
    struct node *node = add_node(world);
    struct sw_tls_config tls = {.role = SW_SERVER,
                                .certificate = read_pem("server.crt"),
                                .key = read_pem("server.key"),
                                .pqc = pqc};

    make_tls(node, &tls);
    node->config = (struct sw_engine_config){
        .role = SW_SERVER,
        .callbacks = &callbacks,
        .user = node,
        .datagram = node->tls[SW_DATAGRAM],
        .stream = node->tls[SW_STREAM],
        .batch = node->batch,
        .unix_time = UNIX_TIME,
        .inside_mtu = 1350,
        .expresslane = world->expresslane,
        .expresslane_rotation = world->rotation,
        .client_ip = CLIENT_IP,
        .server_ip = SERVER_IP,
        .dns_ip = DNS_IP,
    };
    world_restart(node);
    return node;
}

void world_renew(struct node *server, const char *certificate, const char *key)
{
    struct sw_tls_config tls = {
        .role = SW_SERVER, .certificate = read_pem(certificate), .key = read_pem(key)};
    struct sw_tls_context *old[2] = {server->tls[0], server->tls[1]};

    make_tls(server, &tls);
    for (enum sw_transport t = SW_DATAGRAM; t <= SW_STREAM; t++) {
        sw_engine_set_tls(server->engine, t, server->tls[t]);
        sw_tls_context_free(old[t]);
    }
}

static struct sw_credentials credentials(const struct client_options *o)
{
    const char *password = o->password != NULL ? o->password : "password";
    if (o->token != NULL)
        return (struct sw_credentials){
            .method = 3, .token = o->token, .token_len = strlen(o->token)};
    return (struct sw_credentials){.method = 1,
                                   .user = "user",
                                   .user_len = 4,
                                   .password = password,
                                   .password_len = strlen(password)};
}

struct node *world_client(struct world *world, const struct client_options *o)
{
    struct node *node = add_node(world);
    struct sw_tls_config tls = {
        .role = SW_CLIENT,
        .ca = read_pem(o->ca != NULL ? o->ca : "ca.crt"),
        .cipher = o->cipher,
        .keyshare = o->keyshare,
        .server_name = o->server_name,
    };

    make_tls(node, &tls);
    node->config = (struct sw_engine_config){
        .role = SW_CLIENT,
        .callbacks = &callbacks,
        .user = node,
        .datagram = node->tls[SW_DATAGRAM],
        .stream = node->tls[SW_STREAM],
        .batch = node->batch,
        .unix_time = UNIX_TIME,
        .inside_mtu = 1350,
        .expresslane = world->expresslane,
        .expresslane_rotation = world->rotation,
        .outside_mtu = 1500,
        .credentials = credentials(o),
        .tun_ip = TUN_IP,
        .tun_dns_ip = TUN_DNS_IP,
        .connect_timeout = o->connect_timeout,
        .keepalive_interval = o->keepalive_interval,
        .keepalive_timeout = o->keepalive_timeout,
        .keepalive_on_demand = o->keepalive_on_demand,
    };
    world_restart(node);
    return node;
}

void world_restart(struct node *node)
{
    sw_engine_free(node->engine);
    sw_batch_clear(node->batch);
    node->conn = NULL;
    node->engine = sw_engine_new(&node->config, node->world->now);
    assert(node->engine != NULL);
}

struct sw_conn *world_connect(struct node *client, const struct node *server)
{
    const struct sw_path path = {.remote = server->address};
    int error;
    struct sw_conn *conn =
        sw_connect(client->engine, SW_DATAGRAM, &path, client->world->now, &error);

    client->conn = conn;
    world_flush(client);
    return conn;
}

static struct node *node_at(struct world *world, const struct sw_address *address)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct node *node = &world->nodes[i];
        if (node->address.port == address->port && memcmp(node->address.ip, address->ip, 16) == 0)
            return node;
    }
    return NULL;
}

static void arrive(struct world *world)
{
    struct in_flight item = pop(world);
    struct node *node = node_at(world, &item.to);

    if (node != NULL) {
        const struct sw_path path = {.remote = item.from, .local = item.to};
        sw_engine_datagram(node->engine, &path, item.bytes, item.len, world->now);
        world_flush(node);
        report_too_long(node);
    }
    free(item.bytes);
}

static struct node *next_timer(struct world *world, sw_time *at)
{
    struct node *first = NULL;

    *at = SW_NEVER;
    for (unsigned i = 0; i < world->count; i++) {
        sw_time deadline = sw_engine_deadline(world->nodes[i].engine);
        if (deadline >= *at) continue;
        *at = deadline;
        first = &world->nodes[i];
    }
    return first;
}

bool world_run(struct world *world, sw_time patience, bool (*done)(struct world *))
{
    sw_time end = world->now + patience;

    for (;;) {
        if (world->step != NULL) world->step(world);
        if (done != NULL && done(world)) return true;
        sw_time timer_at;
        struct node *node = next_timer(world, &timer_at);
        sw_time packet_at = world->queued > 0 ? world->queue[0].at : SW_NEVER;
        sw_time at = timer_at < packet_at ? timer_at : packet_at;
        if (at > end) break;
        if (at > world->now) world->now = at;
        if (packet_at <= timer_at) {
            arrive(world);
        } else {
            node->timers++;
            sw_engine_timer(node->engine, world->now);
            world_flush(node);
            report_too_long(node);
        }
    }
    world->now = end;
    return done != NULL && done(world);
}

bool world_both_online(struct world *world)
{
    return world->nodes[0].online > 0 && world->nodes[1].online > 0;
}

void world_pair(struct world *world, uint64_t seed, const struct client_options *options)
{
    world_init(world, seed);
    struct node *server = world_server(world, false);
    struct node *client = world_client(world, options);
    bool online =
        world_connect(client, server) != NULL && world_run(world, 5 * SW_SECOND, world_both_online);

    if (!online) world_say_seed(world);
    assert(online);
    world_run(world, SW_SECOND, NULL);
}

struct sw_address world_stranger(unsigned host, uint16_t port)
{
    struct sw_address address = {.family = 4, .port = port};

    sw_put_be32(address.ip, 0xc0a80000u + host);
    return address;
}

size_t world_packet(uint8_t *out, uint32_t from, uint32_t to, uint32_t number, size_t body)
{
    size_t len = 20 + 8 + 4 + body;

    memset(out, 0, 28);
    out[0] = 0x45;
    sw_put_be16(out + 2, (uint16_t)len);
    sw_put_be16(out + 4, (uint16_t)number);
    out[8] = 64;
    out[9] = 17;
    sw_put_be32(out + 12, from);
    sw_put_be32(out + 16, to);
    sw_checksum_ip4_header(out, 20);
    sw_put_be16(out + 20, 1000);
    sw_put_be16(out + 22, 2000);
    sw_put_be16(out + 24, (uint16_t)(len - 20));
    sw_put_be32(out + 28, number);
    for (size_t i = 0; i < body; i++)
        out[32 + i] = (uint8_t)(number * 7 + i);
    uint16_t sum =
        (uint16_t)~sw_sum_fold(sw_sum(out + 20, len - 20, sw_sum_pseudo_ip4(out, 17, len - 20)));
    if (sum == 0) sum = 0xffff;
    memcpy(out + 26, &sum, 2);
    return len;
}

bool world_packet_check(const uint8_t *p, size_t len, uint32_t *number)
{
    if (len < 32 || p[0] != 0x45 || sw_get_be16(p + 2) != len || p[9] != 17) return false;
    if (sw_sum_fold(sw_sum(p, 20, 0)) != 0xffff) return false;
    if (sw_sum_fold(sw_sum(p + 20, len - 20, sw_sum_pseudo_ip4(p, 17, len - 20))) != 0xffff)
        return false;
    *number = sw_get_be32(p + 28);
    for (size_t i = 32; i < len; i++)
        if (p[i] != (uint8_t)(*number * 7 + (i - 32))) return false;
    return true;
}

int world_send(struct node *node, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct sw_inside_packet inside = {.data = packet, .len = len};
    int r = sw_conn_send(conn, &inside, node->world->now);

    world_flush(node);
    return r;
}

void world_send_plain(struct node *node, struct sw_conn *conn, const void *bytes, size_t len)
{
    sw_engine_enter(node->engine, node->world->now);
    int r = sw_tls_write(conn->tls, bytes, len);
    assert(r == 0);
    sw_conn_rearm(conn);
    sw_engine_leave(node->engine);
    world_flush(node);
}

int world_open(struct node *node, const struct recorded *item, uint8_t *out)
{
    struct sw_tls *tls = node->conn->tls;

    sw_engine_enter(node->engine, node->world->now);
    sw_tls_feed(tls, (struct sw_span){item->bytes + SW_HEADER_LEN, item->len - SW_HEADER_LEN});
    int n = sw_tls_read(tls, out, SW_TLS_RECORD_MAX);
    sw_engine_leave(node->engine);
    return n;
}
