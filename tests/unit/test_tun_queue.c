/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The length of a TUN device's queue, by what its queues read: host/tun_queue.h. With a device in a
 * network of the test's own. */

#include "host/tun_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <net/if.h>

#include <cmocka.h>

#include "tests/unit/netns.h"

#define WINDOW (20 * SW_MILLISECOND)

static bool entered;

/* What the kernel has. */
static int device_length(const struct sw_tun *tun)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, tun->name, sizeof tun->name);
    assert_int_equal(ioctl(fd, SIOCGIFTXQLEN, &request), 0);
    close(fd);
    return request.ifr_qlen;
}

static void open_tun(struct sw_tun *tun)
{
    const struct sw_tun_config config = {.offload = SW_AUTO, .multi_queue = true};
    char why[256] = "";
    if (sw_tun_open(tun, &config, &sw_sys_kernel, why, sizeof why) < 0) fail_msg("%s", why);
}

/* One window in which packets of that many bytes were read. */
static void window(struct sw_tun_queue *queue, struct sw_tun_counters *counters, uint64_t bytes,
                   sw_time *now)
{
    *now += WINDOW;
    counters->reads += 10;
    counters->read_bytes += 10 * bytes;
    sw_tun_queue_look(queue, counters, *now);
}

static void quieten(struct sw_tun_queue *queue, struct sw_tun_counters *counters, sw_time *now)
{
    for (int i = 0; i < 10; i++)
        window(queue, counters, 100, now);
}

static void test_superpackets_make_the_queue_short(void **state)
{
    struct sw_tun tun;
    struct sw_tun_queue queue;
    struct sw_tun_counters counters = {0};
    sw_time now = SW_SECOND;
    NEED_OWN_NETWORK(entered);
    open_tun(&tun);
    sw_tun_queue_open(&queue, &tun, NULL);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_PACKETS);
    window(&queue, &counters, 60000, &now);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_SUPER);
    assert_true(sw_tun_queue_short(&queue));
    quieten(&queue, &counters, &now);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_PACKETS);
    sw_tun_queue_close(&queue);
    sw_tun_close(&tun);
}

static void test_queue_is_short_while_any_worker_reads_superpackets(void **state)
{
    struct sw_tun tun;
    struct sw_tun_queue queues[3];
    struct sw_tun_counters counters[3] = {{0}, {0}, {0}};
    _Atomic unsigned bulk = 0;
    sw_time now = SW_SECOND;
    NEED_OWN_NETWORK(entered);
    open_tun(&tun);
    for (int i = 0; i < 3; i++)
        sw_tun_queue_open(&queues[i], &tun, &bulk);
    window(&queues[0], &counters[0], 60000, &now);
    window(&queues[1], &counters[1], 60000, &now);
    quieten(&queues[2], &counters[2], &now);
    assert_int_equal(bulk, 2);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_SUPER);
    quieten(&queues[0], &counters[0], &now);
    assert_int_equal(bulk, 1);
    assert_false(sw_tun_queue_short(&queues[0]));
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_SUPER);
    quieten(&queues[1], &counters[1], &now);
    assert_int_equal(bulk, 0);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_PACKETS);
    window(&queues[2], &counters[2], 60000, &now);
    assert_int_equal(device_length(&tun), SW_TUN_QUEUE_SUPER);
    for (int i = 0; i < 3; i++)
        sw_tun_queue_close(&queues[i]);
    assert_int_equal(bulk, 0);
    sw_tun_close(&tun);
}

static void test_device_that_existed_is_left_alone(void **state)
{
    struct sw_tun tun;
    struct sw_tun_queue queue;
    struct sw_tun_counters counters = {0};
    sw_time now = SW_SECOND;
    NEED_OWN_NETWORK(entered);
    open_tun(&tun);
    int before = device_length(&tun);
    tun.existed = true;
    sw_tun_queue_open(&queue, &tun, NULL);
    window(&queue, &counters, 60000, &now);
    assert_int_equal(device_length(&tun), before);
    assert_false(sw_tun_queue_short(&queue));
    sw_tun_queue_close(&queue);
    sw_tun_close(&tun);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_superpackets_make_the_queue_short),
        cmocka_unit_test(test_queue_is_short_while_any_worker_reads_superpackets),
        cmocka_unit_test(test_device_that_existed_is_left_alone),
    };
    entered = enter_own_network();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
