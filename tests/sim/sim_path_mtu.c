/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Paths that do not carry everything, in virtual time (docs/protocol/session.md §17 to §19): what
 * the search finds, what packets do meanwhile, and that nothing is lost that could arrive.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/expected.h"
#include "tests/sim/lane_pair.h"

#define IP4_AND_UDP 28
#define NARROW      1300
#define FOUND       1231 /* a PLPMTU of 1234 passes; steps of 8 */

/* A pair, both ends of which search, over a path for packets of path_mtu bytes. */
struct way {
    struct world world;
    struct node *server, *client;
    struct expected at[2]; /* by node */
};

static void way_open(struct way *way, uint64_t seed, bool lane)
{
    *way = (struct way){0};
    world_init(&way->world, seed);
    way->world.expresslane = lane;
    way->server = world_server(&way->world, false);
    way->client = world_client(&way->world, &(struct client_options){0});
    way->server->config.pmtud = way->client->config.pmtud = true;
    world_restart(way->server);
    world_restart(way->client);
    for (int i = 0; i < 2; i++)
        expect_at(&way->world.nodes[i], &way->at[i]);
}

static void way_connect(struct way *way)
{
    bool online = world_connect(way->client, way->server) != NULL &&
                  world_run(&way->world, 5 * SW_SECOND, world_both_online);
    world_check(&way->world, online);
}

static void way_end(struct way *way)
{
    for (int i = 0; i < 2; i++)
        free(way->at[i].bytes);
    world_end(&way->world);
}

static struct sw_path_mtu path_of(const struct node *node)
{
    struct sw_path_mtu path;
    sw_conn_path_mtu(node->conn, &path);
    return path;
}

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static bool both_settled(struct world *world)
{
    for (int i = 0; i < 2; i++)
        if (world->nodes[i].conn == NULL || path_of(&world->nodes[i]).state != SW_PMTUD_COMPLETE)
            return false;
    return true;
}

static void settle(struct way *way, sw_time patience)
{
    world_check(&way->world, world_run(&way->world, patience, both_settled));
}

/* One UDP packet of len bytes each way; they are to arrive as they are. */
static void send_both(struct way *way, size_t len)
{
    static uint8_t packet[65535];
    static uint32_t number;

    number++;
    expect(&way->at[1], packet, world_packet(packet, REMOTE_IP, TUN_IP, number, len - 32));
    world_packet(packet, REMOTE_IP, POOL_FIRST_IP, number, len - 32);
    world_check(&way->world, world_send(way->server, way->server->conn, packet, len) == 0);
    expect(&way->at[0], packet, world_packet(packet, POOL_FIRST_IP, REMOTE_IP, number, len - 32));
    world_packet(packet, TUN_IP, REMOTE_IP, number, len - 32);
    world_check(&way->world, world_send(way->client, way->client->conn, packet, len) == 0);
}

/* Packets of every size there is, and some that are larger than a TUN's MTU. */
static void everything_arrives(struct way *way)
{
    for (size_t len = 1050; len <= 1500; len++)
        send_both(way, len);
    for (size_t len = 5000; len < 65535; len += 17000)
        send_both(way, len);
    send_both(way, 65535);
    world_run(&way->world, SW_SECOND, NULL);
    world_check(&way->world, all_arrived(&way->at[0]) && all_arrived(&way->at[1]));
}

static void test_a_wide_path_is_known_within_some_round_trips(void **state)
{
    struct way way;
    (void)state;
    way_open(&way, 1, false);
    way_connect(&way);
    sw_time online = way.world.now;
    settle(&way, SW_SECOND);
    world_check(&way.world, way.world.now <= online + 9 * 10 * SW_MILLISECOND);
    for (int i = 0; i < 2; i++) {
        struct sw_path_mtu path = path_of(&way.world.nodes[i]);
        world_check(&way.world, path.plpmtu == 1419 && path.outside == 1485);
        world_check(&way.world, path.inside == 1416);
        world_check(&way.world, counters(&way.world.nodes[i])->pmtud_probes == 7);
    }
    everything_arrives(&way);
    way_end(&way);
}

