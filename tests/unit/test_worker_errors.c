/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A tunnel between two workers under a kernel that fails: every errno on every call of the data
 * path (docs/offload.md F.5). What must not happen is that a packet is lost because of how we got
 * around an error. So every packet has a number, all of them have to arrive in their order, and
 * where the error itself costs packets, the counters have to say how many.
 */

#include "tests/unit/worker_pair.h"

#include <linux/udp.h>
#include <netinet/in.h>

#include "lib/offload/checksum.h"
#include "tests/unit/packet_bytes.h"

#define SEGMENTS 31
#define PAYLOAD  1000
#define SUPERS   12 /* per direction */

/* --- a kernel ----------------------------------------------------------------------------------*/

/* Which calls fail, one of every few by a seeded choice or all of them. */
static struct {
    enum { NO_CALL, SEND_SEGMENTED, SEND_ANY, RECEIVE, READ, WRITE_SUPER, WRITE_SINGLE } call;
    int error;
    unsigned one_of; /* 1: all */
    uint64_t random;
    unsigned failed;
} fault;

static bool fails(unsigned call)
{
    if (fault.call != call || random_below(&fault.random, fault.one_of) != 0) return false;
    fault.failed++;
    errno = fault.error;
    return true;
}

static bool is_segmented(struct msghdr *message)
{
    for (struct cmsghdr *c = message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL; c != NULL;
         c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) return true;
    return false;
}

/* Like the kernel, reports the error of a later message only when that is the first one. */
static int failing_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned good = 0;
    while (good < count && !(fault.call == SEND_SEGMENTED && is_segmented(&messages[good].msg_hdr)))
        good++;
    if (good == 0 && fails(SEND_SEGMENTED)) return -1;
    /* not the protocol's own, which are short: only packets are counted */
    if (messages[0].msg_hdr.msg_iov[0].iov_len >= PAYLOAD && fails(SEND_ANY)) return -1;
    return sw_sys_kernel.sendmmsg(fd, messages, good > 0 ? good : count, flags);
}

static int failing_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return fails(RECEIVE) ? -1 : sw_sys_kernel.recvmmsg(fd, messages, count, flags);
}

static ssize_t failing_readv(int fd, const struct iovec *iov, int count)
{
    return fails(READ) ? -1 : sw_sys_kernel.readv(fd, iov, count);
}

static ssize_t failing_writev(int fd, const struct iovec *iov, int count)
{
    struct sw_vnet vnet;
    sw_vnet_decode(iov[0].iov_base, &vnet);
    if (fails(sw_vnet_is_super(&vnet) ? WRITE_SUPER : WRITE_SINGLE)) return -1;
    return sw_sys_kernel.writev(fd, iov, count);
}

static void open_failing_tunnel(void)
{
    memset(&fault, 0, sizeof fault);
    take_runs = true;
    open_tunnel(SW_DATAGRAM, true);
    sys.sendmmsg = failing_sendmmsg;
    sys.recvmmsg = failing_recvmmsg;
    sys.readv = failing_readv;
    sys.writev = failing_writev;
}

static void fail_calls(unsigned call, int error, unsigned one_of)
{
    fault.call = call;
    fault.error = error;
    fault.one_of = one_of;
    fault.random = (uint64_t)error;
    fault.failed = 0;
}

/* --- a transfer --------------------------------------------------------------------------------*/

/* Numbers of the segments of one direction. */
struct direction {
    struct end *from, *to;
    uint8_t protocol;
    uint32_t sent, arrived, next; /* next: expected if nothing is lost */
    bool in_order;
};

static struct direction down, up;

static size_t headers_of(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? 40 : UDP_HEADERS;
}

/* A superpacket whose segments begin with their numbers. */
static bool send_superpacket(struct direction *d)
{
    static uint8_t packet[65535];
    bool tcp = d->protocol == IPPROTO_TCP;
    size_t headers = headers_of(d->protocol), payload = (size_t)SEGMENTS * PAYLOAD;
    struct sw_vnet vnet = {.flags = SW_VNET_NEEDS_CSUM,
                           .gso_type = tcp ? SW_GSO_TCPV4 : SW_GSO_UDP_L4,
                           .hdr_len = (uint16_t)headers,
                           .gso_size = PAYLOAD,
                           .csum_start = 20,
                           .csum_offset = tcp ? 16 : 6};
    make_packet(packet, d->from == &server ? REMOTE_IP : TUN_IP,
                d->from == &server ? INSIDE_IP : REMOTE_IP, headers - UDP_HEADERS + payload, 0);
    sw_put_be16(packet + 4, (uint16_t)d->sent); /* IP identification */
    packet[9] = d->protocol;
    put_sum(packet, 20);
    if (tcp) {
        memset(packet + 24, 0, 16);
        sw_put_be32(packet + 24, d->sent * PAYLOAD);
        packet[32] = 5 << 4;
        packet[33] = 0x10; /* ACK */
    }
    for (uint32_t i = 0; i < SEGMENTS; i++)
        sw_put_be32(packet + headers + (size_t)i * PAYLOAD, d->sent + i);
    if (!inject(d->from, packet, headers + payload, &vnet)) return false;
    d->sent += SEGMENTS;
    return true;
}

