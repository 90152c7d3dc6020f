/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Everything at once: both lanes and their keys, codec, plugins on either side, fragments, the
 * search for the path's MTU, superpackets, full sockets, moves between addresses and families, bad
 * weather. What arrives is what was sent, nobody is thrown out, and when all is calm again nothing
 * is lost.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/superpacket.h"
#include "tests/unit/packet_bytes.h"

#define STEPS 200

/* --- a codec that does a bit of everything -----------------------------------------------------*/

struct mixer {
    struct sw_conn *conn;
};

static void flip(const uint8_t *in, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)~in[i];
}

static void *mixer_open(const struct sw_codec *c, struct sw_conn *conn)
{
    struct mixer *m = calloc(1, sizeof *m);

    (void)c;
    if (m != NULL) m->conn = conn;
    return m;
}

/* By the packet's checksum, which is as good as random: leaves it alone, takes it, or leaves it
 * alone and sends it twice. */
static enum sw_codec_result mixer_encode(void *instance, const uint8_t *packet, size_t len,
                                         sw_time now)
{
    static uint8_t out[65536];
    const struct mixer *m = instance;

    if (packet[11] % 3 == 0) return SW_CODEC_SKIPPED;
    flip(packet, len, out);
    int r = sw_conn_encoded(m->conn, out, len, now);
    assert_true(r == 0 || r == SW_EAGAIN || r == SW_EOVERSIZE);
    return packet[11] % 3 == 1 && r == 0 ? SW_CODEC_TAKEN : SW_CODEC_SKIPPED;
}

static enum sw_codec_result mixer_decode(void *instance, const uint8_t *bytes, size_t len,
                                         sw_time now)
{
    static uint8_t out[65536];
    const struct mixer *m = instance;

    flip(bytes, len, out);
    sw_conn_decoded(m->conn, out, len, now);
    return SW_CODEC_TAKEN;
}

static const struct sw_codec mixing = {
    .open = mixer_open, .close = free, .encode = mixer_encode, .decode = mixer_decode};

/* --- plugins -----------------------------------------------------------------------------------*/

/* Adds up to a hundred bytes to a datagram, and takes them away. */
static enum sw_plugin_verdict pad(void *instance, struct sw_conn *conn,
                                  struct sw_plugin_buffer *buffer)
{
    size_t n = 1 + buffer->len % 100;

    (void)instance;
    (void)conn;
    memset(buffer->data + buffer->len, (int)n, n);
    buffer->len += n;
    return SW_PLUGIN_ACCEPT;
}

static enum sw_plugin_verdict unpad(void *instance, struct sw_conn *conn,
                                    struct sw_plugin_buffer *buffer)
{
    size_t n = buffer->len > 0 ? buffer->data[buffer->len - 1] : 0;

    (void)instance;
    (void)conn;
    if (n == 0 || n > buffer->len) return SW_PLUGIN_DROP;
    buffer->len -= n;
    return SW_PLUGIN_ACCEPT;
}

/* Answers some of the packets that come out of the tunnel. */
static enum sw_plugin_verdict parrot(void *instance, struct sw_conn *conn,
                                     struct sw_plugin_buffer *buffer)
{
    uint8_t source[4];

    (void)instance;
    (void)conn;
    if (buffer->data[11] % 8 != 0) return SW_PLUGIN_ACCEPT;
    memcpy(source, buffer->data + 12, 4);
    memcpy(buffer->data + 12, buffer->data + 16, 4);
    memcpy(buffer->data + 16, source, 4);
    return SW_PLUGIN_REPLY;
}

static const struct sw_plugin padding = {
    .name = "padding", .grows = 100, .ingress = unpad, .egress = pad};
static const struct sw_plugin roomy = {.name = "roomy", .grows = 40};
static const struct sw_plugin answering = {.name = "answering", .egress = parrot};
static const struct sw_plugin *const outside[] = {&padding};
static const struct sw_plugin *const inside[] = {&roomy, &answering};

/* --- two ends ----------------------------------------------------------------------------------*/

