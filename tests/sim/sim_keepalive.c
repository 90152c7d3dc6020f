/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Time without traffic: keepalives of the client (docs/protocol/session.md §12), retransmissions
 * and give-ups of a handshake (§6), ageing of a server's sessions (§13), and how often a session
 * that does nothing wakes its process.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/engine/engine.h"
#include "tests/sim/world.h"

#define HOUR (60 * SW_MINUTE)

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static void up(struct node *client)
{
    uint8_t packet[200];
    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
}

static bool client_closed(struct world *world)
{
    return world->nodes[1].closed > 0;
}

static bool server_closed(struct world *world)
{
    return world->nodes[0].closed > 0;
}

static bool server_link_up(struct world *world)
{
    return world->nodes[0].conn != NULL && sw_conn_state(world->nodes[0].conn) == SW_STATE_LINK_UP;
}

static void test_continuous_pings_once_an_interval(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 1, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const uint64_t sent[2] = {world.datagrams_from[0], world.datagrams_from[1]};
    world_run(&world, 100 * SW_SECOND, NULL);
    world_check(&world, client->replies >= 9 && client->replies <= 10);
    world_check(&world, world.datagrams_from[0] - sent[0] == client->replies);
    world_check(&world, world.datagrams_from[1] - sent[1] == client->replies);
    world_check(&world, server->closed + client->closed == 0);
    world_end(&world);
}

static void test_traffic_replaces_pings(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 2, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    uint8_t packet[200];
    for (int i = 0; i < 100; i++) {
        world_send(server, server->conn, packet,
                   world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 100));
        world_run(&world, SW_SECOND, NULL);
    }
    world_check(&world, client->replies == 0 && client->inside_count == 100);
    world_end(&world);
}

static void test_a_silent_server_is_noticed(void **state)
{
    static const struct client_options options[] = {
        {0}, {.keepalive_interval = 2 * SW_SECOND, .keepalive_timeout = 6 * SW_SECOND}};
    static const sw_time expected[] = {70 * SW_SECOND, 8 * SW_SECOND};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world;
        struct sw_conn_stats stats;

        world_pair(&world, 3, &options[i]);
        struct node *client = &world.nodes[1];
        sw_conn_stats(client->conn, &stats);
        world.weather.loss = 100;
        world_check(&world, world_run(&world, 100 * SW_SECOND, client_closed));
        world_check(&world, client->close_error == SW_ETIMEOUT);
        world_check(&world, world.now - stats.last_received == expected[i]);
        world_end(&world);
    }
}

static void test_on_demand_is_silent_until_nothing_comes_back(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 4, &(struct client_options){.keepalive_on_demand = true});
    struct node *client = &world.nodes[1];
    uint64_t sent = world.datagrams_from[1];
    world_run(&world, HOUR, NULL);
    world_check(&world, world.datagrams_from[1] == sent);

    for (int i = 0; i < 9; i++) { /* the first finds silence, the others its Pong */
        up(client);
        world_run(&world, SW_SECOND, NULL);
    }
    world_check(&world, world.datagrams_from[1] == sent + 10 && client->replies == 1);

    world_run(&world, SW_MINUTE, NULL);
    world.weather.loss = 100;
    up(client);
    sw_time start = world.now;
    world_check(&world, world_run(&world, 100 * SW_SECOND, client_closed));
    world_check(&world, world.now - start == 60 * SW_SECOND && client->close_error == SW_ETIMEOUT);
    world_end(&world);
}

static void test_a_network_change_asks_at_once(void **state)
{
    (void)state;
    for (int on_demand = 0; on_demand < 2; on_demand++) {
        struct world world;

        world_pair(&world, 5, &(struct client_options){.keepalive_on_demand = on_demand != 0});
        struct node *client = &world.nodes[1];
        sw_conn_network_changed(client->conn, world.now);
        world_flush(client);
        world_run(&world, 11 * SW_MILLISECOND, NULL);
        world_check(&world, client->replies == 1);
        world_end(&world);
    }
}

static void test_a_network_change_asks_until_there_is_an_answer(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 13, &(struct client_options){0});
    struct node *client = &world.nodes[1];
    uint64_t sent = world.datagrams_from[1];
    world.weather.loss = 100; /* the new network needs a moment */
    sw_conn_network_changed(client->conn, world.now);
    world_flush(client);
    world_run(&world, 3 * SW_SECOND, NULL);
    world_check(&world, world.datagrams_from[1] == sent + 4); /* at 0, 0.25, 0.75, 1.75 s */
    world.weather.loss = 0;
    world_run(&world, 800 * SW_MILLISECOND, NULL);
    world_check(&world, client->replies == 1); /* of the one at 3.75 s */
    sent = world.datagrams_from[1];
    world_run(&world, 9 * SW_SECOND, NULL);
    world_check(&world, world.datagrams_from[1] == sent);
    world_end(&world);
}

