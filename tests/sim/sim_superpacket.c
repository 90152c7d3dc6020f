/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Superpackets through the tunnel (docs/offload.md A.5, A.9, part F): the other end sees exactly
 * the segments, whole and once, whatever room the batch or the stream has; and packets that do not
 * fit are answered.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/expected.h"
#include "tests/sim/stream.h"
#include "tests/sim/superpacket.h"

static const struct {
    size_t payload;
    uint16_t gso_size;
} shapes[] = {
    {SUPERPACKET_MAX - TCP_HEADERS, 1310},
    {60000, 1391},
    {65000, 50},
    {1310, 1310},
    {1311, 1310},
    {2619, 1310},
    {1, 1310},
    {46 * 1310, 1310},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

static void test_the_client_gets_the_segments_of_a_superpacket(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;
    struct expected at_client = {0}, at_server = {0};

    (void)state;
    world_pair(&world, 1, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    expect_at(client, &at_client);
    expect_at(server, &at_server);
    for (uint32_t i = 0; i < SHAPES; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, shapes[i].payload, shapes[i].gso_size, i);
        expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
        world_check(&world, sw_conn_send(server->conn, &packet, world.now) == 0);
        world_flush(server);

        packet = superpacket(bytes, TUN_IP, TUN_DNS_IP, shapes[i].payload, shapes[i].gso_size, i);
        expect_segments(&at_server, &packet, POOL_FIRST_IP, DNS_IP);
        world_check(&world, sw_conn_send(client->conn, &packet, world.now) == 0);
        world_flush(client);
        world_run(&world, SW_SECOND / 10, NULL);
        world_check(&world, all_arrived(&at_client) && all_arrived(&at_server));
    }
    const struct sw_engine_counters *c = sw_engine_counters(server->engine);
    world_check(&world, c->superpackets == SHAPES && c->superpacket_segments == at_client.count);
    world_check(&world, c->inside_to_tunnel == at_client.count);
    world_check(&world, c->inside_to_tunnel_bytes == at_client.len);
    free(at_client.bytes);
    free(at_server.bytes);
    world_end(&world);
}

static void test_equal_segments_leave_as_few_uniform_messages(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;

    (void)state;
    world_pair(&world, 2, &(struct client_options){0});
    struct node *server = &world.nodes[0];
    struct sw_inside_packet packet =
        superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 46 * 1310 + 7, 1310, 1);
    const size_t datagram = SW_HEADER_LEN + SW_DTLS_OVERHEAD + SW_FRAME_DATA_OVERHEAD + TCP_HEADERS;
    world_check(&world, sw_conn_send(server->conn, &packet, world.now) == 0);
    world_check(&world, server->batch->count == 1);
    world_check(&world, server->batch->chunks[0].count == 47);
    world_check(&world, server->batch->chunks[0].stride == datagram + 1310);
    world_check(&world, server->batch->len == 46 * (datagram + 1310) + datagram + 7);
    world_flush(server);
    world_end(&world);
}

static void test_a_full_batch_stops_between_segments_and_loses_none(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];

    (void)state;
    for (unsigned seed = 0; seed < 50; seed++) {
        struct world world;
        struct expected at_client = {0};
        unsigned stopped = 0;

        world_pair(&world, 100 + seed, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        expect_at(client, &at_client);
        for (uint32_t i = 0; i < 40; i++) {
            struct sw_inside_packet packet =
                superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 1 + world_random(&world, 65495),
                            (uint16_t)(100 + world_random(&world, 1290)), i);
            expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
            server->flush_blocked = true;
            for (int r; (r = sw_conn_send(server->conn, &packet, world.now)) != 0; stopped++) {
                world_check(&world, r == SW_EAGAIN);
                unsigned next = packet.next;
                world_check(&world, sw_conn_send(server->conn, &packet, world.now) == SW_EAGAIN);
                world_check(&world, packet.next == next); /* asking again changes nothing */
                server->flush_blocked = world_random(&world, 2) == 0;
                world_flush(server);
            }
            if (world_random(&world, 4) == 0) world_run(&world, SW_MILLISECOND, NULL);
        }
        server->flush_blocked = false;
        world_flush(server);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, stopped > 0 && all_arrived(&at_client));
        world_check(&world, sw_engine_counters(server->engine)->superpackets == 40);
        free(at_client.bytes);
        world_end(&world);
    }
}

static void test_superpackets_travel_on_streams_too(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    static const size_t chunks[] = {1, 100, 1448, 65536};

    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        struct world world;
        struct stream stream;
        struct expected at_client = {0}, at_server = {0};

        world_init(&world, 200 + n);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){.cipher = n & 1});
        stream_open(&stream, server, client, chunks[n]);
        world_check(&world, world_run(&world, SW_SECOND, world_both_online));
        expect_at(client, &at_client);
        expect_at(server, &at_server);
        for (uint32_t i = 0; i < SHAPES; i++) {
            struct sw_inside_packet packet = superpacket(bytes, REMOTE_IP, POOL_FIRST_IP,
                                                         shapes[i].payload, shapes[i].gso_size, i);
            unsigned segments = expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
            uint64_t before = stream.carried[STREAM_SERVER];
            world_check(&world, sw_conn_send(server->conn, &packet, world.now) == 0);
            stream_pump(&stream);
            /* many frames per record: 22 bytes for each 16 KiB, not for each packet */
            size_t plain = shapes[i].payload + segments * (size_t)(TCP_HEADERS + 3);
            world_check(&world,
                        stream.carried[STREAM_SERVER] - before <= plain + 22 * (plain / 8192 + 1));

            packet =
                superpacket(bytes, TUN_IP, REMOTE_IP, shapes[i].payload, shapes[i].gso_size, i);
            expect_segments(&at_server, &packet, POOL_FIRST_IP, REMOTE_IP);
            world_check(&world, sw_conn_send(client->conn, &packet, world.now) == 0);
            stream_pump(&stream);
            world_check(&world, all_arrived(&at_client) && all_arrived(&at_server));
        }
        free(at_client.bytes);
        free(at_server.bytes);
        stream_free(&stream);
        world_end(&world);
    }
}