struct mixture {
    struct world world;
    struct node *ends[2]; /* server, client */
    struct sw_inside_packet held[2];
    bool holds[2];
    uint8_t bytes[2][SUPERPACKET_MAX + 100];
    uint32_t number;
    unsigned good;
};

static bool tcp_ok(const uint8_t *packet, size_t len)
{
    uint32_t sequence = sw_get_be32(packet + 24);
    uint32_t seed = sequence >> 16, at = sequence & 0xffff;

    for (size_t i = TCP_HEADERS; i < len; i++, at++)
        if (packet[i] != (uint8_t)(seed * 31 + at * 7 + at / 251)) return false;
    return plain_packet_ok(packet, len);
}

static bool is_icmp(const uint8_t *packet)
{
    return packet[9] == 1;
}

static void check(struct node *node, uint8_t *packet, size_t len)
{
    struct mixture *m = node->data;
    uint32_t number;

    if (is_icmp(packet)) return;
    bool ok = packet[9] == 6 ? tcp_ok(packet, len) : world_packet_check(packet, len, &number);
    world_check(node->world, ok);
    m->good++;
}

static void mix(struct mixture *m, uint64_t seed)
{
    struct world *world = &m->world;
    const bool codec = seed & 1, padded = seed & 2, plugins = seed & 4, lane = (seed & 8) == 0;

    memset(m, 0, sizeof *m);
    world_init(world, seed);
    world->expresslane = lane;
    world->rotation = 2 * SW_SECOND;
    m->ends[0] = world_server(world, false);
    m->ends[1] = world_client(world, &(struct client_options){.cipher = seed >> 4 & 1});
    for (int i = 0; i < 2; i++) {
        struct sw_engine_config *config = &m->ends[i]->config;
        config->pmtud = world_random(world, 4) != 0;
        config->key_update_records = 200;
        config->encode_at_connect = true;
        if (codec) config->codec = &mixing;
        if (padded) config->outside_plugins = (struct sw_plugin_list){outside, 1};
        if (plugins) config->inside_plugins = (struct sw_plugin_list){inside, i == 0 ? 2 : 1};
        world_restart(m->ends[i]);
        m->ends[i]->inside = check;
        m->ends[i]->data = m;
    }
    bool online = world_connect(m->ends[1], m->ends[0]) != NULL &&
                  world_run(world, 5 * SW_SECOND, world_both_online);
    world_check(world, online);
    world_run(world, SW_SECOND, NULL);
}

/* A packet of any kind from an end, unless one is held there. */
static void send_something(struct mixture *m, int end)
{
    struct world *world = &m->world;
    struct node *node = m->ends[end];
    const uint32_t from = end == 0 ? REMOTE_IP : TUN_IP, to = end == 0 ? POOL_FIRST_IP : REMOTE_IP;
    struct sw_inside_packet *packet = &m->held[end];
    uint32_t number = ++m->number;

    world_check(world, node->closed == 0);
    if (!m->holds[end]) {
        *packet = (struct sw_inside_packet){.data = m->bytes[end]};
        switch (world_random(world, 4)) {
        case 0:
            *packet = superpacket(
                m->bytes[end], from, to, 1 + world_random(world, 65000),
                (uint16_t)(world_random(world, 4) == 0 ? 100 : 1100 + number % 400), number);
            break;
        case 1:
            packet->len =
                world_packet(packet->data, from, to, number, world_random(world, 65535 - 32));
            break;
        default:
            packet->len = world_packet(packet->data, from, to, number, world_random(world, 1500));
            break;
        }
        packet->room = sizeof m->bytes[end];
    }
    m->holds[end] = sw_conn_send(node->conn, packet, world->now) == SW_EAGAIN;
}

/* To another address, of either family. What the client hears last before it goes tells it the
 * right id: of two that overtake each other around a rotation the wrong one would be, and it would
 * be lost. */
