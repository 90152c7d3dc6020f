/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The counter registry: names, labels, sums over sections. */

#include "host/histogram.h"
#include "host/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct counters {
    uint64_t reads;
    uint64_t fatal;
    uint64_t harmless;
    uint64_t sessions;
};

struct sized {
    uint64_t before;
    struct sw_histogram sizes;
    uint64_t after;
};

static const struct sw_metric_def table[] = {
    SW_METRIC(struct counters, reads, "tun_reads", "Packets read"),
    SW_METRIC_LABELLED(struct counters, fatal, "conn_tls_error", "fatal", "true", "TLS errors"),
    SW_METRIC_LABELLED(struct counters, harmless, "conn_tls_error", "fatal", "false", "TLS errors"),
    SW_METRIC_NOW(struct counters, sessions, "sessions_current_online", "Sessions online"),
};

static void test_definitions_name_field_and_kind(void **state)
{
    (void)state;
    assert_int_equal(table[0].offset, offsetof(struct counters, reads));
    assert_int_equal(table[0].kind, SW_METRIC_COUNTER);
    assert_int_equal(table[3].kind, SW_METRIC_GAUGE);
    assert_null(table[0].label_key);
    assert_string_equal(table[1].label_value, "true");
}

static void test_values_are_read_when_asked(void **state)
{
    (void)state;
    struct counters counters = {.reads = 1, .fatal = 2, .harmless = 3};
    struct sw_metrics *metrics = sw_metrics_new();
    assert_int_equal(sw_metrics_add(metrics, table, SW_METRIC_COUNT(table), &counters), 0);
    assert_int_equal(sw_metrics_get(metrics, "tun_reads"), 1);
    counters.reads = 100;
    assert_int_equal(sw_metrics_get(metrics, "tun_reads"), 100);
    assert_int_equal(sw_metrics_get(metrics, "conn_tls_error{fatal=\"true\"}"), 2);
    assert_int_equal(sw_metrics_get(metrics, "conn_tls_error{fatal=\"false\"}"), 3);
    assert_int_equal(sw_metrics_get(metrics, "conn_tls_error"), 0);
    assert_int_equal(sw_metrics_get(metrics, "nothing"), 0);
    sw_metrics_free(metrics);
}

static void test_equal_names_are_summed_over_sections(void **state)
{
    (void)state;
    struct counters one = {.reads = 1, .sessions = 10};
    struct counters two = {.reads = 2, .sessions = 20};
    struct sw_metrics *metrics = sw_metrics_new();
    sw_metrics_add(metrics, table, SW_METRIC_COUNT(table), &one);
    sw_metrics_add(metrics, table, SW_METRIC_COUNT(table), &two);
    assert_int_equal(sw_metrics_get(metrics, "tun_reads"), 3);

    json_t *json = sw_metrics_json(metrics);
    assert_int_equal(json_object_size(json), 4);
    assert_int_equal(json_integer_value(json_object_get(json, "sessions_current_online")), 30);
    json_decref(json);

    sw_metrics_remove(metrics, &one);
    assert_int_equal(sw_metrics_get(metrics, "tun_reads"), 2);
    sw_metrics_remove(metrics, &two);
    json = sw_metrics_json(metrics);
    assert_int_equal(json_object_size(json), 0);
    json_decref(json);
    sw_metrics_free(metrics);
}

static void test_histogram_shows_what_is_at_most_so_large(void **state)
{
    (void)state;
    static const struct sw_metric_def rows[] = {
        SW_METRIC_HISTOGRAM(struct sized, sizes, "size", "Sizes")};
    static const unsigned values[] = {0, 1, 2, 3, 4, 33, 64, 65, 100000};
    static const struct {
        const char *name;
        uint64_t count;
    } expected[] = {
        {"size_bucket{le=\"1\"}", 2},  {"size_bucket{le=\"2\"}", 3},
        {"size_bucket{le=\"4\"}", 5},  {"size_bucket{le=\"8\"}", 5},
        {"size_bucket{le=\"16\"}", 5}, {"size_bucket{le=\"32\"}", 5},
        {"size_bucket{le=\"64\"}", 7}, {"size_bucket{le=\"+Inf\"}", 9},
    };
    struct sized sized = {.before = 1000, .after = 1000};
    struct sw_metrics *metrics = sw_metrics_new();
    sw_metrics_add(metrics, rows, SW_METRIC_COUNT(rows), &sized);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        sw_histogram_add(&sized.sizes, values[i]);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(sw_metrics_get(metrics, expected[i].name), expected[i].count);
    sw_metrics_free(metrics);
}

static void test_json_keys_are_sorted_full_names(void **state)
{
    (void)state;
    struct counters counters = {0};
    struct sw_metrics *metrics = sw_metrics_new();
    sw_metrics_add(metrics, table, SW_METRIC_COUNT(table), &counters);
    json_t *json = sw_metrics_json(metrics);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"conn_tls_error{fatal=\\\"false\\\"}\":0,"
                              "\"conn_tls_error{fatal=\\\"true\\\"}\":0,"
                              "\"sessions_current_online\":0,\"tun_reads\":0}");
    free(text);
    json_decref(json);
    sw_metrics_free(metrics);
}

static void test_large_counters_end_where_json_ends(void **state)
{
    (void)state;
    struct counters counters = {.reads = UINT64_MAX};
    struct sw_metrics *metrics = sw_metrics_new();
    sw_metrics_add(metrics, table, SW_METRIC_COUNT(table), &counters);
    json_t *json = sw_metrics_json(metrics);
    assert_true(json_integer_value(json_object_get(json, "tun_reads")) == INT64_MAX);
    json_decref(json);
    assert_true(sw_metrics_get(metrics, "tun_reads") == UINT64_MAX);
    sw_metrics_free(metrics);
    sw_metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions_name_field_and_kind),
        cmocka_unit_test(test_values_are_read_when_asked),
        cmocka_unit_test(test_equal_names_are_summed_over_sections),
        cmocka_unit_test(test_histogram_shows_what_is_at_most_so_large),
        cmocka_unit_test(test_json_keys_are_sorted_full_names),
        cmocka_unit_test(test_large_counters_end_where_json_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
