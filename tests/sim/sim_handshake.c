/* SPDX-License-Identifier: GPL-3.0-or-later */

/* From the first hello to Online, and every way in which that can fail (docs/protocol/session.md
 * §2, §5-§8). */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/wire/header.h"
#include "tests/sim/world.h"

static bool both_online(struct world *w)
{
    return w->nodes[0].online > 0 && w->nodes[1].online > 0;
}

static bool client_closed(struct world *w)
{
    return w->nodes[1].closed > 0;
}

static void test_every_cipher_and_group_reaches_online(void **state)
{
    static const char *const groups[2][2] = {{"SECP256R1", "SECP256R1"},
                                             {"SecP521r1MLKEM1024", "X25519MLKEM768"}};
    (void)state;
    for (int n = 0; n < 8; n++) {
        bool pqc = (n & 4) != 0;
        const struct client_options options = {
            .cipher = n & 1, .keyshare = (n & 2) / 2, .server_name = "server.test"};
        struct world world;
        world_init(&world, 7 + (uint64_t)n);
        struct node *server = world_server(&world, pqc);
        struct node *client = world_client(&world, &options);

        assert_non_null(world_connect(client, server));
        assert_true(world_run(&world, 5 * SW_SECOND, both_online));
        assert_string_equal(sw_conn_group(client->conn), groups[pqc][options.keyshare]);
        assert_string_equal(sw_conn_group(server->conn), groups[pqc][options.keyshare]);
        assert_string_equal(sw_conn_cipher(client->conn), sw_conn_cipher(server->conn));
        assert_non_null(strstr(sw_conn_cipher(client->conn),
                               options.cipher == SW_CIPHER_AES256 ? "AES_256" : "CHACHA"));
        assert_int_equal(sw_conn_ip_config(client->conn)->local_ip, CLIENT_IP);
        assert_int_equal(sw_conn_ip_config(client->conn)->mtu, 1350);
        assert_int_equal(server->authorised, 1);
        world_end(&world);
    }
}

struct failure {
    struct client_options options;
    int error;
    int64_t unix_time; /**< 0: within the certificates' validity */
};

static void fails_with(const struct failure *failure)
{
    struct world world;
    world_init(&world, 99);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &failure->options);
    sw_time start = world.now;

    if (failure->unix_time != 0) {
        client->config.unix_time = failure->unix_time;
        world_restart(client);
    }
    assert_non_null(world_connect(client, server));
    assert_true(world_run(&world, 40 * SW_SECOND, client_closed));
    assert_int_equal(client->close_error, failure->error);
    assert_true(world.now - start < SW_SECOND);
    assert_int_equal(client->online, 0);
    world_end(&world);
}

static void test_wrong_password_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.password = "wrong"}, SW_EUNAUTHORISED, 0});
}

static void test_wrong_ca_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.ca = "other-ca.crt"}, SW_ECERT, 0});
}

static void test_wrong_name_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.server_name = "other.test"}, SW_ENAME, 0});
}

/* Deviation: certificate errors are final, whatever they are. */
static void test_an_expired_certificate_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{0}, SW_ECERT, INT64_C(95617584000)}); /* the year 5000 */
}

static void test_a_certificate_of_the_future_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{0}, SW_ECERT, 946684800}); /* the year 2000 */
}

static void test_ip6_addresses_work_like_others(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 20);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    for (int i = 0; i < 2; i++)
        world.nodes[i].address = (struct sw_address){
            .family = 6, .port = 443, .ip = {0xfe, 0x80, [15] = (uint8_t)(1 + i)}, .scope = 3};
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_end(&world);
}

/* Rewrites the version in the client's headers. */
static bool older_version(struct world *world, const struct sw_address *from,
                          const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    (void)len;
    if (from->port == world->nodes[1].address.port) bytes[3] = *(uint8_t *)world->tap_data;
    return true;
}

