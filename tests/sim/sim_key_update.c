/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * New keys for a DTLS session (docs/protocol/session.md §11): whoever starts it, whatever is lost,
 * both ends follow, and the retransmission timer never ends an established session. A stock client
 * is stood in for by one whose timer is stopped.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "lib/tls/environment.h"
#include "lib/tls/session.h"
#include "tests/sim/lane_pair.h"
#include "tests/sim/stream.h"
#include "tests/sim/superpacket.h"
#include "tests/sim/world.h"

static void update_keys(struct node *node)
{
    struct sw_tls *tls = node->conn->tls;

    sw_engine_enter(node->engine, node->world->now);
    sw_tls_enter(&node->engine->env);
    assert_int_equal(wolfSSL_update_keys(tls->wolf), WOLFSSL_SUCCESS);
    sw_conn_rearm(node->conn);
    sw_engine_leave(node->engine);
    world_flush(node);
}

static void send_each_way(struct world *world)
{
    struct node *server = &world->nodes[0], *client = &world->nodes[1];
    uint8_t packet[300];

    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 200));
    world_send(server, server->conn, packet,
               world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 200));
}

static bool carries(struct world *world)
{
    uint64_t before[2] = {world->nodes[0].inside_count, world->nodes[1].inside_count};

    send_each_way(world);
    world_run(world, 50 * SW_MILLISECOND, NULL);
    return world->nodes[0].inside_count == before[0] + 1 &&
           world->nodes[1].inside_count == before[1] + 1;
}

static bool settled(struct world *world)
{
    return !sw_tls_timer_wanted(world->nodes[0].conn->tls) &&
           !sw_tls_timer_wanted(world->nodes[1].conn->tls);
}

/* The epoch of what a node sends, from its records' low two bits. */
static unsigned epoch_bits(struct world *world, int node)
{
    struct tape tape = {0};

    world->tape = &tape;
    assert_true(carries(world));
    world->tape = NULL;
    for (size_t i = 0; i < tape.count; i++) {
        if (tape.items[i].from.port != world->nodes[node].address.port) continue;
        unsigned bits = tape.items[i].bytes[SW_HEADER_LEN] & 3;
        tape_free(&tape);
        return bits;
    }
    fail();
    return 0;
}

static void test_a_client_follows_the_servers_key_update(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 1, &(struct client_options){0});
    for (unsigned update = 1; update <= 9; update++) {
        update_keys(&world.nodes[0]);
        world_check(&world, world_run(&world, SW_SECOND, settled));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, settled(&world) && carries(&world));
        for (int i = 0; i < 2; i++)
            if (epoch_bits(&world, i) != (3 + update) % 4)
                fail_msg("update %u: node %d still sends in epoch %u", update, i,
                         epoch_bits(&world, i));
    }
    world_end(&world);
}

static void test_key_updates_survive_loss(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(100); seed++) {
        struct world world;

        world_pair(&world, 100 + seed, &(struct client_options){.cipher = seed & 1});
        for (int update = 0; update < 6; update++) {
            world.weather = (struct weather){.loss = 10 * (seed % 5),
                                             .duplicate = 10,
                                             .delay = 5 * SW_MILLISECOND,
                                             .jitter = 10 * SW_MILLISECOND};
            update_keys(&world.nodes[0]);
            for (int i = 0; i < 200; i++) {
                if (seed % 3 != 0) send_each_way(&world); /* else only the update itself */
                world_run(&world, 20 * SW_MILLISECOND, NULL);
            }
            world.weather = (struct weather){.delay = 5 * SW_MILLISECOND};
            world_run(&world, 15 * SW_SECOND, NULL);
            world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
            world_check(&world, settled(&world));
            world_check(&world, carries(&world));
        }
        world_end(&world);
    }
}

