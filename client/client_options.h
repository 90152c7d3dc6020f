/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_OPTIONS_H
#define SW_CLIENT_OPTIONS_H

/*
 * The client's configuration: one field per option of the table in client_options.c, where every
 * option's meaning is written down. "Later" marks options that are read and checked but not used by
 * this version.
 *
 * After loading, servers[0..n_servers) is what to connect to, with all inheritance done: it has at
 * least one entry, each with host, port, CA text and a complete set of credentials. The top-level
 * server, mode, server_dn, cipher, user, password, token and ca_cert have done their work then and
 * need not be looked at.
 */

#include <slipway/types.h>

#include "host/log.h"
#include "host/offload.h"
#include "host/option_types.h"
#include "host/options.h"

enum sw_client_cipher { SW_CLIENT_AES256, SW_CLIENT_CHACHA20 };
enum sw_client_keyshare { SW_CLIENT_P521MLKEM1024, SW_CLIENT_X25519MLKEM768 };
enum sw_client_routes { SW_CLIENT_ROUTES_DEFAULT, SW_CLIENT_ROUTES_LAN, SW_CLIENT_ROUTES_NOEXEC };
enum sw_client_dns { SW_CLIENT_DNS_DEFAULT, SW_CLIENT_DNS_NOEXEC };

/** One server to connect to. */
struct sw_client_server {
    struct sw_host_port server;
    enum sw_transport mode;
    char *server_dn; /**< NULL: the certificate's name is not checked */
    enum sw_client_cipher cipher;
    char *token; /**< NULL: user and password count; else they are NULL */
    char *user;
    char *password;
    struct sw_ca_cert ca_cert;
    uint32_t outside_mtu; /**< per entry it is read and checked only: the top level's counts */
};

struct sw_client_servers {
    struct sw_client_server *entries;
    size_t n;
    bool from_top_level; /**< one entry, made of the options of the top level */
};

struct sw_client_config {
    char *config_file;
    enum sw_generate generate;
    bool accept_unknowns;

    /* Where to connect to, see above */
    struct sw_client_servers servers;
    struct sw_host_port server;
    enum sw_transport mode;
    char *server_dn;
    enum sw_client_cipher cipher;
    struct sw_ca_cert ca_cert;
    char *token;
    char *user;
    char *password;
    sw_time preferred_connection_wait_interval;
    sw_time connect_timeout;

    /* Transport */
    enum sw_client_keyshare keyshare;
    uint32_t outside_mtu; /**< 576..1500 */
    bool enable_pmtud;
    uint32_t pmtud_base_mtu; /**< 0: not given */
    uint64_t sndbuf;         /**< bytes */
    uint64_t rcvbuf;         /**< bytes */
    bool enable_batch_receive;
    uint32_t fwmark; /**< 0: none */

    /* Tunnel device */
    char *tun_name; /**< NULL: the kernel chooses */
    struct in_addr tun_local_ip;
    struct in_addr tun_peer_ip;
    struct in_addr tun_dns_ip;
    enum sw_tristate enable_tun_offload;
    struct sw_offload_config offload;
    bool enable_tun_iouring;          /**< later */
    uint32_t iouring_entry_count;     /**< later */
    sw_time iouring_sqpoll_idle_time; /**< later; 0: no polling thread */
    bool enable_inside_pkt_encoding;

    /* Liveness */
    sw_time keepalive_interval;
    sw_time keepalive_timeout;
    bool keepalive_continuous;
    sw_time tracer_packet_timeout;
    bool reconnect;
    sw_time reconnect_wait;
    sw_time reconnect_wait_max;

    /* Routes and DNS */
    enum sw_client_routes route_mode;
    enum sw_client_dns dns_config_mode;
    bool kill_switch;
    bool block_ipv6;
    char *state_file;         /**< pattern for sw_control_path(); NULL: none */
    bool state_file_explicit; /**< not the default: failing to open it is fatal */

    /* Sessions */
    bool enable_expresslane;
    sw_time expresslane_keys_rotation_interval;

    /* Operation */
    enum sw_log_level log_level;
    bool tls_debug;               /**< later */
    char *keylog;                 /**< path or NULL; later */
    char *control_socket;         /**< pattern for sw_control_path(); NULL: off */
    bool control_socket_explicit; /**< not the default: failing to open it is fatal */
};

extern const struct sw_option_set sw_client_options;

/**
 * Reads the configuration from command line, environment and file, resolves the server list and
 * reads the CA files. Contract as sw_options_load(); nothing is printed, nothing ends.
 */
int sw_client_config_load(int argc, char *const *argv, char *const *environment,
                          struct sw_client_config *config, struct sw_config_report *report);

void sw_client_config_free(struct sw_client_config *config);

#endif
