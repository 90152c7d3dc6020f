/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Hellos where a session already is: late copies, replays of this and of older handshakes, and a
 * client that comes back on the port of its dead session (docs/protocol/session.md §9.3). Only a
 * verified Finished may end the session before it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/world.h"

/* Post-quantum, so that the second hello comes in fragments. */
static void big_pair(struct world *world, uint64_t seed, struct tape *tape)
{
    const struct client_options options = {.keyshare = SW_KEYSHARE_P521MLKEM1024};

    world_init(world, seed);
    world->tape = tape;
    struct node *server = world_server(world, true);
    struct node *client = world_client(world, &options);
    assert_non_null(world_connect(client, server));
    world_check(world, world_run(world, 5 * SW_SECOND, world_both_online));
    world_run(world, SW_SECOND, NULL);
    world->tape = NULL;
}

static unsigned connections(const struct node *server)
{
    unsigned n = 0;
    for (struct sw_conn *c = NULL; (c = sw_engine_next_conn(server->engine, c)) != NULL;)
        n++;
    return n;
}

/* One packet each way arrives. */
static bool carries(struct node *server, struct node *client)
{
    uint64_t before[2] = {server->inside_count, client->inside_count};
    uint8_t packet[200];
    struct sw_conn *conn = NULL;

    while ((conn = sw_engine_next_conn(server->engine, conn)) != NULL)
        if (sw_conn_state(conn) == SW_STATE_ONLINE &&
            conn->path.remote.port == client->address.port)
            break;
    if (conn == NULL || client->conn == NULL) return false;
    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
    world_send(server, conn, packet,
               world_packet(packet, REMOTE_IP, sw_conn_inside_ip(conn), 2, 100));
    world_run(client->world, SW_SECOND / 10, NULL);
    return server->inside_count == before[0] + 1 && client->inside_count == before[1] + 1;
}

static bool from(const struct recorded *item, const struct node *node)
{
    return item->from.port == node->address.port;
}

static void test_copies_of_its_own_handshake_leave_a_session_alone(void **state)
{
    struct world world;
    struct tape tape = {0};

    (void)state;
    big_pair(&world, 1, &tape);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    for (size_t i = 0; i < tape.count; i++) {
        const struct recorded *item = &tape.items[i];
        const struct node *to = from(item, client) ? server : client;
        for (int copies = 0; copies < 3; copies++)
            world_inject(&world, &item->from, &to->address, item->bytes, item->len);
        world_run(&world, 20 * SW_MILLISECOND, NULL);
        world_check(&world, connections(server) == 1);
    }
    world_check(&world, carries(server, client));
    world_check(&world, server->closed + client->closed == 0);
    /* three copies of two hellos by the client, replayed three times each */
    world_check(&world, sw_engine_counters(server->engine)->hello_duplicate == 18);
    world_check(&world, sw_engine_counters(server->engine)->conn_created == 1);
    tape_free(&tape);
    world_end(&world);
}

static void test_late_copies_in_any_order_leave_a_handshake_alone(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(200); seed++) {
        const struct client_options options = {.keyshare = SW_KEYSHARE_P521MLKEM1024};
        struct world world;
        struct tape tape = {0};

        world_init(&world, 100 + seed);
        world.tape = &tape;
        world.weather.jitter = 30 * SW_MILLISECOND;
        struct node *server = world_server(&world, true);
        struct node *client = world_client(&world, &options);
        assert_non_null(world_connect(client, server));
        for (int i = 0; i < 400 && !world_both_online(&world); i++) {
            world_run(&world, 2 * SW_MILLISECOND, NULL);
            const struct recorded *item = &tape.items[world_random(&world, tape.count)];
            const struct node *to = from(item, client) ? server : client;
            world_inject(&world, &item->from, &to->address, item->bytes, item->len);
        }
        world_check(&world, world_run(&world, 5 * SW_SECOND, world_both_online));
        world_run(&world, 20 * SW_SECOND, NULL);
        world_check(&world, connections(server) == 1 && server->engine->half_open.count == 0);
        world_check(&world, carries(server, client));
        world_check(&world, server->authorised == 1);
        tape_free(&tape);
        world_end(&world);
    }
}

