/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The order of the changes, and the way back. Going in: packet filter before the first packet,
 * routes and then the name server when a connection is Online, because that name server is only
 * reached through the tunnel. Going out: the reverse. Every step is noted in the state file before
 * it is made (journal.h).
 *
 * With kill_switch the table outlives every end but the one that was asked for: a supervisor's
 * restart, a crash, an operator who looks for the fault all take their time, and in that time
 * nothing may leave. The next client replaces the table in one step, or removes it if the option is
 * off by then.
 */

#define SW_LOG_TARGET "client"

#include "client/footprint.h"

#include <arpa/inet.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/control.h"
#include "host/log.h"

/* --- what a client that died left behind -------------------------------------------------------*/

struct remains {
    unsigned routes;
    bool dns, filter;
};

static void undo_dns(const char *line, struct remains *remains)
{
    struct sw_dns dns = {.root = ""};
    char why[256];
    if (!sw_dns_recall(&dns, line)) return;
    remains->dns = true;
    if (sw_dns_reset(&dns, why, sizeof why) < 0)
        sw_log_warn("the name server of an earlier client is not reset: %s", why);
}

/* With kill_switch the old table stands until the new one replaces it. */
static void undo_filter(struct sw_footprint *footprint, const char *line, struct remains *remains)
{
    char table[SW_FIREWALL_NAME], mine[SW_FIREWALL_NAME], why[256];
    if (sscanf(line, "filter %47s", table) != 1) return;
    sw_firewall_table(footprint->tun, mine);
    bool is_replaced = footprint->config->kill_switch && strcmp(table, mine) == 0;
    if (!is_replaced && sw_firewall_remove(table, why, sizeof why) == 0) {
        remains->filter = true;
        return;
    }
    snprintf(footprint->left, sizeof footprint->left, "%s", table);
    if (!is_replaced)
        sw_log_warn("table inet %s of an earlier client is not removed: %s", table, why);
}

static void undo_remains(struct sw_footprint *footprint)
{
    struct remains remains = {0};
    char routes[32] = "";
    size_t n = 0;
    while (sw_journal_left(footprint->journal, n) != NULL)
        n++;
    while (n-- > 0) {
        const char *line = sw_journal_left(footprint->journal, n);
        if (strncmp(line, "not ", 4) == 0)
            n -= n > 0; /* and the line before, which it takes back */
        else if (strncmp(line, "route ", 6) == 0)
            remains.routes += sw_routes_undo(footprint->routes.nl, line);
        else if (strncmp(line, "dns ", 4) == 0)
            undo_dns(line, &remains);
        else
            undo_filter(footprint, line, &remains);
    }
    if (remains.routes > 0) snprintf(routes, sizeof routes, " routes: %u", remains.routes);
    if (remains.routes > 0 || remains.dns || remains.filter)
        sw_log_info("removed what an earlier client left behind:%s%s%s", routes,
                    remains.dns ? " name server" : "", remains.filter ? " packet filter" : "");
}

static void note_left(const struct sw_footprint *footprint)
{
    if (footprint->left[0] != '\0')
        sw_journal_note(footprint->journal, "filter %s", footprint->left);
}

static int open_journal(struct sw_footprint *footprint, char *why, size_t why_size)
{
    const struct sw_client_config *config = footprint->config;
    char *path = sw_control_path(config->state_file, footprint->tun);
    if (path == NULL) return 0;
    int error = sw_journal_open(path, &footprint->journal, why, why_size);
    free(path);
    if (error < 0 && !config->state_file_explicit) {
        sw_log_warn("no state file, so nobody will undo what this client does if it is killed: %s",
                    why);
        return 0;
    }
    return error;
}

/* --- the packet filter -------------------------------------------------------------------------*/

static bool wants_filter(const struct sw_client_config *config)
{
    return config->kill_switch || config->block_ipv6;
}

/* A server by name is looked up before there is a tunnel to ask through. */
static bool needs_names(const struct sw_client_config *config)
{
    for (size_t i = 0; i < config->servers.n; i++) {
        struct in6_addr ip;
        const char *host = config->servers.entries[i].server.host;
        if (inet_pton(AF_INET, host, &ip) != 1 && inet_pton(AF_INET6, host, &ip) != 1) return true;
    }
    return false;
}

static int load_filter(struct sw_footprint *footprint, char *why, size_t why_size)
{
    char table[SW_FIREWALL_NAME], reason[256];
    sw_firewall_table(footprint->tun, table);
    if (!footprint->filtering) sw_journal_note(footprint->journal, "filter %s", table);
    int error = sw_firewall_load(&footprint->firewall, reason, sizeof reason);
    if (error < 0) {
        snprintf(why, why_size, "%s: %s",
                 footprint->config->kill_switch ? "kill_switch" : "block_ipv6", reason);
        return error;
    }
    footprint->filtering = true;
    if (strcmp(footprint->left, table) == 0) footprint->left[0] = '\0';
    return 0;
}

static int open_filter(struct sw_footprint *footprint, char *why, size_t why_size)
{
    const struct sw_client_config *config = footprint->config;
    footprint->firewall = (struct sw_firewall){
        .tun = footprint->tun,
        .mark = config->fwmark,
        .kill_switch = config->kill_switch,
        .block_ipv6 = config->block_ipv6,
        .lan = config->route_mode == SW_CLIENT_ROUTES_LAN,
        .names = needs_names(config),
    };
    if (wants_filter(config) && !sw_firewall_takes_device(footprint->tun)) {
        snprintf(why, why_size, "tun_name: %s cannot be written into a rule of nftables",
                 footprint->tun);
        return SW_EINVAL;
    }
    return config->kill_switch ? load_filter(footprint, why, why_size) : 0;
}

