/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The fast lane where networks treat it otherwise than DTLS, and data planes that cannot say what
 * they carried (docs/protocol/expresslane.md §10, §13, §19): it is given up in about three
 * keepalive windows, for good reasons only, and without loss afterwards.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/lane_pair.h"

/* --- black holes -------------------------------------------------------------------------------*/

static bool swallow_flagged(struct world *world, const struct sw_address *from,
                            const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    return !lane_is_flagged(bytes, len);
}

static bool swallow_flagged_of_client(struct world *world, const struct sw_address *from,
                                      const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    return !lane_is_flagged(bytes, len) || from->port != world->nodes[1].address.port;
}

static bool swallow_flagged_of_server(struct world *world, const struct sw_address *from,
                                      const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    return !lane_is_flagged(bytes, len) || from->port != world->nodes[0].address.port;
}

static const wiretap black_holes[] = {swallow_flagged, swallow_flagged_of_client,
                                      swallow_flagged_of_server};

static void test_a_black_hole_for_flagged_packets_degrades(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 30; seed++) {
        struct pair p;
        lane_pair(&p, seed, 0);
        world_check(&p.world, lane_carries(&p));
        p.world.weather.jitter = seed % 3 * 10 * SW_MILLISECOND;
        p.world.tap = black_holes[seed / 3 % 3];
        sw_time start = p.world.now;
        while (lane_state(p.client) == SW_EXPRESSLANE_ACTIVE && p.world.now - start < SW_MINUTE) {
            lane_up(&p, 1);
            lane_down(&p, 1);
            world_run(&p.world, 50 * SW_MILLISECOND, NULL);
        }
        world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_DEGRADED);
        world_check(&p.world, p.world.now - start < 32 * SW_SECOND);
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, lane_state(p.server) == SW_EXPRESSLANE_INACTIVE);
        world_check(&p.world, lane_carries(&p));
        world_check(&p.world, p.client->closed + p.server->closed == 0);
        world_end(&p.world);
    }
}

static unsigned configs;

static bool count_configs(struct world *world, const struct sw_address *from,
                          const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    (void)bytes;
    if (len == CONFIG_DATAGRAM) configs++;
    return true;
}

static bool swallow_flagged_and_configs_of_server(struct world *world,
                                                  const struct sw_address *from,
                                                  const struct sw_address *to, uint8_t *bytes,
                                                  size_t len)
{
    if (len == CONFIG_DATAGRAM && from->port == world->nodes[0].address.port) return false;
    return swallow_flagged(world, from, to, bytes, len);
}

static void test_after_a_notice_there_is_silence_about_keys(void **state)
{
    (void)state;
    struct pair p;
    lane_pair(&p, 200, SW_MINUTE);
    p.world.tap = swallow_flagged_and_configs_of_server; /* the acknowledgement is lost, too */
    lane_exchange(&p, 500, 100 * SW_MILLISECOND);
    world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_DEGRADED);
    world_check(&p.world, lane_state(p.server) == SW_EXPRESSLANE_INACTIVE);
    p.world.tap = count_configs;
    configs = 0;
    for (int minute = 0; minute < 10; minute++) {
        world_check(&p.world, lane_carries(&p));
        world_run(&p.world, SW_MINUTE, NULL);
    }
    world_check(&p.world, configs == 0);
    world_end(&p.world);
}

/* A server asks only now and then; when it does, it judges as well. */
static void test_a_server_that_asks_may_degrade_the_lane_too(void **state)
{
    (void)state;
    static const uint8_t ping[] = {SW_FRAME_PING, 0, 0, 0, 0};
    struct pair p;
    lane_pair(&p, 203, 0);
    p.world.tap = swallow_flagged_of_client;
    for (int i = 0; i < 3; i++) {
        world_check(&p.world, lane_both_active(&p.world));
        lane_exchange(&p, 50, SW_MILLISECOND);
        world_send_plain(p.server, p.server->conn, ping, sizeof ping);
        world_run(&p.world, 100 * SW_MILLISECOND, NULL);
    }
    world_check(&p.world, lane_state(p.server) == SW_EXPRESSLANE_DEGRADED);
    world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_INACTIVE);
    p.world.tap = NULL;
    for (int minute = 0; minute < 20; minute++) { /* beyond the rotation interval */
        world_check(&p.world, lane_carries(&p));
        world_run(&p.world, SW_MINUTE, NULL);
    }
    world_check(&p.world, lane_state(p.server) == SW_EXPRESSLANE_DEGRADED);
    world_check(&p.world, p.client->conn->lane.exchange == 1);
    world_check(&p.world, lane_counters(p.client)->expresslane_exchange_failed == 0);
    world_end(&p.world);
}

