/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The control socket, its answers, and slipwayctl's side of the exchange. The server runs its loop
 * in a thread; the tests are clients, polite and otherwise. */

#include "host/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/ctl.h"

static char directory[64];
static char path[128];
static char why[320];

static json_t *make_status(void *user)
{
    return json_pack("{s:s, s:i, s:b, s:n, s:[s,s], s:[], s:{s:s}, s:[{s:s,s:i},{s:s,s:s}]}",
                     "program", user, "online_sessions", 2, "offload", 1, "user", "groups", "a",
                     "b", "dns", "tun", "name", "tun0", "connections", "peer", "1.2.3.4:5", "bytes",
                     7, "peer", "[::1]:12345", "user", "eve\033[31m");
}

static json_t *make_metrics(void *user)
{
    (void)user;
    return json_pack("{s:i, s:I}", "tun_reads", 5,
                     "conn_created{lightway_protocol_version=\"1.3\"}", (json_int_t)1 << 40);
}

static json_t *make_nothing(void *user)
{
    (void)user;
    return NULL;
}

/* About 8 MiB of text: more than any socket buffer. */
static json_t *make_large(void *user)
{
    json_t *rows = json_array();
    char text[1025];
    (void)user;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 8192; i++)
        json_array_append_new(rows, json_string(text));
    return json_pack("{s:o}", "rows", rows);
}

static json_t *refuse(void *user)
{
    (void)user;
    return json_pack("{s:s}", "error", "server.yaml:1: mode: no");
}

static const struct sw_control_ops ops = {
    .user = (char[]){"slipway-test"},
    .status = make_status,
    .metrics = make_metrics,
    .reload = refuse,
};

/* --- a server in a thread ------------------------------------------------------------------ */

static uv_loop_t loop;
static uv_async_t stop;
static pthread_t thread;
static struct sw_control *control;

static void on_stop(uv_async_t *async)
{
    sw_control_close(control);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run_loop(void *arg)
{
    (void)arg;
    uv_run(&loop, UV_RUN_DEFAULT);
    return NULL;
}

static void start_server(const struct sw_control_ops *server_ops)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_async_init(&loop, &stop, on_stop), 0);
    int rc = sw_control_open(&loop, path, server_ops, &control, why, sizeof why);
    if (rc != 0) fail_msg("%s", why);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, NULL), 0);
}

static void stop_server(void)
{
    uv_async_send(&stop);
    pthread_join(thread, NULL);
    assert_int_equal(uv_loop_close(&loop), 0); /* nothing was left open */
}

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/slipway-control-XXXXXX");
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(path, sizeof path, "%s/run/test.sock", directory);
    why[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Reads to the end of file (or a reset, which a close with unread input gives). */
static size_t read_end(int fd, char *buffer, size_t size)
{
    size_t len = 0;
    for (;;) {
        char spare[4096];
        bool has_room = len + 1 < size;
        ssize_t n =
            read(fd, has_room ? buffer + len : spare, has_room ? size - len - 1 : sizeof spare);
        if (n <= 0) break;
        if (has_room) len += (size_t)n;
    }
    buffer[len] = '\0';
    close(fd);
    return len;
}

static void assert_answer(const char *request, size_t len, const char *begins)
{
    char answer[8192];
    int fd = connect_client();
    assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
    read_end(fd, answer, sizeof answer);
    if (strncmp(answer, begins, strlen(begins)) != 0) fail_msg("answers %s", answer);
}

/* --- the file ------------------------------------------------------------------------------ */

static void test_the_socket_is_for_its_owner_only(void **state)
{
    (void)state;
    struct stat st;
    mode_t before = umask(0);
    start_server(&ops);
    umask(before);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    stop_server();
    assert_int_equal(lstat(path, &st), -1);
}

static void test_a_dead_sockets_file_is_replaced(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, sizeof path, "%s/dead.sock", directory);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    start_server(&ops);
    assert_answer("metrics\n", 8, "conn_created{");
    stop_server();
}

