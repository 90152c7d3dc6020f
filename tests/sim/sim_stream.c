/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * TLS over a byte stream (docs/protocol/session.md §3.3, §9.6, docs/protocol/wire.md §5): frames
 * split anywhere, a peer that does not read, and every way in which a stream can end.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "lib/tls/environment.h"
#include "lib/tls/session.h"
#include "tests/sim/stream.h"
#include "tests/sim/superpacket.h"

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static void pair(struct world *world, struct stream *stream, uint64_t seed, size_t max_chunk)
{
    world_init(world, seed);
    struct node *server = world_server(world, (seed & 1) != 0);
    struct node *client = world_client(world, &(struct client_options){.keyshare = seed >> 1 & 1});
    stream_open(stream, server, client, max_chunk);
    world_check(world, world_run(world, SW_SECOND, world_both_online));
}

static void end(struct world *world, struct stream *stream)
{
    stream_free(stream);
    world_end(world);
}

/* Packets with rising numbers, no gap where lossless. */
struct sequence {
    uint32_t next;
    bool lossless;
    unsigned wrong;
};

static void in_sequence(struct node *node, uint8_t *packet, size_t len)
{
    struct sequence *s = node->data;
    uint32_t number;

    if (!world_packet_check(packet, len, &number) || number < s->next ||
        (s->lossless && number != s->next)) {
        s->wrong++;
        return;
    }
    s->next = number + 1;
}

static int send_numbered(struct node *node, uint32_t number, size_t body)
{
    uint8_t packet[1500];
    bool server = node->config.role == SW_SERVER;
    size_t len = server ? world_packet(packet, REMOTE_IP, POOL_FIRST_IP, number, body)
                        : world_packet(packet, TUN_IP, REMOTE_IP, number, body);

    return world_send(node, node->conn, packet, len);
}

static void test_packets_survive_any_chunking(void **state)
{
    static const size_t chunks[] = {1, 2, 17, 100, 1500, 5000, 65536};

    (void)state;
    for (unsigned seed = 0; seed < 14; seed++) {
        struct sequence at[2] = {{.lossless = true}, {.lossless = true}};
        struct world world;
        struct stream stream;

        pair(&world, &stream, seed, chunks[seed % 7]);
        world.nodes[0].inside = world.nodes[1].inside = in_sequence;
        world.nodes[0].data = &at[0];
        world.nodes[1].data = &at[1];
        for (uint32_t i = 0; i < 1000; i++) {
            world_check(&world, send_numbered(&world.nodes[1], i, world_random(&world, 1319)) == 0);
            world_check(&world, send_numbered(&world.nodes[0], i, world_random(&world, 1319)) == 0);
            if (world_random(&world, 3) == 0) world_run(&world, SW_MILLISECOND, NULL);
        }
        world_run(&world, SW_SECOND, NULL);
        for (int i = 0; i < 2; i++)
            world_check(&world, at[i].wrong == 0 && at[i].next == 1000);
        world_check(&world, world.nodes[0].authorised == 1);
        end(&world, &stream);
    }
}

static size_t queued(const struct sw_conn *conn)
{
    size_t len;
    sw_conn_stream_peek(conn, &len);
    return len;
}

static void test_a_server_drops_for_a_peer_that_does_not_read(void **state)
{
    struct sequence at_client = {.lossless = false};
    struct world world;
    struct stream stream;
    uint32_t number = 0;

    (void)state;
    pair(&world, &stream, 20, 5000);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    client->inside = in_sequence;
    client->data = &at_client;
    stream.reading[STREAM_CLIENT] = false;
    for (; number < 1000; number++) {
        world_check(&world, send_numbered(server, number, 1300) == 0);
        world_run(&world, SW_MILLISECOND, NULL);
        world_check(&world, queued(server->conn) <= 256 * 1024);
    }
    world_check(&world, counters(server)->drop_queue_full > 500);
    world_check(&world, queued(server->conn) > 200 * 1024);
    uint64_t sent = counters(server)->inside_to_tunnel;
    world_check(&world, sent + counters(server)->drop_queue_full == 1000);

    stream.reading[STREAM_CLIENT] = true;
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, client->inside_count == sent && at_client.wrong == 0);
    world_check(&world, send_numbered(server, number, 1300) == 0);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, at_client.next == number + 1);
    world_check(&world, server->closed + client->closed == 0);
    end(&world, &stream);
}

