/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Inside plugins (docs/protocol/session.md §15): order of the chain, what each verdict does on
 * either transport, superpackets seen once, packets that change and grow, and the source guard. No
 * verdict ever ends a connection. Outside plugins: sim_plugin_outside.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/offload/checksum.h"
#include "tests/sim/plugin_rig.h"
#include "tests/sim/superpacket.h"

/* --- inside ------------------------------------------------------------------------------------*/

static void test_ingress_walks_the_list_and_egress_walks_it_back(void **state)
{
    struct line line;
    uint8_t packet[200];

    (void)state;
    reset();
    line_nodes(&line, 1, false);
    line.client->config.inside_plugins = (struct sw_plugin_list){three, 3};
    line_connect(&line);
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 50));
    assert_string_equal(order, "abc");
    line_send(&line, line.server, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 50));
    assert_string_equal(order, "abccba");
    world_check(&line.world, tolds[0].opened == 1 && tolds[2].opened == 1);

    memset(order, 0, sizeof order);
    tolds[1].in = SW_PLUGIN_DROP; /* the first that does not accept ends the walk */
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 50));
    assert_string_equal(order, "ab");
    tolds[1].out = SW_PLUGIN_DROP;
    line_send(&line, line.server, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 50));
    assert_string_equal(order, "abcb");
    world_check(&line.world, sw_engine_counters(line.client->engine)->plugin_dropped == 2);
    line_end(&line);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tolds[i].closed, 1);
}

/* What each verdict does with a packet going in (from the TUN) and out (to the TUN) at a node. */
static void check_verdicts(bool is_stream, bool at_server)
{
    struct line line;
    uint8_t packet[200];

    reset();
    line_nodes(&line, 10 + is_stream, is_stream);
    struct node *node = at_server ? line.server : line.client;
    struct node *far = at_server ? line.client : line.server;
    node->config.inside_plugins = (struct sw_plugin_list){three, 1};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(node->engine);
    const uint32_t own = at_server ? REMOTE_IP : TUN_IP, to = at_server ? POOL_FIRST_IP : REMOTE_IP;
    const uint32_t far_own = at_server ? TUN_IP : REMOTE_IP;
    const uint32_t far_to = at_server ? REMOTE_IP : POOL_FIRST_IP;
    const enum sw_plugin_verdict silent[] = {SW_PLUGIN_DROP, SW_PLUGIN_ERROR};

    for (int i = 0; i < 2; i++) {
        uint64_t before = node->inside_count + far->inside_count;
        tolds[0].in = silent[i];
        line_send(&line, node, packet, world_packet(packet, own, to, 1, 50));
        tolds[0].in = SW_PLUGIN_ACCEPT;
        tolds[0].out = silent[i];
        line_send(&line, far, packet, world_packet(packet, far_own, far_to, 1, 50));
        tolds[0].out = SW_PLUGIN_ACCEPT;
        world_check(&line.world, node->inside_count + far->inside_count == before);
    }
    world_check(&line.world, c->plugin_dropped == 2 && c->plugin_failed == 2);
    world_check(&line.world, line_carries(&line));

    /* A reply goes to where the packet came from, with the addresses that this end knows. */
    struct expected back = {0};
    expect_at(node, &back);
    expect(&back, packet, world_packet(packet, to, own, 7, 50));
    tolds[0].in = SW_PLUGIN_REPLY;
    line_send(&line, node, packet, world_packet(packet, own, to, 7, 50));
    tolds[0].in = SW_PLUGIN_ACCEPT;
    world_check(&line.world, all_arrived(&back));
    node->inside = NULL;
    free(back.bytes);

    back = (struct expected){0};
    expect_at(far, &back);
    expect(&back, packet, world_packet(packet, far_to, far_own, 8, 50));
    uint64_t inside = node->inside_count;
    tolds[0].out = SW_PLUGIN_REPLY;
    line_send(&line, far, packet, world_packet(packet, far_own, far_to, 8, 50));
    tolds[0].out = SW_PLUGIN_ACCEPT;
    world_check(&line.world, all_arrived(&back) && node->inside_count == inside);
    free(back.bytes);
    far->inside = NULL;
    world_check(&line.world, c->plugin_replied == 2);
    world_check(&line.world, line_carries(&line));
    line_end(&line);
}

