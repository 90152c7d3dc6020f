/* SPDX-License-Identifier: GPL-3.0-or-later */

/* How options are read, with the server's table: sources and their order, values, messages. */

#include <arpa/inet.h>
#include <slipway/error.h>

#include "config_fixture.h"
#include "server/server_options.h"

static struct sw_server_config config;
static struct sw_config_report report;

static void reset(void)
{
    sw_server_config_free(&config);
    sw_config_report_free(&report);
}

static int leave(void **state)
{
    reset();
    return fixture_leave(state);
}

/* Loads YAML text alone; every server file needs user_db, so it is there. */
static int load_text(const char *yaml)
{
    char text[4096];
    reset();
    snprintf(text, sizeof text, "%suser_db: users\n", yaml);
    return sw_options_load_text(&sw_server_options, "server.yaml", text, strlen(text), &config,
                                &report);
}

static void assert_loads(const char *yaml)
{
    int rc = load_text(yaml);
    if (rc != 0) print_report(&report);
    assert_int_equal(rc, 0);
    assert_int_equal(report.n_errors, 0);
    assert_int_equal(report.exit_status, 0);
}

static void assert_refuses(const char *yaml, const char *error)
{
    assert_int_equal(load_text(yaml), SW_EINVAL);
    assert_only_error(&report, error);
    assert_int_equal(report.exit_status, 1);
}