/* Swallows the datagram with the number in tap_data that the client sends from now on. */
static bool lose_one(struct world *world, const struct sw_address *from,
                     const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    (void)bytes;
    (void)len;
    if (from->port != world->nodes[1].address.port) return true;
    unsigned *countdown = world->tap_data;
    return *countdown == 0 || --*countdown > 0;
}

static void test_the_loss_of_any_one_answer_does_not_end_an_idle_session(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 4; lost++) {
        unsigned countdown = lost;
        struct world world;

        world_pair(&world, 300 + lost, &(struct client_options){0});
        world.tap = lose_one;
        world.tap_data = &countdown;
        update_keys(&world.nodes[0]);
        world_run(&world, 40 * SW_SECOND, NULL);
        world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
        world_check(&world, settled(&world));
        countdown = 0;
        world_check(&world, carries(&world));
        update_keys(&world.nodes[0]);
        world_run(&world, 5 * SW_SECOND, NULL);
        world_check(&world, settled(&world) && carries(&world));
        world_end(&world);
    }
}

static void test_an_outage_during_an_update_is_survived(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        struct world world;

        world_pair(&world, 400 + seed, &(struct client_options){0});
        update_keys(&world.nodes[0]);
        world_run(&world, seed * 2 * SW_MILLISECOND, NULL);
        world.weather.loss = 100;
        world_run(&world, 40 * SW_SECOND, NULL); /* three times what a handshake may take */
        world.weather.loss = 0;
        world_run(&world, 10 * SW_SECOND, NULL);
        world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
        world_check(&world, settled(&world));
        world_check(&world, carries(&world));
        world_end(&world);
    }
}

/* --- the server's own updates ------------------------------------------------------------------*/

static const struct sw_engine_counters *of(const struct world *world, int node)
{
    return sw_engine_counters(world->nodes[node].engine);
}

static void every(struct world *world, sw_time interval)
{
    world->nodes[0].engine->config.key_update_interval = interval;
}

/* What an embedder of a stock client does: no timer once it is Online. */
static void stop_client_timer(struct world *world)
{
    struct sw_conn *conn = world->nodes[1].conn;

    if (conn != NULL && conn->state == SW_STATE_ONLINE) conn->timers[SW_TIMER_DTLS] = SW_NEVER;
}

static unsigned begun, done;

static void count_updates(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    (void)node;
    (void)conn;
    begun += event->type == SW_EVENT_KEY_UPDATE_BEGIN;
    done += event->type == SW_EVENT_KEY_UPDATE_DONE;
}

static void test_keys_change_when_their_interval_is_over_and_something_comes_in(void **state)
{
    struct world world;

    (void)state;
    begun = done = 0;
    world_pair(&world, 500,
               &(struct client_options){.keepalive_interval = 100 * SW_SECOND,
                                        .keepalive_timeout = 300 * SW_SECOND});
    world.nodes[0].event = count_updates;
    every(&world, 10 * SW_SECOND); /* since Online, a second ago */
    world_run(&world, 8 * SW_SECOND, NULL);
    world_check(&world, carries(&world) && begun == 0);
    world_run(&world, 40 * SW_SECOND, NULL); /* nothing comes in: nothing happens */
    world_check(&world, begun == 0);
    for (unsigned update = 1; update <= 5; update++) {
        world_check(&world, carries(&world));
        world_check(&world, world_run(&world, SW_SECOND, settled));
        world_check(&world, begun == update && done == update);
        world_check(&world, of(&world, 0)->key_update_start == update);
        world_check(&world, of(&world, 0)->key_update_complete == update);
        for (int i = 0; i < 2; i++)
            world_check(&world, epoch_bits(&world, i) == (3 + update) % 4);
        world_run(&world, 9 * SW_SECOND, NULL); /* counted from the end of the last */
        world_check(&world, carries(&world) && begun == update);
        world_run(&world, SW_SECOND, NULL);
    }
    world_check(&world, of(&world, 1)->key_update_start == 0);
    world_end(&world);
}

