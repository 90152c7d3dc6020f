/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Between two session ids (docs/protocol/session.md §10): the five combinations of a known or a new
 * address with an old or a new id, and what an announcement that is lost, an id that somebody has
 * altered or a connection that ends meanwhile does. A is the first id, B the one announced.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"
#include "tests/sim/world.h"

#define HOME  40001
#define AWAY  50001
#define AFAR  50002
#define RIGHT (6 * SW_MILLISECOND) /* for what is under way to arrive, and the answer not to */

struct between {
    struct world world;
    struct node *server, *client;
    struct sw_session_id a, b;
};

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static void up(struct between *t)
{
    uint8_t packet[200];
    world_send(t->client, t->client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
}

static void down(struct between *t)
{
    uint8_t packet[200];
    world_send(t->server, t->server->conn, packet,
               world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 100));
}

static bool carries(struct between *t)
{
    uint64_t before[2] = {t->server->inside_count, t->client->inside_count};

    up(t);
    down(t);
    world_run(&t->world, 50 * SW_MILLISECOND, NULL);
    return t->server->inside_count == before[0] + 1 && t->client->inside_count == before[1] + 1;
}

static bool server_is_at(const struct between *t, uint16_t port)
{
    return sw_conn_path(t->server->conn)->remote.port == port;
}

static bool is(struct sw_session_id id, struct sw_session_id expected)
{
    return sw_session_equal(id, expected);
}

/* A pair with a rotation begun whose announcement was lost: the client does not know B. */
static void begin(struct between *t, uint64_t seed)
{
    *t = (struct between){0};
    world_pair(&t->world, seed, &(struct client_options){0});
    t->server = &t->world.nodes[0];
    t->client = &t->world.nodes[1];
    t->a = sw_conn_session(t->server->conn);
    sw_engine_enter(t->server->engine, t->world.now);
    sw_conn_begin_rotation(t->server->conn);
    sw_engine_leave(t->server->engine);
    sw_batch_clear(t->server->batch);
    t->b = t->server->conn->rotation;
    world_check(&t->world, sw_conn_rotating(t->server->conn) && !is(t->a, t->b));
    world_check(&t->world, counters(t->server)->udp_session_rotation_begin == 1);
}

/* The client hears B, and its answer is lost. */
static void announce(struct between *t)
{
    down(t);
    world_run(&t->world, RIGHT, NULL);
    world_swallow(&t->world);
    world_check(&t->world, is(sw_conn_session(t->client->conn), t->b));
    world_check(&t->world, sw_conn_rotating(t->server->conn));
}

static void end(struct between *t)
{
    world_check(&t->world, carries(t) && carries(t)); /* hears of the id, and uses it */
    world_check(&t->world, !sw_conn_rotating(t->server->conn));
    world_check(&t->world, is(sw_conn_session(t->client->conn), sw_conn_session(t->server->conn)));
    world_check(&t->world, t->server->closed + t->client->closed == 0);
    world_check(&t->world, counters(t->server)->udp_session_rotation_begin ==
                               counters(t->server)->udp_session_rotation_finalized);
    world_end(&t->world);
}

static void test_pending_known_address_old_id_stays_pending(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 1);
    up(&t);
    world_run(&t.world, RIGHT, NULL);
    world_check(&t.world, t.server->inside_count == 1 && sw_conn_rotating(t.server->conn));
    world_check(&t.world, is(sw_conn_session(t.server->conn), t.a));
    world_check(&t.world, counters(t.server)->session_id_mismatch == 0);
    end(&t);
}

static void test_pending_known_address_new_id_completes(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 2);
    announce(&t);
    up(&t);
    world_run(&t.world, RIGHT, NULL);
    world_check(&t.world, !sw_conn_rotating(t.server->conn) && t.server->rotations == 1);
    world_check(&t.world, is(sw_conn_session(t.server->conn), t.b));
    world_check(&t.world, counters(t.server)->udp_session_rotation_begin == 1);
    end(&t);
}

static void test_pending_new_address_old_id_moves_and_announces_nothing_more(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 3);
    const uint64_t sent = t.world.datagrams_from[0];
    t.client->address.port = AWAY;
    up(&t);
    world_run(&t.world, SW_SECOND, NULL);
    world_check(&t.world, server_is_at(&t, AWAY) && t.server->floated == 1);
    world_check(&t.world, sw_conn_rotating(t.server->conn) && is(t.server->conn->rotation, t.b));
    world_check(&t.world, counters(t.server)->udp_session_rotation_begin == 1);
    world_check(&t.world, t.world.datagrams_from[0] == sent); /* no Ping */
    world_check(&t.world, counters(t.server)->udp_rejected_session == 0);
    end(&t);
}

static void test_pending_new_address_new_id_completes_moves_and_begins_the_next(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 4);
    announce(&t);
    t.client->address.port = AWAY;
    up(&t);
    world_run(&t.world, RIGHT, NULL);
    world_check(&t.world, server_is_at(&t, AWAY) && t.server->floated == 1);
    world_check(&t.world, is(sw_conn_session(t.server->conn), t.b) && t.server->rotations == 1);
    world_check(&t.world, sw_conn_rotating(t.server->conn) && !is(t.server->conn->rotation, t.b) &&
                              !is(t.server->conn->rotation, t.a));
    world_check(&t.world, counters(t.server)->udp_session_rotation_begin == 2);
    world_run(&t.world, SW_SECOND, NULL);
    world_check(&t.world, t.server->rotations == 2);
    end(&t);
}

