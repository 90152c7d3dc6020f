/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The queue of a TUN, short under superpackets and long else: host/tun_queue.h. On a real device in
 * a network namespace of the test's own, with counters and a clock of the test's. */

#include "host/tun_queue.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/netns.h"

#define WINDOW (20 * SW_MILLISECOND) /* as in tun_queue.c: an average is taken over so much */

static bool entered;
static struct sw_tun tun;
static struct sw_tun_queue queue;
static struct sw_tun_counters counters;
static sw_time now;

static int set_up(void **state)
{
    const struct sw_tun_config config = {
        .name = "queuetest0", .framing = true, .read_tcp = true, .read_udp = true};
    char why[256] = "";
    memset(&counters, 0, sizeof counters);
    now = SW_SECOND;
    if (!entered) return 0;
    if (sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why) < 0) {
        print_error("%s\n", why);
        return -1;
    }
    sw_tun_queue_open(&queue, &tun, NULL);
    return 0;
}

static int tear_down(void **state)
{
    if (!entered) return 0;
    sw_tun_queue_close(&queue);
    sw_tun_close(&tun);
    return 0;
}

/* What the kernel has. */
static int real_length(void)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, tun.name);
    assert_int_equal(ioctl(fd, SIOCGIFTXQLEN, &request), 0);
    close(fd);
    return request.ifr_qlen;
}

/* A window in which so many packets of so many bytes were read. */
static void window(unsigned reads, unsigned bytes)
{
    counters.reads += reads;
    counters.read_bytes += (uint64_t)reads * bytes;
    now += WINDOW;
    sw_tun_queue_look(&queue, &counters, now);
}

static void test_queue_is_long_for_single_packets(void **state)
{
    NEED_OWN_NETWORK(entered);
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    for (int i = 0; i < 50; i++)
        window(1000, 1350);
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    assert_false(sw_tun_queue_short(&queue));
    assert_int_equal(queue.changes, 1);
}

static void test_superpackets_make_it_short_at_once_and_long_after_a_pause(void **state)
{
    NEED_OWN_NETWORK(entered);
    window(100, 60000);
    assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER);
    assert_true(sw_tun_queue_short(&queue));
    assert_int_equal(queue.is_short, 1);
    for (int i = 0; i < 20; i++)
        window(100, 60000);
    assert_int_equal(queue.changes, 2);

    for (int i = 0; i < SW_TUN_QUEUE_QUIET - 1; i++)
        window(1000, 100);
    assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER); /* a pause may be a short one */
    window(1000, 100);
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    assert_int_equal(queue.changes, 3);
    assert_int_equal(queue.length, SW_TUN_QUEUE_PACKETS);
    assert_int_equal(queue.is_short, 0);
}

static void test_pauses_of_a_bulk_flow_do_not_make_it_swing(void **state)
{
    NEED_OWN_NETWORK(entered);
    for (int i = 0; i < 100; i++)
        window(i % 8 == 0 ? 50 : 0, 50000);
    assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER);
    assert_int_equal(queue.changes, 2);
}

static void test_the_average_of_a_window_counts(void **state)
{
    NEED_OWN_NETWORK(entered);
    counters.reads += 99; /* acknowledgements beside a superpacket or two */
    counters.read_bytes += 99 * 52;
    window(1, 60000);
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    counters.reads += 10; /* pings beside a bulk flow */
    counters.read_bytes += 10 * 84;
    window(50, 60000);
    assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER);
}

static void test_looking_more_often_changes_nothing(void **state)
{
    NEED_OWN_NETWORK(entered);
    window(1000, 100);
    counters.reads += 50;
    counters.read_bytes += 50 * 60000;
    for (int i = 0; i < 19; i++) {
        now += SW_MILLISECOND;
        sw_tun_queue_look(&queue, &counters, now);
    }
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    now += SW_MILLISECOND;
    sw_tun_queue_look(&queue, &counters, now);
    assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER);
}

static void test_device_of_somebody_else_is_left_alone(void **state)
{
    NEED_OWN_NETWORK(entered);
    sw_tun_queue_close(&queue);
    struct sw_netlink *nl = sw_netlink_open();
    assert_int_equal(sw_netlink_link_queue(nl, tun.index, 123), 0);
    sw_netlink_close(nl);
    for (int i = 0; i < 2; i++) {
        struct sw_tun other = tun;
        other.existed = i == 0; /* made by somebody; or a device that hands over no superpackets */
        other.framing = i == 0;
        sw_tun_queue_open(&queue, &other, NULL);
        window(100, 60000);
        assert_int_equal(real_length(), 123);
        assert_int_equal(queue.length, 0);
        assert_int_equal(queue.changes, 0);
    }
}

static void test_device_that_goes_away_ends_the_watch(void **state)
{
    NEED_OWN_NETWORK(entered);
    sw_tun_close(&tun);
    window(100, 60000);
    assert_null(queue.nl);
    assert_int_equal(queue.length, 0);
    assert_false(sw_tun_queue_short(&queue));
    window(100, 60000);
}

/* The queues of several workers share the device: it is short while any of them reads superpackets.
 */
static void test_any_workers_superpackets_make_it_short(void **state)
{
    struct sw_tun_queue queues[3];
    struct sw_tun_counters read[3] = {{0}, {0}, {0}};
    _Atomic unsigned bulk = 0;
    NEED_OWN_NETWORK(entered);
    for (int i = 0; i < 3; i++)
        sw_tun_queue_open(&queues[i], &tun, &bulk);
    const int span = 2 * SW_TUN_QUEUE_QUIET;
    for (int round = 0; round < 3 * span; round++) {
        for (int i = 0; i < 3; i++) { /* worker i reads superpackets for its first spans */
            read[i].reads += 10;
            read[i].read_bytes += round < span * i ? 600000 : 1000;
            sw_tun_queue_look(&queues[i], &read[i], now);
        }
        now += WINDOW;
        if (round == 1 || round == span + 1) assert_int_equal(real_length(), SW_TUN_QUEUE_SUPER);
        if (round == 2 * span - 1) {
            assert_false(sw_tun_queue_short(&queues[1]));
            assert_int_equal(bulk, 1);
        }
    }
    assert_int_equal(bulk, 0);
    assert_int_equal(real_length(), SW_TUN_QUEUE_PACKETS);
    for (int i = 0; i < 3; i++)
        sw_tun_queue_close(&queues[i]);
}

#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(test_queue_is_long_for_single_packets),
        QUEUE_TEST(test_superpackets_make_it_short_at_once_and_long_after_a_pause),
        QUEUE_TEST(test_pauses_of_a_bulk_flow_do_not_make_it_swing),
        QUEUE_TEST(test_the_average_of_a_window_counts),
        QUEUE_TEST(test_looking_more_often_changes_nothing),
        QUEUE_TEST(test_device_of_somebody_else_is_left_alone),
        QUEUE_TEST(test_any_workers_superpackets_make_it_short),
        QUEUE_TEST(test_device_that_goes_away_ends_the_watch),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
