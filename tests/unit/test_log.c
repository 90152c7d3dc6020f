/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Log events: one line each, whatever is in them, in both forms and from several threads. */

#define SW_LOG_TARGET "test"
#include "host/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int fd;
static char output[1 << 20];

static int set_up(void **state)
{
    (void)state;
    fd = memfd_create("log", 0);
    return fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, STDOUT_FILENO);
    return close(fd);
}

/* What was logged so far. */
static char *logged(void)
{
    ssize_t n = pread(fd, output, sizeof output - 1, 0);
    assert_true(n >= 0);
    output[n] = '\0';
    return output;
}

/* The event behind its timestamp, which is looked at here. */
static const char *event(const char *line)
{
    static const char form[] = "0000-00-00T00:00:00.000000Z ";
    for (size_t i = 0; form[i] != '\0'; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';
        assert_true(form[i] == '0' ? is_digit : line[i] == form[i]);
    }
    return line + sizeof form - 1;
}

static void test_full_lines_have_time_level_target_message(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_TRACE, SW_LOG_FULL, fd);
    sw_log_info("port %d", 27690);
    assert_string_equal(event(logged()), " INFO test: port 27690\n");
}

static void test_compact_lines_are_as_full(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_TRACE, SW_LOG_COMPACT, fd);
    sw_log_event(SW_LOG_ERROR, SW_LOG_FIELDS({"n", .number = 1}), "x");
    assert_string_equal(event(logged()), "ERROR test: x n=1\n");
}

static void test_pretty_events_have_a_line_for_each_field(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_TRACE, SW_LOG_PRETTY, fd);
    sw_log_event(SW_LOG_WARN, SW_LOG_FIELDS({"peer", .text = "a\nb"}, {"total", .number = 7}),
                 "Session ended");
    assert_memory_equal(logged(), "  ", 2);
    assert_string_equal(event(output + 2),
                        " WARN test: Session ended\n    peer: a\\u000ab\n    total: 7\n\n");
}

static void empty_log(void)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
}

static void test_targets_can_have_thresholds_of_their_own(void **state)
{
    static const struct {
        const char *directives;
        const char *wanted; /* of four events: debug and warn of test, then of other */
    } cases[] = {
        {NULL, "-w-w"},
        {"", "-w-w"},
        {"test=debug", "dw-w"},
        {"test=off", "---w"},
        {" test = DEBUG , other=error", "dw--"},
        {"error", "----"},
        {"error,test=trace", "dw--"},
        {"test=trace,error", "dw--"},
        {"test", "dw-w"},
        {"test=off,test=debug", "dw-w"},
        {"lightway_server::io=debug", "-w-w"},
        {"test=loud,=debug,,other[span{x=1}]=debug", "-w-w"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[5] = "----";
        empty_log();
        sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
        sw_log_set_filter(cases[i].directives);
        sw_log_debug("test-debug");
        sw_log_warn("test-warn");
        sw_log_write(SW_LOG_DEBUG, "other", NULL, 0, "other-debug");
        sw_log_write(SW_LOG_WARN, "other", NULL, 0, "other-warn");
        logged();
        static const char *const events[] = {"test-debug", "test-warn", "other-debug",
                                             "other-warn"};
        for (size_t k = 0; k < 4; k++)
            if (strstr(output, events[k]) != NULL) got[k] = k % 2 == 0 ? 'd' : 'w';
        if (strcmp(got, cases[i].wanted) != 0)
            fail_msg("%s: %s, not %s", cases[i].directives, got, cases[i].wanted);
        sw_log_set_filter(NULL);
    }
}

static void test_a_filter_of_any_length_is_read(void **state)
{
    char directives[4096] = "";
    (void)state;
    for (size_t i = 0; i < 100; i++)
        snprintf(directives + strlen(directives), 64, "target-with-a-name-that-is-long-%zu=off,",
                 i);
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
    sw_log_set_filter(directives);
    sw_log_info("there");
    assert_non_null(strstr(logged(), "there"));
    sw_log_set_filter(NULL);
}

static void test_the_threshold_decides(void **state)
{
    static const char *const words[] = {"trace", "debug", "info", "warn", "error"};
    (void)state;
    for (int level = SW_LOG_TRACE; level <= SW_LOG_OFF; level++) {
        empty_log();
        sw_log_setup((enum sw_log_level)level, SW_LOG_FULL, fd);
        sw_log_trace("trace");
        sw_log_debug("debug");
        sw_log_info("info");
        sw_log_warn("warn");
        sw_log_error("error");
        logged();
        for (int i = 0; i < 5; i++)
            assert_int_equal(strstr(output, words[i]) != NULL, i >= level);
        assert_false(sw_log_enabled(SW_LOG_OFF));
    }
}

static void test_the_threshold_may_change_and_the_filter_stays(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_JSON, fd);
    sw_log_set_filter("other=trace");
    sw_log_set_level(SW_LOG_WARN);
    sw_log_info("one");
    sw_log_write(SW_LOG_TRACE, "other", NULL, 0, "two");
    sw_log_set_level(SW_LOG_DEBUG);
    sw_log_debug("three");
    sw_log_set_filter(NULL);
    sw_log_set_level(SW_LOG_OFF);
    sw_log_error("four");
    logged();
    assert_null(strstr(output, "one"));
    assert_non_null(strstr(output, "two"));
    assert_non_null(strstr(output, "\"message\":\"three\"")); /* in the form as before */
    assert_null(strstr(output, "four"));
}

