/* SPDX-License-Identifier: GPL-3.0-or-later */

/* UDP sockets on loopback: host/udp.h, and sending through real ones: host/udp_send.h. */

#include "host/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <slipway/batch.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"
#include "host/offload.h"
#include "host/udp_send.h"

/* --- helpers -----------------------------------------------------------------------------------*/

#define SEEN_MAX 160

static struct {
    struct sw_path path;
    size_t len;
    uint8_t first;
} seen[SEEN_MAX];
static unsigned n_seen;

static void see(void *user, const struct sw_path *path, uint8_t *data, size_t len)
{
    assert_true(n_seen < SEEN_MAX);
    seen[n_seen].path = *path;
    seen[n_seen].len = len;
    seen[n_seen++].first = data[0];
}

static struct sw_address address_of(const char *host, uint16_t port)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) return sw_address_from_in(v4, port);
    assert_int_equal(inet_pton(AF_INET6, host, &v6), 1);
    return sw_address_from_in6(&v6, port, 0);
}

static struct sw_udp open_with(struct sw_udp_config config)
{
    struct sw_udp udp;
    char why[256] = "";
    if (config.slots == 0) config.slots = 4;
    if (sw_udp_open(&udp, &config, &sw_sys_kernel, why, sizeof why) < 0) fail_msg("%s", why);
    return udp;
}

static struct sw_udp open_server(const char *host)
{
    return open_with((struct sw_udp_config){.local = address_of(host, 0), .never_df = true});
}

static struct sw_udp open_client(const struct sw_udp *server, const char *host)
{
    return open_with((struct sw_udp_config){.remote = address_of(host, server->local.port)});
}

static bool drained;

static unsigned receive_now(struct sw_udp *udp)
{
    return sw_udp_receive(udp, see, NULL, &drained);
}

static unsigned receive(struct sw_udp *udp)
{
    struct pollfd wait = {.fd = udp->fd, .events = POLLIN};
    n_seen = 0;
    assert_int_equal(poll(&wait, 1, 5000), 1);
    return receive_now(udp);
}

/* Sends n datagrams of len bytes along path as the programs do. */
static void send_along(struct sw_udp *udp, const struct sw_path *path, unsigned n, size_t len)
{
    struct sw_udp_send_counters counters = {0};
    struct sw_udp_sender *sender = sw_udp_sender_new(udp, &counters, SW_UDP_SEND_MESSAGES);
    struct sw_batch *batch = sw_batch_new(256u << 10, 16, sw_udp_probe_segments(&sw_sys_kernel));
    uint8_t *room;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(sw_batch_reserve(batch, len, &room), 0);
        memset(room, (int)i, len);
        sw_batch_commit(batch, path, len, 0);
    }
    assert_int_equal(sw_udp_sender_flush(sender, batch, SW_SECOND), 0);
    assert_int_equal(counters.datagrams, n);
    sw_batch_free(batch);
    sw_udp_sender_free(sender);
}

/* --- tests -------------------------------------------------------------------------------------*/

/* Client to server, and the answer along the path the datagram came: to the address of ours it was
 * sent to, and from there. The client is connected and hears nobody else. */
static void round_trip(const char *bind_to, const char *reach_at)
{
    struct sw_udp server = open_server(bind_to);
    struct sw_udp client = open_client(&server, reach_at);
    assert_int_equal(send(client.fd, "hello", 5, 0), 5);
    assert_int_equal(receive(&server), 1);
    struct sw_path path = seen[0].path;
    struct sw_address expected = address_of(reach_at, server.local.port);
    assert_true(sw_address_same_host(&path.local, &expected));
    assert_int_equal(path.local.port, server.local.port);
    assert_int_equal(seen[0].len, 5);
    assert_int_equal(seen[0].first, 'h');

    send_along(&server, &path, 3, 100);
    assert_int_equal(receive(&client), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(seen[i].len, 100);
        assert_int_equal(seen[i].first, i);
        assert_memory_equal(&seen[i].path.remote, &client.remote, sizeof client.remote);
    }
    assert_int_equal(server.counters.recv_missing_pktinfo, 0);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

static void test_wildcard_answers_from_the_address_it_was_reached_at(void **state)
{
    round_trip("0.0.0.0", "127.0.0.1");
    round_trip("0.0.0.0", "127.0.0.9");
}

static void test_bound_address_is_the_local_address(void **state)
{
    round_trip("127.0.0.3", "127.0.0.3");
}

static bool have_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool can = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    if (fd >= 0) close(fd);
    return can;
}

static void test_ipv6_wildcard_serves_both_families(void **state)
{
    if (!have_ipv6()) skip();
    round_trip("::", "::1");
    round_trip("::", "127.0.0.9");
    round_trip("::1", "::1");
}

