/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Logging in (docs/protocol/session.md §7, §8) and single frames (docs/protocol/wire.md §6): how
 * often credentials are verified, when an inside address is taken and given back, what a frame does
 * that comes at the wrong time or cannot be decoded.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/engine/engine.h"
#include "tests/sim/world.h"

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static bool client_closed(struct world *world)
{
    return world->nodes[1].closed > 0;
}

static bool server_asked(struct world *world)
{
    return world->nodes[0].authorised > 0;
}

static bool carries(struct node *server, struct node *client)
{
    uint64_t before[2] = {server->inside_count, client->inside_count};
    uint8_t packet[200];

    world_send(client, client->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
    world_send(server, server->conn, packet,
               world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 100));
    world_run(client->world, 50 * SW_MILLISECOND, NULL);
    return server->inside_count == before[0] + 1 && client->inside_count == before[1] + 1;
}

static void start(struct world *world, uint64_t seed, const struct client_options *options)
{
    world_init(world, seed);
    world_server(world, false);
    world_client(world, options);
}

/* An AuthRequest with a token, as a frame. Bytes. */
static size_t token_request(uint8_t out[100], const char *token)
{
    const size_t len = strlen(token);

    out[0] = SW_FRAME_AUTH_REQUEST;
    out[1] = SW_AUTH_TOKEN;
    sw_put_be16(out + 2, (uint16_t)len);
    memcpy(out + 4, token, len);
    return 4 + len;
}

static bool holds(const struct node *node, const void *bytes, size_t len)
{
    const uint8_t *inbox = node->engine->inbox;

    for (size_t i = 0; i + len <= sizeof node->engine->inbox; i++)
        if (memcmp(inbox + i, bytes, len) == 0) return true;
    return false;
}

static void test_a_password_does_not_stay_where_it_was_read(void **state)
{
    struct world world;

    (void)state;
    start(&world, 2, &(struct client_options){.password = "correct horse battery"});
    struct node *server = &world.nodes[0];
    memcpy(server->password, "correct horse battery", sizeof "correct horse battery");
    assert_non_null(world_connect(&world.nodes[1], server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_check(&world, !holds(server, "horse", 5));
    world_send_plain(&world.nodes[1], world.nodes[1].conn, "\1\1horse", 7); /* others do */
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, holds(server, "horse", 5));
    world_end(&world);
}

static void test_a_token_lets_in(void **state)
{
    struct world world;

    (void)state;
    start(&world, 1, &(struct client_options){.token = "token"});
    assert_non_null(world_connect(&world.nodes[1], &world.nodes[0]));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_end(&world);

    start(&world, 1, &(struct client_options){.token = "other"});
    assert_non_null(world_connect(&world.nodes[1], &world.nodes[0]));
    world_check(&world, world_run(&world, SW_SECOND, client_closed));
    world_check(&world, world.nodes[1].close_error == SW_EUNAUTHORISED);
    world_end(&world);
}

/* Swallows what the server says while *tap_data is true. */
static bool deafen(struct world *world, const struct sw_address *from, const struct sw_address *to,
                   uint8_t *bytes, size_t len)
{
    (void)to;
    (void)bytes;
    (void)len;
    return from->port != world->nodes[0].address.port || !*(bool *)world->tap_data;
}

static void test_repetitions_cost_one_verification(void **state)
{
    bool deaf = false;
    struct world world;

    (void)state;
    start(&world, 2, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world.tap = deafen;
    world.tap_data = &deaf;
    world.weather.duplicate = 100;
    assert_non_null(world_connect(client, server));
    while (sw_conn_state(client->conn) != SW_STATE_AUTHENTICATING)
        world_run(&world, SW_MILLISECOND, NULL);
    deaf = true; /* AuthSuccess is lost, and lost again */
    world_run(&world, 10 * SW_SECOND, NULL);
    world_check(&world, server->online == 1 && client->online == 0);
    deaf = false;
    world_check(&world, world_run(&world, 2 * SW_SECOND, world_both_online));
    world_check(&world, server->authorised == 1 && server->assigned == 1);
    /* 0.1, 0.3, 0.7, 1.5, 3.1, 4.7, 6.3 … s, each a record of its own in three copies */
    world_check(&world, counters(server)->auth_requests >= 8);
    world_check(&world, counters(server)->auth_requests <= 12);
    world_check(&world, counters(server)->auth_repeated == counters(server)->auth_requests - 1);
    world_check(&world, carries(server, client));
    world_end(&world);
}

static bool logging_in(struct world *world)
{
    return counters(&world->nodes[0])->auth_requests > 0;
}

/* Deviation: not every 25 ms, for ever; and the DTLS timer goes on beside it. */
static void test_a_login_is_repeated_less_and_less_often_and_not_for_ever(void **state)
{
    static const unsigned sent[] = {100, 300, 700, 1500, 3100, 4700, 6300}; /* ms after the first */
    struct world world;

    (void)state;
    world_init(&world, 20);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &(struct client_options){0});
    server->verdict = SW_EPENDING; /* and never answered */
    assert_non_null(world_connect(client, server));
    sw_time start = world.now;
    world_run(&world, SW_SECOND, logging_in);
    sw_time first = world.now;
    for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++) {
        world_run(&world, first + sent[i] * SW_MILLISECOND - 20 * SW_MILLISECOND - world.now, NULL);
        world_check(&world, counters(server)->auth_requests == i + 1);
        world_run(&world, 40 * SW_MILLISECOND, NULL);
        world_check(&world, counters(server)->auth_requests == i + 2);
    }
    world_run(&world, start + 31 * SW_SECOND - world.now, NULL);
    world_check(&world, client->closed == 1 && client->close_error == SW_ETIMEOUT);
    world_end(&world);
}

