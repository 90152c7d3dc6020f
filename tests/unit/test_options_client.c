/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The client's options: its table, the list of servers and what entries inherit, CA text,
 * credentials, --generate, and the files that stock clients and servers come with. */

#include <arpa/inet.h>
#include <jansson.h>
#include <slipway/error.h>

#include "client/client_options.h"
#include "config_fixture.h"
#include "server/server_options.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

static struct sw_client_config config;
static struct sw_config_report report;

static void reset(void)
{
    sw_client_config_free(&config);
    sw_config_report_free(&report);
}

static int leave(void **state)
{
    reset();
    return fixture_leave(state);
}

static int load_text(const char *yaml)
{
    reset();
    return sw_options_load_text(&sw_client_options, "client.yaml", yaml, strlen(yaml), &config,
                                &report);
}

static void assert_loads(const char *yaml)
{
    int rc = load_text(yaml);
    if (rc != 0) print_report(&report);
    assert_int_equal(rc, 0);
}

static void assert_refuses(const char *yaml, const char *error)
{
    assert_int_equal(load_text(yaml), SW_EINVAL);
    assert_only_error(&report, error);
}

/* What every client file needs. */
#define LOGIN "server: host:1\nuser: u\npassword: p\ndns_config_mode: noexec\n"

static int load_file(const char *path, char *const *environment)
{
    char *argv[] = {(char[]){"slipway-client"}, (char[]){"-c"}, NULL, NULL};
    argv[2] = strdup(path);
    reset();
    int rc = sw_client_config_load(3, argv, environment, &config, &report);
    free(argv[2]);
    return rc;
}

static void test_every_option_has_its_documented_default(void **state)
{
    (void)state;
    assert_loads(LOGIN);
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.mode, SW_STREAM);
    assert_null(config.server_dn);
    assert_int_equal(config.cipher, SW_CLIENT_AES256);
    assert_int_equal(config.outside_mtu, 1500);
    assert_null(config.token);
    assert_string_equal(config.ca_cert.path, "./ca_cert.crt");
    assert_string_equal(config.tun_name, "lightway");
    assert_int_equal(config.tun_local_ip.s_addr, inet_addr("100.64.0.6"));
    assert_int_equal(config.tun_peer_ip.s_addr, inet_addr("100.64.0.5"));
    assert_int_equal(config.tun_dns_ip.s_addr, inet_addr("100.64.0.1"));
    assert_int_equal(config.keyshare, SW_CLIENT_P521MLKEM1024);
    assert_int_equal(config.keepalive_interval, 10 * SW_SECOND);
    assert_int_equal(config.keepalive_timeout, 60 * SW_SECOND);
    assert_true(config.keepalive_continuous);
    assert_int_equal(config.tracer_packet_timeout, 10 * SW_SECOND);
    assert_int_equal(config.preferred_connection_wait_interval, 0);
    assert_int_equal(config.connect_timeout, 30 * SW_SECOND);
    assert_false(config.reconnect);
    assert_int_equal(config.reconnect_wait, SW_SECOND);
    assert_int_equal(config.reconnect_wait_max, SW_MINUTE);
    assert_int_equal(config.sndbuf, 8 << 20);
    assert_int_equal(config.rcvbuf, 8 << 20);
    assert_false(config.enable_batch_receive);
    assert_int_equal(config.route_mode, SW_CLIENT_ROUTES_DEFAULT);
    assert_int_equal(config.fwmark, 0);
    assert_int_equal(config.log_level, SW_LOG_INFO);
    assert_false(config.enable_expresslane);
    assert_int_equal(config.expresslane_keys_rotation_interval, 15 * SW_MINUTE);
    assert_false(config.enable_pmtud);
    assert_int_equal(config.pmtud_base_mtu, 0);
    assert_int_equal(config.enable_tun_offload, SW_AUTO);
    assert_false(config.enable_tun_iouring);
    assert_int_equal(config.iouring_entry_count, 1024);
    assert_int_equal(config.iouring_sqpoll_idle_time, 100 * SW_MILLISECOND);
    assert_false(config.enable_inside_pkt_encoding);
    assert_null(config.keylog);
    assert_false(config.tls_debug);
    assert_string_equal(config.control_socket, "/run/slipway/client-%i.sock");
    assert_int_equal(config.generate, SW_GENERATE_NONE);
}

