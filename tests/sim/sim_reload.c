/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a server that reloads asks of the engine: another certificate for those who come next, and
 * another answer to those who ask again. Whoever is Online notices nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/stream.h"
#include "tests/sim/world.h"

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static bool retry_sent(struct world *world)
{
    return counters(&world->nodes[0])->hello_retry_sent > 0;
}

static bool last_online(struct world *world)
{
    return world->nodes[world->count - 1].online > 0;
}

static bool last_closed(struct world *world)
{
    return world->nodes[world->count - 1].closed > 0;
}

static bool client_closed(struct world *world)
{
    return world->nodes[1].closed > 0;
}

/* A packet from the client, or one from the remote end to the client's inside address. */
static bool carries(struct world *world, struct node *server, struct sw_conn *of_server,
                    struct node *client)
{
    uint64_t before[2] = {server->inside_count, client->inside_count};
    uint8_t packet[200];

    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
    world_send(server, of_server, packet,
               world_packet(packet, REMOTE_IP, sw_conn_inside_ip(of_server), 2, 100));
    world_run(world, 50 * SW_MILLISECOND, NULL);
    return server->inside_count == before[0] + 1 && client->inside_count == before[1] + 1;
}

static void test_new_certificate_is_for_those_who_come_next(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 1, &(struct client_options){0});
    struct node *server = &world.nodes[0], *first = &world.nodes[1];
    struct sw_conn *kept = server->conn;
    world_renew(server, "next.crt", "next.key");

    struct node *next = world_client(&world, &(struct client_options){.ca = "next.crt"});
    assert_non_null(world_connect(next, server));
    world_check(&world, world_run(&world, SW_SECOND, last_online));
    struct sw_conn *made = server->conn;
    struct node *late = world_client(&world, &(struct client_options){.ca = "ca.crt"});
    assert_non_null(world_connect(late, server));
    world_check(&world, world_run(&world, SW_SECOND, last_closed));
    world_check(&world, late->close_error == SW_ECERT);

    world_check(&world, first->closed == 0 && next->closed == 0);
    world_check(&world, carries(&world, server, kept, first));
    world_check(&world, carries(&world, server, made, next));
    world_run(&world, 60 * SW_SECOND, NULL); /* keepalives go on, too */
    world_check(&world, first->closed == 0 && next->closed == 0);
    world_end(&world);
}

static void test_hello_under_way_gets_the_new_certificate(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 2);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){.ca = "next.crt"});
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, retry_sent));
    world_renew(server, "next.crt", "next.key");
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_check(&world, counters(server)->conn_created == 1);
    world_end(&world);
}

static void test_handshake_under_way_ends_with_the_old_certificate(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 3);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    assert_non_null(world_connect(client, server));
    while (sw_engine_next_conn(server->engine, NULL) == NULL)
        world_check(&world, !world_run(&world, SW_MILLISECOND, world_both_online));
    world_renew(server, "next.crt", "next.key");
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_end(&world);
}

static void test_certificate_of_a_stream_changes_too(void **state)
{
    struct world world;
    struct stream stream;

    (void)state;
    world_init(&world, 4);
    struct node *server = world_server(&world, false);
    struct node *first = world_client(&world, &(struct client_options){0});
    stream_open(&stream, server, first, 4096);
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_renew(server, "next.crt", "next.key");
    world_check(&world, carries(&world, server, server->conn, first));
    stream_free(&stream);
    world_end(&world);

    world_init(&world, 5);
    server = world_server(&world, false);
    world_renew(server, "next.crt", "next.key");
    struct node *next = world_client(&world, &(struct client_options){.ca = "next.crt"});
    stream_open(&stream, server, next, 4096);
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    stream_free(&stream);
    world_end(&world);
}

/* Swallows what the server says while *tap_data is true. */
static bool deafen(struct world *world, const struct sw_address *from, const struct sw_address *to,
                   uint8_t *bytes, size_t len)
{
    (void)to;
    (void)bytes;
    (void)len;
    return from->port != world->nodes[0].address.port || !*(bool *)world->tap_data;
}

/* A client that was let in and has not heard of it. */
static void let_in_unheard(struct world *world, uint64_t seed, bool *deaf)
{
    world_init(world, seed);
    struct node *server = world_server(world, false);
    struct node *client = world_client(world, &(struct client_options){0});
    world->tap = deafen;
    world->tap_data = deaf;
    *deaf = false;
    assert_non_null(world_connect(client, server));
    while (sw_conn_state(client->conn) != SW_STATE_AUTHENTICATING)
        world_run(world, SW_MILLISECOND, NULL);
    *deaf = true;
    world_run(world, 2 * SW_SECOND, NULL);
    world_check(world, server->online == 1 && client->online == 0 && server->authorised == 1);
}

