/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Changes of the network, in a network namespace of the test's own: that they are noticed
 * (host/network_watch.h), and that a connected socket follows them (sw_udp_follow_route()).
 */

#include "host/network_watch.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"
#include "host/netlink.h"
#include "host/tun.h"
#include "host/udp.h"
#include "tests/unit/netns.h"

#define PATIENCE_MS 5000

static bool entered;
static struct sw_netlink *nl;
static struct sw_tun first, second;

static struct sw_address address_of(const char *host, uint16_t port)
{
    struct in_addr v4;
    assert_int_equal(inet_pton(AF_INET, host, &v4), 1);
    return sw_address_from_in(v4, port);
}

static int open_device(struct sw_tun *tun, const char *name, const char *ip)
{
    const struct sw_tun_config config = {.name = name};
    char why[256];
    if (sw_tun_open(tun, &config, &sw_sys_kernel, why, sizeof why) < 0) return -1;
    if (sw_netlink_address_add(nl, tun->index, ntohl(inet_addr(ip)), 24, 0) < 0) return -1;
    return sw_netlink_link_up(nl, tun->index);
}

static int set_up(void **state)
{
    if (!entered) return 0;
    nl = sw_netlink_open();
    if (nl == NULL || open_device(&first, "first", "192.0.2.1") < 0) return -1;
    return open_device(&second, "second", "198.51.100.1");
}

static int tear_down(void **state)
{
    if (!entered) return 0;
    sw_tun_close(&second);
    sw_tun_close(&first);
    sw_netlink_close(nl);
    return 0;
}

static struct sw_route route_over_second(void)
{
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = address_of("192.0.2.9", 0);
    route.prefix = 32;
    route.index = second.index;
    return route;
}

/* --- the watch ---------------------------------------------------------------------------------*/

static void count(void *user)
{
    ++*(unsigned *)user;
}