/* A Pong in a record of its own is five times as long as the Ping that asks for it. */
static void test_answers_that_nobody_reads_are_bounded(void **state)
{
    static uint8_t pings[16000];
    struct world world;
    struct stream stream;

    (void)state;
    for (size_t i = 0; i < sizeof pings; i += 5)
        memcpy(pings + i, "\2\0\0\0\0", 5);
    pair(&world, &stream, 25, 5000);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    stream.reading[STREAM_CLIENT] = false;
    for (int i = 0; i < 50; i++) {
        world_send_plain(client, client->conn, pings, sizeof pings);
        world_run(&world, SW_MILLISECOND, NULL);
        world_check(&world, server->conn != NULL && queued(server->conn) < 280 * 1024);
    }
    world_check(&world, counters(server)->drop_queue_full > 100000);
    world_check(&world, send_numbered(server, 1, 100) == 0);
    stream.reading[STREAM_CLIENT] = true;
    world_run(&world, SW_SECOND, NULL);
    unsigned replies = client->replies;
    world_check(&world, replies > 5000 && client->inside_count == 0);
    world_send_plain(client, client->conn, pings, 5);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, client->replies == replies + 1);
    world_check(&world, server->closed + client->closed == 0);
    end(&world, &stream);
}

static void test_a_peer_that_fills_the_queue_through_tls_is_gone(void **state)
{
    struct world world;
    struct stream stream;

    (void)state;
    pair(&world, &stream, 26, 5000);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    stream.reading[STREAM_CLIENT] = false;
    for (int i = 0; i < 40000 && server->closed == 0; i++) {
        sw_engine_enter(client->engine, world.now);
        sw_tls_enter(&client->engine->env);
        assert_int_equal(wolfSSL_update_keys(client->conn->tls->wolf), WOLFSSL_SUCCESS);
        sw_conn_rearm(client->conn);
        sw_engine_leave(client->engine);
        stream_pump(&stream);
        if (i % 100 == 0) world_run(&world, SW_MILLISECOND, NULL);
        world_check(&world, server->closed == 1 || queued(server->conn) <= SW_STREAM_QUEUE_MOST);
    }
    world_check(&world, server->closed == 1 && server->close_error == SW_EFULL);
    world_check(&world, server->assigned == server->released);
    end(&world, &stream);
}

static void test_a_superpacket_beyond_the_queue_is_dropped_whole(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;
    struct stream stream;

    (void)state;
    pair(&world, &stream, 21, 5000);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    stream.reading[STREAM_CLIENT] = false;
    for (uint32_t i = 0; i < 20; i++) {
        struct sw_inside_packet packet =
            superpacket(bytes, REMOTE_IP, POOL_FIRST_IP, 65000, 1310, i);
        world_check(&world, sw_conn_send(server->conn, &packet, world.now) == 0);
        world_run(&world, SW_MILLISECOND, NULL);
        world_check(&world, queued(server->conn) <= 256 * 1024);
    }
    world_check(&world, counters(server)->drop_queue_full >= 14);
    stream.reading[STREAM_CLIENT] = true;
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, client->inside_count == 50 * (20 - counters(server)->drop_queue_full));
    end(&world, &stream);
}

/* A superpacket of tiny segments, as a guest's forged offload header makes it, is longer with its
 * frames than the queue ever is. */
