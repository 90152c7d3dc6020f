/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Clients whose address changes, and servers that forget their clients (docs/protocol/session.md
 * §9.4, §10, docs/protocol/wire.md §4, §10): the address moves on the first authentic frame, a new
 * session id follows, REJECT is a hint and never an end.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/engine/engine.h"
#include "tests/sim/world.h"

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static void up(struct node *client)
{
    uint8_t packet[200];
    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
}

static void down(struct node *server)
{
    uint8_t packet[200];
    world_send(server, server->conn, packet,
               world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 100));
}

static bool carries(struct node *server, struct node *client)
{
    uint64_t before[2] = {server->inside_count, client->inside_count};

    up(client);
    down(server);
    world_run(client->world, 50 * SW_MILLISECOND, NULL);
    return server->inside_count == before[0] + 1 && client->inside_count == before[1] + 1;
}

static bool at_address(const struct node *server, const struct node *client)
{
    return sw_conn_path(server->conn)->remote.port == client->address.port;
}

static void test_the_address_moves_on_the_first_authentic_frame(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 1, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    struct sw_session_id first = sw_conn_session(client->conn);
    world_check(&world, sw_session_equal(first, sw_conn_session(server->conn)));

    client->address.port = 50001;
    up(client);
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    world_check(&world, server->floated == 1 && at_address(server, client));
    world_check(&world, counters(server)->udp_session_rotation_begin == 1);
    world_check(&world, sw_session_equal(first, sw_conn_session(server->conn)));
    world_run(&world, 5 * SW_MILLISECOND, NULL); /* the Ping that announces the new id */
    world_check(&world, !sw_session_equal(first, sw_conn_session(client->conn)));
    world_run(&world, 5 * SW_MILLISECOND, NULL); /* its Pong carries the new id already */
    world_check(&world, server->rotations == 1);
    world_check(&world, counters(server)->udp_session_rotation_finalized == 1);
    world_check(&world,
                sw_session_equal(sw_conn_session(client->conn), sw_conn_session(server->conn)));
    world_check(&world, carries(server, client));
    world_check(&world, counters(server)->session_id_mismatch == 0);
    world_end(&world);
}

/* From IPv4 to IPv6 and back, as a host with both may do; a server's socket of [::] hears either.
 */
static void test_client_moves_between_families(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 2, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct sw_address v4 = client->address;
    const struct sw_address v6 = {.family = 6, .port = 50001, .ip = {0x20, 0x01, 0x0d, 0xb8, 7}};

    for (unsigned move = 1; move <= 4; move++) {
        client->address = move % 2 == 1 ? v6 : v4;
        up(client);
        world_run(&world, 50 * SW_MILLISECOND, NULL);
        world_check(&world, server->floated == move && server->rotations == move);
        world_check(&world, sw_conn_path(server->conn)->remote.family == client->address.family);
        world_check(&world, carries(server, client));
    }
    world_check(&world, counters(server)->conn_created == 1 && server->released == 0);
    world_end(&world);
}

/* Moves under transfer, over lossy weather, to a new address every time. */
static void test_a_transfer_survives_many_moves_under_loss(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        struct world world;

        world_pair(&world, 100 + seed, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        world.weather = (struct weather){.loss = seed,
                                         .duplicate = 10,
                                         .delay = 5 * SW_MILLISECOND,
                                         .jitter = 10 * SW_MILLISECOND};
        for (unsigned move = 0; move < 30; move++) {
            client->address.port = (uint16_t)(50000 + move % 7);
            for (int i = 0; i < 20; i++) {
                up(client);
                down(server);
                world_run(&world, 2 * SW_MILLISECOND, NULL);
            }
        }
        world.weather = (struct weather){.delay = 5 * SW_MILLISECOND};
        for (int i = 0; i < 3; i++) {
            up(client);
            world_run(&world, SW_SECOND, NULL);
        }
        world_check(&world, server->closed + client->closed == 0 && server->floated >= 30);
        world_check(&world, at_address(server, client));
        world_check(&world, carries(server, client));
        world_check(&world,
                    sw_session_equal(sw_conn_session(client->conn), sw_conn_session(server->conn)));
        world_check(&world, sw_session_equal(server->conn->rotation, SW_SESSION_EMPTY));
        world_end(&world);
    }
}