static void test_no_verdict_on_an_inside_packet_ends_a_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        check_verdicts((i & 1) != 0, (i & 2) != 0);
}

static void test_a_superpacket_is_shown_once_and_whole(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct line line;
    struct expected at_client = {0};

    (void)state;
    reset();
    line_nodes(&line, 20, false);
    line.server->config.inside_plugins = (struct sw_plugin_list){three, 1};
    line_connect(&line);
    expect_at(line.client, &at_client);
    struct sw_inside_packet packet =
        superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 46 * 1310 + 7, 1310, 1);
    expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
    world_check(&line.world, sw_conn_send(line.server->conn, &packet, line.world.now) == 0);
    world_flush(line.server);
    world_run(&line.world, SW_SECOND, NULL);
    world_check(&line.world, all_arrived(&at_client) && at_client.count == 47);
    world_check(&line.world, tolds[0].ins == 1 && tolds[0].longest == packet.len);
    free(at_client.bytes);
    line_end(&line);
}

/* --- a plugin that changes packets: each gets four bytes more --------------------------------- */

static enum sw_plugin_verdict lengthen(void *instance, struct sw_conn *conn,
                                       struct sw_plugin_buffer *buffer)
{
    (void)conn;
    if (buffer->room - buffer->len < 4) return SW_PLUGIN_ERROR;
    memcpy(buffer->data + buffer->len, "tail", 4);
    buffer->len += 4;
    if (instance != NULL) return SW_PLUGIN_ACCEPT; /* told to leave the header as it is */
    sw_put_be16(buffer->data + 2, (uint16_t)buffer->len);
    sw_checksum_ip4_header(buffer->data, 20);
    return SW_PLUGIN_ACCEPT;
}

static const struct sw_plugin tail = {
    .name = "tail", .grows = 4, .ingress = lengthen, .egress = lengthen};
static const struct sw_plugin *const tails[] = {&tail, &tail};

static uint8_t last[2000];
static size_t last_len;

static void keep(struct node *node, uint8_t *packet, size_t len)
{
    (void)node;
    assert_true(len <= sizeof last);
    memcpy(last, packet, len);
    last_len = len;
}

static void test_a_packet_may_grow_where_it_has_room(void **state)
{
    struct line line;
    uint8_t packet[1500];

    (void)state;
    line_nodes(&line, 30, false);
    line.client->config.inside_plugins = (struct sw_plugin_list){tails, 2};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(line.client->engine);
    line.server->inside = line.client->inside = keep;

    size_t len = world_packet(packet, TUN_IP, REMOTE_IP, 1, 50);
    struct sw_inside_packet inside = {.data = packet, .len = len, .room = sizeof packet};
    world_check(&line.world, sw_conn_send(line.client->conn, &inside, line.world.now) == 0);
    world_flush(line.client);
    world_run(&line.world, SW_SECOND, NULL);
    world_check(&line.world, last_len == len + 8 && memcmp(last + len, "tailtail", 8) == 0);

    last_len = 0; /* towards the TUN the engine makes the room */
    line_send(&line, line.server, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 50));
    world_check(&line.world, last_len == len + 8 && memcmp(last + len, "tailtail", 8) == 0);

    last_len = 0; /* a caller who gives none */
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 50));
    world_check(&line.world, last_len == 0 && c->plugin_failed == 1);

    /* grown beyond what one datagram carries */
    inside = (struct sw_inside_packet){
        .data = packet,
        .len = world_packet(packet, TUN_IP, REMOTE_IP, 1, 1431 - 32),
        .room = sizeof packet,
    };
    world_check(&line.world, sw_conn_send(line.client->conn, &inside, line.world.now) == 0);
    world_flush(line.client);
    world_run(&line.world, SW_SECOND, NULL);
    world_check(&line.world, last_len == 1431 + 8 && c->inside_fragmented == 1);
    line_end(&line);
}