/* Loads with the file server.yaml from all sources. Arguments and variables end with NULL. */
static int load_all(const char *yaml, const char *const *arguments, const char *const *variables)
{
    char *argv[16] = {(char[]){"slipway-server"}, (char[]){"-c"}, (char[]){"server.yaml"}};
    char *environment[16] = {NULL};
    char text[2048];
    int argc = 3;

    reset();
    snprintf(text, sizeof text, "%suser_db: users\n", yaml);
    fixture_write("server.yaml", 0644, text);
    fixture_write("server.crt", 0644, "");
    fixture_write("server.key", 0600, "");
    fixture_write("users", 0600, "");
    for (; arguments != NULL && *arguments != NULL; arguments++)
        argv[argc++] = strdup(*arguments);
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        environment[i] = strdup(variables[i]);
    int rc = sw_server_config_load(argc, argv, environment, &config, &report);
    for (int i = 3; i < argc; i++)
        free(argv[i]);
    for (size_t i = 0; environment[i] != NULL; i++)
        free(environment[i]);
    return rc;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_usage_error(const char *const *arguments, const char *error)
{
    assert_int_equal(load_all("", arguments, NULL), SW_EINVAL);
    assert_only_error(&report, error);
    assert_int_equal(report.exit_status, 2);
}

/* --- defaults and sources ------------------------------------------------------------------ */

static void test_every_option_has_its_documented_default(void **state)
{
    (void)state;
    assert_loads("");
    assert_int_equal(config.mode, SW_SERVE_TCP);
    assert_string_equal(config.server_cert, "./server.crt");
    assert_string_equal(config.server_key, "./server.key");
    assert_null(config.token_rsa_pub_key_pem);
    assert_null(config.tun_name);
    assert_int_equal(config.ip_pool.address.s_addr, inet_addr("10.125.0.0"));
    assert_int_equal(config.ip_pool.prefix, 16);
    assert_int_equal(config.ip_map.n, 0);
    assert_int_equal(config.tun_ip.s_addr, 0);
    assert_int_equal(config.lightway_server_ip.s_addr, inet_addr("10.125.0.6"));
    assert_int_equal(config.lightway_client_ip.s_addr, inet_addr("10.125.0.5"));
    assert_int_equal(config.lightway_dns_ip.s_addr, inet_addr("10.125.0.1"));
    assert_false(config.enable_expresslane);
    assert_int_equal(config.expresslane_keys_rotation_interval, 15 * SW_MINUTE);
    assert_int_equal(config.connection_age_expiration_interval, SW_MINUTE);
    assert_int_equal(config.connection_idle_limit, 24 * 60 * SW_MINUTE);
    assert_int_equal(config.statistics_reporting_interval, 30 * SW_SECOND);
    assert_false(config.enable_pqc);
    assert_int_equal(config.enable_tun_offload, SW_AUTO);
    assert_false(config.enable_tun_iouring);
    assert_int_equal(config.iouring_entry_count, 1024);
    assert_int_equal(config.iouring_sqpoll_idle_time, 100 * SW_MILLISECOND);
    assert_int_equal(config.log_format, SW_LOG_FULL);
    assert_int_equal(config.log_level, SW_LOG_INFO);
    assert_int_equal(config.key_update_interval, 15 * SW_MINUTE);
    assert_false(config.proxy_protocol);
    assert_int_equal(config.udp_buffer_size, 15 << 20);
    assert_false(config.enable_batch_receive);
    assert_false(config.enable_batch_send);
    assert_true(config.randomize_ippool);
    assert_false(config.tls_debug);
    assert_false(config.accept_unknowns);
    assert_string_equal(config.control_socket, "/run/slipway/server-%i.sock");
    assert_false(config.control_socket_explicit);

    struct sockaddr_in address;
    memcpy(&address, &config.bind_address, sizeof address);
    assert_int_equal(address.sin_family, AF_INET);
    assert_int_equal(address.sin_addr.s_addr, 0);
    assert_int_equal(ntohs(address.sin_port), 27690);
    assert_int_equal(report.n_warnings, 0);
}

static void test_later_sources_win(void **state)
{
    (void)state;
    assert_int_equal(load_all("log_level: warn\nudp_buffer_size: 1MiB\nenable_pqc: true\n",
                              LIST("--log-level", "trace"),
                              LIST("LW_SERVER_LOG_LEVEL=error", "LW_SERVER_UDP_BUFFER_SIZE=2MiB",
                                   "LW_CLIENT_MODE=udp", "HOME=/root")),
                     0);
    assert_int_equal(config.log_level, SW_LOG_TRACE);
    assert_int_equal(config.udp_buffer_size, 2 << 20);
    assert_true(config.enable_pqc);
    assert_int_equal(config.mode, SW_SERVE_TCP);
    assert_string_equal(config.config_file, "server.yaml");
}

static void test_false_counts_in_every_source(void **state)
{
    (void)state;
    assert_int_equal(load_all("enable_pqc: true\n", LIST("--enable-pqc=false"), NULL), 0);
    assert_false(config.enable_pqc);
    assert_int_equal(load_all("enable_pqc: yes\n", NULL, LIST("LW_SERVER_ENABLE_PQC=false")), 0);
    assert_false(config.enable_pqc);
    assert_int_equal(load_all("randomize_ippool: no\n", NULL, NULL), 0);
    assert_false(config.randomize_ippool);
}

static void test_offload_has_three_states(void **state)
{
    (void)state;
    assert_loads("enable_tun_offload: on\n");
    assert_int_equal(config.enable_tun_offload, SW_ON);
    assert_loads("enable_tun_offload: false\n");
    assert_int_equal(config.enable_tun_offload, SW_OFF);
    assert_loads("enable_tun_offload: auto\n");
    assert_int_equal(config.enable_tun_offload, SW_AUTO);
    assert_loads("enable_tun_offload:\n");
    assert_int_equal(config.enable_tun_offload, SW_AUTO);
    assert_int_equal(load_all("", LIST("--enable-tun-offload"), NULL), 0);
    assert_int_equal(config.enable_tun_offload, SW_ON);
    assert_int_equal(load_all("", LIST("--enable-tun-offload=false"), NULL), 0);
    assert_int_equal(config.enable_tun_offload, SW_OFF);
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_ENABLE_TUN_OFFLOAD=true")), 0);
    assert_int_equal(config.enable_tun_offload, SW_ON);
}

static void test_every_offload_has_a_switch_of_its_own(void **state)
{
    (void)state;
    static const char *const names[SW_OFFLOADS] = {"tun_tso",     "tun_uso",     "tun_gro",
                                                   "tun_gro_udp", "udp_segment", "udp_gro"};
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        char yaml[64], flag[64], variable[64] = "LW_SERVER_OFFLOAD_";
        snprintf(yaml, sizeof yaml, "offload_%s: off\n", names[i]);
        assert_loads(yaml);
        for (enum sw_offload j = 0; j < SW_OFFLOADS; j++)
            assert_int_equal(config.offload.wanted[j], i == j ? SW_OFF : SW_AUTO);
        snprintf(flag, sizeof flag, "--offload-%s=on", names[i]);
        for (char *p = flag + 2; *p != '\0'; p++)
            if (*p == '_') *p = '-';
        assert_int_equal(load_all(yaml, LIST(flag), NULL), 0);
        assert_int_equal(config.offload.wanted[i], SW_ON);
        snprintf(variable, sizeof variable, "LW_SERVER_OFFLOAD_%s=auto", names[i]);
        assert_int_equal(load_all(yaml, NULL, LIST(variable)), 0);
        assert_int_equal(config.offload.wanted[i], SW_AUTO);
    }
    assert_loads("max_segments_per_send: 16\n");
    assert_int_equal(config.offload.max_segments_per_send, 16);
}

static void test_offloads_that_exclude_each_other(void **state)
{
    (void)state;
    assert_refuses("enable_tun_offload: off\noffload_udp_gro: on\n",
                   "server.yaml:2: offload_udp_gro: needs enable_tun_offload; remove "
                   "enable_tun_offload: false");
    assert_refuses("max_segments_per_send: 1\noffload_udp_segment: on\n",
                   "server.yaml:2: offload_udp_segment: cannot be with max_segments_per_send: 1; "
                   "remove one of them");
    assert_int_equal(load_text("max_segments_per_send: 129\n"), SW_EINVAL);
    assert_loads("enable_tun_offload: off\noffload_udp_gro: off\nmax_segments_per_send: 1\n");
}

