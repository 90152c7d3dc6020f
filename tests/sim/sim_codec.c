/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The inside packet codec (docs/protocol/session.md §16): how it is turned on and off, when
 * requests are repeated and given up, who may ask, and that packets arrive whole whatever the codec
 * does with them. The codec of these tests turns every bit over and may keep packets for a while.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"
#include "tests/sim/expected.h"
#include "tests/sim/lane_pair.h"
#include "tests/sim/stream.h"

/* --- the codec ---------------------------------------------------------------------------------*/

#define KEPT 64

/* What both ends' codecs are told to do, and what they have done. */
static struct {
    bool keeps; /* encoder output waits for release() */
    enum sw_codec_result encode, decode;
    bool refuses; /* open fails */
    unsigned opened, closed, encoded, decoded;
} codec;

/* One end's. */
struct flipper {
    struct sw_conn *conn;
    struct {
        uint8_t bytes[1500];
        size_t len;
    } kept[KEPT];
    unsigned count;
};

static void *flip_open(const struct sw_codec *c, struct sw_conn *conn)
{
    struct flipper *f = codec.refuses ? NULL : calloc(1, sizeof *f);

    (void)c;
    if (f == NULL) return NULL;
    f->conn = conn;
    codec.opened++;
    return f;
}

static void flip_close(void *instance)
{
    codec.closed++;
    free(instance);
}

static void flip(const uint8_t *in, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)~in[i];
}

static enum sw_codec_result flip_encode(void *instance, const uint8_t *packet, size_t len,
                                        sw_time now)
{
    struct flipper *f = instance;
    uint8_t out[1500];

    assert_true(len <= sizeof out);
    if (codec.encode != SW_CODEC_TAKEN) return codec.encode;
    codec.encoded++;
    if (!codec.keeps) {
        flip(packet, len, out);
        int r = sw_conn_encoded(f->conn, out, len, now);
        assert_true(r == 0 || r == SW_EOVERSIZE);
        return SW_CODEC_TAKEN;
    }
    assert_true(f->count < KEPT);
    flip(packet, len, f->kept[f->count].bytes);
    f->kept[f->count++].len = len;
    return SW_CODEC_TAKEN;
}

static enum sw_codec_result flip_decode(void *instance, const uint8_t *bytes, size_t len,
                                        sw_time now)
{
    const struct flipper *f = instance;
    uint8_t out[1500];

    assert_true(len <= sizeof out);
    if (codec.decode != SW_CODEC_TAKEN) return codec.decode;
    codec.decoded++;
    flip(bytes, len, out);
    assert_int_equal(sw_conn_decoded(f->conn, out, len, now), 0);
    return SW_CODEC_TAKEN;
}

static const struct sw_codec flipping = {
    .open = flip_open, .close = flip_close, .encode = flip_encode, .decode = flip_decode};

/* --- two ends ----------------------------------------------------------------------------------*/

struct ends {
    struct world world;
    struct node *server, *client;
};

static unsigned changes[2]; /* SW_EVENT_ENCODING, by node */

static void count_changes(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    (void)conn;
    if (event->type == SW_EVENT_ENCODING) changes[node - node->world->nodes]++;
}

static void ends_nodes(struct ends *ends, uint64_t seed, const struct client_options *options)
{
    memset(&codec, 0, sizeof codec);
    memset(changes, 0, sizeof changes);
    codec.encode = codec.decode = SW_CODEC_TAKEN;
    world_init(&ends->world, seed);
    ends->server = world_server(&ends->world, false);
    ends->client = world_client(&ends->world, options);
    ends->server->config.codec = ends->client->config.codec = &flipping;
    ends->server->event = ends->client->event = count_changes;
}

static void ends_connect(struct ends *ends)
{
    world_restart(ends->server);
    world_restart(ends->client);
    assert_non_null(world_connect(ends->client, ends->server));
    world_check(&ends->world, world_run(&ends->world, 5 * SW_SECOND, world_both_online));
    world_run(&ends->world, SW_SECOND, NULL);
}