static void test_a_superpacket_that_never_fits_the_queue_ends_nothing(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;
    struct stream stream;

    (void)state;
    pair(&world, &stream, 27, 5000);
    const uint32_t to[2] = {POOL_FIRST_IP, REMOTE_IP};
    for (int i = 0; i < 2; i++) {
        struct node *node = &world.nodes[i], *far = &world.nodes[1 - i];
        uint8_t small[200];
        struct sw_inside_packet packet =
            superpacket(bytes, i == 0 ? REMOTE_IP : TUN_IP, to[i], 65000, 1, 1);
        world_check(&world, sw_conn_send(node->conn, &packet, world.now) == 0);
        world_check(&world, counters(node)->drop_queue_full == 1 && node->closed == 0);
        world_send(node, node->conn, small,
                   world_packet(small, i == 0 ? REMOTE_IP : TUN_IP, to[i], 1, 50));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, far->inside_count == 1);
    }
    end(&world, &stream);
}

static void test_a_client_waits_for_room(void **state)
{
    static uint8_t bytes[SUPERPACKET_MAX];
    struct world world;
    struct stream stream;
    unsigned waited = 0;

    (void)state;
    pair(&world, &stream, 22, 5000);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    for (uint32_t i = 0; i < 40; i++) {
        struct sw_inside_packet packet = superpacket(bytes, TUN_IP, REMOTE_IP, 65000, 1310, i);
        int r;
        stream.reading[STREAM_SERVER] = false;
        while ((r = sw_conn_send(client->conn, &packet, world.now)) == SW_EAGAIN) {
            waited++;
            stream.reading[STREAM_SERVER] = world_random(&world, 2) == 0;
            world_run(&world, SW_MILLISECOND, NULL);
        }
        world_check(&world, r == 0);
    }
    stream.reading[STREAM_SERVER] = true;
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, waited > 10 && server->inside_count == 40 * 50);
    world_check(&world, counters(client)->drop_queue_full == 0);
    end(&world, &stream);
}

static void test_goodbye_follows_what_was_queued(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct sequence at = {.lossless = true};
        struct world world;
        struct stream stream;

        pair(&world, &stream, 23 + (unsigned)side, 5000);
        struct node *closing = &world.nodes[side], *other = &world.nodes[!side];
        other->inside = in_sequence;
        other->data = &at;
        stream.reading[!side] = false;
        for (uint32_t i = 0; i < 100; i++)
            world_check(&world, send_numbered(closing, i, 1300) == 0);
        sw_conn_close(closing->conn, 0, world.now);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, other->closed == 0);
        stream.reading[!side] = true;
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, at.wrong == 0 && at.next == 100);
        world_check(&world, other->closed == 1 && other->close_error == SW_EGOODBYE);
        world_check(&world, world.nodes[0].released == 1);
        end(&world, &stream);
    }
}

static void test_an_undecodable_frame_ends_the_stream(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int error;
    } frames[] = {
        {"\x63", 1, SW_EKIND},         {"\0", 1, SW_EKIND},
        {"\x04\x09", 2, SW_EENUM},     {"\x12\0\0\0\0\0\0\0\1\7", 10, SW_EBOOL},
        {"\x01\x01\x0d", 3, SW_EKIND},
    };

    (void)state;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
            struct world world;
            struct stream stream;

            pair(&world, &stream, 30 + i, 5000);
            struct node *sender = &world.nodes[side], *receiver = &world.nodes[!side];
            world_send_plain(sender, sender->conn, frames[i].bytes, frames[i].len);
            world_run(&world, SW_SECOND, NULL);
            if (receiver->close_error != frames[i].error)
                fail_msg("frame %zu: %s", i, sw_strerror(receiver->close_error));
            world_check(&world, sender->close_error == SW_EGOODBYE);
            world_check(&world, counters(receiver)->conn_unknown_error == 1);
            world_check(&world, counters(sender)->conn_unknown_error == 0);
            end(&world, &stream);
        }
    }
}