static void test_offload_and_batch_send_go_together(void **state)
{
    (void)state;
    assert_loads("enable_tun_offload: true\nenable_batch_send: true\n"
                 "enable_batch_receive: true\n");
    assert_int_equal(report.n_warnings, 0);
}

/* --- YAML ---------------------------------------------------------------------------------- */

static void test_null_leaves_an_option_as_it_is(void **state)
{
    (void)state;
    assert_loads("tun_name: ~\nudp_buffer_size: null\nlog_level:\nserver_key: null\n");
    assert_int_equal(config.udp_buffer_size, 15 << 20);
    assert_string_equal(config.server_key, "./server.key");
    assert_null(config.tun_name);
    assert_refuses("enable_pqc: ~\n",
                   "server.yaml:1: enable_pqc: has no value; expected true or false");
}

static void test_the_word_off_is_a_log_level(void **state)
{
    (void)state;
    assert_loads("log_level: off\n");
    assert_int_equal(config.log_level, SW_LOG_OFF);
    assert_loads("log_level: \"off\"\n");
    assert_int_equal(config.log_level, SW_LOG_OFF);
}

static void test_config_file_in_the_file_is_ignored(void **state)
{
    (void)state;
    assert_loads("config_file: /other\n");
    assert_null(config.config_file);
    assert_int_equal(load_all("config_file: /other\n", NULL, LIST("LW_SERVER_CONFIG_FILE=/third")),
                     0);
    assert_string_equal(config.config_file, "server.yaml");
}

static void test_values_of_every_type_are_read(void **state)
{
    (void)state;
    assert_loads("bind_address: \"[2001:db8::1]:443\"\n"
                 "ip_pool: 10.9.8.7/20\n"
                 "tun_ip: 10.9.0.1\n"
                 "tun_name: 12345\n"
                 "iouring_entry_count: 0x10\n"
                 "iouring_sqpoll_idle_time: 0\n"
                 "key_update_interval: 0s\n"
                 "udp_buffer_size: 1_000_000\n"
                 "connection_age_expiration_interval: 1m 30s\n"
                 "control_socket: \"\"\n");
    struct sockaddr_in6 address;
    memcpy(&address, &config.bind_address, sizeof address);
    assert_int_equal(address.sin6_family, AF_INET6);
    assert_int_equal(ntohs(address.sin6_port), 443);
    assert_int_equal(address.sin6_addr.s6_addr[15], 1);
    assert_int_equal(config.ip_pool.address.s_addr, inet_addr("10.9.0.0"));
    assert_int_equal(config.ip_pool.prefix, 20);
    assert_int_equal(config.tun_ip.s_addr, inet_addr("10.9.0.1"));
    assert_string_equal(config.tun_name, "12345");
    assert_int_equal(config.iouring_entry_count, 16);
    assert_int_equal(config.iouring_sqpoll_idle_time, 0);
    assert_int_equal(config.key_update_interval, 0);
    assert_int_equal(config.udp_buffer_size, 1000000);
    assert_int_equal(config.connection_age_expiration_interval, 90 * SW_SECOND);
    assert_null(config.control_socket);
    assert_true(config.control_socket_explicit);
}

static void test_a_wrong_value_names_line_key_value_and_what_to_write(void **state)
{
    (void)state;
    assert_refuses("\n\nudp_buffer_size: \"15 MXB\"\n",
                   "server.yaml:3: udp_buffer_size: \"15 MXB\" is not a size; expected a number of "
                   "bytes or a number with unit, e.g. 15MiB");
    assert_refuses("udp_buffer_size: 0\n",
                   "server.yaml:1: udp_buffer_size: \"0\" is out of range; expected 1 to "
                   "1073741824 bytes");
    assert_refuses("mode: UDP\n",
                   "server.yaml:1: mode: \"UDP\" is not possible; expected tcp, udp or both");
    assert_refuses("log_format: xml\n",
                   "server.yaml:1: log_format: \"xml\" is not possible; expected full, compact, "
                   "pretty or json");
    assert_refuses("enable_pqc: maybe\n",
                   "server.yaml:1: enable_pqc: \"maybe\" is not a switch; expected true or false");
    assert_refuses("tun_ip: 10.0.0\n",
                   "server.yaml:1: tun_ip: \"10.0.0\" is not an IPv4 address; expected four "
                   "numbers with dots, e.g. 10.125.0.1");
    assert_refuses("tun_ip: 0.0.0.0\n",
                   "server.yaml:1: tun_ip: \"0.0.0.0\" is no address of a host; expected four "
                   "numbers with dots, e.g. 10.125.0.1");
    assert_refuses("connection_age_expiration_interval: 0s\n",
                   "server.yaml:1: connection_age_expiration_interval: \"0s\" is zero; expected a "
                   "duration above zero, e.g. 1m");
    assert_refuses("expresslane_keys_rotation_interval: 999ms\n",
                   "server.yaml:1: expresslane_keys_rotation_interval: \"999ms\" is too short; "
                   "expected at least 1s");
    assert_refuses("statistics_reporting_interval: 30\n",
                   "server.yaml:1: statistics_reporting_interval: \"30\" is not a duration; "
                   "expected numbers with units, e.g. 10s, 1m 30s or 100ms");
    assert_refuses(
        "max_segments_per_send: 010\n",
        "server.yaml:1: max_segments_per_send: \"010\" is not a whole number; expected 0 "
        "to 128");
    assert_refuses("max_segments_per_send: 129\n",
                   "server.yaml:1: max_segments_per_send: \"129\" is out of range; expected 0 to "
                   "128");
    assert_refuses("tun_name: a/b\n",
                   "server.yaml:1: tun_name: \"a/b\" is not a device name; expected 1 to 15 "
                   "characters without spaces, / and :");
    assert_refuses("server_key: ''\n",
                   "server.yaml:1: server_key: \"\" is empty; expected the path of a file");
    assert_refuses("mode: [udp]\n", "server.yaml:1: mode: is a list; expected tcp, udp or both");
}