static void test_an_interval_of_zero_keeps_the_keys(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 501, &(struct client_options){0});
    every(&world, 0);
    world_run(&world, 3600 * SW_SECOND, NULL);
    world_check(&world, carries(&world) && of(&world, 0)->key_update_start == 0);
    world_end(&world);
}

/* Deviation: keys also change by volume. */
static void test_keys_also_change_by_volume(void **state)
{
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        struct node *from;
        uint8_t packet[300];
        struct world world;

        world_pair(&world, 510 + (unsigned)direction, &(struct client_options){0});
        world.nodes[0].engine->config.key_update_records = 100;
        from = &world.nodes[direction];
        for (unsigned i = 1; i <= 350; i++) {
            size_t len = direction == 0 ? world_packet(packet, REMOTE_IP, POOL_FIRST_IP, i, 200)
                                        : world_packet(packet, TUN_IP, REMOTE_IP, i, 200);
            world_send(from, from->conn, packet, len);
            world_run(&world, 30 * SW_MILLISECOND, NULL);
        }
        world_check(&world, world.nodes[1 - direction].inside_count == 350);
        world_check(&world, of(&world, 0)->key_update_start == 3);
        world_check(&world, of(&world, 0)->key_update_complete == 3);
        world_end(&world);
    }
}

static void close_at_update(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    if (event->type == SW_EVENT_KEY_UPDATE_BEGIN) sw_conn_close(conn, 0, node->world->now);
}

/* Who closes the connection when an update begins has nothing that waits for it any more. */
static void test_nothing_waits_for_a_connection_that_its_update_has_closed(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;
    int r = 0;

    (void)state;
    world_pair(&world, 512, &(struct client_options){0});
    struct node *server = &world.nodes[0];
    server->event = close_at_update;
    server->flush_blocked = true;
    for (uint32_t i = 0; i < 100 && r == 0 && server->closed == 0; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 65000, 1310, i);
        if (server->batch->size - server->batch->len < packet.len)
            server->engine->config.key_update_records = 1;
        r = sw_conn_send(server->conn, &packet, world.now);
    }
    world_check(&world, server->closed == 1 && r == 0);
    server->flush_blocked = false;
    world_end(&world);
}

/* Deviation: the DTLS timer runs while anything is unacknowledged; here it is the server alone that
 * keeps a session with a client alive that has none. */
static void test_a_client_without_a_timer_follows_whatever_is_lost(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 8; lost++) {
        unsigned countdown = lost;
        struct world world;

        world_pair(&world, 520 + lost, &(struct client_options){0});
        world.step = stop_client_timer;
        world.tap = lose_one;
        world.tap_data = &countdown;
        every(&world, 2 * SW_SECOND);
        for (unsigned update = 1; update <= 4; update++) {
            world_run(&world, 2 * SW_SECOND, NULL);
            send_each_way(&world);
            world_run(&world, 3 * SW_SECOND, NULL);
        }
        every(&world, 0);
        world_check(&world, of(&world, 0)->key_update_complete >= 3 && countdown == 0);
        world_check(&world, of(&world, 0)->key_update_complete == of(&world, 0)->key_update_start);
        world_check(&world, of(&world, 0)->key_update_abandoned == 0);
        world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
        world_check(&world, carries(&world));
        world_check(&world, epoch_bits(&world, 0) == epoch_bits(&world, 1));
        world_end(&world);
    }
}

