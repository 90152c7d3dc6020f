/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The queue of a TUN device that a packet comes out of: host/tun_steering.h, and
 * sw_tun_open_queue() of host/tun.h; docs/offload.md E.1. With a device in a network of the test's
 * own. */

#include "host/tun_steering.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/address_pool.h"
#include "host/netlink.h"
#include "tests/unit/netns.h"

#define QUEUES  4
#define NETWORK UINT32_C(0x0a7d0000) /* 10.125.0.0/16 */
#define COUNT   UINT32_C(0x10000)
#define NAME    "steered0"

static bool entered;

struct device {
    struct sw_tun queues[QUEUES];
    struct sw_netlink *nl;
    int sender;
};

static void set_up(struct device *device, bool multi_queue)
{
    const struct sw_tun_config config = {
        .name = NAME, .framing = true, .read_tcp = true, .multi_queue = multi_queue};
    char why[256] = "";
    if (sw_tun_open(&device->queues[0], &config, &sw_sys_kernel, why, sizeof why) < 0)
        fail_msg("%s", why);
    for (int i = 1; i < QUEUES; i++)
        assert_int_equal(sw_tun_open_queue(&device->queues[i], &device->queues[0], why, sizeof why),
                         0);
    device->nl = sw_netlink_open();
    assert_non_null(device->nl);
    unsigned index = device->queues[0].index;
    assert_int_equal(sw_netlink_address_add(device->nl, index, NETWORK + 1, 8, 0), 0);
    assert_int_equal(sw_netlink_link_up(device->nl, index), 0);
    device->sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(device->sender >= 0);
}

static void take_down(struct device *device)
{
    close(device->sender);
    sw_netlink_close(device->nl);
    for (int i = 0; i < QUEUES; i++)
        sw_tun_close(&device->queues[i]);
}

/* Sends a datagram to an inside address; the number of the queue that it comes out of. */
static int queue_of(struct device *device, uint32_t ip)
{
    static uint8_t packet[SW_TUN_PACKET_MAX];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(ip)};
    assert_int_equal(sendto(device->sender, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    for (;;) {
        struct pollfd polls[QUEUES];
        for (int i = 0; i < QUEUES; i++)
            polls[i] = (struct pollfd){
                .fd = device->queues[i].write_only ? -1 : device->queues[i].fd, .events = POLLIN};
        assert_true(poll(polls, QUEUES, 5000) > 0);
        for (int i = 0; i < QUEUES; i++) {
            struct sw_vnet vnet;
            if (polls[i].revents == 0) continue;
            ssize_t n = sw_tun_read(&device->queues[i], packet, sizeof packet, &vnet);
            uint32_t destination = htonl(ip);
            /* The kernel also sends packets of its own, of IPv6. */
            if (n >= 20 && packet[0] >> 4 == 4 && memcmp(packet + 16, &destination, 4) == 0)
                return i;
        }
    }
}

static bool may_use_bpf(void)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    int fd = sw_sys_kernel.bpf(BPF_MAP_CREATE, &attributes, sizeof attributes);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void test_destination_picks_the_queue(void **state)
{
    struct device device;
    struct sw_tun_steering steering;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    if (!may_use_bpf()) {
        print_message("BPF may not be used here\n");
        skip();
    }
    set_up(&device, true);
    if (sw_tun_steering_start(&steering, &device.queues[0], NETWORK, COUNT, &sw_sys_kernel, why,
                              sizeof why) < 0)
        fail_msg("%s", why);
    memset(steering.table, SW_NOBODY, COUNT);
    for (uint32_t i = 0; i < 64; i++)
        steering.table[256 + i] = (uint8_t)(i % QUEUES);
    steering.table[0] = 1;
    steering.table[COUNT - 1] = 2;
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(queue_of(&device, NETWORK + 256 + i), i % QUEUES);
    assert_int_equal(queue_of(&device, NETWORK), 1);
    assert_int_equal(queue_of(&device, NETWORK + COUNT - 1), 2);

    /* A change counts from the next packet on. */
    steering.table[300] = 0;
    assert_int_equal(queue_of(&device, NETWORK + 300), 0);
    steering.table[300] = 3;
    assert_int_equal(queue_of(&device, NETWORK + 300), 3);

    /* Addresses that are nobody's, and such outside the pool. */
    assert_int_equal(queue_of(&device, NETWORK + 5000), SW_NOBODY % QUEUES);
    assert_int_equal(queue_of(&device, NETWORK + COUNT), SW_NOBODY % QUEUES);
    assert_int_equal(queue_of(&device, NETWORK - 1), SW_NOBODY % QUEUES);

    sw_tun_steering_stop(&steering, &device.queues[0], &sw_sys_kernel);
    sw_tun_steering_close(&steering);
    queue_of(&device, NETWORK + 300); /* it comes out somewhere */
    take_down(&device);
}

/* The largest pool there can be, and the smallest. */
static void test_pools_of_all_sizes(void **state)
{
    static const uint32_t counts[] = {4, 256, 1 << 20, 1 << 24};
    struct device device;
    NEED_OWN_NETWORK(entered);
    if (!may_use_bpf()) skip();
    set_up(&device, true);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct sw_tun_steering steering;
        uint32_t network = UINT32_C(0x0a000000);
        char why[256] = "";
        if (sw_tun_steering_start(&steering, &device.queues[0], network, counts[i], &sw_sys_kernel,
                                  why, sizeof why) < 0) {
            /* Older kernels have a limit of 4 MiB. */
            if (counts[i] > 4 << 20 && strstr(why, strerror(E2BIG)) != NULL) continue;
            fail_msg("%u addresses: %s", (unsigned)counts[i], why);
        }
        steering.table[counts[i] - 2] = 1;
        assert_int_equal(queue_of(&device, network + counts[i] - 2), 1);
        sw_tun_steering_stop(&steering, &device.queues[0], &sw_sys_kernel);
        sw_tun_steering_close(&steering);
    }
    take_down(&device);
}

