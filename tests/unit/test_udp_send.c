/* SPDX-License-Identifier: GPL-3.0-or-later */

/* From a batch to sendmmsg(2), with a kernel that answers as the test tells it: host/udp_send.h;
 * docs/offload.md A.9, D.1, F.4, F.5. */

#include "host/udp_send.h"

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"

/* --- a kernel ----------------------------------------------------------------------------------*/

#define TAKEN_MAX 512

static struct {
    /* What the next calls answer: limit > 0, that many messages are taken; < 0, this errno. */
    int answers[64];
    unsigned n_answers, used;
    /* From here on, if not 0: UDP_SEGMENT fails with this errno / all sends fail. */
    int refuse_segment;
    size_t refuse_above; /* only strides above it; 0: all */
    /* What was taken. */
    struct {
        size_t len;
        uint16_t stride; /* 0: no UDP_SEGMENT */
        uint8_t first;   /* byte */
        uint16_t port;   /* 0: no name */
        bool df;
    } taken[TAKEN_MAX];
    unsigned n_taken, calls;
    int discover; /* IP_MTU_DISCOVER of the socket */
    bool refuse_probing;
} kernel;

static uint16_t stride_of(struct msghdr *message)
{
    uint16_t stride = 0;
    if (message->msg_controllen == 0) return 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
            memcpy(&stride, CMSG_DATA(c), sizeof stride);
    return stride;
}

static uint16_t port_of(const struct msghdr *message)
{
    struct sw_address address;
    if (message->msg_name == NULL) return 0;
    assert_int_equal(sw_address_from_sockaddr(&address, message->msg_name), 0);
    return address.port;
}

static int fake_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned most = count;
    kernel.calls++;
    assert_int_equal(fd, 99);
    assert_true(count > 0 && count <= SW_UDP_SEND_MESSAGES);
    if (kernel.used < kernel.n_answers) {
        int answer = kernel.answers[kernel.used++];
        if (answer < 0) {
            errno = -answer;
            return -1;
        }
        if ((unsigned)answer < most) most = (unsigned)answer;
    }
    for (unsigned i = 0; i < most; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        uint16_t stride = stride_of(message);
        if (stride > kernel.refuse_above && kernel.refuse_segment != 0) {
            errno = kernel.refuse_segment;
            return i > 0 ? (int)i : -1;
        }
        assert_true(kernel.n_taken < TAKEN_MAX);
        assert_int_equal(message->msg_iovlen, 1);
        kernel.taken[kernel.n_taken].len = message->msg_iov[0].iov_len;
        kernel.taken[kernel.n_taken].stride = stride;
        kernel.taken[kernel.n_taken].first = *(uint8_t *)message->msg_iov[0].iov_base;
        kernel.taken[kernel.n_taken].port = port_of(message);
        kernel.taken[kernel.n_taken].df = kernel.discover == IP_PMTUDISC_PROBE;
        kernel.n_taken++;
    }
    return (int)most;
}

static int fake_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    int discover;
    assert_int_equal(fd, 99);
    assert_int_equal(level, IPPROTO_IP);
    assert_int_equal(option, IP_MTU_DISCOVER);
    assert_int_equal(len, sizeof discover);
    memcpy(&discover, value, sizeof discover);
    if (discover == IP_PMTUDISC_PROBE && kernel.refuse_probing) {
        errno = ENOPROTOOPT;
        return -1;
    }
    kernel.discover = discover;
    return 0;
}

static const struct sw_sys sys = {.sendmmsg = fake_sendmmsg, .setsockopt = fake_setsockopt};

static void answer(int value)
{
    kernel.answers[kernel.n_answers++] = value;
}

/* --- a sender ----------------------------------------------------------------------------------*/

struct fixture {
    struct sw_udp udp;
    struct sw_udp_send_counters counters;
    struct sw_udp_sender *sender;
    struct sw_batch *batch;
};

static struct fixture f;
static const struct sw_path peer = {.remote = {.family = 4, .port = 1000, .ip = {192, 0, 2, 1}}};
static const struct sw_path other = {.remote = {.family = 4, .port = 2000, .ip = {192, 0, 2, 2}}};