static void test_networks_that_cannot_be_pools_are_refused(void **state)
{
    (void)state;
    assert_refuses("ip_pool: 10.0.0.0/31\n",
                   "server.yaml:1: ip_pool: /31 is no size for a pool; expected /8 to /30");
    assert_refuses("ip_pool: 10.0.0.0/7\n",
                   "server.yaml:1: ip_pool: /7 is no size for a pool; expected /8 to /30");
}

static void test_addresses_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "bind_address: 0.0.0.0",     "bind_address: 0.0.0.0:0", "bind_address: 0.0.0.0:65536",
        "bind_address: localhost:1", "bind_address: '::1:1'",   "bind_address: '[1.2.3.4]:1'",
        "bind_address: '[::1]'",     "bind_address: '[]:1'",    "bind_address: ':1'",
        "ip_pool: 10.0.0.0",         "ip_pool: 10.0.0.0/33",    "ip_pool: 10.0.0.0/",
        "ip_pool: 10.0.0/8",         "ip_pool: '::/0'",         "ip_pool: 10.0.0.0/-1",
        "tun_ip: 10.0.0.256",        "tun_ip: '::1'",           "tun_ip: ' 10.0.0.1'"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char yaml[64];
        snprintf(yaml, sizeof yaml, "%s\n", bad[i]);
        if (load_text(yaml) != SW_EINVAL) fail_msg("%s was accepted", bad[i]);
        assert_int_equal(report.n_errors, 1);
    }
}

static void test_one_run_shows_everything_that_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(load_text("mode: x\ntun_ip: y\nlog_level: z\nnew_thing: 1\n"), SW_EINVAL);
    assert_int_equal(report.n_errors, 4);
    assert_an_error(&report, "server.yaml:1: mode");
    assert_an_error(&report, "server.yaml:2: tun_ip");
    assert_an_error(&report, "server.yaml:3: log_level");
    assert_an_error(&report, "server.yaml:4: new_thing");
}

static void test_messages_are_one_line_whatever_the_value(void **state)
{
    (void)state;
    assert_int_equal(
        load_text("mode: \"a\\nb\\e[31m\"\n"
                  "tun_ip: >\n"
                  " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
                  "\"k\\nl\": 1\n"),
        SW_EINVAL);
    assert_int_equal(report.n_errors, 3);
    for (size_t i = 0; i < report.n_errors; i++) {
        for (const char *p = report.errors[i]; *p != '\0'; p++)
            assert_true((unsigned char)*p >= ' ');
        assert_true(strlen(report.errors[i]) < 220);
    }
}

static void test_a_file_that_is_no_map_is_refused(void **state)
{
    (void)state;
    const char *list = "- a\n- b\n";
    reset();
    assert_int_equal(sw_options_load_text(&sw_server_options, "server.yaml", list, strlen(list),
                                          &config, &report),
                     SW_EINVAL);
    assert_only_error(&report,
                      "server.yaml:1: holds a list; expected lines of the form key: value");
}

static void test_syntax_errors_name_file_and_line(void **state)
{
    (void)state;
    assert_int_equal(load_text("mode: udp\nmode: tcp\n"), SW_EINVAL);
    assert_only_error(&report,
                      "server.yaml:2: mode: given twice, first on line 1; keep one of them");
    assert_int_equal(load_text("mode: 'udp\n"), SW_EINVAL);
    assert_an_error(&report, "server.yaml:");
    assert_an_error(&report, "not valid YAML");
}

/* --- unknown options ----------------------------------------------------------------------- */

static void test_unknown_options_are_errors_with_a_suggestion(void **state)
{
    (void)state;
    assert_refuses("tun-name: x\n",
                   "server.yaml:1: tun-name: unknown option; did you mean tun_name?");
    assert_refuses("udp_bufer_size: 1\n",
                   "server.yaml:1: udp_bufer_size: unknown option; did you mean udp_buffer_size?");
    assert_refuses("MODE: udp\n", "server.yaml:1: MODE: unknown option; did you mean mode?");
    assert_refuses("wintun_file: x\n", "server.yaml:1: wintun_file: unknown option; remove it, or "
                                       "set accept_unknowns: true");
}