static void test_fields_follow_the_message(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
    sw_log_event(SW_LOG_WARN, SW_LOG_FIELDS({"peer", .text = "1.2.3.4"}, {"total", .number = 7}),
                 "Session %s", "ended");
    assert_string_equal(event(logged()), " WARN test: Session ended peer=1.2.3.4 total=7\n");
}

static json_t *logged_json(void)
{
    json_error_t error;
    json_t *json = json_loads(logged(), 0, &error);
    if (json == NULL) fail_msg("%s: %s", error.text, output);
    return json;
}

static const char *text_at(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void test_json_has_the_shape_that_collectors_know(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_JSON, fd);
    sw_log_event(SW_LOG_INFO, SW_LOG_FIELDS({"user", .text = "a\"b\\c\n"}, {"n", .number = 42}),
                 "said \"%s\"", "hello\t");
    json_t *json = logged_json();
    json_t *fields = json_object_get(json, "fields");
    assert_string_equal(text_at(json, "level"), "INFO");
    assert_string_equal(text_at(json, "target"), "test");
    assert_int_equal(strlen(text_at(json, "timestamp")), 27);
    assert_string_equal(text_at(fields, "message"), "said \"hello\t\"");
    assert_string_equal(text_at(fields, "user"), "a\"b\\c\n");
    assert_int_equal(json_integer_value(json_object_get(fields, "n")), 42);
    json_decref(json);
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void test_hostile_text_stays_on_its_line(void **state)
{
    (void)state;
    const char *hostile = "a\nb\r\x1b[31m\x7f\xff\xc0\x80\xe2\x82\xac\xed\xa0\x80\xf5\xc2\x85!";
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
    sw_log_info("%s", hostile);
#define BAD "\xef\xbf\xbd"
    assert_string_equal(event(logged()),
                        " INFO test: a\\u000ab\\u000d\\u001b[31m\\u007f" BAD BAD BAD
                        "\xe2\x82\xac" BAD BAD BAD BAD "\\u0085!\n");
}

static void test_json_is_valid_with_any_bytes(void **state)
{
    (void)state;
    char bytes[256];
    for (int i = 0; i < 255; i++)
        bytes[i] = (char)(i + 1);
    bytes[255] = '\0';
    sw_log_setup(SW_LOG_INFO, SW_LOG_JSON, fd);
    sw_log_event(SW_LOG_INFO, SW_LOG_FIELDS({"bytes", .text = bytes}), "%s", bytes);
    json_decref(logged_json());
}

static void test_long_events_are_cut_and_stay_valid(void **state)
{
    (void)state;
    char *text = malloc(100001);
    memset(text, '\n', 100000); /* each becomes six characters */
    text[100000] = '\0';
    sw_log_setup(SW_LOG_INFO, SW_LOG_JSON, fd);
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"a", .text = text}, {"b", .text = text}, {"c", .number = 1}), "%s",
                 text);
    json_t *json = logged_json();
    const char *message = text_at(json_object_get(json, "fields"), "message");
    assert_string_equal(message + strlen(message) - 3, "...");
    assert_true(strlen(output) <= 4096);
    json_decref(json);

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    memset(text, 'x', 100000);
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
    sw_log_info("%s", text);
    assert_true(strlen(logged()) <= 4096);
    assert_int_equal(output[strlen(output) - 1], '\n');
    free(text);
}

