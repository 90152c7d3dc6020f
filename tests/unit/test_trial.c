/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Connections on trial beside a worker's data path, and their promotion to it: host/trial.h. */

#include "tests/unit/worker_pair.h"

#include "host/trial.h"

static struct sw_trial *trial, *other; /* NULL: none, or no more */
static unsigned refused;

static void end_trial(struct sw_trial **which)
{
    sw_trial_free(*which);
    *which = NULL;
}

static void promote_trial(void)
{
    assert_int_equal(sw_trial_promote(trial), 0);
    trial = NULL;
}

static int end_all(void **state)
{
    end_trial(&trial);
    end_trial(&other);
    return tear_down(state);
}

static void on_trial_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    on_event(user, conn, event);
}

static void on_refused(void *user)
{
    refused++;
}

static const struct sw_trial_ops trial_ops = {.event = on_trial_event, .refused = on_refused};

static void new_trial(enum sw_transport transport)
{
    const struct sw_engine_config config = engine_config(&client, SW_CLIENT, transport);
    refused = 0;
    trial = sw_trial_new(client.worker, &config, &trial_ops, &client);
    assert_non_null(trial);
}

static void try_udp(const struct sw_address *address)
{
    const struct sw_udp_config config = {.remote = *address, .slots = 8, .gro = take_runs};
    struct sw_udp udp;
    char why[256];
    int error;
    assert_int_equal(sw_udp_open(&udp, &config, &sys, why, sizeof why), 0);
    assert_non_null(sw_trial_connect_udp(trial, &udp, &error));
}

static void on_trial_dialled(void *user, int fd, int error)
{
    assert_true(fd >= 0);
    assert_non_null(sw_trial_connect_tcp(trial, fd, user, &error));
}

/* Online, the client's end of it on trial. */
static void open_trial(enum sw_transport transport)
{
    open_ends(true);
    struct sw_address address = open_server(transport);
    new_trial(transport);
    if (transport == SW_DATAGRAM)
        try_udp(&address);
    else
        assert_non_null(sw_dial_start(sw_worker_loop(client.worker), &address, 0, 5000,
                                      on_trial_dialled, &address));
    assert_true(run_until(both_online));
    assert_null(sw_worker_engine(client.worker));
}

static void carry_packets(void)
{
    uint8_t packet[2000];
    for (uint32_t i = 0; i < 20; i++) {
        size_t len = make_packet(packet, TUN_IP, REMOTE_IP, 1000, i);
        assert_true(inject(&client, packet, len, NULL));
        expect_number(&server, i, INSIDE_IP, REMOTE_IP);
        len = make_packet(packet, REMOTE_IP, INSIDE_IP, 1322, 100 + i);
        assert_true(inject(&server, packet, len, NULL));
        expect_number(&client, 100 + i, REMOTE_IP, TUN_IP);
    }
}

static void promoted(enum sw_transport transport)
{
    open_trial(transport);
    struct sw_conn *conn = client.conn;
    promote_trial();
    assert_ptr_equal(client.conn, conn);
    assert_non_null(sw_worker_engine(client.worker));
    carry_packets();
    assert_int_equal(metric(&client, "conn_online"), 1);
    assert_int_equal(client.closed + server.closed, 0);
}

static void test_promoted_it_carries_packets_over_udp(void **state)
{
    promoted(SW_DATAGRAM);
}

static void test_promoted_it_carries_packets_over_udp_in_runs(void **state)
{
    take_runs = true;
    promoted(SW_DATAGRAM);
}

static void test_promoted_it_carries_packets_over_tcp(void **state)
{
    promoted(SW_STREAM);
}

static bool was_discarded(void)
{
    return metric(&client, "tun_discarded") > 0;
}

/* The TUN belongs to the one that is chosen. */
static void test_packets_of_a_server_on_trial_never_reach_the_tun(void **state)
{
    uint8_t packet[2000];
    open_trial(SW_DATAGRAM);
    assert_true(inject(&server, packet, make_packet(packet, REMOTE_IP, INSIDE_IP, 100, 1), NULL));
    assert_true(run_until(was_discarded));
    assert_int_equal(next_packet(&client), -1);
    end_trial(&trial);
}

static bool server_closed(void)
{
    return server.closed > 0;
}

static void ended(enum sw_transport transport)
{
    open_trial(transport);
    end_trial(&trial);
    assert_int_equal(client.closed, 0); /* the one who ends it need not be told */
    assert_true(run_until(server_closed));
    assert_int_equal(server.closed_error, SW_EGOODBYE);
    assert_int_equal(metric(&client, "conn_online"), 1); /* what it counted is not lost */
}

static void test_it_says_goodbye_over_udp(void **state)
{
    ended(SW_DATAGRAM);
}

static void test_it_says_goodbye_over_tcp(void **state)
{
    ended(SW_STREAM);
}

static bool was_refused(void)
{
    return refused > 0;
}

static void test_word_that_nobody_listens_is_passed_on(void **state)
{
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct sw_address address = sw_address_from_in(loopback, 0);
    struct sockaddr_storage bound;
    socklen_t len = sw_address_to_sockaddr(&address, AF_INET, &bound);
    open_ends(true);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&bound, len), 0);
    getsockname(fd, (struct sockaddr *)&bound, &len);
    sw_address_from_sockaddr(&address, (struct sockaddr *)&bound);
    close(fd); /* a port that was free a moment ago */
    new_trial(SW_DATAGRAM);
    try_udp(&address);
    assert_true(run_until(was_refused));
    assert_int_equal(client.closed, 0); /* it goes on: a hint is no proof */
    end_trial(&trial);
}

static bool two_online(void)
{
    return metric(&server, "conn_online") == 2;
}

static void test_several_run_beside_each_other(void **state)
{
    open_ends(true);
    struct sw_address address = open_server(SW_DATAGRAM);
    new_trial(SW_DATAGRAM);
    try_udp(&address);
    other = trial;
    trial = NULL;
    struct sw_tls_context *tls = client.tls;
    new_trial(SW_DATAGRAM);
    try_udp(&address);
    assert_true(run_until(two_online));
    end_trial(&other);
    assert_true(run_until(server_closed));
    server.conn = sw_engine_next_conn(sw_worker_engine(server.worker), NULL);
    promote_trial();
    client.conn = sw_engine_next_conn(sw_worker_engine(client.worker), NULL);
    assert_true(run_until(both_online));
    carry_packets();
    sw_tls_context_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_promoted_it_carries_packets_over_udp, set_up, end_all),
        cmocka_unit_test_setup_teardown(test_promoted_it_carries_packets_over_udp_in_runs, set_up,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_promoted_it_carries_packets_over_tcp, set_up, end_all),
        cmocka_unit_test_setup_teardown(test_packets_of_a_server_on_trial_never_reach_the_tun,
                                        set_up, end_all),
        cmocka_unit_test_setup_teardown(test_it_says_goodbye_over_udp, set_up, end_all),
        cmocka_unit_test_setup_teardown(test_it_says_goodbye_over_tcp, set_up, end_all),
        cmocka_unit_test_setup_teardown(test_word_that_nobody_listens_is_passed_on, set_up,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_several_run_beside_each_other, set_up, end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
