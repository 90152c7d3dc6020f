/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The client's default routes, in a network namespace of the test's own: client/routes.h. */

#include "client/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

static bool is_other(void *user, const struct sw_route *route)
{
    return !sw_route_equal(user, route);
}

static bool is_there(const char *destination, uint8_t prefix, const char *gateway,
                     const struct sw_tun *tun)
{
    struct sw_route route = route_of(destination, prefix, gateway, tun), found;
    return sw_netlink_route_best(nl, &route.destination, prefix, is_other, &route, &found) == 0;
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
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.server.port = 27690;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 4);
    assert_int_equal(device_to("203.0.113.9"), outside.index);
    assert_int_equal(device_to("203.0.113.10"), inside.index);
    assert_int_equal(device_to("8.8.8.8"), inside.index);
    assert_int_equal(device_to("100.64.0.1"), inside.index);
    assert_int_equal(device_to("192.0.2.1"), outside.index); /* the link itself */
    assert_true(is_there("203.0.113.9", 32, "192.0.2.1", &outside));

    sw_routes_remove(&routes);
    assert_int_equal(routes.n, 0);
    assert_int_equal(device_to("8.8.8.8"), outside.index);
    assert_false(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
    struct sw_route route = route_of("0.0.0.0", 0, "192.0.2.1", &outside);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
}

static void test_server_on_the_link_needs_no_gateway(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
    assert_int_equal(device_to("192.0.2.9"), outside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("192.0.2.9", 32, NULL, &outside));
}

static void test_server_on_this_host_needs_no_route(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.2");
    plan.tun_dns = 0;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(routes.n, 2);
    sw_routes_remove(&routes);
}