/* Deviation: nor is what the peer sends as an inside packet, and is none, the end of a stream. */
static void test_what_is_no_ipv4_packet_does_not_end_the_stream(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } frames[] = {
        {"\x05\0\0", 3},                                                    /* empty */
        {"\x05\0\4\x60\0\0\0", 7},                                          /* not IPv4 */
        {"\x05\0\x14\x45\0\0\x40\0\0\0\0\x40\x11\0\0\1\2\3\4\1\2\3\4", 23}, /* longer than it is */
        {"\x05\0\x14\x44\0\0\x14\0\0\0\0\x40\x11\0\0\1\2\3\4\1\2\3\4", 23}, /* header of 16 */
    };
    const unsigned count = sizeof frames / sizeof frames[0];
    struct world world;
    struct stream stream;

    (void)state;
    pair(&world, &stream, 45, 5000);
    for (int side = 0; side < 2; side++) {
        struct node *sender = &world.nodes[side], *receiver = &world.nodes[!side];
        for (unsigned i = 0; i < count; i++)
            world_send_plain(sender, sender->conn, frames[i].bytes, frames[i].len);
        send_numbered(sender, 1, 500);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, receiver->inside_count == 1);
        world_check(&world, counters(receiver)->drop_invalid_inside_packet == count);
    }
    world_check(&world, world.nodes[0].closed + world.nodes[1].closed == 0);
    end(&world, &stream);
}

static void test_frames_may_be_split_anywhere(void **state)
{
    static const char frames[] = "\x01\x02\xf0\x0b\0\0\x01\x02\0\0\0\0\x01";
    struct world world;
    struct stream stream;

    (void)state;
    pair(&world, &stream, 40, 3);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    for (size_t cut = 0; cut < sizeof frames - 1; cut++) {
        uint64_t before = counters(server)->frames_ignored;
        unsigned replies = client->replies;
        if (cut > 0) world_send_plain(client, client->conn, frames, cut);
        world_run(&world, SW_MILLISECOND, NULL);
        world_send_plain(client, client->conn, frames + cut, sizeof frames - 1 - cut);
        world_run(&world, SW_MILLISECOND, NULL);
        world_check(&world, counters(server)->frames_ignored == before + 3);
        world_check(&world, client->replies == replies + 1);
    }
    world_check(&world, server->closed == 0);
    end(&world, &stream);
}

static struct sw_conn *accept_from(struct node *server, struct sw_address from, int *error)
{
    const struct sw_path path = {.remote = from};
    return sw_accept_stream(server->engine, &path, server->world->now, error);
}

static void test_a_silent_stream_is_closed_after_a_minute(void **state)
{
    struct world world;
    int error;

    (void)state;
    world_init(&world, 50);
    struct node *server = world_server(&world, false);
    server->config.half_open_limit = 10;
    world_restart(server);
    for (unsigned i = 0; i < 10; i++)
        assert_non_null(accept_from(server, world_stranger(i, 1), &error));
    assert_null(accept_from(server, world_stranger(10, 1), &error));
    assert_int_equal(error, SW_EFULL);
    world_check(&world, counters(server)->stream_limited == 1);
    world_run(&world, 59 * SW_SECOND, NULL);
    world_check(&world, server->closed == 0);
    world_run(&world, 2 * SW_SECOND, NULL);
    world_check(&world, server->closed == 10 && server->close_error == SW_ETIMEOUT);
    world_check(&world, counters(server)->conn_stale_closed == 10);
    world_check(&world, server->engine->half_open.count == 0);
    assert_non_null(accept_from(server, world_stranger(10, 1), &error));
    world_end(&world);
}

static void test_one_host_cannot_take_every_place_with_silent_streams(void **state)
{
    const unsigned limit = 64, share = limit / 16;
    struct world world;
    int error;

    (void)state;
    world_init(&world, 52);
    struct node *server = world_server(&world, false);
    server->config.half_open_limit = limit;
    world_restart(server);
    for (unsigned i = 0; i < share; i++)
        assert_non_null(accept_from(server, world_stranger(1, (uint16_t)(1000 + i)), &error));
    assert_null(accept_from(server, world_stranger(1, 2000), &error));
    assert_int_equal(error, SW_EFULL);
    world_check(&world, counters(server)->stream_limited == 1);
    assert_non_null(accept_from(server, world_stranger(2, 1), &error));
    world_run(&world, 61 * SW_SECOND, NULL);
    assert_non_null(accept_from(server, world_stranger(1, 2000), &error));
    world_end(&world);
}

