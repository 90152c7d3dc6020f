/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The fast lane between two engines (docs/protocol/expresslane.md §5-§9, §17, §19): how it comes to
 * be over networks that lose its frames, how its keys rotate, how it roams.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/lane_pair.h"

/* --- the exchange ------------------------------------------------------------------------------*/

static void test_lane_becomes_active_and_carries_everything(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 1, 0);
    lane_exchange(&p, 1000, SW_MILLISECOND);
    world_check(&p.world, p.good[0] == 1000 && p.good[1] == 1000 && p.bad == 0);
    for (int i = 0; i < 2; i++) {
        world_check(&p.world, lane_counters(&p.world.nodes[i])->expresslane_sent == 1000);
        world_check(&p.world, lane_counters(&p.world.nodes[i])->expresslane_received == 1000);
    }
    world_end(&p.world);
}

static bool knows(const struct node *node, const uint8_t key[SW_EXPRESSLANE_KEY_LEN])
{
    const struct sw_engine *engine = node->engine;

    for (size_t i = 0; i + SW_EXPRESSLANE_KEY_LEN <= sizeof engine->inbox; i++)
        if (memcmp(engine->inbox + i, key, SW_EXPRESSLANE_KEY_LEN) == 0 ||
            memcmp(engine->plain + i, key, SW_EXPRESSLANE_KEY_LEN) == 0)
            return true;
    return false;
}

static void test_keys_do_not_stay_in_the_buffers_they_came_through(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 1, 0);
    for (int i = 0; i < 2; i++) {
        const struct sw_expresslane *lane = &p.world.nodes[i].conn->lane;
        for (int j = 0; j < 2; j++) {
            world_check(&p.world, !knows(&p.world.nodes[j], lane->self.bytes));
            world_check(&p.world, !knows(&p.world.nodes[j], lane->peer.bytes));
        }
    }
    world_end(&p.world);
}

static void test_one_side_without_it_stays_on_dtls(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        struct pair p;
        lane_nodes(&p, 2, n == 0, n == 1, 0);
        world_check(&p.world, world_connect(p.client, p.server) != NULL);
        world_check(&p.world, world_run(&p.world, 5 * SW_SECOND, world_both_online));
        world_run(&p.world, 30 * SW_SECOND, NULL);
        world_check(&p.world, lane_carries(&p));
        for (int i = 0; i < 2; i++) {
            const struct sw_engine_counters *c = lane_counters(&p.world.nodes[i]);
            world_check(&p.world, c->expresslane_sent == 0);
            world_check(&p.world, c->expresslane_exchange_failed == 0);
        }
        world_check(&p.world, !lane_both_active(&p.world));
        world_end(&p.world);
    }
}

/* Swallows the first config frame of one node after it is Online. */
struct thief {
    unsigned node;
    bool done;
};

static bool steal_config(struct world *world, const struct sw_address *from,
                         const struct sw_address *to, uint8_t *bytes, size_t len)
{
    struct thief *thief = world->tap_data;
    const struct node *node = &world->nodes[thief->node];

    (void)to;
    (void)bytes;
    if (thief->done || node->online == 0 || len != CONFIG_DATAGRAM ||
        from->port != node->address.port)
        return true;
    thief->done = true;
    return false;
}

/* The pair that comes of it, and how long the lane took from both being Online. */
static sw_time robbed_pair(struct pair *p, unsigned node)
{
    struct thief thief = {.node = node};

    lane_nodes(p, 3, true, true, 0);
    p->world.tap = steal_config;
    p->world.tap_data = &thief;
    world_check(&p->world, world_connect(p->client, p->server) != NULL);
    world_check(&p->world, world_run(&p->world, 5 * SW_SECOND, world_both_online));
    const sw_time start = p->world.now;
    world_check(&p->world, world_run(&p->world, 5 * SW_SECOND, lane_both_active));
    world_check(&p->world, thief.done);
    p->world.tap = NULL;
    return p->world.now - start;
}

