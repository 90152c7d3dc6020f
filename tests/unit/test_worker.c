/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Packets through two workers that are joined by a tunnel: host/worker.h. */

#include "tests/unit/worker_pair.h"

static void both_ways(enum sw_transport transport, bool batching)
{
    uint8_t packet[2000];
    open_tunnel(transport, batching);
    for (uint32_t i = 0; i < 20; i++) {
        size_t len = make_packet(packet, TUN_IP, REMOTE_IP, 1000, i);
        assert_true(inject(&client, packet, len, NULL));
        expect_number(&server, i, INSIDE_IP, REMOTE_IP);
        len = make_packet(packet, REMOTE_IP, INSIDE_IP, 1322, 100 + i);
        assert_true(inject(&server, packet, len, NULL));
        expect_number(&client, 100 + i, REMOTE_IP, TUN_IP);
    }
}

static void test_packets_go_both_ways_over_udp(void **state)
{
    both_ways(SW_DATAGRAM, true);
}

static void test_packets_go_both_ways_over_udp_one_by_one(void **state)
{
    both_ways(SW_DATAGRAM, false);
    assert_int_equal(metric(&server, "udp_gso_messages"), 0);
    assert_int_equal(metric(&server, "udp_send_calls"), metric(&server, "udp_send_datagrams"));
}

static void test_packets_go_both_ways_over_tcp(void **state)
{
    both_ways(SW_STREAM, true);
}

static void test_packets_go_both_ways_over_tcp_one_by_one(void **state)
{
    both_ways(SW_STREAM, false);
}

/* 30 segments of 1000 bytes and one of 4, which begin with their numbers. */
static size_t make_superpacket(uint8_t *packet, struct sw_vnet *vnet, uint32_t to)
{
    size_t len = make_packet(packet, REMOTE_IP, to, 30 * 1000 + 4, 0);
    for (uint32_t i = 0; i <= 30; i++)
        sw_put_be32(packet + UDP_HEADERS + 1000 * i, i);
    *vnet = (struct sw_vnet){.flags = SW_VNET_NEEDS_CSUM,
                             .gso_type = SW_GSO_UDP_L4,
                             .hdr_len = UDP_HEADERS,
                             .gso_size = 1000,
                             .csum_start = 20,
                             .csum_offset = 6};
    return len;
}

static void superpacket(enum sw_transport transport)
{
    static uint8_t packet[40000];
    struct sw_vnet vnet;
    open_tunnel(transport, true);
    size_t len = make_superpacket(packet, &vnet, INSIDE_IP);
    uint64_t messages = metric(&server, "udp_gso_messages");
    assert_true(inject(&server, packet, len, &vnet));
    for (uint32_t i = 0; i <= 30; i++)
        expect_number(&client, i, REMOTE_IP, TUN_IP);
    assert_int_equal(metric(&server, "superpackets"), 1);
    assert_int_equal(metric(&server, "superpacket_segments"), 31);
    if (transport == SW_DATAGRAM)
        assert_int_equal(metric(&server, "udp_gso_messages"), messages + 1);
}

static void test_superpacket_leaves_as_one_message(void **state)
{
    superpacket(SW_DATAGRAM);
}

static void test_superpacket_over_tcp(void **state)
{
    superpacket(SW_STREAM);
}

static uint32_t injected;

/* Fills the client's TUN queue; how many packets fit. */
static uint32_t fill_inside(size_t payload)
{
    static uint8_t packet[2000];
    uint32_t before = injected;
    while (inject(&client, packet, make_packet(packet, TUN_IP, REMOTE_IP, payload, injected), NULL))
        injected++;
    return injected - before;
}

static bool client_is_paused(void)
{
    return metric(&client, "tun_paused") > 0;
}

/* docs/offload.md F.5: EAGAIN stops the reading, and nothing is lost or changes its place. */
static void test_full_udp_socket_stops_the_tun_and_loses_nothing(void **state)
{
    open_tunnel(SW_DATAGRAM, true);
    injected = 0;
    socket_full = true;
    fill_inside(1000);
    assert_true(run_until(client_is_paused));
    uint64_t reads = metric(&client, "tun_reads");
    for (int i = 0; i < 20; i++)
        uv_run(sw_worker_loop(client.worker), UV_RUN_NOWAIT);
    assert_int_equal(metric(&client, "tun_reads"), reads);
    fill_inside(1000);
    assert_true(injected > 2 * reads || injected > 100);

    socket_full = false;
    for (uint32_t i = 0; i < injected; i++)
        expect_number(&server, i, INSIDE_IP, REMOTE_IP);
    assert_int_equal(metric(&client, "udp_no_room"), 0);
    assert_true(metric(&client, "udp_send_blocked") > 0);
}

/* Runs only the client until its TUN is paused, feeding it all the time. */
static void fill_stream(void)
{
    uint64_t limit = uv_hrtime() + 20 * UINT64_C(1000000000);
    injected = 0;
    while (!client_is_paused()) {
        assert_true(uv_hrtime() < limit);
        fill_inside(1300);
        uv_run(sw_worker_loop(client.worker), UV_RUN_NOWAIT);
    }
}

/* docs/protocol/session.md §3.3: a client waits when its stream is full. */
static void test_full_stream_holds_a_packet_and_loses_nothing(void **state)
{
    open_tunnel(SW_STREAM, true);
    fill_stream();
    assert_true(metric(&client, "tcp_send_blocked") > 0);
    for (uint32_t i = 0; i < injected; i++)
        expect_number(&server, i, INSIDE_IP, REMOTE_IP);
    assert_int_equal(metric(&client, "drop_queue_full"), 0);
    assert_int_equal(metric(&client, "tun_held_dropped"), 0);
}