static void test_the_server_speaks_the_clients_version(void **state)
{
    (void)state;
    for (uint8_t minor = 0; minor < 6; minor++) {
        struct world world;
        struct tape tape = {0};
        uint8_t version = minor;

        world_init(&world, 30 + minor);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){0});
        const struct sw_engine_counters *counters = sw_engine_counters(server->engine);
        world.tap = older_version;
        world.tap_data = &version;
        world.tape = &tape;
        assert_non_null(world_connect(client, server));
        bool online = world_run(&world, SW_SECOND, world_both_online);
        world_check(&world, online == (minor >= 1 && minor <= 3));
        for (size_t i = 0; i < tape.count; i++)
            if (tape.items[i].from.port == server->address.port)
                world_check(&world, tape.items[i].bytes[3] == minor);
        if (online) { /* and sticks to it */
            uint64_t before = counters->udp_bad_packet_version, in = server->inside_count;
            uint8_t packet[100];
            size_t len = world_packet(packet, TUN_IP, REMOTE_IP, 1, 50);
            version = minor % 3 + 1;
            world_send(client, client->conn, packet, len);
            world_run(&world, SW_SECOND / 10, NULL);
            world_check(&world, counters->udp_bad_packet_version == before + 1);
            world_check(&world, server->inside_count == in && server->closed == 0);
        } else {
            world_check(&world, counters->udp_bad_packet_version > 0);
            world_check(&world, world.datagrams_from[0] == 0);
        }
        tape_free(&tape);
        world_end(&world);
    }
}

/*
 * Other peers put several records into one datagram (docs/protocol/session.md §5.11): what each
 * node says at one time goes out as one datagram, behind the first header.
 */
static void pack(struct world *world, struct tape *tape)
{
    static uint8_t packed[65536];

    for (int from = 0; from < 2; from++) {
        const struct node *node = &world->nodes[from], *to = &world->nodes[!from];
        size_t len = 0;
        for (size_t i = 0; i < tape->count; i++) {
            const struct recorded *item = &tape->items[i];
            if (item->from.port != node->address.port) continue;
            const size_t skip = len > 0 ? SW_HEADER_LEN : 0;
            memcpy(packed + len, item->bytes + skip, item->len - skip);
            len += item->len - skip;
        }
        if (len > 0) world_inject(world, &node->address, &to->address, packed, len);
    }
    tape_free(tape);
}

static bool swallow(struct world *world, const struct sw_address *from, const struct sw_address *to,
                    uint8_t *bytes, size_t len)
{
    (void)world, (void)from, (void)to, (void)bytes, (void)len;
    return false;
}

static void test_records_may_share_a_datagram(void **state)
{
    (void)state;
    for (int keyshare = 0; keyshare < 2; keyshare++) {
        struct world world;
        struct tape tape = {0};

        world_init(&world, 40);
        struct node *server = world_server(&world, true);
        struct node *client = world_client(&world, &(struct client_options){.keyshare = keyshare});
        world.tap = swallow;
        world.tape = &tape;
        assert_non_null(world_connect(client, server));
        /* five flights of 5 ms, before anything is retransmitted */
        for (int i = 0; i < 10 && !world_both_online(&world); i++) {
            pack(&world, &tape);
            world_run(&world, 5 * SW_MILLISECOND, NULL);
        }
        world_check(&world, world_both_online(&world));
        world_check(&world, server->authorised == 1);
        tape_free(&tape);
        world_end(&world);
    }
}

static void test_a_client_keeps_to_its_outside_mtu(void **state)
{
    static const uint16_t mtus[] = {576, 600, 1000, 1200, 1280, 1400, 1499};

    (void)state;
    for (unsigned n = 0; n < 2 * sizeof mtus / sizeof mtus[0]; n++) {
        const uint16_t mtu = mtus[n / 2];
        const size_t most = mtu - 44 - 22 - 3; /* headers, record, frame */
        uint8_t packet[1500];
        struct world world;
        struct tape tape = {0};

        world_init(&world, 60 + n);
        struct node *server = world_server(&world, true);
        struct node *client = world_client(&world, &(struct client_options){.keyshare = n & 1});
        client->config.outside_mtu = mtu;
        world_restart(client);
        world.tape = &tape;
        assert_non_null(world_connect(client, server));
        world_check(&world, world_run(&world, SW_SECOND, world_both_online));
        for (size_t len = most; len <= most + 1; len++)
            world_send(client, client->conn, packet,
                       world_packet(packet, TUN_IP, REMOTE_IP, 1, len - 32));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, server->inside_count == 2);
        world_check(&world, sw_engine_counters(client->engine)->inside_fragmented == 1);
        /* What the server sends is not bound by it. */
        world_send(server, server->conn, packet,
                   world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 1431 - 32));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, client->inside_count == 1);
        for (size_t i = 0; i < tape.count; i++)
            if (tape.items[i].from.port == client->address.port)
                world_check(&world, tape.items[i].len + 28 <= mtu);
        tape_free(&tape);
        world_end(&world);
    }
}