static void test_a_live_socket_is_left_alone(void **state)
{
    (void)state;
    struct sw_control *second = NULL;
    start_server(&ops);
    assert_int_equal(sw_control_open(uv_default_loop(), path, &ops, &second, why, sizeof why),
                     SW_EINVAL);
    assert_null(second);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "is in use by another process"));
    assert_answer("metrics\n", 8, "conn_created{");
    stop_server();
    assert_int_equal(uv_loop_close(uv_default_loop()), 0);
}

static void assert_not_opened(const char *says)
{
    assert_int_equal(sw_control_open(uv_default_loop(), path, &ops, &control, why, sizeof why),
                     SW_EINVAL);
    assert_null(control);
    if (strstr(why, says) == NULL) fail_msg("says %s", why);
    assert_int_equal(uv_loop_close(uv_default_loop()), 0);
}

static void test_what_is_in_the_way_is_not_removed(void **state)
{
    (void)state;
    struct stat st;
    snprintf(path, sizeof path, "%s/file", directory);
    fclose(fopen(path, "w"));
    assert_not_opened("is in the way and is no socket");
    assert_int_equal(lstat(path, &st), 0);
    snprintf(path, sizeof path, "%s/a/b/c", directory);
    assert_not_opened("cannot be made: No such file");
    memset(path, 'x', sizeof path - 1);
    assert_not_opened("is too long for a socket");
}

static void test_somebody_elses_file_survives_our_end(void **state)
{
    (void)state;
    struct stat st;
    start_server(&ops);
    assert_int_equal(unlink(path), 0);
    fclose(fopen(path, "w"));
    stop_server();
    assert_int_equal(lstat(path, &st), 0);
}

/* --- exchanges ----------------------------------------------------------------------------- */

static void test_an_answer_with_an_error_is_an_error_in_both_forms(void **state)
{
    (void)state;
    start_server(&ops);
    for (int as_json = 0; as_json < 2; as_json++) {
        assert_null(sw_ctl_ask(path, "reload", as_json, why, sizeof why));
        assert_non_null(strstr(why, ": server.yaml:1: mode: no"));
    }
    stop_server();

    const struct sw_control_ops without = {.status = make_status};
    start_server(&without);
    assert_null(sw_ctl_ask(path, "reload", false, why, sizeof why));
    assert_non_null(strstr(why, "not available here"));
    stop_server();
}

static void test_both_questions_in_both_forms(void **state)
{
    (void)state;
    start_server(&ops);
    for (int as_json = 0; as_json < 2; as_json++) {
        for (int i = 0; i < 2; i++) {
            char *answer = sw_ctl_ask(path, i ? "metrics" : "status", as_json, why, sizeof why);
            if (answer == NULL) fail_msg("%s", why);
            json_t *expected = i ? make_metrics(NULL) : make_status(ops.user);
            if (as_json) {
                json_t *got = json_loads(answer, 0, NULL);
                assert_true(json_equal(got, expected));
                json_decref(got);
            } else {
                char *text =
                    i ? sw_control_render_metrics(expected) : sw_control_render_status(expected);
                assert_string_equal(answer, text);
                free(text);
            }
            json_decref(expected);
            free(answer);
        }
    }
    stop_server();
}

static void test_requests_in_odd_forms(void **state)
{
    (void)state;
    char longest[SW_CONTROL_REQUEST + 1];
    start_server(&ops);
    assert_answer("metrics\r\n", 9, "conn_created{");
    assert_answer("metrics\nstatus\n", 15, "conn_created{");
    assert_answer("\n", 1, "error: unknown request; expected status, metrics or reload");
    assert_answer("stat\n", 5, "error: unknown request");
    assert_answer("statusx\n", 8, "error: unknown request");
    assert_answer("status  json\n", 13, "error: unknown request");
    assert_answer("metrics\0 json\n", 14, "conn_created{");
    memset(longest, 'a', sizeof longest);
    longest[SW_CONTROL_REQUEST - 1] = '\n';
    assert_answer(longest, SW_CONTROL_REQUEST, "error: unknown request");
    longest[SW_CONTROL_REQUEST - 1] = 'a';
    assert_answer(longest, sizeof longest, "error: the request is too long");
    stop_server();
}