static void open_sender(unsigned max_messages, unsigned max_segments)
{
    f.udp =
        (struct sw_udp){.fd = 99, .family = AF_INET, .sys = &sys, .discover4 = IP_PMTUDISC_OMIT};
    kernel.discover = IP_PMTUDISC_OMIT;
    f.sender = sw_udp_sender_new(&f.udp, &f.counters, max_messages);
    f.batch = sw_batch_new(256u << 10, 64, max_segments);
    assert_non_null(f.sender);
    assert_non_null(f.batch);
}

static int set_up(void **state)
{
    memset(&kernel, 0, sizeof kernel);
    memset(&f, 0, sizeof f);
    open_sender(SW_UDP_SEND_MESSAGES, 64);
    return 0;
}

static int tear_down(void **state)
{
    sw_udp_sender_free(f.sender);
    sw_batch_free(f.batch);
    return 0;
}

/* n datagrams of len bytes whose first bytes count up from first. */
static void put(const struct sw_path *path, unsigned n, size_t len, uint8_t first)
{
    uint8_t *room;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(sw_batch_reserve(f.batch, len, &room), 0);
        memset(room, 0xee, len);
        room[0] = (uint8_t)(first + i);
        sw_batch_commit(f.batch, path, len, 0);
    }
}

static int flush_at(sw_time now)
{
    return sw_udp_sender_flush(f.sender, f.batch, now);
}

static int flush(void)
{
    return flush_at(SW_SECOND);
}

static void assert_taken(unsigned i, size_t len, uint16_t stride, uint8_t first)
{
    assert_true(i < kernel.n_taken);
    assert_int_equal(kernel.taken[i].len, len);
    assert_int_equal(kernel.taken[i].stride, stride);
    assert_int_equal(kernel.taken[i].first, first);
}

static void assert_sent_and_empty(unsigned messages)
{
    assert_int_equal(kernel.n_taken, messages);
    assert_int_equal(f.batch->count, 0);
    assert_int_equal(f.batch->len, 0);
}

/* --- tests -------------------------------------------------------------------------------------*/

static void test_nothing_to_send_makes_no_call(void **state)
{
    assert_int_equal(flush(), 0);
    assert_int_equal(kernel.calls, 0);
}

static void test_chunk_is_one_message_with_segment_size(void **state)
{
    put(&peer, 46, 1406, 0);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 46 * 1406, 1406, 0);
    assert_int_equal(kernel.calls, 1);
    assert_int_equal(f.counters.gso_messages, 1);
    assert_int_equal(f.counters.gso_datagrams, 46);
    assert_int_equal(f.counters.datagrams, 46);
    assert_int_equal(f.counters.bytes, 46 * 1406);
}

static void test_single_datagram_has_no_control_data(void **state)
{
    put(&peer, 1, 100, 7);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 100, 0, 7);
    assert_int_equal(f.counters.gso_messages, 0);
}

static void test_chunks_of_several_peers_leave_in_one_call(void **state)
{
    put(&peer, 50, 1406, 0); /* 46 and 4: the byte limit */
    put(&other, 3, 500, 100);
    put(&peer, 1, 60, 200);
    assert_int_equal(flush(), 0);
    assert_int_equal(kernel.calls, 1);
    assert_sent_and_empty(4);
    assert_taken(0, 46 * 1406, 1406, 0);
    assert_taken(1, 4 * 1406, 1406, 46);
    assert_taken(2, 1500, 500, 100);
    assert_taken(3, 60, 0, 200);
    assert_int_equal(kernel.taken[1].port, 1000);
    assert_int_equal(kernel.taken[2].port, 2000);
}

static void test_shorter_tail_travels_with_its_chunk(void **state)
{
    put(&peer, 3, 1406, 0);
    put(&peer, 1, 99, 3);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 3 * 1406 + 99, 1406, 0);
    assert_int_equal(f.counters.gso_datagrams, 4);
}