static void on_patience_ends(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until the handler was called or patience ends. */
static void run_until_called(uv_loop_t *loop, const unsigned *calls)
{
    uv_timer_t patience;
    bool over = false;
    uv_timer_init(loop, &patience);
    patience.data = &over;
    uv_timer_start(&patience, on_patience_ends, PATIENCE_MS, 0);
    while (*calls == 0 && !over)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&patience, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

static void test_changes_of_a_moment_are_one_call(void **state)
{
    uv_loop_t loop;
    unsigned calls = 0;
    struct sw_route route;
    NEED_OWN_NETWORK(entered);
    uv_loop_init(&loop);
    struct sw_network_watch *watch = sw_network_watch_open(&loop, count, &calls);
    assert_non_null(watch);
    route = route_over_second();
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
    assert_int_equal(
        sw_netlink_address_add(nl, first.index, ntohl(inet_addr("203.0.113.1")), 24, 0), 0);
    run_until_called(&loop, &calls);
    assert_int_equal(calls, 1);

    calls = 0;
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    run_until_called(&loop, &calls);
    assert_int_equal(calls, 1);

    sw_network_watch_close(watch);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* More changes than the socket holds messages of: the kernel drops some and says so. */
static void test_watch_outlives_lost_messages(void **state)
{
    uv_loop_t loop;
    unsigned calls = 0;
    struct sw_route route;
    NEED_OWN_NETWORK(entered);
    uv_loop_init(&loop);
    struct sw_network_watch *watch = sw_network_watch_open(&loop, count, &calls);
    route = route_over_second();
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(sw_netlink_route_add(nl, &route), 0);
        assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
    }
    run_until_called(&loop, &calls);
    assert_int_equal(calls, 1);

    calls = 0;
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    run_until_called(&loop, &calls);
    assert_int_equal(calls, 1);

    sw_network_watch_close(watch);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_no_call_after_close(void **state)
{
    uv_loop_t loop;
    unsigned calls = 0;
    struct sw_route route;
    NEED_OWN_NETWORK(entered);
    uv_loop_init(&loop);
    struct sw_network_watch *watch = sw_network_watch_open(&loop, count, &calls);
    route = route_over_second();
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    sw_network_watch_close(watch);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(calls, 0);
    sw_network_watch_close(NULL);
}

/* --- the socket --------------------------------------------------------------------------------*/

static struct sw_udp open_connected(void)
{
    const struct sw_udp_config config = {.remote = address_of("192.0.2.9", 27690), .slots = 4};
    struct sw_udp udp;
    char why[256] = "";
    if (sw_udp_open(&udp, &config, &sw_sys_kernel, why, sizeof why) < 0) fail_msg("%s", why);
    return udp;
}

static void assert_connected(const struct sw_udp *udp)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    assert_true(udp->connected);
    assert_int_equal(getpeername(udp->fd, (struct sockaddr *)&peer, &len), 0);
    assert_int_equal(peer.sin_addr.s_addr, inet_addr("192.0.2.9"));
    assert_int_equal(ntohs(peer.sin_port), 27690);
}

static void test_socket_follows_the_route(void **state)
{
    struct sw_address local, wanted = address_of("198.51.100.1", 0);
    NEED_OWN_NETWORK(entered);
    struct sw_udp udp = open_connected();
    int fd = udp.fd;
    assert_false(sw_udp_follow_route(&udp, NULL, &local));

    struct sw_route route = route_over_second();
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    assert_true(sw_udp_follow_route(&udp, NULL, &local));
    assert_true(sw_address_same_host(&local, &wanted));
    assert_int_equal(udp.fd, fd);
    assert_connected(&udp);
    assert_false(sw_udp_follow_route(&udp, NULL, &local));

    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
    wanted = address_of("192.0.2.1", 0);
    assert_true(sw_udp_follow_route(&udp, NULL, &local));
    assert_true(sw_address_same_host(&local, &wanted));
    assert_connected(&udp);
    sw_udp_close(&udp);
}

static void test_socket_waits_when_there_is_no_way(void **state)
{
    struct sw_address local;
    NEED_OWN_NETWORK(entered);
    struct sw_udp udp = open_connected();
    sw_tun_close(&first); /* its address and network go with it */
    assert_false(sw_udp_follow_route(&udp, NULL, &local));
    assert_connected(&udp);
    assert_int_equal(open_device(&first, "first", "192.0.2.3"), 0);
    assert_true(sw_udp_follow_route(&udp, NULL, &local));
    struct sw_address wanted = address_of("192.0.2.3", 0);
    assert_true(sw_address_same_host(&local, &wanted));
    assert_connected(&udp);
    sw_udp_close(&udp);
}

static void test_socket_never_sends_from_inside(void **state)
{
    struct sw_address local, inside = address_of("198.51.100.1", 0);
    NEED_OWN_NETWORK(entered);
    struct sw_udp udp = open_connected();
    struct sw_route route = route_over_second();
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    assert_false(sw_udp_follow_route(&udp, &inside, &local));
    assert_connected(&udp);
    assert_true(sw_udp_follow_route(&udp, NULL, &local));
    sw_udp_close(&udp);
}

static void test_servers_socket_stays(void **state)
{
    const struct sw_udp_config config = {.local = address_of("0.0.0.0", 0), .slots = 4};
    struct sw_udp udp;
    struct sw_address local;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    assert_int_equal(sw_udp_open(&udp, &config, &sw_sys_kernel, why, sizeof why), 0);
    assert_false(sw_udp_follow_route(&udp, NULL, &local));
    assert_false(udp.connected);
    sw_udp_close(&udp);
}

#define NETWORK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NETWORK_TEST(test_changes_of_a_moment_are_one_call),
        NETWORK_TEST(test_watch_outlives_lost_messages),
        NETWORK_TEST(test_no_call_after_close),
        NETWORK_TEST(test_socket_follows_the_route),
        NETWORK_TEST(test_socket_waits_when_there_is_no_way),
        NETWORK_TEST(test_socket_never_sends_from_inside),
        NETWORK_TEST(test_servers_socket_stays),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