static void test_replayed_datagrams_do_not_move_the_address(void **state)
{
    const struct sw_address third = world_stranger(1, 1);
    struct world world;
    struct tape tape = {0};

    (void)state;
    world_pair(&world, 2, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world.tape = &tape;
    for (int i = 0; i < 100; i++)
        world_check(&world, i % 10 != 0 || carries(server, client));
    world.tape = NULL;
    for (size_t i = 0; i < tape.count; i++)
        world_inject(&world, &third, &server->address, tape.items[i].bytes, tape.items[i].len);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, server->floated == 0 && at_address(server, client));
    world_check(&world, counters(server)->udp_session_rotation_attempted_via_replay == tape.count);
    world_check(&world, counters(server)->udp_session_rotation_begin == 0);
    world_check(&world, carries(server, client));
    tape_free(&tape);
    world_end(&world);
}

static void test_an_address_that_moved_back_is_found_at_both_ids(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 3, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const uint16_t home = client->address.port;

    /* The announcement is lost: the rotation stays pending, all later datagrams carry the new id.
     */
    client->address.port = 50001;
    up(client);
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    world_swallow(&world);
    world_check(&world, server->floated == 1 && server->rotations == 0);
    client->address.port = 50002; /* new address, current id */
    up(client);
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    world_swallow(&world);
    world_check(&world, server->floated == 2 && server->rotations == 0);
    world_check(&world, counters(server)->udp_session_rotation_begin == 1);
    down(server); /* the client learns the pending id, and uses it from yet another address */
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    client->address.port = home;
    up(client);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, server->floated == 3 && server->rotations == 2);
    world_check(&world, carries(server, client));
    world_check(&world, server->closed + client->closed == 0);
    world_end(&world);
}

static void test_an_unknown_id_draws_few_rejects_and_a_reject_none(void **state)
{
    const struct sw_address from = world_stranger(1, 1), other = world_stranger(2, 1);
    uint8_t datagram[SW_HEADER_LEN + 40] = {0};
    struct sw_header header = {.version = SW_VERSION_MAX, .session = {{1, 2, 3}}};
    struct world world;

    (void)state;
    world_init(&world, 4);
    struct node *server = world_server(&world, false);
    sw_header_encode(datagram, &header);
    for (int second = 0; second < 10; second++) {
        for (int i = 0; i < 1000; i++)
            world_inject(&world, &from, &server->address, datagram, sizeof datagram);
        world_run(&world, SW_SECOND, NULL);
    }
    world_check(&world, counters(server)->udp_rejected_session == 100);
    world_check(&world, counters(server)->udp_reject_limited == 9900);
    world_check(&world, world.bytes_from[0] == 100 * SW_HEADER_LEN);
    world_inject(&world, &other, &server->address, datagram, sizeof datagram);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, counters(server)->udp_rejected_session == 101);

    header.session = SW_SESSION_REJECTED;
    sw_header_encode(datagram, &header);
    world_inject(&world, &other, &server->address, datagram, SW_HEADER_LEN);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, counters(server)->udp_rejected_session == 101);
    world_check(&world, counters(server)->udp_reject_received == 1);
    world_end(&world);
}

