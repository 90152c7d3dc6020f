/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The client's default routes, in a network namespace of the test's own: client/routes.h. */

#include "client/routes.h"

#include <arpa/inet.h>
#include <errno.h>
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
static struct sw_tun outside, inside; /* two TUN devices: any device can carry a route */

static struct sw_address address_of(const char *host)
{
    struct in_addr v4;
    assert_int_equal(inet_pton(AF_INET, host, &v4), 1);
    return sw_address_from_in(v4, 0);
}

static uint32_t ip_of(const char *host)
{
    return ntohl(inet_addr(host));
}

static int open_device(struct sw_tun *tun, const char *name, const char *ip, unsigned prefix,
                       const char *peer)
{
    const struct sw_tun_config config = {.name = name};
    char why[256];
    if (sw_tun_open(tun, &config, &sw_sys_kernel, why, sizeof why) < 0) return -1;
    if (sw_netlink_address_add(nl, tun->index, ip_of(ip), prefix, peer != NULL ? ip_of(peer) : 0) <
        0)
        return -1;
    return sw_netlink_link_up(nl, tun->index);
}

static int set_up(void **state)
{
    if (!entered) return 0;
    nl = sw_netlink_open();
    if (open_device(&outside, "out0", "192.0.2.2", 24, NULL) < 0) return -1;
    return open_device(&inside, "in0", "100.64.0.6", 32, "100.64.0.5");
}

static int tear_down(void **state)
{
    if (!entered) return 0;
    sw_tun_close(&inside);
    sw_tun_close(&outside);
    sw_netlink_close(nl);
    return 0;
}

static struct sw_route route_of(const char *destination, uint8_t prefix, const char *gateway,
                                const struct sw_tun *tun)
{
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = address_of(destination);
    route.prefix = prefix;
    if (gateway != NULL) route.gateway = address_of(gateway);
    route.index = tun->index;
    return route;
}

static void add(const char *destination, uint8_t prefix, const char *gateway,
                const struct sw_tun *tun)
{
    struct sw_route route = route_of(destination, prefix, gateway, tun);
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
}

static bool is_there(const char *destination, uint8_t prefix, const char *gateway,
                     const struct sw_tun *tun)
{
    struct sw_route route = route_of(destination, prefix, gateway, tun);
    int added = sw_netlink_route_add(nl, &route);
    if (added == 0) sw_netlink_route_delete(nl, &route);
    return added < 0 && errno == EEXIST;
}

static unsigned device_to(const char *destination)
{
    struct sw_address address = address_of(destination);
    struct sw_route found;
    return sw_netlink_route_lookup(nl, &address, 0, &found) == 0 ? found.index : 0;
}

static struct sw_routes_plan plan_to(const char *server)
{
    return (struct sw_routes_plan){.server = address_of(server),
                                   .tun_index = inside.index,
                                   .tun_peer = ip_of("100.64.0.5"),
                                   .tun_dns = ip_of("100.64.0.1")};
}

static void test_everything_but_the_server_goes_into_the_tunnel(void **state)
{
    struct sw_routes routes = {0};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.server.port = 27690;
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 4);
    assert_int_equal(device_to("203.0.113.9"), outside.index);
    assert_int_equal(device_to("203.0.113.10"), inside.index);
    assert_int_equal(device_to("8.8.8.8"), inside.index);
    assert_int_equal(device_to("100.64.0.1"), inside.index);
    assert_int_equal(device_to("192.0.2.1"), outside.index); /* the link itself */
    assert_true(is_there("203.0.113.9", 32, "192.0.2.1", &outside));

    sw_routes_remove(&routes, nl);
    assert_int_equal(routes.n, 0);
    assert_int_equal(device_to("8.8.8.8"), outside.index);
    assert_false(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
    struct sw_route route = route_of("0.0.0.0", 0, "192.0.2.1", &outside);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
}

static void test_server_on_the_link_needs_no_gateway(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
    assert_int_equal(device_to("192.0.2.9"), outside.index);
    sw_routes_remove(&routes, nl);
    assert_false(is_there("192.0.2.9", 32, NULL, &outside));
}

static void test_server_on_this_host_needs_no_route(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.2");
    plan.tun_dns = 0;
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 2);
    sw_routes_remove(&routes, nl);
}

static void test_unreachable_server_is_an_error(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("203.0.113.9");
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "203.0.113.9"));
    assert_int_equal(routes.n, 0);
}

static void test_routes_of_a_client_that_died_are_taken_over(void **state)
{
    struct sw_routes dead = {0}, routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&dead, nl, &plan, why, sizeof why), 0);
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 4);
    sw_routes_remove(&routes, nl);
    assert_false(is_there("192.0.2.9", 32, NULL, &outside));
    assert_false(is_there("0.0.0.0", 1, "100.64.0.5", &inside));
}

static void test_half_that_leads_elsewhere_is_an_error(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("128.0.0.0", 1, "192.0.2.1", &outside);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "128.0.0.0/1"));
    sw_routes_remove(&routes, nl);
    assert_int_equal(device_to("8.8.8.8"), 0); /* nothing of ours is left */
    assert_true(is_there("128.0.0.0", 1, "192.0.2.1", &outside));
    struct sw_route route = route_of("128.0.0.0", 1, "192.0.2.1", &outside);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
}

static void test_route_of_somebody_else_to_the_server_stays(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(system("ip route add 192.0.2.9/32 dev out0 proto 77"), 0);
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 3);
    sw_routes_remove(&routes, nl);
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
}

static void test_device_that_is_gone_takes_its_routes_along(void **state)
{
    struct sw_routes routes = {0};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, nl, &plan, why, sizeof why), 0);
    sw_tun_close(&inside);
    sw_routes_remove(&routes, nl);
    assert_int_equal(routes.n, 0);
    assert_false(is_there("192.0.2.9", 32, NULL, &outside));
}

#define ROUTES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTES_TEST(test_everything_but_the_server_goes_into_the_tunnel),
        ROUTES_TEST(test_server_on_the_link_needs_no_gateway),
        ROUTES_TEST(test_server_on_this_host_needs_no_route),
        ROUTES_TEST(test_unreachable_server_is_an_error),
        ROUTES_TEST(test_routes_of_a_client_that_died_are_taken_over),
        ROUTES_TEST(test_half_that_leads_elsewhere_is_an_error),
        ROUTES_TEST(test_route_of_somebody_else_to_the_server_stays),
        ROUTES_TEST(test_device_that_is_gone_takes_its_routes_along),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