static bool client_online_again(struct world *world)
{
    return world->nodes[1].online >= 2 && world->nodes[0].online >= 2;
}

static void test_a_client_may_come_back_on_the_same_port(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 30; seed++) {
        struct world world;

        big_pair(&world, 300 + seed, NULL);
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        const struct sw_engine_counters *counters = sw_engine_counters(server->engine);
        world.weather.jitter = (seed % 3) * 10 * SW_MILLISECOND;
        world_restart(client);
        assert_non_null(world_connect(client, server));
        world_run(&world, 7 * SW_MILLISECOND, NULL);
        world_check(&world, server->closed == 0);
        sw_time start = world.now;
        world_check(&world, world_run(&world, SW_SECOND, client_online_again));
        world_check(&world, world.now - start < SW_SECOND);
        world_check(&world, server->closed == 1 && server->close_error == SW_ECLOSED);
        world_check(&world, counters->conn_replaced == 1 && counters->conn_link_up == 2);
        world_check(&world, server->released == 1 && server->assigned == 2);
        world_check(&world, connections(server) == 1 && server->engine->half_open.count == 0);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, carries(server, client));
        world_end(&world);
    }
}

static void test_the_old_session_goes_only_when_finished_is_verified(void **state)
{
    struct world world;
    struct tape tape = {0};

    (void)state;
    big_pair(&world, 2, NULL);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world_restart(client);
    world.tape = &tape;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, client_online_again));
    world.tape = NULL;
    tape_free(&tape);
    world_end(&world);

    /* The same again, but everything the client says in protected records is lost. */
    big_pair(&world, 2, NULL);
    server = &world.nodes[0];
    client = &world.nodes[1];
    world_restart(client);
    assert_non_null(world_connect(client, server));
    world_run(&world, 5 * SW_MILLISECOND, NULL); /* hello */
    world_run(&world, 5 * SW_MILLISECOND, NULL); /* retry */
    world_run(&world, 5 * SW_MILLISECOND, NULL); /* hello with cookie */
    world_check(&world, connections(server) == 2);
    world_swallow(&world);
    client->address.port = 1; /* it is gone for good */
    world_run(&world, 2 * SW_SECOND, NULL);
    world_check(&world, server->closed == 0 && connections(server) == 2);
    world_run(&world, 12 * SW_SECOND, NULL);
    world_check(&world, server->closed == 1 && server->close_error == SW_ETIMEOUT);
    world_check(&world, connections(server) == 1 && server->engine->half_open.count == 0);
    world_check(&world, server->released == 0);
    world_end(&world);
}

static void test_a_replayed_older_handshake_cannot_replace_a_session(void **state)
{
    struct world world;
    struct tape old = {0};

    (void)state;
    big_pair(&world, 3, &old);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world_restart(client);
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, client_online_again));
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < old.count; i++)
            if (from(&old.items[i], client))
                world_inject(&world, &client->address, &server->address, old.items[i].bytes,
                             old.items[i].len);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, connections(server) <= 2);
        world_check(&world, carries(server, client));
    }
    world_check(&world, sw_engine_counters(server->engine)->conn_replaced == 1);
    world_check(&world, sw_engine_counters(server->engine)->conn_online == 2);
    world_run(&world, 14 * SW_SECOND, NULL);
    world_check(&world, connections(server) == 1 && server->engine->half_open.count == 0);
    world_check(&world, carries(server, client));
    tape_free(&old);
    world_end(&world);
}

/* Until the server has the hello with the cookie: a session beside the old one. */
static void begin_second_handshake(struct world *world, struct node *client, struct node *server)
{
    assert_non_null(world_connect(client, server));
    world_run(world, 15 * SW_MILLISECOND, NULL);
    world_check(world, connections(server) == 2);
}

static void test_a_handshake_goes_on_when_the_old_session_ends_meanwhile(void **state)
{
    struct world world;

    (void)state;
    big_pair(&world, 4, NULL);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    struct sw_conn *old = server->conn;
    world_restart(client);
    begin_second_handshake(&world, client, server);
    sw_conn_close(old, 0, world.now);
    world_flush(server);
    world_check(&world, world_run(&world, SW_SECOND, client_online_again));
    world_check(&world, sw_engine_counters(server->engine)->conn_created == 2);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, carries(server, client));
    world_end(&world);
}