/* A pair that is Online, with encoding on at both. */
static void ends_encoding(struct ends *ends, uint64_t seed)
{
    ends_nodes(ends, seed, &(struct client_options){0});
    ends->client->config.encode_at_connect = true;
    ends_connect(ends);
    world_check(&ends->world, sw_conn_encoding(ends->client->conn));
    world_check(&ends->world, sw_conn_encoding(ends->server->conn));
}

static void ends_end(struct ends *ends)
{
    world_end(&ends->world);
    assert_int_equal(codec.opened, codec.closed);
}

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static void up(struct ends *ends, uint32_t number, size_t body)
{
    uint8_t packet[1500];
    world_send(ends->client, ends->client->conn, packet,
               world_packet(packet, TUN_IP, REMOTE_IP, number, body));
}

static void down(struct ends *ends, uint32_t number, size_t body)
{
    uint8_t packet[1500];
    world_send(ends->server, ends->server->conn, packet,
               world_packet(packet, REMOTE_IP, POOL_FIRST_IP, number, body));
}

static unsigned good;

static void check_packet(struct node *node, uint8_t *packet, size_t len)
{
    uint32_t number;
    world_check(node->world, world_packet_check(packet, len, &number));
    good++;
}

/* Whether n packets each way arrive. */
static bool ends_carry(struct ends *ends, unsigned n)
{
    ends->server->inside = ends->client->inside = check_packet;
    good = 0;
    for (unsigned i = 0; i < n; i++) {
        up(ends, i, 20 + i * 10);
        down(ends, i, 20 + i * 10);
    }
    world_run(&ends->world, SW_SECOND, NULL);
    return good == 2 * n;
}

/* --- carrying ----------------------------------------------------------------------------------*/

static void test_packets_arrive_whole_through_the_codec(void **state)
{
    struct ends ends;

    (void)state;
    ends_encoding(&ends, 1);
    world_check(&ends.world, changes[0] == 1 && changes[1] == 1);
    world_check(&ends.world, ends_carry(&ends, 30));
    world_check(&ends.world, codec.encoded == 60 && codec.decoded == 60);
    world_check(&ends.world, counters(ends.client)->inside_to_tunnel == 30);
    world_check(&ends.world, counters(ends.client)->tunnel_to_inside == 30);
    up(&ends, 1, 1431 - 32); /* as large as goes in one datagram */
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, codec.decoded == 61 && good == 61);
    up(&ends, 2, 1500 - 32);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, codec.decoded == 62 && good == 62);
    world_check(&ends.world, counters(ends.client)->fragments_sent == 2);
    ends_end(&ends);
}

static void test_packets_arrive_whole_through_the_codec_on_the_lane(void **state)
{
    struct ends ends;

    (void)state;
    memset(&ends, 0, sizeof ends);
    ends_nodes(&ends, 2, &(struct client_options){0});
    ends.client->config.encode_at_connect = true;
    ends.client->config.expresslane = ends.server->config.expresslane = true;
    ends_connect(&ends);
    world_check(&ends.world, sw_conn_expresslane(ends.client->conn) == SW_EXPRESSLANE_ACTIVE);
    world_check(&ends.world, ends_carry(&ends, 30) && codec.decoded == 60);
    world_check(&ends.world, counters(ends.client)->expresslane_sent == 30);

    codec.decode = SW_CODEC_FAILED; /* who has set the mark is not certain: nothing ends */
    world_check(&ends.world, !ends_carry(&ends, 3));
    world_check(&ends.world, counters(ends.client)->drop_encoded == 3);
    world_check(&ends.world, counters(ends.server)->drop_encoded == 3);
    codec.decode = SW_CODEC_TAKEN;
    world_check(&ends.world, ends_carry(&ends, 3));
    ends_end(&ends);
}