static void test_an_outage_of_everything_is_one_bad_window(void **state)
{
    (void)state;
    struct pair p;
    lane_pair(&p, 201, 0);
    world_check(&p.world, lane_carries(&p));
    for (int round = 0; round < 5; round++) {
        p.world.weather.loss = 100;
        lane_exchange(&p, 300, 100 * SW_MILLISECOND);
        p.world.weather.loss = 0;
        for (int i = 0; i < 4; i++) {
            world_check(&p.world, lane_carries(&p));
            world_run(&p.world, 9 * SW_SECOND, NULL);
        }
        world_check(&p.world, lane_both_active(&p.world));
    }
    world_end(&p.world);
}

static bool swallow_configs(struct world *world, const struct sw_address *from,
                            const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    (void)bytes;
    return len != CONFIG_DATAGRAM;
}

static void test_a_rotation_that_fails_costs_no_packet_and_comes_back(void **state)
{
    (void)state;
    struct pair p;
    lane_pair(&p, 202, 20 * SW_SECOND);
    p.world.tap = swallow_configs;
    lane_exchange(&p, 320, 100 * SW_MILLISECOND); /* rotation at 20 s, given up at 30.5 s */
    world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_INACTIVE);
    p.world.tap = NULL;
    lane_exchange(&p, 120, 100 * SW_MILLISECOND);
    world_check(&p.world, lane_both_active(&p.world));
    world_check(&p.world, p.good[0] == 440 && p.good[1] == 440 && p.bad == 0);
    world_check(&p.world, lane_counters(p.client)->expresslane_exchange_failed == 1);
    world_check(&p.world, lane_counters(p.client)->expresslane_degraded == 0);
    world_check(&p.world, lane_counters(p.client)->expresslane_decrypt_failed == 0);
    world_check(&p.world, lane_counters(p.server)->expresslane_decrypt_failed == 0);
    world_end(&p.world);
}

/* --- keepalives --------------------------------------------------------------------------------*/

static void test_a_lane_in_use_is_checked_once_an_interval_busy_or_not(void **state)
{
    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        struct pair p;
        lane_pair(&p, 210, 0);
        p.world.weather.jitter = 10 * SW_MILLISECOND;
        p.client->replies = 0;
        if (busy)
            lane_exchange(&p, 2000, 50 * SW_MILLISECOND);
        else
            world_run(&p.world, 101 * SW_SECOND, NULL);
        world_check(&p.world, p.client->replies >= 9 && p.client->replies <= 11);
        world_end(&p.world);
    }
}

static bool client_closed(struct world *world)
{
    return world->nodes[1].closed > 0;
}

static void test_a_dead_server_is_noticed_with_the_lane_in_use(void **state)
{
    (void)state;
    struct pair p;
    lane_pair(&p, 211, 0);
    world_run(&p.world, 25 * SW_SECOND, NULL);
    p.world.weather.loss = 100;
    sw_time start = p.world.now;
    world_check(&p.world, world_run(&p.world, 2 * SW_MINUTE, client_closed));
    world_check(&p.world, p.client->close_error == SW_ETIMEOUT);
    world_check(&p.world, p.world.now - start >= 50 * SW_SECOND);
    world_check(&p.world, p.world.now - start <= 71 * SW_SECOND);
    world_end(&p.world);
}

/* --- external data planes ----------------------------------------------------------------------*/

/* By node: what the data plane says. */
static struct provider {
    int error;
    bool silent; /* zeros */
    unsigned asked;
} providers[2];

