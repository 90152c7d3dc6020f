/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Plugins (docs/protocol/session.md §15): order of the chains, what each verdict does on either
 * transport, superpackets seen once, packets that change and grow, datagrams and streams that are
 * disguised, and the source guard. No verdict ever ends a connection.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "lib/offload/checksum.h"
#include "tests/sim/expected.h"
#include "tests/sim/lane_pair.h"
#include "tests/sim/stream.h"
#include "tests/sim/superpacket.h"

/* --- a plugin that does as it is told --------------------------------------------------------- */

static struct told {
    char name;
    enum sw_plugin_verdict in, out;
    unsigned ins, outs, opened, closed;
    bool refuses; /* open fails */
    size_t longest;
} tolds[3];

static char order[32];

static void note(char name)
{
    size_t len = strlen(order);
    if (len + 1 < sizeof order) order[len] = name;
}

/* Turns a packet round, as an answer would be. */
static void turn(struct sw_plugin_buffer *buffer)
{
    uint8_t source[4];
    memcpy(source, buffer->data + 12, 4);
    memcpy(buffer->data + 12, buffer->data + 16, 4);
    memcpy(buffer->data + 16, source, 4);
}

static void *told_open(const struct sw_plugin *plugin, struct sw_conn *conn)
{
    struct told *told = plugin->user;
    (void)conn;
    if (told->refuses) return NULL;
    told->opened++;
    return told;
}

static void told_close(void *instance)
{
    ((struct told *)instance)->closed++;
}

static enum sw_plugin_verdict told_in(void *instance, struct sw_conn *conn,
                                      struct sw_plugin_buffer *buffer)
{
    struct told *told = instance;
    (void)conn;
    note(told->name);
    told->ins++;
    if (buffer->len > told->longest) told->longest = buffer->len;
    if (told->in == SW_PLUGIN_REPLY) turn(buffer);
    return told->in;
}

static enum sw_plugin_verdict told_out(void *instance, struct sw_conn *conn,
                                       struct sw_plugin_buffer *buffer)
{
    struct told *told = instance;
    (void)conn;
    note(told->name);
    told->outs++;
    if (told->out == SW_PLUGIN_REPLY) turn(buffer);
    return told->out;
}

#define TOLD(i)                                                                                    \
    {                                                                                              \
        .name = "told", .user = &tolds[i], .open = told_open, .close = told_close,                 \
        .ingress = told_in, .egress = told_out                                                     \
    }
static const struct sw_plugin told_plugins[] = {TOLD(0), TOLD(1), TOLD(2)};
static const struct sw_plugin *const three[] = {&told_plugins[0], &told_plugins[1],
                                                &told_plugins[2]};

static void reset(void)
{
    memset(tolds, 0, sizeof tolds);
    for (int i = 0; i < 3; i++)
        tolds[i].name = (char)('a' + i);
    memset(order, 0, sizeof order);
}

/* --- two nodes, either transport -------------------------------------------------------------- */

struct line {
    struct world world;
    struct stream stream;
    bool is_stream;
    struct node *server, *client;
};

/* Nodes that are not connected yet, for plugins to be put into their configurations. */
static void line_nodes(struct line *line, uint64_t seed, bool is_stream)
{
    memset(line, 0, sizeof *line);
    line->is_stream = is_stream;
    world_init(&line->world, seed);
    line->server = world_server(&line->world, false);
    line->client = world_client(&line->world, &(struct client_options){0});
}

static void line_connect(struct line *line)
{
    world_restart(line->server);
    world_restart(line->client);
    if (line->is_stream)
        stream_open(&line->stream, line->server, line->client, 1000);
    else
        assert_non_null(world_connect(line->client, line->server));
    world_check(&line->world, world_run(&line->world, 5 * SW_SECOND, world_both_online));
    world_run(&line->world, SW_SECOND, NULL);
}

static void line_send(struct line *line, struct node *from, uint8_t *packet, size_t len)
{
    world_send(from, from->conn, packet, len);
    if (line->is_stream) stream_pump(&line->stream);
    world_run(&line->world, SW_SECOND / 10, NULL);
}

/* One checked packet each way; whether both arrived. */
static bool line_carries(struct line *line)
{
    struct expected at_client = {0}, at_server = {0};
    uint8_t packet[1500];

    expect_at(line->client, &at_client);
    expect_at(line->server, &at_server);
    expect(&at_server, packet, world_packet(packet, POOL_FIRST_IP, REMOTE_IP, 1, 900));
    line_send(line, line->client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 900));
    expect(&at_client, packet, world_packet(packet, REMOTE_IP, TUN_IP, 2, 1000));
    line_send(line, line->server, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 1000));
    bool carries = all_arrived(&at_client) && all_arrived(&at_server);
    free(at_client.bytes);
    free(at_server.bytes);
    line->client->inside = line->server->inside = NULL;
    return carries;
}

static void line_end(struct line *line)
{
    world_check(&line->world, line->server->closed == 0 && line->client->closed == 0);
    if (line->is_stream) stream_free(&line->stream);
    world_end(&line->world);
}

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
        cmocka_unit_test(test_datagrams_can_be_disguised_from_the_first_to_the_last),
        cmocka_unit_test(test_a_datagram_of_another_worker_went_through_the_plugins_there),
        cmocka_unit_test(test_a_full_packet_fits_with_what_outside_plugins_add),
        cmocka_unit_test(test_streams_can_be_disguised_wherever_they_are_cut),
        cmocka_unit_test(test_dropped_datagrams_are_as_good_as_lost),
        cmocka_unit_test(test_a_connection_that_a_plugin_cannot_serve_is_not_made),
        cmocka_unit_test(test_the_source_guard_lets_pass_what_the_server_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