static void test_what_the_codec_skips_goes_as_it_is(void **state)
{
    struct ends ends;

    (void)state;
    ends_encoding(&ends, 3);
    codec.encode = SW_CODEC_SKIPPED;
    world_check(&ends.world, ends_carry(&ends, 10) && codec.decoded == 0);

    /* A decoder skips what an encoder has sent untouched under its own mark. */
    codec.decode = SW_CODEC_SKIPPED;
    uint8_t packet[200];
    size_t len = world_packet(packet, CLIENT_IP, REMOTE_IP, 1, 50);
    good = 0;
    int r = sw_conn_encoded(ends.client->conn, packet, len, ends.world.now);
    world_check(&ends.world, r == 0);
    world_flush(ends.client);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, good == 1);
    ends_end(&ends);
}

static void test_a_codec_may_keep_packets_for_later(void **state)
{
    struct ends ends;

    (void)state;
    ends_encoding(&ends, 4);
    codec.keeps = true;
    ends.server->inside = check_packet;
    good = 0;
    for (uint32_t i = 0; i < 20; i++)
        up(&ends, i, 100);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, good == 0);
    struct flipper *f = ends.client->conn->encoding.instance;
    world_check(&ends.world, f->count == 20);
    for (unsigned i = 0; i < f->count; i++)
        world_check(&ends.world, sw_conn_encoded(f->conn, f->kept[i].bytes, f->kept[i].len,
                                                 ends.world.now) == 0);
    world_flush(ends.client);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, good == 20);
    ends_end(&ends);
}

static void test_superpackets_are_cut_before_they_are_encoded(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct ends ends;
    struct expected at_client = {0};

    (void)state;
    ends_encoding(&ends, 5);
    expect_at(ends.client, &at_client);
    for (uint32_t i = 0; i < 5; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 46 * 1310 + 7, 1310, i);
        expect_segments(&at_client, &packet, REMOTE_IP, TUN_IP);
        ends.server->flush_blocked = true; /* the batch is full in the middle of some of them */
        while (sw_conn_send(ends.server->conn, &packet, ends.world.now) == SW_EAGAIN) {
            ends.server->flush_blocked = world_random(&ends.world, 2) == 0;
            world_flush(ends.server);
        }
    }
    ends.server->flush_blocked = false;
    world_flush(ends.server);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, all_arrived(&at_client) && codec.encoded == 5 * 47);
    free(at_client.bytes);
    ends_end(&ends);
}

/* A path that carries 1272 bytes of UDP payload. */
static bool path_is_narrow(struct world *world, const struct sw_address *from,
                           const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)world;
    (void)from;
    (void)to;
    (void)bytes;
    return len <= 1272;
}

static void test_what_the_codec_makes_may_go_in_fragments(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 8, &(struct client_options){0});
    ends.client->config.encode_at_connect = ends.client->config.pmtud = true;
    ends.world.tap = path_is_narrow;
    ends_connect(&ends);
    world_run(&ends.world, 5 * SW_MINUTE, NULL); /* the search for the path's size */
    ends.server->inside = check_packet;
    good = 0;
    up(&ends, 1, 1300);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, good == 1 && codec.encoded == 1 && codec.decoded == 1);
    world_check(&ends.world, counters(ends.client)->fragments_sent == 2);
    ends_end(&ends);
}

/* Sends a packet of its own with each one that it leaves alone. */
static enum sw_codec_result chatter(void *instance, const uint8_t *packet, size_t len, sw_time now)
{
    const struct flipper *f = instance;
    uint8_t out[1500];

    flip(packet, len, out);
    int r = sw_conn_encoded(f->conn, out, len, now);
    assert_true(r == 0 || r == SW_EAGAIN);
    return SW_CODEC_SKIPPED;
}

