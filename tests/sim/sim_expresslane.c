/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The fast lane between two engines (docs/protocol/expresslane.md §5-§9, §17, §19): how it comes to
 * be over networks that lose its frames, rotates, roams, carries superpackets, and what it makes of
 * packets that nobody can have sent.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/expected.h"
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

/* --- forgeries ---------------------------------------------------------------------------------*/

static uint8_t recorded[2048];
static size_t recorded_len;

static bool record_flagged(struct world *world, const struct sw_address *from,
                           const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    if (lane_is_flagged(bytes, len) && recorded_len == 0) {
        memcpy(recorded, bytes, len);
        recorded_len = len;
    }
    return true;
}

/* A pair of which the client's first lane packet is known. */
static void recorded_pair(struct pair *p, uint64_t seed, uint8_t version)
{
    lane_nodes(p, seed, true, true, 0);
    struct sw_conn *conn = world_connect(p->client, p->server);
    world_check(&p->world, conn != NULL);
    conn->lane.version = version;
    world_check(&p->world, world_run(&p->world, 5 * SW_SECOND, lane_both_active));
    recorded_len = 0;
    p->world.tap = record_flagged;
    lane_up(p, 7);
    world_run(&p->world, SW_SECOND, NULL);
    world_check(&p->world, recorded_len > 0 && p->good[0] == 1);
}

static void test_replayed_and_altered_packets_are_refused(void **state)
{
    struct pair p;
    (void)state;
    recorded_pair(&p, 12, 2);
    const struct sw_engine_counters *c = lane_counters(p.server);
    unsigned forged = 0;

    world_inject(&p.world, &p.client->address, &p.server->address, recorded, recorded_len);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, c->expresslane_replayed == 1);
    for (size_t i = 16; i < recorded_len; i++) { /* any byte from the counter on */
        uint8_t copy[2048];
        memcpy(copy, recorded, recorded_len);
        copy[16 + 7] = 200; /* a fresh counter */
        copy[i] ^= 0x10;
        world_inject(&p.world, &p.client->address, &p.server->address, copy, recorded_len);
        forged++;
    }
    struct sw_address elsewhere = p.client->address;
    elsewhere.port = 9;
    world_inject(&p.world, &elsewhere, &p.server->address, recorded, recorded_len);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, p.good[0] == 1 && p.bad == 0);
    world_check(&p.world, p.server->floated == 0);
    world_check(&p.world, c->expresslane_replayed == 2);
    world_check(&p.world, c->expresslane_decrypt_failed + c->expresslane_malformed == forged);
    world_check(&p.world, c->expresslane_malformed > 0); /* it said that it is longer */
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

/* R4, R6: an on-path attacker sets the encoded bit of a packet that has not arrived yet. */
static void test_a_flipped_encoded_bit_costs_one_packet_at_most(void **state)
{
    (void)state;
    for (uint8_t version = 1; version <= 2; version++) {
        struct pair p;
        recorded_pair(&p, 13, version);
        const struct sw_engine_counters *c = lane_counters(p.server);

        p.server->conn->lane.window = (struct sw_replay_window){0}; /* as if it had not */
        recorded[54] ^= 0x80;
        world_inject(&p.world, &p.client->address, &p.server->address, recorded, recorded_len);
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, c->drop_encoded == (version == 1));
        world_check(&p.world, c->expresslane_decrypt_failed == (version == 2));
        world_check(&p.world, p.good[0] == 1 && p.bad == 0);
        world_check(&p.world, p.server->closed + p.client->closed == 0);
        world_check(&p.world, lane_carries(&p));
        world_end(&p.world);
    }
}

static void test_a_flagged_stranger_gets_no_connection(void **state)
{
    struct pair p;
    (void)state;
    recorded_pair(&p, 14, 2);
    const struct sw_engine_counters *c = lane_counters(p.server);
    const struct sw_address stranger = world_stranger(1, 1000);
    const uint64_t datagrams = p.world.datagrams_from[0];

    memset(recorded + 8, 0, 8); /* R15: the zero session id */
    world_inject(&p.world, &stranger, &p.server->address, recorded, recorded_len);
    world_inject(&p.world, &stranger, &p.server->address, recorded, SW_HEADER_LEN);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, c->conn_created == 1 && c->hello_refused == 2);
    world_check(&p.world, p.world.datagrams_from[0] == datagrams);
    world_end(&p.world);
}