static void test_errno_survives(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, -1);
    errno = ENOENT;
    sw_log_info("to nowhere");
    assert_int_equal(errno, ENOENT);
}

static void log_limited(int i)
{
    sw_log_rate(SW_LOG_INFO, "event %d", i);
}

static void test_a_limited_site_logs_once_a_second(void **state)
{
    (void)state;
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, fd);
    for (int i = 0; i < 1000; i++)
        log_limited(i);
    assert_string_equal(event(logged()), " INFO test: event 0\n");
}

static void test_a_limit_counts_what_it_swallowed(void **state)
{
    (void)state;
    struct sw_log_limit limit = {0};
    uint64_t suppressed = 77;
    assert_true(sw_log_limit_pass(&limit, UINT64_C(3600000000000), &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 5; i++)
        assert_false(sw_log_limit_pass(&limit, UINT64_C(3600000000000), &suppressed));
    atomic_store(&limit.next, 0); /* as if the interval had passed */
    assert_true(sw_log_limit_pass(&limit, UINT64_C(3600000000000), &suppressed));
    assert_int_equal(suppressed, 5);
}

#define THREADS 4
#define EVENTS  500

static void *log_many(void *arg)
{
    for (int i = 0; i < EVENTS; i++)
        sw_log_info("thread %d event %d %s", *(int *)arg, i, "padding padding padding padding");
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int next[THREADS] = {0};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int appending = open(path, O_WRONLY | O_APPEND);
    assert_true(appending >= 0);
    sw_log_setup(SW_LOG_INFO, SW_LOG_FULL, appending);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close(appending);

    int n = 0;
    for (char *line = strtok(logged(), "\n"); line != NULL; line = strtok(NULL, "\n"), n++) {
        int thread, i, used = 0;
        int got =
            sscanf(event(line), " INFO test: thread %d event %d padding padding padding padding%n",
                   &thread, &i, &used);
        assert_int_equal(got, 2);
        assert_int_equal(event(line)[used], '\0');
        assert_true(thread >= 0 && thread < THREADS);
        assert_int_equal(i, next[thread]++);
    }
    assert_int_equal(n, THREADS * EVENTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_lines_have_time_level_target_message),
        TEST(test_compact_lines_are_as_full),
        TEST(test_pretty_events_have_a_line_for_each_field),
        TEST(test_targets_can_have_thresholds_of_their_own),
        TEST(test_a_filter_of_any_length_is_read),
        TEST(test_the_threshold_decides),
        TEST(test_the_threshold_may_change_and_the_filter_stays),
        TEST(test_fields_follow_the_message),
        TEST(test_json_has_the_shape_that_collectors_know),
        TEST(test_hostile_text_stays_on_its_line),
        TEST(test_json_is_valid_with_any_bytes),
        TEST(test_long_events_are_cut_and_stay_valid),
        TEST(test_errno_survives),
        TEST(test_a_limited_site_logs_once_a_second),
        TEST(test_a_limit_counts_what_it_swallowed),
        TEST(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