static void test_a_suspended_client_outlives_a_silence(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 14, &(struct client_options){0});
    struct node *client = &world.nodes[1];
    uint64_t sent = world.datagrams_from[1];
    world.weather.loss = 100;
    sw_conn_suspend_keepalive(client->conn, world.now);
    world_run(&world, HOUR, NULL);
    world_check(&world, world.datagrams_from[1] == sent && client->closed == 0);
    world.weather.loss = 0;
    sw_conn_network_changed(client->conn, world.now);
    world_flush(client);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, client->replies == 1);
    world_run(&world, 11 * SW_SECOND, NULL);
    world_check(&world, client->replies == 2);
    world_end(&world);
}

static void test_an_idle_session_sleeps(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        const struct client_options options = {.keyshare = seed & 1, .cipher = seed >> 1 & 1};
        struct world world;

        world_init(&world, 600 + seed);
        world.weather.loss = seed;
        world.weather.jitter = seed * SW_MILLISECOND;
        struct node *server = world_server(&world, (seed & 4) != 0);
        struct node *client = world_client(&world, &options);
        assert_non_null(world_connect(client, server));
        world_check(&world, world_run(&world, 12 * SW_SECOND, world_both_online));
        world.weather = (struct weather){.delay = 5 * SW_MILLISECOND};
        world_run(&world, 5 * SW_SECOND, NULL);
        server->timers = client->timers = 0;
        world_run(&world, SW_MINUTE, NULL);
        if (server->timers > 10 || client->timers > 10)
            fail_msg("seed %u: server woke %u, client %u times in an idle minute", 600 + seed,
                     server->timers, client->timers);
        world_end(&world);
    }
}

/* The times, in tenths of a second after start, at which node sent anything. */
static size_t send_times(const struct tape *tape, const struct node *node, sw_time start,
                         unsigned *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < tape->count; i++) {
        const struct recorded *item = &tape->items[i];
        if (item->from.port != node->address.port || item->at < start) continue;
        unsigned tenths = (unsigned)((item->at - start + 5 * SW_MILLISECOND) / (SW_SECOND / 10));
        if (n > 0 && out[n - 1] == tenths) continue;
        if (n == room) return n + 1;
        out[n++] = tenths;
    }
    return n;
}

static const unsigned retransmissions[] = {0, 1, 3, 7, 15, 31, 63};

static void test_a_hello_without_answer_is_repeated_for_12_seconds(void **state)
{
    struct world world;
    struct tape tape = {0};
    unsigned times[8];

    (void)state;
    world_init(&world, 7);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    world.weather.loss = 100;
    world.tape = &tape;
    sw_time start = world.now;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_MINUTE, client_closed));
    world_check(&world, client->close_error == SW_ETIMEOUT);
    world_check(&world, world.now - start == 12700 * SW_MILLISECOND);
    world_check(&world, send_times(&tape, client, start, times, 8) == 7);
    assert_memory_equal(times, retransmissions, sizeof retransmissions);
    world_check(&world, tape.count == 21); /* each three times */
    tape_free(&tape);
    world_end(&world);
}

static bool second_hello_arrived(struct world *world)
{
    return world->nodes[0].engine->half_open.count == 1;
}

static void test_a_server_repeats_its_flight_for_12_seconds(void **state)
{
    struct world world;
    struct tape tape = {0};
    unsigned times[8];

    (void)state;
    world_init(&world, 8);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    assert_non_null(world_connect(client, server));
    world.tape = &tape;
    world_check(&world, world_run(&world, SW_SECOND, second_hello_arrived));
    sw_time start = world.now;
    world_swallow(&world);
    world.weather.loss = 100;
    world_check(&world, world_run(&world, SW_MINUTE, server_closed));
    world_check(&world, server->close_error == SW_ETIMEOUT);
    /* The library asks for a quick first tick, 25 ms, since it has something to acknowledge. */
    world_check(&world, world.now - start == 12725 * SW_MILLISECOND);
    world_check(&world, send_times(&tape, server, start, times, 8) == 7);
    assert_memory_equal(times, retransmissions, sizeof retransmissions);
    world_check(&world, server->engine->half_open.count == 0);
    tape_free(&tape);
    world_end(&world);
}

