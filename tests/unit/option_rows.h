/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_UNIT_OPTION_ROWS_H
#define SW_TESTS_UNIT_OPTION_ROWS_H

/*
 * Every option of both programs as its users know it, written down a second time on purpose: names,
 * flags and defaults are a promise to files and scripts that exist, so no change of the tables may
 * alter them by accident. A new option gets a line here and one in docs/compatibility.md.
 */

#include <stdbool.h>
#include <stddef.h>

#include "client/client_options.h"
#include "client/client_servers.h"
#include "server/server_options.h"

/** What a value of an option is given as. */
struct option_row {
    const char *name;
    char flag; /**< short flag, 0: none */
    const struct sw_option_type *type;
    const char *initial; /**< the default as it is printed; "" is unset */
    const char *good;    /**< a value other than the default */
    const char *printed; /**< how it is printed, NULL: as it was given */
    const char *bad;     /**< values that are refused, with "|" between them; NULL: none is */
    const char *places;  /**< "": everywhere, "file" or "cli": only there */
    bool is_optional;    /**< the bare flag unsets it */
};

/* What is wrong in every option of a type. */
#define NO_SWITCH   "maybe|1|TRUE"
#define NO_DURATION "10|-1s|1x|s"
#define NO_SIZE     "15 MXB|-1|1EiB|M"
#define NO_NUMBER   "-1|1.5|010|x|4294967296"
#define NO_IPV4     "10.0.0|10.0.0.256|0.0.0.0|::1|host"

#define SWITCH(name, initial)                                                                      \
    {                                                                                              \
        name, 0, &sw_type_bool, initial, initial[0] == 't' ? "false" : "true", NULL, NO_SWITCH,    \
            "", false                                                                              \
    }
#define TRISTATE(name)                                                                             \
    {                                                                                              \
        name, 0, &sw_type_tristate, "auto", "off", "false", "maybe|1", "", false                   \
    }
#define DURATION(name, initial, good, printed, bad)                                                \
    {                                                                                              \
        name, 0, &sw_type_duration, initial, good, printed, bad NO_DURATION, "", false             \
    }
#define IPV4(name, initial)                                                                        \
    {                                                                                              \
        name, 0, &sw_type_ipv4, initial, "10.9.8.7", NULL, NO_IPV4, "", false                      \
    }