/* What the codec sends takes the room that its packet was to have: the packet waits. */
static void test_a_packet_waits_for_the_room_that_the_codec_took(void **state)
{
    static const struct sw_codec chatty = {
        .open = flip_open, .close = flip_close, .encode = chatter, .decode = flip_decode};
    struct ends ends;

    (void)state;
    for (int lane = 0; lane < 2; lane++) {
        ends_nodes(&ends, 6, &(struct client_options){0});
        ends.client->config.codec = &chatty;
        ends.client->config.encode_at_connect = true;
        ends.client->config.expresslane = ends.server->config.expresslane = lane != 0;
        ends_connect(&ends);
        ends.server->inside = check_packet;
        good = 0;
        codec.decoded = 0;
        for (uint32_t i = 0; i < 1000; i++) {
            uint8_t packet[1500];
            size_t body = 900 + world_random(&ends.world, 200);
            struct sw_inside_packet inside = {
                .data = packet, .len = world_packet(packet, TUN_IP, REMOTE_IP, i, body)};
            ends.client->flush_blocked = true;
            while (sw_conn_send(ends.client->conn, &inside, ends.world.now) == SW_EAGAIN) {
                ends.client->flush_blocked = false;
                world_flush(ends.client);
            }
        }
        ends.client->flush_blocked = false;
        world_flush(ends.client);
        world_run(&ends.world, SW_SECOND, NULL);
        world_check(&ends.world, good == 1000 + codec.decoded);
        world_check(&ends.world, counters(ends.client)->udp_no_room == 0);
        ends_end(&ends);
    }
}

static void test_a_codec_that_fails_ends_the_connection(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct ends ends;
        ends_encoding(&ends, 6 + (uint64_t)way);
        *(way == 0 ? &codec.encode : &codec.decode) = SW_CODEC_FAILED;
        up(&ends, 1, 100);
        world_run(&ends.world, SW_SECOND, NULL);
        struct node *failed = way == 0 ? ends.client : ends.server;
        struct node *other = way == 0 ? ends.server : ends.client;
        world_check(&ends.world, failed->closed == 1 && failed->close_error == SW_ECODEC);
        world_check(&ends.world, other->closed == 1 && other->close_error == SW_EGOODBYE);
        ends_end(&ends);
    }
}

/* --- asking ------------------------------------------------------------------------------------*/

#define REQUEST_DATAGRAM (SW_HEADER_LEN + SW_DTLS_OVERHEAD + 10)

/* Swallows what the server says. */
static bool server_is_silent(struct world *world, const struct sw_address *from,
                             const struct sw_address *to, uint8_t *bytes, size_t len)
{
    (void)to;
    (void)bytes;
    (void)len;
    return from->port != world->nodes[0].address.port ||
           memcmp(from->ip, world->nodes[0].address.ip, 16) != 0;
}

static enum sw_codec_result quit(void *instance, const uint8_t *bytes, size_t len, sw_time now)
{
    const struct flipper *f = instance;

    (void)bytes;
    (void)len;
    sw_conn_close(f->conn, 0, now);
    return SW_CODEC_SKIPPED;
}

/* Who closed a connection hears no more of it, not even the packet that made him do it. */
static void test_nothing_comes_out_of_a_connection_that_the_decoder_has_closed(void **state)
{
    static const struct sw_codec quitting = {
        .open = flip_open, .close = flip_close, .encode = flip_encode, .decode = quit};
    struct ends ends;

    (void)state;
    for (int lane = 0; lane < 2; lane++) {
        uint8_t packet[200];
        ends_nodes(&ends, 7, &(struct client_options){0});
        ends.server->config.codec = &quitting;
        ends.client->config.expresslane = ends.server->config.expresslane = lane != 0;
        ends_connect(&ends);
        size_t len = world_packet(packet, CLIENT_IP, REMOTE_IP, 1, 50);
        world_check(&ends.world,
                    sw_conn_encoded(ends.client->conn, packet, len, ends.world.now) == 0);
        world_flush(ends.client);
        world_run(&ends.world, SW_SECOND, NULL);
        world_check(&ends.world, ends.server->closed == 1 && ends.server->inside_count == 0);
        ends_end(&ends);
    }
}