/* Loss, reordering and duplication both ways, updates back to back, data all the time. */
static void test_data_flows_through_many_updates_in_bad_weather(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(60); seed++) {
        struct world world;
        uint64_t before[2];

        world_pair(&world, 600 + seed, &(struct client_options){.cipher = seed & 1});
        if (seed % 2 != 0) world.step = stop_client_timer; /* as in a stock client */
        every(&world, SW_SECOND);
        for (int i = 0; i < 2; i++)
            before[i] = world.nodes[i].inside_count;
        world.weather = (struct weather){.loss = 5 * (seed % 6),
                                         .duplicate = 10,
                                         .delay = 5 * SW_MILLISECOND,
                                         .jitter = 20 * SW_MILLISECOND};
        for (int i = 0; i < 3000; i++) {
            send_each_way(&world);
            world_run(&world, 10 * SW_MILLISECOND, NULL);
        }
        world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
        world_check(&world, of(&world, 0)->key_update_complete >= 5);
        world_check(&world, of(&world, 0)->key_update_abandoned == 0);
        for (int i = 0; i < 2; i++) /* what the weather took, and no more */
            world_check(&world, world.nodes[i].inside_count - before[i] >=
                                    3000 * (100 - world.weather.loss) / 100 - 200);
        world.weather = (struct weather){.delay = 5 * SW_MILLISECOND};
        every(&world, 0);
        for (int i = 0; i < 60; i++) { /* the last one ends one way or the other */
            world_run(&world, SW_SECOND, NULL);
            world_check(&world, carries(&world));
        }
        world_check(&world,
                    of(&world, 0)->key_update_start ==
                        of(&world, 0)->key_update_complete + of(&world, 0)->key_update_abandoned);
        world_end(&world);
    }
}

static void test_data_flows_through_updates_on_a_long_way(void **state)
{
    static const sw_time delays[] = {50, 100, 300, 700, 1500};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof delays / sizeof delays[0]; i++) {
        struct world world;
        uint64_t before;

        world_pair(&world, 680 + i, &(struct client_options){.cipher = i & 1});
        if (i % 2 != 0) world.step = stop_client_timer;
        world.weather = (struct weather){.delay = delays[i / 2] * SW_MILLISECOND};
        every(&world, SW_SECOND);
        before = world.nodes[0].inside_count;
        for (int n = 0; n < 3000; n++) {
            send_each_way(&world);
            world_run(&world, 20 * SW_MILLISECOND, NULL);
        }
        world_run(&world, 10 * SW_SECOND, NULL);
        world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
        world_check(&world, world.nodes[0].inside_count - before == 3000);
        world_check(&world, of(&world, 0)->key_update_complete >= 5);
        world_check(&world, of(&world, 0)->key_update_abandoned == 0);
        world_end(&world);
    }
}

/* A key update also begins an id rotation; both ends move on together, wherever the client is. */
static void test_an_update_rotates_the_session_id_and_meets_a_roaming_client(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        struct world world;

        world_pair(&world, 700 + seed, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        every(&world, SW_SECOND);
        world.weather = (struct weather){
            .loss = seed, .delay = 5 * SW_MILLISECOND, .jitter = 5 * SW_MILLISECOND};
        for (unsigned i = 1; i <= 1000; i++) {
            /* as often as the update: in front of it, amid it, behind it */
            if (i % 103 == seed) client->address.port = (uint16_t)(50000 + i);
            send_each_way(&world);
            world_run(&world, 10 * SW_MILLISECOND, NULL);
        }
        world.weather = (struct weather){.delay = 5 * SW_MILLISECOND};
        every(&world, 0);
        world_run(&world, 15 * SW_SECOND, NULL);
        world_check(&world, server->closed + client->closed == 0 && carries(&world));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, server->floated >= 8 && of(&world, 0)->key_update_complete >= 5);
        world_check(&world, !sw_conn_rotating(server->conn));
        world_check(&world,
                    sw_session_equal(sw_conn_session(client->conn), sw_conn_session(server->conn)));
        world_check(&world, of(&world, 0)->udp_session_rotation_begin ==
                                of(&world, 0)->udp_session_rotation_finalized);
        world_end(&world);
    }
}