static void test_a_client_gives_a_silent_server_up_after_its_timeout(void **state)
{
    const struct sw_path path = {.remote = world_stranger(1, 1)};
    struct world world;
    int error;

    (void)state;
    world_init(&world, 51);
    struct node *client = world_client(&world, &(struct client_options){0});
    assert_non_null(sw_connect(client->engine, SW_STREAM, &path, world.now, &error));
    world_run(&world, 30 * SW_SECOND - 1, NULL);
    world_check(&world, client->closed == 0);
    world_run(&world, 1, NULL);
    world_check(&world, client->closed == 1 && client->close_error == SW_ETIMEOUT);
    world_end(&world);
}

static void test_garbage_ends_a_stream(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        uint8_t garbage[3000];
        struct world world;
        struct stream stream;

        if (seed % 2 == 0) {
            pair(&world, &stream, 60 + seed, 3000); /* an established one … */
        } else {
            world_init(&world, 60 + seed); /* … or one that has just begun */
            struct node *server = world_server(&world, false);
            struct node *client = world_client(&world, &(struct client_options){0});
            stream_open(&stream, server, client, 3000);
        }
        world_random_bytes(&world, garbage, sizeof garbage);
        if (seed % 4 < 2) memcpy(garbage, "\x16\x03\x03\x01\x00\x01", 6);
        int to = (int)world_random(&world, 2);
        stream_inject(&stream, to, garbage, 1 + world_random(&world, sizeof garbage));
        world_run(&world, 61 * SW_SECOND, NULL);
        world_check(&world, world.nodes[0].engine->half_open.count == 0);
        world_check(&world, world.nodes[to].closed == 1);
        world_check(&world, world.nodes[0].assigned == world.nodes[0].released);
        end(&world, &stream);
    }
}

static void test_a_stream_may_end_at_any_byte(void **state)
{
    (void)state;
    for (unsigned calls = 1; calls < 60; calls++) {
        struct world world;
        struct stream stream;

        world_init(&world, 300 + calls);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &(struct client_options){0});
        stream_open(&stream, server, client, 150);
        world.step = NULL;
        /* what the client says, up to some byte, then nothing more; likewise the other way */
        stream.room = 20 * calls;
        stream.reading[calls % 2] = false;
        stream_pump(&stream);
        stream.reading[calls % 2] = true;
        stream.to[calls % 2].ended = true;
        stream.to[!(calls % 2)].ended = true;
        stream_pump(&stream);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, server->closed == 1 && client->closed == 1);
        world_check(&world, server->engine->half_open.count == 0);
        world_check(&world, server->assigned == server->released);
        end(&world, &stream);
    }
}

static void test_logins_and_certificates_fail_on_streams_too(void **state)
{
    static const struct {
        struct client_options options;
        int client;
    } failures[] = {
        {{.password = "wrong"}, SW_EUNAUTHORISED},
        {{.ca = "other-ca.crt"}, SW_ECERT},
        {{.server_name = "other.test"}, SW_ENAME},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        struct stream stream;

        world_init(&world, 400 + i);
        struct node *server = world_server(&world, false);
        struct node *client = world_client(&world, &failures[i].options);
        stream_open(&stream, server, client, 1500);
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, client->close_error == failures[i].client);
        world_check(&world, server->closed == 1 && server->online == 0);
        world_check(&world, server->engine->half_open.count == 0 && server->assigned == 0);
        end(&world, &stream);
    }
}

static void count_writable(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    if (event->type == SW_EVENT_WRITABLE) ++*(unsigned *)node->data;
    stream_event(node, conn, event);
}