/* Seals with the client's key what its engine would not. */
static void inject_sealed(struct pair *p, const uint8_t *text, size_t len)
{
    struct sw_conn *conn = p->client->conn;
    uint8_t datagram[256];

    sw_expresslane_seal(conn, text, len, NULL, 0, datagram);
    world_inject(&p->world, &p->client->address, &p->server->address, datagram,
                 sw_lane_datagram_len(len));
    world_run(&p->world, 100 * SW_MILLISECOND, NULL);
}

static void test_what_is_no_ipv4_packet_is_opened_and_dropped(void **state)
{
    struct pair p;
    uint8_t text[100] = {0x60};
    (void)state;
    lane_pair(&p, 15, 0);
    const struct sw_engine_counters *c = lane_counters(p.server);
    inject_sealed(&p, text, 0);
    inject_sealed(&p, text, sizeof text);
    text[0] = 0x45;
    inject_sealed(&p, text, sizeof text);
    world_check(&p.world, c->expresslane_received == 3 && c->drop_invalid_inside_packet == 3);
    world_check(&p.world, p.server->inside_count == 0);
    world_check(&p.world, lane_carries(&p));
    world_end(&p.world);
}

/* --- sending -----------------------------------------------------------------------------------*/

/* An outside MTU leaves less for packets of the lane than for records. */
static void test_what_is_too_long_for_the_lane_takes_dtls(void **state)
{
    struct pair p;
    uint8_t packet[1400];
    (void)state;
    lane_nodes(&p, 16, true, true, 0);
    p.client->config.outside_mtu = 1400;
    world_restart(p.client);
    world_check(&p.world, world_connect(p.client, p.server) != NULL);
    world_check(&p.world, world_run(&p.world, 5 * SW_SECOND, lane_both_active));
    struct tape tape = {0};
    p.world.tape = &tape;
    for (size_t len = 1300; len <= 1331; len++)
        world_send(p.client, p.client->conn, packet,
                   world_packet(packet, TUN_IP, REMOTE_IP, 1, len - 32));
    world_run(&p.world, SW_SECOND, NULL);
    p.world.tape = NULL;
    world_check(&p.world, p.good[0] == 32 && p.bad == 0);
    world_check(&p.world, lane_counters(p.client)->expresslane_sent == 1316 - 1300 + 1);
    for (size_t i = 0; i < tape.count; i++)
        world_check(&p.world, tape.items[i].len <= 1400 - 28);
    tape_free(&tape);
    world_end(&p.world);
}

static const struct {
    size_t payload;
    uint16_t gso_size;
} shapes[] = {
    {SUPERPACKET_MAX - TCP_HEADERS, 1310},
    {60000, 1376},
    {65000, 50},
    {1310, 1310},
    {1311, 1310},
    {2619, 1310},
    {1, 1310},
    {46 * 1310, 1310},
    {60000, 1391},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

static void test_superpackets_are_sealed_segment_by_segment(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct pair p;
    struct expected at_client = {0}, at_server = {0};
    unsigned by_dtls = 0;

    (void)state;
    lane_pair(&p, 17, 0);
    expect_at(p.client, &at_client);
    expect_at(p.server, &at_server);
    for (uint32_t i = 0; i < SHAPES; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, shapes[i].payload, shapes[i].gso_size, i);
        unsigned segments = expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
        if (shapes[i].gso_size == 1391) by_dtls += segments; /* 1431 bytes: too long */
        world_check(&p.world, sw_conn_send(p.server->conn, &packet, p.world.now) == 0);
        world_flush(p.server);

        packet = superpacket(bytes, TUN_IP, TUN_DNS_IP, shapes[i].payload, shapes[i].gso_size, i);
        expect_segments(&at_server, &packet, POOL_FIRST_IP, DNS_IP);
        world_check(&p.world, sw_conn_send(p.client->conn, &packet, p.world.now) == 0);
        world_flush(p.client);
        world_run(&p.world, SW_SECOND / 10, NULL);
        world_check(&p.world, all_arrived(&at_client) && all_arrived(&at_server));
    }
    for (int i = 0; i < 2; i++) {
        const struct sw_engine_counters *c = lane_counters(&p.world.nodes[i]);
        world_check(&p.world, c->expresslane_sent == at_client.count - by_dtls);
        world_check(&p.world, c->expresslane_received == at_client.count - by_dtls);
        world_check(&p.world, c->inside_to_tunnel == at_client.count);
    }
    free(at_client.bytes);
    free(at_server.bytes);
    world_end(&p.world);
}