static void test_unknown_options_can_be_accepted(void **state)
{
    (void)state;
    assert_loads("foo_bar: 1\naccept_unknowns: true\nqux: [1]\n");
    assert_int_equal(report.n_warnings, 1);
    assert_string_equal(report.warnings[0],
                        "unknown options ignored: server.yaml:1: foo_bar, server.yaml:3: qux");
    assert_int_equal(load_all("qux: 1\n", LIST("-a"), LIST("LW_SERVER_NEW=1")), 0);
    assert_a_warning(&report, "server.yaml:1: qux, environment: LW_SERVER_NEW");
    assert_int_equal(load_all("qux: 1\n", NULL, LIST("LW_SERVER_ACCEPT_UNKNOWNS=true")), 0);
    assert_int_equal(report.n_warnings, 1);
}

/* --- environment --------------------------------------------------------------------------- */

static void test_environment_names_count_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_Mode=udp", "LW_SERVER_enable_pqc=true")),
                     0);
    assert_int_equal(config.mode, SW_SERVE_UDP);
    assert_true(config.enable_pqc);
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_MODE=udp", "LW_SERVER_mode=tcp")),
                     SW_EINVAL);
    assert_only_error(&report, "environment: LW_SERVER_MODE: is set twice, in different case; "
                               "unset one of them");
}

static void test_empty_variables_and_log_filters_are_no_options(void **state)
{
    (void)state;
    assert_int_equal(load_all("", NULL,
                              LIST("LW_SERVER_MODE=", "LW_SERVER_RUST_LOG=debug",
                                   "LW_SERVER_UNKNOWN=", "LW_SERVER_")),
                     0);
    assert_int_equal(config.mode, SW_SERVE_TCP);
}

static void test_the_environment_is_strict(void **state)
{
    (void)state;
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_ENABLE_PQC=yes")), SW_EINVAL);
    assert_only_error(&report, "environment: LW_SERVER_ENABLE_PQC: \"yes\" is not a switch; "
                               "expected true or false");
    assert_int_equal(report.exit_status, 1);
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_TUNNAME=x")), SW_EINVAL);
    assert_only_error(&report, "environment: LW_SERVER_TUNNAME: unknown option; did you mean "
                               "LW_SERVER_TUN_NAME?");
}

/* --- command line -------------------------------------------------------------------------- */

static void test_flags_take_values_in_every_form(void **state)
{
    (void)state;
    static const char *const forms[][3] = {
        {"--mode", "udp", NULL}, {"--mode=udp", NULL}, {"-m", "udp", NULL},
        {"-mudp", NULL},         {"-m=udp", NULL},     {"-am", "udp", NULL},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        assert_int_equal(load_all("", forms[i], NULL), 0);
        assert_int_equal(config.mode, SW_SERVE_UDP);
    }
    assert_true(config.accept_unknowns);
}

static void test_a_bare_flag_unsets_an_optional_option(void **state)
{
    (void)state;
    assert_int_equal(load_all("tun_name: lightway\n", LIST("--tun-name", "--mode", "udp"), NULL),
                     0);
    assert_null(config.tun_name);
    assert_int_equal(config.mode, SW_SERVE_UDP);
    assert_int_equal(load_all("", LIST("--control-socket"), NULL), 0);
    assert_null(config.control_socket);
    assert_int_equal(load_all("", LIST("--control-socket="), NULL), 0);
    assert_null(config.control_socket);
    assert_int_equal(load_all("", LIST("--user-db"), NULL), SW_EINVAL);
    assert_only_error(&report, "command line: --user-db: nobody could log in; set user_db to a "
                               "file made with htpasswd -B, or token_rsa_pub_key_pem to the key "
                               "that tokens are signed with");
}

static void test_usage_errors_end_with_2(void **state)
{
    (void)state;
    assert_usage_error(LIST("--bind-addres", "x"),
                       "command line: --bind-addres: unknown option; did you mean --bind-address?");
    assert_usage_error(LIST("--mode_x"), "command line: --mode_x: unknown option; did you mean "
                                         "--mode?");
    assert_usage_error(LIST("--tun_name=x"), "command line: --tun_name=x: unknown option; did you "
                                             "mean --tun-name?");
    assert_usage_error(LIST("--zzzzzzzz"), "command line: --zzzzzzzz: unknown option");
    assert_usage_error(LIST("-z"), "command line: -z: unknown option");
    assert_usage_error(LIST("--mode"),
                       "command line: --mode: needs a value; expected tcp, udp or both");
    assert_usage_error(LIST("--mode", "udp", "-m", "udp"),
                       "command line: -m: given twice; keep one of them");
    assert_usage_error(LIST("--enable-pqc", "--enable-pqc"),
                       "command line: --enable-pqc: given twice; keep one of them");
    assert_usage_error(LIST("--enable-pqc", "false"),
                       "command line: \"false\" is not expected here; the configuration file is "
                       "given as -c FILE, values of switches as --flag=false, of other options "
                       "behind their flag");
    assert_usage_error(LIST("--enable-pqc=on"), "command line: --enable-pqc: \"on\" is not a "
                                                "switch; expected true or false");
    assert_usage_error(LIST("--mode", "sctp"), "command line: --mode: \"sctp\" is not possible; "
                                               "expected tcp, udp or both");
    assert_usage_error(LIST("--config", "x"),
                       "command line: --config: the file is named by --config-file or -c");
}

