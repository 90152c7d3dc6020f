/* SPDX-License-Identifier: GPL-3.0-or-later */

/* TUN queues, real ones in a network namespace of the test's own, and a driver that refuses:
 * host/tun.h; docs/offload.md A.2, A.3, B, E.1 to E.3. */

#include "host/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/netns.h"

#define NAME "tuntest0"

static bool entered;

static const struct sw_tun_config everything = {
    .name = NAME, .framing = true, .read_tcp = true, .read_udp = true};
static const struct sw_tun_config single_packets = {.name = NAME};

static struct sw_tun open_with(const struct sw_tun_config *wanted, const struct sw_sys *sys)
{
    struct sw_tun_config config = *wanted;
    struct sw_tun tun;
    char why[256] = "";
    if (sw_tun_open(&tun, &config, sys, why, sizeof why) < 0) fail_msg("%s", why);
    return tun;
}

static void up(const struct sw_tun *tun)
{
    struct sw_netlink *nl = sw_netlink_open();
    assert_non_null(nl);
    assert_int_equal(sw_netlink_address_add(nl, tun->index, ntohl(inet_addr("10.99.0.1")), 24, 0),
                     0);
    assert_int_equal(sw_netlink_link_mtu(nl, tun->index, 1350), 0);
    assert_int_equal(sw_netlink_link_up(nl, tun->index), 0);
    sw_netlink_close(nl);
}

/* Reads until a UDP packet to port 7 comes; others are the kernel's own. */
static ssize_t read_ours(struct sw_tun *tun, uint8_t *packet, struct sw_vnet *vnet)
{
    for (int i = 0; i < 100; i++) {
        struct pollfd wait = {.fd = tun->fd, .events = POLLIN};
        if (poll(&wait, 1, 2000) != 1) break;
        ssize_t n = sw_tun_read(tun, packet, SW_TUN_PACKET_MAX, vnet);
        if (n >= 28 && packet[0] == 0x45 && packet[9] == 17 && packet[23] == 7) return n;
    }
    return -1;
}

static void send_udp(size_t len, uint16_t segment)
{
    static uint8_t payload[60000];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = segment;
    to.sin_addr.s_addr = inet_addr("10.99.0.2");
    if (segment > 0) assert_int_equal(setsockopt(fd, IPPROTO_UDP, 103, &size, sizeof size), 0);
    assert_int_equal(sendto(fd, payload, len, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)len);
    close(fd);
}

static uint8_t packet[SW_TUN_PACKET_MAX];

static void test_offload_delivers_superpackets(void **state)
{
    struct sw_vnet vnet;
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&everything, &sw_sys_kernel);
    assert_true(tun.framing);
    assert_int_equal(tun.mask & 0x03, 0x03);
    assert_false(tun.existed);
    up(&tun);
    send_udp(5300, 1000);
    ssize_t n = read_ours(&tun, packet, &vnet);
    if (tun.mask & 0x20) { /* the kernel knows UDP superpackets */
        assert_int_equal(n, 5328);
        assert_int_equal(vnet.gso_type, SW_GSO_UDP_L4);
        assert_int_equal(vnet.gso_size, 1000);
        assert_int_equal(vnet.csum_start, 20);
        assert_int_equal(tun.counters.superpackets, 1);
    } else {
        assert_int_equal(n, 1028);
    }
    assert_int_equal(tun.counters.read_bytes >= (uint64_t)n, 1);
    sw_tun_close(&tun);
}

static void test_off_delivers_single_complete_packets(void **state)
{
    struct sw_vnet vnet;
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&single_packets, &sw_sys_kernel);
    assert_false(tun.framing);
    assert_int_equal(tun.mask, 0);
    up(&tun);
    send_udp(2000, 1000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_ours(&tun, packet, &vnet), 1028);
        assert_int_equal(vnet.flags, 0);
        assert_int_equal(vnet.gso_type, SW_GSO_NONE);
    }
    while (sw_tun_read(&tun, packet, sizeof packet, &vnet) > 0)
        assert_int_equal(packet[0] >> 4, 6); /* the kernel greets its neighbours */
    sw_tun_close(&tun);
}

/* docs/offload.md B: the mask outlives its user on a persistent device. */
static void test_persistent_device_with_offload_then_without(void **state)
{
    struct sw_vnet vnet;
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&everything, &sw_sys_kernel);
    assert_int_equal(ioctl(tun.fd, TUNSETPERSIST, 1), 0);
    up(&tun);
    sw_tun_close(&tun);

    tun = open_with(&single_packets, &sw_sys_kernel);
    assert_true(tun.existed);
    assert_false(tun.framing);
    send_udp(5300, 1000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(read_ours(&tun, packet, &vnet), 1028);
    assert_int_equal(read_ours(&tun, packet, &vnet), 328);
    sw_tun_close(&tun);

    tun = open_with(&everything, &sw_sys_kernel);
    assert_true(tun.framing);
    assert_int_equal(ioctl(tun.fd, TUNSETPERSIST, 0), 0);
    sw_tun_close(&tun);
}