static void test_a_packet_may_not_grow_beyond_one_record_of_a_stream(void **state)
{
    static uint8_t packet[SW_TLS_RECORD_MAX + 100];
    const size_t most = SW_TLS_RECORD_MAX - SW_FRAME_DATA_OVERHEAD;
    struct line line;

    (void)state;
    line_nodes(&line, 32, true);
    line.client->config.inside_plugins = (struct sw_plugin_list){tails, 2};
    line_connect(&line);
    for (size_t over = 0; over < 2; over++) {
        size_t len = world_packet(packet, TUN_IP, REMOTE_IP, 1, most - 8 - 32 + over);
        struct sw_inside_packet inside = {.data = packet, .len = len, .room = sizeof packet};
        world_check(&line.world, sw_conn_send(line.client->conn, &inside, line.world.now) == 0);
        stream_pump(&line.stream);
        world_check(&line.world, line.server->inside_count == 1);
        world_check(&line.world, sw_engine_counters(line.client->engine)->drop_oversize == over);
    }
    line_end(&line);
}

static enum sw_plugin_verdict spoil(void *instance, struct sw_conn *conn,
                                    struct sw_plugin_buffer *buffer)
{
    (void)conn;
    buffer->data[0] = 0x60;
    return *(const enum sw_plugin_verdict *)instance;
}

static void test_a_packet_spoiled_by_a_plugin_is_counted_and_dropped(void **state)
{
    enum sw_plugin_verdict verdict = SW_PLUGIN_ACCEPT;
    const struct sw_plugin spoiler = {
        .name = "spoil", .user = &verdict, .ingress = spoil, .egress = spoil};
    const struct sw_plugin *const spoilers[] = {&spoiler};
    struct line line;
    uint8_t packet[200];

    (void)state;
    line_nodes(&line, 31, false);
    line.client->config.inside_plugins = (struct sw_plugin_list){spoilers, 1};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(line.client->engine);
    for (int i = 0; i < 2; i++) {
        line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 50));
        line_send(&line, line.server, packet,
                  world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 50));
        verdict = SW_PLUGIN_REPLY;
    }
    world_check(&line.world, c->drop_invalid_packet == 1 && c->drop_invalid_inside_packet == 1);
    world_check(&line.world, c->plugin_replied == 2 && c->plugin_failed == 2);
    world_check(&line.world, line.client->inside_count == 0 && line.server->inside_count == 0);
    line_end(&line);
}

/* Nobody waits with a reply: what finds no room is lost, and counted. */
static void test_a_reply_that_finds_no_room_is_counted(void **state)
{
    struct line line;
    uint8_t packet[1500];

    (void)state;
    reset();
    line_nodes(&line, 32, false);
    line.server->config.inside_plugins = (struct sw_plugin_list){three, 1};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(line.server->engine);
    tolds[0].out = SW_PLUGIN_REPLY;
    line.server->flush_blocked = true;
    struct sw_inside_packet inside = {.data = packet};
    do {
        inside.next = 0;
        inside.len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 1, 1399);
    } while (sw_conn_send(line.server->conn, &inside, line.world.now) == 0);
    world_send(line.client, line.client->conn, packet,
               world_packet(packet, TUN_IP, REMOTE_IP, 1, 1399));
    world_run(&line.world, SW_SECOND / 10, NULL);
    world_check(&line.world, c->plugin_replied == 1 && c->udp_no_room == 1);
    line.server->flush_blocked = false;
    line_end(&line);
}

/* --- made and refused --------------------------------------------------------------------------*/

