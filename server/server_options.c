/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every option of slipway-server, once: its key, type, default, limits and meaning. Names and
 * defaults are those that existing Lightway configuration files use. An option whose feature is not
 * there yet is in the table all the same, marked SW_OPTION_LATER, so that such files load and their
 * values are checked.
 */
#include "server/server_options.h"

#include <slipway/error.h>
#include <string.h>

#include "host/address.h"
#include "host/address_pool.h"
#include "host/mailbox.h"
#include "host/offload_options.h"

#define AT(field) offsetof(struct sw_server_config, field)

static const struct sw_option_word modes[] = {
    {"tcp", SW_SERVE_TCP, NULL},
    {"udp", SW_SERVE_UDP, NULL},
    {"both", SW_SERVE_BOTH, NULL},
    {0},
};

static const struct sw_option_word log_formats[] = {
    {"full", SW_LOG_FULL, NULL},
    {"compact", SW_LOG_COMPACT, NULL},
    {"pretty", SW_LOG_PRETTY, NULL},
    {"json", SW_LOG_JSON, NULL},
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
        .help = "The configuration file, required. Only root and the user that runs the server may "
                "be able to change it.",
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
        .name = "mode",
        .flag = 'm',
        .type = &sw_type_enum,
        .words = modes,
        .offset = AT(mode),
        .initial = "tcp",
        .group = "Transport",
        .help = "What clients connect with: udp for DTLS 1.3, tcp for TLS 1.3, both for either on "
                "the one bind_address.",
    },
    {
        .name = "bind_address",
        .type = &sw_type_sockaddr,
        .offset = AT(bind_address),
        .initial = "0.0.0.0:27690",
        .group = "Transport",
        .help = "Address and port to listen on, numeric, [v6]:port for IPv6.",
    },
    {
        .name = "udp_buffer_size",
        .type = &sw_type_size,
        .offset = AT(udp_buffer_size),
        .initial = "15MiB",
        .min = 1,
        .max = 1 << 30,
        .group = "Transport",
        .help = "Send and receive buffer of the UDP socket. When the kernel grants less, a warning "
                "says which sysctl to raise.",
    },
    {
        .name = "proxy_protocol",
        .type = &sw_type_bool,
        .offset = AT(proxy_protocol),
        .initial = "false",
        .group = "Transport",
        .help = "Expect a PROXY protocol header, version 1 or 2, in front of every TCP connection, "
                "and take the client's address from it. A connection without one is closed; let "
                "only the load balancer reach the port. Needs mode tcp or both.",
    },
    {
        .name = "workers",
        .type = &sw_type_u32,
        .offset = AT(workers),
        .initial = "0",
        .min = 0,
        .max = SW_WORKERS_MAX,
        .group = "Transport",
        .help =
            "Threads that carry traffic, each with sockets and a queue of the TUN device of its "
            "own; 0 for one per CPU. A connection stays with one of them.",
    },
    {
        .name = "offload_steering",
        .type = &sw_type_tristate,
        .offset = AT(offload_steering),
        .initial = "auto",
        .group = "Transport",
        .help = "Have the kernel give each packet to the worker that its connection belongs to, by "
                "session id outside and by address inside (the latter needs CAP_BPF and a TUN "
                "device with several queues). auto: what the kernel can, workers pass on the rest; "
                "true: both, or refuse to start; false: workers pass on.",
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
        .name = "enable_batch_send",
        .type = &sw_type_bool,
        .offset = AT(enable_batch_send),
        .initial = "false",
        .group = "Transport",
        .help = "Send several UDP datagrams per system call also with enable_tun_offload: false; "
                "else that happens anyway.",
    },

    {
        .name = "server_cert",
        .flags = SW_OPTION_RELOAD,
        .type = &sw_type_path,
        .offset = AT(server_cert),
        .initial = "./server.crt",
        .group = "TLS",
        .help = "Certificate of the server, or chain with the server's first, in PEM form.",
    },
    {
        .name = "server_key",
        .flags = SW_OPTION_RELOAD,
        .type = &sw_type_path,
        .offset = AT(server_key),
        .initial = "./server.key",
        .group = "TLS",
        .help = "Private key in PEM form. Nobody but its owner may be able to read it.",
    },
    {
        .name = "enable_pqc",
        .type = &sw_type_bool,
        .offset = AT(enable_pqc),
        .initial = "false",
        .group = "TLS",
        .help = "Offer key exchange that quantum computers cannot break (hybrids with ML-KEM).",
    },
    {
        .name = "key_update_interval",
        .type = &sw_type_duration,
        .offset = AT(key_update_interval),
        .initial = "15m",
        .group = "TLS",
        .help =
            "How long the keys of a DTLS or TLS session are used before they are replaced, while "
            "the session goes on; 0 for any time. Keys that have sealed 2^24 records are "
            "replaced in any case. An idle session keeps its keys.",
    },
    {
        .name = "tls_debug",
        .flags = SW_OPTION_LATER,
        .type = &sw_type_bool,
        .offset = AT(tls_debug),
        .initial = "false",
        .group = "TLS",
        .help = "Log what the TLS library does.",
    },

    {
        .name = "user_db",
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_RELOAD,
        .type = &sw_type_path,
        .offset = AT(user_db),
        .group = "Authentication",
        .help = "File of users, one name:hash per line as htpasswd -B writes it (bcrypt and the "
                "other schemes of crypt(5)). Nobody but its owner may be able to read it. This or "
                "token_rsa_pub_key_pem is required.",
    },
    {
        .name = "token_rsa_pub_key_pem",
        .flags = SW_OPTION_OPTIONAL | SW_OPTION_RELOAD,
        .type = &sw_type_path,
        .offset = AT(token_rsa_pub_key_pem),
        .group = "Authentication",
        .help = "RSA public key of 2048 to 8192 bits in PEM form, or a certificate with one: "
                "clients that log in with a JSON web token signed with RS256 by its owner are let "
                "in until 60 seconds after what the token's exp claim says. exp is required, a "
                "token with an aud claim is refused. A session does not end when its token "
                "expires.",
    },

    {
        .name = "tun_name",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_device,
        .offset = AT(tun_name),
        .group = "Tunnel",
        .help = "TUN device. One that exists is attached to, brought up and else left as it is; "
                "one that does not is made with an MTU of 1350, tun_ip and a route for ip_pool. "
                "Unset, the kernel chooses a name.",
    },
    {
        .name = "ip_pool",
        .type = &sw_type_ipv4_net,
        .offset = AT(ip_pool),
        .initial = "10.125.0.0/16",
        .group = "Tunnel",
        .help = "Inside addresses for clients, one per connection.",
    },
    {
        .name = "randomize_ippool",
        .type = &sw_type_bool,
        .offset = AT(randomize_ippool),
        .initial = "true",
        .group = "Tunnel",
        .help = "Hand out inside addresses in random order; if false, in ascending order. Either "
                "way the one that has been free for longest is next.",
    },
    {
        .name = "ip_map",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_ip_map,
        .offset = AT(ip_map),
        .group = "Tunnel",
        .help = "Parts of ip_pool that are kept for the clients of one address of the server: in "
                "the file a map of address (IPv4 or IPv6) to network, or everywhere the path of a "
                "YAML file with that map. Clients of other addresses share the rest; nobody "
                "borrows from another part. Addresses with the same network share it, other "
                "networks must not overlap.",
    },
    {
        .name = "tun_ip",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_ipv4,
        .offset = AT(tun_ip),
        .group = "Tunnel",
        .help = "The server's own address in the tunnel; never given to a client.",
    },
    {
        .name = "host_setup",
        .type = &sw_type_bool,
        .offset = AT(host_setup),
        .initial = "false",
        .group = "Tunnel",
        .help = "Have the server itself make the host forward what clients send: tun_ip and the "
                "route of ip_pool on the TUN device, net.ipv4.ip_forward, and an nftables table of "
                "its own with source NAT. All of it is undone when the server ends, or when it "
                "starts again after a crash. Needs the program nft.",
    },
    {
        .name = "host_setup_device",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_device,
        .offset = AT(host_setup_device),
        .group = "Tunnel",
        .help = "The device towards the Internet, for the source NAT of host_setup. Unset, the one "
                "of the default route.",
    },
    {
        .name = "lightway_server_ip",
        .type = &sw_type_ipv4,
        .offset = AT(lightway_server_ip),
        .initial = "10.125.0.6",
        .group = "Tunnel",
        .help = "The address that clients are told the server has.",
    },
    {
        .name = "lightway_client_ip",
        .type = &sw_type_ipv4,
        .offset = AT(lightway_client_ip),
        .initial = "10.125.0.5",
        .group = "Tunnel",
        .help = "The address that clients are told they have: the same for all of them, translated "
                "to the one from ip_pool by the server.",
    },
    {
        .name = "lightway_dns_ip",
        .type = &sw_type_ipv4,
        .offset = AT(lightway_dns_ip),
        .initial = "10.125.0.1",
        .group = "Tunnel",
        .help = "The address that clients are told to ask for names. Something behind it has to "
                "answer; the server does not.",
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

    SW_OFFLOAD_OPTIONS(AT),

    {
        .name = "enable_pmtud",
        .type = &sw_type_bool,
        .offset = AT(enable_pmtud),
        .initial = "false",
        .group = "Sessions",
        .help = "Find out by probing how large a packet the way to each client carries, and hold "
                "its tunnel to it. Every client answers such probes. Needs mode udp or both.",
    },
    {
        .name = "enable_expresslane",
        .type = &sw_type_bool,
        .offset = AT(enable_expresslane),
        .initial = "false",
        .group = "Sessions",
        .help = "Carry data as AES-256-GCM datagrams beside DTLS with clients that can. Needs mode "
                "udp or both.",
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
        .name = "connection_idle_limit",
        .type = &sw_type_duration,
        .offset = AT(connection_idle_limit),
        .initial = "1day",
        .min = SW_SECOND,
        .group = "Sessions",
        .help = "A client from which nothing came for so long is let go, and its inside address "
                "with it. Minutes are enough for clients with keepalive_continuous; others are "
                "silent as long as they have nothing to send. At least 1s.",
    },
    {
        .name = "connection_age_expiration_interval",
        .type = &sw_type_duration,
        .offset = AT(connection_age_expiration_interval),
        .initial = "1m",
        .min = 1,
        .group = "Sessions",
        .help = "Accepted without effect: how often idle connections are looked for. Here a "
                "connection ends at the moment when it has been idle for too long, see "
                "connection_idle_limit.",
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
        .name = "log_format",
        .type = &sw_type_enum,
        .words = log_formats,
        .offset = AT(log_format),
        .initial = "full",
        .group = "Operation",
        .help = "Form of the log on standard output: full and compact are one line per event, the "
                "same here; pretty has a line for each field; json is one object per event, for "
                "programs.",
    },
    {
        .name = "statistics_reporting_interval",
        .type = &sw_type_duration,
        .offset = AT(statistics_reporting_interval),
        .initial = "30s",
        .min = 1,
        .group = "Operation",
        .help = "How often session statistics are logged.",
    },
    {
        .name = "control_socket",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_path,
        .offset = AT(control_socket),
        .initial = "/run/slipway/server-%i.sock",
        .group = "Operation",
        .help =
            "Unix socket on which slipwayctl(1) asks for status and metrics; only the user that "
            "runs the server can use it. %i stands for the name of the TUN device. Empty for none.",
    },
};