static void test_a_request_is_repeated_five_times_and_given_up(void **state)
{
    static const sw_time after[] = {0,
                                    500 * SW_MILLISECOND,
                                    1500 * SW_MILLISECOND,
                                    3000 * SW_MILLISECOND,
                                    5000 * SW_MILLISECOND,
                                    7500 * SW_MILLISECOND};
    struct ends ends;
    struct tape tape = {0};
    unsigned sent = 0;

    (void)state;
    ends_nodes(&ends, 10, &(struct client_options){.keepalive_interval = SW_MINUTE});
    ends_connect(&ends);
    ends.world.tap = server_is_silent;
    ends.world.tape = &tape;
    sw_time start = ends.world.now;
    world_check(&ends.world, sw_conn_set_encoding(ends.client->conn, true, start) == 0);
    world_flush(ends.client);
    world_run(&ends.world, 20 * SW_SECOND, NULL);
    for (size_t i = 0; i < tape.count; i++) {
        if (tape.items[i].len != REQUEST_DATAGRAM ||
            !sw_address_equal(&tape.items[i].to, &ends.server->address))
            continue;
        world_check(&ends.world, sent < 6 && tape.items[i].at == start + after[sent]);
        sent++;
    }
    world_check(&ends.world, sent == 6);
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn) && changes[1] == 0);
    world_check(&ends.world, sw_conn_encoding(ends.server->conn) && changes[0] == 1);

    /* The server's answer to the last one would be too late now: a new request is needed. */
    ends.world.tap = NULL;
    world_check(&ends.world, sw_conn_set_encoding(ends.client->conn, true, ends.world.now) == 0);
    world_flush(ends.client);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, sw_conn_encoding(ends.client->conn) && changes[1] == 1);
    tape_free(&tape);
    ends_end(&ends);
}

static void test_encoding_is_agreed_on_through_bad_weather(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < world_seeds(20); seed++) {
        struct ends ends;
        ends_nodes(&ends, 100 + seed, &(struct client_options){0});
        ends_connect(&ends);
        ends.world.weather =
            (struct weather){.loss = 20, .duplicate = 20, .jitter = 300 * SW_MILLISECOND};
        for (int i = 0; i < 4; i++) {
            bool enable = i % 2 == 0;
            /* Six requests, or six answers, may all be lost: it is for the caller to ask again. */
            for (int tries = 0; tries < 10; tries++) {
                if (sw_conn_encoding(ends.client->conn) == enable) break;
                int r = sw_conn_set_encoding(ends.client->conn, enable, ends.world.now);
                world_check(&ends.world, r == 0);
                world_flush(ends.client);
                world_run(&ends.world, 15 * SW_SECOND, NULL);
            }
            world_check(&ends.world, sw_conn_encoding(ends.client->conn) == enable);
            world_check(&ends.world, sw_conn_encoding(ends.server->conn) == enable);
        }
        world_check(&ends.world, changes[0] == 4 && changes[1] == 4);
        ends_end(&ends);
    }
}

static void test_a_client_that_is_not_allowed_is_told_so(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 11, &(struct client_options){0});
    ends.server->no_encoding = true;
    ends.client->config.encode_at_connect = true;
    ends_connect(&ends);
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn));
    world_check(&ends.world, !sw_conn_encoding(ends.server->conn));
    world_check(&ends.world, !ends.client->conn->encoding.pending); /* it was answered */
    world_check(&ends.world, changes[0] == 0 && changes[1] == 0);
    world_check(&ends.world, counters(ends.server)->received_encoding_req_no_authorization == 1);
    world_check(&ends.world, ends_carry(&ends, 3) && codec.encoded == 0);
    ends_end(&ends);
}

static void test_a_server_without_codec_ignores_requests(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 12, &(struct client_options){0});
    ends.server->config.codec = NULL;
    ends.client->config.encode_at_connect = true;
    ends_connect(&ends);
    world_run(&ends.world, 15 * SW_SECOND, NULL);
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn));
    world_check(&ends.world, counters(ends.server)->frames_ignored == 6);
    world_check(&ends.world, ends_carry(&ends, 3));
    ends_end(&ends);
}