static void test_a_client_that_never_authenticates_is_closed_after_a_minute(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 9);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    assert_non_null(world_connect(client, server));
    sw_time start = world.now;
    world_check(&world, world_run(&world, SW_SECOND, server_link_up));
    world.weather.loss = 100;
    world_swallow(&world);
    world_check(&world, world_run(&world, 2 * SW_MINUTE, server_closed));
    world_check(&world, counters(server)->conn_stale_closed == 1);
    world_check(&world, world.now - start >= 60 * SW_SECOND && world.now - start < 61 * SW_SECOND);
    world_check(&world, server->engine->half_open.count == 0 && server->authorised == 0);
    world_end(&world);
}

static void test_a_client_gives_up_after_its_connect_timeout(void **state)
{
    static const sw_time limits[] = {0, 3 * SW_SECOND};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world;
        struct tape tape = {0};
        unsigned times[64];

        world_init(&world, 10);
        struct node *server = world_server(&world, false);
        struct node *client =
            world_client(&world, &(struct client_options){.connect_timeout = limits[i]});
        server->verdict = SW_EPENDING; /* for ever */
        world.tape = &tape;
        assert_non_null(world_connect(client, server));
        sw_time start = world.now, limit = limits[i] > 0 ? limits[i] : 30 * SW_SECOND;
        world_check(&world, world_run(&world, SW_MINUTE, client_closed));
        world_check(&world, world.now - start == limit && client->close_error == SW_ETIMEOUT);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, server->closed == 1 && server->close_error == SW_EGOODBYE);
        world_check(&world, server->authorised == 1 && server->released == 0);
        /* AuthRequest at 0.1, 0.3, 0.7, 1.5, then every 1.6 s */
        if (i == 0) world_check(&world, send_times(&tape, client, start, times, 64) < 30);
        tape_free(&tape);
        world_end(&world);
    }
}

static void test_an_idle_server_session_ends_after_a_day(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 11, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    struct sw_conn_stats stats;
    world_run(&world, 30 * HOUR, NULL); /* not while the client pings */
    world_check(&world, server->closed == 0);
    sw_conn_stats(server->conn, &stats);
    client->address.port = 1; /* it is gone */
    world.weather.loss = 100;
    world_check(&world, world_run(&world, 30 * HOUR, server_closed));
    world_check(&world, world.now - stats.last_received >= 24 * HOUR);
    world_check(&world, world.now - stats.last_received <= 24 * HOUR + SW_MINUTE);
    world_check(&world, counters(server)->conn_aged_out == 1 && server->released == 1);
    world_end(&world);
}

static void test_strangers_do_not_keep_an_idle_session_alive(void **state)
{
    uint8_t junk[100] = {'H', 'e', 1, 3, [16] = 0x2f, [20] = 60};
    struct world world;

    (void)state;
    world_init(&world, 12);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    server->config.idle_after = 5 * SW_MINUTE;
    world_restart(server);
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    memcpy(junk + 8, sw_conn_session(server->conn).bytes, 8);
    const struct sw_address address = client->address;
    world_restart(client); /* the client is gone, others use its address */
    for (int i = 0; i < 6; i++) {
        world_inject(&world, &address, &server->address, junk, sizeof junk);
        world_run(&world, SW_MINUTE, NULL);
    }
    world_check(&world, server->closed == 1 && counters(server)->conn_aged_out == 1);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continuous_pings_once_an_interval),
        cmocka_unit_test(test_traffic_replaces_pings),
        cmocka_unit_test(test_a_silent_server_is_noticed),
        cmocka_unit_test(test_on_demand_is_silent_until_nothing_comes_back),
        cmocka_unit_test(test_a_network_change_asks_at_once),
        cmocka_unit_test(test_a_network_change_asks_until_there_is_an_answer),
        cmocka_unit_test(test_a_suspended_client_outlives_a_silence),
        cmocka_unit_test(test_an_idle_session_sleeps),
        cmocka_unit_test(test_a_hello_without_answer_is_repeated_for_12_seconds),
        cmocka_unit_test(test_a_server_repeats_its_flight_for_12_seconds),
        cmocka_unit_test(test_a_client_that_never_authenticates_is_closed_after_a_minute),
        cmocka_unit_test(test_a_client_gives_up_after_its_connect_timeout),
        cmocka_unit_test(test_an_idle_server_session_ends_after_a_day),
        cmocka_unit_test(test_strangers_do_not_keep_an_idle_session_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