/* With ICMP or without makes no difference: it is never asked. */
static void test_a_hop_that_drops_silently_is_found_by_losses(void **state)
{
    (void)state;
    for (int lane = 0; lane < 2; lane++) {
        struct way way;
        way_open(&way, 2 + (uint64_t)lane, lane != 0);
        way.world.path_mtu = NARROW;
        way.world.drop_fragments = true;
        way_connect(&way);
        settle(&way, 50 * SW_SECOND);
        for (int i = 0; i < 2; i++) {
            struct sw_path_mtu path = path_of(&way.world.nodes[i]);
            world_check(&way.world, path.plpmtu == FOUND);
            world_check(&way.world, path.inside == FOUND - (lane ? 18 : 3));
        }
        everything_arrives(&way);
        for (int i = 0; i < 2; i++) {
            const struct sw_engine_counters *c = counters(&way.world.nodes[i]);
            world_check(&way.world, c->inside_fragmented > 0 && c->fragments_sent > 0);
            world_check(&way.world, c->conn_alloc_frag_map == 1);
            world_check(&way.world, c->fragment_fates[SW_FRAGMENT_EVICTED] == 0);
            world_check(&way.world, lane == 0 || c->expresslane_sent > 100);
        }
        way_end(&way);
    }
}

/* The kernel of either end says EMSGSIZE: no loss is waited for. */
static void test_a_narrow_link_is_found_at_once(void **state)
{
    struct way way;
    (void)state;
    way_open(&way, 5, false);
    way.client->link_mtu = NARROW;
    way.server->link_mtu = NARROW;
    way.world.drop_fragments = true;
    way_connect(&way);
    settle(&way, SW_SECOND);
    for (int i = 0; i < 2; i++) {
        world_check(&way.world, path_of(&way.world.nodes[i]).plpmtu == FOUND);
        world_check(&way.world, counters(&way.world.nodes[i])->pmtud_too_long == 3);
        world_check(&way.world, counters(&way.world.nodes[i])->pmtud_black_holes == 0);
    }
    everything_arrives(&way);
    way_end(&way);
}

static void test_a_path_that_shrinks_is_noticed_and_what_grows_is_used(void **state)
{
    struct way way;
    (void)state;
    way_open(&way, 6, false);
    way_connect(&way);
    settle(&way, SW_SECOND);
    way.world.path_mtu = NARROW;
    way.world.drop_fragments = true;
    world_run(&way.world, 10 * SW_MINUTE + 16 * SW_SECOND, NULL);
    for (int i = 0; i < 2; i++) {
        world_check(&way.world, path_of(&way.world.nodes[i]).inside <= 1247);
        world_check(&way.world, counters(&way.world.nodes[i])->pmtud_black_holes == 1);
    }
    world_run(&way.world, SW_MINUTE, NULL);
    everything_arrives(&way);
    way.world.path_mtu = 0;
    world_run(&way.world, 11 * SW_MINUTE, NULL);
    for (int i = 0; i < 2; i++)
        world_check(&way.world, path_of(&way.world.nodes[i]).plpmtu == 1419);
    everything_arrives(&way);
    world_check(&way.world, way.client->closed + way.server->closed == 0);
    way_end(&way);
}

static void test_another_network_is_asked_at_once(void **state)
{
    struct way way;
    (void)state;
    way_open(&way, 7, false);
    way_connect(&way);
    settle(&way, SW_SECOND);
    way.client->link_mtu = way.world.path_mtu = NARROW;
    sw_conn_network_changed(way.client->conn, way.world.now);
    world_flush(way.client);
    world_run(&way.world, SW_SECOND, NULL);
    world_check(&way.world, path_of(way.client).plpmtu == FOUND);
    world_check(&way.world, counters(way.client)->pmtud_black_holes == 1);
    way_end(&way);
}