static void test_one_message_per_call_without_batching(void **state)
{
    tear_down(state);
    open_sender(1, 1);
    put(&peer, 5, 1406, 0);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(5);
    assert_int_equal(kernel.calls, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_taken(i, 1406, 0, (uint8_t)i);
}

static void test_full_socket_keeps_the_rest_in_order(void **state)
{
    put(&peer, 3, 1000, 0);
    put(&other, 3, 900, 10);
    put(&peer, 3, 800, 20);
    answer(1);
    answer(-EAGAIN);
    assert_int_equal(flush(), SW_EAGAIN);
    assert_int_equal(kernel.n_taken, 1);
    assert_int_equal(f.batch->count, 3);
    put(&other, 2, 700, 30); /* the engine goes on writing */
    answer(-EAGAIN);
    assert_int_equal(flush(), SW_EAGAIN);
    assert_int_equal(f.counters.blocked, 2);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(4);
    assert_taken(0, 3000, 1000, 0);
    assert_taken(1, 2700, 900, 10);
    assert_taken(2, 2400, 800, 20);
    assert_taken(3, 1400, 700, 30);
    assert_int_equal(f.counters.datagrams, 11);
}

static void test_chunk_that_waits_still_grows(void **state)
{
    put(&peer, 2, 1000, 0);
    answer(-EAGAIN);
    assert_int_equal(flush(), SW_EAGAIN);
    put(&peer, 2, 1000, 2);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 4000, 1000, 0);
}

static void test_interrupted_call_is_repeated(void **state)
{
    put(&peer, 2, 1000, 0);
    answer(-EINTR);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
}

static void test_narrow_path_gets_single_datagrams_and_is_remembered(void **state)
{
    kernel.refuse_segment = EMSGSIZE;
    kernel.refuse_above = 1372;
    put(&peer, 3, 1406, 0);
    put(&peer, 1, 50, 3);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(4);
    for (unsigned i = 0; i < 3; i++)
        assert_taken(i, 1406, 0, (uint8_t)i);
    assert_taken(3, 50, 0, 3);
    assert_int_equal(f.counters.gso_send_failed, 1);
    assert_int_equal(f.counters.gso_peer_limited, 1);
    assert_int_equal(f.counters.gso_latched, 0);

    put(&peer, 3, 1406, 10); /* not tried again */
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(7);
    assert_int_equal(f.counters.gso_send_failed, 1);
    put(&peer, 3, 1000, 20); /* a shorter stride may go */
    assert_int_equal(flush(), 0);
    assert_taken(7, 3000, 1000, 20);
}

static void test_narrow_path_is_forgotten_after_some_minutes(void **state)
{
    kernel.refuse_segment = EMSGSIZE;
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(SW_SECOND), 0);
    kernel.refuse_segment = 0;
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(2 * SW_MINUTE), 0);
    assert_taken(3, 1406, 0, 1);
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(11 * SW_MINUTE), 0);
    assert_sent_and_empty(5);
    assert_taken(4, 2812, 1406, 0);
}

static void test_narrow_path_of_one_peer_is_not_that_of_another(void **state)
{
    kernel.refuse_segment = EMSGSIZE;
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush(), 0);
    kernel.refuse_segment = 0;
    put(&other, 2, 1406, 0);
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush(), 0);
    assert_taken(2, 2812, 1406, 0);
    assert_taken(3, 1406, 0, 0);
}

static void test_table_of_narrow_paths_forgets_the_oldest(void **state)
{
    kernel.refuse_segment = EMSGSIZE;
    for (uint8_t i = 0; i < 33; i++) { /* one more than the table holds */
        struct sw_path many = peer;
        many.remote.ip[3] = i;
        put(&many, 2, 1406, 0);
        assert_int_equal(flush_at(SW_SECOND * (1 + (sw_time)i)), 0);
    }
    assert_int_equal(f.counters.gso_peer_limited, 33);
    uint64_t failed = f.counters.gso_send_failed;
    struct sw_path first = peer, last = peer;
    first.remote.ip[3] = 0;
    last.remote.ip[3] = 32;
    put(&last, 2, 1406, 0);
    assert_int_equal(flush_at(SW_MINUTE), 0);
    assert_int_equal(f.counters.gso_send_failed, failed);
    put(&first, 2, 1406, 0);
    assert_int_equal(flush_at(SW_MINUTE), 0);
    assert_int_equal(f.counters.gso_send_failed, failed + 1);
}