static void test_a_verdict_may_come_later(void **state)
{
    static const int verdicts[] = {0, SW_EDENIED, SW_EPENDING};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world world;

        start(&world, 3, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        server->verdict = SW_EPENDING;
        assert_non_null(world_connect(client, server));
        world_run(&world, 3 * SW_SECOND, NULL);
        world_check(&world, server->authorised == 1 && server->assigned == 0);
        world_check(&world, sw_conn_state(server->conn) == SW_STATE_LINK_UP);
        sw_conn_authorised(server->conn, verdicts[i], world.now);
        world_flush(server);
        world_run(&world, SW_SECOND / 10, NULL);
        world_check(&world, server->authorised == 1);
        if (i == 0) {
            world_check(&world, world_both_online(&world) && server->assigned == 1);
            sw_conn_authorised(server->conn, SW_EDENIED, world.now); /* nobody asked */
            world_check(&world, carries(server, client));
        } else { /* there is no later answer to a later answer */
            world_check(&world, client->close_error == SW_EUNAUTHORISED);
            world_check(&world, server->close_error == SW_EDENIED);
            world_check(&world, server->assigned == 0 && server->online == 0);
        }
        world_end(&world);
    }
}

static void test_any_answer_but_yes_is_a_no(void **state)
{
    static const int verdicts[] = {SW_EFULL, SW_EAGAIN, 1};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world world;

        start(&world, 5, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        server->verdict = verdicts[i];
        assert_non_null(world_connect(client, server));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, client->close_error == SW_EUNAUTHORISED);
        world_check(&world, server->close_error == SW_EDENIED && server->assigned == 0);
        world_end(&world);
    }
}

static void test_a_client_may_leave_before_the_verdict(void **state)
{
    struct world world;

    (void)state;
    start(&world, 4, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    server->verdict = SW_EPENDING;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, server_asked));
    sw_conn_close(client->conn, 0, world.now);
    world_flush(client);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, server->closed == 1 && server->close_error == SW_EGOODBYE);
    world_check(&world, server->conn == NULL && server->assigned == 0);
    world_check(&world, server->engine->half_open.count == 0);
    world_end(&world);
}

