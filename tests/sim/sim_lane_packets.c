/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Packets of the fast lane (docs/protocol/expresslane.md §7, §8, §17, §19): what it makes of those
 * that nobody can have sent, which ones it leaves to DTLS, and superpackets, segment by segment.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/expected.h"
#include "tests/sim/lane_pair.h"

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

    memcpy(datagram + SW_LANE_TEXT, text, len);
    sw_expresslane_seal(conn, datagram, len, false);
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
    {60000, 1391}, /* longer than the lane takes: cut smaller */
};
#define LANE_GSO_SIZE_MAX (1416 - TCP_HEADERS)
#define SHAPES            (sizeof shapes / sizeof shapes[0])

static void test_superpackets_are_sealed_segment_by_segment(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct pair p;
    struct expected at_client = {0}, at_server = {0};

    (void)state;
    lane_pair(&p, 17, 0);
    expect_at(p.client, &at_client);
    expect_at(p.server, &at_server);
    for (uint32_t i = 0; i < SHAPES; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, shapes[i].payload, shapes[i].gso_size, i);
        struct sw_inside_packet cut = packet;
        if (cut.vnet.gso_size > LANE_GSO_SIZE_MAX) cut.vnet.gso_size = LANE_GSO_SIZE_MAX;
        expect_segments(&at_client, &cut, REMOTE_IP, TUN_IP);
        world_check(&p.world, sw_conn_send(p.server->conn, &packet, p.world.now) == 0);
        world_flush(p.server);

        packet = superpacket(bytes, TUN_IP, TUN_DNS_IP, shapes[i].payload, shapes[i].gso_size, i);
        cut.data = packet.data;
        expect_segments(&at_server, &cut, POOL_FIRST_IP, DNS_IP);
        world_check(&p.world, sw_conn_send(p.client->conn, &packet, p.world.now) == 0);
        world_flush(p.client);
        world_run(&p.world, SW_SECOND / 10, NULL);
        world_check(&p.world, all_arrived(&at_client) && all_arrived(&at_server));
    }
    for (int i = 0; i < 2; i++) {
        const struct sw_engine_counters *c = lane_counters(&p.world.nodes[i]);
        world_check(&p.world, c->expresslane_sent == at_client.count);
        world_check(&p.world, c->expresslane_received == at_client.count);
        world_check(&p.world, c->inside_to_tunnel == at_client.count);
        world_check(&p.world, c->superpackets_recut == 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replayed_and_altered_packets_are_refused),
        cmocka_unit_test(test_a_flipped_encoded_bit_costs_one_packet_at_most),
        cmocka_unit_test(test_a_flagged_stranger_gets_no_connection),
        cmocka_unit_test(test_what_is_no_ipv4_packet_is_opened_and_dropped),
        cmocka_unit_test(test_what_is_too_long_for_the_lane_takes_dtls),
        cmocka_unit_test(test_superpackets_are_sealed_segment_by_segment),
        cmocka_unit_test(test_equal_segments_leave_as_one_message),
        cmocka_unit_test(test_a_full_batch_stops_between_segments_and_loses_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