static void test_a_request_may_end_with_end_of_file_and_come_in_pieces(void **state)
{
    (void)state;
    char answer[256];
    start_server(&ops);
    int fd = connect_client();
    assert_int_equal(send(fd, "met", 3, 0), 3);
    struct pollfd quiet = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&quiet, 1, 20), 0); /* nothing comes before the line is complete */
    assert_int_equal(send(fd, "rics", 4, 0), 4);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    read_end(fd, answer, sizeof answer);
    assert_non_null(strstr(answer, "tun_reads 5\n"));

    fd = connect_client(); /* says nothing at all */
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(read_end(fd, answer, sizeof answer), 0);
    stop_server();
}

static void test_silent_clients_do_not_hold_up_others(void **state)
{
    (void)state;
    int silent[SW_CONTROL_CLIENTS];
    char answer[16];
    start_server(&ops);
    for (int i = 0; i < SW_CONTROL_CLIENTS - 1; i++)
        silent[i] = connect_client();
    assert_answer("metrics\n", 8, "conn_created{");
    silent[SW_CONTROL_CLIENTS - 1] = connect_client();
    assert_int_equal(read_end(connect_client(), answer, sizeof answer), 0); /* one too many */
    assert_null(sw_ctl_ask(path, "status", false, why, sizeof why));
    assert_non_null(strstr(why, path));
    close(silent[0]);
    for (int i = 1; i < SW_CONTROL_CLIENTS; i++)
        close(silent[i]);
    stop_server();
}

static void test_slow_readers_do_not_hold_up_others(void **state)
{
    (void)state;
    const struct sw_control_ops large = {.status = make_large, .metrics = make_metrics};
    start_server(&large);
    int slow = connect_client();
    assert_int_equal(send(slow, "status\n", 7, 0), 7);
    struct pollfd readable = {.fd = slow, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1); /* the answer is under way, nobody reads it */
    assert_answer("metrics\n", 8, "conn_created{");

    char *all = malloc(16 << 20);
    assert_true(read_end(slow, all, 16 << 20) > 8192 * 1024);
    free(all);
    stop_server();
}

static void test_a_silent_client_is_ended(void **state)
{
    (void)state;
    char answer[16];
    start_server(&ops);
    int fd = connect_client();
    struct pollfd end = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&end, 1, SW_CONTROL_TIMEOUT + 5000), 1);
    assert_int_equal(read_end(fd, answer, sizeof answer), 0);
    stop_server();
}

static void test_closing_ends_exchanges_under_way(void **state)
{
    (void)state;
    const struct sw_control_ops large = {.status = make_large, .metrics = make_metrics};
    char answer[64];
    start_server(&large);
    int silent = connect_client();
    int slow = connect_client();
    assert_int_equal(send(slow, "status\n", 7, 0), 7);
    struct pollfd readable = {.fd = slow, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    stop_server();
    assert_int_equal(read_end(silent, answer, sizeof answer), 0);
    close(slow);
    sw_control_close(NULL);
}

static void test_no_memory_is_an_answer(void **state)
{
    (void)state;
    const struct sw_control_ops nothing = {.status = make_nothing, .metrics = make_nothing};
    char *answer = sw_control_answer(&nothing, "status json");
    assert_string_equal(answer, "error: out of memory\n");
    free(answer);
}

/* --- text ---------------------------------------------------------------------------------- */

static void test_status_is_aligned_and_clean(void **state)
{
    (void)state;
    json_t *status = make_status((char[]){"slipway-test"});
    char *text = sw_control_render_status(status);
    assert_string_equal(text, "program:         slipway-test\n"
                              "online sessions: 2\n"
                              "offload:         yes\n"
                              "user:            -\n"
                              "groups:          a, b\n"
                              "dns:             none\n"
                              "\n"
                              "tun:\n"
                              "  name: tun0\n"
                              "\n"
                              "connections:\n"
                              "  peer         bytes  user\n"
                              "  1.2.3.4:5    7      -\n"
                              "  [::1]:12345  -      eve?[31m\n");
    free(text);
    json_decref(status);
}

static void test_nested_status_ends(void **state)
{
    (void)state;
    json_t *deep = json_object();
    for (int i = 0; i < 100; i++)
        deep = json_pack("{s:o}", "in", deep);
    char *text = sw_control_render_status(deep);
    assert_non_null(text);
    assert_true(strlen(text) < 200);
    free(text);
    json_decref(deep);
}

static void test_metrics_are_sorted(void **state)
{
    (void)state;
    json_t *metrics = make_metrics(NULL);
    char *text = sw_control_render_metrics(metrics);
    assert_string_equal(text, "conn_created{lightway_protocol_version=\"1.3\"} 1099511627776\n"
                              "tun_reads 5\n");
    free(text);
    json_decref(metrics);
}

static void assert_path(const char *pattern, const char *expected)
{
    char *got = sw_control_path(pattern, "tun0");
    if (expected == NULL)
        assert_null(got);
    else
        assert_string_equal(got, expected);
    free(got);
}

static void test_a_path_can_name_the_device(void **state)
{
    (void)state;
    assert_path("/run/slipway/server-%i.sock", "/run/slipway/server-tun0.sock");
    assert_path("%i/%i", "tun0/tun0");
    assert_path("/run/x.sock", "/run/x.sock");
    assert_path("100%", "100%");
    assert_path("%%i%x", "%tun0%x");
    assert_path("", NULL);
    assert_path(NULL, NULL);
}

/* --- slipwayctl ---------------------------------------------------------------------------- */

static void test_asking_nobody_says_what_to_do(void **state)
{
    (void)state;
    assert_null(sw_ctl_ask(path, "status", false, why, sizeof why));
    assert_non_null(strstr(why, "nobody listens on "));
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "start slipway-server or slipway-client"));
    char overlong[200];
    memset(overlong, 'x', sizeof overlong - 1);
    overlong[sizeof overlong - 1] = '\0';
    assert_null(sw_ctl_ask(overlong, "status", false, why, sizeof why));
    assert_non_null(strstr(why, "File name too long"));
}