static void test_a_lost_first_offer_is_repeated(void **state)
{
    struct pair p;
    (void)state;
    const sw_time took = robbed_pair(&p, 1);
    world_check(&p.world, took >= 500 * SW_MILLISECOND && took < 540 * SW_MILLISECOND);
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

static void test_a_lost_acknowledgement_is_asked_for_again(void **state)
{
    struct pair p;
    (void)state;
    const sw_time took = robbed_pair(&p, 0);
    world_check(&p.world, took >= 480 * SW_MILLISECOND && took < 540 * SW_MILLISECOND);
    world_check(&p.world,
                p.server->key_changes == 2); /* one each way: the copy installed nothing */
    world_check(&p.world, p.server->conn->lane.previous.ready == NULL);
    world_check(&p.world, p.server->conn->lane.exchange == 1);
    world_check(&p.world, p.client->conn->lane.exchange == 1);
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

static void send_config(struct node *node, struct sw_conn *conn, uint8_t version, uint64_t counter)
{
    struct sw_frame frame = {
        .kind = SW_FRAME_EXPRESSLANE_CONFIG,
        .expresslane = {.version = version, .enabled = true, .counter = counter}};
    uint8_t bytes[64];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);

    memset(frame.expresslane.key, 0x66, sizeof frame.expresslane.key);
    assert_int_equal(sw_frame_encode(&w, &frame), 0);
    world_send_plain(node, conn, bytes, sw_writer_len(&w));
}

static bool server_was_asked(struct world *world)
{
    return world->nodes[0].authorised > 0;
}

static void test_an_offer_before_online_is_lost_without_harm(void **state)
{
    struct pair p;
    (void)state;
    lane_nodes(&p, 4, true, true, 0);
    p.server->verdict = SW_EPENDING;
    struct sw_conn *conn = world_connect(p.client, p.server);
    world_check(&p.world, conn != NULL && world_run(&p.world, SW_SECOND, server_was_asked));
    send_config(p.client, conn, 2, 7);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, p.server->closed + p.client->closed == 0);
    world_check(&p.world, p.server->conn->lane.peer_exchange == 0);
    world_check(&p.world, p.server->conn->lane.peer.ready == NULL);

    sw_conn_authorised(p.server->conn, 0, p.world.now);
    world_flush(p.server);
    world_check(&p.world, world_run(&p.world, 5 * SW_SECOND, lane_both_active));
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

static void test_a_peer_of_version_1_gets_version_1(void **state)
{
    struct pair p;
    (void)state;
    lane_nodes(&p, 5, true, true, 0);
    struct sw_conn *conn = world_connect(p.client, p.server);
    world_check(&p.world, conn != NULL);
    conn->lane.version = 1; /* what it will offer */
    world_check(&p.world, world_run(&p.world, 5 * SW_SECOND, lane_both_active));
    world_check(&p.world, p.server->conn->lane.version == 1 && conn->lane.version == 1);
    world_check(&p.world, lane_carries(&p));
    world_check(&p.world, lane_counters(p.server)->expresslane_received == 100);
    world_check(&p.world, lane_counters(p.client)->expresslane_received == 100);
    world_end(&p.world);
}

static bool server_is_online(struct world *world)
{
    return world->nodes[0].online > 0;
}

/* The weather turns bad just before the client offers its first key. */
static void test_lossy_network_still_gets_there_and_stays_up(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(50); seed++) {
        struct pair p;
        lane_nodes(&p, 100 + seed, true, true, SW_SECOND);
        world_check(&p.world, world_connect(p.client, p.server) != NULL);
        world_check(&p.world, world_run(&p.world, SW_SECOND, server_is_online));
        p.world.weather = (struct weather){.loss = 10,
                                           .duplicate = 10,
                                           .corrupt = seed % 5,
                                           .delay = 5 * SW_MILLISECOND,
                                           .jitter = 20 * SW_MILLISECOND};
        world_check(&p.world, world_run(&p.world, 25 * SW_SECOND, lane_both_active));
        lane_exchange(&p, 2000, 5 * SW_MILLISECOND); /* several rotations */
        world_check(&p.world, p.bad == 0);
        world_check(&p.world, p.good[0] <= 2000 && p.good[1] <= 2000);
        world_check(&p.world, p.good[0] >= 1600 && p.good[1] >= 1600);
        world_check(&p.world, p.server->conn->lane.exchange >= 2);
        world_end(&p.world);
    }
}

/* --- rotation ----------------------------------------------------------------------------------*/

static void test_keys_rotate_under_traffic_without_loss(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 6, SW_SECOND);
    p.world.weather.jitter = 20 * SW_MILLISECOND; /* old and new keys arrive mixed */
    lane_exchange(&p, 2000, 5 * SW_MILLISECOND);
    world_check(&p.world, p.good[0] == 2000 && p.good[1] == 2000 && p.bad == 0);
    world_check(&p.world, p.client->conn->lane.exchange >= 8);
    world_check(&p.world, p.server->conn->lane.exchange >= 8);
    for (int i = 0; i < 2; i++) {
        const struct sw_engine_counters *c = lane_counters(&p.world.nodes[i]);
        world_check(&p.world, c->expresslane_received == 2000);
        world_check(&p.world, c->expresslane_decrypt_failed + c->expresslane_replayed == 0);
    }
    world_end(&p.world);
}