static bool client_has_closed(void)
{
    return client.closed > 0;
}

static void test_held_packet_goes_with_its_connection(void **state)
{
    open_tunnel(SW_STREAM, true);
    fill_stream();
    sw_conn_close(client.conn, SW_ETIMEOUT, sw_worker_now());
    assert_true(client_has_closed());
    assert_int_equal(metric(&client, "tun_held_dropped"), 1);
    sw_worker_flush(client.worker); /* the TUN is read again, and its packets are nobody's */
    fill_inside(1300);
    for (int i = 0; i < 100; i++)
        uv_run(sw_worker_loop(client.worker), UV_RUN_NOWAIT);
    assert_true(metric(&client, "tun_rejected_packet_no_connection") > 0);
}

static bool two_rejected(void)
{
    return metric(&server, "tun_rejected_packet_no_connection") == 1 &&
           metric(&server, "tun_rejected_packet_not_ipv4") == 2;
}

static void test_packets_for_nobody_are_counted(void **state)
{
    uint8_t packet[200];
    open_tunnel(SW_DATAGRAM, true);
    size_t len = make_packet(packet, REMOTE_IP, INSIDE_IP + 1, 100, 0);
    assert_true(inject(&server, packet, len, NULL));
    packet[0] = 0x60;
    assert_true(inject(&server, packet, len, NULL));
    packet[0] = 0x45;
    assert_true(inject(&server, packet, 19, NULL));
    assert_true(run_until(two_rejected));
}

static bool client_lost_its_tun(void)
{
    return client.lost > 0;
}

static void test_lost_tun_is_reported_once(void **state)
{
    open_tunnel(SW_DATAGRAM, true);
    tun_broken = true;
    fill_inside(100);
    assert_true(run_until(client_lost_its_tun));
    for (int i = 0; i < 20; i++)
        uv_run(sw_worker_loop(client.worker), UV_RUN_NOWAIT);
    assert_int_equal(client.lost, 1);
}

static void goodbye(enum sw_transport transport)
{
    open_tunnel(transport, true);
    sw_worker_stop_engine(server.worker);
    assert_int_equal(server.closed, 1);
    assert_int_equal(server.closed_error, 0);
    assert_true(run_until(client_has_closed));
    assert_int_equal(client.closed_error, SW_EGOODBYE);
}

static void test_stopped_worker_says_goodbye_over_udp(void **state)
{
    goodbye(SW_DATAGRAM);
}

static void test_stopped_worker_says_goodbye_over_tcp(void **state)
{
    goodbye(SW_STREAM);
}

static bool server_has_closed(void)
{
    return server.closed > 0;
}

static void test_broken_stream_ends_the_connection(void **state)
{
    struct sw_link *link;
    open_tunnel(SW_STREAM, true);
    link = sw_conn_user(client.conn);
    sw_stream_finish(link->stream); /* the socket closes without a goodbye */
    link->stream = NULL;
    assert_true(run_until(server_has_closed));
    assert_int_equal(server.closed_error, SW_EPEERCLOSED);
}

/* A counter without a name is a counter nobody ever reads. */
static void test_every_counter_of_the_engine_has_a_name(void **state)
{
    struct sw_engine_counters counters, past = {0};
    struct sw_metrics *metrics = sw_metrics_new();
    uint64_t ones[sizeof counters / sizeof(uint64_t)], sum = 0;
    const size_t n = sizeof ones / sizeof ones[0];
    const size_t unused = 16 - (SW_REFUSALS - 1); /* of drop_segmenter */
    const char *name;
    json_t *value;
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    memcpy(&counters, ones, sizeof counters);
    assert_int_equal(sw_worker_metrics_engine(metrics, &counters), 0);
    json_t *all = sw_metrics_json(metrics);
    json_object_foreach(all, name, value) sum += (uint64_t)json_integer_value(value);
    /* of a histogram each bucket holds those below it, too */
    assert_int_equal(sum, n - unused + 2 * SW_DURATION_BUCKETS * (SW_DURATION_BUCKETS - 1) / 2);
    assert_int_equal(json_object_size(all), n - unused); /* no two of the same name */
    json_decref(all);

    sw_worker_metrics_engine_gone(metrics, &counters, &past);
    sw_worker_metrics_engine_gone(metrics, &counters, &past);
    assert_int_equal(past.udp_received, 2);
    assert_int_equal(past.frames_ignored, 2);
    sw_metrics_free(metrics);
}

#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_packets_go_both_ways_over_udp),
        WORKER_TEST(test_packets_go_both_ways_over_udp_one_by_one),
        WORKER_TEST(test_packets_go_both_ways_over_tcp),
        WORKER_TEST(test_packets_go_both_ways_over_tcp_one_by_one),
        WORKER_TEST(test_superpacket_leaves_as_one_message),
        WORKER_TEST(test_superpacket_over_tcp),
        WORKER_TEST(test_full_udp_socket_stops_the_tun_and_loses_nothing),
        WORKER_TEST(test_full_stream_holds_a_packet_and_loses_nothing),
        WORKER_TEST(test_held_packet_goes_with_its_connection),
        WORKER_TEST(test_packets_for_nobody_are_counted),
        WORKER_TEST(test_lost_tun_is_reported_once),
        WORKER_TEST(test_stopped_worker_says_goodbye_over_udp),
        WORKER_TEST(test_stopped_worker_says_goodbye_over_tcp),
        WORKER_TEST(test_broken_stream_ends_the_connection),
        cmocka_unit_test(test_every_counter_of_the_engine_has_a_name),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
