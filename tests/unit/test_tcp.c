/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Accepting and dialling TCP connections on loopback: host/tcp.h. */

#include "host/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/address.h"
#include "host/log.h"

static uv_loop_t loop;
static struct sw_tcp_counters counters;
static struct sw_listener *listener;
static struct sw_address bound;

static int accepted_fd;
static struct sw_path accepted_path;
static int dialled_fd, dialled_error;
static unsigned answers;

static void on_accepted(void *user, int fd, const struct sw_path *path)
{
    accepted_fd = fd;
    accepted_path = *path;
    if (++answers == 2) uv_stop(&loop);
}

static void on_dialled(void *user, int fd, int error)
{
    dialled_fd = fd;
    dialled_error = error;
    if (++answers == 2 || fd < 0) uv_stop(&loop);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    getsockname(fd, (struct sockaddr *)&any, &len);
    close(fd);
    return ntohs(any.sin_port);
}

static struct sw_listener_config config_with(const struct sw_sys *sys)
{
    return (struct sw_listener_config){
        .address = bound, .sys = sys, .counters = &counters, .accepted = on_accepted};
}

static void listen_with(const struct sw_sys *sys)
{
    char why[256] = "";
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    bound = sw_address_from_in(loopback, free_port());
    struct sw_listener_config config = config_with(sys);
    if (sw_listener_open(&loop, &config, &listener, why, sizeof why) < 0) fail_msg("%s", why);
}

static int set_up(void **state)
{
    memset(&counters, 0, sizeof counters);
    accepted_fd = dialled_fd = -1;
    dialled_error = 0;
    answers = 0;
    listener = NULL;
    return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
    sw_listener_close(listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (accepted_fd >= 0) close(accepted_fd);
    if (dialled_fd >= 0) close(dialled_fd);
    return uv_loop_close(&loop);
}

static void test_dial_and_accept(void **state)
{
    listen_with(&sw_sys_kernel);
    assert_non_null(sw_dial_start(&loop, &bound, 0, 5000, on_dialled, NULL));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(accepted_fd >= 0);
    assert_true(dialled_fd >= 0);
    assert_memory_equal(&accepted_path.local, &bound, sizeof bound);
    assert_int_equal(accepted_path.remote.family, 4);
    assert_int_equal(counters.accepted, 1);
    const int fds[] = {accepted_fd, dialled_fd};
    for (size_t i = 0; i < 2; i++) {
        int no_delay = 0;
        socklen_t len = sizeof no_delay;
        assert_int_equal(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
        assert_int_not_equal(no_delay, 0);
    }
    char byte;
    assert_int_equal(recv(dialled_fd, &byte, 1, 0), -1); /* non-blocking */
    assert_int_equal(errno, EAGAIN);
}

static void test_nobody_listens(void **state)
{
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct sw_address nobody = sw_address_from_in(loopback, free_port());
    assert_non_null(sw_dial_start(&loop, &nobody, 0, 5000, on_dialled, NULL));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(dialled_fd, -1);
    assert_int_equal(dialled_error, ECONNREFUSED);
}

static void test_dial_takes_only_so_long(void **state)
{
    listen_with(&sw_sys_kernel);
    struct sw_dial *dial = sw_dial_start(&loop, &bound, 0, 0, on_dialled, NULL);
    assert_non_null(dial); /* its time is over before the loop looks at sockets */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(dialled_fd, -1);
    assert_int_equal(dialled_error, ETIMEDOUT);
}

static void test_cancelled_dial_stays_silent(void **state)
{
    listen_with(&sw_sys_kernel);
    struct sw_dial *dial = sw_dial_start(&loop, &bound, 0, 5000, on_dialled, NULL);
    assert_non_null(dial);
    sw_dial_cancel(dial);
    sw_listener_close(listener);
    listener = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(dialled_fd, -1);
    assert_int_equal(dialled_error, 0);
    assert_int_equal(answers, 0);
}

static unsigned accepts, failures_left;

static int failing_accept(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    accepts++;
    if (failures_left > 0) {
        failures_left--;
        errno = EMFILE;
        return -1;
    }
    return accept4(fd, peer, len, flags);
}

static void test_listener_pauses_when_descriptors_run_out(void **state)
{
    static const struct sw_sys failing = {.accept4 = failing_accept};
    accepts = 0;
    failures_left = 2;
    listen_with(&failing);
    assert_non_null(sw_dial_start(&loop, &bound, 0, 5000, on_dialled, NULL));
    uint64_t began = uv_hrtime();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(accepted_fd >= 0); /* the client waited in the backlog */
    assert_int_equal(counters.accept_failed, 2);
    assert_true(accepts <= 4); /* no spinning: two failures, one connection, one "no more" */
    assert_true(uv_hrtime() - began >= 150 * UINT64_C(1000000));
}

static void test_address_in_use_is_named(void **state)
{
    struct sw_listener *second = NULL;
    char why[256] = "", text[SW_ADDRESS_TEXT];
    listen_with(&sw_sys_kernel);
    const struct sw_listener_config config = config_with(&sw_sys_kernel);
    assert_int_equal(sw_listener_open(&loop, &config, &second, why, sizeof why), SW_EINVAL);
    assert_null(second);
    assert_non_null(strstr(why, sw_address_text(&bound, text)));
}

#define TCP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_dial_and_accept),
        TCP_TEST(test_nobody_listens),
        TCP_TEST(test_dial_takes_only_so_long),
        TCP_TEST(test_cancelled_dial_stays_silent),
        TCP_TEST(test_listener_pauses_when_descriptors_run_out),
        TCP_TEST(test_address_in_use_is_named),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
