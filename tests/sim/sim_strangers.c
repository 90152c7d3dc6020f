/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What people without keys can do to a server and to a client (docs/protocol/session.md §9.3,
 * docs/protocol/wire.md §9, §10): floods of hellos, forged cookies and plaintext records, half-open
 * sessions, mutated datagrams. Nothing they send may cost memory, draw a larger answer, or touch a
 * session.
 */

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"
#include "lib/wire/dtls_record.h"
#include "tests/sim/world.h"

#define HELLO_RANDOM (SW_HEADER_LEN + 13 + 12 + 2) /* where a hello's random begins */

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

/* Gives one datagram to the node. The bytes it answers, to whomever; they are lost. */
static size_t tell(struct node *node, const struct sw_address *from, const uint8_t *bytes,
                   size_t len)
{
    const struct sw_path path = {.remote = *from, .local = node->address};
    uint64_t before = counters(node)->udp_sent_bytes;
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0) memcpy(copy, bytes, len);
    sw_engine_datagram(node->engine, &path, copy, len, node->world->now);
    free(copy);
    sw_batch_clear(node->batch);
    return (size_t)(counters(node)->udp_sent_bytes - before);
}

/* Two packets each way arrive, and nothing else does. */
static bool carries(struct node *server, struct node *client)
{
    uint64_t before[2] = {server->inside_count, client->inside_count};
    uint8_t packet[1350];

    if (client->conn == NULL) return false;
    for (uint32_t number = 0; number < 2; number++) {
        world_send(client, client->conn, packet,
                   world_packet(packet, TUN_IP, REMOTE_IP, number, number * 1318));
        world_send(server, sw_engine_next_conn(server->engine, NULL), packet,
                   world_packet(packet, REMOTE_IP, POOL_FIRST_IP, number, number * 1318));
    }
    world_run(client->world, 20 * SW_MILLISECOND, NULL);
    return server->inside_count == before[0] + 2 && client->inside_count == before[1] + 2;
}

static void recorded_pair(struct world *world, uint64_t seed, bool pqc, struct tape *tape)
{
    const struct client_options options = {.keyshare = seed & 1};

    world_init(world, seed);
    world->tape = tape;
    struct node *server = world_server(world, pqc);
    struct node *client = world_client(world, &options);
    assert_non_null(world_connect(client, server));
    world_check(world, world_run(world, 5 * SW_SECOND, world_both_online));
    world_run(world, SW_SECOND, NULL);
    world_check(world, carries(server, client));
    world->tape = NULL;
}

/* The client's hellos of a recorded handshake: number 0 without a cookie, number 1 with one. */
static const struct recorded *hello(const struct tape *tape, const struct node *client, int number)
{
    for (size_t i = 0; i < tape->count; i++) {
        const struct recorded *item = &tape->items[i];
        struct sw_cursor c = sw_cursor(item->bytes + SW_HEADER_LEN, item->len - SW_HEADER_LEN);
        struct sw_record record;
        struct sw_hello parsed;

        if (item->from.port != client->address.port || sw_record_next(&c, &record) != 1) continue;
        if (sw_hello_parse(&record, &parsed) == 0 && parsed.has_cookie == (number == 1))
            return item;
    }
    fail_msg("no hello on the tape");
    return NULL;
}

/* Some stranger's datagram into out (room for 1500). */
static size_t make_flood(struct world *world, const struct recorded *hellos[2], unsigned n,
                         uint8_t out[1500])
{
    const struct recorded *item = hellos[n % 4 == 1];
    size_t len = item->len;

    memcpy(out, item->bytes, len);
    switch (n % 4) {
    case 0: /* a hello without a cookie, of its own */
        world_random_bytes(world, out + HELLO_RANDOM, 32);
        break;
    case 1: /* somebody else's cookie */
        break;
    case 2: /* a hello with something wrong */
        out[SW_HEADER_LEN + world_random(world, len - SW_HEADER_LEN)] ^= 1
                                                                         << world_random(world, 8);
        break;
    default: /* garbage behind a good header */
        len = SW_HEADER_LEN + world_random(world, 1400);
        world_random_bytes(world, out + SW_HEADER_LEN, len - SW_HEADER_LEN);
        if (n % 8 == 3) out[SW_HEADER_LEN] = 22;
    }
    return len;
}