/* Only the lane tells early that packets do not arrive; it must not be given up for it. */
static void test_a_lane_that_loses_large_packets_makes_the_search_look(void **state)
{
    struct way way;
    static uint8_t packet[1500];
    (void)state;
    way_open(&way, 8, true);
    way_connect(&way);
    settle(&way, SW_SECOND);
    way.server->inside = way.client->inside = NULL;
    way.world.path_mtu = NARROW;
    way.world.drop_fragments = true;
    for (unsigned i = 0; i < 1200; i++) {
        size_t len = world_packet(packet, TUN_IP, REMOTE_IP, i, 1350 - 32);
        world_check(&way.world, world_send(way.client, way.client->conn, packet, len) == 0);
        world_run(&way.world, SW_SECOND / 20, NULL);
    }
    world_check(&way.world, path_of(way.client).plpmtu <= 1247);
    world_check(&way.world, sw_conn_expresslane(way.client->conn) == SW_EXPRESSLANE_ACTIVE);
    uint64_t before = way.server->inside_count;
    for (unsigned i = 0; i < 100; i++) {
        size_t len = world_packet(packet, TUN_IP, REMOTE_IP, i, 1350 - 32);
        world_check(&way.world, world_send(way.client, way.client->conn, packet, len) == 0);
    }
    world_run(&way.world, SW_SECOND, NULL);
    world_check(&way.world, way.server->inside_count == before + 100);
    way_end(&way);
}

/* --- superpackets ------------------------------------------------------------------------------*/

static void test_tcp_superpackets_are_cut_to_what_passes(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    (void)state;
    for (int lane = 0; lane < 2; lane++) {
        struct way way;
        const uint16_t most = (uint16_t)(FOUND - (lane ? 18 : 3) - TCP_HEADERS);
        way_open(&way, 9, lane != 0);
        way.client->link_mtu = way.server->link_mtu = way.world.path_mtu = NARROW;
        way.world.drop_fragments = true;
        way_connect(&way);
        settle(&way, SW_SECOND);
        for (uint32_t i = 0; i < 8; i++) {
            uint16_t gso_size = (uint16_t)(1140 + 30 * i);
            struct sw_inside_packet packet =
                superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 60000 + i, gso_size, i);
            struct sw_inside_packet cut = packet;
            if (cut.vnet.gso_size > most) cut.vnet.gso_size = most;
            expect_segments(&way.at[1], &cut, REMOTE_IP, TUN_IP);
            world_check(&way.world, sw_conn_send(way.server->conn, &packet, way.world.now) == 0);
            world_flush(way.server);
            world_run(&way.world, SW_SECOND / 10, NULL);
            world_check(&way.world, all_arrived(&way.at[1]));
        }
        const struct sw_engine_counters *c = counters(way.server);
        world_check(&way.world, c->superpackets_recut > 0 && c->inside_fragmented == 0);
        world_check(&way.world, c->inside_to_tunnel == way.at[1].count);
        world_check(&way.world, way.server->batch->max_segments == 64); /* in batches, still */
        way_end(&way);
    }
}

/* Full batches stop the sender anywhere: also between two fragments. */
static void test_a_full_batch_loses_neither_segments_nor_fragments(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(20); seed++) {
        struct way way;
        unsigned stopped = 0;
        way_open(&way, 100 + seed, false);
        way.client->link_mtu = way.server->link_mtu = way.world.path_mtu = NARROW;
        way_connect(&way);
        settle(&way, SW_SECOND);
        for (uint32_t i = 0; i < 30; i++) {
            bool super = world_random(&way.world, 2) == 0;
            struct sw_inside_packet packet = {.data = bytes};
            if (super) {
                packet = superpacket(bytes, REMOTE_IP, POOL_FIRST_IP,
                                     1 + world_random(&way.world, 65495),
                                     (uint16_t)(100 + world_random(&way.world, 1290)), i);
                struct sw_inside_packet cut = packet;
                if (cut.vnet.gso_size > FOUND - 3 - TCP_HEADERS)
                    cut.vnet.gso_size = FOUND - 3 - TCP_HEADERS;
                expect_segments(&way.at[1], &cut, REMOTE_IP, TUN_IP);
            } else {
                size_t body = 1200 + world_random(&way.world, 60000);
                packet.len = world_packet(bytes, REMOTE_IP, TUN_IP, i, body);
                expect(&way.at[1], bytes, packet.len);
                world_packet(bytes, REMOTE_IP, POOL_FIRST_IP, i, body);
            }
            way.server->flush_blocked = true;
            while (sw_conn_send(way.server->conn, &packet, way.world.now) == SW_EAGAIN) {
                stopped++;
                way.server->flush_blocked = world_random(&way.world, 3) != 0;
                world_flush(way.server);
            }
            if (world_random(&way.world, 4) == 0) world_run(&way.world, SW_MILLISECOND, NULL);
        }
        way.server->flush_blocked = false;
        world_flush(way.server);
        world_run(&way.world, SW_SECOND, NULL);
        world_check(&way.world, stopped > 0 && all_arrived(&way.at[1]));
        way_end(&way);
    }
}