static const struct sw_option_retired retired[] = {
    {
        .name = "bind_attempts",
        .advice = "it no longer exists; remove it",
        .is_harmless = true,
    },
    {.name = "config", .advice = "the file is named by --config-file or -c"},
    {.name = "generate_config", .now = "generate"},
    {0},
};

static void check_pool(struct sw_option_load *load, const struct sw_server_config *config)
{
    unsigned prefix = config->ip_pool.prefix;

    if (prefix < SW_ADDRESS_POOL_PREFIX_MIN || prefix > SW_ADDRESS_POOL_PREFIX_MAX)
        sw_option_error(load, "ip_pool", "/%u is no size for a pool; expected /%d to /%d", prefix,
                        SW_ADDRESS_POOL_PREFIX_MIN, SW_ADDRESS_POOL_PREFIX_MAX);
}

static void check(struct sw_option_load *load, void *all)
{
    struct sw_server_config *config = all;

    config->control_socket_explicit = sw_option_given(load, "control_socket");
    sw_offload_check_options(load, config->enable_tun_offload, &config->offload);
    check_pool(load, config);
    if (config->enable_expresslane && !sw_server_serves(config, SW_DATAGRAM))
        sw_option_error(
            load, "enable_expresslane",
            "needs mode udp or both; set mode: udp or both, or remove enable_expresslane");
    if (config->enable_pmtud && !sw_server_serves(config, SW_DATAGRAM))
        sw_option_warn(load, "enable_pmtud", "has no effect with mode tcp");
    if (config->proxy_protocol && !sw_server_serves(config, SW_STREAM))
        sw_option_error(load, "proxy_protocol",
                        "needs mode tcp or both; set mode: tcp or both, or remove proxy_protocol");
    if (config->host_setup_device != NULL && !config->host_setup)
        sw_option_warn(load, "host_setup_device", "has no effect without host_setup: true");
    if (config->user_db == NULL && config->token_rsa_pub_key_pem == NULL)
        sw_option_error(load, "user_db",
                        "nobody could log in; set user_db to a file made with htpasswd -B, or "
                        "token_rsa_pub_key_pem to the key that tokens are signed with");
}