static void test_a_flood_of_hellos_costs_no_state_and_no_larger_answer(void **state)
{
    struct world world;
    struct tape tape = {0};
    uint8_t datagram[1500];

    (void)state;
    recorded_pair(&world, 1, false, &tape);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct recorded *hellos[2] = {hello(&tape, client, 0), hello(&tape, client, 1)};
    uint64_t in = counters(server)->udp_received_bytes, out = counters(server)->udp_sent_bytes;
    size_t memory = 0;
    const unsigned flood = 500 * world_seeds(200);

    for (unsigned n = 0; n < flood; n++) {
        const struct sw_address from =
            world_stranger(n, (uint16_t)(1024 + world_random(&world, 60000)));
        size_t len = make_flood(&world, hellos, n, datagram);
        world_check(&world, tell(server, &from, datagram, len) <= len);
        world_check(&world, server->engine->half_open.count == 0);
        if (n % 100 == 99) world_run(&world, 10 * SW_MILLISECOND, NULL);
        if (n % 5000 == 4999) world_check(&world, carries(server, client));
        if (n == 1000) memory = mallinfo2().uordblks;
    }
    /* Whatever is held is not held per stranger. */
    world_check(&world, mallinfo2().uordblks < memory + 256 * 1024);
    in = counters(server)->udp_received_bytes - in;
    out = counters(server)->udp_sent_bytes - out;
    world_check(&world, out <= in);
    world_check(&world, counters(server)->conn_created == 1);
    world_check(&world, counters(server)->hello_retry_sent > flood / 4);
    world_check(&world, counters(server)->hello_refused > flood / 2);
    world_check(&world, server->closed + client->closed == 0);
    tape_free(&tape);
    world_end(&world);
}

static void test_many_hellos_in_one_datagram_draw_one_answer(void **state)
{
    struct world world;
    struct tape tape = {0};
    uint8_t datagram[1500];

    (void)state;
    recorded_pair(&world, 2, false, &tape);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct recorded *one = hello(&tape, client, 0);
    const struct sw_address from = world_stranger(1, 1);
    const size_t payload = one->len - SW_HEADER_LEN;
    size_t len = one->len;

    memcpy(datagram, one->bytes, one->len);
    while (len + payload <= sizeof datagram) {
        memcpy(datagram + len, one->bytes + SW_HEADER_LEN, payload);
        len += payload;
    }
    size_t single = tell(server, &from, one->bytes, one->len);
    world_check(&world, single > SW_HEADER_LEN && single <= one->len);
    world_check(&world, tell(server, &from, datagram, len) == single);

    /* The same from the address of a session. */
    for (size_t at = HELLO_RANDOM; at < len; at += payload)
        datagram[at] ^= 0xff;
    world_check(&world, tell(server, &client->address, datagram, len) <= single);
    world_check(&world, counters(server)->conn_created == 1);
    tape_free(&tape);
    world_end(&world);
}

static void test_a_hello_smaller_than_its_answer_is_dropped(void **state)
{
    /* supported_versions, supported_groups, signature_algorithms, an empty key_share */
    static const uint8_t body[] = {
        0xfe, 0xfd,                                                       /* version */
        1,    2,    3,    4,    5,    6,    7,    8,    9,    10, 11, 12, /* random */
        13,   14,   15,   16,   17,   18,   19,   20,   21,   22, 23, 24, //
        25,   26,   27,   28,   29,   30,   31,   32,                     //
        0x00, 0x00, 0x00, 0x02, 0x13, 0x02, 0x01, 0x00,                   //
        0x00, 0x1d, 0x00, 0x2b, 0x00, 0x03, 0x02, 0xfe, 0xfc,             //
        0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17,                   //
        0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03,                   //
        0x00, 0x33, 0x00, 0x02, 0x00, 0x00,                               //
    };
    const struct sw_address from = world_stranger(1, 1);
    const struct sw_header header = {.version = SW_VERSION_MAX};
    uint8_t datagram[200] = {0};
    struct world world;

    (void)state;
    world_init(&world, 3);
    struct node *server = world_server(&world, false);
    sw_header_encode(datagram, &header);
    uint8_t *record = datagram + SW_HEADER_LEN;
    record[0] = 22;
    sw_put_be16(record + 1, 0xfefd);
    sw_put_be16(record + 11, 12 + sizeof body);
    record[13] = 1;
    record[16] = sizeof body;
    record[24] = sizeof body;
    memcpy(record + 25, body, sizeof body);

    world_check(&world, tell(server, &from, datagram, SW_HEADER_LEN + 25 + sizeof body) == 0);
    world_check(&world, counters(server)->hello_amplification == 1);
    world_check(&world, counters(server)->hello_received == 1);
    world_end(&world);
}

