/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Outside plugins (docs/protocol/session.md §15): datagrams and streams that are disguised from the
 * first byte to the last, and verdicts on datagrams, which are as good as loss.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/lane_pair.h"
#include "tests/sim/plugin_rig.h"
#include "tests/sim/superpacket.h"

/* --- outside: every byte disguised, and three more -------------------------------------------- */

static enum sw_plugin_verdict disguise(void *instance, struct sw_conn *conn,
                                       struct sw_plugin_buffer *buffer)
{
    (void)conn;
    for (size_t i = 0; i < buffer->len; i++)
        buffer->data[i] ^= 0x5a;
    if (instance == NULL) return SW_PLUGIN_ACCEPT; /* a stream */
    memcpy(buffer->data + buffer->len, "xyz", 3);
    buffer->len += 3;
    return SW_PLUGIN_ACCEPT;
}

static enum sw_plugin_verdict undisguise(void *instance, struct sw_conn *conn,
                                         struct sw_plugin_buffer *buffer)
{
    (void)conn;
    if (instance != NULL) {
        if (buffer->len < 3 || memcmp(buffer->data + buffer->len - 3, "xyz", 3) != 0)
            return SW_PLUGIN_DROP;
        buffer->len -= 3;
    }
    for (size_t i = 0; i < buffer->len; i++)
        buffer->data[i] ^= 0x5a;
    return SW_PLUGIN_ACCEPT;
}

static int marks_datagrams;
static const struct sw_plugin cloak = {.name = "cloak",
                                       .user = &marks_datagrams,
                                       .grows = 3,
                                       .ingress = undisguise,
                                       .egress = disguise};
static const struct sw_plugin veil = {.name = "veil", .ingress = undisguise, .egress = disguise};
static const struct sw_plugin *const cloaks[] = {&cloak}, *const veils[] = {&veil};

/* Nothing on the wire looks like Lightway, and nothing is too long for the path. */
static bool sees_no_header(struct world *world, const struct sw_address *from,
                           const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)from;
    (void)to;
    world_check(world, len > 5 && len <= 1500 - 28);
    world_check(world, memcmp(bytes, "He", 2) != 0 && memcmp(bytes + len - 3, "xyz", 3) == 0);
    return true;
}

static void test_datagrams_can_be_disguised_from_the_first_to_the_last(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct pair p;

    (void)state;
    lane_nodes(&p, 40, true, true, 0);
    for (int i = 0; i < 2; i++) {
        p.world.nodes[i].config.outside_plugins = (struct sw_plugin_list){cloaks, 1};
        world_restart(&p.world.nodes[i]);
    }
    p.world.tap = sees_no_header;
    assert_non_null(world_connect(p.client, p.server));
    world_check(&p.world, world_run(&p.world, 5 * SW_SECOND, lane_both_active));
    world_check(&p.world, lane_carries(&p));
    world_check(&p.world, lane_counters(p.client)->expresslane_sent > 0);

    struct expected at_client = {0};
    expect_at(p.client, &at_client);
    struct sw_inside_packet packet =
        superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 60000, 1350 - TCP_HEADERS, 1);
    expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
    world_check(&p.world, sw_conn_send(p.server->conn, &packet, p.world.now) == 0);
    world_flush(p.server);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, all_arrived(&at_client));
    free(at_client.bytes);

    /* What is not disguised never reaches the engine; what does is answered in disguise. */
    uint8_t stray[SW_HEADER_LEN] = {'H', 'e', 1, 3};
    struct sw_address stranger = world_stranger(7, 7);
    uint64_t dropped = lane_counters(p.server)->plugin_dropped;
    world_inject(&p.world, &stranger, &p.server->address, stray, sizeof stray);
    world_run(&p.world, SW_SECOND, NULL);
    world_check(&p.world, lane_counters(p.server)->plugin_dropped == dropped + 1);
    world_end(&p.world);
}

/* Takes a datagram off the wire. */
static bool intercept(struct world *world, const struct sw_address *from,
                      const struct sw_address *to, uint8_t *bytes, size_t len)
{
    struct sw_plugin_buffer *caught = world->tap_data;

    (void)from;
    (void)to;
    assert_true(len <= caught->room);
    memcpy(caught->data, bytes, len);
    caught->len = len;
    return false;
}

static void test_a_datagram_of_another_worker_went_through_the_plugins_there(void **state)
{
    struct line line;
    uint8_t packet[200], bytes[1500];
    struct sw_plugin_buffer caught = {.data = bytes, .room = sizeof bytes};

    (void)state;
    line_nodes(&line, 42, false);
    line.client->config.outside_plugins = (struct sw_plugin_list){cloaks, 1};
    line.server->config.outside_plugins = (struct sw_plugin_list){cloaks, 1};
    line_connect(&line);
    const struct sw_engine_counters *c = sw_engine_counters(line.server->engine);
    line.world.tap = intercept;
    line.world.tap_data = &caught;
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 50));
    line.world.tap = NULL;
    const struct sw_path path = {.remote = line.client->address, .local = line.server->address};
    uint8_t copy[1500];
    memcpy(copy, bytes, caught.len);
    sw_engine_foreign_datagram(line.server->engine, &path, copy, caught.len, line.world.now);
    world_check(&line.world, c->udp_parse_wire_failed == 1 && line.server->inside_count == 0);
    assert_int_equal(undisguise(&marks_datagrams, NULL, &caught), SW_PLUGIN_ACCEPT);
    sw_engine_foreign_datagram(line.server->engine, &path, bytes, caught.len, line.world.now);
    world_check(&line.world, line.server->inside_count == 1 && c->plugin_dropped == 0);
    world_check(&line.world, line_carries(&line));
    line_end(&line);
}

