/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Devices, addresses and routes in a network namespace of the test's own: host/netlink.h. */

#include "host/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"
#include "host/tun.h"
#include "tests/unit/netns.h"

static bool entered;
static struct sw_netlink *nl;
static struct sw_tun tun;

static struct sw_address address_of(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) return sw_address_from_in(v4, 0);
    assert_int_equal(inet_pton(AF_INET6, host, &v6), 1);
    return sw_address_from_in6(&v6, 0, 0);
}

static uint32_t ip_of(const char *host)
{
    return ntohl(inet_addr(host));
}

/* A device to work with; gone after the test. */
static int set_up(void **state)
{
    const struct sw_tun_config config = {.name = "nltest0"};
    char why[256] = "";
    if (!entered) return 0;
    nl = sw_netlink_open();
    if (nl == NULL || sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why) < 0) {
        print_error("%s\n", why);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    if (!entered) return 0;
    sw_tun_close(&tun);
    sw_netlink_close(nl);
    return 0;
}

static void up(void)
{
    assert_int_equal(sw_netlink_address_add(nl, tun.index, ip_of("192.0.2.1"), 24, 0), 0);
    assert_int_equal(sw_netlink_link_up(nl, tun.index), 0);
}

static struct sw_route route_of(const char *destination, uint8_t prefix, const char *gateway)
{
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = address_of(destination);
    route.prefix = prefix;
    if (gateway != NULL) route.gateway = address_of(gateway);
    route.index = tun.index;
    return route;
}

static void test_link_is_read_brought_up_and_resized(void **state)
{
    struct sw_link_info info;
    NEED_OWN_NETWORK(entered);
    assert_int_equal(sw_netlink_link(nl, tun.index, &info), 0);
    assert_string_equal(info.name, "nltest0");
    assert_int_equal(info.index, tun.index);
    assert_false(info.up);
    assert_int_equal(info.mtu, 1500);
    assert_true(info.gso_max_size >= 65536);

    assert_int_equal(sw_netlink_link_mtu(nl, tun.index, 1350), 0);
    assert_int_equal(sw_netlink_link_up(nl, tun.index), 0);
    assert_int_equal(sw_netlink_link(nl, tun.index, &info), 0);
    assert_true(info.up);
    assert_int_equal(info.mtu, 1350);
}

static void test_missing_link_is_an_error(void **state)
{
    struct sw_link_info info;
    NEED_OWN_NETWORK(entered);
    assert_int_equal(sw_netlink_link(nl, 12345, &info), -1);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(sw_netlink_link_up(nl, 12345), -1);
    assert_int_equal(errno, ENODEV);
}

static void test_address_twice_is_fine(void **state)
{
    NEED_OWN_NETWORK(entered);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            sw_netlink_address_add(nl, tun.index, ip_of("100.64.0.6"), 32, ip_of("100.64.0.5")), 0);
}

static void test_peer_address_is_reached_through_the_device(void **state)
{
    struct sw_route found;
    struct sw_address peer = address_of("100.64.0.5");
    NEED_OWN_NETWORK(entered);
    assert_int_equal(
        sw_netlink_address_add(nl, tun.index, ip_of("100.64.0.6"), 32, ip_of("100.64.0.5")), 0);
    assert_int_equal(sw_netlink_link_up(nl, tun.index), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &peer, 0, &found), 0);
    assert_int_equal(found.index, tun.index);
    assert_int_equal(found.gateway.family, 0);
}

static void test_routes_with_and_without_gateway(void **state)
{
    struct sw_route found;
    struct sw_address far = address_of("203.0.113.9"), near = address_of("198.51.100.9");
    NEED_OWN_NETWORK(entered);
    up();
    struct sw_route routes[] = {route_of("203.0.113.0", 24, "192.0.2.7"),
                                route_of("198.51.100.0", 24, NULL)};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(sw_netlink_route_add(nl, &routes[i]), 0);

    assert_int_equal(sw_netlink_route_lookup(nl, &far, 0, &found), 0);
    assert_memory_equal(&found.gateway, &routes[0].gateway, sizeof found.gateway);
    assert_memory_equal(&found.destination, &far, sizeof far);
    assert_int_equal(found.prefix, 32);
    assert_int_equal(found.index, tun.index);
    assert_int_equal(sw_netlink_route_lookup(nl, &near, 0, &found), 0);
    assert_int_equal(found.gateway.family, 0);

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(sw_netlink_route_delete(nl, &routes[i]), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &far, 0, &found), -1);
    assert_int_equal(errno, ENETUNREACH);
}