static void test_an_error_is_no_answer(void **state)
{
    (void)state;
    start_server(&ops);
    assert_null(sw_ctl_ask(path, "nonsense", false, why, sizeof why));
    assert_non_null(strstr(why, "unknown request"));
    assert_null(strchr(why, '\n'));
    stop_server();
}

static void test_the_only_live_socket_is_found(void **state)
{
    (void)state;
    char run[96];
    snprintf(run, sizeof run, "%s/run", directory);
    assert_null(sw_ctl_find_socket(run, why, sizeof why));
    assert_non_null(strstr(why, "no slipway-server or slipway-client"));

    start_server(&ops);
    char dead[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(dead, sizeof dead, "%s/a.sock", run);
    strcpy(address.sun_path, dead);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    char *found = sw_ctl_find_socket(run, why, sizeof why);
    if (found == NULL) fail_msg("%s", why);
    assert_string_equal(found, path);
    free(found);

    assert_int_equal(listen(fd, 1), 0); /* now there are two */
    assert_null(sw_ctl_find_socket(run, why, sizeof why));
    assert_non_null(strstr(why, "several programs run; choose one"));
    assert_non_null(strstr(why, dead));
    assert_non_null(strstr(why, path));
    close(fd);
    stop_server();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_socket_is_for_its_owner_only),
        TEST(test_a_dead_sockets_file_is_replaced),
        TEST(test_a_live_socket_is_left_alone),
        TEST(test_what_is_in_the_way_is_not_removed),
        TEST(test_somebody_elses_file_survives_our_end),
        TEST(test_both_questions_in_both_forms),
        TEST(test_an_answer_with_an_error_is_an_error_in_both_forms),
        TEST(test_requests_in_odd_forms),
        TEST(test_a_request_may_end_with_end_of_file_and_come_in_pieces),
        TEST(test_silent_clients_do_not_hold_up_others),
        TEST(test_slow_readers_do_not_hold_up_others),
        TEST(test_a_silent_client_is_ended),
        TEST(test_closing_ends_exchanges_under_way),
        TEST(test_no_memory_is_an_answer),
        TEST(test_status_is_aligned_and_clean),
        TEST(test_nested_status_ends),
        TEST(test_metrics_are_sorted),
        TEST(test_a_path_can_name_the_device),
        TEST(test_asking_nobody_says_what_to_do),
        TEST(test_an_error_is_no_answer),
        TEST(test_the_only_live_socket_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