static void test_a_connection_that_a_plugin_cannot_serve_is_not_made(void **state)
{
    struct line line;
    int error;

    (void)state;
    reset();
    line_nodes(&line, 70, false);
    line.client->config.inside_plugins = (struct sw_plugin_list){three, 2};
    line.client->config.outside_plugins = (struct sw_plugin_list){&three[2], 1};
    world_restart(line.client);
    tolds[1].refuses = true;
    const struct sw_path path = {.remote = line.server->address};
    assert_null(sw_connect(line.client->engine, SW_DATAGRAM, &path, line.world.now, &error));
    assert_int_equal(error, SW_ENOMEM);
    assert_int_equal(tolds[0].opened, tolds[0].closed);
    tolds[1].refuses = false;
    tolds[2].refuses = true;
    assert_null(sw_connect(line.client->engine, SW_DATAGRAM, &path, line.world.now, &error));
    assert_int_equal(tolds[0].opened, tolds[0].closed);
    assert_int_equal(tolds[1].opened, tolds[1].closed);
    assert_null(sw_engine_new(&line.client->config, line.world.now)); /* nor such an engine */

    const struct sw_plugin greedy = {.name = "greedy", .grows = SW_PLUGIN_GROWTH_MAX + 1};
    const struct sw_plugin *const greedies[] = {&greedy};
    struct sw_engine_config config = line.client->config;
    config.outside_plugins = (struct sw_plugin_list){greedies, 1};
    assert_null(sw_engine_new(&config, line.world.now));
    line_end(&line);
}

/* --- the source guard --------------------------------------------------------------------------*/

/* Data as a client could only make it by not being one: addresses are what the test says. */
static void send_as(struct line *line, uint32_t source, size_t len)
{
    uint8_t frame[3 + 200] = {SW_FRAME_DATA};

    sw_put_be16(frame + 1, (uint16_t)len);
    world_packet(frame + 3, source, REMOTE_IP, 1, 50);
    world_send_plain(line->client, line->client->conn, frame, 3 + len);
    world_run(&line->world, SW_SECOND / 10, NULL);
}

static void test_the_source_guard_lets_pass_what_the_server_told(void **state)
{
    const struct sw_plugin *const guards[] = {sw_source_guard()};
    struct line line;

    (void)state;
    line_nodes(&line, 80, false);
    line.server->config.inside_plugins = (struct sw_plugin_list){guards, 1};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(line.server->engine);
    world_check(&line.world, line_carries(&line) && c->inside_source_refused == 0);
    send_as(&line, CLIENT_IP, 82);
    world_check(&line.world, line.server->inside_count == 2);
    send_as(&line, POOL_FIRST_IP, 82); /* the address it has here, but was not told */
    send_as(&line, POOL_FIRST_IP + 1, 82);
    send_as(&line, 0, 82);
    send_as(&line, REMOTE_IP, 82);
    world_check(&line.world, line.server->inside_count == 2 && c->inside_source_refused == 4);
    world_check(&line.world, c->plugin_dropped == 4);
    send_as(&line, CLIENT_IP, 19); /* no packet at all: not the guard's business */
    world_check(&line.world, c->inside_source_refused == 4 && c->drop_invalid_inside_packet == 1);
    world_check(&line.world, line_carries(&line));
    line_end(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingress_walks_the_list_and_egress_walks_it_back),
        cmocka_unit_test(test_no_verdict_on_an_inside_packet_ends_a_connection),
        cmocka_unit_test(test_a_superpacket_is_shown_once_and_whole),
        cmocka_unit_test(test_a_packet_may_grow_where_it_has_room),
        cmocka_unit_test(test_a_packet_may_not_grow_beyond_one_record_of_a_stream),
        cmocka_unit_test(test_a_packet_spoiled_by_a_plugin_is_counted_and_dropped),
        cmocka_unit_test(test_a_reply_that_finds_no_room_is_counted),
        cmocka_unit_test(test_a_connection_that_a_plugin_cannot_serve_is_not_made),
        cmocka_unit_test(test_the_source_guard_lets_pass_what_the_server_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