static void test_equal_segments_leave_as_one_message(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct pair p;

    (void)state;
    lane_pair(&p, 18, 0);
    struct sw_inside_packet packet =
        superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 46 * 1310 + 7, 1310, 1);
    const size_t datagram = sw_lane_datagram_len(TCP_HEADERS);
    world_check(&p.world, sw_conn_send(p.server->conn, &packet, p.world.now) == 0);
    world_check(&p.world, p.server->batch->count == 1);
    world_check(&p.world, p.server->batch->chunks[0].count == 47);
    world_check(&p.world, p.server->batch->chunks[0].stride == datagram + 1310);
    world_check(&p.world, p.server->batch->len == 46 * (datagram + 1310) + datagram + 7);
    world_flush(p.server);
    world_end(&p.world);
}

static void test_a_full_batch_stops_between_segments_and_loses_none(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];

    (void)state;
    for (unsigned seed = 0; seed < world_seeds(20); seed++) {
        struct pair p;
        struct expected at_client = {0};
        unsigned stopped = 0;

        lane_pair(&p, 300 + seed, 0);
        expect_at(p.client, &at_client);
        for (uint32_t i = 0; i < 40; i++) {
            struct sw_inside_packet packet =
                superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 1 + world_random(&p.world, 65495),
                            (uint16_t)(100 + world_random(&p.world, 1276)), i);
            expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
            p.server->flush_blocked = true;
            for (int r; (r = sw_conn_send(p.server->conn, &packet, p.world.now)) != 0; stopped++) {
                world_check(&p.world, r == SW_EAGAIN);
                const unsigned next = packet.next;
                const uint64_t sent = p.server->conn->lane.sent;
                world_check(&p.world,
                            sw_conn_send(p.server->conn, &packet, p.world.now) == SW_EAGAIN);
                world_check(&p.world, packet.next == next);
                world_check(&p.world, p.server->conn->lane.sent == sent); /* no counter is burnt */
                p.server->flush_blocked = world_random(&p.world, 2) == 0;
                world_flush(p.server);
            }
            if (world_random(&p.world, 4) == 0) world_run(&p.world, SW_MILLISECOND, NULL);
        }
        p.server->flush_blocked = false;
        world_flush(p.server);
        world_run(&p.world, SW_SECOND, NULL);
        world_check(&p.world, stopped > 0 && all_arrived(&at_client));
        world_check(&p.world, p.server->conn->lane.sent == at_client.count);
        free(at_client.bytes);
        world_end(&p.world);
    }
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
        cmocka_unit_test(test_replayed_and_altered_packets_are_refused),
        cmocka_unit_test(test_a_flipped_encoded_bit_costs_one_packet_at_most),
        cmocka_unit_test(test_a_flagged_stranger_gets_no_connection),
        cmocka_unit_test(test_what_is_no_ipv4_packet_is_opened_and_dropped),
        cmocka_unit_test(test_what_is_too_long_for_the_lane_takes_dtls),
        cmocka_unit_test(test_superpackets_are_sealed_segment_by_segment),
        cmocka_unit_test(test_equal_segments_leave_as_one_message),
        cmocka_unit_test(test_a_full_batch_stops_between_segments_and_loses_none),
        cmocka_unit_test(test_a_callback_may_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