static void test_an_update_begins_no_second_rotation_while_one_is_pending(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 730, &(struct client_options){0});
    struct node *server = &world.nodes[0];
    every(&world, 3 * SW_SECOND);
    world_run(&world, 3 * SW_SECOND, NULL);
    world.nodes[1].address.port = 50001; /* moves, in the datagram that makes the update due */
    send_each_way(&world);
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    world_check(&world, server->floated == 1 && of(&world, 0)->key_update_start == 1);
    world_check(&world, of(&world, 0)->udp_session_rotation_begin == 1);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, of(&world, 0)->key_update_complete == 1 && server->rotations == 1);
    world_check(&world, carries(&world));
    world_end(&world);
}

/* The session of a client that has vanished is kept for a day, its update not repeated that long;
 * and goes on if the client comes back after all. */
static void test_a_vanished_client_is_not_written_to_for_a_day(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 735, &(struct client_options){.keepalive_timeout = 20000 * SW_SECOND});
    every(&world, 2 * SW_SECOND);
    world_run(&world, 2 * SW_SECOND, NULL);
    send_each_way(&world);
    world_run(&world, 6 * SW_MILLISECOND, NULL);
    world_check(&world, of(&world, 0)->key_update_start == 1);
    world.weather.loss = 100;
    world_swallow(&world);
    const uint64_t sent = world.datagrams_from[0];
    world_run(&world, 4 * 3600 * SW_SECOND, NULL);
    world_check(&world, world.datagrams_from[0] - sent > 20);
    world_check(&world, world.datagrams_from[0] - sent < 500);
    world.weather.loss = 0;
    world_run(&world, SW_MINUTE, NULL);
    world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
    world_check(&world, of(&world, 0)->key_update_complete >= 1 && carries(&world));
    world_end(&world);
}

/* A peer that takes the server's keys and never sends its own: the session goes on, and so do
 * updates of the keys that the server seals with. */
static bool lose_client_key_updates(struct world *world, const struct sw_address *from,
                                    const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    (void)bytes;
    return from->port != world->nodes[1].address.port || len != SW_HEADER_LEN + 35;
}

static void test_a_client_that_never_follows_keeps_its_session(void **state)
{
    struct world world;

    (void)state;
    world_pair(&world, 740, &(struct client_options){0});
    world.tap = lose_client_key_updates;
    every(&world, 2 * SW_SECOND);
    for (int i = 0; i < 200; i++) {
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, carries(&world));
    }
    world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
    world_check(&world, of(&world, 0)->key_update_abandoned >= 1);
    world_check(&world, of(&world, 0)->key_update_start >= 3);
    world_check(&world, epoch_bits(&world, 1) == 3); /* the client's never changed */
    world_end(&world);
}

static void test_expresslane_is_not_disturbed(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned seed = 0; seed < 5; seed++) {
        lane_pair(&p, 750 + seed, seed % 2 != 0 ? 2 * SW_SECOND : 0);
        every(&p.world, SW_SECOND);
        const unsigned key_changes = p.client->key_changes;
        for (unsigned i = 0; i < 2000; i++) {
            lane_down(&p, i);
            lane_up(&p, i);
            if (i % 20 == 0) sw_conn_network_changed(p.client->conn, p.world.now); /* a Ping */
            if (i % 20 == 0) world_flush(p.client);
            world_run(&p.world, 10 * SW_MILLISECOND, NULL);
        }
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, p.good[0] == 2000 && p.good[1] == 2000 && p.bad == 0);
        world_check(&p.world, of(&p.world, 0)->key_update_complete >= 15);
        for (int i = 0; i < 2; i++) {
            world_check(&p.world, of(&p.world, i)->expresslane_decrypt_failed == 0 &&
                                      of(&p.world, i)->expresslane_decrypt_no_key == 0 &&
                                      of(&p.world, i)->expresslane_degraded == 0);
            world_check(&p.world, of(&p.world, i)->expresslane_received >= 1900);
        }
        /* its keys change by its own interval only; the client hears of every new session id */
        if (seed % 2 == 0)
            world_check(&p.world, of(&p.world, 0)->expresslane_exchanged == 1 &&
                                      p.client->key_changes > key_changes);
        world_check(&p.world, lane_both_active(&p.world));
        world_end(&p.world);
    }
}