static void test_the_config_file_is_required(void **state)
{
    char *argv[] = {(char[]){"slipway-server"}, NULL};
    (void)state;
    assert_int_equal(sw_server_config_load(1, argv, NULL, &config, &report), SW_EINVAL);
    assert_only_error(&report, "command line: --config-file: is missing; start with slipway-server "
                               "--config-file FILE");
    assert_int_equal(report.exit_status, 2);
    reset();
    char *empty[] = {(char[]){"slipway-server"}, (char[]){"--config-file="}, NULL};
    assert_int_equal(sw_server_config_load(2, empty, NULL, &config, &report), SW_EINVAL);
    assert_only_error(&report, "command line: --config-file: is empty; start with slipway-server "
                               "--config-file FILE");
}

static void test_help_lists_every_option_that_is_not_hidden(void **state)
{
    char *argv[] = {(char[]){"slipway-server"}, (char[]){"--help"}, NULL};
    (void)state;
    assert_int_equal(sw_server_config_load(2, argv, NULL, &config, &report), 1);
    assert_int_equal(report.exit_status, 0);
    assert_int_equal(report.n_errors, 0);
    for (size_t i = 0; i < sw_server_options.n; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%s", sw_server_options.options[i].name);
        for (char *p = flag + 2; *p != '\0'; p++)
            *p = *p == '_' ? '-' : *p;
        if (strstr(report.output, flag) == NULL) fail_msg("%s is not in --help", flag);
    }
    assert_non_null(strstr(report.output, "[default: 0.0.0.0:27690]"));
    for (char *line = strtok(report.output, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 100);
}

static void test_version_names_program_and_version(void **state)
{
    char *argv[] = {(char[]){"slipway-server"}, (char[]){"-V"}, NULL};
    (void)state;
    assert_int_equal(sw_server_config_load(2, argv, NULL, &config, &report), 1);
    assert_string_equal(report.output, "slipway-server " SLIPWAY_VERSION "\n");
}

/* --- rules between options, later features, files ------------------------------------------- */

static void test_options_that_contradict_each_other(void **state)
{
    (void)state;
    assert_refuses("mode: tcp\nenable_expresslane: true\n",
                   "server.yaml:2: enable_expresslane: needs mode udp or both; set mode: udp or "
                   "both, or remove enable_expresslane");
    assert_refuses("mode: udp\nproxy_protocol: true\n",
                   "server.yaml:2: proxy_protocol: needs mode tcp or both; set mode: tcp or both, "
                   "or remove proxy_protocol");
    assert_loads("mode: tcp\nenable_pmtud: true\n");
    assert_a_warning(&report, "enable_pmtud: has no effect with mode tcp");
    assert_loads("mode: udp\nenable_pmtud: true\n");
    assert_true(config.enable_pmtud && report.n_warnings == 0);
    assert_loads("mode: both\nenable_expresslane: true\nproxy_protocol: true\n");
    assert_true(sw_server_serves(&config, SW_DATAGRAM) && sw_server_serves(&config, SW_STREAM));
    assert_string_equal(sw_server_mode_name(&config), "both");
    reset();
    assert_int_equal(
        sw_options_load_text(&sw_server_options, "server.yaml", "", 0, &config, &report),
        SW_EINVAL);
    assert_only_error(&report, "server.yaml: user_db: nobody could log in; set user_db to a file "
                               "made with htpasswd -B, or token_rsa_pub_key_pem to the key that "
                               "tokens are signed with");
}

static void test_options_without_effect_warn_once_if_set(void **state)
{
    (void)state;
    static const char *const later[] = {"tls_debug: true\n"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        assert_int_equal(load_text(later[i]), 0);
        if (report.n_warnings != 1) fail_msg("%s: %zu warnings", later[i], report.n_warnings);
        assert_a_warning(&report, ": accepted, but has no effect in this version");
    }
    assert_loads("tls_debug: false\n");
    assert_int_equal(report.n_warnings, 0);
}

static void test_what_is_done_otherwise_here_is_accepted_in_silence(void **state)
{
    (void)state;
    assert_loads("enable_tun_iouring: true\niouring_entry_count: 100000\n"
                 "iouring_sqpoll_idle_time: 0s\nconnection_age_expiration_interval: 10s\n");
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(load_all("", LIST("--enable-tun-iouring", "--iouring-entry-count=1"), NULL),
                     0);
    assert_int_equal(report.n_warnings, 0);
}

static void test_every_log_form_is_known(void **state)
{
    static const char *const words[] = {"full", "compact", "pretty", "json"};
    static const int values[] = {SW_LOG_FULL, SW_LOG_COMPACT, SW_LOG_PRETTY, SW_LOG_JSON};
    char yaml[64];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        snprintf(yaml, sizeof yaml, "log_format: %s\n", words[i]);
        assert_loads(yaml);
        assert_int_equal(report.n_warnings, 0);
        assert_int_equal(config.log_format, values[i]);
    }
}