static void latches(int error)
{
    kernel.refuse_segment = error;
    put(&peer, 3, 1406, 0);
    put(&other, 2, 500, 10);
    assert_int_equal(flush_at(SW_SECOND), 0);
    assert_sent_and_empty(5);
    assert_int_equal(f.counters.gso_latched, 1);
    assert_int_equal(f.counters.gso_send_failed, 1);
    assert_int_equal(f.counters.gso_peer_limited, 0);
    assert_int_equal(f.counters.gso_off, 1);

    kernel.refuse_segment = 0;
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(9 * SW_MINUTE), 0);
    assert_sent_and_empty(7); /* still singly, in one call */
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(11 * SW_MINUTE), 0);
    assert_sent_and_empty(8);
    assert_taken(7, 2812, 1406, 0);
    assert_int_equal(f.counters.gso_off, 0);

    kernel.refuse_segment = error; /* a second time, for as long again */
    put(&peer, 2, 1406, 0);
    assert_int_equal(flush_at(12 * SW_MINUTE), 0);
    assert_sent_and_empty(10);
    assert_int_equal(f.counters.gso_latched, 2);
    assert_int_equal(f.counters.gso_off, 1);
    assert_int_equal(f.counters.datagrams, 5 + 2 + 2 + 2); /* none was lost */
    sw_udp_sender_free(f.sender);
    f.sender = NULL;
    assert_int_equal(f.counters.gso_off, 0); /* nothing is off where nothing is */
}

static void test_kernel_without_segmentation_eio(void **state)
{
    latches(EIO);
}

/* EINVAL may be about the size, as long as others find nothing wrong with theirs. */
static void test_kernel_without_segmentation_einval(void **state)
{
    kernel.refuse_segment = EINVAL;
    put(&peer, 3, 1406, 0);
    assert_int_equal(flush(), 0);
    assert_int_equal(f.counters.gso_latched, 0);
    assert_int_equal(f.counters.gso_peer_limited, 1);
    put(&other, 2, 1232, 10);
    put(&other, 2, 500, 20);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(7);
    assert_int_equal(f.counters.gso_latched, 1);
    assert_int_equal(f.counters.gso_off, 1);
    assert_int_equal(f.counters.gso_send_failed, 2);
    put(&peer, 3, 500, 30);
    assert_int_equal(flush(), 0);
    assert_int_equal(f.counters.gso_send_failed, 2);
    assert_int_equal(f.counters.datagrams, 10);
}

static void test_einval_of_too_many_peers_is_not_about_size(void **state)
{
    kernel.refuse_segment = EINVAL;
    for (uint8_t i = 0; i < 33; i++) {
        struct sw_path many = peer;
        many.remote.ip[3] = i;
        put(&many, 2, 1406, 0);
        assert_int_equal(flush(), 0);
        assert_int_equal(f.counters.gso_latched, i == 32);
    }
    assert_int_equal(f.counters.gso_peer_limited, 32);
    assert_int_equal(f.counters.datagrams, 66);
}

/* Before Linux 6.14 a stride beyond the link's MTU is EINVAL. */
static void test_narrow_path_of_an_older_kernel_slows_nobody_else_down(void **state)
{
    kernel.refuse_segment = EINVAL;
    kernel.refuse_above = 1372;
    put(&peer, 3, 1406, 0);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(3);
    kernel.refuse_above = 65535; /* the other's path is wide */
    put(&other, 3, 1406, 10);
    put(&peer, 3, 1406, 20);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(7);
    assert_taken(3, 3 * 1406, 1406, 10);
    assert_int_equal(f.counters.gso_latched, 0);
    assert_int_equal(f.counters.gso_send_failed, 1);
}

static void test_kernel_without_segmentation_eopnotsupp(void **state)
{
    latches(EOPNOTSUPP);
}

