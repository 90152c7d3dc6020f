/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What a client remembers of its packet filter when nft does not do as told: client/footprint.h. */

#include "client/footprint.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"

#define TABLE "delete table inet slipway-client-slipway0"

static char directory[64], state_file[96], why[256];
static struct sw_netlink *nl;
static struct sw_footprint footprint;

static const char *in_directory(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(in_directory(name), "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

/* An nft that keeps what it reads, and fails as long as there is a file "broken". */
static int set_up(void **state)
{
    char path[192], script[256];
    snprintf(directory, sizeof directory, "/tmp/test-footprint-XXXXXX");
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(state_file, sizeof state_file, "%s/state", directory);
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", directory);
    snprintf(script, sizeof script, "#!/bin/sh\ncat > %s/read\ntest ! -e %s/broken\n", directory,
             directory);
    write_file("nft", script);
    nl = sw_netlink_open();
    sw_log_set_level(SW_LOG_OFF);
    return chmod(in_directory("nft"), 0755) | setenv("PATH", path, 1);
}

static int begin_well(void **state)
{
    unlink(in_directory("broken"));
    unlink(in_directory("read"));
    unlink(state_file);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    sw_netlink_close(nl);
    return system(command);
}

static bool nft_was_told(const char *words)
{
    static char text[1 << 16];
    FILE *in = fopen(in_directory("read"), "r");
    if (in == NULL) return false;
    size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = '\0';
    unlink(in_directory("read"));
    return strstr(text, words) != NULL;
}

static void let_nft_fail(bool fail)
{
    if (fail)
        write_file("broken", "");
    else
        unlink(in_directory("broken"));
}

static bool is_state_kept(void)
{
    return access(state_file, F_OK) == 0;
}

static int start(bool kill_switch)
{
    static struct sw_client_config config;
    config = (struct sw_client_config){
        .kill_switch = kill_switch,
        .block_ipv6 = true,
        .route_mode = SW_CLIENT_ROUTES_NOEXEC,
        .dns_config_mode = SW_CLIENT_DNS_NOEXEC,
        .state_file = state_file,
    };
    return sw_footprint_open(&footprint, &config, nl, "slipway0", 1, why, sizeof why);
}

/* A client that ends by itself: what its option promises is that the table outlives it. */
static void leave_a_table(void)
{
    assert_int_equal(start(true), 0);
    sw_footprint_close(&footprint, false);
    assert_true(is_state_kept());
}

static void test_table_that_is_not_removed_is_tried_again(void **state)
{
    leave_a_table();
    let_nft_fail(true);
    assert_int_equal(start(false), 0);
    sw_footprint_close(&footprint, true);
    assert_true(is_state_kept());
    let_nft_fail(false);
    nft_was_told("");
    assert_int_equal(start(false), 0);
    assert_true(nft_was_told(TABLE));
    sw_footprint_close(&footprint, true);
    assert_false(is_state_kept());
}

static void test_table_that_is_not_removed_goes_at_the_end(void **state)
{
    leave_a_table();
    let_nft_fail(true);
    assert_int_equal(start(false), 0);
    let_nft_fail(false);
    nft_was_told("");
    sw_footprint_close(&footprint, true);
    assert_true(nft_was_told(TABLE));
    assert_false(is_state_kept());
}

static void test_table_that_is_not_replaced_is_not_forgotten(void **state)
{
    leave_a_table();
    let_nft_fail(true);
    assert_true(start(true) < 0);
    sw_footprint_close(&footprint, false);
    let_nft_fail(false);
    nft_was_told("");
    assert_int_equal(start(false), 0);
    assert_true(nft_was_told(TABLE));
    sw_footprint_close(&footprint, true);
    assert_false(is_state_kept());
}

static void test_server_that_was_not_let_through_is_the_next_time(void **state)
{
    struct sw_address server = sw_address_from_in((struct in_addr){htonl(0xc0000209)}, 27690);
    assert_int_equal(start(true), 0);
    let_nft_fail(true);
    assert_true(sw_footprint_reach(&footprint, &server, SW_DATAGRAM, why, sizeof why) < 0);
    let_nft_fail(false);
    nft_was_told("");
    assert_int_equal(sw_footprint_reach(&footprint, &server, SW_DATAGRAM, why, sizeof why), 0);
    assert_true(nft_was_told("ip daddr 192.0.2.9 udp dport 27690 accept"));
    assert_int_equal(sw_footprint_reach(&footprint, &server, SW_DATAGRAM, why, sizeof why), 0);
    assert_false(nft_was_told(""));
    sw_footprint_close(&footprint, true);
    assert_false(is_state_kept());
}

static void test_all_of_a_long_list_are_let_through(void **state)
{
    struct sw_address server = sw_address_from_in((struct in_addr){htonl(0xc0000201)}, 27690);
    assert_int_equal(start(false), 0);
    for (unsigned i = 1; i < 250; i++) {
        server.ip[3] = (uint8_t)i;
        assert_int_equal(sw_footprint_reach(&footprint, &server, SW_DATAGRAM, why, sizeof why), 0);
    }
    assert_int_equal(sw_footprint_online(&footprint, &server, why, sizeof why), 0);
    assert_true(nft_was_told("ip daddr 192.0.2.1 udp dport 27690 accept"));
    sw_footprint_close(&footprint, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_table_that_is_not_removed_is_tried_again, begin_well),
        cmocka_unit_test_setup(test_table_that_is_not_removed_goes_at_the_end, begin_well),
        cmocka_unit_test_setup(test_table_that_is_not_replaced_is_not_forgotten, begin_well),
        cmocka_unit_test_setup(test_server_that_was_not_let_through_is_the_next_time, begin_well),
        cmocka_unit_test_setup(test_all_of_a_long_list_are_let_through, begin_well),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