static void move(struct mixture *m)
{
    struct world *world = &m->world;
    struct node *server = m->ends[0], *client = m->ends[1];
    const struct weather weather = world->weather;
    const struct sw_address v6 = {
        .family = 6,
        .port = 50001,
        .ip = {0x20, 0x01, 0x0d,
               0xb8, [14] = (uint8_t)(m->number >> 8), [15] = (uint8_t)m->number}};
    uint8_t packet[100];

    world->weather = (struct weather){.delay = SW_MILLISECOND};
    world_run(world, 50 * SW_MILLISECOND, NULL);
    world_send(server, server->conn, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 50));
    world_run(world, 50 * SW_MILLISECOND, NULL);
    client->address = world_random(world, 2) == 0 ? v6 : world_stranger(m->number, 50002);
    sw_conn_network_changed(client->conn, world->now);
    world_flush(client);
    world_run(world, 50 * SW_MILLISECOND, NULL);
    world->weather = weather;
}

static void change_something(struct mixture *m)
{
    struct world *world = &m->world;
    struct node *client = m->ends[1];

    switch (world_random(world, 12)) {
    case 0:
        world->path_mtu = (uint16_t)(1290 + world_random(world, 250));
        world->drop_fragments = world_random(world, 2) == 0;
        break;
    case 1:
        world->path_mtu = 0;
        break;
    case 2:
        m->ends[world_random(world, 2)]->link_mtu = (uint16_t)(1290 + world_random(world, 250));
        break;
    case 3:
        move(m);
        break;
    case 4:
        sw_conn_network_changed(client->conn, world->now);
        break;
    case 6:
        sw_engine_too_long(m->ends[0]->engine, sw_conn_path(m->ends[0]->conn),
                           1200 + world_random(world, 300), world->now);
        break;
    default:
        break;
    }
}

/* One packet of each of three sizes each way must arrive, once. */
static bool carries(struct mixture *m)
{
    static const size_t bodies[] = {100, 1300, 6000};
    unsigned before = m->good;
    uint8_t packet[6100];

    for (int end = 0; end < 2; end++) {
        m->ends[end]->config.inside_plugins.count = 0;
        for (int i = 0; i < 3; i++) {
            struct node *node = m->ends[end];
            size_t len =
                world_packet(packet, end == 0 ? REMOTE_IP : TUN_IP,
                             end == 0 ? POOL_FIRST_IP : REMOTE_IP, 3 + (uint32_t)i, bodies[i]);
            world_send(node, node->conn, packet, len);
        }
    }
    world_run(&m->world, SW_SECOND, NULL);
    return m->good >= before + 6;
}

static void test_everything_at_once(void **state)
{
    static struct mixture m;

    (void)state;
    for (unsigned seed = 0; seed < world_seeds(40); seed++) {
        mix(&m, seed);
        struct world *world = &m.world;
        world->weather = (struct weather){.loss = seed % 7,
                                          .duplicate = 5,
                                          .delay = 5 * SW_MILLISECOND,
                                          .jitter = 5 * SW_MILLISECOND};
        for (unsigned step = 0; step < STEPS; step++) {
            change_something(&m);
            for (int end = 0; end < 2; end++) {
                m.ends[end]->flush_blocked = world_random(world, 2) == 0;
                for (uint64_t n = world_random(world, 4); n > 0; n--)
                    send_something(&m, end);
                if (!m.ends[end]->flush_blocked) world_flush(m.ends[end]);
            }
            world_run(world, world_random(world, 200 * SW_MILLISECOND), NULL);
            world_check(world, m.ends[0]->closed + m.ends[1]->closed == 0);
        }
        world->weather = (struct weather){.delay = SW_MILLISECOND};
        world->path_mtu = 0;
        for (int end = 0; end < 2; end++) {
            m.ends[end]->flush_blocked = false;
            m.ends[end]->link_mtu = 0;
        }
        for (int i = 0; i < 3; i++) {
            for (int end = 0; end < 2; end++)
                send_something(&m, end);
            world_run(world, 10 * SW_SECOND, NULL);
        }
        world_check(world, !m.holds[0] && !m.holds[1]);
        world_check(world, carries(&m));
        world_check(world, m.good > 50);
        world_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