static void collect(struct direction *d)
{
    for (ssize_t n; (n = next_packet(d->to)) >= 0;) {
        size_t headers = headers_of(d->protocol);
        if (received[9] != d->protocol) continue;
        assert_int_equal(n, headers + PAYLOAD);
        assert_true(plain_packet_ok(received, (size_t)n));
        uint32_t number = sw_get_be32(received + headers);
        d->in_order &= number >= d->next;
        d->next = number + 1;
        d->arrived++;
    }
}

static unsigned lost(void)
{
    return (unsigned)(metric(&server, "udp_send_dropped{reason=\"no_buffers\"}") +
                      metric(&client, "udp_send_dropped{reason=\"no_buffers\"}") +
                      metric(&server, "inside_io_send_failed") +
                      metric(&client, "inside_io_send_failed"));
}

static bool all_is_told(void)
{
    collect(&down);
    collect(&up);
    return down.arrived + up.arrived + lost() >= down.sent + up.sent;
}

/* Both ways at once; in_order false at the end: packets changed their places. */
static void transfer(uint8_t protocol)
{
    down = (struct direction){&server, &client, protocol, .in_order = true};
    up = (struct direction){&client, &server, protocol, .in_order = true};
    for (int i = 0; i < SUPERS; i++) {
        assert_true(send_superpacket(&down));
        assert_true(send_superpacket(&up));
        if (i % 3 == 2 && !run_until(all_is_told))
            fail_msg("%u of %u down, %u of %u up, %u counted as lost", down.arrived, down.sent,
                     up.arrived, up.sent, lost());
    }
    assert_true(down.in_order);
    assert_true(up.in_order);
    assert_true(is_online(&client) && is_online(&server));
}

static void assert_nothing_lost(void)
{
    assert_int_equal(down.arrived, SUPERS * SEGMENTS);
    assert_int_equal(up.arrived, SUPERS * SEGMENTS);
    assert_int_equal(lost(), 0);
}

static uint64_t both(const char *name)
{
    return metric(&server, name) + metric(&client, name);
}

/* --- tests -------------------------------------------------------------------------------------*/

static void test_nothing_fails(void **state)
{
    open_failing_tunnel();
    transfer(IPPROTO_TCP);
    assert_nothing_lost();
    transfer(IPPROTO_UDP);
    assert_nothing_lost();
    assert_true(both("udp_gso_datagrams") > SUPERS * SEGMENTS);
    assert_true(both("udp_gro_runs") > 0);
    assert_true(both("tun_superpackets_written") > 0);
    assert_int_equal(both("tun_gro_refused") + both("gso_send_failed"), 0);
}

/* UDP_SEGMENT is refused for good: datagrams go singly from there on. */
static void test_refused_segmentation_loses_nothing(void **state)
{
    const int errors[] = {EIO, EINVAL, EOPNOTSUPP, EMSGSIZE};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        open_failing_tunnel();
        fail_calls(SEND_SEGMENTED, errors[i], 1);
        transfer(IPPROTO_TCP);
        assert_nothing_lost();
        assert_true(fault.failed >= 2 && fault.failed < 20); /* it is learnt, not tried on and on */
        if (errors[i] == EMSGSIZE) {
            assert_int_equal(both("gso_latched"), 0);
            assert_true(both("gso_peer_limited") >= 2);
        } else {
            assert_int_equal(both("gso_latched"), 2);
            assert_int_equal(both("gso_off"), 2);
        }
        tear_down(state);
        set_up(state);
    }
}

static void test_full_or_interrupted_socket_loses_nothing(void **state)
{
    const int errors[] = {EAGAIN, EINTR};
    for (size_t i = 0; i < 2; i++) {
        open_failing_tunnel();
        fail_calls(SEND_ANY, errors[i], 2);
        transfer(IPPROTO_TCP);
        transfer(IPPROTO_UDP);
        assert_nothing_lost();
        assert_true(fault.failed > 10);
        tear_down(state);
        set_up(state);
    }
}

