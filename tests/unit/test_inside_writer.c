/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Superpackets for a TUN that takes them, or does not: host/inside_writer.h; docs/offload.md E.3,
 * F.5, F.13. */

#include "host/inside_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/coalesce_check.h"

#define TCP     6
#define UDP     17
#define PAYLOAD 1000

/* --- a TUN -------------------------------------------------------------------------------------*/

/* What it refuses, and what it took: in[] of the packets that were pushed, out[] of those that
 * arrived, superpackets cut. */
static struct {
    int tcp_error, udp_error;            /* of superpackets of that kind; 0: taken */
    int single_error, single_errors_max; /* of so many single packets */
    unsigned supers, calls;
    unsigned pushed, arrived;
    struct checked_bytes in[256], out[256];
} tun_end;

static void arrive(const uint8_t *packet, size_t len)
{
    assert_true(tun_end.arrived < 256);
    tun_end.out[tun_end.arrived++] = checked_copy(packet, len);
}

static ssize_t fake_writev(int fd, const struct iovec *iov, int count)
{
    struct sw_vnet vnet;
    struct sw_segmenter segmenter;
    uint8_t segment[2048];
    assert_int_equal(fd, 99);
    tun_end.calls++;
    if (count == 1) {
        arrive(iov[0].iov_base, iov[0].iov_len);
        return (ssize_t)iov[0].iov_len;
    }
    assert_int_equal(iov[0].iov_len, SW_VNET_LEN);
    sw_vnet_decode(iov[0].iov_base, &vnet);
    if (!sw_vnet_is_super(&vnet)) {
        errno = tun_end.single_error;
        if (tun_end.single_errors_max > 0) {
            tun_end.single_errors_max--;
            return -1;
        }
        arrive(iov[1].iov_base, iov[1].iov_len);
        return (ssize_t)(SW_VNET_LEN + iov[1].iov_len);
    }
    errno = vnet.gso_type == SW_GSO_UDP_L4 ? tun_end.udp_error : tun_end.tcp_error;
    if (errno != 0) return -1;
    tun_end.supers++;
    assert_int_equal(sw_segmenter_init(&segmenter, iov[1].iov_base, iov[1].iov_len, &vnet, NULL),
                     0);
    for (unsigned i = 0; i < segmenter.count; i++) {
        sw_segment_build(&segmenter, i, segment);
        arrive(segment, sw_segment_len(&segmenter, i));
    }
    return (ssize_t)(SW_VNET_LEN + iov[1].iov_len);
}

static const struct sw_sys sys = {.writev = fake_writev};
static struct sw_tun tun;
static struct sw_inside_writer *writer;
static sw_time now;

static void forget_packets(void)
{
    for (unsigned i = 0; i < tun_end.pushed; i++)
        free(tun_end.in[i].data);
    for (unsigned i = 0; i < tun_end.arrived; i++)
        free(tun_end.out[i].data);
    tun_end.pushed = tun_end.arrived = tun_end.supers = tun_end.calls = 0;
}

static int set_up(void **state)
{
    memset(&tun_end, 0, sizeof tun_end);
    tun = (struct sw_tun){.fd = 99,
                          .name = "fake0",
                          .framing = true,
                          .takes_tcp = true,
                          .takes_udp = true,
                          .sys = &sys};
    writer = sw_inside_writer_new(&tun);
    now = 100 * SW_MINUTE;
    return writer != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    sw_inside_writer_free(writer);
    forget_packets();
    return 0;
}

static unsigned next_packet;

/* count packets of one flow in a row, and the end of the wake-up */
static void send_flow(uint8_t protocol, unsigned count)
{
    uint8_t packet[2048];
    for (unsigned i = 0; i < count; i++, next_packet++) {
        struct recipe r = {.protocol = protocol,
                           .flow = protocol,
                           .id = (uint16_t)next_packet,
                           .sequence = next_packet * PAYLOAD,
                           .payload = PAYLOAD,
                           .content = next_packet};
        size_t len = build(&r, packet);
        tun_end.in[tun_end.pushed++] = checked_copy(packet, len);
        sw_inside_writer_push(writer, packet, len);
    }
    sw_inside_writer_flush(writer, now);
}