static void test_unreachable_server_is_an_error(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("203.0.113.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "203.0.113.9"));
    assert_int_equal(routes.n, 0);
}

static void test_equal_route_of_somebody_else_stays(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("192.0.2.9", 32, NULL, &outside);
    add("10.0.0.0", 8, "192.0.2.1", &outside);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("192.0.2.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    sw_routes_repair(&routes);
    sw_routes_remove(&routes);
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
    assert_true(is_there("10.0.0.0", 8, "192.0.2.1", &outside));
    assert_false(is_there("192.168.0.0", 16, "192.0.2.1", &outside));
}

static void test_private_networks_go_where_the_default_route_leads(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("192.0.2.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_true(is_there("192.168.0.0", 16, "192.0.2.1", &outside));
    assert_true(is_there("172.16.0.0", 12, "192.0.2.1", &outside));
    assert_true(is_there("10.0.0.0", 8, "192.0.2.1", &outside));
    assert_true(is_there("169.254.0.0", 16, "192.0.2.1", &outside));
    assert_true(is_there("224.0.0.0", 24, "192.0.2.1", &outside));
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
    assert_int_equal(device_to("10.9.9.9"), outside.index);
    assert_int_equal(device_to("172.32.0.1"), inside.index);
    assert_int_equal(device_to("8.8.8.8"), inside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("10.0.0.0", 8, "192.0.2.1", &outside));
    assert_false(is_there("224.0.0.0", 24, "192.0.2.1", &outside));
}

static void test_private_networks_without_a_default_route_are_beside_the_server(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("203.0.113.0", 24, "192.0.2.7", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_true(is_there("10.0.0.0", 8, "192.0.2.7", &outside));
    sw_routes_remove(&routes);
}

/* The device goes down and comes back: the kernel has dropped every route over it. */
static void flap(void)
{
    assert_int_equal(system("ip link set out0 down && ip link set out0 up"), 0);
}

static void test_what_a_link_took_along_comes_back(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    flap();
    assert_int_equal(device_to("203.0.113.9"), inside.index);
    sw_routes_repair(&routes); /* the default route is not back yet: the old way will do */
    assert_true(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
    assert_true(is_there("10.0.0.0", 8, "192.0.2.1", &outside));
    assert_int_equal(system("ip link set in0 down && ip link set in0 up"), 0);
    assert_int_equal(device_to("8.8.8.8"), 0);
    sw_routes_repair(&routes);
    assert_int_equal(device_to("8.8.8.8"), inside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
}

static void test_other_gateway_is_followed(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(system("ip route replace default via 192.0.2.8 dev out0 proto static"), 0);
    sw_routes_repair(&routes);
    assert_true(is_there("203.0.113.9", 32, "192.0.2.8", &outside));
    assert_true(is_there("172.16.0.0", 12, "192.0.2.8", &outside));
    assert_false(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
    assert_int_equal(device_to("203.0.113.9"), outside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("203.0.113.9", 32, "192.0.2.8", &outside));
    assert_false(is_there("172.16.0.0", 12, "192.0.2.8", &outside));
}

static void test_network_away_for_good_leaves_everything_to_be_removed(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(system("ip link set out0 down"), 0);
    sw_routes_repair(&routes);
    assert_int_equal(device_to("203.0.113.9"), inside.index);
    sw_routes_remove(&routes);
    assert_int_equal(device_to("203.0.113.9"), 0);
}

static void test_another_server_is_reached_beside_the_tunnel(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    struct sw_address second = address_of("203.0.113.10"), third = address_of("203.0.113.11");
    assert_true(sw_routes_reach(&routes, &second, why, sizeof why));
    assert_true(sw_routes_reach(&routes, &third, why, sizeof why));
    assert_int_equal(device_to("203.0.113.10"), outside.index);
    plan.server = second;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(device_to("203.0.113.9"), inside.index);
    assert_int_equal(device_to("203.0.113.10"), outside.index);
    assert_int_equal(device_to("203.0.113.11"), inside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("203.0.113.10", 32, "192.0.2.1", &outside));
}

static void test_a_long_list_of_servers_is_reached_at_once(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    const struct sw_routes_plan plan = plan_to("203.0.113.1");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    struct sw_address server = plan.server;
    for (unsigned i = 2; i < 250; i++) {
        server.ip[3] = (uint8_t)i;
        assert_true(sw_routes_reach(&routes, &server, why, sizeof why));
    }
    assert_int_equal(device_to("203.0.113.249"), outside.index);
    sw_routes_remove(&routes);
    assert_false(is_there("203.0.113.249", 32, "192.0.2.1", &outside));
}

static void test_rule_of_the_host_for_the_mark_is_left_in_charge(void **state)
{
    struct sw_routes routes = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    assert_int_equal(system("ip rule add fwmark 7 lookup 99 &&"
                            "ip route add default via 192.0.2.7 dev out0 table 99"),
                     0);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.mark = 7;
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_true(is_there("203.0.113.9", 32, "192.0.2.7", &outside));
    assert_int_equal(system("ip route replace default via 192.0.2.8 dev out0"), 0);
    sw_routes_repair(&routes);
    assert_true(is_there("203.0.113.9", 32, "192.0.2.7", &outside));
    sw_routes_remove(&routes);
    assert_int_equal(system("ip rule delete fwmark 7 && ip route flush table 99"), 0);
}

static void test_ipv6_server_needs_no_route_unless_somebody_leads_it_inside(void **state)
{
    struct sw_routes routes = {.nl = nl}, second = {.nl = nl};
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    assert_int_equal(system("ip -6 address add 2001:db8::2/64 dev out0 nodad &&"
                            "ip -6 route add default via 2001:db8::1 dev out0"),
                     0);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    struct in6_addr ip;
    inet_pton(AF_INET6, "2001:db8:9::9", &ip);
    plan.server = sw_address_from_in6(&ip, 27690, 0);
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    assert_int_equal(system("ip -6 route show | grep -q '^2001:db8:9::9'") != 0, 1);
    sw_routes_remove(&routes);

    assert_int_equal(system("ip -6 route add 2001:db8:9::/48 dev in0"), 0);
    assert_int_equal(sw_routes_install(&second, &plan, why, sizeof why), 0);
    assert_int_equal(system("ip -6 route get 2001:db8:9::9 | grep -q 'via 2001:db8::1 dev out0'"),
                     0);
    sw_routes_remove(&second);
}

static void journal_path(char out[64])
{
    snprintf(out, 64, "/tmp/test-routes-%d/journal", (int)getpid());
}

static void test_routes_of_a_client_that_died_are_undone_by_its_journal(void **state)
{
    struct sw_routes dead = {.nl = nl};
    struct sw_journal *journal;
    char why[256] = "", path[64];
    const char *line;
    NEED_OWN_NETWORK(entered);
    journal_path(path);
    add("0.0.0.0", 0, "192.0.2.1", &outside);
    add("10.0.0.0", 8, "192.0.2.1", &outside);
    assert_int_equal(sw_journal_open(path, &dead.journal, why, sizeof why), 0);
    sw_journal_clear(dead.journal);
    struct sw_routes_plan plan = plan_to("203.0.113.9");
    plan.lan = true;
    assert_int_equal(sw_routes_install(&dead, &plan, why, sizeof why), 0);
    sw_journal_close(dead.journal, true); /* as it is after a SIGKILL */

    assert_int_equal(sw_journal_open(path, &journal, why, sizeof why), 0);
    unsigned undone = 0, taken_back = 0;
    for (size_t i = 0; (line = sw_journal_left(journal, i)) != NULL; i++) {
        const char *next = sw_journal_left(journal, i + 1);
        if (next != NULL && strncmp(next, "not ", 4) == 0)
            taken_back++;
        else
            undone += sw_routes_undo(nl, line);
    }
    assert_int_equal(taken_back, 1);
    assert_int_equal(undone, 1 + 4 + 3);
    assert_true(is_there("10.0.0.0", 8, "192.0.2.1", &outside));
    assert_false(is_there("203.0.113.9", 32, "192.0.2.1", &outside));
    assert_false(is_there("192.168.0.0", 16, "192.0.2.1", &outside));
    assert_false(is_there("0.0.0.0", 1, "100.64.0.5", &inside));
    sw_journal_close(journal, false);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
}

static void test_lines_that_are_no_routes_are_not_undone(void **state)
{
    static const char *const lines[] = {
        "route ", "route x/32 via - dev out0", "route 192.0.2.9/32 via -",
        "route 192.0.2.9/999 via - dev out0", "route 192.0.2.9/32 via - dev away0"};
    NEED_OWN_NETWORK(entered);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(sw_routes_undo(nl, lines[i]));
}

static void test_half_that_leads_elsewhere_is_an_error(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    add("128.0.0.0", 1, "192.0.2.1", &outside);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "128.0.0.0/1"));
    sw_routes_remove(&routes);
    assert_int_equal(device_to("8.8.8.8"), 0); /* nothing of ours is left */
    assert_true(is_there("128.0.0.0", 1, "192.0.2.1", &outside));
    struct sw_route route = route_of("128.0.0.0", 1, "192.0.2.1", &outside);
    assert_int_equal(sw_netlink_route_delete(nl, &route), 0);
}

static void test_route_of_somebody_else_to_the_server_stays(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(system("ip route add 192.0.2.9/32 dev out0 proto 77"), 0);
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    sw_routes_remove(&routes);
    assert_true(is_there("192.0.2.9", 32, NULL, &outside));
}

static void test_device_that_is_gone_takes_its_routes_along(void **state)
{
    struct sw_routes routes = {.nl = nl};
    struct sw_routes_plan plan;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    plan = plan_to("192.0.2.9");
    assert_int_equal(sw_routes_install(&routes, &plan, why, sizeof why), 0);
    sw_tun_close(&inside);
    sw_routes_remove(&routes);
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
        ROUTES_TEST(test_equal_route_of_somebody_else_stays),
        ROUTES_TEST(test_private_networks_go_where_the_default_route_leads),
        ROUTES_TEST(test_private_networks_without_a_default_route_are_beside_the_server),
        ROUTES_TEST(test_what_a_link_took_along_comes_back),
        ROUTES_TEST(test_other_gateway_is_followed),
        ROUTES_TEST(test_network_away_for_good_leaves_everything_to_be_removed),
        ROUTES_TEST(test_another_server_is_reached_beside_the_tunnel),
        ROUTES_TEST(test_a_long_list_of_servers_is_reached_at_once),
        ROUTES_TEST(test_rule_of_the_host_for_the_mark_is_left_in_charge),
        ROUTES_TEST(test_ipv6_server_needs_no_route_unless_somebody_leads_it_inside),
        ROUTES_TEST(test_routes_of_a_client_that_died_are_undone_by_its_journal),
        ROUTES_TEST(test_lines_that_are_no_routes_are_not_undone),
        ROUTES_TEST(test_half_that_leads_elsewhere_is_an_error),
        ROUTES_TEST(test_route_of_somebody_else_to_the_server_stays),
        ROUTES_TEST(test_device_that_is_gone_takes_its_routes_along),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