static void test_existing_device_decides_about_queues(void **state)
{
    NEED_OWN_NETWORK(entered);
    for (int multi = 0; multi < 2; multi++) {
        struct sw_tun_config config = {.name = NAME, .multi_queue = multi == 1};
        struct sw_tun tun;
        char why[256];
        assert_int_equal(sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why), 0);
        assert_int_equal(tun.multi_queue, multi == 1);
        assert_int_equal(ioctl(tun.fd, TUNSETPERSIST, 1), 0);
        sw_tun_close(&tun);

        config.multi_queue = multi == 0;
        assert_int_equal(sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why), 0);
        assert_int_equal(tun.multi_queue, multi == 1);
        assert_int_equal(ioctl(tun.fd, TUNSETPERSIST, 0), 0);
        sw_tun_close(&tun);
    }
}

static void test_device_in_use_is_named(void **state)
{
    const struct sw_tun_config config = {.name = NAME};
    struct sw_tun second;
    char why[256] = "";
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&everything, &sw_sys_kernel);
    assert_int_equal(sw_tun_open(&second, &config, &sw_sys_kernel, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, NAME));
    assert_non_null(strstr(why, "another program"));
    assert_int_equal(second.fd, -1);
    sw_tun_close(&tun);
}

static void test_kernel_names_a_device_without_name(void **state)
{
    const struct sw_tun_config config = {.framing = true, .read_tcp = true};
    struct sw_tun tun;
    char why[256];
    NEED_OWN_NETWORK(entered);
    assert_int_equal(sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why), 0);
    assert_int_equal(strncmp(tun.name, "tun", 3), 0);
    assert_int_equal(if_nametoindex(tun.name), tun.index);
    sw_tun_close(&tun);
}

static void test_written_packet_arrives(void **state)
{
    /* IPv4 UDP 10.99.0.2:9 to 10.99.0.1:port, "hello", checksum 0: none */
    uint8_t datagram[33] = {0x45, 0, 0, 33, 0, 1, 0x40, 0, 64, 17, 0, 0,   10,  99,  0,   2,  10,
                            99,   0, 1, 0,  9, 0, 0,    0, 13, 0,  0, 'h', 'e', 'l', 'l', 'o'};
    const struct sw_tun_config *settings[] = {&everything, &single_packets};
    NEED_OWN_NETWORK(entered);
    for (size_t i = 0; i < 2; i++) {
        struct sw_tun tun = open_with(settings[i], &sw_sys_kernel);
        up(&tun);
        struct sockaddr_in local = {.sin_family = AF_INET};
        socklen_t len = sizeof local;
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        local.sin_addr.s_addr = inet_addr("10.99.0.1");
        assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
        getsockname(fd, (struct sockaddr *)&local, &len);
        memcpy(datagram + 22, &local.sin_port, 2);
        uint32_t sum = 0;
        datagram[10] = datagram[11] = 0;
        for (size_t j = 0; j < 20; j += 2)
            sum += (uint32_t)datagram[j] << 8 | datagram[j + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = ~((sum & 0xffff) + (sum >> 16));
        datagram[10] = (uint8_t)(sum >> 8);
        datagram[11] = (uint8_t)sum;

        assert_true(sw_tun_write(&tun, datagram, sizeof datagram));
        char got[16];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 2000), 1);
        assert_int_equal(recv(fd, got, sizeof got, 0), 5);
        assert_memory_equal(got, "hello", 5);
        assert_int_equal(tun.counters.writes, 1);
        assert_int_equal(tun.counters.write_bytes, sizeof datagram);
        close(fd);
        sw_tun_close(&tun);
    }
}

static void test_refused_packet_is_counted(void **state)
{
    uint8_t rubbish[20] = {0xff};
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&everything, &sw_sys_kernel); /* down: EIO */
    assert_false(sw_tun_write(&tun, rubbish, sizeof rubbish));
    assert_int_equal(tun.counters.write_errors, 1);
    assert_int_equal(tun.counters.writes, 0);
    sw_tun_close(&tun);
}

static void test_deleted_device_is_the_end(void **state)
{
    struct sw_vnet vnet;
    NEED_OWN_NETWORK(entered);
    struct sw_tun tun = open_with(&everything, &sw_sys_kernel);
    struct sw_tun_counters before = tun.counters;
    assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 0);
    assert_int_equal(tun.counters.read_blocked, before.read_blocked + 1);
    close(tun.fd);
    tun.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK); /* attached to nothing */
    assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), SW_ECLOSED);
    assert_int_equal(tun.counters.read_errors, 1);
    sw_tun_close(&tun);
}