static void test_who_cannot_ask_is_told_why(void **state)
{
    struct ends ends;
    struct sw_conn *conn;

    (void)state;
    ends_nodes(&ends, 13, &(struct client_options){0});
    world_restart(ends.server);
    world_restart(ends.client);
    conn = world_connect(ends.client, ends.server);
    world_check(&ends.world, sw_conn_set_encoding(conn, true, ends.world.now) == SW_ESTATE);
    world_check(&ends.world, sw_conn_encoded(conn, (uint8_t[20]){0}, 20, 0) == SW_ESTATE);
    world_check(&ends.world, sw_conn_decoded(conn, (uint8_t[20]){0}, 20, 0) == SW_ESTATE);
    world_check(&ends.world, world_run(&ends.world, 5 * SW_SECOND, world_both_online));
    conn = ends.server->conn;
    world_check(&ends.world, sw_conn_set_encoding(conn, true, ends.world.now) == SW_EMODE);
    static uint8_t large[65536];
    world_check(&ends.world, sw_conn_encoded(conn, large, 65536, ends.world.now) == SW_EOVERSIZE);
    ends_end(&ends);

    ends_nodes(&ends, 14, &(struct client_options){0});
    ends.client->config.codec = NULL;
    ends.client->config.encode_at_connect = true;
    ends_connect(&ends);
    conn = ends.client->conn;
    world_check(&ends.world, sw_conn_set_encoding(conn, true, ends.world.now) == SW_ENOCODEC);
    world_check(&ends.world, ends_carry(&ends, 3) && codec.encoded == 0);
    ends_end(&ends);
}

/* --- frames that nobody should send ------------------------------------------------------------*/

static void send_frame(struct ends *ends, struct node *from, const struct sw_frame *frame)
{
    uint8_t bytes[64];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);

    assert_int_equal(sw_frame_encode(&w, frame), 0);
    world_send_plain(from, from->conn, bytes, sw_writer_len(&w));
    world_run(&ends->world, SW_SECOND / 10, NULL);
}

static void send_encoding(struct ends *ends, struct node *from, enum sw_frame_kind kind,
                          uint64_t id, bool enable)
{
    send_frame(ends, from,
               &(struct sw_frame){.kind = kind, .encoding = {.id = id, .enable = enable}});
}

static void test_requests_and_answers_that_were_overtaken_change_nothing(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 20, &(struct client_options){0});
    ends_connect(&ends);
    send_encoding(&ends, ends.client, SW_FRAME_ENCODING_REQUEST, 5, true);
    world_check(&ends.world, sw_conn_encoding(ends.server->conn));
    send_encoding(&ends, ends.client, SW_FRAME_ENCODING_REQUEST, 4, false);
    world_check(&ends.world, sw_conn_encoding(ends.server->conn));
    uint64_t said = ends.world.datagrams_from[0];
    send_encoding(&ends, ends.client, SW_FRAME_ENCODING_REQUEST, 5, true);
    world_check(&ends.world, ends.world.datagrams_from[0] == said + 1); /* answered once more */
    world_check(&ends.world, changes[0] == 1);

    send_encoding(&ends, ends.server, SW_FRAME_ENCODING_RESPONSE, 0, true); /* never asked */
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn));
    ends.world.tap = server_is_silent;
    world_check(&ends.world, sw_conn_set_encoding(ends.client->conn, true, ends.world.now) == 0);
    ends.world.tap = NULL;
    send_encoding(&ends, ends.server, SW_FRAME_ENCODING_RESPONSE, 7, true);
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn));
    send_encoding(&ends, ends.server, SW_FRAME_ENCODING_RESPONSE, 1, true);
    world_check(&ends.world, sw_conn_encoding(ends.client->conn));
    ends_end(&ends);
}

static void test_a_client_that_is_asked_says_no(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 21, &(struct client_options){0});
    ends_connect(&ends);
    /* The answer in turn is one that a server must not get. */
    send_encoding(&ends, ends.server, SW_FRAME_ENCODING_REQUEST, 1, true);
    world_check(&ends.world, counters(ends.client)->received_encoding_req_no_authorization == 1);
    world_check(&ends.world, ends.client->closed == 0 || ends.client->close_error == SW_EGOODBYE);
    world_check(&ends.world, counters(ends.server)->received_encoding_res_as_server == 1);
    world_check(&ends.world, ends.server->closed == 1 && ends.server->close_error == SW_EMODE);
    ends_end(&ends);
}