static unsigned refuse_bpf_command; /* this one fails, and no other */

static int refuse_bpf(int command, void *attributes, unsigned size)
{
    if (command != (int)refuse_bpf_command) return sw_sys_kernel.bpf(command, attributes, size);
    errno = EPERM;
    return -1;
}

static int refuse_steering(int fd, unsigned long request, void *argument)
{
    if (request != TUNSETSTEERINGEBPF) return sw_sys_kernel.ioctl(fd, request, argument);
    errno = EINVAL;
    return -1;
}

static void test_refusals_name_the_step_and_leave_nothing(void **state)
{
    struct device device;
    struct sw_sys no_map = sw_sys_kernel, no_program = sw_sys_kernel, no_ioctl = sw_sys_kernel;
    NEED_OWN_NETWORK(entered);
    set_up(&device, true);
    no_map.bpf = no_program.bpf = refuse_bpf;
    no_ioctl.ioctl = refuse_steering;
    const struct {
        const struct sw_sys *sys;
        unsigned command;
        const char *expected;
    } cases[] = {
        {&no_map, BPF_MAP_CREATE, "CAP_BPF"},
        {&no_program, BPF_PROG_LOAD, "CAP_BPF"},
        {&no_ioctl, 0, "TUNSETSTEERINGEBPF"},
    };
    for (size_t i = 0; i < (may_use_bpf() ? 3 : 1); i++) {
        struct sw_tun_steering steering;
        char why[256] = "";
        refuse_bpf_command = cases[i].command;
        assert_int_equal(sw_tun_steering_start(&steering, &device.queues[0], NETWORK, COUNT,
                                               cases[i].sys, why, sizeof why),
                         -1);
        assert_non_null(strstr(why, cases[i].expected));
        assert_null(steering.table);
        sw_tun_steering_close(&steering);
    }
    take_down(&device);
}

static void test_device_with_one_queue_has_one_reader(void **state)
{
    struct device device;
    NEED_OWN_NETWORK(entered);
    set_up(&device, false);
    assert_false(device.queues[0].write_only);
    for (int i = 1; i < QUEUES; i++)
        assert_true(device.queues[i].write_only);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(queue_of(&device, NETWORK + 256 + i), 0);
    take_down(&device);
}

/* One with several queues would have room for another program. */
static void test_device_in_use_is_refused(void **state)
{
    const struct sw_tun_config config = {
        .name = NAME, .framing = true, .read_tcp = true, .multi_queue = true};
    struct device device;
    struct sw_tun second;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    set_up(&device, true);
    assert_int_equal(sw_tun_open(&second, &config, &sw_sys_kernel, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "another program uses the device"));
    take_down(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destination_picks_the_queue),
        cmocka_unit_test(test_pools_of_all_sizes),
        cmocka_unit_test(test_refusals_name_the_step_and_leave_nothing),
        cmocka_unit_test(test_device_with_one_queue_has_one_reader),
        cmocka_unit_test(test_device_in_use_is_refused),
    };
    entered = enter_own_network();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