static void test_without_a_list_the_top_level_is_the_one_server(void **state)
{
    (void)state;
    assert_loads("server: \"[2001:db8::1]:443\"\nmode: udp\ncipher: chacha20\n"
                 "server_dn: vpn.example.net\nuser: u\npassword: p\noutside_mtu: 1400\n");
    assert_int_equal(config.servers.n, 1);
    const struct sw_client_server *entry = &config.servers.entries[0];
    assert_string_equal(entry->server.host, "2001:db8::1");
    assert_int_equal(entry->server.port, 443);
    assert_int_equal(entry->mode, SW_DATAGRAM);
    assert_int_equal(entry->cipher, SW_CLIENT_CHACHA20);
    assert_string_equal(entry->server_dn, "vpn.example.net");
    assert_string_equal(entry->user, "u");
    assert_string_equal(entry->password, "p");
    assert_null(entry->token);
    assert_string_equal(entry->ca_cert.path, "./ca_cert.crt");
    assert_int_equal(entry->outside_mtu, 1400);
}

static void test_server_addresses(void **state)
{
    static const char *const good[][3] = {{"vpn.example.net:27690", "vpn.example.net", "27690"},
                                          {"10.0.0.1:1", "10.0.0.1", "1"},
                                          {"'[fe80::1%eth0]:65535'", "fe80::1%eth0", "65535"}};
    static const char *const bad[] = {"host",    "'host:'", "host:0",      "host:65536", "':1'",
                                      "host:1x", "'::1:1'", "'[host]:1'",  "'[::1]'",    "'a b:1'",
                                      "'[]:1'",  "'a/b:1'", "'http://h:1'"};
    char yaml[128];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(yaml, sizeof yaml, "server: %s\nuser: u\npassword: p\n", good[i][0]);
        assert_loads(yaml);
        assert_string_equal(config.servers.entries[0].server.host, good[i][1]);
        assert_int_equal(config.servers.entries[0].server.port, atoi(good[i][2]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(yaml, sizeof yaml, "server: %s\nuser: u\npassword: p\n", bad[i]);
        if (load_text(yaml) != SW_EINVAL) fail_msg("%s was accepted", bad[i]);
        assert_an_error(&report, "is not a server address; expected a host and a port");
    }
    assert_refuses("user: u\npassword: p\n",
                   "client.yaml: server: is missing; expected a host and a port, e.g. "
                   "vpn.example.net:27690 or [2001:db8::1]:27690, or a list in servers");
    assert_int_equal(load_text("server: ''\nuser: u\npassword: p\n"), SW_EINVAL);
    assert_an_error(&report, "client.yaml:1: server: is missing");
}

static void test_entries_inherit_credentials_and_ca(void **state)
{
    (void)state;
    assert_loads(
        "servers:\n"
        "  - server: one:1\n"
        "  - {server: two:2, user: other, password: secret, mode: udp,\n"
        "     cipher: chacha20, server_dn: two.test, ca_cert: two.crt, outside_mtu: 1400}\n"
        "  - {server: three:3, token: abc, password: unused}\n"
        "user: u\npassword: p\nca_cert: top.crt\nmode: udp\ncipher: chacha20\n"
        "server_dn: top.test\n");
    const struct sw_client_server *entries = config.servers.entries;
    assert_int_equal(config.servers.n, 3);
    assert_string_equal(entries[0].user, "u");
    assert_string_equal(entries[0].password, "p");
    assert_string_equal(entries[0].ca_cert.path, "top.crt");
    assert_int_equal(entries[0].mode, SW_STREAM); /* defaults, not the top level's */
    assert_int_equal(entries[0].cipher, SW_CLIENT_AES256);
    assert_null(entries[0].server_dn);

    assert_string_equal(entries[1].user, "other");
    assert_string_equal(entries[1].password, "secret");
    assert_string_equal(entries[1].ca_cert.path, "two.crt");
    assert_int_equal(entries[1].mode, SW_DATAGRAM);
    assert_int_equal(entries[1].cipher, SW_CLIENT_CHACHA20);
    assert_string_equal(entries[1].server_dn, "two.test");
    assert_int_equal(entries[1].outside_mtu, 1400);

    assert_string_equal(entries[2].token, "abc");
    assert_null(entries[2].user);
    assert_null(entries[2].password);
    assert_int_equal(report.n_warnings, 0);
}

static void test_an_entry_with_any_credential_inherits_none(void **state)
{
    (void)state;
    assert_loads("servers:\n  - {server: one:1, user: x}\n  - server: two:2\n"
                 "token: t\n");
    assert_int_equal(config.servers.n, 1);
    assert_string_equal(config.servers.entries[0].server.host, "two");
    assert_string_equal(config.servers.entries[0].token, "t");
    assert_a_warning(&report, "client.yaml:1: servers: entry 0 (one) left out: it has no password");
}

static void test_a_token_wins_over_user_and_password(void **state)
{
    (void)state;
    assert_loads("server: h:1\nuser: u\npassword: p\ntoken: t\n");
    assert_string_equal(config.servers.entries[0].token, "t");
    assert_null(config.servers.entries[0].user);
    assert_null(config.servers.entries[0].password);
}

static void test_without_credentials_nothing_starts(void **state)
{
    (void)state;
    assert_refuses("server: h:1\n", "client.yaml:1: server: no user and password (or token) given; "
                                    "set both user and password, or token");
    assert_refuses("server: h:1\nuser: u\n", "client.yaml:1: server: no password given; set both "
                                             "user and password, or token");
    assert_refuses("servers: [{server: 'h:1'}]\npassword: u\n",
                   "client.yaml:1: servers: no user given; set both user and password, or token");
}

static void test_wrong_entries_are_refused_with_their_line(void **state)
{
    (void)state;
    assert_refuses("user: u\npassword: p\nservers:\n  - mode: udp\n",
                   "client.yaml:4: servers[0]: has no server; expected a host and a port, e.g. "
                   "vpn.example.net:27690 or [2001:db8::1]:27690");
    assert_refuses("user: u\npassword: p\nservers:\n  - server: h:1\n  - server: h\n",
                   "client.yaml:5: servers[1].server: \"h\" is not a server address; expected a "
                   "host and a port, e.g. vpn.example.net:27690 or [2001:db8::1]:27690");
    assert_refuses("user: u\npassword: p\nservers:\n  - server: h:1\n    mod: udp\n",
                   "client.yaml:5: servers[0].mod: unknown option; did you mean mode?");
    assert_refuses("user: u\npassword: p\nservers:\n  - server: h:1\n    keyshare: x\n",
                   "client.yaml:5: servers[0].keyshare: unknown option; it belongs to the top "
                   "level of the file");
    assert_refuses("user: u\npassword: p\nservers:\n  - h:1\n",
                   "client.yaml:4: servers[0]: is a single value; expected a map with server, mode "
                   "and so on");
    assert_refuses("user: u\npassword: p\nservers: {server: h:1}\n",
                   "client.yaml:3: servers: is a map; expected a list of maps, each with server: "
                   "HOST:PORT");
    assert_refuses("user: u\npassword: p\nservers: h:1\n",
                   "client.yaml:3: servers: \"h:1\" is not a list; expected a list of maps, each "
                   "with server: HOST:PORT");
    assert_loads(
        "user: u\npassword: p\naccept_unknowns: yes\nservers:\n  - {server: 'h:1', x: 1}\n");
    assert_a_warning(&report, "unknown options ignored: client.yaml:5: servers[0].x");
}

#define FIFTY_ONE_BYTES "a-text-of-fifty-one-bytes-is-longer-than-the-frame-"

/* Every key an entry can have: a good value, a bad one and what is said about it. */
static void test_keys_of_entries_are_checked_as_at_the_top_level(void **state)
{
    static const struct {
        const char *key, *good, *bad;
    } keys[] = {
        {"mode", "udp", "both"},
        {"server_dn", "vpn.example.net", "a\tb"},
        {"cipher", "chacha20", "aes128"},
        {"outside_mtu", "1400", "1501"},
        {"token", "a.b.c", NULL},
        {"user", "alice", FIFTY_ONE_BYTES},
        {"password", "12345", FIFTY_ONE_BYTES},
        {"ca_cert", "other.crt", "''"},
    };
    char yaml[512], line[64];
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(yaml, sizeof yaml,
                 "user: u\npassword: p\nservers:\n  - server: h:1\n    %s: %s\n%s", keys[i].key,
                 keys[i].good,
                 strcmp(keys[i].key, "user") == 0       ? "    password: x\n"
                 : strcmp(keys[i].key, "password") == 0 ? "    user: x\n"
                                                        : "");
        assert_loads(yaml);
        assert_int_equal(config.servers.n, 1);
        if (keys[i].bad == NULL) continue;
        snprintf(yaml, sizeof yaml, "user: u\npassword: p\nservers:\n  - server: h:1\n    %s: %s\n",
                 keys[i].key, keys[i].bad);
        snprintf(line, sizeof line, "client.yaml:5: servers[0].%s: ", keys[i].key);
        assert_int_equal(load_text(yaml), SW_EINVAL);
        assert_an_error(&report, line);
    }
}