/* The rest of a superpacket waits, and meanwhile the path turns out to be narrower. */
static void test_what_waits_arrives_although_the_path_has_shrunk(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    (void)state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct way way;
        way_open(&way, 500 + seed, seed % 2 != 0);
        way_connect(&way);
        settle(&way, SW_SECOND);
        struct node *server = way.server;
        struct sw_inside_packet packet;
        int r;
        server->flush_blocked = true;
        for (uint32_t i = 0;; i++) {
            packet =
                superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 1 + world_random(&way.world, 65495),
                            (uint16_t)(1200 + world_random(&way.world, 151)), i);
            expect_segments(&way.at[1], &packet, REMOTE_IP, TUN_IP);
            r = sw_conn_send(server->conn, &packet, way.world.now);
            if (r != 0) break;
        }
        world_check(&way.world, r == SW_EAGAIN);
        server->flush_blocked = false;
        world_flush(server);
        const struct sw_path *path = sw_conn_path(server->conn);
        sw_engine_too_long(server->engine, path, 1300, way.world.now);
        world_check(&way.world, path_of(server).plpmtu == SW_PMTUD_FLOOR);
        world_check(&way.world, sw_conn_send(server->conn, &packet, way.world.now) == 0);
        world_flush(server);
        world_run(&way.world, SW_SECOND, NULL);
        world_check(&way.world, all_arrived(&way.at[1]));
        way_end(&way);
    }
}

/* --- weather, and peers who mean no good -------------------------------------------------------*/

static void test_whatever_the_weather_only_whole_packets_arrive(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(30); seed++) {
        struct way way;
        uint8_t packet[1500];
        way_open(&way, 200 + seed, seed % 2 != 0);
        way_connect(&way);
        way.world.path_mtu = (uint16_t)(1190 + world_random(&way.world, 310));
        way.world.drop_fragments = true;
        way.world.weather = (struct weather){.loss = 10,
                                             .duplicate = 20,
                                             .corrupt = 2,
                                             .delay = 5 * SW_MILLISECOND,
                                             .jitter = 20 * SW_MILLISECOND};
        way.server->inside = way.client->inside = NULL;
        struct pair counted = {.world = way.world};
        way.server->data = way.client->data = &counted;
        counted.client = way.client;
        way.server->inside = way.client->inside = lane_check_inside;
        for (unsigned i = 0; i < 600; i++) {
            size_t len = world_packet(packet, TUN_IP, REMOTE_IP, i, 900 + i % 550);
            world_send(way.client, way.client->conn, packet, len);
            len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, i, 900 + i % 550);
            world_send(way.server, way.server->conn, packet, len);
            world_run(&way.world, 50 * SW_MILLISECOND, NULL);
            if (i % 200 == 0) way.world.path_mtu = (uint16_t)(1190 + world_random(&way.world, 310));
        }
        world_check(&way.world, counted.bad == 0);
        world_check(&way.world, counted.good[0] > 100 && counted.good[1] > 100);
        world_check(&way.world, path_of(way.client).plpmtu >= 1119);
        world_check(&way.world, way.client->closed + way.server->closed == 0);
        way_end(&way);
    }
}

static void test_fragments_that_contradict_each_other_end_nothing(void **state)
{
    struct world world;
    uint8_t frame[64] = {SW_FRAME_DATA_FRAG, 0, 0, 0, 1, 0, 0};
    (void)state;
    world_pair(&world, 300, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct sw_engine_counters *c = counters(server);

    world_send_plain(client, client->conn, frame, 7); /* empty */
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, c->conn_alloc_frag_map == 0); /* nothing to keep */
    frame[2] = 8;
    frame[5] = 0x20;
    for (unsigned i = 0; i < 20000; i++) {
        sw_put_be16(frame + 3, (uint16_t)world_random(&world, 500));
        sw_put_be16(frame + 5, (uint16_t)(world_random(&world, 2) << 13 |
                                          world_random(&world, i % 2 == 0 ? 8192 : 8)));
        world_send_plain(client, client->conn, frame, 15);
        if (i % 100 == 0) world_run(&world, SW_SECOND / 10, NULL);
    }
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, c->conn_alloc_frag_map == 1);
    world_check(&world, c->fragment_fates[SW_FRAGMENT_EVICTED] > 0);
    world_check(&world, server->closed + client->closed == 0);
    uint8_t packet[200];
    uint64_t before = server->inside_count;
    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, server->inside_count == before + 1);
    world_end(&world);
}