/* --- over TCP ----------------------------------------------------------------------------------*/

static void test_keys_of_a_stream_change_too(void **state)
{
    static const size_t chunks[] = {1, 100, 65536};

    (void)state;
    for (unsigned i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct stream stream;
        struct world world;

        world_init(&world, 800 + i);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){.cipher = i & 1});
        stream_open(&stream, server, client, chunks[i]);
        world_check(&world, world_run(&world, SW_SECOND, world_both_online));
        every(&world, SW_SECOND);
        for (unsigned round = 0; round < 500; round++) {
            send_each_way(&world);
            world_run(&world, 20 * SW_MILLISECOND, NULL);
        }
        world_check(&world, server->inside_count == 500 && client->inside_count == 500);
        world_check(&world, of(&world, 0)->key_update_start >= 8);
        world_check(&world, of(&world, 0)->key_update_complete == of(&world, 0)->key_update_start);
        world_check(&world, of(&world, 0)->udp_session_rotation_begin == 0);
        world_check(&world, server->closed + client->closed == 0);
        stream_free(&stream);
        world_end(&world);
    }
}

/* The client does not read: no KeyUpdate is heaped on what waits for it, and one that was sent is
 * not waited for in vain. */
static void test_a_stream_that_does_not_move_gets_no_key_update(void **state)
{
    struct stream stream;
    struct world world;

    (void)state;
    world_init(&world, 810);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    stream_open(&stream, server, client, 65536);
    stream.room = 10000;
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    every(&world, SW_SECOND);
    stream.reading[STREAM_CLIENT] = false;
    for (unsigned round = 0; round < 2000; round++) {
        send_each_way(&world);
        world_run(&world, 20 * SW_MILLISECOND, NULL);
    }
    world_check(&world, of(&world, 0)->key_update_start <= 3);
    world_check(&world, of(&world, 0)->key_update_complete == 0);
    stream.reading[STREAM_CLIENT] = true;
    for (unsigned round = 0; round < 500; round++) {
        send_each_way(&world);
        world_run(&world, 20 * SW_MILLISECOND, NULL);
    }
    world_check(&world, of(&world, 0)->key_update_complete >= 5);
    world_check(&world, server->inside_count == 2500);
    world_check(&world, server->closed + client->closed == 0);
    stream_free(&stream);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_follows_the_servers_key_update),
        cmocka_unit_test(test_key_updates_survive_loss),
        cmocka_unit_test(test_the_loss_of_any_one_answer_does_not_end_an_idle_session),
        cmocka_unit_test(test_an_outage_during_an_update_is_survived),
        cmocka_unit_test(test_keys_change_when_their_interval_is_over_and_something_comes_in),
        cmocka_unit_test(test_an_interval_of_zero_keeps_the_keys),
        cmocka_unit_test(test_keys_also_change_by_volume),
        cmocka_unit_test(test_nothing_waits_for_a_connection_that_its_update_has_closed),
        cmocka_unit_test(test_a_client_without_a_timer_follows_whatever_is_lost),
        cmocka_unit_test(test_data_flows_through_many_updates_in_bad_weather),
        cmocka_unit_test(test_data_flows_through_updates_on_a_long_way),
        cmocka_unit_test(test_an_update_rotates_the_session_id_and_meets_a_roaming_client),
        cmocka_unit_test(test_an_update_begins_no_second_rotation_while_one_is_pending),
        cmocka_unit_test(test_a_vanished_client_is_not_written_to_for_a_day),
        cmocka_unit_test(test_a_client_that_never_follows_keeps_its_session),
        cmocka_unit_test(test_expresslane_is_not_disturbed),
        cmocka_unit_test(test_a_stream_that_does_not_move_gets_no_key_update),
        cmocka_unit_test(test_keys_of_a_stream_change_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