static void test_an_empty_list_counts_as_none(void **state)
{
    (void)state;
    assert_loads(LOGIN "servers: []\n");
    assert_int_equal(config.servers.n, 1);
    assert_loads(LOGIN "servers:\n");
    assert_int_equal(config.servers.n, 1);
    assert_loads("server: x:1\nservers: [{server: 'h:1'}]\nuser: u\npassword: p\n");
    assert_string_equal(config.servers.entries[0].server.host, "h");
    assert_a_warning(&report, "client.yaml:1: server: ignored, because servers is given");
}

static void test_long_credentials_are_refused_and_never_shown(void **state)
{
    char yaml[2048];
    char token[1400];
    (void)state;
    snprintf(yaml, sizeof yaml, "server: h:1\nuser: %051d\npassword: p\n", 0);
    assert_int_equal(load_text(yaml), SW_EINVAL);
    assert_an_error(&report, "has 51 bytes; expected at most 50");
    snprintf(yaml, sizeof yaml, "server: h:1\nuser: %050d\npassword: %050d\n", 0, 0);
    assert_loads(yaml);

    snprintf(yaml, sizeof yaml, "server: h:1\nuser: u\npassword: topsecret%050d\n", 0);
    assert_int_equal(load_text(yaml), SW_EINVAL);
    assert_only_error(&report, "client.yaml:3: password: \"(secret)\" has 59 bytes; expected at "
                               "most 50");
    memset(token, 't', sizeof token);
    token[1346] = '\0';
    snprintf(yaml, sizeof yaml, "server: h:1\ntoken: %s\n", token);
    assert_int_equal(load_text(yaml), SW_EINVAL);
    assert_only_error(&report, "client.yaml:2: token: \"(secret)\" has 1346 bytes; expected at "
                               "most 1345");
    token[1345] = '\0';
    snprintf(yaml, sizeof yaml, "server: h:1\ntoken: %s\n", token);
    assert_loads(yaml);
}

