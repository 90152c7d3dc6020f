/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Reading the configuration again: host/reload.h. The option table is that of the server. */

#include "host/reload.h"

#include <slipway/error.h>

#include "client/client_options.h"
#include "host/log.h"
#include "server/server_options.h"
#include "tests/unit/config_fixture.h"

static struct sw_server_config config;
static unsigned applied;
static bool refusing;
static enum sw_log_level applied_level;

static int apply(void *user, const void *fresh, char *why, size_t why_size)
{
    const struct sw_server_config *server = fresh;
    assert_ptr_equal(user, &config);
    if (refusing) {
        snprintf(why, why_size, "user_db: users: gone");
        return SW_EINVAL;
    }
    applied++;
    applied_level = server->log_level;
    return 0;
}

static char *const arguments[] = {(char[]){"slipway-server"}, (char[]){"-c"},
                                  (char[]){"server.yaml"}, (char[]){"--ip-pool=10.9.0.0/24"}, NULL};
static const struct sw_reload reload = {
    .set = &sw_server_options,
    .argc = 4,
    .argv = arguments,
    .config = &config,
    .apply = apply,
    .user = &config,
};

static void write_config(const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, "user_db: users\nserver_cert: crt\nserver_key: key\n%s", more);
    fixture_write("server.yaml", 0600, text);
}

static int load_server(void)
{
    struct sw_config_report report;
    int rc = sw_options_load(&sw_server_options, reload.argc, reload.argv, NULL, &config, &report);
    for (size_t i = 0; i < report.n_errors; i++)
        print_message("%s\n", report.errors[i]);
    sw_config_report_free(&report);
    return rc;
}

static void end_server(void)
{
    sw_options_free(&sw_server_options, &config);
}

static int start(void **state)
{
    setenv("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS", "1", 1);
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    if (fixture_enter(state) != 0) return -1;
    fixture_write("users", 0600, "x:y");
    fixture_write("other-users", 0600, "x:y");
    fixture_write("crt", 0600, "x");
    fixture_write("key", 0600, "x");
    write_config("mode: udp\n");
    applied = 0;
    refusing = false;
    return load_server();
}

static int end(void **state)
{
    end_server();
    return fixture_leave(state);
}

/* What the answer says, as one line of JSON. */
static void assert_answer(json_t *answer, const char *text)
{
    assert_non_null(answer);
    char *dump = json_dumps(answer, JSON_COMPACT);
    assert_string_equal(dump, text);
    free(dump);
    json_decref(answer);
}

#define ALL_IS_WELL "{\"reloaded\":true,\"needs_restart\":[]}"

static void test_nothing_changed_is_applied_all_the_same(void **state)
{
    assert_answer(sw_reload(&reload), ALL_IS_WELL); /* the files may have changed */
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    assert_int_equal(applied, 2);
}

static void test_what_can_change_does(void **state)
{
    write_config("mode: udp\nlog_level: debug\n");
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    assert_int_equal(applied_level, SW_LOG_DEBUG);
    assert_int_equal(config.log_level, SW_LOG_DEBUG);
    fixture_write("server.yaml", 0600,
                  "user_db: other-users\nserver_cert: crt\nserver_key: key\nmode: udp\n");
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    assert_string_equal(config.user_db, "other-users");
    assert_int_equal(config.log_level, SW_LOG_INFO);
}

static void test_what_cannot_is_named_as_long_as_it_differs(void **state)
{
    write_config("mode: tcp\nip_pool: 10.8.0.0/16\ntun_name: other\nlog_level: warn\n");
    for (int i = 0; i < 2; i++) {
        assert_answer(sw_reload(&reload),
                      "{\"reloaded\":true,\"needs_restart\":[\"mode\",\"tun_name\"]}");
        assert_int_equal(config.mode, SW_SERVE_UDP);
        assert_null(config.tun_name);
        assert_int_equal(config.log_level, SW_LOG_WARN); /* the rest is done */
    }
    write_config("mode: udp\n");
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
}

