/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every option of slipway-client, once: its key, type, default, limits and meaning. Names and
 * defaults are those that existing Lightway configuration files use. An option whose feature is not
 * there yet is in the table all the same, marked SW_OPTION_LATER, so that such files load and their
 * values are checked. The entries of "servers" have a table of their own in client_servers.c.
 */
#include "client/client_options.h"

#include <slipway/error.h>
#include <string.h>

#include "client/client_servers.h"
#include "host/offload_options.h"

#define AT(field) offsetof(struct sw_client_config, field)

static const struct sw_option_word keyshares[] = {
    {"p521mlkem1024", SW_CLIENT_P521MLKEM1024, NULL},
    {"x25519mlkem768", SW_CLIENT_X25519MLKEM768, NULL},
    {0},
};

static const struct sw_option_word route_modes[] = {
    {"default", SW_CLIENT_ROUTES_DEFAULT, NULL},
    {"lan", SW_CLIENT_ROUTES_LAN, NULL},
    {"noexec", SW_CLIENT_ROUTES_NOEXEC, NULL},
    {0},
};

static const struct sw_option_word dns_modes[] = {
    {"default", SW_CLIENT_DNS_DEFAULT, NULL},
    {"noexec", SW_CLIENT_DNS_NOEXEC, NULL},
    {0},
};