static void collect(void *user, const char *text, bool is_default)
{
    char *all = user;
    strcat(strcat(all, text), "\n");
}

static void test_printing_hides_secrets(void **state)
{
    char all[8192] = "";
    (void)state;
    assert_loads("server: h:1\nuser: alice\npassword: topsecret\ntoken: tkn\n"
                 "ca_cert: '" BEGIN " AAAA " END "'\n");
    sw_options_print(&sw_client_options, &config, collect, all);
    assert_null(strstr(all, "topsecret"));
    assert_null(strstr(all, "tkn"));
    assert_non_null(strstr(all, "password: (9 bytes)\n"));
    assert_non_null(strstr(all, "token: (3 bytes)\n"));
    assert_non_null(strstr(all, "user: alice\n"));
    assert_non_null(strstr(all, "ca_cert: (text, "));
    assert_non_null(strstr(all, "servers: h:1 tcp\n"));
}

static void test_text_may_look_like_something_else(void **state)
{
    (void)state;
    assert_loads("server: h:1\nuser: 12345\npassword: on\n");
    assert_string_equal(config.servers.entries[0].user, "12345");
    assert_string_equal(config.servers.entries[0].password, "on");
    assert_loads("server: h:1\nuser: ''\npassword: 'null'\n");
    assert_string_equal(config.servers.entries[0].user, "");
    assert_string_equal(config.servers.entries[0].password, "null");
}

static void test_limits_of_numbers(void **state)
{
    (void)state;
    assert_refuses(LOGIN "outside_mtu: 575\n",
                   "client.yaml:5: outside_mtu: \"575\" is out of range; expected 576 to 1500");
    assert_refuses(LOGIN "outside_mtu: 1501\n",
                   "client.yaml:5: outside_mtu: \"1501\" is out of range; expected 576 to 1500");
    assert_loads(LOGIN "outside_mtu: 576\nfwmark: 4294967295\n");
    assert_int_equal(config.outside_mtu, 576);
    assert_int_equal(config.fwmark, UINT32_MAX);
    assert_int_equal(load_text(LOGIN "fwmark: 4294967296\n"), SW_EINVAL);
    assert_int_equal(load_text(LOGIN "keepalive_interval: 0s\n"), SW_EINVAL);
    assert_int_equal(load_text(LOGIN "keepalive_timeout: 0\n"), SW_EINVAL);
    assert_int_equal(load_text(LOGIN "tracer_packet_timeout: 0s\n"), SW_EINVAL);
    assert_loads(LOGIN "preferred_connection_wait_interval: 0s\niouring_sqpoll_idle_time: 0ms\n");
}

static void test_waits_of_reconnect_must_fit_each_other(void **state)
{
    (void)state;
    assert_loads(LOGIN "reconnect: true\nreconnect_wait: 2s\nreconnect_wait_max: 2s\n");
    assert_true(config.reconnect);
    assert_int_equal(config.reconnect_wait, 2 * SW_SECOND);
    assert_int_equal(load_text(LOGIN "reconnect_wait: 2m\n"), SW_EINVAL);
    assert_int_equal(load_text(LOGIN "reconnect_wait: 99ms\n"), SW_EINVAL);
    assert_int_equal(load_text(LOGIN "connect_timeout: 500ms\n"), SW_EINVAL);
    assert_loads(LOGIN "connect_timeout: 1s\npreferred_connection_wait_interval: 2s\n");
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.connect_timeout, SW_SECOND);
    assert_int_equal(config.preferred_connection_wait_interval, 2 * SW_SECOND);
}

static void test_booleans_that_default_to_true_can_be_false(void **state)
{
    (void)state;
    assert_loads(LOGIN "keepalive_continuous: false\n");
    assert_false(config.keepalive_continuous);
}

