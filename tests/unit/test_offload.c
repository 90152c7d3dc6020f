/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Wishes, probes and reasons: host/offload.h; docs/offload.md E.3, E.4, F.1, F.4. */

#include "host/offload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "lib/base/bytes.h"
#include "tests/unit/netns.h"

static bool entered;
static struct sw_offloads offloads;
static struct sw_offload_config config;
static char why[256];

static int set_up(void **state)
{
    memset(&config, 0, sizeof config);
    why[0] = '\0';
    return 0;
}

static void begin(enum sw_tristate master)
{
    sw_offload_begin(&offloads, master, &config);
}

static int judge(void)
{
    return sw_offload_judge(&offloads, why, sizeof why);
}

static unsigned count_on(void)
{
    unsigned n = 0;
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++)
        n += sw_offload_is_on(&offloads, i);
    return n;
}

static void assert_status(const char *name, const char *expected, const json_t *metrics)
{
    json_t *status = sw_offload_status(&offloads, metrics);
    assert_int_equal(json_object_size(status), SW_OFFLOADS);
    assert_string_equal(json_string_value(json_object_get(status, name)), expected);
    json_decref(status);
}

/* --- wishes ------------------------------------------------------------------------------------*/

static void test_everything_is_wanted_by_default(void **state)
{
    char text[128];
    begin(SW_AUTO);
    assert_int_equal(count_on(), SW_OFFLOADS);
    assert_true(offloads.allowed);
    assert_int_equal(offloads.max_segments, 128);
    assert_int_equal(judge(), 0);
    assert_string_equal(sw_offload_summary(&offloads, text, sizeof text), "on");
    const struct sw_tun_config tun = sw_offload_tun_config(&offloads, "x");
    assert_true(tun.framing && tun.read_tcp && tun.read_udp);
}

static void test_master_off_means_one_packet_per_call(void **state)
{
    char text[128];
    begin(SW_OFF);
    assert_int_equal(count_on(), 0);
    assert_false(offloads.allowed);
    assert_int_equal(offloads.max_segments, 1);
    assert_int_equal(judge(), 0);
    assert_string_equal(sw_offload_summary(&offloads, text, sizeof text), "off");
    assert_false(sw_offload_tun_config(&offloads, "x").framing);
    assert_status("udp_gro", "off: enable_tun_offload is false", NULL);
}

static void test_each_can_be_switched_off_alone(void **state)
{
    char text[128];
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        memset(&config, 0, sizeof config);
        config.wanted[i] = SW_OFF;
        begin(SW_AUTO);
        assert_int_equal(count_on(), SW_OFFLOADS - 1);
        assert_false(sw_offload_is_on(&offloads, i));
        assert_int_equal(judge(), 0);
        assert_non_null(strstr(sw_offload_summary(&offloads, text, sizeof text), "on without "));
    }
    assert_string_equal(sw_offload_summary(&offloads, text, sizeof text), "on without udp_gro");
}

static void test_header_goes_with_any_use_of_it(void **state)
{
    for (enum sw_offload i = 0; i <= SW_OFFLOAD_TUN_GRO_UDP; i++) {
        for (enum sw_offload j = 0; j < SW_OFFLOADS; j++)
            config.wanted[j] = i == j ? SW_AUTO : SW_OFF;
        begin(SW_AUTO);
        const struct sw_tun_config tun = sw_offload_tun_config(&offloads, "x");
        assert_true(tun.framing);
        assert_int_equal(tun.read_tcp, i == SW_OFFLOAD_TUN_TSO);
        assert_int_equal(tun.read_udp, i == SW_OFFLOAD_TUN_USO);
    }
    config.wanted[SW_OFFLOAD_TUN_GRO_UDP] = SW_OFF;
    begin(SW_AUTO);
    assert_false(sw_offload_tun_config(&offloads, "x").framing);
}

static void test_what_is_required_and_missing_is_named_with_its_reason(void **state)
{
    config.wanted[SW_OFFLOAD_UDP_GRO] = SW_ON;
    begin(SW_AUTO);
    assert_int_equal(judge(), 0);
    sw_offload_deny(&offloads, SW_OFFLOAD_UDP_GRO, "the moon is full");
    sw_offload_deny(&offloads, SW_OFFLOAD_UDP_GRO, "a second reason");
    assert_int_equal(judge(), SW_EINVAL);
    assert_string_equal(why, "offload_udp_gro is true, but udp_gro is off: the moon is full");
}

