/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * New keys for a DTLS session (docs/protocol/session.md §11): whoever starts it, whatever is lost,
 * both ends follow, and the retransmission timer never ends an established session.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "lib/tls/environment.h"
#include "lib/tls/session.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_follows_the_servers_key_update),
        cmocka_unit_test(test_key_updates_survive_loss),
        cmocka_unit_test(test_the_loss_of_any_one_answer_does_not_end_an_idle_session),
        cmocka_unit_test(test_an_outage_during_an_update_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