/* Keeps the last packet that a TUN was given. */
static uint8_t last[2000];
static size_t last_len;

static void keep(struct node *node, uint8_t *packet, size_t len)
{
    (void)node;
    assert_true(len <= sizeof last);
    memcpy(last, packet, len);
    last_len = len;
}

/* A packet of 64 KiB on the narrowest of ways: more fragments than a receiver need keep. */
static void test_a_packet_that_cannot_be_carried_is_answered(void **state)
{
    const size_t data = 576 - 44 - 25, fragment = 488;
    static uint8_t packet[65535];
    struct world world;

    (void)state;
    world_init(&world, 4);
    struct node *server = world_server(&world, true);
    struct node *client = world_client(&world, &(struct client_options){0});
    client->config.outside_mtu = 576;
    world_restart(client);
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    const struct sw_engine_counters *c = sw_engine_counters(client->engine);
    client->inside = keep;
    last_len = 0;
    world_send(client, client->conn, packet,
               world_packet(packet, TUN_IP, REMOTE_IP, 1, 64 * fragment + 1 - 32));
    world_check(&world, c->drop_oversize == 1 && c->inside_fragmented == 0);
    world_check(&world, last_len == 56 && plain_packet_ok(last, last_len));
    world_check(&world, sw_get_be32(last + 12) == REMOTE_IP && sw_get_be32(last + 16) == TUN_IP);
    world_check(&world, last[20] == 3 && last[21] == 4 && sw_get_be16(last + 26) == data);
    world_check(&world, memcmp(last + 28, packet, 28) == 0);
    world_send(client, client->conn, packet,
               world_packet(packet, TUN_IP, REMOTE_IP, 1, 64 * fragment - 32));
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, c->drop_oversize == 1 && c->fragments_sent == 64);
    world_check(&world, server->inside_count == 1);
    world_end(&world);
}

static void test_what_is_no_packet_is_counted_and_dropped(void **state)
{
    struct world world;
    uint8_t packet[200];

    (void)state;
    world_pair(&world, 4, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    const struct sw_engine_counters *c = sw_engine_counters(server->engine);
    uint64_t before = client->inside_count;

    memset(packet, 0, sizeof packet);
    world_send(server, server->conn, packet, 0);
    world_send(server, server->conn, packet, 1);
    world_send(server, server->conn, packet, sizeof packet);
    packet[0] = 0x60; /* IPv6 */
    world_send(server, server->conn, packet, sizeof packet);
    size_t len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 50);
    packet[0] = 0x44; /* header of 16 bytes */
    world_send(server, server->conn, packet, len);
    packet[0] = 0x45;
    world_send(server, server->conn, packet, len - 1); /* cut off */
    world_check(&world, c->drop_invalid_packet == 6);

    struct sw_inside_packet lie = {.data = packet, .len = len, .vnet = {.gso_type = SW_GSO_TCPV4}};
    world_check(&world, sw_conn_send(server->conn, &lie, world.now) == 0);
    uint64_t refused = 0;
    for (int i = 0; i < SW_REFUSALS; i++)
        refused += c->drop_segmenter[i];
    world_check(&world, refused == 1);

    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, client->inside_count == before && c->inside_to_tunnel == 0);
    memset(packet + len, 0xee, 20); /* what follows the packet is not part of it */
    world_send(server, server->conn, packet, len + 20);
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, client->inside_count == before + 1);
    world_check(&world, c->inside_to_tunnel_bytes == len);
    world_end(&world);
}

static void test_a_needed_checksum_is_completed_before_translation(void **state)
{
    struct world world;
    uint8_t packet[200];
    struct expected at_client = {0};

    (void)state;
    world_pair(&world, 5, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    size_t len = world_packet(packet, REMOTE_IP, TUN_IP, 9, 50);
    expect(&at_client, packet, len);
    expect_at(client, &at_client);
    len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 9, 50);
    uint16_t sum = sw_sum_fold(sw_sum_pseudo_ip4(packet, 17, len - 20));
    memcpy(packet + 26, &sum, 2);
    struct sw_inside_packet inside = {
        .data = packet,
        .len = len,
        .vnet = {.flags = SW_VNET_NEEDS_CSUM, .csum_start = 20, .csum_offset = 6}};
    world_check(&world, sw_conn_send(server->conn, &inside, world.now) == 0);
    world_flush(server);
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, all_arrived(&at_client));
    world_check(&world, sw_engine_counters(server->engine)->checksums_completed == 1);
    free(at_client.bytes);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_client_gets_the_segments_of_a_superpacket),
        cmocka_unit_test(test_equal_segments_leave_as_few_uniform_messages),
        cmocka_unit_test(test_a_full_batch_stops_between_segments_and_loses_none),
        cmocka_unit_test(test_superpackets_travel_on_streams_too),
        cmocka_unit_test(test_a_packet_that_cannot_be_carried_is_answered),
        cmocka_unit_test(test_what_is_no_packet_is_counted_and_dropped),
        cmocka_unit_test(test_a_needed_checksum_is_completed_before_translation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