static void test_error_on_a_later_chunk(void **state)
{
    put(&peer, 3, 1000, 0);
    put(&other, 3, 1406, 10);
    put(&peer, 3, 900, 20);
    kernel.refuse_segment = EMSGSIZE;
    kernel.refuse_above = 1372;
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(5);
    assert_taken(0, 3000, 1000, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_taken(1 + i, 1406, 0, (uint8_t)(10 + i));
    assert_taken(4, 2700, 900, 20);
}

static void test_nothing_is_learnt_when_the_single_datagram_fails_too(void **state)
{
    put(&peer, 3, 1406, 0); /* its source address is gone: EINVAL whatever the size */
    put(&other, 3, 1406, 10);
    answer(-EINVAL);
    answer(-EINVAL);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 3 * 1406, 1406, 10);
    assert_int_equal(f.counters.gso_latched, 0);
    assert_int_equal(f.counters.dropped[SW_UDP_DROP_OTHER], 3);
}

static void test_full_socket_in_the_middle_of_single_datagrams(void **state)
{
    kernel.refuse_segment = EMSGSIZE;
    put(&peer, 4, 1406, 0);
    answer(1); /* refused for UDP_SEGMENT, and again */
    answer(1);
    answer(-EAGAIN); /* the first single */
    assert_int_equal(flush(), SW_EAGAIN);
    answer(2); /* two singles pass */
    answer(-EAGAIN);
    assert_int_equal(flush(), SW_EAGAIN);
    assert_int_equal(f.counters.gso_peer_limited, 1);
    put(&peer, 1, 1406, 4);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(5);
    for (unsigned i = 0; i < 5; i++)
        assert_taken(i, 1406, 0, (uint8_t)i);
}

static void drops(int error, enum sw_udp_drop reason)
{
    memset(&kernel, 0, sizeof kernel);
    memset(&f.counters, 0, sizeof f.counters);
    put(&peer, 3, 1406, 0);
    put(&other, 1, 1406, 10);
    answer(-error);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 1406, 0, 10);
    assert_int_equal(f.counters.dropped[reason], 3);
    assert_int_equal(f.counters.gso_send_failed, 0);
}

static void test_other_errors_drop_the_message_and_go_on(void **state)
{
    drops(ENOBUFS, SW_UDP_DROP_NO_BUFFERS);
    drops(ENOMEM, SW_UDP_DROP_NO_BUFFERS);
    drops(ENETUNREACH, SW_UDP_DROP_UNREACHABLE);
    drops(EHOSTUNREACH, SW_UDP_DROP_UNREACHABLE);
    drops(ECONNREFUSED, SW_UDP_DROP_REFUSED);
    drops(EPERM, SW_UDP_DROP_FORBIDDEN);
    drops(EACCES, SW_UDP_DROP_FORBIDDEN);
    drops(EPIPE, SW_UDP_DROP_OTHER);
}

static void test_single_datagram_that_is_too_long_is_dropped_alone(void **state)
{
    put(&peer, 1, 1406, 0);
    put(&peer, 1, 1407, 1); /* longer than the stride: another chunk */
    answer(-EMSGSIZE);
    answer(-EMSGSIZE);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 1407, 0, 1);
    assert_int_equal(f.counters.dropped[SW_UDP_DROP_TOO_LONG], 1);
    assert_int_equal(f.counters.gso_peer_limited, 0);
}

/* A connected socket reports ICMP's word about an earlier datagram on the next call. */
static void test_news_about_an_earlier_datagram_cost_nothing(void **state)
{
    put(&peer, 3, 1406, 0);
    answer(-EMSGSIZE);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 3 * 1406, 1406, 0);
    put(&peer, 1, 1406, 5);
    answer(-EMSGSIZE);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(2);
    assert_int_equal(f.counters.gso_send_failed + f.counters.gso_peer_limited, 0);
    assert_int_equal(f.counters.dropped[SW_UDP_DROP_TOO_LONG], 0);
}

static void put_probe(const struct sw_path *path, size_t len, uint8_t first)
{
    uint8_t *room;
    assert_int_equal(sw_batch_reserve(f.batch, len, &room), 0);
    memset(room, first, len);
    sw_batch_commit_probe(f.batch, path, len);
}

static void test_probe_leaves_alone_with_df_and_nothing_else_does(void **state)
{
    put(&peer, 2, 1285, 0);
    put_probe(&peer, 1285, 7); /* as long as the others: still no part of their chunk */
    put(&peer, 2, 1285, 10);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(3);
    assert_taken(0, 2 * 1285, 1285, 0);
    assert_taken(1, 1285, 0, 7);
    assert_taken(2, 2 * 1285, 1285, 10);
    assert_false(kernel.taken[0].df || kernel.taken[2].df);
    assert_true(kernel.taken[1].df);
    assert_int_equal(kernel.calls, 3);
    assert_int_equal(kernel.discover, IP_PMTUDISC_OMIT);
}