static void test_retired_options_warn(void **state)
{
    (void)state;
    assert_loads("bind_attempts: 3\n");
    assert_int_equal(report.n_warnings, 1);
    assert_string_equal(report.warnings[0],
                        "server.yaml:1: bind_attempts: ignored; it no longer exists; remove it");
    assert_int_equal(load_all("", NULL, LIST("LW_SERVER_BIND_ATTEMPTS=3")), 0);
    assert_string_equal(report.warnings[0], "environment: LW_SERVER_BIND_ATTEMPTS: ignored; it no "
                                            "longer exists; remove it");
    assert_usage_error(LIST("--bind-attempts=3"),
                       "command line: --bind-attempts=3: it no longer exists; remove it");
}

static void test_both_programs_generate(void **state)
{
    char *argv[] = {(char[]){"slipway-server"}, (char[]){"-gyaml"}, (char[]){"-cout.yaml"},
                    (char[]){"--user-db=users"}, NULL};
    (void)state;
    assert_int_equal(sw_server_config_load(3, argv, NULL, &config, &report), 1);
    assert_string_equal(report.output, "Wrote out.yaml\n");
    char text[16384] = "";
    FILE *in = fopen("out.yaml", "r");
    assert_non_null(in);
    size_t len = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    strcpy(text + len, "user_db: users\n");
    char *unset = strstr(text, "user_db: null\n");
    assert_non_null(unset);
    memcpy(unset, "#ser_db", 7);
    reset();
    int rc =
        sw_options_load_text(&sw_server_options, "out.yaml", text, strlen(text), &config, &report);
    if (rc != 0) print_report(&report);
    assert_int_equal(rc, 0);
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.udp_buffer_size, 15 << 20);
}

static void test_ip_map_is_a_map_or_a_path(void **state)
{
    (void)state;
    assert_loads("ip_map:\n  172.16.0.1: 10.125.128.0/28\n  \"::1\": 10.125.128.17/28\n");
    assert_int_equal(config.ip_map.n, 2);
    assert_int_equal(config.ip_map.entries[0].incoming.family, 4);
    assert_int_equal(config.ip_map.entries[0].incoming.ip[3], 1);
    assert_int_equal(config.ip_map.entries[1].incoming.family, 6);
    assert_int_equal(config.ip_map.entries[1].net.address.s_addr, inet_addr("10.125.128.16"));
    assert_int_equal(config.ip_map.entries[1].net.prefix, 28);

    fixture_write("map.json", 0644, "{\"172.16.0.1\": \"10.125.128.0/28\"}");
    assert_int_equal(load_all("", LIST("--ip-map", "map.json"), NULL), 0);
    assert_int_equal(config.ip_map.n, 1);
    assert_string_equal(config.ip_map.path, "map.json");

    assert_refuses("ip_map:\n  172.16.0.1: 10.125.128.0/28\n  x: 1.0.0.0/8\n",
                   "server.yaml:3: ip_map: \"x\" is not an IP address; expected the address that "
                   "clients connect to");
    assert_refuses("ip_map:\n  172.16.0.1: 10.125.128.0\n",
                   "server.yaml:2: ip_map: 172.16.0.1: \"10.125.128.0\" is not an IPv4 network; "
                   "expected e.g. 10.125.128.0/28");
    fixture_write("map.yaml", 0644, "\n1.2.3.4: [x]\n");
    assert_int_equal(load_all("ip_map: map.yaml\n", NULL, NULL), SW_EINVAL);
    assert_an_error(&report, "server.yaml:1: ip_map: map.yaml: line 2: 1.2.3.4: \"a list\" is not");
    assert_int_equal(load_all("ip_map: none.yaml\n", NULL, NULL), SW_EINVAL);
    assert_an_error(&report, "ip_map: none.yaml: cannot be read: No such file");
}

static void test_ip_map_has_to_fit_the_pool(void **state)
{
    (void)state;
    assert_int_equal(
        load_all("ip_pool: 10.1.0.0/16\nip_map: {1.2.3.4: 10.125.0.0/24}\n", NULL, NULL),
        SW_EINVAL);
    assert_only_error(&report, "server.yaml:2: ip_map: 10.125.0.0/24 is not part of ip_pool, which "
                               "is 10.1.0.0/16");
    assert_int_equal(
        load_all("ip_map: {1.2.3.4: 10.125.0.0/24, \"::1\": 10.125.0.128/28}\n", NULL, NULL),
        SW_EINVAL);
    assert_only_error(&report, "server.yaml:1: ip_map: 10.125.0.0/24 and 10.125.0.128/28 overlap");
    assert_int_equal(
        load_all("ip_map: {1.2.3.4: 10.125.0.0/24}\nbind_address: 1.2.3.4:443\n", NULL, NULL), 0);
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(
        load_all("ip_map: {1.2.3.4: 10.125.0.0/24}\nbind_address: 1.2.3.5:443\n", NULL, NULL), 0);
    assert_a_warning(&report, "ip_map: nobody comes to 1.2.3.4: bind_address is 1.2.3.5:443");
}