static void test_done_new_address_old_id_is_rejected(void **state)
{
    const struct sw_address afar = world_stranger(1, AFAR);
    struct tape tape = {0};
    struct between t;

    (void)state;
    begin(&t, 5);
    t.world.tape = &tape; /* authentic, under A, and never arrived */
    up(&t);
    t.world.tape = NULL;
    world_swallow(&t.world);
    announce(&t);
    world_check(&t.world, carries(&t) && !sw_conn_rotating(t.server->conn));
    const uint64_t got = t.server->inside_count;
    t.world.tape = &tape;
    world_inject(&t.world, &afar, &t.server->address, tape.items[0].bytes, tape.items[0].len);
    world_run(&t.world, SW_SECOND, NULL);
    t.world.tape = NULL;
    world_check(&t.world, counters(t.server)->udp_rejected_session == 1);
    world_check(&t.world, tape.count == 2 && tape.items[1].len == SW_HEADER_LEN);
    world_check(&t.world, memcmp(tape.items[1].bytes + 8, SW_SESSION_REJECTED.bytes, 8) == 0);
    world_check(&t.world, server_is_at(&t, HOME) && t.server->floated == 0);
    world_check(&t.world, t.server->inside_count == got);
    /* from the known address its id is not looked at */
    world_inject(&t.world, &t.client->address, &t.server->address, tape.items[0].bytes,
                 tape.items[0].len);
    world_run(&t.world, SW_SECOND, NULL);
    world_check(&t.world, t.server->inside_count == got + 1);
    tape_free(&tape);
    end(&t);
}

/* Neither a timeout nor a repetition: whatever goes out carries B. */
static void test_an_announcement_that_is_lost_is_made_up_for_by_any_datagram(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 6);
    world_run(&t.world, 20 * SW_SECOND, NULL); /* keepalives: the Pong is enough */
    world_check(&t.world, t.server->rotations == 1);
    end(&t);
}

static void test_only_one_rotation_at_a_time(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 7);
    for (int i = 0; i < 3; i++) {
        sw_engine_enter(t.server->engine, t.world.now);
        sw_conn_begin_rotation(t.server->conn);
        sw_engine_leave(t.server->engine);
    }
    world_check(&t.world, is(t.server->conn->rotation, t.b) && t.server->batch->count == 0);
    end(&t);
}

static void test_a_connection_that_ends_between_two_ids_leaves_neither_behind(void **state)
{
    struct between t;

    (void)state;
    begin(&t, 8);
    sw_conn_close(t.server->conn, 0, t.world.now);
    world_check(&t.world, sw_conn_by_session(t.server->engine, t.a) == NULL);
    world_check(&t.world, sw_conn_by_rotation(t.server->engine, t.b) == NULL);
    world_check(&t.world, sw_conn_by_address(t.server->engine, &t.client->address) == NULL);
    world_end(&t.world);
}

/* The header is not signed: somebody gives the client a wrong id, which it would lose its session
 * by with its next move. */
static bool alter_id(struct world *world, const struct sw_address *from,
                     const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    (void)len;
    if (from->port == world->nodes[0].address.port) memset(bytes + 8, 0x55, 8);
    return true;
}

static void test_a_client_that_was_told_a_wrong_id_is_told_the_right_one(void **state)
{
    const struct sw_session_id wrong = {{0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}};
    struct between t;

    (void)state;
    begin(&t, 9);
    world_check(&t.world, carries(&t) && carries(&t) && !sw_conn_rotating(t.server->conn));
    t.world.tap = alter_id;
    down(&t);
    world_run(&t.world, RIGHT, NULL);
    t.world.tap = NULL;
    world_check(&t.world, is(sw_conn_session(t.client->conn), wrong));
    up(&t);
    world_run(&t.world, SW_SECOND, NULL);
    world_check(&t.world, counters(t.server)->session_id_mismatch >= 1);
    world_check(&t.world, is(sw_conn_session(t.client->conn), t.b));
    t.client->address.port = AWAY; /* which it now survives */
    up(&t);
    world_run(&t.world, SW_SECOND, NULL);
    world_check(&t.world, server_is_at(&t, AWAY));

    /* but not more often than every few seconds */
    t.client->conn->session = wrong;
    const uint64_t sent = t.world.datagrams_from[0];
    for (int i = 0; i < 100; i++) {
        t.client->conn->session = wrong;
        up(&t);
        world_run(&t.world, 10 * SW_MILLISECOND, NULL);
    }
    world_check(&t.world, t.world.datagrams_from[0] - sent <= 1);
    world_run(&t.world, 20 * SW_SECOND, NULL);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pending_known_address_old_id_stays_pending),
        cmocka_unit_test(test_pending_known_address_new_id_completes),
        cmocka_unit_test(test_pending_new_address_old_id_moves_and_announces_nothing_more),
        cmocka_unit_test(test_pending_new_address_new_id_completes_moves_and_begins_the_next),
        cmocka_unit_test(test_done_new_address_old_id_is_rejected),
        cmocka_unit_test(test_an_announcement_that_is_lost_is_made_up_for_by_any_datagram),
        cmocka_unit_test(test_only_one_rotation_at_a_time),
        cmocka_unit_test(test_a_connection_that_ends_between_two_ids_leaves_neither_behind),
        cmocka_unit_test(test_a_client_that_was_told_a_wrong_id_is_told_the_right_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
