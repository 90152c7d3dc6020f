/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Forwarding and source NAT in a network namespace of the test's own: server/host_setup.h. */

#include "server/host_setup.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"
#include "host/netlink.h"
#include "host/program.h"
#include "host/tun.h"
#include "tests/unit/netns.h"

#define NEED_NFT()                                                                                 \
    do {                                                                                           \
        NEED_OWN_NETWORK(entered);                                                                 \
        if (!sw_program_exists("nft")) skip();                                                     \
    } while (0)

static bool entered;
static struct sw_netlink *nl;
static struct sw_tun tun, other_tun, wan;
static char why[512];

static uint32_t ip_of(const char *text)
{
    return ntohl(inet_addr(text));
}

static int open_device(struct sw_tun *device, const char *name)
{
    const struct sw_tun_config config = {.name = name};
    if (sw_tun_open(device, &config, &sw_sys_kernel, why, sizeof why) < 0) return -1;
    return sw_netlink_link_up(nl, device->index);
}

static void set_forwarding(char value)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "w");
    assert_non_null(file);
    fputc(value, file);
    fclose(file);
}

static char forwarding(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "r");
    assert_non_null(file);
    int value = fgetc(file);
    fclose(file);
    return (char)value;
}

static int set_up(void **state)
{
    if (!entered) return 0;
    nl = sw_netlink_open();
    if (nl == NULL || open_device(&tun, "slip-0") < 0 || open_device(&other_tun, "slip_1") < 0 ||
        open_device(&wan, "wan0") < 0)
        return -1;
    set_forwarding('0');
    return sw_netlink_address_add(nl, wan.index, ip_of("192.0.2.1"), 24, 0);
}

static int tear_down(void **state)
{
    if (!entered) return 0;
    sw_tun_close(&tun);
    sw_tun_close(&other_tun);
    sw_tun_close(&wan);
    sw_netlink_close(nl);
    return 0;
}

static struct sw_host_setup_plan plan_for(const struct sw_tun *device, const char *network)
{
    return (struct sw_host_setup_plan){
        .tun = device->name,
        .tun_index = device->index,
        .tun_ip = ip_of(network) + 1,
        .pool = {{inet_addr(network)}, 24},
        .device = "wan0",
    };
}

static struct sw_host_setup *start(const struct sw_tun *device, const char *network)
{
    struct sw_host_setup_plan plan = plan_for(device, network);
    struct sw_host_setup *setup;
    if (sw_host_setup_start(&plan, &setup, why, sizeof why) < 0) fail_msg("%s", why);
    return setup;
}

/* A server that is killed once it has set the host up. */
static void start_and_die(const struct sw_tun *device, const char *network)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct sw_host_setup_plan plan = plan_for(device, network);
        struct sw_host_setup *setup;
        _exit(sw_host_setup_start(&plan, &setup, why, sizeof why) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static char *ruleset(void)
{
    const char *const argv[] = {"nft", "list", "ruleset", NULL};
    char *text;
    assert_int_equal(sw_program_output(argv, NULL, &text, why, sizeof why), 0);
    return text;
}

static unsigned tables(void)
{
    char *text = ruleset();
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, "table ip slipway_server_")) != NULL; p++)
        n++;
    free(text);
    return n;
}

static void assert_has(const char *what)
{
    char *text = ruleset();
    if (strstr(text, what) == NULL) fail_msg("%s is not in\n%s", what, text);
    free(text);
}

static bool leads(const char *ip, unsigned index)
{
    struct sw_address address = sw_address_from_in((struct in_addr){inet_addr(ip)}, 0);
    struct sw_route route;
    return sw_netlink_route_lookup(nl, &address, 0, &route) == 0 && route.index == index;
}

static void test_everything_is_done_and_undone(void **state)
{
    NEED_NFT();
    struct sw_host_setup *setup = start(&tun, "10.125.0.0");
    assert_has("table ip slipway_server_slip_2d0 {");
    assert_has("ip saddr 10.125.0.0/24 oifname \"wan0\" masquerade");
    assert_has("iifname \"wan0\" oifname \"slip-0\" drop");
    assert_int_equal(forwarding(), '1');
    assert_true(leads("10.125.0.9", tun.index));
    assert_true(leads("10.125.0.1", if_nametoindex("lo")));
    sw_host_setup_stop(setup);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
    assert_false(leads("10.125.0.9", tun.index));
    assert_false(leads("10.125.0.1", if_nametoindex("lo")));
}

/* The way to tun_ip is there before that of the pool, whichever address it is. */
static void test_pool_has_a_route_when_tun_ip_is_its_last_address(void **state)
{
    NEED_NFT();
    struct sw_host_setup_plan plan = plan_for(&tun, "10.125.0.0");
    struct sw_host_setup *setup;
    plan.tun_ip = ip_of("10.125.0.254");
    assert_int_equal(sw_netlink_address_add(nl, tun.index, plan.tun_ip, 32, 0), 0);
    assert_int_equal(sw_host_setup_start(&plan, &setup, why, sizeof why), 0);
    assert_true(leads("10.125.0.9", tun.index));
    sw_host_setup_stop(setup);
    assert_false(leads("10.125.0.9", tun.index));
    assert_true(leads("10.125.0.254", if_nametoindex("lo")));
}

static void test_what_was_there_stays(void **state)
{
    NEED_NFT();
    set_forwarding('1');
    assert_int_equal(sw_netlink_address_add(nl, tun.index, ip_of("10.125.0.1"), 24, 0), 0);
    struct sw_host_setup *setup = start(&tun, "10.125.0.0");
    assert_int_equal(tables(), 1);
    sw_host_setup_stop(setup);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '1');
    assert_true(leads("10.125.0.9", tun.index));
    assert_true(leads("10.125.0.1", if_nametoindex("lo")));
}