/* An address of the map that no client can reach is a mistake, but one that does no harm. */
static void warn_of_unreachable(struct sw_option_load *load, const struct sw_server_config *config)
{
    char text[SW_ADDRESS_TEXT], bound[SW_ADDRESS_TEXT];
    struct sw_address address;

    sw_address_from_sockaddr(&address, (const struct sockaddr *)&config->bind_address);
    if (sw_address_is_any(&address)) return;
    for (size_t i = 0; i < config->ip_map.n; i++) {
        const struct sw_address *incoming = &config->ip_map.entries[i].incoming;
        if (sw_address_same_host(incoming, &address)) continue;
        sw_option_warn(load, "ip_map", "nobody comes to %s: bind_address is %s",
                       sw_address_host_text(incoming, text), sw_address_text(&address, bound));
    }
}

static void check_map(struct sw_option_load *load, const struct sw_server_config *config)
{
    char why[256];
    struct sw_address_map *map = sw_address_map_new(config->ip_map.entries, config->ip_map.n,
                                                    &config->ip_pool, why, sizeof why);

    if (map == NULL)
        sw_option_error(load, "ip_map", "%s", why);
    else
        warn_of_unreachable(load, config);
    sw_address_map_free(map);
}

static void files(struct sw_option_load *load, void *all)
{
    struct sw_server_config *config = all;
    struct sw_why why;

    sw_option_check_path(load, "server_cert", config->server_cert, false);
    sw_option_check_path(load, "server_key", config->server_key, true);
    if (config->user_db != NULL) sw_option_check_path(load, "user_db", config->user_db, true);
    if (sw_ip_map_read(&config->ip_map, &why) < 0)
        sw_option_error(load, "ip_map", "%s: %s", config->ip_map.path, why.text);
    else
        check_map(load, config);
}

const struct sw_option_set sw_server_options = {
    .program = "slipway-server",
    .summary = "Lightway VPN server",
    .env_prefix = "LW_SERVER_",
    .options = options,
    .n = sizeof options / sizeof options[0],
    .retired = retired,
    .config_size = sizeof(struct sw_server_config),
    .check = check,
    .files = files,
};

int sw_server_config_load(int argc, char *const *argv, char *const *environment,
                          struct sw_server_config *config, struct sw_config_report *report)
{
    return sw_options_load(&sw_server_options, argc, argv, environment, config, report);
}

bool sw_server_serves(const struct sw_server_config *config, enum sw_transport transport)
{
    return (config->mode & (transport == SW_DATAGRAM ? SW_SERVE_UDP : SW_SERVE_TCP)) != 0;
}

const char *sw_server_mode_name(const struct sw_server_config *config)
{
    const struct sw_option_word *word = modes;
    while (word->word != NULL && word->value != (int)config->mode)
        word++;
    return word->word;
}

void sw_server_config_free(struct sw_server_config *config)
{
    sw_options_free(&sw_server_options, config);
}