static void test_without_codec_an_answer_or_an_encoded_packet_is_the_end(void **state)
{
    const struct sw_frame frames[] = {
        {.kind = SW_FRAME_ENCODING_RESPONSE, .encoding = {.id = 1}},
        {.kind = SW_FRAME_ENCODED_DATA, .data = {(const uint8_t *)"abc", 3}},
    };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ends ends;
        ends_nodes(&ends, 22, &(struct client_options){0});
        ends.client->config.codec = NULL;
        ends_connect(&ends);
        send_frame(&ends, ends.server, &frames[i]);
        world_check(&ends.world,
                    ends.client->closed == 1 && ends.client->close_error == SW_ENOCODEC);
        ends_end(&ends);
    }
}

static void test_there_is_no_encoding_on_streams(void **state)
{
    const struct sw_frame frames[] = {
        {.kind = SW_FRAME_ENCODING_REQUEST, .encoding = {.id = 1, .enable = true}},
        {.kind = SW_FRAME_ENCODED_DATA, .data = {(const uint8_t *)"abc", 3}},
    };
    static const int errors[] = {SW_ETRANSPORT, SW_ENOCODEC};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ends ends;
        struct stream stream;
        ends_nodes(&ends, 23, &(struct client_options){0});
        ends.client->config.encode_at_connect = true;
        world_restart(ends.server);
        world_restart(ends.client);
        stream_open(&stream, ends.server, ends.client, 1000);
        world_check(&ends.world, world_run(&ends.world, SW_SECOND, world_both_online));
        struct sw_conn *conn = ends.client->conn;
        world_check(&ends.world, sw_conn_set_encoding(conn, true, ends.world.now) == SW_ETRANSPORT);
        world_check(&ends.world, sw_conn_encoded(conn, (uint8_t[20]){0}, 20, 0) == SW_ETRANSPORT);
        world_check(&ends.world, counters(ends.server)->received_encoding_req_with_tcp == 0);
        send_frame(&ends, ends.client, &frames[i]);
        stream_pump(&stream);
        world_run(&ends.world, SW_SECOND, NULL);
        world_check(&ends.world, ends.server->closed == 1 && ends.server->close_error == errors[i]);
        world_check(&ends.world,
                    counters(ends.server)->received_encoding_req_with_tcp == (i == 0 ? 1 : 0));
        stream_free(&stream);
        ends_end(&ends);
    }
}

static void test_a_response_over_a_stream_ends_it(void **state)
{
    struct ends ends;
    struct stream stream;

    (void)state;
    ends_nodes(&ends, 24, &(struct client_options){0});
    world_restart(ends.server);
    world_restart(ends.client);
    stream_open(&stream, ends.server, ends.client, 1000);
    world_check(&ends.world, world_run(&ends.world, SW_SECOND, world_both_online));
    send_encoding(&ends, ends.server, SW_FRAME_ENCODING_RESPONSE, 1, true);
    stream_pump(&stream);
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, ends.client->closed == 1 && ends.client->close_error == SW_ETRANSPORT);
    stream_free(&stream);
    ends_end(&ends);
}

static void test_a_request_before_the_login_is_refused_and_counted(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 25, &(struct client_options){0});
    ends.server->verdict = SW_EPENDING;
    world_restart(ends.server);
    world_restart(ends.client);
    assert_non_null(world_connect(ends.client, ends.server));
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, sw_conn_state(ends.server->conn) == SW_STATE_LINK_UP);
    send_encoding(&ends, ends.client, SW_FRAME_ENCODING_REQUEST, 1, true);
    world_check(&ends.world, counters(ends.server)->received_encoding_req_non_online == 1);
    world_check(&ends.world, counters(ends.server)->received_encoding_req_no_authorization == 1);
    world_check(&ends.world, !sw_conn_encoding(ends.server->conn) && ends.server->closed == 0);
    ends_end(&ends);
}