/* clang-format off */
static const struct option_row server_rows[] = {
    {"config_file", 'c', &sw_type_path, "", NULL, NULL, NULL, "cli", false},
    {"generate", 'g', &sw_type_enum, "", NULL, NULL, NULL, "cli", false},
    {"accept_unknowns", 'a', &sw_type_bool, "false", "true", NULL, NO_SWITCH, "", false},
    {"mode", 'm', &sw_type_enum, "tcp", "udp", NULL, "UDP|sctp|1", "", false},
    {"bind_address", 0, &sw_type_sockaddr, "0.0.0.0:27690", "[2001:db8::1]:443", NULL,
     "0.0.0.0|:27690|host:1|0.0.0.0:0|0.0.0.0:65536|::1:1", "", false},
    {"udp_buffer_size", 0, &sw_type_size, "15MiB", "1.5 mib", "1536KiB", NO_SIZE, "", false},
    SWITCH("proxy_protocol", "false"),
    {"workers", 0, &sw_type_u32, "0", "2", NULL, "10000|" NO_NUMBER, "", false},
    TRISTATE("offload_steering"),
    SWITCH("enable_batch_receive", "false"),
    SWITCH("enable_batch_send", "false"),
    {"server_cert", 0, &sw_type_path, "./server.crt", "a b.crt", NULL, NULL, "", false},
    {"server_key", 0, &sw_type_path, "./server.key", "/etc/k.pem", NULL, NULL, "", false},
    SWITCH("enable_pqc", "false"),
    DURATION("key_update_interval", "15m", "0", "0s", ""),
    SWITCH("tls_debug", "false"),
    {"user_db", 0, &sw_type_path, "", "users", NULL, NULL, "", true},
    {"token_rsa_pub_key_pem", 0, &sw_type_path, "", "token.pub", NULL, NULL, "", true},
    {"tun_name", 0, &sw_type_device, "", "lightway", NULL, "a/b|a b|sixteen-letters-", "", true},
    {"ip_pool", 0, &sw_type_ipv4_net, "10.125.0.0/16", "10.9.8.7/20", "10.9.0.0/20",
     "10.0.0.0|10.0.0.0/33|10.0.0.0/|::/8|x/8", "", false},
    SWITCH("randomize_ippool", "true"),
    {"ip_map", 0, &sw_type_ip_map, "", "map.yaml", NULL, NULL, "", true},
    {"tun_ip", 0, &sw_type_ipv4, "", "10.9.8.7", NULL, NO_IPV4, "", true},
    SWITCH("host_setup", "false"),
    {"host_setup_device", 0, &sw_type_device, "", "eth0", NULL, "a/b|a b", "", true},
    IPV4("lightway_server_ip", "10.125.0.6"),
    IPV4("lightway_client_ip", "10.125.0.5"),
    IPV4("lightway_dns_ip", "10.125.0.1"),
    TRISTATE("enable_tun_offload"),
    SWITCH("enable_tun_iouring", "false"),
    {"iouring_entry_count", 0, &sw_type_u32, "1024", "0x200", "512", NO_NUMBER, "", false},
    DURATION("iouring_sqpoll_idle_time", "100ms", "0s", NULL, ""),
    TRISTATE("offload_tun_tso"),
    TRISTATE("offload_tun_uso"),
    TRISTATE("offload_tun_gro"),
    TRISTATE("offload_tun_gro_udp"),
    TRISTATE("offload_udp_segment"),
    TRISTATE("offload_udp_gro"),
    {"max_segments_per_send", 0, &sw_type_u32, "0", "128", NULL, "129|" NO_NUMBER, "", false},
    SWITCH("enable_pmtud", "false"),
    SWITCH("enable_expresslane", "false"),
    DURATION("expresslane_keys_rotation_interval", "15m", "1.5s", "1s 500ms", "0s|999ms|"),
    DURATION("connection_idle_limit", "1day", "90 s", "1m 30s", "0s|999ms|"),
    DURATION("connection_age_expiration_interval", "1m", "1h 30m", NULL, "0s|0|"),
    {"log_level", 0, &sw_type_enum, "info", "off", NULL, "INFO|none|warning", "", false},
    {"log_format", 0, &sw_type_enum, "full", "json", NULL, "xml|JSON", "", false},
    DURATION("statistics_reporting_interval", "30s", "2 weeks", "14days", "0s|0|"),
    {"control_socket", 0, &sw_type_path, "/run/slipway/server-%i.sock", "/run/x.sock", NULL, NULL,
     "", true},
};