static int on_stats(void *user, struct sw_conn *conn, struct sw_expresslane_stats *out)
{
    struct node *node = user;
    struct provider *provider = &providers[node - node->world->nodes];

    provider->asked++;
    *out = (struct sw_expresslane_stats){0};
    if (!provider->silent) {
        out->sent_packets = conn->lane.sent;
        out->received_packets = conn->lane.received;
    }
    return provider->error;
}

/* A pair in which one node's counts come from a provider. */
static void provided_pair(struct pair *p, uint64_t seed, int index)
{
    static struct sw_callbacks callbacks;

    lane_nodes(p, seed, true, true, 0);
    struct node *node = &p->world.nodes[index];
    callbacks = *node->config.callbacks;
    callbacks.expresslane_stats = on_stats;
    node->config.callbacks = &callbacks;
    world_restart(node);
    providers[0] = providers[1] = (struct provider){0};
    world_check(&p->world, world_connect(p->client, p->server) != NULL);
    world_check(&p->world, world_run(&p->world, 5 * SW_SECOND, lane_both_active));
}

/* Traffic for this many of the client's keepalive intervals. */
static void windows(struct pair *p, unsigned count)
{
    lane_exchange(p, count * 100, 100 * SW_MILLISECOND);
}

static void test_a_provider_that_counts_keeps_the_lane(void **state)
{
    (void)state;
    for (int index = 0; index < 2; index++) {
        struct pair p;
        provided_pair(&p, 220, index);
        windows(&p, 10);
        world_check(&p.world, lane_both_active(&p.world));
        world_check(&p.world, providers[index].asked >= 10);
        world_end(&p.world);
    }
}

static void test_a_provider_that_returns_zeros_degrades(void **state)
{
    (void)state;
    for (int index = 0; index < 2; index++) {
        struct pair p;
        provided_pair(&p, 221, index);
        providers[index].silent = true;
        windows(&p, 2);
        world_check(&p.world, lane_both_active(&p.world));
        windows(&p, 2);
        world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_DEGRADED);
        world_check(&p.world, lane_state(p.server) == SW_EXPRESSLANE_INACTIVE);
        world_check(&p.world, lane_carries(&p));
        world_end(&p.world);
    }
}

static void test_a_provider_may_fail_for_two_windows(void **state)
{
    (void)state;
    for (int index = 0; index < 2; index++) {
        struct pair p;
        provided_pair(&p, 222, index);
        windows(&p, 2); /* beyond what a new lane is excused for */
        for (int round = 0; round < 3; round++) {
            providers[index].error = SW_EAGAIN;
            windows(&p, 2);
            providers[index].error = 0;
            windows(&p, 2);
            world_check(&p.world, lane_both_active(&p.world));
        }
        providers[index].error = SW_EAGAIN;
        windows(&p, 4);
        world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_DEGRADED);
        world_check(&p.world, lane_carries(&p));
        world_end(&p.world);
    }
}

static void test_a_peer_that_stops_reporting_degrades(void **state)
{
    (void)state;
    struct pair p;
    lane_pair(&p, 223, 0);
    windows(&p, 2);
    p.server->conn->lane.state = SW_EXPRESSLANE_INACTIVE; /* without a word */
    windows(&p, 2);
    world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_ACTIVE);
    windows(&p, 2);
    world_check(&p.world, lane_state(p.client) == SW_EXPRESSLANE_DEGRADED);
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_black_hole_for_flagged_packets_degrades),
        cmocka_unit_test(test_after_a_notice_there_is_silence_about_keys),
        cmocka_unit_test(test_a_server_that_asks_may_degrade_the_lane_too),
        cmocka_unit_test(test_an_outage_of_everything_is_one_bad_window),
        cmocka_unit_test(test_a_rotation_that_fails_costs_no_packet_and_comes_back),
        cmocka_unit_test(test_a_lane_in_use_is_checked_once_an_interval_busy_or_not),
        cmocka_unit_test(test_a_dead_server_is_noticed_with_the_lane_in_use),
        cmocka_unit_test(test_a_provider_that_counts_keeps_the_lane),
        cmocka_unit_test(test_a_provider_that_returns_zeros_degrades),
        cmocka_unit_test(test_a_provider_may_fail_for_two_windows),
        cmocka_unit_test(test_a_peer_that_stops_reporting_degrades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
