/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Sockets that share an address, and which of them the kernel picks: host/reuseport.h. On loopback.
 */

#include "host/reuseport.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/wire/header.h"

#define WORKERS 4

static struct sockaddr_in any_port(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket at *address, whose port is filled in if it is 0. -1 and errno. */
static int open_at(struct sockaddr_in *address, int type, enum sw_reuseport place)
{
    socklen_t len = sizeof *address;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (sw_reuseport_before_bind(fd, place, &sw_sys_kernel) == 0 &&
        bind(fd, (struct sockaddr *)address, sizeof *address) == 0 &&
        sw_reuseport_after_bind(fd, place, &sw_sys_kernel) == 0 &&
        (type != SOCK_STREAM || listen(fd, 8) == 0)) {
        assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void open_group(int fds[WORKERS], struct sockaddr_in *address, int type)
{
    *address = any_port();
    for (int i = 0; i < WORKERS; i++) {
        fds[i] = open_at(address, type, i == 0 ? SW_REUSEPORT_FIRST : SW_REUSEPORT_NEXT);
        assert_true(fds[i] >= 0);
    }
}

static void close_all(int fds[WORKERS])
{
    for (int i = 0; i < WORKERS; i++)
        close(fds[i]);
}

/* Number of the socket that something has come to; it is taken out. */
static int who_got(int fds[WORKERS])
{
    struct pollfd polls[WORKERS];
    uint8_t buffer[2048];
    int who = -1;
    for (int i = 0; i < WORKERS; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    assert_int_equal(poll(polls, WORKERS, 5000), 1);
    for (int i = 0; i < WORKERS; i++)
        if (polls[i].revents != 0) who = i;
    assert_true(recv(fds[who], buffer, sizeof buffer, 0) >= 0);
    return who;
}

static void send_from(int fd, const struct sockaddr_in *to, struct sw_session_id id, size_t len)
{
    const struct sw_header header = {.version = SW_VERSION_MAX, .session = id};
    uint8_t datagram[1400] = {0};
    sw_header_encode(datagram, &header);
    assert_int_equal(sendto(fd, datagram, len, 0, (const struct sockaddr *)to, sizeof *to), len);
}

static int sender(void)
{
    struct sockaddr_in address = any_port();
    return open_at(&address, SOCK_DGRAM, SW_REUSEPORT_ALONE);
}

static void test_session_id_picks_the_socket(void **state)
{
    struct sockaddr_in address;
    int fds[WORKERS], from = sender();
    open_group(fds, &address, SOCK_DGRAM);
    assert_int_equal(sw_reuseport_steer(fds[0], WORKERS, &sw_sys_kernel), 0);
    for (unsigned last = 0; last < 256; last++) {
        send_from(from, &address, (struct sw_session_id){{1, 2, 3, 4, 5, 6, 7, (uint8_t)last}},
                  last % 2 == 0 ? 1400 : SW_HEADER_LEN);
        assert_int_equal(who_got(fds), last % WORKERS);
    }
    /* Half of a reserved id is none. */
    send_from(from, &address, (struct sw_session_id){{0, 0, 0, 0, 0, 0, 0, 2}}, 100);
    assert_int_equal(who_got(fds), 2);
    send_from(from, &address, (struct sw_session_id){{255, 255, 255, 255, 255, 255, 255, 1}}, 100);
    assert_int_equal(who_got(fds), 1);
    send_from(from, &address, (struct sw_session_id){{255, 255, 255, 255, 0, 0, 0, 3}}, 100);
    assert_int_equal(who_got(fds), 3);
    close(from);
    close_all(fds);
}

/* By addresses and ports: one client always to the same socket, many clients to all. */
static void goes_by_hash(struct sw_session_id id, size_t len)
{
    struct sockaddr_in address;
    int fds[WORKERS];
    unsigned seen = 0;
    open_group(fds, &address, SOCK_DGRAM);
    assert_int_equal(sw_reuseport_steer(fds[WORKERS - 1], WORKERS, &sw_sys_kernel), 0);
    for (int client = 0; client < 128; client++) {
        int from = sender();
        send_from(from, &address, id, len);
        int who = who_got(fds);
        seen |= 1u << who;
        send_from(from, &address, id, len);
        assert_int_equal(who_got(fds), who);
        close(from);
    }
    assert_int_equal(seen, (1 << WORKERS) - 1);
    close_all(fds);
}

static void test_datagrams_without_session_go_by_address(void **state)
{
    goes_by_hash(SW_SESSION_EMPTY, 1400);
}

static void test_rejected_datagrams_go_by_address(void **state)
{
    goes_by_hash(SW_SESSION_REJECTED, SW_HEADER_LEN);
}

static void test_datagrams_too_short_for_a_header_go_by_address(void **state)
{
    goes_by_hash((struct sw_session_id){{1, 2, 3, 4, 5, 6, 7, 8}}, SW_HEADER_LEN - 1);
    goes_by_hash(SW_SESSION_EMPTY, 0);
}

static void test_first_is_refused_where_somebody_is(void **state)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in address;
        int fds[WORKERS];
        open_group(fds, &address, types[i]);
        assert_int_equal(open_at(&address, types[i], SW_REUSEPORT_FIRST), -1);
        assert_int_equal(errno, EADDRINUSE);
        assert_int_equal(open_at(&address, types[i], SW_REUSEPORT_ALONE), -1);
        assert_int_equal(errno, EADDRINUSE);
        close_all(fds);

        address = any_port();
        int alone = open_at(&address, types[i], SW_REUSEPORT_ALONE);
        assert_true(alone >= 0);
        assert_int_equal(open_at(&address, types[i], SW_REUSEPORT_FIRST), -1);
        assert_int_equal(errno, EADDRINUSE);
        assert_int_equal(open_at(&address, types[i], SW_REUSEPORT_NEXT), -1);
        close(alone);
    }
}

static void test_listeners_share_connections(void **state)
{
    struct sockaddr_in address;
    int fds[WORKERS], clients[128];
    unsigned seen = 0;
    open_group(fds, &address, SOCK_STREAM);
    for (int i = 0; i < 128; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
        for (unsigned w = 0; w < WORKERS; w++) {
            int accepted = accept(fds[w], NULL, NULL);
            if (accepted < 0) continue;
            seen |= 1u << w;
            close(accepted);
        }
    }
    assert_int_equal(seen, (1 << WORKERS) - 1);
    for (int i = 0; i < 128; i++)
        close(clients[i]);
    close_all(fds);
}

static int refuse_program(int fd, int level, int option, const void *value, socklen_t len)
{
    if (option != SO_ATTACH_REUSEPORT_CBPF) return setsockopt(fd, level, option, value, len);
    errno = EPERM;
    return -1;
}

static void test_refusal_is_reported(void **state)
{
    struct sw_sys sys = sw_sys_kernel;
    struct sockaddr_in address;
    int fds[WORKERS];
    sys.setsockopt = refuse_program;
    open_group(fds, &address, SOCK_DGRAM);
    assert_int_equal(sw_reuseport_steer(fds[0], WORKERS, &sys), -1);
    assert_int_equal(errno, EPERM);
    close_all(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_id_picks_the_socket),
        cmocka_unit_test(test_datagrams_without_session_go_by_address),
        cmocka_unit_test(test_rejected_datagrams_go_by_address),
        cmocka_unit_test(test_datagrams_too_short_for_a_header_go_by_address),
        cmocka_unit_test(test_first_is_refused_where_somebody_is),
        cmocka_unit_test(test_listeners_share_connections),
        cmocka_unit_test(test_refusal_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