/* Leads client, at another address, to where the server has seen its cookie; nothing follows. */
static void begin_and_vanish(struct node *client, struct node *server, unsigned host, uint16_t port)
{
    client->address = world_stranger(host, port);
    world_restart(client);
    assert_non_null(world_connect(client, server));
    world_run(client->world, 16 * SW_MILLISECOND, NULL);
    world_swallow(client->world);
    client->address = world_stranger(0, 0);
}

static void test_half_open_sessions_are_limited_and_go_away(void **state)
{
    const unsigned limit = 64, share = limit / 16;
    struct tape tape = {0};
    struct world world;

    (void)state;
    world_init(&world, 4);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){.keyshare = 1});
    server->config.half_open_limit = limit;
    world_restart(server);
    world.tape = &tape;

    for (unsigned i = 0; i < 3 * share; i++)
        begin_and_vanish(client, server, 7, (uint16_t)(1000 + i));
    world_check(&world, server->engine->half_open.count == share);
    world_check(&world, counters(server)->hello_limited >= 2 * share);
    /* A forged cookie is not even worth counting whose share it would exceed. */
    client->address = world_stranger(7, 1000);
    const struct recorded *second = hello(&tape, client, 1);
    const struct sw_address from = world_stranger(7, 999);
    const uint64_t limited = counters(server)->hello_limited;
    uint64_t refused = counters(server)->hello_refused;
    world_check(&world, tell(server, &from, second->bytes, second->len) == 0);
    world_check(&world, counters(server)->hello_limited == limited);
    world_check(&world, counters(server)->hello_refused == refused + 1);
    world.tape = NULL;
    tape_free(&tape);
    for (unsigned i = 0; i < limit + 20; i++)
        begin_and_vanish(client, server, 100 + i, 1000);
    world_check(&world, server->engine->half_open.count == limit);
    world_check(&world, counters(server)->conn_created == limit);

    world_run(&world, 14 * SW_SECOND, NULL);
    world_check(&world, server->engine->half_open.count == 0);
    world_check(&world, sw_engine_next_conn(server->engine, NULL) == NULL);
    world_check(&world, counters(server)->conn_closed == limit);
    world_check(&world, server->assigned == 0);

    world_restart(client);
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_end(&world);
}

/* Who has one IPv6 address has 2^64 of them. */
static void test_an_ipv6_source_is_its_network(void **state)
{
    const struct sw_address one = {.family = 6, .port = 1, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    struct sw_address sibling = one, stranger = one;
    struct world world;

    (void)state;
    world_init(&world, 11);
    const struct sw_engine *engine = world_server(&world, false)->engine;
    memset(sibling.ip + 8, 0xab, 8);
    stranger.ip[7] = 1;
    assert_int_equal(sw_address_host_hash(engine, &one), sw_address_host_hash(engine, &sibling));
    assert_int_not_equal(sw_address_host_hash(engine, &one),
                         sw_address_host_hash(engine, &stranger));
    const struct sw_address four = {.family = 4, .ip = {192, 0, 2, 1}},
                            neighbour = {.family = 4, .ip = {192, 0, 2, 2}};
    assert_int_not_equal(sw_address_host_hash(engine, &four),
                         sw_address_host_hash(engine, &neighbour));
    world_end(&world);
}

static void test_a_handshake_may_straddle_a_change_of_the_cookie_secret(void **state)
{
    (void)state;
    /* The secret lives for two minutes from the server's start at 1 s. */
    for (unsigned early = 1; early < 40; early++) {
        struct world world;

        world_init(&world, 200 + early);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){0});
        world_run(&world, 2 * SW_MINUTE - early * SW_MILLISECOND, NULL);
        assert_non_null(world_connect(client, server));
        world_check(&world, world_run(&world, SW_SECOND / 10, world_both_online));
        world_end(&world);
    }
}