static void test_repetition_is_asked_about_again(void **state)
{
    struct world world;
    bool deaf;

    (void)state;
    let_in_unheard(&world, 6, &deaf);
    struct node *server = &world.nodes[0];
    for (unsigned n = 2; n < 8; n++) { /* more often than a connection may try otherwise */
        sw_engine_forget_logins(server->engine);
        world_run(&world, 3 * SW_SECOND, NULL);
        world_check(&world, server->authorised == n);
    }
    world_check(&world, server->assigned == 1 && counters(server)->auth_limited == 0);
    deaf = false;
    world_check(&world, world_run(&world, 3 * SW_SECOND, world_both_online));
    world_end(&world);
}

static void test_who_may_not_come_in_any_more_is_not_let_in_by_repeating(void **state)
{
    struct world world;
    bool deaf;

    (void)state;
    let_in_unheard(&world, 7, &deaf);
    struct node *server = &world.nodes[0];
    server->verdict = SW_EDENIED;
    sw_engine_forget_logins(server->engine);
    deaf = false;
    world_check(&world, world_run(&world, 3 * SW_SECOND, client_closed));
    world_check(&world, world.nodes[1].close_error == SW_EUNAUTHORISED);
    world_check(&world, server->closed == 1 && server->released == 1);
    world_end(&world);
}

static void test_who_is_online_stays(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 8, &(struct client_options){0});
    struct node *server = &world.nodes[0];
    server->verdict = SW_EDENIED;
    sw_engine_forget_logins(server->engine);
    world_run(&world, 60 * SW_SECOND, NULL);
    world_check(&world, server->closed == 0 && server->authorised == 1);
    world_check(&world, carries(&world, server, server->conn, &world.nodes[1]));
    world_end(&world);
}

/* Over UDP the header tells it; over TCP a versioned token may. */
static void test_version_of_a_stream_is_what_the_callback_says_before_online(void **state)
{
    struct world world;
    struct stream stream;

    (void)state;
    world_pair(&world, 9, &(struct client_options){0});
    world_check(&world, sw_conn_set_version(world.nodes[0].conn, SW_VERSION(1, 3)) == SW_EMODE);
    world_end(&world);

    world_init(&world, 10);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){.token = "token"});
    server->verdict = SW_EPENDING;
    stream_open(&stream, server, client, 4096);
    world_run(&world, SW_SECOND, NULL);
    struct sw_conn *conn = server->conn;
    world_check(&world, server->authorised == 1 && conn != NULL);
    world_check(&world, sw_version_compare(sw_conn_version(conn), SW_VERSION_MIN) == 0);
    world_check(&world, sw_version_compare(server->peer_version, SW_VERSION_MAX) == 0);
    world_check(&world, sw_conn_set_version(conn, SW_VERSION(1, 4)) == SW_EVERSION);
    world_check(&world, sw_conn_set_version(conn, SW_VERSION(1, 0)) == SW_EVERSION);
    world_check(&world, sw_conn_set_version(conn, server->peer_version) == 0);
    sw_conn_authorised(conn, 0, world.now);
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_check(&world, sw_version_compare(sw_conn_version(conn), SW_VERSION_MAX) == 0);
    world_check(&world, sw_conn_set_version(conn, SW_VERSION_MIN) == SW_EVERSION);
    world_check(&world, sw_conn_set_version(conn, SW_VERSION_MAX) == 0);
    world_check(&world, sw_conn_set_version(client->conn, SW_VERSION_MAX) == SW_EMODE);
    stream_free(&stream);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_certificate_is_for_those_who_come_next),
        cmocka_unit_test(test_hello_under_way_gets_the_new_certificate),
        cmocka_unit_test(test_handshake_under_way_ends_with_the_old_certificate),
        cmocka_unit_test(test_certificate_of_a_stream_changes_too),
        cmocka_unit_test(test_repetition_is_asked_about_again),
        cmocka_unit_test(test_who_may_not_come_in_any_more_is_not_let_in_by_repeating),
        cmocka_unit_test(test_who_is_online_stays),
        cmocka_unit_test(test_version_of_a_stream_is_what_the_callback_says_before_online),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
