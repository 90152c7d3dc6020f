/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The fast lane between two engines (docs/protocol/expresslane.md §5-§11, §17, §19). */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/world.h"

static uint8_t packet[2048];
static unsigned good, bad;

static void check_inside(struct node *node, uint8_t *data, size_t len)
{
    uint32_t number;

    (void)node;
    if (world_packet_check(data, len, &number))
        good++;
    else
        bad++;
}

static bool both_online(struct world *w)
{
    return w->nodes[0].online > 0 && w->nodes[1].online > 0;
}

static bool both_active(struct world *w)
{
    return both_online(w) && sw_conn_expresslane(w->nodes[0].conn) == SW_EXPRESSLANE_ACTIVE &&
           sw_conn_expresslane(w->nodes[1].conn) == SW_EXPRESSLANE_ACTIVE;
}

struct pair {
    struct world world;
    struct node *server, *client;
};

static const struct client_options plain = {.keepalive_interval = 10 * SW_SECOND};

static void connect_pair(struct pair *p, uint64_t seed, bool server_lane, bool client_lane)
{
    good = bad = 0;
    world_init(&p->world, seed);
    p->world.expresslane = server_lane;
    p->server = world_server(&p->world, false);
    p->world.expresslane = client_lane;
    p->client = world_client(&p->world, &plain);
    p->server->inside = check_inside;
    p->client->inside = check_inside;
    assert_non_null(world_connect(p->client, p->server));
}

static void exchange(struct pair *p, unsigned count, sw_time gap)
{
    for (unsigned i = 0; i < count; i++) {
        size_t len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, i, 100 + i % 1200);
        assert_int_equal(world_send(p->server, p->server->conn, packet, len), 0);
        len = world_packet(packet, TUN_IP, REMOTE_IP, i, 100 + i % 1200);
        assert_int_equal(world_send(p->client, p->client->conn, packet, len), 0);
        world_run(&p->world, gap, NULL);
    }
    world_run(&p->world, SW_SECOND, NULL);
}

static void test_lane_becomes_active_and_carries_everything(void **state)
{
    struct pair p;
    (void)state;
    connect_pair(&p, 1, true, true);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    exchange(&p, 1000, SW_MILLISECOND);
    assert_int_equal(good, 2000);
    assert_int_equal(bad, 0);
    assert_int_equal(sw_engine_counters(p.server->engine)->expresslane_sent, 1000);
    assert_int_equal(sw_engine_counters(p.client->engine)->expresslane_received, 1000);
    world_end(&p.world);
}

static void test_one_side_without_it_stays_on_dtls(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        struct pair p;
        connect_pair(&p, 2, n == 0, n == 1);
        assert_true(world_run(&p.world, 5 * SW_SECOND, both_online));
        world_run(&p.world, 30 * SW_SECOND, NULL);
        exchange(&p, 100, SW_MILLISECOND);
        assert_int_equal(good, 200);
        assert_int_equal(sw_engine_counters(p.server->engine)->expresslane_sent, 0);
        assert_int_equal(sw_engine_counters(p.client->engine)->expresslane_sent, 0);
        assert_int_equal(sw_engine_counters(p.client->engine)->expresslane_exchange_failed, 0);
        world_end(&p.world);
    }
}

static void test_keys_rotate_under_traffic_without_loss(void **state)
{
    struct pair p;
    (void)state;
    world_init(&p.world, 3);
    good = bad = 0;
    p.world.expresslane = true;
    p.world.rotation = SW_SECOND;
    p.server = world_server(&p.world, false);
    p.client = world_client(&p.world, &plain);
    p.server->inside = p.client->inside = check_inside;
    world_connect(p.client, p.server);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    exchange(&p, 2000, 5 * SW_MILLISECOND);
    assert_int_equal(good, 4000);
    assert_true(p.client->key_changes >= 15);
    assert_true(p.server->key_changes >= 15);
    assert_int_equal(sw_engine_counters(p.client->engine)->expresslane_decrypt_failed, 0);
    world_end(&p.world);
}

static void test_idle_tunnel_does_not_rotate(void **state)
{
    struct pair p;
    (void)state;
    world_init(&p.world, 4);
    p.world.expresslane = true;
    p.world.rotation = SW_SECOND;
    p.server = world_server(&p.world, false);
    p.client = world_client(&p.world, &plain);
    world_connect(p.client, p.server);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    unsigned before = p.client->key_changes;
    world_run(&p.world, 60 * SW_SECOND, NULL);
    assert_int_equal(p.client->key_changes, before);
    world_end(&p.world);
}