static void test_socket_stops_probing_when_it_is_full(void **state)
{
    put_probe(&peer, 1285, 7);
    answer(-EAGAIN);
    assert_int_equal(flush(), SW_EAGAIN);
    assert_int_equal(kernel.discover, IP_PMTUDISC_OMIT);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_true(kernel.taken[0].df);
    assert_int_equal(kernel.discover, IP_PMTUDISC_OMIT);
}

static void test_refused_probe_is_no_loss(void **state)
{
    put_probe(&peer, 1285, 7);
    put(&peer, 1, 100, 8);
    answer(-EMSGSIZE);
    answer(-EMSGSIZE);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 100, 0, 8);
    for (unsigned i = 0; i < SW_UDP_DROPS; i++)
        assert_int_equal(f.counters.dropped[i], 0);
}

static void test_probe_is_not_sent_without_df(void **state)
{
    kernel.refuse_probing = true;
    put_probe(&peer, 1285, 7);
    put(&peer, 1, 100, 8);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(1);
    assert_taken(0, 100, 0, 8);
    assert_int_equal(f.counters.dropped[SW_UDP_DROP_OTHER], 1);
}

static void test_many_chunks_take_several_calls(void **state)
{
    tear_down(state);
    f.sender = sw_udp_sender_new(&f.udp, &f.counters, SW_UDP_SEND_MESSAGES);
    f.batch = sw_batch_new(256u << 10, 200, 1);
    put(&peer, 150, 100, 0);
    assert_int_equal(flush(), 0);
    assert_sent_and_empty(150);
    assert_int_equal(kernel.calls, 3);
    for (unsigned i = 0; i < 150; i++)
        assert_taken(i, 100, 0, (uint8_t)i);
}

/* --- control data ------------------------------------------------------------------------------*/

static struct msghdr seen;
static uint8_t seen_control[128];

static int keep_message(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    assert_int_equal(count, 1);
    seen = messages[0].msg_hdr;
    memset(seen_control, 0, sizeof seen_control);
    if (seen.msg_controllen > 0) memcpy(seen_control, seen.msg_control, seen.msg_controllen);
    return 1;
}

static void send_pair(int family, bool pktinfo, bool connected, const struct sw_path *path)
{
    static const struct sw_sys keeping = {.sendmmsg = keep_message};
    f.udp.sys = &keeping;
    f.udp.family = family;
    f.udp.pktinfo = pktinfo;
    f.udp.connected = connected;
    put(path, 2, 100, 0);
    assert_int_equal(flush(), 0);
}

static void test_source_address_comes_before_the_segment_size(void **state)
{
    struct sw_path path = peer;
    path.local = (struct sw_address){.family = 4, .port = 27690, .ip = {198, 51, 100, 7}};
    send_pair(AF_INET, true, false, &path);
    assert_int_equal(seen.msg_controllen,
                     CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)));
    struct cmsghdr c;
    memcpy(&c, seen_control, sizeof c);
    assert_int_equal(c.cmsg_level, IPPROTO_IP);
    assert_int_equal(c.cmsg_type, IP_PKTINFO);
    struct in_pktinfo info;
    memcpy(&info, seen_control + CMSG_LEN(0), sizeof info);
    assert_int_equal(info.ipi_ifindex, 0);
    assert_memory_equal(&info.ipi_spec_dst, path.local.ip, 4);
    memcpy(&c, seen_control + CMSG_SPACE(sizeof info), sizeof c);
    assert_int_equal(c.cmsg_level, IPPROTO_UDP);
    assert_int_equal(c.cmsg_type, UDP_SEGMENT);
    assert_int_equal(c.cmsg_len, CMSG_LEN(2));
}