static void test_no_more_than_four_different_requests_are_verified(void **state)
{
    struct world world;
    uint8_t frame[100];

    (void)state;
    start(&world, 5, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    server->anyone = true;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    for (int i = 0; i < 10; i++) {
        const char token[] = {(char)('a' + i), 0};
        size_t len = token_request(frame, token);
        world_send_plain(client, client->conn, frame, len);
        world_send_plain(client, client->conn, frame, len);
        world_run(&world, SW_SECOND / 10, NULL);
    }
    world_check(&world, server->authorised == 4 && server->assigned == 1);
    world_check(&world, counters(server)->auth_limited == 14);
    world_check(&world, server->closed == 0 && carries(server, client));
    world_end(&world);
}

static void test_wrong_credentials_in_a_session_end_it(void **state)
{
    struct world world;
    uint8_t frame[100];

    (void)state;
    world_pair(&world, 6, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    world_send_plain(client, client->conn, frame, token_request(frame, "wrong"));
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, server->close_error == SW_EDENIED && server->released == 1);
    world_check(&world, client->close_error == SW_EUNAUTHORISED);
    world_check(&world, counters(server)->conn_rejected_access_denied == 1);
    world_end(&world);
}

static void test_an_address_is_taken_only_after_the_credentials_were_right(void **state)
{
    struct world world;

    (void)state;
    start(&world, 7, &(struct client_options){.password = "wrong"});
    assert_non_null(world_connect(&world.nodes[1], &world.nodes[0]));
    world_check(&world, world_run(&world, SW_SECOND, client_closed));
    world_check(&world, world.nodes[0].authorised == 1 && world.nodes[0].assigned == 0);
    world_end(&world);
}

static void test_without_a_free_address_nobody_gets_in(void **state)
{
    struct world world;

    (void)state;
    start(&world, 8, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    server->no_address = true;
    assert_non_null(world_connect(client, server));
    world_check(&world, world_run(&world, SW_SECOND, client_closed));
    world_check(&world, client->close_error == SW_EUNAUTHORISED);
    world_check(&world, server->close_error == SW_ENOADDRESS);
    world_check(&world, counters(server)->conn_rejected_no_free_ip == 1);
    world_check(&world, counters(server)->conn_rejected_access_denied == 0);
    world_check(&world, server->released == 0);
    world_end(&world);
}

static void leave_by_goodbye(struct world *world)
{
    sw_conn_close(world->nodes[1].conn, 0, world->now);
    world_flush(&world->nodes[1]);
}

static void leave_by_servers_will(struct world *world)
{
    sw_conn_close(world->nodes[0].conn, SW_EFULL, world->now);
    world_flush(&world->nodes[0]);
}

static void leave_by_shutdown(struct world *world)
{
    sw_engine_shutdown(world->nodes[0].engine, world->now);
    world_flush(&world->nodes[0]);
}

static void leave_by_close_notify_alone(struct world *world)
{
    struct node *client = &world->nodes[1];
    sw_tls_close(client->conn->tls);
    world_flush(client);
    world_run(world, SW_SECOND, NULL);
    if (client->conn != NULL) leave_by_goodbye(world);
}

static void leave_by_bad_frame(struct world *world)
{
    world_send_plain(&world->nodes[1], world->nodes[1].conn, "\x12\0\0\0\0\0\0\0\1\7", 10);
}

static void test_an_address_is_given_back_on_every_way_out(void **state)
{
    static const struct {
        void (*leave)(struct world *world);
        int server, client; /* errors */
    } ways[] = {
        {leave_by_goodbye, SW_EGOODBYE, 0},
        {leave_by_servers_will, SW_EFULL, SW_EGOODBYE},
        {leave_by_shutdown, 0, SW_EGOODBYE},
        {leave_by_close_notify_alone, SW_EPEERCLOSED, SW_EGOODBYE},
        {leave_by_bad_frame, SW_EBOOL, SW_EGOODBYE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct world world;

        world_pair(&world, 100 + i, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        ways[i].leave(&world);
        world_run(&world, SW_SECOND, NULL);
        if (server->close_error != ways[i].server || client->close_error != ways[i].client)
            fail_msg("way %zu: server %s, client %s", i, sw_strerror(server->close_error),
                     sw_strerror(client->close_error));
        world_check(&world, server->closed == 1 && client->closed == 1);
        world_check(&world, server->assigned == 1 && server->released == 1);
        world_check(&world, sw_engine_next_conn(server->engine, NULL) == NULL);
        world_check(&world, counters(server)->conn_unknown_error == (ways[i].server == SW_EBOOL));
        world_end(&world);
    }
}

/* What a frame may do to a session over UDP. */
static void test_bad_frames_cost_their_record_and_no_more(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } records[] = {
        {"\x63", 1},                  /* unknown kind */
        {"\0\0\0\0", 4},              /* padding */
        {"\x05\0\xff\x45", 4},        /* truncated Data */
        {"\x02\0", 2},                /* truncated Ping */
        {"\x01\x01\x0d\x01", 4},      /* two good ones, then an unused kind */
        {"\x04\x03\x09\x09\0\1x", 7}, /* VersionedToken of version 9.9 */
        {"\x04", 1},                  /* truncated AuthRequest */
        {"\x14\1\1", 3},              /* truncated ExpresslaneConfig */
        {"\x05\0\0", 3},              /* empty Data */
        {"\x05\0\4\x60\0\0\0", 7},    /* Data that is not IPv4 */
        {"\x05\0\x14\x45\0\0\x40\0\0\0\0\x40\x11\0\0\1\2\3\4\1\2\3\4", 23}, /* longer than it is */
        {"\x0f\0\1\x20\0\0\1x", 8},                                         /* DataFrag */
        {"\x03\0\7\0\0", 5},                                                /* Pong to nothing */
        {"\x0e\0\1x", 4},                                                   /* ServerConfig */
        {"\x01", 1},                                                        /* NoOp */
        {"\x12\0\0\0\0\0\0\0\1\1", 10}, /* EncodingRequest without a codec */
    };
    struct world world;

    (void)state;
    world_pair(&world, 9, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        world_send_plain(client, client->conn, records[i].bytes, records[i].len);
        world_send_plain(server, server->conn, records[i].bytes, records[i].len);
        world_run(&world, SW_SECOND / 10, NULL);
        if (server->closed + client->closed != 0 && records[i].bytes[0] == 4) break;
        if (!carries(server, client)) fail_msg("record %zu jams a receiver", i);
    }
    world_check(&world, counters(server)->drop_bad_frame >= 7);
    world_check(&world, counters(server)->frames_ignored >= 4);
    world_check(&world, counters(server)->drop_invalid_inside_packet == 3);
    world_check(&world, server->closed + client->closed == 0);
    world_end(&world);
}

static void test_data_before_online_is_counted_and_dropped(void **state)
{
    static const char data[] = "\x05\0\1x";
    struct world world;
    uint8_t packet[100];

    (void)state;
    start(&world, 14, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    server->verdict = SW_EPENDING;
    assert_non_null(world_connect(client, server));
    size_t len = world_packet(packet, TUN_IP, REMOTE_IP, 1, 50);
    world_check(&world, world_send(client, client->conn, packet, len) == 0);
    world_check(&world, world_run(&world, SW_SECOND, server_asked));
    world_check(&world, world_send(server, server->conn, packet, len) == 0);
    world_check(&world, counters(client)->drop_not_online == 1);
    world_check(&world, counters(server)->drop_not_online == 1);
    world_send_plain(client, client->conn, data, sizeof data - 1);
    world_send_plain(server, server->conn, data, sizeof data - 1);
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, counters(client)->drop_data_not_online == 1);
    world_check(&world, counters(server)->drop_data_not_online == 1);
    sw_conn_authorised(server->conn, 0, world.now);
    world_flush(server);
    world_check(&world, world_run(&world, SW_SECOND, world_both_online));
    world_check(&world, carries(server, client));
    world_end(&world);
}

static void test_frames_for_the_other_role_end_a_session(void **state)
{
    uint8_t success[200], frame[100];
    struct world world;

    (void)state;
    world_pair(&world, 10, &(struct client_options){0});
    world_send_plain(&world.nodes[0], world.nodes[0].conn, frame, token_request(frame, "token"));
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, world.nodes[1].close_error == SW_EMODE);
    world_end(&world);

    /* AuthSuccess for a server: harmless Online (a client ignores further ones as well) */
    world_pair(&world, 11, &(struct client_options){0});
    const struct sw_frame f = {.kind = SW_FRAME_AUTH_SUCCESS};
    struct sw_writer w = sw_writer(success, sizeof success);
    assert_int_equal(sw_frame_encode(&w, &f), 0);
    world_send_plain(&world.nodes[1], world.nodes[1].conn, success, sw_writer_len(&w));
    world_send_plain(&world.nodes[0], world.nodes[0].conn, success, sw_writer_len(&w));
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, sw_conn_ip_config(world.nodes[1].conn)->local_ip == CLIENT_IP);
    world_check(&world, carries(&world.nodes[0], &world.nodes[1]));
    world_end(&world);
}

/* The server's answer to one record of the client, as plaintext. */
static int answer_to(struct world *world, const void *bytes, size_t len, uint8_t *out)
{
    struct node *server = &world->nodes[0], *client = &world->nodes[1];
    struct tape tape = {0};
    int n = 0;

    world_send_plain(client, client->conn, bytes, len);
    world->tape = &tape;
    world_run(world, 6 * SW_MILLISECOND, NULL);
    world->tape = NULL;
    world_swallow(world);
    for (size_t i = 0; i < tape.count; i++)
        if (tape.items[i].from.port == server->address.port)
            n = world_open(client, &tape.items[i], out);
    tape_free(&tape);
    return n;
}

static void test_pings_are_answered_with_their_id_and_nothing_else(void **state)
{
    static uint8_t out[SW_TLS_RECORD_MAX];
    uint8_t ping[105] = {2, 0xf0, 0x0b, 0, 100};
    struct world world;

    (void)state;
    world_pair(&world, 12, &(struct client_options){0});
    assert_int_equal(answer_to(&world, ping, sizeof ping, out), 5);
    assert_memory_equal(out, "\x03\xf0\x0b\0\0", 5);
    assert_int_equal(answer_to(&world, "\2\0\0\0\0", 5, out), 5);
    assert_memory_equal(out, "\3\0\0\0\0", 5);
    world_end(&world);
}

static void test_an_expresslane_offer_is_acknowledged_and_not_accepted(void **state)
{
    static uint8_t out[SW_TLS_RECORD_MAX];
    static const uint8_t none[32];
    struct sw_frame frame = {
        .kind = SW_FRAME_EXPRESSLANE_CONFIG,
        .expresslane = {.version = 2, .enabled = true, .counter = 9, .key = {1, 2, 3}}};
    uint8_t offer[45];
    struct sw_writer w = sw_writer(offer, sizeof offer);
    struct world world;

    (void)state;
    world_pair(&world, 13, &(struct client_options){0});
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    assert_int_equal(sw_frame_encode(&w, &frame), 0);
    int n = answer_to(&world, offer, sizeof offer, out);
    assert_int_equal(n, 45);
    struct sw_cursor c = sw_cursor(out, (size_t)n);
    assert_int_equal(sw_frame_decode(&c, &frame), 0);
    assert_int_equal(frame.kind, SW_FRAME_EXPRESSLANE_CONFIG);
    assert_true(frame.expresslane.ack);
    assert_true(frame.expresslane.counter == 9);
    assert_memory_equal(frame.expresslane.key, none, sizeof none);

    uint8_t flagged[60] = {'H', 'e', 1, 3, 0, 1};
    memcpy(flagged + 8, sw_conn_session(server->conn).bytes, 8);
    world_inject(&world, &client->address, &server->address, flagged, sizeof flagged);
    world_run(&world, SW_SECOND / 10, NULL);
    world_check(&world, counters(server)->expresslane_received == 0);
    world_check(&world, counters(server)->expresslane_decrypt_no_key +
                                counters(server)->expresslane_malformed +
                                counters(server)->expresslane_replayed ==
                            1);
    world_check(&world, carries(server, client));
    world_end(&world);
}

static void test_a_session_ends_when_what_it_was_granted_for_expires(void **state)
{
    (void)state;
    for (int extended = 0; extended < 2; extended++) {
        struct world world;

        world_pair(&world, 900 + (unsigned)extended, &(struct client_options){0});
        struct node *server = &world.nodes[0], *client = &world.nodes[1];
        sw_conn_expire_at(server->conn, world.now + SW_MINUTE, world.now);
        world_run(&world, 59 * SW_SECOND, NULL);
        world_check(&world, server->closed + client->closed == 0);
        if (extended != 0) sw_conn_expire_at(server->conn, SW_NEVER, world.now);
        world_run(&world, 2 * SW_SECOND, NULL);
        world_check(&world, server->closed == (extended == 0) && client->closed == (extended == 0));
        if (extended == 0) {
            world_check(&world, server->close_error == SW_EEXPIRED);
            world_check(&world, client->close_error == SW_EGOODBYE);
            world_check(&world, server->assigned == 1 && server->released == 1);
            world_check(&world, sw_engine_counters(server->engine)->user_auth_eviction == 1);
        }
        world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_password_does_not_stay_where_it_was_read),
        cmocka_unit_test(test_a_token_lets_in),
        cmocka_unit_test(test_repetitions_cost_one_verification),
        cmocka_unit_test(test_a_login_is_repeated_less_and_less_often_and_not_for_ever),
        cmocka_unit_test(test_a_verdict_may_come_later),
        cmocka_unit_test(test_any_answer_but_yes_is_a_no),
        cmocka_unit_test(test_a_client_may_leave_before_the_verdict),
        cmocka_unit_test(test_no_more_than_four_different_requests_are_verified),
        cmocka_unit_test(test_wrong_credentials_in_a_session_end_it),
        cmocka_unit_test(test_an_address_is_taken_only_after_the_credentials_were_right),
        cmocka_unit_test(test_without_a_free_address_nobody_gets_in),
        cmocka_unit_test(test_an_address_is_given_back_on_every_way_out),
        cmocka_unit_test(test_bad_frames_cost_their_record_and_no_more),
        cmocka_unit_test(test_data_before_online_is_counted_and_dropped),
        cmocka_unit_test(test_frames_for_the_other_role_end_a_session),
        cmocka_unit_test(test_pings_are_answered_with_their_id_and_nothing_else),
        cmocka_unit_test(test_a_session_ends_when_what_it_was_granted_for_expires),
        cmocka_unit_test(test_an_expresslane_offer_is_acknowledged_and_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