static void test_features_that_come_later_warn(void **state)
{
    static const char *const later[] = {"keylog: /x", "tls_debug: true"};
    (void)state;
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, LOGIN "%s\n", later[i]);
        assert_loads(yaml);
        assert_int_equal(report.n_warnings, 1);
        assert_a_warning(&report, "client.yaml:5: ");
        assert_a_warning(&report, ": accepted, but has no effect in this version");
    }
}

static void test_routes_name_servers_and_filter(void **state)
{
    (void)state;
    assert_loads("server: h:1\nuser: u\npassword: p\n");
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.route_mode, SW_CLIENT_ROUTES_DEFAULT);
    assert_int_equal(config.dns_config_mode, SW_CLIENT_DNS_DEFAULT);
    assert_false(config.kill_switch);
    assert_false(config.block_ipv6);
    assert_string_equal(config.state_file, "/run/slipway/client-%i.state");
    assert_false(config.state_file_explicit);
    assert_loads(LOGIN "route_mode: lan\nkill_switch: yes\nblock_ipv6: true\nstate_file: here\n");
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.route_mode, SW_CLIENT_ROUTES_LAN);
    assert_int_equal(config.dns_config_mode, SW_CLIENT_DNS_NOEXEC);
    assert_true(config.kill_switch);
    assert_true(config.block_ipv6);
    assert_string_equal(config.state_file, "here");
    assert_true(config.state_file_explicit);
}

static void test_retired_options_warn_and_former_names_count(void **state)
{
    (void)state;
    assert_loads(LOGIN "inside_mtu: 1350\nenable_pqc: true\n"
                       "enable_inside_pkt_encoding_at_connect: true\n");
    assert_a_warning(&report, "client.yaml:5: inside_mtu: ignored; it no longer exists, the "
                              "tunnel's MTU is 1350; remove it");
    assert_a_warning(&report,
                     "client.yaml:6: enable_pqc: ignored; it no longer exists, see keyshare; "
                     "remove it");
    assert_a_warning(&report, "client.yaml:7: enable_inside_pkt_encoding_at_connect: is called "
                              "enable_inside_pkt_encoding now; rename it");
    assert_true(config.enable_inside_pkt_encoding);
    assert_int_equal(load_text(LOGIN "enable_inside_pkt_encoding_at_connect: maybe\n"), SW_EINVAL);
    assert_an_error(&report,
                    "client.yaml:5: enable_inside_pkt_encoding: \"maybe\" is not a switch");
}

static void test_options_of_other_systems_say_so(void **state)
{
    (void)state;
    assert_int_equal(load_text(LOGIN "wintun_file: x\nenable_connected_udp: true\nsni_header: x\n"
                                     "log_format: json\n"),
                     SW_EINVAL);
    assert_int_equal(report.n_errors, 4);
    assert_an_error(
        &report, "client.yaml:5: wintun_file: unknown option; it is for Windows only; remove it");
    assert_an_error(&report, "client.yaml:6: enable_connected_udp: unknown option; it is for Apple "
                             "systems only; remove it");
    assert_an_error(&report, "client.yaml:7: sni_header: unknown option; it is for mobile");
    assert_an_error(&report, "client.yaml:8: log_format: unknown option; only the server has it");
}

static void test_options_of_udp_warn_without_a_udp_server(void **state)
{
    static const char *const udp[] = {"sndbuf: 1MiB", "rcvbuf: 1MiB", "enable_batch_receive: yes",
                                      "enable_pmtud: true"};
    char yaml[256];
    (void)state;
    for (size_t i = 0; i < sizeof udp / sizeof udp[0]; i++) {
        snprintf(yaml, sizeof yaml, LOGIN "mode: tcp\n%s\n", udp[i]);
        assert_loads(yaml);
        assert_int_equal(report.n_warnings, 1);
        assert_a_warning(&report, ": has no effect with mode tcp");
        snprintf(yaml, sizeof yaml, LOGIN "mode: udp\n%s\n", udp[i]);
        assert_loads(yaml);
        assert_int_equal(report.n_warnings, 0);
    }
    assert_loads(LOGIN "mode: udp\nenable_pmtud: true\npmtud_base_mtu: 1200\n");
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.pmtud_base_mtu, 1200);
    assert_loads(LOGIN "pmtud_base_mtu: 1200\n");
    assert_int_equal(report.n_warnings, 1);
    assert_a_warning(&report, "pmtud_base_mtu: has no effect without enable_pmtud: true");
    assert_loads(LOGIN "sndbuf: 8MiB\nrcvbuf: 8192KiB\n");
    assert_int_equal(report.n_warnings, 0);
    assert_loads("user: u\npassword: p\ndns_config_mode: noexec\nsndbuf: 1MiB\n"
                 "servers: [{server: 'a:1'}, {server: 'b:1', mode: udp}]\n");
    assert_int_equal(report.n_warnings, 0);
}