static bool is_known(const struct sw_firewall *firewall, const struct sw_address *server,
                     enum sw_transport transport)
{
    for (size_t i = 0; i < firewall->n_servers; i++) {
        const struct sw_firewall_server *known = &firewall->servers[i];
        if (known->transport == transport && known->address.port == server->port &&
            sw_address_same_host(&known->address, server))
            return true;
    }
    return false;
}

/* --- the client's life -------------------------------------------------------------------------*/

int sw_footprint_open(struct sw_footprint *footprint, const struct sw_client_config *config,
                      struct sw_netlink *nl, const char *tun_name, unsigned tun_index, char *why,
                      size_t why_size)
{
    memset(footprint, 0, sizeof *footprint);
    footprint->config = config;
    footprint->tun_index = tun_index;
    snprintf(footprint->tun, sizeof footprint->tun, "%s", tun_name);
    int error = open_journal(footprint, why, why_size);
    if (error < 0) return error;
    footprint->routes.nl = nl;
    undo_remains(footprint);
    sw_journal_clear(footprint->journal);
    note_left(footprint);
    footprint->routes.journal = footprint->journal;
    footprint->dns = (struct sw_dns){
        .root = "",
        .address = config->tun_dns_ip,
        .journal = footprint->journal,
    };
    snprintf(footprint->dns.tun, sizeof footprint->dns.tun, "%s", tun_name);
    return open_filter(footprint, why, why_size);
}

int sw_footprint_reach(struct sw_footprint *footprint, const struct sw_address *server,
                       enum sw_transport transport, char *why, size_t why_size)
{
    struct sw_firewall *firewall = &footprint->firewall;
    if (!sw_routes_reach(&footprint->routes, server, why, why_size)) return SW_EINVAL;
    if (!wants_filter(footprint->config) || is_known(firewall, server, transport)) return 0;
    if (firewall->n_servers == SW_FIREWALL_SERVERS) /* the oldest is long given up */
        memmove(firewall->servers, firewall->servers + 1,
                --firewall->n_servers * sizeof firewall->servers[0]);
    firewall->servers[firewall->n_servers++] =
        (struct sw_firewall_server){.address = *server, .transport = transport};
    int error = footprint->filtering ? load_filter(footprint, why, why_size) : 0;
    if (error < 0) firewall->n_servers--; /* the next time may be better */
    return error;
}

static int install_routes(struct sw_footprint *footprint, const struct sw_address *server,
                          char *why, size_t why_size)
{
    const struct sw_client_config *config = footprint->config;
    const struct sw_routes_plan plan = {
        .server = *server,
        .mark = config->fwmark,
        .tun_index = footprint->tun_index,
        .tun_peer = ntohl(config->tun_peer_ip.s_addr),
        .tun_dns = ntohl(config->tun_dns_ip.s_addr),
        .lan = config->route_mode == SW_CLIENT_ROUTES_LAN,
    };
    if (config->route_mode == SW_CLIENT_ROUTES_NOEXEC) return 0;
    return sw_routes_install(&footprint->routes, &plan, why, why_size);
}

int sw_footprint_online(struct sw_footprint *footprint, const struct sw_address *server, char *why,
                        size_t why_size)
{
    const struct sw_client_config *config = footprint->config;
    bool filter_is_old =
        wants_filter(config) && (!footprint->filtering || footprint->firewall.names);
    int error = install_routes(footprint, server, why, why_size);
    if (error < 0) return error;
    if (config->dns_config_mode == SW_CLIENT_DNS_DEFAULT && footprint->dns.way == NULL) {
        error = sw_dns_set(&footprint->dns, why, why_size);
        if (error < 0) return error;
        sw_log_info("the tunnel's name server is the system's now (%s)", footprint->dns.way->name);
    }
    footprint->firewall.names = false;
    return filter_is_old ? load_filter(footprint, why, why_size) : 0;
}

void sw_footprint_repair(struct sw_footprint *footprint)
{
    sw_routes_repair(&footprint->routes);
}

/* What still stands afterwards is in left. */
static void close_filter(struct sw_footprint *footprint, bool clean)
{
    char table[SW_FIREWALL_NAME], why[256];
    sw_firewall_table(footprint->tun, table);
    if (!footprint->filtering && strcmp(footprint->left, table) != 0) return;
    snprintf(footprint->left, sizeof footprint->left, "%s", table);
    if (footprint->config->kill_switch && !clean) {
        sw_log_warn("kill_switch: traffic stays blocked until the next start; "
                    "\"nft delete table inet %s\" ends that",
                    table);
    } else if (sw_firewall_remove(table, why, sizeof why) == 0) {
        footprint->left[0] = '\0';
    } else {
        sw_log_warn("table inet %s is not removed: %s", table, why);
    }
}

void sw_footprint_close(struct sw_footprint *footprint, bool clean)
{
    const struct sw_dns dns = footprint->dns;
    char why[256];
    if (footprint->config == NULL) return;
    bool dns_stays = sw_dns_reset(&footprint->dns, why, sizeof why) < 0;
    if (dns_stays) sw_log_warn("the name server is not reset: %s", why);
    sw_routes_remove(&footprint->routes);
    close_filter(footprint, clean);
    sw_journal_clear(footprint->journal);
    if (dns_stays) sw_dns_note(&dns);
    note_left(footprint);
    sw_journal_close(footprint->journal, dns_stays || footprint->left[0] != '\0');
    footprint->journal = NULL;
    footprint->config = NULL;
}

const char *sw_footprint_dns(const struct sw_footprint *footprint)
{
    return footprint->dns.way != NULL ? footprint->dns.way->name : "none";
}