static const struct sw_option options[] = {
    {
        .name = "config_file",
        .flag = 'c',
        .flags = SW_OPTION_CLI_ONLY,
        .type = &sw_type_path,
        .offset = AT(config_file),
        .group = "Configuration",
        .help = "The configuration file, required. Nobody but its owner may be able to read it.",
    },
    {
        .name = "generate",
        .flag = 'g',
        .flags = SW_OPTION_CLI_ONLY,
        .type = &sw_type_enum,
        .words = sw_generate_words,
        .offset = AT(generate),
        .group = "Configuration",
        .help = "Write to the path of --config-file and end: yaml for a configuration file with "
                "every option at its default, jsonschema for a JSON schema of such files.",
    },
    {
        .name = "accept_unknowns",
        .flag = 'a',
        .type = &sw_type_bool,
        .offset = AT(accept_unknowns),
        .initial = "false",
        .group = "Configuration",
        .help = "Go on when the file or the environment has options that do not exist, with one "
                "warning that lists them, instead of refusing to start.",
    },

    {
        .name = "servers",
        .flags = SW_OPTION_FILE_ONLY,
        .type = &sw_type_client_servers,
        .offset = AT(servers),
        .group = "Server",
        .help = "List of servers, each a map with server and, where wanted, mode, server_dn, "
                "cipher, user, password, token, ca_cert and outside_mtu. With it, server, mode, "
                "server_dn and cipher of the top level are ignored; an entry without any "
                "credentials takes those of the top level, one without ca_cert takes that. They "
                "are connected to all at once; the first in the list is preferred, see "
                "preferred_connection_wait_interval.",
    },
    {
        .name = "server",
        .flag = 's',
        .type = &sw_type_server,
        .offset = AT(server),
        .group = "Server",
        .help = "Where to connect to: name or address, and port. [v6]:port for an IPv6 address.",
    },
    {
        .name = "mode",
        .flag = 'm',
        .type = &sw_type_enum,
        .words = sw_client_mode_words,
        .offset = AT(mode),
        .initial = "tcp",
        .group = "Server",
        .help = "udp for DTLS 1.3, tcp for TLS 1.3.",
    },
    {
        .name = "server_dn",
        .type = &sw_type_identity,
        .offset = AT(server_dn),
        .initial = "",
        .group = "Server",
        .help =
            "The name or address that the server's certificate must carry, as alternative name or, "
            "in a certificate without alternative names, as common name. Empty: any certificate of "
            "ca_cert will do.",
    },
    {
        .name = "ca_cert",
        .type = &sw_type_ca,
        .offset = AT(ca_cert),
        .initial = "./ca_cert.crt",
        .group = "Server",
        .help = "Certificates that the server's must be signed by: the path of a PEM file, or the "
                "PEM text itself (line breaks may have become spaces).",
    },
    {
        .name = "cipher",
        .type = &sw_type_enum,
        .words = sw_client_cipher_words,
        .offset = AT(cipher),
        .initial = "aes256",
        .group = "Server",
        .help = "aes256 for AES-256-GCM, chacha20 for ChaCha20-Poly1305.",
    },
    {
        .name = "keyshare",
        .type = &sw_type_enum,
        .words = keyshares,
        .offset = AT(keyshare),
        .initial = "p521mlkem1024",
        .group = "Server",
        .help = "Key exchange to offer first; both are hybrids with ML-KEM. A server without them "
                "asks for another, which costs one round trip.",
    },
    {
        .name = "preferred_connection_wait_interval",
        .type = &sw_type_duration,
        .offset = AT(preferred_connection_wait_interval),
        .initial = "0s",
        .group = "Server",
        .help = "With several servers: how long the first one is waited for when another is "
                "online before it. After that the one closest to the head of the list is taken. A "
                "server that has failed is not waited for.",
    },
    {
        .name = "connect_timeout",
        .type = &sw_type_duration,
        .offset = AT(connect_timeout),
        .initial = "30s",
        .min = SW_SECOND,
        .group = "Server",
        .help = "How long an address of a server gets until the connection to it is online, and "
                "a name to be resolved; at least 1s.",
    },

    {
        .name = "user",
        .flag = 'u',
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_HIDDEN,
        .type = &sw_type_text,
        .offset = AT(user),
        .max = SW_CLIENT_LOGIN_MAX,
        .group = "Authentication",
        .help = "User name, at most 50 bytes. With --user other users of this machine can read it; "
                "prefer the file.",
    },
    {
        .name = "password",
        .flag = 'p',
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_HIDDEN | SW_OPTION_SECRET,
        .type = &sw_type_text,
        .offset = AT(password),
        .max = SW_CLIENT_LOGIN_MAX,
        .group = "Authentication",
        .help = "Password, at most 50 bytes. With --password other users of this machine can read "
                "it; prefer the file or LW_CLIENT_PASSWORD.",
    },
    {
        .name = "token",
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_HIDDEN | SW_OPTION_SECRET,
        .type = &sw_type_text,
        .offset = AT(token),
        .max = SW_CLIENT_TOKEN_MAX,
        .group = "Authentication",
        .help = "JSON web token, at most 1345 bytes. It wins over user and password. With --token "
                "other users of this machine can read it; prefer the file or LW_CLIENT_TOKEN.",
    },

    {
        .name = "outside_mtu",
        .type = &sw_type_u32,
        .offset = AT(outside_mtu),
        .initial = "1500",
        .min = SW_CLIENT_MTU_MIN,
        .max = SW_CLIENT_MTU_MAX,
        .group = "Transport",
        .help = "Largest IP packet the way to the server carries.",
    },
    {
        .name = "enable_pmtud",
        .type = &sw_type_bool,
        .offset = AT(enable_pmtud),
        .initial = "false",
        .group = "Transport",
        .help = "Find out by probing how large a packet the way to the server carries, and hold "
                "the tunnel to it: TCP segments are made smaller, other packets are sent in "
                "fragments. For links below 1434 bytes and ways that drop fragments. Only with "
                "mode udp.",
    },
    {
        .name = "pmtud_base_mtu",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_u32,
        .offset = AT(pmtud_base_mtu),
        .min = 1,
        .max = 65535,
        .group = "Transport",
        .help = "The size that probing starts from, 66 bytes less than the IPv4 packet it stands "
                "for; unset, 1250. What outside_mtu has no room for is lowered to what it has. "
                "Only with enable_pmtud.",
    },
    {
        .name = "sndbuf",
        .type = &sw_type_size,
        .offset = AT(sndbuf),
        .initial = "8MiB",
        .min = 1,
        .max = 1 << 30,
        .group = "Transport",
        .help = "Send buffer of the UDP socket. TCP keeps the kernel's own tuning.",
    },
    {
        .name = "rcvbuf",
        .type = &sw_type_size,
        .offset = AT(rcvbuf),
        .initial = "8MiB",
        .min = 1,
        .max = 1 << 30,
        .group = "Transport",
        .help = "Receive buffer of the UDP socket. TCP keeps the kernel's own tuning.",
    },
    {
        .name = "enable_batch_receive",
        .type = &sw_type_bool,
        .offset = AT(enable_batch_receive),
        .initial = "false",
        .group = "Transport",
        .help = "Receive several UDP datagrams per system call also with enable_tun_offload: "
                "false; else that happens anyway.",
    },
    {
        .name = "fwmark",
        .type = &sw_type_u32,
        .offset = AT(fwmark),
        .initial = "0",
        .group = "Transport",
        .help = "Mark on the packets to the server, for policy routing; 0 for none.",
    },

    {
        .name = "tun_name",
        .flag = 't',
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_device,
        .offset = AT(tun_name),
        .initial = "lightway",
        .group = "Tunnel",
        .help = "TUN device, made if it does not exist. Empty: the kernel chooses a name.",
    },
    {
        .name = "tun_local_ip",
        .type = &sw_type_ipv4,
        .offset = AT(tun_local_ip),
        .initial = "100.64.0.6",
        .group = "Tunnel",
        .help = "Address of the TUN device.",
    },
    {
        .name = "tun_peer_ip",
        .type = &sw_type_ipv4,
        .offset = AT(tun_peer_ip),
        .initial = "100.64.0.5",
        .group = "Tunnel",
        .help = "Address at the other end of the tunnel; routes into it go there.",
    },
    {
        .name = "tun_dns_ip",
        .type = &sw_type_ipv4,
        .offset = AT(tun_dns_ip),
        .initial = "100.64.0.1",
        .group = "Tunnel",
        .help = "Address that stands for the server's name server in the tunnel.",
    },
    {
        .name = "enable_tun_offload",
        .type = &sw_type_tristate,
        .offset = AT(enable_tun_offload),
        .initial = "auto",
        .group = "Tunnel",
        .help = "Move superpackets of up to 64 KiB through the TUN device, and the datagrams of "
                "each through the socket with one system call. auto: where the kernel can; true: "
                "or refuse to start when it hands over none; false: one packet per call. The "
                "options of the group Offload refine it.",
    },
    {
        .name = "enable_tun_iouring",
        .type = &sw_type_bool,
        .offset = AT(enable_tun_iouring),
        .initial = "false",
        .group = "Tunnel",
        .help = "Accepted without effect: the TUN device is read and written in superpackets "
                "instead, see enable_tun_offload.",
    },
    {
        .name = "iouring_entry_count",
        .type = &sw_type_u32,
        .offset = AT(iouring_entry_count),
        .initial = "1024",
        .group = "Tunnel",
        .help = "Accepted without effect, as enable_tun_iouring.",
    },
    {
        .name = "iouring_sqpoll_idle_time",
        .type = &sw_type_duration,
        .offset = AT(iouring_sqpoll_idle_time),
        .initial = "100ms",
        .group = "Tunnel",
        .help = "Accepted without effect, as enable_tun_iouring.",
    },
    {
        .name = "enable_inside_pkt_encoding",
        .flag = 'e',
        .flags = SW_OPTION_RELOAD,
        .type = &sw_type_bool,
        .offset = AT(enable_inside_pkt_encoding),
        .initial = "false",
        .group = "Tunnel",
        .help = "Ask the server to re-encode inside packets with a codec that both ends have. "
                "slipway-client has none, like the stock client: a line in the log says so, and "
                "packets stay as they are.",
    },

    SW_OFFLOAD_OPTIONS(AT),

    {
        .name = "keepalive_interval",
        .type = &sw_type_duration,
        .offset = AT(keepalive_interval),
        .initial = "10s",
        .min = 1,
        .group = "Liveness",
        .help = "After how long a silence the server is asked whether it is still there.",
    },
    {
        .name = "keepalive_timeout",
        .type = &sw_type_duration,
        .offset = AT(keepalive_timeout),
        .initial = "60s",
        .min = 1,
        .group = "Liveness",
        .help = "After how long without an answer the connection is given up.",
    },
    {
        .name = "keepalive_continuous",
        .type = &sw_type_bool,
        .offset = AT(keepalive_continuous),
        .initial = "true",
        .group = "Liveness",
        .help = "Ask all the time; if false, only when there is reason to doubt.",
    },
    {
        .name = "tracer_packet_timeout",
        .type = &sw_type_duration,
        .offset = AT(tracer_packet_timeout),
        .initial = "10s",
        .min = 1,
        .group = "Liveness",
        .help = "When keepalive_continuous is off: ask if packets go out but nothing came back for "
                "this long.",
    },

    {
        .name = "reconnect",
        .type = &sw_type_bool,
        .offset = AT(reconnect),
        .initial = "false",
        .group = "Liveness",
        .help =
            "When the connection ends, or no server can be reached, connect again to any of the "
            "servers instead of ending. The TUN device and the routes into it stay, so that "
            "nothing leaves beside the tunnel meanwhile. A login or certificate that is "
            "refused ends the client at once, or at the third time in a row after it was good.",
    },
    {
        .name = "reconnect_wait",
        .type = &sw_type_duration,
        .offset = AT(reconnect_wait),
        .initial = "1s",
        .min = 100 * SW_MILLISECOND,
        .group = "Liveness",
        .help =
            "With reconnect: what is waited before the second try in a row; it doubles from try "
            "to try, and of each wait a random part of up to half is left out. At least 100ms.",
    },
    {
        .name = "reconnect_wait_max",
        .type = &sw_type_duration,
        .offset = AT(reconnect_wait_max),
        .initial = "1m",
        .min = 100 * SW_MILLISECOND,
        .group = "Liveness",
        .help = "With reconnect: the longest wait between two tries.",
    },

    {
        .name = "route_mode",
        .type = &sw_type_enum,
        .words = route_modes,
        .offset = AT(route_mode),
        .initial = "default",
        .group = "Routes and DNS",
        .help = "default: all IPv4 goes through the tunnel; lan: except the private networks "
                "192.168.0.0/16, 172.16.0.0/12, 10.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/24; "
                "noexec: no route is touched.",
    },
    {
        .name = "dns_config_mode",
        .type = &sw_type_enum,
        .words = dns_modes,
        .offset = AT(dns_config_mode),
        .initial = "default",
        .group = "Routes and DNS",
        .help = "default: tun_dns_ip becomes the system's name server, through systemd-resolved, "
                "resolvconf or /etc/resolv.conf, whichever this host has; noexec: name servers "
                "stay as they are.",
    },
    {
        .name = "kill_switch",
        .type = &sw_type_bool,
        .offset = AT(kill_switch),
        .initial = "false",
        .group = "Routes and DNS",
        .help = "Let nothing leave beside the tunnel, from the start of the client on, also while "
                "it has no connection, and until it is ended by SIGTERM or SIGINT; if it ends "
                "otherwise, until the next one starts. Excepted are loopback, the servers, DHCP, "
                "in route_mode lan the private networks and, before the first connection to a "
                "server given by name, name servers. Needs the program nft.",
    },
    {
        .name = "block_ipv6",
        .type = &sw_type_bool,
        .offset = AT(block_ipv6),
        .initial = "false",
        .group = "Routes and DNS",
        .help = "Refuse IPv6 beside the tunnel while the client is connected, except on the link "
                "itself and to the server. The tunnel carries IPv4 only. Needs the program nft.",
    },
    {
        .name = "state_file",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_path,
        .offset = AT(state_file),
        .initial = "/run/slipway/client-%i.state",
        .group = "Routes and DNS",
        .help = "Where the client notes what it changes on the host, so that the next one can undo "
                "it if this one is killed. %i stands for the name of the TUN device. Empty for "
                "none.",
    },

    {
        .name = "enable_expresslane",
        .type = &sw_type_bool,
        .offset = AT(enable_expresslane),
        .initial = "false",
        .group = "Sessions",
        .help = "Carry data as AES-256-GCM datagrams beside DTLS if the server can. Only with mode "
                "udp.",
    },
    {
        .name = "expresslane_keys_rotation_interval",
        .type = &sw_type_duration,
        .offset = AT(expresslane_keys_rotation_interval),
        .initial = "15m",
        .min = SW_SECOND,
        .group = "Sessions",
        .help = "How often Expresslane keys are replaced while there is traffic; at least 1s.",
    },

    {
        .name = "log_level",
        .flags = SW_OPTION_RELOAD,
        .type = &sw_type_enum,
        .words = sw_log_level_words,
        .offset = AT(log_level),
        .initial = "info",
        .group = "Operation",
        .help = "The least important events to log.",
    },
    {
        .name = "control_socket",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_path,
        .offset = AT(control_socket),
        .initial = "/run/slipway/client-%i.sock",
        .group = "Operation",
        .help =
            "Unix socket on which slipwayctl(1) asks for status and metrics; only the user that "
            "runs the client can use it. %i stands for the name of the TUN device. Empty for none.",
    },
    {
        .name = "keylog",
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_LATER,
        .type = &sw_type_path,
        .offset = AT(keylog),
        .group = "Operation",
        .help = "File that TLS secrets are appended to, for Wireshark.",
    },
    {
        .name = "tls_debug",
        .flags = SW_OPTION_LATER,
        .type = &sw_type_bool,
        .offset = AT(tls_debug),
        .initial = "false",
        .group = "Operation",
        .help = "Log what the TLS library does.",
    },
};