static void test_idle_tunnel_does_not_rotate(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 7, SW_SECOND);
    world_run(&p.world, 60 * SW_SECOND, NULL);
    world_check(&p.world, p.client->conn->lane.exchange == 1);
    world_check(&p.world, p.server->conn->lane.exchange == 1);
    world_end(&p.world);
}

static void test_traffic_of_an_external_data_plane_rotates_both_ends(void **state)
{
    (void)state;
    for (int rx = 0; rx < 2; rx++) {
        struct pair p;
        lane_pair(&p, 8, SW_SECOND);
        world_run(&p.world, 5 * SW_SECOND, NULL);
        const sw_time before = p.server->conn->stats.last_received;
        sw_conn_expresslane_activity(p.server->conn, rx, p.world.now);
        world_flush(p.server);
        world_check(&p.world, p.server->conn->stats.last_received == (rx ? p.world.now : before));
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, p.server->conn->lane.exchange == 2);
        world_check(&p.world, p.client->conn->lane.exchange == 2);
        world_check(&p.world, !p.server->conn->lane.staged && !p.client->conn->lane.staged);
        world_check(&p.world, lane_carries(&p));
        world_end(&p.world);
    }
}

/* Only one side has anything to say, and what it says at first is lost. */
static void test_an_offer_made_by_a_packet_is_repeated_in_time(void **state)
{
    (void)state;
    for (int client = 0; client < 2; client++) {
        struct pair p;
        lane_pair(&p, 9, SW_SECOND);
        world_run(&p.world, 5 * SW_SECOND, NULL);
        p.world.weather.loss = 100;
        client ? lane_up(&p, 1) : lane_down(&p, 1);
        world_run(&p.world, 100 * SW_MILLISECOND, NULL);
        p.world.weather.loss = 0;
        struct node *node = client ? p.client : p.server;
        world_check(&p.world, node->conn->lane.staged);
        world_run(&p.world, 450 * SW_MILLISECOND, NULL);
        world_check(&p.world, node->conn->lane.exchange == 2 && !node->conn->lane.staged);
        world_end(&p.world);
    }
}

/* --- roaming -----------------------------------------------------------------------------------*/

static void test_client_may_roam_with_its_first_packet_on_the_lane(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 10, 0);
    lane_exchange(&p, 10, SW_MILLISECOND);
    const unsigned changes = p.server->key_changes;
    p.client->address.port = 51000;
    lane_exchange(&p, 100, SW_MILLISECOND);
    world_check(&p.world, p.server->floated == 1 && p.server->rotations == 1);
    world_check(&p.world, p.server->key_changes == changes + 1); /* the new address is told */
    world_check(&p.world, p.good[0] == 110 && p.good[1] >= 100);
    world_check(&p.world, lane_counters(p.server)->session_id_mismatch == 0);
    world_end(&p.world);
}

static void test_session_ids_and_keys_rotate_under_traffic_both_ways(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(20); seed++) {
        struct pair p;
        unsigned sent = 0;
        lane_pair(&p, 200 + seed, SW_SECOND);
        p.world.weather.jitter = 10 * SW_MILLISECOND;
        for (unsigned move = 0; move < 20; move++) {
            const struct sw_session_id before = sw_conn_session(p.client->conn);
            p.client->address.port = (uint16_t)(51000 + move);
            lane_up(&p, sent++);
            for (int i = 0; i < 100; i++) { /* the first ones while the new id is announced */
                world_run(&p.world, 2 * SW_MILLISECOND, NULL);
                lane_up(&p, sent);
                lane_down(&p, sent++);
            }
            world_check(&p.world, !sw_session_equal(sw_conn_session(p.client->conn), before));
        }
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, p.server->floated >= 20); /* late packets move it back and forth */
        world_check(&p.world, sw_session_equal(p.server->conn->rotation, SW_SESSION_EMPTY));
        world_check(&p.world, p.good[0] == sent && p.bad == 0);
        world_check(&p.world, p.good[1] >= 20 * 85); /* some went to where the client was */
        world_check(&p.world, sw_session_equal(sw_conn_session(p.client->conn),
                                               sw_conn_session(p.server->conn)));
        for (int i = 0; i < 2; i++) {
            const struct sw_engine_counters *c = lane_counters(&p.world.nodes[i]);
            world_check(&p.world, c->expresslane_decrypt_failed + c->expresslane_replayed == 0);
            world_check(&p.world, c->expresslane_degraded == 0);
        }
        world_end(&p.world);
    }
}