static void test_writable_is_said_when_the_queue_begins_to_fill(void **state)
{
    struct world world;
    struct stream stream;
    unsigned writable = 0;

    (void)state;
    pair(&world, &stream, 24, 1500);
    struct node *server = &world.nodes[0];
    server->event = count_writable;
    server->data = &writable;
    for (unsigned round = 1; round <= 3; round++) {
        send_numbered(server, 1, 100);
        world_check(&world, writable == round && queued(server->conn) > 0);
        send_numbered(server, 2, 100);
        world_check(&world, writable == round);
        stream_pump(&stream);
        world_check(&world, queued(server->conn) == 0);
    }
    world_send_plain(&world.nodes[1], world.nodes[1].conn, "\2\0\0\0\0", 5);
    stream_pump(&stream);
    world_check(&world, writable == 4); /* the Pong */
    end(&world, &stream);
}

struct closer {
    unsigned countdown;
    bool fired, online;
};

static void close_at_event(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    struct closer *closer = node->data;

    if (event->type != SW_EVENT_CLOSED && closer->countdown > 0 && --closer->countdown == 0) {
        closer->fired = true;
        closer->online = sw_conn_state(conn) == SW_STATE_ONLINE;
        sw_conn_close(conn, 0, node->world->now);
    }
    stream_event(node, conn, event);
}

static void test_callbacks_may_close_a_stream_at_any_time(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        unsigned fired = 0;
        for (unsigned at = 1; at < 16; at++) {
            struct closer closer = {.countdown = at};
            struct world world;
            struct stream stream;

            world_init(&world, 500 + at);
            struct node *server = world_server(&world, false);
            struct node *client = world_client(&world, &(struct client_options){0});
            stream_open(&stream, server, client, 500);
            world.nodes[side].event = close_at_event;
            world.nodes[side].data = &closer;
            world_run(&world, SW_SECOND, NULL);
            if (server->conn != NULL && client->conn != NULL)
                for (uint32_t i = 0; i < 20 && server->conn != NULL && client->conn != NULL; i++) {
                    send_numbered(server, i, 1000);
                    if (client->conn != NULL) send_numbered(client, i, 1000);
                    world_run(&world, SW_MILLISECOND, NULL);
                }
            fired += closer.fired;
            if (closer.fired) world_check(&world, server->closed == 1 && client->closed == 1);
            if (closer.online) world_check(&world, world.nodes[!side].close_error == SW_EGOODBYE);
            world_run(&world, 61 * SW_SECOND, NULL);
            world_check(&world, server->engine->half_open.count == 0);
            end(&world, &stream);
        }
        assert_true(fired > 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_survive_any_chunking),
        cmocka_unit_test(test_a_server_drops_for_a_peer_that_does_not_read),
        cmocka_unit_test(test_answers_that_nobody_reads_are_bounded),
        cmocka_unit_test(test_a_peer_that_fills_the_queue_through_tls_is_gone),
        cmocka_unit_test(test_a_superpacket_beyond_the_queue_is_dropped_whole),
        cmocka_unit_test(test_a_superpacket_that_never_fits_the_queue_ends_nothing),
        cmocka_unit_test(test_a_client_waits_for_room),
        cmocka_unit_test(test_goodbye_follows_what_was_queued),
        cmocka_unit_test(test_an_undecodable_frame_ends_the_stream),
        cmocka_unit_test(test_what_is_no_ipv4_packet_does_not_end_the_stream),
        cmocka_unit_test(test_frames_may_be_split_anywhere),
        cmocka_unit_test(test_a_silent_stream_is_closed_after_a_minute),
        cmocka_unit_test(test_one_host_cannot_take_every_place_with_silent_streams),
        cmocka_unit_test(test_a_client_gives_a_silent_server_up_after_its_timeout),
        cmocka_unit_test(test_garbage_ends_a_stream),
        cmocka_unit_test(test_a_stream_may_end_at_any_byte),
        cmocka_unit_test(test_logins_and_certificates_fail_on_streams_too),
        cmocka_unit_test(test_writable_is_said_when_the_queue_begins_to_fill),
        cmocka_unit_test(test_callbacks_may_close_a_stream_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