static void test_an_old_cookie_is_refused_silently(void **state)
{
    struct world world;
    struct tape tape = {0};

    (void)state;
    recorded_pair(&world, 5, false, &tape);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct recorded *second = hello(&tape, client, 1);
    sw_conn_close(client->conn, 0, world.now);
    world_flush(client);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, sw_engine_next_conn(server->engine, NULL) == NULL);

    /* Good while its secret is, but nothing comes of it. */
    world_check(&world, tell(server, &client->address, second->bytes, second->len) > 0);
    world_check(&world, server->engine->half_open.count == 1);
    world_run(&world, 20 * SW_SECOND, NULL);
    world_check(&world, server->engine->half_open.count == 0);

    world_run(&world, 4 * SW_MINUTE, NULL);
    uint64_t refused = counters(server)->hello_refused;
    world_check(&world, tell(server, &client->address, second->bytes, second->len) == 0);
    world_run(&world, 2 * SW_MINUTE, NULL);
    world_check(&world, tell(server, &client->address, second->bytes, second->len) == 0);
    world_check(&world, counters(server)->hello_refused == refused + 2);
    world_check(&world,
                server->engine->half_open.count == 0 && counters(server)->conn_created == 2);
    tape_free(&tape);
    world_end(&world);
}

/* Plaintext and pretended ciphertext that nobody honest sends. */
static const struct forgery {
    const char *what;
    uint8_t bytes[40];
    size_t len;
} forgeries[] = {
    {"fatal alert", {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}, 15},
    {"close_notify", {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0}, 15},
    {"alert of DTLS 1.0", {21, 254, 255, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 10}, 15},
    {"short handshake header", {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 3, 0, 3, 2, 0, 0}, 16},
    {"empty hello", {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 3, 0, 12, 2}, 25},
    {"empty client hello", {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 3, 0, 12, 1}, 25},
    {"finished in plaintext",
     {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 3, 0, 14, 20, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2},
     27},
    {"huge hello",
     {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 3, 0, 14, 2, 255, 255, 255, 0, 1, 0, 0, 0, 0, 0, 2},
     27},
    {"change_cipher_spec", {20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 1}, 14},
    {"application data", {23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 4, 0, 4, 1, 2, 3, 4}, 17},
    {"zeros", {0}, 40},
    {"record longer than the datagram", {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 2}, 30},
    {"handshake ciphertext", {0x2e, 0, 0, 0, 32, 1, 2, 3, 4}, 37},
    {"application ciphertext", {0x2f, 0, 1, 0, 32, 1, 2, 3, 4}, 37},
    {"short ciphertext", {0x2e, 0, 0, 0, 3, 1, 2, 3}, 8},
    {"ciphertext with an old header", {22, 254, 253, 0, 2, 0, 0, 0, 0, 0, 0, 0, 20, 9}, 33},
    {"ciphertext of a far epoch", {23, 254, 253, 0, 9, 0, 0, 0, 0, 0, 0, 0, 20, 9}, 33},
    {"nothing", {0}, 0},
};
#define FORGERIES (sizeof forgeries / sizeof forgeries[0])

static void forge(struct world *world, const struct forgery *f, const struct sw_address *from,
                  const struct sw_address *to)
{
    struct sw_header header = {.version = SW_VERSION_MAX};
    uint8_t datagram[SW_HEADER_LEN + sizeof f->bytes];

    if (world_random(world, 2) == 0) world_random_bytes(world, header.session.bytes, 8);
    sw_header_encode(datagram, &header);
    memcpy(datagram + SW_HEADER_LEN, f->bytes, f->len);
    world_inject(world, from, to, datagram, SW_HEADER_LEN + f->len);
}

static void test_forged_records_do_not_end_a_handshake(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORGERIES; i++) {
        for (unsigned at = 0; at < 40; at += 3) { /* ms: before, between and behind all flights */
            struct world world;

            world_init(&world, 1000 * i + at);
            struct node *server = world_server(&world, at % 2 == 0);
            struct node *client =
                world_client(&world, &(struct client_options){.keyshare = at & 1});
            const struct sw_address other = world_stranger(3, 3);

            forge(&world, &forgeries[i], &client->address, &server->address); /* before the hello */
            assert_non_null(world_connect(client, server));
            world_run(&world, at * SW_MILLISECOND, NULL);
            forge(&world, &forgeries[i], &server->address, &client->address);
            forge(&world, &forgeries[i], &other, &client->address);
            forge(&world, &forgeries[i], &client->address, &server->address);
            forge(&world, &forgeries[i], &other, &server->address);
            if (!world_run(&world, SW_SECOND, world_both_online))
                fail_msg("%s after %u ms", forgeries[i].what, at);
            world_run(&world, SW_SECOND, NULL);
            world_check(&world, counters(client)->udp_wrong_source == 1);
            world_check(&world, server->closed + client->closed == 0);
            world_check(&world, carries(server, client));
            world_end(&world);
        }
    }
}