static void test_master_on_requires_superpackets_to_read(void **state)
{
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        begin(SW_ON);
        sw_offload_deny(&offloads, i, "no");
        assert_int_equal(judge(), i == SW_OFFLOAD_TUN_TSO ? SW_EINVAL : 0);
    }
    begin(SW_ON);
    sw_offload_deny(&offloads, SW_OFFLOAD_TUN_TSO, "no");
    assert_int_equal(judge(), SW_EINVAL);
    assert_string_equal(why, "enable_tun_offload is true, but tun_tso is off: no");

    config.wanted[SW_OFFLOAD_TUN_TSO] = SW_OFF; /* its own word goes before that */
    begin(SW_ON);
    assert_int_equal(judge(), 0);
}

static void test_segments_are_bounded_by_the_option(void **state)
{
    config.max_segments_per_send = 16;
    begin(SW_AUTO);
    sw_offload_probe_udp(&offloads, &sw_sys_kernel);
    assert_int_equal(offloads.max_segments, 16);
    config.max_segments_per_send = 1;
    begin(SW_AUTO);
    assert_int_equal(offloads.max_segments, 1);
    assert_status("udp_segment", "off: max_segments_per_send is 1", NULL);
}

static void test_status_tells_what_was_latched_off_later(void **state)
{
    json_t *metrics = json_pack("{s:i, s:i, s:i}", "gso_off", 0, "tun_gro_off{kind=\"tcp\"}", 0,
                                "tun_gro_off{kind=\"udp\"}", 2);
    begin(SW_AUTO);
    assert_status("udp_segment", "on", metrics);
    assert_status("tun_gro", "on", metrics);
    assert_status("tun_gro_udp", "off for some minutes: the kernel refused it, see the log",
                  metrics);
    json_decref(metrics);
}

/* --- sockets -----------------------------------------------------------------------------------*/

static int refuse_segments_above; /* stride times this many bytes */
static int segment_error;

static int fake_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (messages[0].msg_hdr.msg_iov[0].iov_len <= 8 * (size_t)refuse_segments_above) return 1;
    errno = segment_error;
    return -1;
}

static int gro_error;

static int fake_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    assert_int_equal(option, UDP_GRO);
    errno = gro_error;
    return gro_error != 0 ? -1 : 0;
}

static const struct sw_sys fake_sockets = {.sendmmsg = fake_sendmmsg,
                                           .setsockopt = fake_setsockopt};

static void test_segment_limit_is_what_the_kernel_takes(void **state)
{
    const int errors[] = {EINVAL, EIO, EOPNOTSUPP, EMSGSIZE};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        const int limits[] = {128, 64, 63};
        for (size_t j = 0; j < 3; j++) {
            segment_error = errors[i];
            refuse_segments_above = limits[j];
            begin(SW_AUTO);
            sw_offload_probe_udp(&offloads, &fake_sockets);
            assert_int_equal(offloads.max_segments, j == 2 ? 1 : limits[j]);
            assert_int_equal(sw_offload_is_on(&offloads, SW_OFFLOAD_UDP_SEGMENT), j != 2);
        }
    }
    json_t *status = sw_offload_status(&offloads, NULL);
    assert_string_equal(json_string_value(json_object_get(status, "udp_segment")),
                        "off: the kernel refuses it (Message too long)");
    json_decref(status);
}

static void test_this_kernel_has_a_limit_of_64_or_128(void **state)
{
    begin(SW_AUTO);
    sw_offload_probe_udp(&offloads, &sw_sys_kernel);
    assert_true(offloads.max_segments == 64 || offloads.max_segments == 128);
    assert_int_equal(judge(), 0);
}

static void test_loopback_that_does_not_answer_proves_nothing(void **state)
{
    segment_error = ENETUNREACH;
    refuse_segments_above = 0;
    begin(SW_AUTO);
    sw_offload_probe_udp(&offloads, &fake_sockets);
    assert_int_equal(offloads.max_segments, 64);
    assert_true(sw_offload_is_on(&offloads, SW_OFFLOAD_UDP_SEGMENT));
}

static void test_kernel_without_udp_gro(void **state)
{
    refuse_segments_above = 128;
    gro_error = ENOPROTOOPT;
    begin(SW_AUTO);
    sw_offload_probe_udp(&offloads, &fake_sockets);
    assert_false(sw_offload_is_on(&offloads, SW_OFFLOAD_UDP_GRO));
    assert_status("udp_gro", "off: the kernel refuses it (Protocol not available)", NULL);
    gro_error = 0;
    begin(SW_AUTO);
    sw_offload_probe_udp(&offloads, &fake_sockets);
    assert_true(sw_offload_is_on(&offloads, SW_OFFLOAD_UDP_GRO));
}

