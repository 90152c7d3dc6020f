/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One table of the family inet with two chains, for what this host sends and for what it forwards.
 * Each lists what may pass and ends with the rule that stops the rest: everything with kill_switch,
 * IPv6 with block_ipv6. The rules look at single packets, not at connections: a flow that was there
 * before must not go on beside the tunnel. Every change loads the whole table in one transaction,
 * so there is no moment without rules.
 *
 * What may pass beside the tunnel: loopback; the servers at their addresses and ports, with fwmark
 * only if it is set; DHCP and what IPv6 needs on a link, or else the host loses the link on which
 * the server is reached. IPv6 that is blocked alone is refused with an answer, so that programs
 * turn to IPv4 at once.
 *
 * A device is named, not numbered: of a device that comes later only one of that name is meant.
 */

#include "client/firewall.h"

#include <ctype.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/routes.h"
#include "host/address.h"
#include "host/program.h"

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

const char *sw_firewall_table(const char *tun, char out[SW_FIREWALL_NAME])
{
    snprintf(out, SW_FIREWALL_NAME, "slipway-client-%.16s", tun);
    for (char *p = out; *p != '\0'; p++)
        if (!is_plain(*p)) *p = '_';
    return out;
}

bool sw_firewall_takes_device(const char *tun)
{
    for (const char *p = tun; *p != '\0'; p++)
        if (!isgraph((unsigned char)*p) || strchr("\"*\\", *p) != NULL) return false;
    return *tun != '\0';
}

static void put_server(FILE *out, const struct sw_firewall *firewall,
                       const struct sw_firewall_server *server)
{
    char host[SW_ADDRESS_TEXT];
    sw_address_host_text(&server->address, host);
    host[strcspn(host, "%")] = '\0'; /* the zone of a link-local address */
    fprintf(out, "        ");
    if (firewall->mark != 0) fprintf(out, "meta mark %u ", (unsigned)firewall->mark);
    fprintf(out, "%s daddr %s %s dport %u accept\n", server->address.family == 4 ? "ip" : "ip6",
            host, server->transport == SW_DATAGRAM ? "udp" : "tcp", server->address.port);
}

static void put_lan(FILE *out, const struct sw_firewall *firewall)
{
    if (!firewall->lan) return;
    for (size_t i = 0; i < SW_ROUTES_LAN; i++) {
        char network[SW_ADDRESS_TEXT];
        fprintf(out, "        ip daddr %s/%u accept\n",
                sw_ipv4_text(sw_lan_networks[i].ip, network), sw_lan_networks[i].prefix);
    }
    fprintf(out, "        ip6 daddr { fe80::/10, fc00::/7, ff02::/16 } accept\n");
}

static void put_end(FILE *out, const struct sw_firewall *firewall)
{
    fprintf(out, firewall->kill_switch
                     ? "        counter drop comment \"beside the tunnel\"\n    }\n"
                     : "        meta nfproto ipv6 counter reject with icmpv6 admin-prohibited\n"
                       "    }\n");
}

static void put_output(FILE *out, const struct sw_firewall *firewall)
{
    fprintf(out,
            "    chain output {\n"
            "        type filter hook output priority filter; policy accept;\n"
            "        oifname { \"lo\", \"%s\" } accept\n",
            firewall->tun);
    for (size_t i = 0; i < firewall->n_servers; i++)
        put_server(out, firewall, &firewall->servers[i]);
    fprintf(out, "        udp sport 68 udp dport 67 accept\n"
                 "        udp sport 546 udp dport 547 accept\n"
                 "        icmpv6 type { nd-router-solicit, nd-neighbor-solicit, "
                 "nd-neighbor-advert, mld2-listener-report } accept\n");
    if (firewall->names)
        fprintf(out, "        meta l4proto { tcp, udp } th dport { 53, 853 } accept\n");
    put_lan(out, firewall);
    if (!firewall->kill_switch) fprintf(out, "        ip6 daddr { fe80::/10, ff02::/16 } accept\n");
    put_end(out, firewall);
}

static void put_forward(FILE *out, const struct sw_firewall *firewall)
{
    fprintf(out,
            "    chain forward {\n"
            "        type filter hook forward priority filter; policy accept;\n"
            "        iifname \"%s\" accept\n"
            "        oifname \"%s\" accept\n",
            firewall->tun, firewall->tun);
    put_lan(out, firewall);
    put_end(out, firewall);
}

char *sw_firewall_rules(const struct sw_firewall *firewall)
{
    char table[SW_FIREWALL_NAME];
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    sw_firewall_table(firewall->tun, table);
    fprintf(out, "table inet %s\ndelete table inet %s\ntable inet %s {\n", table, table, table);
    put_output(out, firewall);
    put_forward(out, firewall);
    fprintf(out, "}\n");
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

static int nft(const char *rules, char *why, size_t why_size)
{
    const char *const argv[] = {"nft", "-f", "-", NULL};
    return sw_program_run(argv, rules, why, why_size);
}

int sw_firewall_load(const struct sw_firewall *firewall, char *why, size_t why_size)
{
    char *rules = sw_firewall_rules(firewall);
    snprintf(why, why_size, "out of memory");
    int error = rules != NULL ? nft(rules, why, why_size) : SW_ENOMEM;
    free(rules);
    return error;
}

int sw_firewall_remove(const char *table, char *why, size_t why_size)
{
    char rules[2 * SW_FIREWALL_NAME + 40];
    for (const char *p = table; *p != '\0'; p++)
        if (!is_plain(*p)) {
            snprintf(why, why_size, "\"%s\" is no name of a table of a client's", table);
            return SW_EINVAL;
        }
    snprintf(rules, sizeof rules, "table inet %s\ndelete table inet %s\n", table, table);
    return nft(rules, why, why_size);
}
