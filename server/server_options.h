/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_OPTIONS_H
#define SW_SERVER_OPTIONS_H

/*
 * The server's configuration: one field per option of the table in server_options.c, where every
 * option's meaning is written down. "Later" marks options that are read and checked but not used
 * by this version.
 */

#include <slipway/types.h>

#include "host/log.h"
#include "host/offload.h"
#include "host/option_types.h"
#include "host/options.h"

/** What clients connect with; the values are sets. */
enum sw_server_mode { SW_SERVE_UDP = 1, SW_SERVE_TCP = 2, SW_SERVE_BOTH = 3 };

struct sw_server_config {
    char *config_file;
    enum sw_generate generate;
    bool accept_unknowns;

    /* Transport */
    enum sw_server_mode mode;
    struct sockaddr_storage bind_address; /**< family AF_INET or AF_INET6, port not 0 */
    uint64_t udp_buffer_size;             /**< bytes, SO_SNDBUF and SO_RCVBUF */
    bool proxy_protocol;
    uint32_t workers; /**< 0: one per CPU */
    enum sw_tristate offload_steering;
    bool enable_batch_receive;
    bool enable_batch_send;

    /* TLS and authentication */
    char *server_cert; /**< path, never NULL */
    char *server_key;  /**< path, never NULL */
    bool enable_pqc;
    sw_time key_update_interval; /**< 0: off */
    char *user_db;               /**< path or NULL */
    char *token_rsa_pub_key_pem; /**< path or NULL */

    /* Tunnel */
    char *tun_name;        /**< NULL: the kernel chooses */
    struct in_addr tun_ip; /**< 0.0.0.0: not given */
    struct sw_ipv4_net ip_pool;
    struct sw_ip_map ip_map;
    bool host_setup;
    char *host_setup_device; /**< NULL: that of the default route */
    struct in_addr lightway_server_ip;
    struct in_addr lightway_client_ip;
    struct in_addr lightway_dns_ip;
    enum sw_tristate enable_tun_offload;
    struct sw_offload_config offload;
    bool enable_tun_iouring;          /**< later */
    uint32_t iouring_entry_count;     /**< later */
    sw_time iouring_sqpoll_idle_time; /**< later; 0: no polling thread */

    /* Sessions */
    bool enable_pmtud;
    bool enable_expresslane;
    sw_time expresslane_keys_rotation_interval;
    sw_time connection_age_expiration_interval; /**< without effect, see its help */
    sw_time connection_idle_limit;
    sw_time statistics_reporting_interval;
    bool randomize_ippool;

    /* Operation */
    enum sw_log_level log_level;
    enum sw_log_format log_format;
    bool tls_debug;               /**< later */
    char *control_socket;         /**< pattern for sw_control_path(); NULL: off */
    bool control_socket_explicit; /**< not the default: failing to open it is fatal */
};

extern const struct sw_option_set sw_server_options;

/**
 * Reads the configuration from command line, environment and file, then checks ownership and mode
 * of the key, certificate and user database. Contract as sw_options_load(); nothing is printed,
 * nothing ends.
 */
int sw_server_config_load(int argc, char *const *argv, char *const *environment,
                          struct sw_server_config *config, struct sw_config_report *report);

/** Whether datagrams, or streams, are served. */
bool sw_server_serves(const struct sw_server_config *config, enum sw_transport transport);

/** The word that the option mode has for it. */
const char *sw_server_mode_name(const struct sw_server_config *config);

void sw_server_config_free(struct sw_server_config *config);

#endif