static void test_ipv4_peer_of_an_ipv6_socket_gets_a_mapped_source(void **state)
{
    struct sw_path path = peer;
    path.local = (struct sw_address){.family = 4, .port = 27690, .ip = {198, 51, 100, 7}};
    send_pair(AF_INET6, true, false, &path);
    struct cmsghdr c;
    struct in6_pktinfo info;
    memcpy(&c, seen_control, sizeof c);
    assert_int_equal(c.cmsg_level, IPPROTO_IPV6);
    assert_int_equal(c.cmsg_type, IPV6_PKTINFO);
    memcpy(&info, seen_control + CMSG_LEN(0), sizeof info);
    assert_true(IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr));
    assert_memory_equal(info.ipi6_addr.s6_addr + 12, path.local.ip, 4);
    assert_int_equal(seen.msg_namelen, sizeof(struct sockaddr_in6));
}

static void test_socket_with_one_address_sends_no_source(void **state)
{
    struct sw_path path = peer;
    path.local = (struct sw_address){.family = 4, .port = 27690, .ip = {198, 51, 100, 7}};
    send_pair(AF_INET, false, false, &path);
    assert_int_equal(seen.msg_controllen, CMSG_SPACE(sizeof(uint16_t)));
}

static void test_unknown_local_address_is_left_to_the_kernel(void **state)
{
    send_pair(AF_INET, true, false, &peer);
    assert_int_equal(seen.msg_controllen, CMSG_SPACE(sizeof(uint16_t)));
}

static void test_connected_socket_names_nobody(void **state)
{
    send_pair(AF_INET, false, true, &peer);
    assert_null(seen.msg_name);
    assert_int_equal(seen.msg_namelen, 0);
}

#define SENDER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENDER_TEST(test_nothing_to_send_makes_no_call),
        SENDER_TEST(test_chunk_is_one_message_with_segment_size),
        SENDER_TEST(test_single_datagram_has_no_control_data),
        SENDER_TEST(test_chunks_of_several_peers_leave_in_one_call),
        SENDER_TEST(test_shorter_tail_travels_with_its_chunk),
        SENDER_TEST(test_one_message_per_call_without_batching),
        SENDER_TEST(test_full_socket_keeps_the_rest_in_order),
        SENDER_TEST(test_chunk_that_waits_still_grows),
        SENDER_TEST(test_interrupted_call_is_repeated),
        SENDER_TEST(test_narrow_path_gets_single_datagrams_and_is_remembered),
        SENDER_TEST(test_narrow_path_is_forgotten_after_some_minutes),
        SENDER_TEST(test_narrow_path_of_one_peer_is_not_that_of_another),
        SENDER_TEST(test_table_of_narrow_paths_forgets_the_oldest),
        SENDER_TEST(test_kernel_without_segmentation_eio),
        SENDER_TEST(test_kernel_without_segmentation_einval),
        SENDER_TEST(test_einval_of_too_many_peers_is_not_about_size),
        SENDER_TEST(test_narrow_path_of_an_older_kernel_slows_nobody_else_down),
        SENDER_TEST(test_kernel_without_segmentation_eopnotsupp),
        SENDER_TEST(test_error_on_a_later_chunk),
        SENDER_TEST(test_nothing_is_learnt_when_the_single_datagram_fails_too),
        SENDER_TEST(test_full_socket_in_the_middle_of_single_datagrams),
        SENDER_TEST(test_other_errors_drop_the_message_and_go_on),
        SENDER_TEST(test_single_datagram_that_is_too_long_is_dropped_alone),
        SENDER_TEST(test_news_about_an_earlier_datagram_cost_nothing),
        SENDER_TEST(test_probe_leaves_alone_with_df_and_nothing_else_does),
        SENDER_TEST(test_socket_stops_probing_when_it_is_full),
        SENDER_TEST(test_refused_probe_is_no_loss),
        SENDER_TEST(test_probe_is_not_sent_without_df),
        SENDER_TEST(test_many_chunks_take_several_calls),
        SENDER_TEST(test_source_address_comes_before_the_segment_size),
        SENDER_TEST(test_ipv4_peer_of_an_ipv6_socket_gets_a_mapped_source),
        SENDER_TEST(test_socket_with_one_address_sends_no_source),
        SENDER_TEST(test_unknown_local_address_is_left_to_the_kernel),
        SENDER_TEST(test_connected_socket_names_nobody),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