/* The kernel has no room: the message is gone as it would be on a full link, and is counted. */
static void test_send_without_memory_costs_what_is_counted(void **state)
{
    const int errors[] = {ENOBUFS, ENOMEM};
    for (size_t i = 0; i < 2; i++) {
        open_failing_tunnel();
        fail_calls(SEND_ANY, errors[i], 4);
        transfer(IPPROTO_TCP);
        assert_true(fault.failed > 0 && lost() > 0);
        assert_int_equal(down.arrived + up.arrived + lost(), down.sent + up.sent);
        assert_int_equal(both("gso_latched") + both("gso_peer_limited"), 0);
        tear_down(state);
        set_up(state);
    }
}

static void test_failing_receive_loses_nothing(void **state)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, ENOBUFS, EAGAIN, ENOMEM, EINTR, ECONNREFUSED};
    open_failing_tunnel();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fail_calls(RECEIVE, errors[i], 2);
        transfer(i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
        assert_nothing_lost();
        assert_true(fault.failed > 0);
    }
}

static void test_failing_tun_read_loses_nothing(void **state)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, ENOBUFS, EAGAIN, ENOMEM, EINTR};
    open_failing_tunnel();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fail_calls(READ, errors[i], 2);
        transfer(i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
        assert_nothing_lost();
        assert_true(fault.failed > 0);
    }
    assert_int_equal(server.lost + client.lost, 0);
}

/* The TUN takes no superpackets: they are written as the packets they were made of. */
static void test_refused_superpackets_lose_nothing(void **state)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP};
    const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    for (size_t i = 0; i < 2 * sizeof errors / sizeof errors[0]; i++) {
        open_failing_tunnel();
        fail_calls(WRITE_SUPER, errors[i / 2], 1);
        transfer(protocols[i % 2]);
        assert_nothing_lost();
        assert_int_equal(both("tun_gro_latched"), 2);
        assert_int_equal(
            both(i % 2 == 0 ? "tun_gro_off{kind=\"tcp\"}" : "tun_gro_off{kind=\"udp\"}"), 2);
        assert_int_equal(both("tun_gro_refused"), fault.failed);
        fault.call = NO_CALL; /* the other kind was not blamed */
        uint64_t before = both("tun_superpackets_written");
        transfer(protocols[1 - i % 2]);
        assert_nothing_lost();
        assert_true(both("tun_superpackets_written") > before);
        tear_down(state);
        set_up(state);
    }
}

static void test_superpackets_without_memory_lose_nothing(void **state)
{
    const int errors[] = {ENOBUFS, ENOMEM, EAGAIN};
    open_failing_tunnel();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fail_calls(WRITE_SUPER, errors[i], 2);
        transfer(i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
        assert_nothing_lost();
        assert_true(fault.failed > 0);
    }
    assert_int_equal(both("tun_gro_latched"), 0);
}

static void test_single_packets_that_the_tun_refuses_are_counted(void **state)
{
    const struct {
        int error;
        const char *metric;
    } table[] = {
        {ENOBUFS, "tun_write_dropped{reason=\"no_buffers\"}"},
        {EAGAIN, "tun_write_dropped{reason=\"full\"}"},
        {EIO, "tun_write_dropped{reason=\"down\"}"},
        {EINVAL, "tun_write_dropped{reason=\"invalid\"}"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        open_failing_tunnel();
        fail_calls(WRITE_SUPER, EINVAL, 1); /* so that single packets come */
        transfer(IPPROTO_TCP);
        fail_calls(WRITE_SINGLE, table[i].error, 5);
        transfer(IPPROTO_TCP);
        assert_true(fault.failed > 0);
        assert_int_equal(lost(), fault.failed);
        assert_int_equal(both(table[i].metric), fault.failed);
        assert_int_equal(down.arrived + up.arrived + lost(), down.sent + up.sent);
        tear_down(state);
        set_up(state);
    }
}

#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_nothing_fails),
        WORKER_TEST(test_refused_segmentation_loses_nothing),
        WORKER_TEST(test_full_or_interrupted_socket_loses_nothing),
        WORKER_TEST(test_send_without_memory_costs_what_is_counted),
        WORKER_TEST(test_failing_receive_loses_nothing),
        WORKER_TEST(test_failing_tun_read_loses_nothing),
        WORKER_TEST(test_refused_superpackets_lose_nothing),
        WORKER_TEST(test_superpackets_without_memory_lose_nothing),
        WORKER_TEST(test_single_packets_that_the_tun_refuses_are_counted),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