/* Everything arrived, in order, byte for byte, in so many superpackets. */
static void assert_all_arrived(unsigned supers)
{
    assert_int_equal(tun_end.arrived, tun_end.pushed);
    for (unsigned i = 0; i < tun_end.pushed; i++)
        assert_true(checked_equal(&tun_end.in[i], &tun_end.out[i]));
    assert_int_equal(tun_end.supers, supers);
    forget_packets();
}

static const struct sw_inside_writer_counters *counters(void)
{
    return sw_inside_writer_counters(writer);
}

/* --- tests -------------------------------------------------------------------------------------*/

static void test_flow_is_written_as_one_superpacket(void **state)
{
    const uint8_t protocols[] = {TCP, UDP};
    for (size_t i = 0; i < 2; i++) {
        send_flow(protocols[i], 20);
        assert_int_equal(tun_end.calls, 1);
        assert_all_arrived(1);
    }
    assert_int_equal(tun.counters.superpackets_written, 2);
    assert_int_equal(counters()->refused, 0);
}

static void test_device_without_framing_gets_single_packets(void **state)
{
    sw_inside_writer_free(writer);
    tun.framing = false;
    writer = sw_inside_writer_new(&tun);
    send_flow(TCP, 5);
    assert_int_equal(tun_end.calls, 5);
    assert_all_arrived(0);
}

static void test_kind_that_the_device_does_not_take_is_not_tried(void **state)
{
    for (int i = 0; i < 2; i++) {
        sw_inside_writer_free(writer);
        tun.takes_tcp = i == 0;
        tun.takes_udp = i == 1;
        writer = sw_inside_writer_new(&tun);
        send_flow(TCP, 5);
        assert_all_arrived(i == 0);
        send_flow(UDP, 5);
        assert_all_arrived(i == 1);
        assert_int_equal(counters()->refused, 0);
    }
}

static void refused_with(int error)
{
    tun_end.tcp_error = error;
    send_flow(TCP, 20);
    assert_int_equal(tun_end.calls, 21);
    assert_all_arrived(0);
    assert_int_equal(counters()->refused, 1);
    assert_int_equal(counters()->resent_segments, 20);
    assert_int_equal(counters()->latched, 1);
    assert_int_equal(counters()->off[SW_INSIDE_TCP], 1);
    assert_int_equal(counters()->off[SW_INSIDE_UDP], 0);
    assert_int_equal(tun.counters.write_errors, 0); /* nothing was lost */

    send_flow(TCP, 20); /* not tried any more … */
    assert_int_equal(tun_end.calls, 20);
    assert_all_arrived(0);
    send_flow(UDP, 20); /* … the other kind is */
    assert_all_arrived(1);
    assert_int_equal(counters()->refused, 1);
}

static void test_refused_superpacket_is_written_as_the_same_packets_einval(void **state)
{
    refused_with(EINVAL);
}

static void test_refused_superpacket_is_written_as_the_same_packets_eio(void **state)
{
    refused_with(EIO);
}

static void test_refused_superpacket_is_written_as_the_same_packets_emsgsize(void **state)
{
    refused_with(EMSGSIZE);
}

static void test_refused_superpacket_is_written_as_the_same_packets_eopnotsupp(void **state)
{
    refused_with(EOPNOTSUPP);
}

static void test_refused_kind_is_tried_again_after_some_minutes(void **state)
{
    tun_end.udp_error = EINVAL;
    send_flow(UDP, 20);
    now += 9 * SW_MINUTE;
    tun_end.udp_error = 0;
    send_flow(UDP, 20);
    assert_all_arrived(0);
    now += 2 * SW_MINUTE;
    send_flow(UDP, 1); /* the end of a wake-up notices */
    assert_int_equal(counters()->off[SW_INSIDE_UDP], 0);
    forget_packets();
    send_flow(UDP, 20);
    assert_all_arrived(1);
    assert_int_equal(counters()->latched, 1);

    tun_end.udp_error = EINVAL; /* and may be refused again */
    send_flow(UDP, 20);
    assert_all_arrived(0);
    assert_int_equal(counters()->latched, 2);
    assert_int_equal(counters()->off[SW_INSIDE_UDP], 1);
}