static void test_route_that_is_there_or_not(void **state)
{
    NEED_OWN_NETWORK(entered);
    up();
    struct sw_route route = route_of("203.0.113.0", 24, "192.0.2.7");
    struct sw_route elsewhere = route_of("203.0.113.0", 24, "192.0.2.8");
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    assert_int_equal(sw_netlink_route_add(nl, &route), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(sw_netlink_route_delete(nl, &elsewhere), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
    assert_int_equal(sw_netlink_route_delete(nl, &route), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_unreachable_gateway_is_an_error(void **state)
{
    NEED_OWN_NETWORK(entered);
    up();
    struct sw_route route = route_of("203.0.113.0", 24, "10.99.0.1");
    assert_int_equal(sw_netlink_route_add(nl, &route), -1);
    assert_int_equal(errno, ENETUNREACH);
}

static void test_half_of_the_internet(void **state)
{
    struct sw_route found;
    struct sw_address somewhere = address_of("8.8.8.8"), other = address_of("200.1.1.1");
    NEED_OWN_NETWORK(entered);
    up();
    struct sw_route low = route_of("0.0.0.0", 1, "192.0.2.7");
    struct sw_route high = route_of("128.0.0.0", 1, "192.0.2.7");
    assert_int_equal(sw_netlink_route_add(nl, &low), 0);
    assert_int_equal(sw_netlink_route_add(nl, &high), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &somewhere, 0, &found), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &other, 7, &found), 0);
    assert_int_equal(sw_netlink_route_delete(nl, &high), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &other, 0, &found), -1);
}

static bool skip_nothing(void *user, const struct sw_route *route)
{
    return false;
}

static bool skip_this(void *user, const struct sw_route *route)
{
    return sw_route_equal(user, route);
}

static void test_best_route_is_the_most_specific_of_lowest_metric(void **state)
{
    struct sw_route found;
    struct sw_address far = address_of("203.0.113.9");
    NEED_OWN_NETWORK(entered);
    up();
    assert_int_equal(sw_netlink_route_best(nl, &far, 32, skip_nothing, NULL, &found), -1);
    assert_int_equal(errno, ENETUNREACH);
    assert_int_equal(system("ip route add default via 192.0.2.20 metric 200 &&"
                            "ip route add default via 192.0.2.10 metric 100 &&"
                            "ip route add default via 192.0.2.30 table 99"),
                     0);
    assert_int_equal(sw_netlink_route_best(nl, &far, 32, skip_nothing, NULL, &found), 0);
    struct sw_route expected = route_of("0.0.0.0", 0, "192.0.2.10");
    assert_true(sw_route_equal(&found, &expected));

    struct sw_route pinned = route_of("203.0.113.9", 32, "192.0.2.7");
    struct sw_route half = route_of("128.0.0.0", 1, "192.0.2.8");
    struct sw_route neighbour = route_of("203.0.113.10", 31, "192.0.2.9");
    assert_int_equal(sw_netlink_route_add(nl, &pinned), 0);
    assert_int_equal(sw_netlink_route_add(nl, &half), 0);
    assert_int_equal(sw_netlink_route_add(nl, &neighbour), 0);
    assert_int_equal(sw_netlink_route_best(nl, &far, 32, skip_nothing, NULL, &found), 0);
    assert_true(sw_route_equal(&found, &pinned));
    assert_int_equal(sw_netlink_route_best(nl, &far, 32, skip_this, &pinned, &found), 0);
    assert_true(sw_route_equal(&found, &half));
    assert_int_equal(sw_netlink_route_best(nl, &far, 0, skip_nothing, NULL, &found), 0);
    assert_true(sw_route_equal(&found, &expected));
}

static void test_of_several_paths_the_first_is_taken(void **state)
{
    struct sw_route found;
    struct sw_address far = address_of("203.0.113.9");
    NEED_OWN_NETWORK(entered);
    up();
    assert_int_equal(system("ip route add default nexthop via 192.0.2.20 nexthop via 192.0.2.10"),
                     0);
    assert_int_equal(sw_netlink_route_best(nl, &far, 32, skip_nothing, NULL, &found), 0);
    struct sw_route expected = route_of("0.0.0.0", 0, "192.0.2.20");
    assert_true(sw_route_equal(&found, &expected));
}

static void test_gateway_of_the_other_family(void **state)
{
    struct sw_route found;
    struct sw_address far = address_of("203.0.113.9"), next = address_of("203.0.113.10");
    NEED_OWN_NETWORK(entered);
    up();
    assert_int_equal(system("ip -4 route add default via inet6 fe80::7 dev nltest0"), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &far, 0, &found), 0);
    assert_int_equal(found.gateway.family, 6);
    assert_int_equal(found.gateway.ip[15], 7);
    assert_int_equal(found.table, 254);
    assert_int_equal(sw_netlink_route_add(nl, &found), 0);
    assert_int_equal(system("ip -4 route delete default"), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &far, 0, &found), 0);
    assert_int_equal(sw_netlink_route_lookup(nl, &next, 0, &found), -1);
    struct sw_route pinned = route_of("203.0.113.9", 32, "fe80::7");
    assert_int_equal(sw_netlink_route_delete(nl, &pinned), 0);
}

#define NETLINK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NETLINK_TEST(test_link_is_read_brought_up_and_resized),
        NETLINK_TEST(test_missing_link_is_an_error),
        NETLINK_TEST(test_address_twice_is_fine),
        NETLINK_TEST(test_peer_address_is_reached_through_the_device),
        NETLINK_TEST(test_routes_with_and_without_gateway),
        NETLINK_TEST(test_route_that_is_there_or_not),
        NETLINK_TEST(test_unreachable_gateway_is_an_error),
        NETLINK_TEST(test_half_of_the_internet),
        NETLINK_TEST(test_best_route_is_the_most_specific_of_lowest_metric),
        NETLINK_TEST(test_of_several_paths_the_first_is_taken),
        NETLINK_TEST(test_gateway_of_the_other_family),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