static void test_a_server_that_forgot_the_session_rejects_lane_packets(void **state)
{
    struct pair p;
    (void)state;
    lane_pair(&p, 11, 0);
    world_restart(p.server);
    lane_up(&p, 1);
    world_run(&p.world, 100 * SW_MILLISECOND, NULL);
    world_check(&p.world, lane_counters(p.server)->udp_rejected_session >= 1);
    world_check(&p.world, lane_counters(p.server)->conn_created == 0);
    world_check(&p.world, p.client->rejected_events >= 1 && p.good[0] == 0);
    world_end(&p.world);
}

/* --- callbacks that close ----------------------------------------------------------------------*/

static enum sw_expresslane_state close_at;
static unsigned after_closed;

static void close_on_state(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    if (node->closed > (event->type == SW_EVENT_CLOSED)) after_closed++;
    if (event->type == SW_EVENT_EXPRESSLANE && sw_conn_expresslane(conn) == close_at)
        sw_conn_close(conn, 0, node->world->now);
}

static void close_on_keys(void *user, struct sw_conn *conn, const struct sw_expresslane_keys *keys)
{
    struct node *node = user;

    (void)keys;
    if (node->closed > 0) after_closed++;
    sw_conn_close(conn, 0, node->world->now);
}

static void test_a_callback_may_close_the_connection(void **state)
{
    static const struct {
        int node;
        enum sw_expresslane_state at;
    } cases[] = {
        {0, SW_EXPRESSLANE_INACTIVE},
        {0, SW_EXPRESSLANE_ACTIVE},
        {1, SW_EXPRESSLANE_ACTIVE},
        {1, SW_EXPRESSLANE_DEGRADED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        lane_nodes(&p, 20, true, true, 0);
        struct node *node = &p.world.nodes[cases[i].node];
        node->event = close_on_state;
        close_at = cases[i].at;
        after_closed = 0;
        world_check(&p.world, world_connect(p.client, p.server) != NULL);
        world_run(&p.world, 15 * SW_SECOND, NULL);
        if (close_at == SW_EXPRESSLANE_DEGRADED) {
            world_check(&p.world, lane_both_active(&p.world));
            p.server->conn->lane.state = SW_EXPRESSLANE_INACTIVE; /* stops reporting */
            world_run(&p.world, 40 * SW_SECOND, NULL);
        }
        world_check(&p.world, node->closed == 1 && after_closed == 0);
        world_check(&p.world, p.server->closed == 1 && p.client->closed == 1);
        world_end(&p.world);
    }
    for (int i = 0; i < 2; i++) {
        struct pair p;
        lane_nodes(&p, 21, true, true, 0);
        struct node *node = &p.world.nodes[i];
        struct sw_callbacks callbacks = *node->config.callbacks;
        callbacks.expresslane_keys = close_on_keys;
        node->config.callbacks = &callbacks;
        world_restart(node);
        node->event = close_on_state;
        close_at = SW_EXPRESSLANE_DISABLED; /* never */
        after_closed = 0;
        world_check(&p.world, world_connect(p.client, p.server) != NULL);
        world_run(&p.world, 15 * SW_SECOND, NULL);
        world_check(&p.world, node->closed == 1 && after_closed == 0);
        world_end(&p.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lane_becomes_active_and_carries_everything),
        cmocka_unit_test(test_keys_do_not_stay_in_the_buffers_they_came_through),
        cmocka_unit_test(test_one_side_without_it_stays_on_dtls),
        cmocka_unit_test(test_a_lost_first_offer_is_repeated),
        cmocka_unit_test(test_a_lost_acknowledgement_is_asked_for_again),
        cmocka_unit_test(test_an_offer_before_online_is_lost_without_harm),
        cmocka_unit_test(test_a_peer_of_version_1_gets_version_1),
        cmocka_unit_test(test_lossy_network_still_gets_there_and_stays_up),
        cmocka_unit_test(test_keys_rotate_under_traffic_without_loss),
        cmocka_unit_test(test_idle_tunnel_does_not_rotate),
        cmocka_unit_test(test_traffic_of_an_external_data_plane_rotates_both_ends),
        cmocka_unit_test(test_an_offer_made_by_a_packet_is_repeated_in_time),
        cmocka_unit_test(test_client_may_roam_with_its_first_packet_on_the_lane),
        cmocka_unit_test(test_session_ids_and_keys_rotate_under_traffic_both_ways),
        cmocka_unit_test(test_a_server_that_forgot_the_session_rejects_lane_packets),
        cmocka_unit_test(test_a_callback_may_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