static void test_nothing_is_tried_that_is_not_wanted(void **state)
{
    const struct sw_sys none = {0}; /* a call would crash */
    struct sw_tun tun = {.fd = -1, .name = "x", .framing = true, .mask = 0x6b, .sys = &none};
    begin(SW_OFF);
    sw_offload_tun_opened(&offloads, &tun);
    sw_offload_probe_tun(&offloads, &tun);
    sw_offload_probe_udp(&offloads, &none);
    assert_false(tun.takes_tcp || tun.takes_udp);
}

/* --- devices -----------------------------------------------------------------------------------*/

static void test_device_without_header_can_nothing(void **state)
{
    struct sw_tun tun = {.fd = -1, .name = "tun7"};
    begin(SW_AUTO);
    sw_offload_tun_opened(&offloads, &tun);
    sw_offload_probe_tun(&offloads, &tun);
    assert_int_equal(count_on(), SW_OFFLOADS - 4);
    assert_status("tun_gro", "off: tun7 has no virtio header", NULL);
}

static void test_mask_says_what_can_be_read(void **state)
{
    struct sw_tun tun = {
        .fd = -1, .name = "tun7", .framing = true, .mask = 0x0b, .mask_error = EINVAL};
    begin(SW_AUTO);
    sw_offload_tun_opened(&offloads, &tun);
    assert_true(sw_offload_is_on(&offloads, SW_OFFLOAD_TUN_TSO));
    assert_status("tun_uso", "off: the kernel refuses it on TUN devices (Invalid argument)", NULL);
}

static int refuse_type; /* gso_type */
static unsigned n_written;

static ssize_t fake_writev(int fd, const struct iovec *iov, int count)
{
    struct sw_vnet vnet;
    assert_int_equal(count, 2);
    sw_vnet_decode(iov[0].iov_base, &vnet);
    assert_int_equal(sw_get_be16((const uint8_t *)iov[1].iov_base + 2), iov[1].iov_len);
    n_written++;
    errno = EINVAL;
    return vnet.gso_type == refuse_type ? -1 : (ssize_t)(iov[0].iov_len + iov[1].iov_len);
}

static void test_kinds_that_a_device_does_not_take(void **state)
{
    const struct sw_sys fake = {.writev = fake_writev};
    struct sw_tun tun = {.fd = -1, .name = "tun7", .framing = true, .mask = 0x6b, .sys = &fake};
    for (int i = 0; i < 2; i++) {
        refuse_type = i == 0 ? SW_GSO_UDP_L4 : SW_GSO_TCPV4;
        begin(SW_AUTO);
        n_written = 0;
        sw_offload_probe_tun(&offloads, &tun);
        assert_int_equal(n_written, 2);
        assert_int_equal(tun.takes_tcp, i == 0);
        assert_int_equal(tun.takes_udp, i == 1);
        assert_int_equal(tun.counters.writes, 0); /* nobody's packets */
    }
    assert_status("tun_gro", "off: tun7 does not take it (Invalid argument)", NULL);
}

/* A line of /proc/net/snmp: the value of its column. */
static long snmp(const char *protocol, const char *column)
{
    char names[2048], values[2048];
    long result = -1;
    FILE *file = fopen("/proc/thread-self/net/snmp", "r");
    assert_non_null(file);
    while (result < 0 && fgets(names, sizeof names, file) && fgets(values, sizeof values, file)) {
        char *at_name, *at_value;
        if (strncmp(names, protocol, strlen(protocol)) != 0) continue;
        char *name = strtok_r(names, " \n", &at_name), *value = strtok_r(values, " \n", &at_value);
        while (name != NULL && value != NULL && strcmp(name, column) != 0) {
            name = strtok_r(NULL, " \n", &at_name);
            value = strtok_r(NULL, " \n", &at_value);
        }
        if (name != NULL && value != NULL) result = strtol(value, NULL, 10);
    }
    fclose(file);
    return result;
}