static const struct sw_option_retired retired[] = {
    {.name = "config", .advice = "the file is named by --config-file or -c"},
    {.name = "enable_inside_pkt_encoding_at_connect", .now = "enable_inside_pkt_encoding"},
    {.name = "generate_config", .now = "generate"},
    {
        .name = "inside_mtu",
        .advice = "it no longer exists, the tunnel's MTU is 1350; remove it",
        .is_harmless = true,
    },
    {
        .name = "enable_pqc",
        .advice = "it no longer exists, see keyshare; remove it",
        .is_harmless = true,
    },
    {.name = "log_format", .advice = "only the server has it; remove it"},
    {.name = "wintun_file", .advice = "it is for Windows only; remove it"},
    {.name = "wintun_ring_capacity", .advice = "it is for Windows only; remove it"},
    {.name = "device_guid", .advice = "it is for Windows only; remove it"},
    {.name = "enable_dpapi", .advice = "it is for Windows only; remove it"},
    {.name = "enable_connected_udp", .advice = "it is for Apple systems only; remove it"},
    {.name = "sni_header", .advice = "it is for mobile systems only; remove it"},
    {0},
};

/* Nothing to check is an empty name: one way to say it. */
static void drop_empty_name(struct sw_client_config *config)
{
    if (config->server_dn != NULL && config->server_dn[0] == '\0')
        sw_type_text.clear(&config->server_dn);
}