/* --- a driver that refuses ---------------------------------------------------------------------*/

static unsigned accepted; /* offload masks above it are refused */
static unsigned last_mask;
static bool no_header;

static int fake_ioctl(int fd, unsigned long request, void *argument)
{
    if (request == TUNSETOFFLOAD) {
        unsigned mask = (unsigned)(uintptr_t)argument;
        if (mask > accepted) {
            errno = EINVAL;
            return -1;
        }
        last_mask = mask;
    }
    int result = ioctl(fd, request, argument);
    if (request == TUNGETIFF && no_header) ((struct ifreq *)argument)->ifr_flags &= ~IFF_VNET_HDR;
    return result;
}

static const struct sw_sys refusing = {.ioctl = fake_ioctl};

static void test_older_kernels_get_smaller_masks(void **state)
{
    const unsigned masks[] = {0x6b, 0x0b, 0x03};
    NEED_OWN_NETWORK(entered);
    for (size_t i = 0; i < 3; i++) {
        accepted = masks[i];
        struct sw_tun tun = open_with(&everything, &refusing);
        assert_int_equal(tun.mask, masks[i]);
        assert_int_equal(last_mask, masks[i]);
        assert_int_equal(sw_tun_reads_udp(&tun), i == 0);
        assert_true(sw_tun_reads_tcp(&tun));
        assert_int_equal(tun.mask_error, i == 0 ? 0 : EINVAL);
        sw_tun_close(&tun);
    }
}

static void test_only_what_is_wanted_is_asked_for(void **state)
{
    struct sw_tun_config config = {.name = NAME, .framing = true};
    NEED_OWN_NETWORK(entered);
    accepted = 0x7f;
    last_mask = 99;
    struct sw_tun tun = open_with(&config, &refusing);
    assert_true(tun.framing);
    assert_int_equal(last_mask, 0);
    sw_tun_close(&tun);
    config.read_tcp = true;
    tun = open_with(&config, &refusing);
    assert_int_equal(last_mask, 0x0b);
    assert_false(sw_tun_reads_udp(&tun));
    sw_tun_close(&tun);
    config.read_tcp = false;
    config.read_udp = true;
    tun = open_with(&config, &refusing);
    assert_int_equal(last_mask, 0x61);
    assert_int_equal(tun.mask, 0x61);
    assert_false(sw_tun_reads_tcp(&tun));
    sw_tun_close(&tun);
}

/* The mask is about reading: superpackets may be written all the same (docs/offload.md E.3). */
static void test_kernel_without_offload_keeps_the_header(void **state)
{
    NEED_OWN_NETWORK(entered);
    accepted = 1;
    struct sw_tun tun = open_with(&everything, &refusing);
    assert_true(tun.framing);
    assert_int_equal(tun.mask, 0);
    assert_int_equal(last_mask, 0);
    assert_int_equal(tun.mask_error, EINVAL);
    sw_tun_close(&tun);
}

/* A queue may inherit another framing than it asked for (docs/offload.md E.1). */
static void test_framing_is_what_the_kernel_says(void **state)
{
    NEED_OWN_NETWORK(entered);
    accepted = 0x6b;
    no_header = true;
    struct sw_tun tun = open_with(&everything, &refusing);
    no_header = false;
    assert_false(tun.framing);
    assert_int_equal(tun.mask, 0);
    assert_int_equal(last_mask, 0);
    sw_tun_close(&tun);
}

static void test_name_that_is_too_long(void **state)
{
    const struct sw_tun_config config = {.name = "a-name-too-long0"};
    struct sw_tun tun;
    char why[256];
    assert_int_equal(sw_tun_open(&tun, &config, &sw_sys_kernel, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, config.name));
}

/* --- reads that bring nothing ------------------------------------------------------------------*/

static ssize_t next_read;
static int next_errno;

static ssize_t fake_readv(int fd, const struct iovec *iov, int count)
{
    errno = next_errno;
    return next_read;
}

static void test_short_and_interrupted_reads(void **state)
{
    const struct sw_sys short_reading = {.readv = fake_readv};
    struct sw_tun tun = {.fd = -1, .framing = true, .sys = &short_reading};
    struct sw_vnet vnet;
    for (next_read = 0; next_read <= SW_VNET_LEN; next_read++)
        assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), SW_EAGAIN);
    assert_int_equal(tun.counters.short_reads, SW_VNET_LEN + 1);
    assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 1);
    next_read = -1;
    next_errno = EINTR;
    assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), SW_EAGAIN);
    next_errno = EAGAIN;
    assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 0);
    assert_int_equal(tun.counters.reads, 1);
}