static void test_ca_text_is_unfolded(void **state)
{
    (void)state;
    assert_loads(LOGIN "ca_cert: >\n  " BEGIN "\n  AAAA\n  BBBB\n  " END "\n");
    assert_null(config.servers.entries[0].ca_cert.path);
    assert_string_equal(config.servers.entries[0].ca_cert.pem, BEGIN "\nAAAABBBB\n" END "\n");
    assert_int_equal(load_text(LOGIN "ca_cert: '" BEGIN " A?A '\n"), SW_EINVAL);
    assert_an_error(&report, "client.yaml:5: ca_cert: ");
    assert_an_error(&report, "not base64 inside a certificate");
}

static void test_ca_files_are_read(void **state)
{
    (void)state;
    fixture_write("client.yaml", 0600, LOGIN "ca_cert: ca.crt\n");
    assert_int_equal(load_file("client.yaml", NULL), SW_EINVAL);
    assert_an_error(&report, "client.yaml:5: ca_cert: ca.crt: cannot be read: No such file");

    fixture_write("ca.crt", 0644, "some text\n" BEGIN "\nAAAA\n" END "\n");
    assert_int_equal(load_file("client.yaml", NULL), 0);
    assert_string_equal(config.servers.entries[0].ca_cert.pem, BEGIN "\nAAAA\n" END "\n");
    assert_string_equal(config.servers.entries[0].ca_cert.path, "ca.crt");

    fixture_write("ca.crt", 0644, "not a certificate");
    assert_int_equal(load_file("client.yaml", NULL), SW_EINVAL);
    assert_an_error(&report, "ca_cert: ca.crt: holds no certificate in PEM form");
    assert_int_equal(unlink("ca.crt"), 0);
    assert_int_equal(mkfifo("ca.crt", 0600), 0);
    assert_int_equal(load_file("client.yaml", NULL), SW_EINVAL);
    assert_an_error(&report, "ca.crt: is not a regular file");
}

static void test_the_clients_file_is_for_its_owner_only(void **state)
{
    (void)state;
    fixture_write("client.yaml", 0644, LOGIN "ca_cert: '" BEGIN " AAAA " END "'\n");
    assert_int_equal(load_file("client.yaml", NULL), SW_EINVAL);
    assert_an_error(&report, "client.yaml may be read or changed by other users (mode 0644)");
    assert_int_equal(chmod("client.yaml", 0600), 0);
    assert_int_equal(load_file("client.yaml", NULL), 0);
}

#define FIFTY_BYTES  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define LONGEST_NAME FIFTY_BYTES FIFTY_BYTES FIFTY_BYTES FIFTY_BYTES FIFTY_BYTES "253"

static void test_names_that_no_certificate_is_checked_against_are_refused(void **state)
{
    static const char *const bad[] = {"a\tb", LONGEST_NAME "a"};
    static const char *const said[] = {"a?b", FIFTY_BYTES "aaaaaaaaaabbbbbbbbbbcccccccccc..."};
    static const char *const good[] = {
        "localhost", "vpn.example.net", "a.b.",         "server",     "My VPN 1",
        "10.0.0.1",  "2001:db8::1",     "M\u00fcnchen", LONGEST_NAME, ""};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char yaml[512], line[512];
        snprintf(yaml, sizeof yaml, LOGIN "server_dn: '%s'\n", bad[i]);
        snprintf(
            line, sizeof line,
            "client.yaml:5: server_dn: \"%s\" is not a name that a certificate can be checked "
            "against; expected a name or an address, e.g. vpn.example.net, of at most 253 bytes",
            said[i]);
        assert_int_equal(load_text(yaml), SW_EINVAL);
        assert_only_error(&report, line);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, LOGIN "server_dn: '%s'\n", good[i]);
        assert_loads(yaml);
    }
}

static void test_the_environment_can_carry_the_password(void **state)
{
    char *environment[] = {(char[]){"LW_CLIENT_PASSWORD=from environment"},
                           (char[]){"LW_CLIENT_SERVER_DN=name.test"}, (char[]){"LW_SERVER_X=1"},
                           NULL};
    (void)state;
    fixture_write("client.yaml", 0600, LOGIN "ca_cert: '" BEGIN " AAAA " END "'\n");
    assert_int_equal(load_file("client.yaml", environment), 0);
    assert_string_equal(config.servers.entries[0].password, "from environment");
    assert_string_equal(config.servers.entries[0].server_dn, "name.test");
    assert_string_equal(config.servers.entries[0].server.host, "host");

    char *list[] = {(char[]){"LW_CLIENT_SERVERS=a:1"}, NULL};
    assert_int_equal(load_file("client.yaml", list), SW_EINVAL);
    assert_only_error(&report, "environment: LW_CLIENT_SERVERS: can only be given in the "
                               "configuration file");
}