static void test_address_map_in_a_file_is_compared_too(void **state)
{
    const char *inside =
        "mode: udp\nip_map:\n  192.0.2.1: 10.9.0.16/28\n  2001:db8::1: 10.9.0.32/28\n";
    const char *beside = "mode: udp\nip_map: map\n";
    fixture_write("map", 0600, "2001:db8::1: 10.9.0.32/28\n192.0.2.1: 10.9.0.16/28\n");
    write_config(inside);
    assert_answer(sw_reload(&reload), "{\"reloaded\":true,\"needs_restart\":[\"ip_map\"]}");
    end_server();
    assert_int_equal(load_server(), 0);
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    write_config(beside);
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    fixture_write("map", 0600, "2001:db8::1: 10.9.0.32/28\n192.0.2.1: 10.9.0.64/28\n");
    for (int i = 0; i < 2; i++)
        assert_answer(sw_reload(&reload), "{\"reloaded\":true,\"needs_restart\":[\"ip_map\"]}");
    fixture_write("map", 0600, "192.0.2.1: 10.9.0.16/28\n");
    assert_answer(sw_reload(&reload), "{\"reloaded\":true,\"needs_restart\":[\"ip_map\"]}");
}

static void test_errors_leave_everything_as_it_was(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"mode: udp\nlog_level: loud\n", "server.yaml:5: log_level: "},
        {"mode: [\n", "server.yaml:"},
        {"mode: udp\nnonsense: 1\n", "server.yaml:5: nonsense: unknown option"},
        {"mode: tcp\nenable_expresslane: true\nlog_level: debug\n",
         "server.yaml:5: enable_expresslane: needs mode udp"},
        {"mode: udp\nserver_key: nowhere\n", "server.yaml:"}, /* twice */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_config(cases[i].text);
        json_t *answer = sw_reload(&reload);
        const char *error = json_string_value(json_object_get(answer, "error"));
        if (error == NULL || strncmp(error, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].text, error != NULL ? error : "none");
        json_decref(answer);
    }
    assert_int_equal(unlink("server.yaml"), 0);
    json_t *answer = sw_reload(&reload);
    assert_non_null(json_object_get(answer, "error"));
    json_decref(answer);
    assert_int_equal(applied, 0);
    assert_int_equal(config.log_level, SW_LOG_INFO);
}

static void test_all_errors_are_one_line(void **state)
{
    write_config("mode: ufo\nlog_level: loud\n");
    json_t *answer = sw_reload(&reload);
    const char *error = json_string_value(json_object_get(answer, "error"));
    assert_non_null(error);
    assert_non_null(strstr(error, "; server.yaml:5: log_level: "));
    assert_null(strchr(error, '\n'));
    json_decref(answer);
}

static void test_program_may_refuse(void **state)
{
    refusing = true;
    write_config("mode: udp\nlog_level: debug\n");
    assert_answer(sw_reload(&reload), "{\"error\":\"user_db: users: gone\"}");
    assert_int_equal(config.log_level, SW_LOG_INFO);
    refusing = false;
    assert_answer(sw_reload(&reload), ALL_IS_WELL);
    assert_int_equal(config.log_level, SW_LOG_DEBUG);
}

/* --- the client's list of servers --------------------------------------------------------------*/

static struct sw_client_config client;

static int apply_nothing(void *user, const void *fresh, char *why, size_t why_size)
{
    return 0;
}

static char *const client_arguments[] = {(char[]){"slipway-client"}, (char[]){"-c"},
                                         (char[]){"client.yaml"}, NULL};
static const struct sw_reload client_reload = {
    .set = &sw_client_options,
    .argc = 3,
    .argv = client_arguments,
    .config = &client,
    .apply = apply_nothing,
};

static void start_client(const char *text)
{
    struct sw_config_report report;
    char *pem = fixture_read("certs/ca.crt");
    fixture_write("ca_cert.crt", 0600, pem);
    free(pem);
    fixture_write("client.yaml", 0600, text);
    int rc = sw_options_load(&sw_client_options, 3, client_arguments, NULL, &client, &report);
    for (size_t i = 0; i < report.n_errors; i++)
        print_message("%s\n", report.errors[i]);
    sw_config_report_free(&report);
    assert_int_equal(rc, 0);
}