/* A single packet may be the trouble, or a want of memory: neither is the end of the tunnel. */
static void test_failing_read_is_not_the_end(void **state)
{
    const struct sw_sys failing = {.readv = fake_readv};
    const struct {
        int error;
        ssize_t result;
    } table[] = {
        {EIO, SW_EAGAIN}, {EINVAL, SW_EAGAIN}, {EMSGSIZE, SW_EAGAIN}, {EFAULT, SW_EAGAIN},
        {ENOMEM, 0},      {ENOBUFS, 0},        {EBADFD, SW_ECLOSED},
    };
    struct sw_vnet vnet;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sw_tun tun = {.fd = -1, .framing = true, .sys = &failing};
        next_read = -1;
        next_errno = table[i].error;
        assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), table[i].result);
        assert_int_equal(tun.counters.read_errors, 1);
        next_read = 60;
        assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 60 - SW_VNET_LEN);
        assert_int_equal(tun.counters.reads, 1);
    }
}

static void test_reads_that_fail_for_ever_are_the_end(void **state)
{
    const struct sw_sys failing = {.readv = fake_readv};
    struct sw_tun tun = {.fd = -1, .framing = true, .sys = &failing};
    struct sw_vnet vnet;
    ssize_t result = SW_EAGAIN;
    for (int round = 0; round < 3; round++) { /* a good one in between, and it begins anew */
        next_read = -1;
        next_errno = EIO;
        for (int i = 0; i < 900; i++)
            assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), SW_EAGAIN);
        next_read = 60;
        assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 50);
    }
    next_read = -1;
    next_errno = ENOMEM;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sw_tun_read(&tun, packet, sizeof packet, &vnet), 0);
    next_errno = EIO;
    for (int i = 0; i < 5000 && result == SW_EAGAIN; i++)
        result = sw_tun_read(&tun, packet, sizeof packet, &vnet);
    assert_int_equal(result, SW_ECLOSED);
}

/* --- writes that are refused -------------------------------------------------------------------*/

static int interruptions;

static ssize_t fake_writev(int fd, const struct iovec *iov, int count)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    if (next_errno == 0) return (ssize_t)(iov[0].iov_len + iov[1].iov_len);
    errno = next_errno;
    return -1;
}

static void test_packets_that_are_not_taken_are_counted_by_reason(void **state)
{
    const struct sw_sys refusing_writes = {.writev = fake_writev};
    const struct {
        int error;
        enum sw_tun_refusal reason;
    } table[] = {
        {EIO, SW_TUN_REFUSED_DOWN},           {EINVAL, SW_TUN_REFUSED_INVALID},
        {EMSGSIZE, SW_TUN_REFUSED_INVALID},   {EOPNOTSUPP, SW_TUN_REFUSED_INVALID},
        {ENOBUFS, SW_TUN_REFUSED_NO_BUFFERS}, {ENOMEM, SW_TUN_REFUSED_NO_BUFFERS},
        {EAGAIN, SW_TUN_REFUSED_FULL},        {EBADFD, SW_TUN_REFUSED_OTHER},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sw_tun tun = {.fd = -1, .framing = true, .sys = &refusing_writes};
        next_errno = table[i].error;
        assert_false(sw_tun_write(&tun, packet, 40));
        assert_int_equal(tun.counters.write_errors, 1);
        assert_int_equal(tun.counters.write_dropped[table[i].reason], 1);
        assert_int_equal(tun.counters.writes, 0);
        next_errno = 0;
        interruptions = 2;
        assert_true(sw_tun_write(&tun, packet, 40));
        assert_int_equal(tun.counters.writes, 1);
        assert_int_equal(tun.counters.write_bytes, 40);
        assert_int_equal(tun.counters.write_errors, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload_delivers_superpackets),
        cmocka_unit_test(test_off_delivers_single_complete_packets),
        cmocka_unit_test(test_persistent_device_with_offload_then_without),
        cmocka_unit_test(test_existing_device_decides_about_queues),
        cmocka_unit_test(test_device_in_use_is_named),
        cmocka_unit_test(test_kernel_names_a_device_without_name),
        cmocka_unit_test(test_written_packet_arrives),
        cmocka_unit_test(test_refused_packet_is_counted),
        cmocka_unit_test(test_deleted_device_is_the_end),
        cmocka_unit_test(test_older_kernels_get_smaller_masks),
        cmocka_unit_test(test_only_what_is_wanted_is_asked_for),
        cmocka_unit_test(test_kernel_without_offload_keeps_the_header),
        cmocka_unit_test(test_framing_is_what_the_kernel_says),
        cmocka_unit_test(test_name_that_is_too_long),
        cmocka_unit_test(test_short_and_interrupted_reads),
        cmocka_unit_test(test_failing_read_is_not_the_end),
        cmocka_unit_test(test_reads_that_fail_for_ever_are_the_end),
        cmocka_unit_test(test_packets_that_are_not_taken_are_counted_by_reason),
    };
    entered = enter_own_network();
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