static void test_a_peer_that_never_answers_gets_packets_of_the_floor(void **state)
{
    struct way way;
    (void)state;
    way_open(&way, 11, false);
    way.world.path_mtu = 1000; /* less than the least that is asked for */
    way_connect(&way);
    world_run(&way.world, 5 * SW_MINUTE, NULL);
    struct sw_path_mtu path = path_of(way.client);
    world_check(&way.world, path.state == SW_PMTUD_ERROR && path.plpmtu == SW_PMTUD_FLOOR);
    world_check(&way.world, counters(way.client)->pmtud_probes <= 5 * 60 / 5 + 10);
    for (size_t len = 100; len <= 1350; len += 50) /* the kernel cuts what routers do not carry */
        send_both(&way, len);
    world_run(&way.world, SW_SECOND, NULL);
    world_check(&way.world, all_arrived(&way.at[0]) && all_arrived(&way.at[1]));
    way_end(&way);
}

static void test_news_about_others_change_nothing(void **state)
{
    const struct sw_path nobody = {.remote = world_stranger(1, 2)};
    struct way way;
    (void)state;
    way_open(&way, 10, false);
    way_connect(&way);
    sw_engine_too_long(way.server->engine, &nobody, 1200, way.world.now);
    sw_engine_too_long(way.client->engine, sw_conn_path(way.client->conn), 1, way.world.now);
    settle(&way, SW_SECOND);
    world_check(&way.world, path_of(way.client).plpmtu == 1419);
    world_check(&way.world, path_of(way.server).plpmtu == 1419);
    way_end(&way);
}

static void test_nobody_searches_unasked(void **state)
{
    struct world world;
    (void)state;
    world_pair(&world, 12, &(struct client_options){0});
    world_run(&world, 20 * SW_MINUTE, NULL);
    for (int i = 0; i < 2; i++) {
        struct sw_path_mtu path = path_of(&world.nodes[i]);
        world_check(&world, path.state == SW_PMTUD_DISABLED && path.plpmtu == 0);
        world_check(&world, path.inside == 1431 && counters(&world.nodes[i])->pmtud_probes == 0);
        assert_string_equal(sw_pmtud_state_name(path.state), "Disabled");
    }
    sw_conn_network_changed(world.nodes[1].conn, world.now);
    world_check(&world, counters(&world.nodes[1])->pmtud_probes == 0);
    assert_string_equal(sw_pmtud_state_name((enum sw_pmtud_state)99), "unknown");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wide_path_is_known_within_some_round_trips),
        cmocka_unit_test(test_a_hop_that_drops_silently_is_found_by_losses),
        cmocka_unit_test(test_a_narrow_link_is_found_at_once),
        cmocka_unit_test(test_a_path_that_shrinks_is_noticed_and_what_grows_is_used),
        cmocka_unit_test(test_another_network_is_asked_at_once),
        cmocka_unit_test(test_a_lane_that_loses_large_packets_makes_the_search_look),
        cmocka_unit_test(test_tcp_superpackets_are_cut_to_what_passes),
        cmocka_unit_test(test_a_full_batch_loses_neither_segments_nor_fragments),
        cmocka_unit_test(test_what_waits_arrives_although_the_path_has_shrunk),
        cmocka_unit_test(test_whatever_the_weather_only_whole_packets_arrive),
        cmocka_unit_test(test_fragments_that_contradict_each_other_end_nothing),
        cmocka_unit_test(test_a_peer_that_never_answers_gets_packets_of_the_floor),
        cmocka_unit_test(test_news_about_others_change_nothing),
        cmocka_unit_test(test_nobody_searches_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