static void test_server_never_sets_df(void **state)
{
    int value = -1;
    socklen_t len = sizeof value;
    struct sw_udp server = open_server("0.0.0.0");
    assert_int_equal(getsockopt(server.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
    assert_int_equal(value, IP_PMTUDISC_OMIT);
    sw_udp_close(&server);
    if (!have_ipv6()) return;
    server = open_server("::");
    assert_int_equal(getsockopt(server.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
    assert_int_equal(value, IP_PMTUDISC_OMIT);
    assert_int_equal(getsockopt(server.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, &len), 0);
    assert_int_equal(value, IPV6_PMTUDISC_DONT); /* routers do not cut */
    sw_udp_close(&server);
}

static int discover_of(const struct sw_udp *udp, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(udp->fd, level, option, &value, &len), 0);
    return value;
}

static void test_probing_is_switched_on_and_off_again(void **state)
{
    struct sw_udp server = open_server("0.0.0.0");
    assert_int_equal(sw_udp_set_probing(&server, true), 0);
    assert_int_equal(discover_of(&server, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
    assert_int_equal(sw_udp_set_probing(&server, false), 0);
    assert_int_equal(discover_of(&server, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
    sw_udp_close(&server);
    if (!have_ipv6()) return;
    server = open_server("::");
    assert_int_equal(sw_udp_set_probing(&server, true), 0);
    assert_int_equal(discover_of(&server, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
    assert_int_equal(discover_of(&server, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE);
    assert_int_equal(sw_udp_set_probing(&server, false), 0);
    assert_int_equal(discover_of(&server, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
    assert_int_equal(discover_of(&server, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DONT);
    sw_udp_close(&server);
}

static void test_buffers_are_what_was_asked_for(void **state)
{
    int value = 0;
    socklen_t len = sizeof value;
    struct sw_udp udp = open_with((struct sw_udp_config){
        .local = address_of("127.0.0.1", 0), .send_buffer = 65536, .receive_buffer = 131072});
    getsockopt(udp.fd, SOL_SOCKET, SO_SNDBUF, &value, &len);
    assert_int_equal(value, 2 * 65536);
    getsockopt(udp.fd, SOL_SOCKET, SO_RCVBUF, &value, &len);
    assert_int_equal(value, 2 * 131072);
    sw_udp_close(&udp);
}

static void test_slots_bound_one_call(void **state)
{
    struct sw_udp server = open_server("127.0.0.1");
    struct sw_udp client = open_client(&server, "127.0.0.1");
    for (int i = 0; i < 6; i++)
        assert_int_equal(send(client.fd, &i, 1, 0), 1);
    assert_int_equal(receive(&server), 4);
    assert_false(drained);
    assert_int_equal(receive(&server), 2);
    assert_true(drained);
    assert_int_equal(seen[1].first, 5);
    assert_int_equal(receive_now(&server), 0);
    assert_int_equal(server.counters.recv_datagrams, 6);
    assert_int_equal(server.counters.recv_calls, 3);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

/* What one UDP_SEGMENT message sends arrives as one run, is seen datagram by datagram, and along
 * one path; on a wildcard socket the address it was sent to comes with it. */
static void run_arrives_whole(const char *bind_to, const char *reach_at)
{
    struct sw_udp server =
        open_with((struct sw_udp_config){.local = address_of(bind_to, 0), .gro = true});
    struct sw_udp client = open_client(&server, reach_at);
    const struct sw_path path = {.remote = client.remote};
    struct sw_address expected = address_of(reach_at, server.local.port);
    assert_true(server.gro);
    send_along(&client, &path, 7, 1000);
    assert_int_equal(receive(&server), 7);
    assert_int_equal(n_seen, 7);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(seen[i].len, 1000);
        assert_int_equal(seen[i].first, i);
        assert_true(sw_address_same_host(&seen[i].path.local, &expected));
    }
    assert_int_equal(server.counters.gro_runs, 1);
    assert_int_equal(server.counters.gro_datagrams, 7);
    assert_int_equal(send(client.fd, "single", 6, 0), 6);
    assert_int_equal(receive(&server), 1);
    assert_int_equal(seen[0].len, 6);
    assert_int_equal(server.counters.gro_runs, 1);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

static void test_run_of_datagrams_is_received_at_once(void **state)
{
    run_arrives_whole("127.0.0.1", "127.0.0.1");
    run_arrives_whole("0.0.0.0", "127.0.0.2");
    run_arrives_whole("::", "::1");
}

static void test_run_as_long_as_they_come_is_not_truncated(void **state)
{
    struct sw_udp server =
        open_with((struct sw_udp_config){.local = address_of("127.0.0.1", 0), .gro = true});
    struct sw_udp client = open_client(&server, "127.0.0.1");
    const struct sw_path path = {.remote = client.remote};
    send_along(&client, &path, 46, 1406);
    unsigned count = 0;
    while (count < 46)
        count += receive(&server);
    assert_int_equal(server.counters.recv_truncated, 0);
    assert_int_equal(server.counters.recv_bytes, 46 * 1406);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

static void test_datagram_longer_than_a_slot_is_counted_and_dropped(void **state)
{
    static uint8_t large[SW_UDP_SLOT_LEN + 1];
    struct sw_udp server = open_server("127.0.0.1");
    struct sw_udp client = open_client(&server, "127.0.0.1");
    assert_int_equal(send(client.fd, large, sizeof large, 0), sizeof large);
    assert_int_equal(send(client.fd, large, SW_UDP_SLOT_LEN, 0), SW_UDP_SLOT_LEN);
    assert_int_equal(receive(&server), 2);
    assert_int_equal(n_seen, 1);
    assert_int_equal(seen[0].len, SW_UDP_SLOT_LEN);
    assert_int_equal(server.counters.recv_truncated, 1);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

static void test_refused_port_is_news_and_not_the_end(void **state)
{
    struct sw_udp server = open_server("127.0.0.1");
    struct sw_udp client = open_client(&server, "127.0.0.1");
    sw_udp_close(&server);
    assert_int_equal(send(client.fd, "x", 1, 0), 1);
    struct pollfd wait = {.fd = client.fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
    assert_int_equal(receive_now(&client), 0);
    assert_int_equal(client.counters.recv_errors, 1);
    assert_int_equal(receive_now(&client), 0);
    assert_int_equal(client.counters.recv_errors, 1);
    sw_udp_close(&client);
}

static void test_address_in_use_is_named(void **state)
{
    struct sw_udp server = open_server("127.0.0.1"), second;
    struct sw_udp_config config = {.local = server.local, .slots = 1};
    char why[256] = "", text[SW_ADDRESS_TEXT];
    assert_int_equal(sw_udp_open(&second, &config, &sw_sys_kernel, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, sw_address_text(&server.local, text)));
    assert_non_null(strstr(why, strerror(EADDRINUSE)));
    assert_int_equal(second.fd, -1);
    sw_udp_close(&second);
    sw_udp_close(&server);
}

static int failures_left, failure;

static int failing_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (failures_left == 0) return sw_sys_kernel.recvmmsg(fd, messages, count, flags);
    failures_left--;
    errno = failure;
    return -1;
}

/* Whatever the kernel says, what waits in the socket is still there for the next call. */
static void failed_call_loses_nothing(bool gro)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, ENOBUFS, ENOMEM, ECONNREFUSED, EAGAIN, EINTR};
    struct sw_sys failing = sw_sys_kernel;
    struct sw_udp server =
        open_with((struct sw_udp_config){.local = address_of("127.0.0.1", 0), .gro = gro});
    struct sw_udp client = open_client(&server, "127.0.0.1");
    const struct sw_path path = {.remote = client.remote};
    failing.recvmmsg = failing_recvmmsg;
    server.sys = &failing;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        uint64_t counted = server.counters.recv_errors;
        bool is_error = errors[i] != EAGAIN && errors[i] != EINTR;
        send_along(&client, &path, 3, 500);
        failure = errors[i];
        failures_left = 2;
        if (errors[i] != EINTR) { /* which is repeated at once */
            for (int times = 0; times < 2; times++) {
                assert_int_equal(receive(&server), 0);
                assert_true(drained);
            }
        }
        assert_int_equal(receive(&server), 3);
        assert_int_equal(n_seen, 3);
        for (unsigned n = 0; n < 3; n++)
            assert_int_equal(seen[n].first, n);
        assert_int_equal(server.counters.recv_errors, counted + (is_error ? 2 : 0));
    }
    sw_udp_close(&client);
    sw_udp_close(&server);
}

static void test_failed_receive_call_loses_nothing(void **state)
{
    failed_call_loses_nothing(false);
    failed_call_loses_nothing(true);
}

static void test_largest_batch_passes_the_kernel(void **state)
{
    struct sw_udp server = open_with((struct sw_udp_config){
        .local = address_of("127.0.0.1", 0), .receive_buffer = 1 << 20, .slots = SW_UDP_SLOTS});
    struct sw_udp client = open_client(&server, "127.0.0.1");
    struct sw_path path = {.remote = client.remote};
    send_along(&client, &path, 100, 1406); /* 46, 46 and 8 */
    unsigned n = 0;
    while (n < 100) {
        unsigned got = receive(&server);
        for (unsigned i = 0; i < got; i++) {
            assert_int_equal(seen[i].len, 1406);
            assert_int_equal(seen[i].first, n + i);
        }
        n += got;
    }
    assert_int_equal(n, 100);
    sw_udp_close(&client);
    sw_udp_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wildcard_answers_from_the_address_it_was_reached_at),
        cmocka_unit_test(test_bound_address_is_the_local_address),
        cmocka_unit_test(test_ipv6_wildcard_serves_both_families),
        cmocka_unit_test(test_server_never_sets_df),
        cmocka_unit_test(test_probing_is_switched_on_and_off_again),
        cmocka_unit_test(test_buffers_are_what_was_asked_for),
        cmocka_unit_test(test_slots_bound_one_call),
        cmocka_unit_test(test_run_of_datagrams_is_received_at_once),
        cmocka_unit_test(test_run_as_long_as_they_come_is_not_truncated),
        cmocka_unit_test(test_datagram_longer_than_a_slot_is_counted_and_dropped),
        cmocka_unit_test(test_refused_port_is_news_and_not_the_end),
        cmocka_unit_test(test_address_in_use_is_named),
        cmocka_unit_test(test_failed_receive_call_loses_nothing),
        cmocka_unit_test(test_largest_batch_passes_the_kernel),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