/* What only matters to UDP, where no server is reached by it. */
static void warn_udp_only(struct sw_option_load *load, const struct sw_client_config *config)
{
    static const char *const names[] = {"sndbuf", "rcvbuf", "enable_batch_receive", "enable_pmtud"};

    for (size_t i = 0; i < config->servers.n; i++) {
        if (config->servers.entries[i].mode == SW_DATAGRAM) return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!sw_option_is_default(load, names[i]))
            sw_option_warn(load, names[i], "has no effect with mode tcp");
    }
}

static void check(struct sw_option_load *load, void *all)
{
    struct sw_client_config *config = all;

    config->control_socket_explicit = sw_option_given(load, "control_socket");
    config->state_file_explicit = sw_option_given(load, "state_file");
    sw_offload_check_options(load, config->enable_tun_offload, &config->offload);
    if (config->reconnect_wait > config->reconnect_wait_max)
        sw_option_error(load, "reconnect_wait_max", "is less than reconnect_wait");
    drop_empty_name(config);
    sw_client_servers_complete(load, config);
    warn_udp_only(load, config);
    if (config->pmtud_base_mtu != 0 && !config->enable_pmtud)
        sw_option_warn(load, "pmtud_base_mtu", "has no effect without enable_pmtud: true");
}

static void files(struct sw_option_load *load, void *all)
{
    sw_client_servers_read(load, all);
}

const struct sw_option_set sw_client_options = {
    .program = "slipway-client",
    .summary = "Lightway VPN client",
    .env_prefix = "LW_CLIENT_",
    .options = options,
    .n = sizeof options / sizeof options[0],
    .retired = retired,
    .config_size = sizeof(struct sw_client_config),
    .config_owner_only = true,
    .check = check,
    .files = files,
};

int sw_client_config_load(int argc, char *const *argv, char *const *environment,
                          struct sw_client_config *config, struct sw_config_report *report)
{
    return sw_options_load(&sw_client_options, argc, argv, environment, config, report);
}

void sw_client_config_free(struct sw_client_config *config)
{
    sw_options_free(&sw_client_options, config);
}