static void test_killed_server_is_cleaned_up_after(void **state)
{
    NEED_NFT();
    start_and_die(&tun, "10.125.0.0");
    start_and_die(&tun, "10.125.0.0");
    assert_int_equal(forwarding(), '1');
    struct sw_host_setup *setup = start(&tun, "10.125.0.0");
    assert_int_equal(tables(), 1);
    sw_host_setup_stop(setup);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
    assert_false(leads("10.125.0.9", tun.index));
    assert_false(leads("10.125.0.1", if_nametoindex("lo")));
}

static void test_table_of_a_device_that_is_gone_is_removed(void **state)
{
    NEED_NFT();
    start_and_die(&tun, "10.125.0.0");
    sw_tun_close(&tun);
    struct sw_host_setup *setup = start(&other_tun, "10.126.0.0");
    assert_has("table ip slipway_server_slip_5f1 {");
    assert_int_equal(tables(), 1);
    sw_host_setup_stop(setup);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
}

/* host_setup was switched off after the crash. */
static void test_server_that_sets_nothing_up_cleans_up_too(void **state)
{
    NEED_NFT();
    struct sw_host_setup_plan plan = plan_for(&tun, "10.125.0.0");
    struct sw_host_setup_plan other = plan_for(&other_tun, "10.126.0.0");
    start_and_die(&tun, "10.125.0.0");
    sw_host_setup_clean(&other); /* somebody else's device, which is there */
    assert_int_equal(tables(), 1);
    assert_int_equal(forwarding(), '1');
    sw_host_setup_clean(&plan);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
    assert_false(leads("10.125.0.9", tun.index));
    assert_false(leads("10.125.0.1", if_nametoindex("lo")));

    start_and_die(&tun, "10.125.0.0"); /* the device is made anew, and has its route */
    plan.tun_is_new = true;
    sw_host_setup_clean(&plan);
    assert_int_equal(tables(), 0);
    assert_true(leads("10.125.0.9", tun.index));

    start_and_die(&tun, "10.125.0.0");
    sw_tun_close(&tun);
    sw_host_setup_clean(&other);
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
    set_forwarding('1'); /* by an administrator */
    sw_host_setup_clean(&other);
    assert_int_equal(forwarding(), '1');
}

static void test_last_server_switches_forwarding_off(void **state)
{
    NEED_NFT();
    struct sw_host_setup *first = start(&tun, "10.125.0.0");
    struct sw_host_setup *second = start(&other_tun, "10.126.0.0");
    assert_int_equal(tables(), 2);
    sw_host_setup_stop(first);
    assert_int_equal(tables(), 1);
    assert_int_equal(forwarding(), '1');
    sw_host_setup_stop(second);
    assert_int_equal(forwarding(), '0');
    assert_int_equal(tables(), 0);
}

static void test_device_of_the_default_route(void **state)
{
    NEED_NFT();
    struct sw_host_setup_plan plan = plan_for(&tun, "10.125.0.0");
    struct sw_host_setup *setup;
    plan.device = NULL;
    assert_true(sw_host_setup_start(&plan, &setup, why, sizeof why) < 0);
    assert_string_equal(why, "host_setup: there is no default route; set host_setup_device to the "
                             "device towards the Internet");
    assert_null(setup);
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = sw_address_from_in((struct in_addr){0}, 0);
    route.gateway = sw_address_from_in((struct in_addr){inet_addr("192.0.2.9")}, 0);
    route.index = wan.index;
    assert_int_equal(sw_netlink_route_add(nl, &route), 0);
    assert_int_equal(sw_host_setup_start(&plan, &setup, why, sizeof why), 0);
    assert_has("oifname \"wan0\" masquerade");
    sw_host_setup_stop(setup);
}

static void test_failure_changes_nothing(void **state)
{
    NEED_NFT();
    struct sw_host_setup_plan plan = plan_for(&tun, "10.125.0.0");
    struct sw_host_setup *setup;
    plan.device = "none0";
    assert_true(sw_host_setup_start(&plan, &setup, why, sizeof why) < 0);
    assert_string_equal(why, "host_setup: there is no device none0");
    plan.device = tun.name;
    assert_true(sw_host_setup_start(&plan, &setup, why, sizeof why) < 0);
    assert_string_equal(why,
                        "host_setup: slip-0 is the TUN device itself; set host_setup_device to "
                        "the device towards the Internet");
    plan.device = "wan0";
    plan.tun_index = 12345;
    assert_true(sw_host_setup_start(&plan, &setup, why, sizeof why) < 0);
    assert_string_equal(why, "host_setup: tun_ip: No such device");
    assert_int_equal(tables(), 0);
    assert_int_equal(forwarding(), '0');
    plan = plan_for(&tun, "10.125.0.0");
    plan.tun = "a*";
    assert_true(sw_host_setup_start(&plan, &setup, why, sizeof why) < 0);
    assert_string_equal(why, "host_setup: nftables cannot name the device wan0 or a*");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_everything_is_done_and_undone),
        TEST(test_pool_has_a_route_when_tun_ip_is_its_last_address),
        TEST(test_what_was_there_stays),
        TEST(test_killed_server_is_cleaned_up_after),
        TEST(test_table_of_a_device_that_is_gone_is_removed),
        TEST(test_server_that_sets_nothing_up_cleans_up_too),
        TEST(test_last_server_switches_forwarding_off),
        TEST(test_device_of_the_default_route),
        TEST(test_failure_changes_nothing),
    };
    entered = enter_own_network();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