static void assert_client_answer(const char *text, const char *answer)
{
    fixture_write("client.yaml", 0600, text);
    assert_answer(sw_reload(&client_reload), answer);
}

#define NEEDS(options) "{\"reloaded\":true,\"needs_restart\":[" options "]}"

static void test_changes_inside_servers_are_noticed(void **state)
{
    start_client("servers:\n  - {server: a.test:1, user: u, password: p}\n  - {server: b.test:2}\n"
                 "user: v\npassword: q\n");
    assert_client_answer("servers:\n  - {server: a.test:1, user: u, password: p}\n"
                         "  - {server: b.test:2}\nuser: v\npassword: q\nlog_level: debug\n",
                         ALL_IS_WELL);
    assert_int_equal(client.log_level, SW_LOG_DEBUG);
    assert_client_answer("servers:\n  - {server: a.test:1, user: u, password: other}\n"
                         "  - {server: b.test:2}\nuser: v\npassword: q\n",
                         NEEDS("\"servers\""));
    assert_client_answer("servers:\n  - {server: a.test:1, user: u, password: p}\n"
                         "user: v\npassword: q\n",
                         NEEDS("\"servers\""));
    sw_options_free(&sw_client_options, &client);
}

static void test_options_of_the_one_server_are_named_themselves(void **state)
{
    start_client("server: a.test:1\nuser: v\npassword: q\n");
    assert_client_answer("server: a.test:1\nuser: v\npassword: q\n", ALL_IS_WELL);
    assert_client_answer("server: a.test:1\nuser: v\npassword: other\n", NEEDS("\"password\""));
    assert_client_answer("server: b.test:1\ntoken: t\n",
                         NEEDS("\"server\",\"user\",\"password\",\"token\""));
    assert_client_answer("servers:\n  - {server: a.test:1}\nuser: v\npassword: q\n",
                         NEEDS("\"server\""));
    sw_options_free(&sw_client_options, &client);
}

static void test_certificates_in_a_file_are_compared_too(void **state)
{
    const char *one = "server: a.test:1\nuser: v\npassword: q\n";
    const char *list = "servers:\n  - {server: a.test:1}\nuser: v\npassword: q\n";
    char *other = fixture_read("certs/other-ca.crt");
    start_client(one);
    assert_client_answer(one, ALL_IS_WELL);
    fixture_write("ca_cert.crt", 0600, other);
    assert_client_answer(one, NEEDS("\"ca_cert\""));
    sw_options_free(&sw_client_options, &client);
    start_client(list);
    assert_client_answer(list, ALL_IS_WELL);
    fixture_write("ca_cert.crt", 0600, other);
    assert_client_answer(list, NEEDS("\"servers\",\"ca_cert\""));
    sw_options_free(&sw_client_options, &client);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_changed_is_applied_all_the_same, start, end),
        cmocka_unit_test_setup_teardown(test_what_can_change_does, start, end),
        cmocka_unit_test_setup_teardown(test_what_cannot_is_named_as_long_as_it_differs, start,
                                        end),
        cmocka_unit_test_setup_teardown(test_address_map_in_a_file_is_compared_too, start, end),
        cmocka_unit_test_setup_teardown(test_errors_leave_everything_as_it_was, start, end),
        cmocka_unit_test_setup_teardown(test_all_errors_are_one_line, start, end),
        cmocka_unit_test_setup_teardown(test_program_may_refuse, start, end),
        cmocka_unit_test_setup_teardown(test_changes_inside_servers_are_noticed, start, end),
        cmocka_unit_test_setup_teardown(test_options_of_the_one_server_are_named_themselves, start,
                                        end),
        cmocka_unit_test_setup_teardown(test_certificates_in_a_file_are_compared_too, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