/* Alters one byte of the n-th plaintext record towards the client, well-formed as it stays. */
struct spoiler {
    unsigned left;
    size_t at;
};

static bool spoil_a_hello(struct world *world, const struct sw_address *from,
                          const struct sw_address *to, uint8_t *bytes, size_t len)
{
    struct spoiler *spoiler = world->tap_data;

    (void)to;
    if (from->port != world->nodes[0].address.port || spoiler->left == 0) return true;
    if (len <= SW_HEADER_LEN + spoiler->at || bytes[SW_HEADER_LEN] != 0x16) return true;
    bytes[SW_HEADER_LEN + spoiler->at] ^= 0x41;
    spoiler->left--;
    return true;
}

static void test_an_altered_plaintext_hello_costs_a_moment_not_the_attempt(void **state)
{
    unsigned begun_again = 0;

    (void)state;
    for (size_t at = 25; at < 78; at++) { /* of the first answer, from its body to the cookie */
        for (unsigned times = 1; times <= 3; times++) {
            struct spoiler spoiler = {times, at};
            struct world world;

            world_init(&world, 7000 + 10 * at + times);
            struct node *server = world_server(&world, at % 2 == 0);
            struct node *client =
                world_client(&world, &(struct client_options){.keyshare = at >> 1 & 1});
            world.tap = spoil_a_hello;
            world.tap_data = &spoiler;
            assert_non_null(world_connect(client, server));
            if (!world_run(&world, 4 * SW_SECOND, world_both_online))
                fail_msg("byte %zu altered %u times", at, times);
            world_run(&world, SW_SECOND, NULL);
            world_check(&world, carries(server, client));
            begun_again += counters(client)->handshake_begun_again > 0;
            world_end(&world);
        }
    }
    assert_true(begun_again > 100);
}

static void test_a_storm_of_forged_hellos_draws_a_few_of_ours(void **state)
{
    struct spoiler spoiler = {1000000, 60};
    struct world world;

    (void)state;
    world_init(&world, 7);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    world.tap = spoil_a_hello;
    world.tap_data = &spoiler;
    assert_non_null(world_connect(client, server));
    world_run(&world, 31 * SW_SECOND, NULL); /* the connect timeout */
    world_check(&world, counters(client)->handshake_begun_again <= 5);
    world_check(&world, client->online == 0 && client->closed == 1);
    world_check(&world, client->close_error == SW_ETIMEOUT);
    world_end(&world);
}

static void test_forged_alerts_and_malformed_records_are_counted(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 6);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    assert_non_null(world_connect(client, server));
    for (size_t i = 0; i < 12; i++)
        forge(&world, &forgeries[i], &server->address, &client->address);
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_check(&world, counters(client)->udp_forged_record >= 12);
    uint64_t before = counters(server)->udp_forged_record;
    for (size_t i = 0; i < 12; i++)
        forge(&world, &forgeries[i], &client->address, &server->address);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, counters(server)->udp_forged_record >= before + 12);
    world_end(&world);
}

static size_t mutate(struct world *world, const struct tape *tape, uint8_t out[1600])
{
    const struct recorded *item = &tape->items[world_random(world, tape->count)];
    size_t len = item->len;

    memcpy(out, item->bytes, len);
    switch (world_random(world, 6)) {
    case 0: /* pure noise */
        len = world_random(world, 1500);
        world_random_bytes(world, out, len);
        break;
    case 1: /* noise in records */
        len = SW_HEADER_LEN + world_random(world, 1400);
        memcpy(out, item->bytes, SW_HEADER_LEN);
        world_random_bytes(world, out + SW_HEADER_LEN, len - SW_HEADER_LEN);
        out[SW_HEADER_LEN] = (uint8_t)(world_random(world, 2) ? 0x2f : 22);
        break;
    case 2: /* cut off */
        len = world_random(world, len + 1);
        break;
    case 3: /* longer */
        world_random_bytes(world, out + len, 50);
        len += world_random(world, 50);
        break;
    case 4: /* only the header */
        out[world_random(world, SW_HEADER_LEN)] ^= (uint8_t)(1 + world_random(world, 255));
        break;
    default: /* a few bytes anywhere */
        for (uint64_t n = 1 + world_random(world, 4); n > 0; n--)
            out[world_random(world, len)] ^= (uint8_t)(1 + world_random(world, 255));
    }
    return len;
}