/* --- the rest ----------------------------------------------------------------------------------*/

static void test_encoding_goes_off_when_nothing_comes_back(void **state)
{
    struct ends ends;

    (void)state;
    ends_nodes(&ends, 30, &(struct client_options){0});
    ends.client->config.encode_at_connect = true;
    ends.client->config.encoding_stall = 5 * SW_SECOND;
    ends_connect(&ends);
    for (int i = 0; i < 10; i++) {
        world_check(&ends.world, ends_carry(&ends, 1)); /* a second each */
        world_check(&ends.world, sw_conn_encoding(ends.client->conn));
    }
    world_run(&ends.world, 10 * SW_SECOND, NULL); /* silence is no stall */
    world_check(&ends.world, sw_conn_encoding(ends.client->conn));
    sw_conn_network_changed(ends.client->conn, ends.world.now); /* nor is a change of the network */
    world_flush(ends.client);
    up(&ends, 1, 100);
    world_run(&ends.world, 4 * SW_SECOND, NULL);
    up(&ends, 1, 100);
    world_run(&ends.world, 2 * SW_SECOND, NULL);
    world_check(&ends.world, sw_conn_encoding(ends.client->conn));
    up(&ends, 1, 100); /* the one after which it is asked */
    world_run(&ends.world, SW_SECOND, NULL);
    world_check(&ends.world, !sw_conn_encoding(ends.client->conn));
    world_check(&ends.world, !sw_conn_encoding(ends.server->conn));
    world_check(&ends.world, ends_carry(&ends, 3));
    ends_end(&ends);
}

static void test_a_connection_without_room_for_the_codec_is_not_made(void **state)
{
    struct ends ends;
    int error;

    (void)state;
    ends_nodes(&ends, 31, &(struct client_options){0});
    world_restart(ends.client);
    codec.refuses = true;
    const struct sw_path path = {.remote = ends.server->address};
    assert_null(sw_connect(ends.client->engine, SW_DATAGRAM, &path, ends.world.now, &error));
    assert_int_equal(error, SW_ENOMEM);
    ends_end(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_arrive_whole_through_the_codec),
        cmocka_unit_test(test_packets_arrive_whole_through_the_codec_on_the_lane),
        cmocka_unit_test(test_what_the_codec_skips_goes_as_it_is),
        cmocka_unit_test(test_a_codec_may_keep_packets_for_later),
        cmocka_unit_test(test_superpackets_are_cut_before_they_are_encoded),
        cmocka_unit_test(test_what_the_codec_makes_may_go_in_fragments),
        cmocka_unit_test(test_a_packet_waits_for_the_room_that_the_codec_took),
        cmocka_unit_test(test_a_codec_that_fails_ends_the_connection),
        cmocka_unit_test(test_nothing_comes_out_of_a_connection_that_the_decoder_has_closed),
        cmocka_unit_test(test_a_request_is_repeated_five_times_and_given_up),
        cmocka_unit_test(test_encoding_is_agreed_on_through_bad_weather),
        cmocka_unit_test(test_a_client_that_is_not_allowed_is_told_so),
        cmocka_unit_test(test_a_server_without_codec_ignores_requests),
        cmocka_unit_test(test_who_cannot_ask_is_told_why),
        cmocka_unit_test(test_requests_and_answers_that_were_overtaken_change_nothing),
        cmocka_unit_test(test_a_client_that_is_asked_says_no),
        cmocka_unit_test(test_without_codec_an_answer_or_an_encoded_packet_is_the_end),
        cmocka_unit_test(test_there_is_no_encoding_on_streams),
        cmocka_unit_test(test_a_response_over_a_stream_ends_it),
        cmocka_unit_test(test_a_request_before_the_login_is_refused_and_counted),
        cmocka_unit_test(test_encoding_goes_off_when_nothing_comes_back),
        cmocka_unit_test(test_a_connection_without_room_for_the_codec_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