static int run(char *const *argv, int argc)
{
    reset();
    return sw_client_config_load(argc, argv, NULL, &config, &report);
}

static void test_generated_files_read_back_as_defaults(void **state)
{
    char *argv[] = {(char[]){"slipway-client"}, (char[]){"-g"}, (char[]){"yaml"}, (char[]){"-c"},
                    (char[]){"out.yaml"}};
    (void)state;
    assert_int_equal(run(argv, 5), 1);
    assert_string_equal(report.output, "Wrote out.yaml\n");
    assert_int_equal(report.exit_status, 0);

    char *add[] = {(char[]){"slipway-client"},
                   (char[]){"-c"},
                   (char[]){"out.yaml"},
                   (char[]){"-sh:1"},
                   (char[]){"-uu"},
                   (char[]){"-pp"},
                   (char[]){"--ca-cert"},
                   (char[]){BEGIN "AAAA" END}};
    char *value = add[7];
    assert_int_equal(value[0], '-'); /* looks like a flag: needs the form with = */
    assert_int_equal(run(add, 8), SW_EINVAL);
    add[6] = (char[]){"--ca-cert=" BEGIN "AAAA" END};
    assert_int_equal(run(add, 7), 0);
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(config.sndbuf, 8 << 20);
    assert_string_equal(config.tun_name, "lightway");
    assert_int_equal(config.enable_tun_offload, SW_AUTO);

    struct stat st;
    assert_int_equal(stat("out.yaml", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_the_schema_can_be_generated(void **state)
{
    char *argv[] = {(char[]){"slipway-client"}, (char[]){"--generate-config=jsonschema"},
                    (char[]){"-c"}, (char[]){"out.json"}};
    json_error_t error;
    (void)state;
    fixture_write("out.json", 0600, "what was there before, and is longer than what comes");
    assert_int_equal(run(argv, 4), 1);
    assert_string_equal(report.output, "Wrote out.json\n");
    json_t *schema = json_load_file("out.json", 0, &error);
    if (schema == NULL) fail_msg("%d: %s", error.line, error.text);
    json_decref(schema);
}

static void test_generate_refuses_what_it_cannot_do(void **state)
{
    char *other[] = {(char[]){"slipway-client"}, (char[]){"--generate=toml"}, (char[]){"-c"},
                     (char[]){"out"}};
    char *nowhere[] = {(char[]){"slipway-client"}, (char[]){"--generate=yaml"}};
    char *unwritable[] = {(char[]){"slipway-client"}, (char[]){"-g=yaml"}, (char[]){"-c"},
                          (char[]){"/nonexistent/out"}};
    (void)state;
    assert_int_equal(run(other, 4), SW_EINVAL);
    assert_only_error(&report,
                      "command line: --generate: \"toml\" is not possible; expected yaml or "
                      "jsonschema");
    assert_int_equal(report.exit_status, 2);
    assert_int_equal(access("out", F_OK), -1);
    assert_int_equal(run(nowhere, 2), SW_EINVAL);
    assert_only_error(&report,
                      "command line: --config-file: is missing; it names the file to write");
    assert_int_equal(run(unwritable, 4), SW_EINVAL);
    assert_an_error(&report, "/nonexistent/out cannot be written: No such file");
}

static void test_help_hides_credentials(void **state)
{
    char *argv[] = {(char[]){"slipway-client"}, (char[]){"-h"}};
    (void)state;
    assert_int_equal(run(argv, 2), 1);
    assert_null(strstr(report.output, "--password"));
    assert_null(strstr(report.output, "--token"));
    assert_null(strstr(report.output, "--user"));
    assert_null(strstr(report.output, "--servers"));
    assert_non_null(strstr(report.output, "-s, --server HOST:PORT"));
}

/* --- files of stock programs ---------------------------------------------------------------- */

static void copy_fixture(const char *name, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "config/%s", name);
    char *text = fixture_read(path);
    fixture_write(name, mode, text);
    free(text);
}

static void make_stock_files(void)
{
    assert_int_equal(mkdir("tests", 0755), 0);
    assert_int_equal(mkdir("tests/certs", 0755), 0);
    assert_int_equal(mkdir("tests/server", 0755), 0);
    fixture_write("tests/certs/ca.crt", 0644, BEGIN "\nAAAA\n" END "\n");
    fixture_write("tests/certs/server.crt", 0644, "");
    fixture_write("tests/certs/server.key", 0600, "");
    fixture_write("tests/server/lwpasswd", 0600, "");
}

static void test_stock_client_files_load(void **state)
{
    static const struct {
        const char *name;
        size_t n_servers;
        enum sw_transport first, last;
    } files[] = {
        {"client_config.yaml", 1, SW_STREAM, SW_STREAM},
        {"client_config.tcp.yaml", 10, SW_STREAM, SW_STREAM},
        {"client_config.udp.yaml", 10, SW_DATAGRAM, SW_DATAGRAM},
        {"client_config.tcp_then_udp.yaml", 2, SW_STREAM, SW_DATAGRAM},
        {"client_config.udp_then_tcp.yaml", 2, SW_DATAGRAM, SW_STREAM},
    };
    (void)state;
    make_stock_files();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        copy_fixture(files[i].name, 0600);
        int rc = load_file(files[i].name, NULL);
        if (rc != 0) print_report(&report);
        assert_int_equal(rc, 0);
        const struct sw_client_servers *servers = &config.servers;
        assert_int_equal(servers->n, files[i].n_servers);
        assert_int_equal(servers->entries[0].mode, files[i].first);
        assert_int_equal(servers->entries[servers->n - 1].mode, files[i].last);
        assert_int_equal(servers->entries[servers->n - 1].server.port, 27690);
        for (size_t k = 0; k < servers->n; k++) {
            assert_string_equal(servers->entries[k].server_dn, "goaway.com");
            assert_string_equal(servers->entries[k].user, "user");
            assert_string_equal(servers->entries[k].password, "password");
            assert_int_equal(strncmp(servers->entries[k].ca_cert.pem, BEGIN "\n", 28), 0);
        }
    }
}

static void test_the_folded_ca_of_the_stock_file_gets_its_lines_back(void **state)
{
    (void)state;
    make_stock_files();
    copy_fixture("client_config.tcp.yaml", 0600);
    assert_int_equal(load_file("client_config.tcp.yaml", NULL), 0);
    const char *pem = config.servers.entries[9].ca_cert.pem;
    size_t lines = 0;
    for (const char *p = pem; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(strcspn(strchr(pem, '\n') + 1, "\n"), 64);
    assert_true(lines > 10);
    assert_non_null(strstr(pem, "\n" END "\n"));
}

static void test_the_stock_server_file_loads(void **state)
{
    struct sw_server_config server;
    char *argv[] = {(char[]){"slipway-server"}, (char[]){"-c"}, (char[]){"server_config.yaml"}};
    (void)state;
    make_stock_files();
    copy_fixture("server_config.yaml", 0644);
    int rc = sw_server_config_load(3, argv, NULL, &server, &report);
    if (rc != 0) print_report(&report);
    assert_int_equal(rc, 0);
    assert_int_equal(report.n_warnings, 0);
    assert_string_equal(server.tun_name, "lightway");
    assert_int_equal(server.lightway_dns_ip.s_addr, inet_addr("169.254.10.5"));
    assert_int_equal(server.udp_buffer_size, 15 << 20);
    assert_string_equal(server.user_db, "tests/server/lwpasswd");
    sw_server_config_free(&server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_option_has_its_documented_default),
        TEST(test_without_a_list_the_top_level_is_the_one_server),
        TEST(test_server_addresses),
        TEST(test_entries_inherit_credentials_and_ca),
        TEST(test_an_entry_with_any_credential_inherits_none),
        TEST(test_a_token_wins_over_user_and_password),
        TEST(test_without_credentials_nothing_starts),
        TEST(test_wrong_entries_are_refused_with_their_line),
        TEST(test_keys_of_entries_are_checked_as_at_the_top_level),
        TEST(test_an_empty_list_counts_as_none),
        TEST(test_long_credentials_are_refused_and_never_shown),
        TEST(test_printing_hides_secrets),
        TEST(test_text_may_look_like_something_else),
        TEST(test_limits_of_numbers),
        TEST(test_waits_of_reconnect_must_fit_each_other),
        TEST(test_booleans_that_default_to_true_can_be_false),
        TEST(test_features_that_come_later_warn),
        TEST(test_routes_name_servers_and_filter),
        TEST(test_retired_options_warn_and_former_names_count),
        TEST(test_options_of_other_systems_say_so),
        TEST(test_options_of_udp_warn_without_a_udp_server),
        TEST(test_ca_text_is_unfolded),
        TEST(test_ca_files_are_read),
        TEST(test_the_clients_file_is_for_its_owner_only),
        TEST(test_names_that_no_certificate_is_checked_against_are_refused),
        TEST(test_the_environment_can_carry_the_password),
        TEST(test_generated_files_read_back_as_defaults),
        TEST(test_the_schema_can_be_generated),
        TEST(test_generate_refuses_what_it_cannot_do),
        TEST(test_help_hides_credentials),
        TEST(test_stock_client_files_load),
        TEST(test_the_folded_ca_of_the_stock_file_gets_its_lines_back),
        TEST(test_the_stock_server_file_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
