/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The rules of kill_switch and block_ipv6, as text and as the kernel takes them. */

#include "client/firewall.h"

#include <arpa/inet.h>
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
#include "host/program.h"
#include "tests/unit/netns.h"

static bool entered;

static struct sw_firewall_server server_at(const char *host, uint16_t port, enum sw_transport over)
{
    struct in_addr v4;
    struct in6_addr v6;
    struct sw_firewall_server server = {.transport = over};
    if (inet_pton(AF_INET, host, &v4) == 1)
        server.address = sw_address_from_in(v4, port);
    else if (inet_pton(AF_INET6, host, &v6) == 1)
        server.address = sw_address_from_in6(&v6, port, 3);
    return server;
}

static struct sw_firewall two_servers(void)
{
    struct sw_firewall firewall = {.tun = "slipway0", .kill_switch = true, .n_servers = 2};
    firewall.servers[0] = server_at("192.0.2.9", 27690, SW_DATAGRAM);
    firewall.servers[1] = server_at("fe80::9", 443, SW_STREAM);
    return firewall;
}

static bool has(const struct sw_firewall *firewall, const char *rule)
{
    char *text = sw_firewall_rules(firewall);
    bool found = strstr(text, rule) != NULL;
    free(text);
    return found;
}

static void test_servers_by_address_port_and_mark(void **state)
{
    struct sw_firewall firewall = two_servers();
    assert_true(has(&firewall, "\n        ip daddr 192.0.2.9 udp dport 27690 accept\n"));
    assert_true(has(&firewall, "\n        ip6 daddr fe80::9 tcp dport 443 accept\n"));
    firewall.mark = 7;
    assert_true(
        has(&firewall, "\n        meta mark 7 ip daddr 192.0.2.9 udp dport 27690 accept\n"));
    assert_false(has(&firewall, "\n        ip daddr 192.0.2.9"));
}

static void test_kill_switch_ends_with_a_drop_for_everything(void **state)
{
    struct sw_firewall firewall = two_servers();
    assert_true(
        has(&firewall, "        counter drop comment \"beside the tunnel\"\n    }\n    chain"));
    assert_false(has(&firewall, "reject"));
    assert_false(has(&firewall, "dport { 53, 853 }"));
    assert_false(has(&firewall, "10.0.0.0/8"));
    assert_false(has(&firewall, "fe80::/10"));
    firewall.names = true;
    assert_true(has(&firewall, "th dport { 53, 853 } accept\n"));
    firewall.lan = true;
    assert_true(has(&firewall, "ip daddr 10.0.0.0/8 accept\n"));
    assert_true(has(&firewall, "ip daddr 224.0.0.0/24 accept\n"));
}

static void test_block_ipv6_leaves_ipv4_alone(void **state)
{
    struct sw_firewall firewall = two_servers();
    firewall.kill_switch = false;
    firewall.block_ipv6 = true;
    assert_true(has(&firewall, "meta nfproto ipv6 counter reject"));
    assert_false(has(&firewall, "drop"));
}

static void test_names_of_tables_and_devices(void **state)
{
    char table[SW_FIREWALL_NAME];
    assert_string_equal(sw_firewall_table("slipway0", table), "slipway-client-slipway0");
    assert_string_equal(sw_firewall_table("a-b.c_d", table), "slipway-client-a-b.c_d");
    assert_string_equal(sw_firewall_table("a b;{}\"", table), "slipway-client-a_b____");
    assert_true(sw_firewall_takes_device("slipway0"));
    assert_true(sw_firewall_takes_device("a;b@c{"));
    assert_false(sw_firewall_takes_device("tun*"));
    assert_false(sw_firewall_takes_device("a\"b"));
    assert_false(sw_firewall_takes_device(""));
}

static int shell(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    char why[256];
    return sw_program_run(argv, NULL, why, sizeof why);
}

#define NEED_NFT()                                                                                 \
    NEED_OWN_NETWORK(entered);                                                                     \
    if (!sw_program_exists("nft")) {                                                               \
        print_message("there is no nft here\n");                                                   \
        skip();                                                                                    \
    }

static void test_kernel_takes_every_kind_and_one_replaces_the_other(void **state)
{
    char why[256] = "", table[SW_FIREWALL_NAME];
    NEED_NFT();
    for (unsigned bits = 0; bits < 32; bits++) {
        struct sw_firewall firewall = two_servers();
        firewall.tun = bits & 16 ? "slip;w{y-0" : "slipway0";
        firewall.kill_switch = bits & 1;
        firewall.block_ipv6 = !firewall.kill_switch;
        firewall.lan = bits & 2;
        firewall.names = bits & 4;
        firewall.mark = bits & 8 ? UINT32_C(0xfffffff0) : 0;
        assert_int_equal(sw_firewall_load(&firewall, why, sizeof why), 0);
    }
    assert_int_equal(shell("test $(nft list tables | wc -l) -eq 2"), 0);
    assert_int_equal(shell("test $(nft list table inet slipway-client-slipway0 | grep -c fe80::9) "
                           "-eq 1"),
                     0);
    assert_int_equal(sw_firewall_remove(sw_firewall_table("slip;w{y-0", table), why, sizeof why),
                     0);
    assert_int_equal(sw_firewall_remove("slipway-client-slipway0", why, sizeof why), 0);
    assert_int_equal(sw_firewall_remove("slipway-client-slipway0", why, sizeof why), 0);
    assert_int_equal(shell("test -z \"$(nft list tables)\""), 0);
}

static void test_name_from_a_file_is_not_believed(void **state)
{
    char why[256] = "";
    assert_int_equal(sw_firewall_remove("a;flush", why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "\"a;flush\" is no name of a table of a client's");
}

static void test_failure_of_nft_is_told(void **state)
{
    char why[256] = "";
    struct sw_firewall firewall = two_servers();
    NEED_NFT();
    firewall.tun = "a\"b";
    assert_int_equal(sw_firewall_load(&firewall, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "nft failed with status 1: "));
    assert_int_equal(shell("test -z \"$(nft list tables)\""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_by_address_port_and_mark),
        cmocka_unit_test(test_kill_switch_ends_with_a_drop_for_everything),
        cmocka_unit_test(test_block_ipv6_leaves_ipv4_alone),
        cmocka_unit_test(test_names_of_tables_and_devices),
        cmocka_unit_test(test_kernel_takes_every_kind_and_one_replaces_the_other),
        cmocka_unit_test(test_name_from_a_file_is_not_believed),
        cmocka_unit_test(test_failure_of_nft_is_told),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