static void test_mutated_datagrams_leave_a_transfer_alone(void **state)
{
    struct world world;
    struct tape tape = {0};
    uint8_t datagram[1600];

    (void)state;
    recorded_pair(&world, 7, true, &tape);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const unsigned flood = 500 * world_seeds(200);

    for (unsigned n = 0; n < flood; n++) {
        const struct sw_address other = world_stranger((unsigned)world_random(&world, 50), 9);
        size_t len = mutate(&world, &tape, datagram);
        tell(server, n % 2 == 0 ? &client->address : &other, datagram, len);
        tell(client, n % 2 == 0 ? &server->address : &other, datagram, len);
        if (n % 500 == 499) world_check(&world, carries(server, client));
    }
    /* A second hello with its random changed has a good cookie, hence pending sessions may have
     * come and gone. */
    world_check(&world, server->floated == 0 && server->released == 0 && client->closed == 0);
    world_check(&world, server->authorised == 1 && counters(server)->conn_replaced == 0);
    world_run(&world, 61 * SW_SECOND, NULL);
    world_check(&world, server->engine->half_open.count == 0);
    world_check(&world, carries(server, client));
    tape_free(&tape);
    world_end(&world);
}

static void test_a_client_takes_no_hello_of_a_client_for_an_answer(void **state)
{
    struct world world;
    struct tape tape = {0};

    (void)state;
    recorded_pair(&world, 8, false, &tape);
    struct node *server = &world.nodes[0];
    struct node *late = world_client(&world, &(struct client_options){0});
    const struct recorded *echo = hello(&tape, &world.nodes[1], 0);
    assert_non_null(world_connect(late, server));
    world_check(&world, tell(late, &server->address, echo->bytes, echo->len) == 0);
    world_check(&world, counters(late)->udp_forged_record == 1);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, late->online == 1);
    tape_free(&tape);
    world_end(&world);
}

static void test_lane_packets_without_a_lane_are_counted(void **state)
{
    struct world world;
    uint8_t datagram[SW_HEADER_LEN + 40 + 100] = {0};

    (void)state;
    world_pair(&world, 9, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    for (int i = 0; i < 2; i++) {
        struct node *node = &world.nodes[i], *other = &world.nodes[!i];
        const struct sw_header header = {
            .version = SW_VERSION_MAX,
            .expresslane = true,
            .session = sw_conn_session(node->conn),
        };
        sw_header_encode(datagram, &header);
        sw_put_be64(datagram + SW_HEADER_LEN, 1);        /* the counter */
        sw_put_be16(datagram + SW_HEADER_LEN + 36, 100); /* the length */
        world_check(&world, tell(node, &other->address, datagram, sizeof datagram) == 0);
        world_check(&world, counters(node)->expresslane_decrypt_no_key == 1);
        world_check(&world, tell(node, &other->address, datagram, sizeof datagram - 1) == 0);
        world_check(&world, counters(node)->expresslane_malformed == 1);
    }
    world_check(&world, carries(server, client));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood_of_hellos_costs_no_state_and_no_larger_answer),
        cmocka_unit_test(test_many_hellos_in_one_datagram_draw_one_answer),
        cmocka_unit_test(test_a_hello_smaller_than_its_answer_is_dropped),
        cmocka_unit_test(test_half_open_sessions_are_limited_and_go_away),
        cmocka_unit_test(test_an_ipv6_source_is_its_network),
        cmocka_unit_test(test_a_handshake_may_straddle_a_change_of_the_cookie_secret),
        cmocka_unit_test(test_an_old_cookie_is_refused_silently),
        cmocka_unit_test(test_forged_records_do_not_end_a_handshake),
        cmocka_unit_test(test_an_altered_plaintext_hello_costs_a_moment_not_the_attempt),
        cmocka_unit_test(test_a_storm_of_forged_hellos_draws_a_few_of_ours),
        cmocka_unit_test(test_forged_alerts_and_malformed_records_are_counted),
        cmocka_unit_test(test_mutated_datagrams_leave_a_transfer_alone),
        cmocka_unit_test(test_a_client_takes_no_hello_of_a_client_for_an_answer),
        cmocka_unit_test(test_lane_packets_without_a_lane_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