static void test_a_handshake_survives_a_socket_that_blocks(void **state)
{
    (void)state;
    for (int who = 0; who < 2; who++) {
        struct world world;

        world_init(&world, 80);
        world_server(&world, true);
        world_client(&world, &(struct client_options){0});
        struct node *blocked = &world.nodes[who];
        /* room for two large datagrams, and no more */
        sw_batch_free(blocked->batch);
        blocked->batch = sw_batch_new(2500, 2, 64);
        assert_non_null(blocked->batch);
        blocked->config.batch = blocked->batch;
        world_restart(blocked);
        blocked->flush_blocked = true;
        assert_non_null(world_connect(&world.nodes[1], &world.nodes[0]));
        world_run(&world, SW_SECOND / 2, NULL);
        blocked->flush_blocked = false;
        world_check(&world, world_run(&world, 10 * SW_SECOND, world_both_online));
        world_check(&world, sw_engine_counters(blocked->engine)->udp_no_room > 0);
        world_end(&world);
    }
}

static uint64_t total(const struct sw_durations *d)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SW_DURATION_BUCKETS; i++)
        sum += d->buckets[i];
    return sum;
}

static void test_how_long_it_took_is_counted(void **state)
{
    static const struct {
        sw_time delay;
        unsigned bucket[2]; /* link up, Online: of the client */
    } cases[] = {{5, {0, 0}}, {20, {2, 2}}, {300, {5, 5}}, {700, {6, 6}}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;

        world_init(&world, 70 + i);
        world.weather.delay = cases[i].delay * SW_MILLISECOND;
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){0});
        assert_non_null(world_connect(client, server));
        world_check(&world, world_run(&world, 20 * SW_SECOND, world_both_online));
        const struct sw_engine_counters *c = sw_engine_counters(client->engine);
        world_check(&world, c->to_link_up_time.buckets[cases[i].bucket[0]] == 1);
        world_check(&world, c->to_online_time.buckets[cases[i].bucket[1]] == 1);
        for (int n = 0; n < 2; n++) {
            c = sw_engine_counters(world.nodes[n].engine);
            world_check(&world, total(&c->to_link_up_time) == c->conn_link_up);
            world_check(&world, total(&c->to_online_time) == c->conn_online);
        }
        world_end(&world);
    }
}

/* Satellites, congested mobile networks: every copy of a message is repeated long before the first
 * one's answer is back. */
static void test_a_handshake_ends_however_long_the_way_is(void **state)
{
    static const sw_time delays[] = {50, 100, 200, 300, 500, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        for (unsigned loss = 0; loss <= 10; loss += 5) {
            struct world world;

            world_init(&world, 90 + i);
            world.weather = (struct weather){.delay = delays[i] * SW_MILLISECOND, .loss = loss};
            struct node *server = world_server(&world, i % 2 == 0);
            struct node *client =
                world_client(&world, &(struct client_options){.keyshare = i >> 1 & 1});
            assert_non_null(world_connect(client, server));
            if (!world_run(&world, 30 * SW_SECOND, world_both_online))
                fail_msg("%llu ms, %u %% loss", (unsigned long long)delays[i], loss);
            world_check(&world, server->closed == 0 && client->closed == 0);
            world_end(&world);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cipher_and_group_reaches_online),
        cmocka_unit_test(test_wrong_password_is_final),
        cmocka_unit_test(test_wrong_ca_is_final),
        cmocka_unit_test(test_wrong_name_is_final),
        cmocka_unit_test(test_an_expired_certificate_is_final),
        cmocka_unit_test(test_a_certificate_of_the_future_is_final),
        cmocka_unit_test(test_ip6_addresses_work_like_others),
        cmocka_unit_test(test_the_server_speaks_the_clients_version),
        cmocka_unit_test(test_records_may_share_a_datagram),
        cmocka_unit_test(test_a_client_keeps_to_its_outside_mtu),
        cmocka_unit_test(test_how_long_it_took_is_counted),
        cmocka_unit_test(test_a_handshake_ends_however_long_the_way_is),
        cmocka_unit_test(test_a_handshake_survives_a_socket_that_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