static const struct option_row client_rows[] = {
    {"config_file", 'c', &sw_type_path, "", NULL, NULL, NULL, "cli", false},
    {"generate", 'g', &sw_type_enum, "", NULL, NULL, NULL, "cli", false},
    {"accept_unknowns", 'a', &sw_type_bool, "false", "true", NULL, NO_SWITCH, "", false},
    {"servers", 0, &sw_type_client_servers, "", NULL, NULL, NULL, "file", false},
    {"server", 's', &sw_type_server, "", "vpn.example.net:443", NULL,
     "host|host:0|host:|:1|::1:1|h:65536|a b:1", "", false},
    {"mode", 'm', &sw_type_enum, "tcp", "udp", NULL, "both|UDP", "", false},
    {"server_dn", 0, &sw_type_identity, "", "vpn.example.net", NULL, "a\tb", "", false},
    {"ca_cert", 0, &sw_type_ca, "./ca_cert.crt", "ca.pem", NULL, NULL, "", false},
    {"cipher", 0, &sw_type_enum, "aes256", "chacha20", NULL, "aes128|AES256", "", false},
    {"keyshare", 0, &sw_type_enum, "p521mlkem1024", "x25519mlkem768", NULL, "x25519|p256", "",
     false},
    DURATION("preferred_connection_wait_interval", "0s", "2s", NULL, ""),
    DURATION("connect_timeout", "30s", "5s", NULL, "0s|999ms|"),
    {"user", 'u', &sw_type_text, "", "alice", NULL,
     "a-name-of-fifty-one-bytes-is-longer-than-the-frame-", "", true},
    {"password", 'p', &sw_type_text, "", "12345", NULL,
     "a-secret-of-fifty-one-bytes-is-longer-than-its-room", "", true},
    {"token", 0, &sw_type_text, "", "a.b.c", NULL, NULL, "", true},
    {"outside_mtu", 0, &sw_type_u32, "1500", "1400", NULL, "67|1501|" NO_NUMBER, "", false},
    SWITCH("enable_pmtud", "false"),
    {"pmtud_base_mtu", 0, &sw_type_u32, "", "1300", NULL, "65536|" NO_NUMBER, "", true},
    {"sndbuf", 0, &sw_type_size, "8MiB", "1.5 MiB", "1536KiB", NO_SIZE, "", false},
    {"rcvbuf", 0, &sw_type_size, "8MiB", "2MB", "2000000B", NO_SIZE, "", false},
    SWITCH("enable_batch_receive", "false"),
    {"fwmark", 0, &sw_type_u32, "0", "1698916352", NULL, NO_NUMBER, "", false},
    {"tun_name", 't', &sw_type_device, "lightway", "tun9", NULL, "a/b|sixteen-letters-", "", true},
    IPV4("tun_local_ip", "100.64.0.6"),
    IPV4("tun_peer_ip", "100.64.0.5"),
    IPV4("tun_dns_ip", "100.64.0.1"),
    TRISTATE("enable_tun_offload"),
    SWITCH("enable_tun_iouring", "false"),
    {"iouring_entry_count", 0, &sw_type_u32, "1024", "2_048", "2048", NO_NUMBER, "", false},
    DURATION("iouring_sqpoll_idle_time", "100ms", "1s", NULL, ""),
    {"enable_inside_pkt_encoding", 'e', &sw_type_bool, "false", "true", NULL, NO_SWITCH, "", false},
    TRISTATE("offload_tun_tso"),
    TRISTATE("offload_tun_uso"),
    TRISTATE("offload_tun_gro"),
    TRISTATE("offload_tun_gro_udp"),
    TRISTATE("offload_udp_segment"),
    TRISTATE("offload_udp_gro"),
    {"max_segments_per_send", 0, &sw_type_u32, "0", "16", NULL, "129|" NO_NUMBER, "", false},
    DURATION("keepalive_interval", "10s", "2s", NULL, "0s|0|"),
    DURATION("keepalive_timeout", "1m", "6s", NULL, "0s|0|"),
    SWITCH("keepalive_continuous", "true"),
    DURATION("tracer_packet_timeout", "10s", "5 secs", "5s", "0s|0|"),
    SWITCH("reconnect", "false"),
    DURATION("reconnect_wait", "1s", "100ms", NULL, "0s|99ms|"),
    DURATION("reconnect_wait_max", "1m", "2 min", "2m", "0s|99ms|"),
    {"route_mode", 0, &sw_type_enum, "default", "noexec", NULL, "none|LAN", "", false},
    {"dns_config_mode", 0, &sw_type_enum, "default", "noexec", NULL, "none", "", false},
    SWITCH("kill_switch", "false"),
    SWITCH("block_ipv6", "false"),
    {"state_file", 0, &sw_type_path, "/run/slipway/client-%i.state", "/run/x.state", NULL, NULL, "",
     true},
    SWITCH("enable_expresslane", "false"),
    DURATION("expresslane_keys_rotation_interval", "15m", "60s", "1m", "0s|999ms|"),
    {"log_level", 0, &sw_type_enum, "info", "trace", NULL, "INFO|5", "", false},
    {"control_socket", 0, &sw_type_path, "/run/slipway/client-%i.sock", "/run/x.sock", NULL, NULL,
     "", true},
    {"keylog", 0, &sw_type_path, "", "keys.log", NULL, NULL, "", true},
    SWITCH("tls_debug", "false"),
};
/* clang-format on */

#endif