static bool two_clients_online(struct world *world)
{
    return world->nodes[2].online > 0 && world->nodes[0].online > 1;
}

static void test_a_handshake_goes_on_when_the_old_session_moves_away(void **state)
{
    const struct client_options options = {.keyshare = SW_KEYSHARE_X25519MLKEM768};
    uint8_t packet[200];
    struct world world;

    (void)state;
    big_pair(&world, 5, NULL);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    struct node *other = world_client(&world, &options);
    other->address = client->address; /* a NAT gives its port to somebody else */
    client->address.port = 50000;
    begin_second_handshake(&world, other, server);
    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
    world_check(&world, world_run(&world, SW_SECOND, two_clients_online));
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, server->floated == 1 && server->closed == 0);
    world_check(&world, sw_engine_counters(server->engine)->conn_created == 2);
    world_check(&world, carries(server, client));
    world_check(&world, carries(server, other));
    world_end(&world);
}

/* Closes connections from within callbacks, at every place where there is one. */
struct closer {
    unsigned countdown;
    bool all; /* every connection, not only the one the event is about */
};

static void close_on_event(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    struct closer *closer = node->data;

    if (closer->countdown == 0 || --closer->countdown > 0) return;
    if (!closer->all) {
        if (event->type != SW_EVENT_CLOSED) sw_conn_close(conn, 0, node->world->now);
        return;
    }
    for (struct sw_conn *c; (c = sw_engine_next_conn(node->engine, NULL)) != NULL;) {
        sw_conn_close(c, 0, node->world->now);
        if (sw_engine_next_conn(node->engine, NULL) == c) break; /* it is being closed already */
    }
}

static void test_callbacks_may_close_any_connection_at_any_time(void **state)
{
    (void)state;
    for (int run = 0; run < 4; run++) {
        unsigned fired = 0;
        for (unsigned at = 1; at <= 24; at++) {
            struct closer closer = {at, (run & 1) != 0};
            struct world world;

            world_init(&world, 400 + at);
            struct node *server = world_server(&world, false);
            struct node *client = world_client(&world, &(struct client_options){0});
            struct node *closing = run & 2 ? client : server;
            closing->event = close_on_event;
            closing->data = &closer;
            for (int again = 0; again < 3; again++) {
                world_restart(client);
                world_connect(client, server);
                world_run(&world, 10 * SW_SECOND, NULL);
            }
            fired += closer.countdown == 0;
            world_run(&world, 61 * SW_SECOND, NULL);
            world_check(&world, server->engine->half_open.count == 0);
            world_check(&world, server->assigned - server->released <= 1);
            world_check(&world, connections(server) <= 1);
            world_end(&world);
        }
        assert_true(fired > 4);
    }
}

static void test_authorise_and_assign_may_close_the_connection(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct world world;

        world_init(&world, 500);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){0});
        server->close_in_authorise = which == 0;
        server->close_in_assign = which == 1;
        assert_non_null(world_connect(client, server));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, server->online == 0 && server->closed == 1 && client->closed == 1);
        world_check(&world, server->assigned == server->released);
        world_check(&world, server->engine->half_open.count == 0 && connections(server) == 0);
        world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_of_its_own_handshake_leave_a_session_alone),
        cmocka_unit_test(test_late_copies_in_any_order_leave_a_handshake_alone),
        cmocka_unit_test(test_a_client_may_come_back_on_the_same_port),
        cmocka_unit_test(test_the_old_session_goes_only_when_finished_is_verified),
        cmocka_unit_test(test_a_replayed_older_handshake_cannot_replace_a_session),
        cmocka_unit_test(test_a_handshake_goes_on_when_the_old_session_ends_meanwhile),
        cmocka_unit_test(test_a_handshake_goes_on_when_the_old_session_moves_away),
        cmocka_unit_test(test_callbacks_may_close_any_connection_at_any_time),
        cmocka_unit_test(test_authorise_and_assign_may_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