static bool swallow_flagged(struct world *world, const struct sw_address *from,
                            const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    return len < 16 || bytes[5] == 0;
}

static void test_black_hole_of_flagged_packets_degrades_to_dtls(void **state)
{
    struct pair p;
    (void)state;
    connect_pair(&p, 5, true, true);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    p.world.tap = swallow_flagged;
    exchange(&p, 4000, 10 * SW_MILLISECOND); /* 40 s: the client compares counters every 10 s */
    assert_int_equal(sw_conn_expresslane(p.client->conn), SW_EXPRESSLANE_DEGRADED);
    good = 0;
    exchange(&p, 100, SW_MILLISECOND);
    assert_int_equal(good, 200);
    world_end(&p.world);
}

static void test_lossy_network_still_gets_there_and_stays_up(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct pair p;
        connect_pair(&p, seed, true, true);
        p.world.weather = (struct weather){.loss = 10,
                                           .duplicate = 10,
                                           .delay = 5 * SW_MILLISECOND,
                                           .jitter = 20 * SW_MILLISECOND};
        assert_true(world_run(&p.world, 25 * SW_SECOND, both_active));
        exchange(&p, 500, SW_MILLISECOND);
        assert_int_equal(bad, 0);
        assert_in_range(good, 800, 1000);
        world_end(&p.world);
    }
}

static uint8_t recorded[2048];
static size_t recorded_len;

static bool record_flagged(struct world *world, const struct sw_address *from,
                           const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)from;
    (void)to;
    if (len >= 16 && bytes[5] != 0 && recorded_len == 0) {
        memcpy(recorded, bytes, len);
        recorded_len = len;
    }
    (void)world;
    return true;
}

static void test_replayed_and_altered_packets_are_refused(void **state)
{
    struct pair p;
    (void)state;
    connect_pair(&p, 6, true, true);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    recorded_len = 0;
    p.world.tap = record_flagged;
    size_t len = world_packet(packet, TUN_IP, REMOTE_IP, 7, 64);
    world_send(p.client, p.client->conn, packet, len);
    world_run(&p.world, SW_SECOND, NULL);
    assert_int_equal(good, 1);

    const struct sw_engine_counters *c = sw_engine_counters(p.server->engine);
    world_inject(&p.world, &p.client->address, &p.server->address, recorded, recorded_len);
    world_run(&p.world, SW_SECOND, NULL);
    assert_int_equal(c->expresslane_replayed, 1);
    for (size_t i = 8; i < recorded_len; i += 7) { /* any byte from the session id on */
        uint8_t forged[2048];
        memcpy(forged, recorded, recorded_len);
        forged[16 + 7] = 200; /* a fresh counter */
        forged[i] ^= 0x10;
        world_inject(&p.world, &p.client->address, &p.server->address, forged, recorded_len);
    }
    struct sw_address elsewhere = p.client->address;
    elsewhere.port = 9;
    world_inject(&p.world, &elsewhere, &p.server->address, recorded, recorded_len);
    world_run(&p.world, SW_SECOND, NULL);
    assert_int_equal(good, 1);
    assert_int_equal(bad, 0);
    assert_int_equal(p.server->floated, 0);
    assert_true(c->expresslane_decrypt_failed > 10);
    world_end(&p.world);
}

static void test_client_may_roam_with_its_first_packet_on_the_lane(void **state)
{
    struct pair p;
    (void)state;
    connect_pair(&p, 7, true, true);
    assert_true(world_run(&p.world, 5 * SW_SECOND, both_active));
    exchange(&p, 10, SW_MILLISECOND);
    p.client->address.port = 51000;
    exchange(&p, 100, SW_MILLISECOND);
    assert_int_equal(p.server->floated, 1);
    assert_int_equal(p.server->rotations, 1);
    assert_true(good >= 210);
    assert_int_equal(sw_engine_counters(p.server->engine)->session_id_mismatch, 0);
    world_end(&p.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lane_becomes_active_and_carries_everything),
        cmocka_unit_test(test_one_side_without_it_stays_on_dtls),
        cmocka_unit_test(test_keys_rotate_under_traffic_without_loss),
        cmocka_unit_test(test_idle_tunnel_does_not_rotate),
        cmocka_unit_test(test_black_hole_of_flagged_packets_degrades_to_dtls),
        cmocka_unit_test(test_lossy_network_still_gets_there_and_stays_up),
        cmocka_unit_test(test_replayed_and_altered_packets_are_refused),
        cmocka_unit_test(test_client_may_roam_with_its_first_packet_on_the_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