static void test_time_off_does_not_depend_on_how_long_it_was_idle_before(void **state)
{
    send_flow(TCP, 5);
    forget_packets();
    now += 300 * SW_MINUTE;
    tun_end.tcp_error = EINVAL;
    send_flow(TCP, 5);
    now += 9 * SW_MINUTE;
    send_flow(TCP, 5);
    assert_int_equal(counters()->off[SW_INSIDE_TCP], 1);
    assert_int_equal(counters()->refused, 1);
}

/* A want of memory says nothing about superpackets. */
static void no_room_with(int error)
{
    tun_end.tcp_error = error;
    send_flow(TCP, 20);
    assert_all_arrived(0);
    assert_int_equal(counters()->refused, 1);
    assert_int_equal(counters()->latched, 0);
    tun_end.tcp_error = 0;
    send_flow(TCP, 20);
    assert_all_arrived(1);
    assert_int_equal(tun.counters.write_errors, 0);
}

static void test_want_of_memory_costs_a_superpacket_only_its_form(void **state)
{
    const int errors[] = {ENOBUFS, ENOMEM, EAGAIN};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        no_room_with(errors[i]);
        tear_down(state);
        set_up(state);
    }
}

static void test_single_packets_that_are_refused_are_counted(void **state)
{
    tun_end.tcp_error = ENOBUFS;
    tun_end.single_error = ENOBUFS;
    tun_end.single_errors_max = 3;
    send_flow(TCP, 20);
    assert_int_equal(tun_end.arrived, 17);
    assert_int_equal(counters()->resent_segments, 17);
    assert_int_equal(tun.counters.write_errors, 3);
    assert_int_equal(tun.counters.write_dropped[SW_TUN_REFUSED_NO_BUFFERS], 3);
}

/* A device that is down refuses everything: nothing is learnt about superpackets. */
static void test_device_that_is_down_latches_nothing(void **state)
{
    tun_end.tcp_error = tun_end.single_error = EIO;
    tun_end.single_errors_max = 1000;
    send_flow(TCP, 20);
    assert_int_equal(tun_end.arrived, 0);
    assert_int_equal(tun.counters.write_dropped[SW_TUN_REFUSED_DOWN], 20);
    assert_int_equal(counters()->latched, 0);
    forget_packets();
    tun_end.tcp_error = tun_end.single_errors_max = 0; /* up again */
    send_flow(TCP, 20);
    assert_all_arrived(1);
}

static void test_packets_of_both_kinds_survive_a_device_that_learns(void **state)
{
    tun_end.tcp_error = EINVAL;
    tun_end.udp_error = EIO;
    send_flow(TCP, 40);
    send_flow(UDP, 40);
    send_flow(TCP, 40);
    send_flow(UDP, 40);
    assert_all_arrived(0);
    assert_int_equal(counters()->latched, 2);
    assert_int_equal(counters()->refused, 2);
}

#define WRITER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WRITER_TEST(test_flow_is_written_as_one_superpacket),
        WRITER_TEST(test_device_without_framing_gets_single_packets),
        WRITER_TEST(test_kind_that_the_device_does_not_take_is_not_tried),
        WRITER_TEST(test_refused_superpacket_is_written_as_the_same_packets_einval),
        WRITER_TEST(test_refused_superpacket_is_written_as_the_same_packets_eio),
        WRITER_TEST(test_refused_superpacket_is_written_as_the_same_packets_emsgsize),
        WRITER_TEST(test_refused_superpacket_is_written_as_the_same_packets_eopnotsupp),
        WRITER_TEST(test_refused_kind_is_tried_again_after_some_minutes),
        WRITER_TEST(test_time_off_does_not_depend_on_how_long_it_was_idle_before),
        WRITER_TEST(test_want_of_memory_costs_a_superpacket_only_its_form),
        WRITER_TEST(test_single_packets_that_are_refused_are_counted),
        WRITER_TEST(test_device_that_is_down_latches_nothing),
        WRITER_TEST(test_packets_of_both_kinds_survive_a_device_that_learns),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