static void test_two_servers_do_not_reject_each_other_for_ever(void **state)
{
    uint8_t datagram[SW_HEADER_LEN] = {0};
    const struct sw_header headers[] = {{.version = SW_VERSION_MIN, .session = SW_SESSION_REJECTED},
                                        {.version = SW_VERSION_MIN, .session = {{1}}}};
    struct world world;

    (void)state;
    world_init(&world, 5);
    struct node *a = world_server(&world, false), *b = world_server(&world, false);
    for (int i = 0; i < 2; i++) {
        sw_header_encode(datagram, &headers[i]);
        world_inject(&world, &a->address, &b->address, datagram, sizeof datagram);
        world_run(&world, 10 * SW_SECOND, NULL);
        world_check(&world, world.datagrams_from[0] == 0 && world.datagrams_from[1] == (unsigned)i);
    }
    world_end(&world);
}

static bool client_closed(struct world *world)
{
    return world->nodes[1].closed > 0;
}

static void test_a_client_notices_a_restarted_server_within_seconds(void **state)
{
    const struct client_options options = {.keepalive_interval = 10 * SW_SECOND,
                                           .keepalive_timeout = 60 * SW_SECOND};
    struct world world;

    (void)state;
    world_pair(&world, 6, &options);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world_restart(server);
    up(client);
    sw_time start = world.now;
    world_check(&world, world_run(&world, 60 * SW_SECOND, client_closed));
    world_check(&world, client->close_error == SW_ETIMEOUT && client->rejected_events > 0);
    world_check(&world, world.now - start >= 4 * SW_SECOND && world.now - start <= 6 * SW_SECOND);

    client->online = 0;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_end(&world);
}

static void test_forged_rejects_never_end_a_healthy_session(void **state)
{
    const struct sw_header reject = {.version = SW_VERSION_MIN, .session = SW_SESSION_REJECTED};
    uint8_t datagram[SW_HEADER_LEN];
    struct world world;

    (void)state;
    world_pair(&world, 7, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    sw_header_encode(datagram, &reject);
    const uint64_t sent = world.datagrams_from[1];
    for (int i = 0; i < 60000; i++) { /* one every millisecond, for a minute */
        world_inject(&world, &server->address, &client->address, datagram, sizeof datagram);
        world_run(&world, SW_MILLISECOND, NULL);
    }
    world_check(&world, client->closed == 0 && server->closed == 0);
    world_check(&world, carries(server, client));
    const uint64_t pings = world.datagrams_from[1] - sent;
    if (pings < 6 || pings > 66) fail_msg("%llu pings in a minute", (unsigned long long)pings);
    world_end(&world);
}

static void test_the_client_never_adopts_a_reserved_id(void **state)
{
    struct world world;
    struct tape tape = {0};

    (void)state;
    world_pair(&world, 8, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    struct sw_session_id id = sw_conn_session(client->conn);
    static const uint8_t reserved[2] = {0, 255};
    for (int i = 0; i < 2; i++) {
        world.tape = &tape;
        down(server);
        world.tape = NULL;
        world_swallow(&world);
        struct recorded *item = &tape.items[tape.count - 1];
        memset(item->bytes + 8, reserved[i], 8);
        world_inject(&world, &item->from, &item->to, item->bytes, item->len);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, sw_session_equal(id, sw_conn_session(client->conn)));
    }
    world_check(&world, carries(server, client));
    tape_free(&tape);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_address_moves_on_the_first_authentic_frame),
        cmocka_unit_test(test_client_moves_between_families),
        cmocka_unit_test(test_a_transfer_survives_many_moves_under_loss),
        cmocka_unit_test(test_replayed_datagrams_do_not_move_the_address),
        cmocka_unit_test(test_an_address_that_moved_back_is_found_at_both_ids),
        cmocka_unit_test(test_an_unknown_id_draws_few_rejects_and_a_reject_none),
        cmocka_unit_test(test_two_servers_do_not_reject_each_other_for_ever),
        cmocka_unit_test(test_a_client_notices_a_restarted_server_within_seconds),
        cmocka_unit_test(test_forged_rejects_never_end_a_healthy_session),
        cmocka_unit_test(test_the_client_never_adopts_a_reserved_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