/* The kernel says yes or no, and nobody behind it sees the packets: the header error is theirs. */
static void test_real_device_is_tried_without_a_trace(void **state)
{
    struct sw_tun tun;
    struct sw_vnet vnet;
    static uint8_t packet[SW_TUN_PACKET_MAX];
    NEED_OWN_NETWORK(entered);
    begin(SW_ON);
    const struct sw_tun_config wanted = sw_offload_tun_config(&offloads, "offtest0");
    if (sw_tun_open(&tun, &wanted, &sw_sys_kernel, why, sizeof why) < 0) fail_msg("%s", why);
    struct sw_netlink *nl = sw_netlink_open();
    assert_int_equal(sw_netlink_address_add(nl, tun.index, ntohl(inet_addr("10.98.0.1")), 24, 0),
                     0);
    assert_int_equal(sw_netlink_link_up(nl, tun.index), 0);
    sw_netlink_close(nl);

    long errors = snmp("Ip:", "InHdrErrors"), delivered = snmp("Ip:", "InDelivers");
    assert_true(errors >= 0 && delivered >= 0);
    sw_offload_tun_opened(&offloads, &tun);
    sw_offload_probe_tun(&offloads, &tun);
    assert_true(tun.takes_tcp);
    assert_int_equal(tun.takes_udp, sw_tun_reads_udp(&tun)); /* both since Linux 6.2 */
    assert_int_equal(snmp("Ip:", "InHdrErrors"), errors + 1 + tun.takes_udp);
    assert_int_equal(snmp("Ip:", "InDelivers"), delivered);
    for (ssize_t n; (n = sw_tun_read(&tun, packet, sizeof packet, &vnet)) > 0;)
        assert_int_not_equal(packet[0] >> 4, 4); /* no answer; IPv6 says hello by itself */
    assert_int_equal(judge(), 0);
    sw_tun_close(&tun);
}

/* A type that the driver does not know is refused by the same call: the probe can say no. */
static void test_real_device_refuses_what_it_does_not_know(void **state)
{
    struct sw_tun tun;
    uint8_t header[SW_VNET_LEN], packet[64] = {0x45};
    struct sw_vnet vnet = {.flags = SW_VNET_NEEDS_CSUM,
                           .gso_type = 0x7e,
                           .hdr_len = 28,
                           .gso_size = 8,
                           .csum_start = 20,
                           .csum_offset = 6};
    struct iovec iov[2] = {{header, sizeof header}, {packet, 44}};
    NEED_OWN_NETWORK(entered);
    begin(SW_AUTO);
    const struct sw_tun_config wanted = sw_offload_tun_config(&offloads, "offtest0");
    if (sw_tun_open(&tun, &wanted, &sw_sys_kernel, why, sizeof why) < 0) fail_msg("%s", why);
    struct sw_netlink *nl = sw_netlink_open();
    assert_int_equal(sw_netlink_link_up(nl, tun.index), 0);
    sw_netlink_close(nl);
    sw_vnet_encode(header, &vnet);
    assert_int_equal(writev(tun.fd, iov, 2), -1);
    assert_int_equal(errno, EINVAL);
    sw_tun_close(&tun);
}

#define OFFLOAD_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFLOAD_TEST(test_everything_is_wanted_by_default),
        OFFLOAD_TEST(test_master_off_means_one_packet_per_call),
        OFFLOAD_TEST(test_each_can_be_switched_off_alone),
        OFFLOAD_TEST(test_header_goes_with_any_use_of_it),
        OFFLOAD_TEST(test_what_is_required_and_missing_is_named_with_its_reason),
        OFFLOAD_TEST(test_master_on_requires_superpackets_to_read),
        OFFLOAD_TEST(test_segments_are_bounded_by_the_option),
        OFFLOAD_TEST(test_status_tells_what_was_latched_off_later),
        OFFLOAD_TEST(test_segment_limit_is_what_the_kernel_takes),
        OFFLOAD_TEST(test_this_kernel_has_a_limit_of_64_or_128),
        OFFLOAD_TEST(test_loopback_that_does_not_answer_proves_nothing),
        OFFLOAD_TEST(test_kernel_without_udp_gro),
        OFFLOAD_TEST(test_nothing_is_tried_that_is_not_wanted),
        OFFLOAD_TEST(test_device_without_header_can_nothing),
        OFFLOAD_TEST(test_mask_says_what_can_be_read),
        OFFLOAD_TEST(test_kinds_that_a_device_does_not_take),
        OFFLOAD_TEST(test_real_device_is_tried_without_a_trace),
        OFFLOAD_TEST(test_real_device_refuses_what_it_does_not_know),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