static void test_files_must_be_safe(void **state)
{
    (void)state;
    assert_int_equal(load_all("", NULL, NULL), 0);
    assert_int_equal(chmod("server.key", 0644), 0);

    char *argv[] = {(char[]){"slipway-server"}, (char[]){"-c"}, (char[]){"server.yaml"}, NULL};
    char *off[] = {(char[]){"LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=1"}, NULL};
    reset();
    assert_int_equal(sw_server_config_load(3, argv, NULL, &config, &report), SW_EINVAL);
    assert_an_error(&report, "server.yaml: server_key: ");
    assert_an_error(&report, "/server.key may be read or changed by other users (mode 0644)");
    assert_int_equal(report.exit_status, 1);
    reset();
    assert_int_equal(sw_server_config_load(3, argv, off, &config, &report), 0);

    assert_int_equal(unlink("users"), 0);
    assert_int_equal(chmod("server.yaml", 0666), 0);
    reset();
    assert_int_equal(sw_server_config_load(3, argv, NULL, &config, &report), SW_EINVAL);
    assert_an_error(&report, "/server.yaml may be changed by other users (mode 0666)");
    reset();
    assert_int_equal(sw_server_config_load(3, argv, off, &config, &report), SW_EINVAL);
    assert_an_error(&report, "server.yaml:1: user_db: users cannot be read: No such file");
    reset();
    argv[2] = (char[]){"missing.yaml"};
    assert_int_equal(sw_server_config_load(3, argv, NULL, &config, &report), SW_EINVAL);
    assert_an_error(&report, "missing.yaml cannot be read: No such file");
}

static void collect(void *user, const char *text, bool is_default)
{
    char *all = user;
    strcat(strcat(strcat(all, is_default ? "  " : "* "), text), "\n");
}

static void test_the_effective_configuration_can_be_printed(void **state)
{
    (void)state;
    char all[4096] = "";
    assert_loads("mode: udp\nudp_buffer_size: 1.5MiB\nlog_level: info\n");
    sw_options_print(&sw_server_options, &config, collect, all);
    assert_non_null(strstr(all, "* mode: udp\n"));
    assert_non_null(strstr(all, "* udp_buffer_size: 1536KiB\n"));
    assert_non_null(strstr(all, "  tun_name: (unset)\n"));
    assert_non_null(strstr(all, "  bind_address: 0.0.0.0:27690\n"));
    assert_non_null(strstr(all, "* user_db: users\n"));
    assert_non_null(strstr(all, "  log_level: info\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_option_has_its_documented_default),
        TEST(test_later_sources_win),
        TEST(test_false_counts_in_every_source),
        TEST(test_offload_has_three_states),
        TEST(test_every_offload_has_a_switch_of_its_own),
        TEST(test_offloads_that_exclude_each_other),
        TEST(test_offload_and_batch_send_go_together),
        TEST(test_null_leaves_an_option_as_it_is),
        TEST(test_the_word_off_is_a_log_level),
        TEST(test_config_file_in_the_file_is_ignored),
        TEST(test_values_of_every_type_are_read),
        TEST(test_a_wrong_value_names_line_key_value_and_what_to_write),
        TEST(test_networks_that_cannot_be_pools_are_refused),
        TEST(test_addresses_that_are_none_are_refused),
        TEST(test_one_run_shows_everything_that_is_wrong),
        TEST(test_messages_are_one_line_whatever_the_value),
        TEST(test_a_file_that_is_no_map_is_refused),
        TEST(test_syntax_errors_name_file_and_line),
        TEST(test_unknown_options_are_errors_with_a_suggestion),
        TEST(test_unknown_options_can_be_accepted),
        TEST(test_environment_names_count_in_any_case),
        TEST(test_empty_variables_and_log_filters_are_no_options),
        TEST(test_the_environment_is_strict),
        TEST(test_flags_take_values_in_every_form),
        TEST(test_a_bare_flag_unsets_an_optional_option),
        TEST(test_usage_errors_end_with_2),
        TEST(test_the_config_file_is_required),
        TEST(test_help_lists_every_option_that_is_not_hidden),
        TEST(test_version_names_program_and_version),
        TEST(test_options_that_contradict_each_other),
        TEST(test_options_without_effect_warn_once_if_set),
        TEST(test_what_is_done_otherwise_here_is_accepted_in_silence),
        TEST(test_every_log_form_is_known),
        TEST(test_retired_options_warn),
        TEST(test_both_programs_generate),
        TEST(test_ip_map_is_a_map_or_a_path),
        TEST(test_ip_map_has_to_fit_the_pool),
        TEST(test_files_must_be_safe),
        TEST(test_the_effective_configuration_can_be_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