static void test_a_full_packet_fits_with_what_outside_plugins_add(void **state)
{
    struct line line;
    uint8_t packet[1500];

    (void)state;
    line_nodes(&line, 41, false);
    line.client->config.outside_plugins = (struct sw_plugin_list){cloaks, 1};
    line.server->config.outside_plugins = (struct sw_plugin_list){cloaks, 1};
    line_connect(&line);
    line.world.tap = sees_no_header;
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 1428 - 32));
    world_check(&line.world, line.server->inside_count == 1);
    const struct sw_engine_counters *c = sw_engine_counters(line.client->engine);
    world_check(&line.world, c->inside_fragmented == 0);
    line_send(&line, line.client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 1429 - 32));
    world_check(&line.world, line.server->inside_count == 2 && c->inside_fragmented == 1);
    line_end(&line);
}

/* What a plugin adds, and not always the most it may, does not hide from the search that its own
 * link is narrow. */
static void test_a_narrow_link_is_found_at_once_whatever_plugins_add(void **state)
{
    (void)state;
    for (size_t grows = 3; grows <= 60; grows += 57) {
        const struct sw_plugin stingy = {.name = "stingy",
                                         .user = &marks_datagrams,
                                         .grows = grows,
                                         .ingress = undisguise,
                                         .egress = disguise};
        const struct sw_plugin *const list[] = {&stingy};
        struct sw_path_mtu found;
        struct line line;

        line_nodes(&line, 43, false);
        struct node *const ends[] = {line.server, line.client};
        for (int i = 0; i < 2; i++) {
            ends[i]->config.outside_plugins = (struct sw_plugin_list){list, 1};
            ends[i]->config.pmtud = true;
            ends[i]->link_mtu = 1300;
        }
        line_connect(&line); /* and a second */
        sw_conn_path_mtu(line.client->conn, &found);
        world_check(&line.world, found.state == SW_PMTUD_COMPLETE);
        world_check(&line.world, found.plpmtu > 1223 && found.plpmtu <= 1300 - 66 - 3);
        line_end(&line);
    }
}

static void test_streams_can_be_disguised_wherever_they_are_cut(void **state)
{
    static const size_t chunks[] = {1, 100, 65536, 200000};

    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        struct line line;
        line_nodes(&line, 50 + n, true);
        line.client->config.outside_plugins = (struct sw_plugin_list){veils, 1};
        line.server->config.outside_plugins = (struct sw_plugin_list){veils, 1};
        world_restart(line.server);
        world_restart(line.client);
        stream_open(&line.stream, line.server, line.client, chunks[n]);
        world_check(&line.world, world_run(&line.world, 5 * SW_SECOND, world_both_online));
        for (int i = 0; i < 50; i++)
            world_check(&line.world, line_carries(&line));
        line_end(&line);
    }
}

static void test_dropped_datagrams_are_as_good_as_lost(void **state)
{
    const enum sw_plugin_verdict verdicts[] = {SW_PLUGIN_DROP, SW_PLUGIN_REPLY, SW_PLUGIN_ERROR};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct line line;
        reset();
        line_nodes(&line, 60, false);
        line.client->config.outside_plugins = (struct sw_plugin_list){three, 1};
        line_connect(&line);
        const struct sw_engine_counters *c = sw_engine_counters(line.client->engine);
        world_check(&line.world, tolds[0].opened == 2); /* the connection's, and the shared one */
        tolds[0].in = verdicts[i];
        world_check(&line.world, !line_carries(&line) && line.server->inside_count == 1);
        tolds[0].in = SW_PLUGIN_ACCEPT;
        tolds[0].out = verdicts[i];
        uint64_t sent = c->udp_sent;
        world_check(&line.world, !line_carries(&line) && line.server->inside_count == 1);
        world_check(&line.world, c->udp_sent == sent); /* not one of them left */
        uint64_t counted = verdicts[i] == SW_PLUGIN_ERROR ? c->plugin_failed : c->plugin_dropped;
        world_check(&line.world, counted == 2 && c->plugin_replied == 0);
        tolds[0].out = SW_PLUGIN_ACCEPT;
        world_check(&line.world, line_carries(&line));
        line_end(&line);
        assert_int_equal(tolds[0].closed, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams_can_be_disguised_from_the_first_to_the_last),
        cmocka_unit_test(test_a_datagram_of_another_worker_went_through_the_plugins_there),
        cmocka_unit_test(test_a_full_packet_fits_with_what_outside_plugins_add),
        cmocka_unit_test(test_a_narrow_link_is_found_at_once_whatever_plugins_add),
        cmocka_unit_test(test_streams_can_be_disguised_wherever_they_are_cut),
        cmocka_unit_test(test_dropped_datagrams_are_as_good_as_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
