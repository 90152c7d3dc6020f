/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Connections that wait for their PROXY protocol header: host/proxy_gate.h. */

#include "host/proxy_gate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"

#define LINE "PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"

static const struct sw_path real = {
    .remote = {.family = 4, .port = 1000, .ip = {10, 0, 0, 1}},
    .local = {.family = 4, .port = 443, .ip = {10, 0, 0, 2}},
};

static uv_loop_t loop;
static struct sw_tcp_counters counters;
static struct sw_proxy_gate *gate;
static int passed_fd;
static struct sw_path passed_path;
static unsigned passed;
static int peer; /* the load balancer's end */

static unsigned receives;

static ssize_t counting_recv(int fd, void *buffer, size_t len, int flags)
{
    receives++;
    return recv(fd, buffer, len, flags);
}

static const struct sw_sys sys = {.recv = counting_recv};

static void on_passed(void *user, int fd, const struct sw_path *path)
{
    passed_fd = fd;
    passed_path = *path;
    passed++;
}

static int set_up(void **state)
{
    memset(&counters, 0, sizeof counters);
    passed_fd = peer = -1;
    passed = 0;
    return uv_loop_init(&loop);
}

static void open_gate(unsigned limit, uint64_t timeout_ms)
{
    const struct sw_proxy_gate_config config = {.sys = &sys,
                                                .counters = &counters,
                                                .limit = limit,
                                                .timeout_ms = timeout_ms,
                                                .passed = on_passed};
    gate = sw_proxy_gate_new(&loop, &config);
    assert_non_null(gate);
}

/* A connection; the other end of it. */
static int connection(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    sw_proxy_gate_accepted(gate, ends[0], &real);
    return ends[1];
}

static int tear_down(void **state)
{
    sw_proxy_gate_free(gate);
    if (peer >= 0) close(peer);
    if (passed_fd >= 0) close(passed_fd);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void say(const void *bytes, size_t len)
{
    assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void assert_passed(const char *source)
{
    char text[SW_ADDRESS_TEXT];
    assert_int_equal(passed, 1);
    assert_string_equal(sw_address_text(&passed_path.remote, text), source);
    assert_string_equal(sw_address_text(&passed_path.local, text), "10.0.0.2:443");
    assert_int_equal(counters.proxy_header_failed, 0);
}

static void assert_left(const char *expected)
{
    char rest[64] = "";
    ssize_t n = recv(passed_fd, rest, sizeof rest - 1, MSG_DONTWAIT);
    assert_int_equal(n < 0 ? 0 : n, (ssize_t)strlen(expected));
    assert_string_equal(rest, expected);
}

/* What a closed connection looks like from the other end. */
static void assert_closed(int fd)
{
    char byte;
    uv_run(&loop, UV_RUN_NOWAIT);
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void test_bytes_behind_the_header_stay_in_the_socket(void **state)
{
    open_gate(1, 60000);
    peer = connection();
    say(LINE "client hello", strlen(LINE) + 12);
    assert_passed("192.0.2.7:50000");
    assert_left("client hello");
}

static void test_header_may_come_byte_by_byte(void **state)
{
    open_gate(1, 60000);
    peer = connection();
    for (size_t i = 0; i < strlen(LINE); i++) {
        assert_int_equal(passed, 0);
        say(&LINE[i], 1);
    }
    assert_passed("192.0.2.7:50000");
    assert_left("");
}

static void test_part_of_a_header_does_not_keep_the_loop_busy(void **state)
{
    open_gate(1, 60000);
    peer = connection();
    say(LINE, 10);
    unsigned before = receives;
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(receives, before);
    say(&LINE[10], strlen(LINE) - 10);
    assert_passed("192.0.2.7:50000");
}

static void test_long_tlvs_are_thrown_away(void **state)
{
    static const uint8_t head[28] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
                                     0x54, 0x0a, 0x21, 0x11, 0xff, 0xff, 192,  0,    2,    7,
                                     10,   0,    0,    2,    0xc3, 0x50, 0x01, 0xbb};
    static const uint8_t tlvs[65535 - 12];
    open_gate(1, 60000);
    peer = connection();
    say(head, sizeof head);
    for (size_t at = 0; at < sizeof tlvs;) {
        size_t n = sizeof tlvs - at < 10000 ? sizeof tlvs - at : 10000;
        assert_int_equal(passed, 0);
        say(tlvs + at, n);
        at += n;
    }
    assert_passed("192.0.2.7:50000");
    say("hello", 5);
    assert_left("hello");
}

static void test_header_that_says_nothing_keeps_the_real_peer(void **state)
{
    open_gate(1, 60000);
    peer = connection();
    say("PROXY UNKNOWN\r\n", 15);
    assert_passed("10.0.0.1:1000");
}

static void test_anything_else_is_closed_and_counted(void **state)
{
    open_gate(8, 60000);
    static const char *const said[] = {"\x16\x03\x01", "GET / HTTP/1.1\r\n",
                                       "PROXY TCP4 1.2.3.4\r\n"};
    for (size_t i = 0; i < 3; i++) {
        peer = connection();
        say(said[i], strlen(said[i]));
        assert_int_equal(counters.proxy_header_failed, i + 1);
        assert_closed(peer);
        close(peer);
    }
    peer = connection();
    shutdown(peer, SHUT_WR);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(counters.proxy_header_failed, 4);
    assert_closed(peer);
    assert_int_equal(passed, 0);
}

static void test_silence_ends_with_the_deadline(void **state)
{
    open_gate(1, 20);
    peer = connection();
    say(LINE, 5);
    for (int i = 0; i < 1000 && counters.proxy_header_failed == 0; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(counters.proxy_header_failed, 1);
    assert_closed(peer);
    assert_int_equal(passed, 0);
}

static void test_only_so_many_wait(void **state)
{
    open_gate(2, 60000);
    int first = connection(), second = connection();
    peer = connection();
    assert_int_equal(counters.proxy_header_failed, 1);
    assert_closed(peer);
    close(peer);
    close(first);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(counters.proxy_header_failed, 2);
    counters.proxy_header_failed = 0;
    peer = connection(); /* there is room again */
    say(LINE, strlen(LINE));
    assert_passed("192.0.2.7:50000");
    close(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_behind_the_header_stay_in_the_socket),
        TEST(test_header_may_come_byte_by_byte),
        TEST(test_part_of_a_header_does_not_keep_the_loop_busy),
        TEST(test_long_tlvs_are_thrown_away),
        TEST(test_header_that_says_nothing_keeps_the_real_peer),
        TEST(test_anything_else_is_closed_and_counted),
        TEST(test_silence_ends_with_the_deadline),
        TEST(test_only_so_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
