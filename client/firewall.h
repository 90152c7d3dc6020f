/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_FIREWALL_H
#define SW_CLIENT_FIREWALL_H

/* The packet filter of options kill_switch and block_ipv6: one nftables table of the client's. */

#include <slipway/types.h>

/** Servers that the filter may know at the same time. */
#define SW_FIREWALL_SERVERS 256

struct sw_firewall {
    const char *tun;  /**< name of the TUN device */
    uint32_t mark;    /**< of the packets to servers; 0: none */
    bool kill_switch; /**< nothing but what is listed leaves */
    bool block_ipv6;  /**< no IPv6 but what is listed leaves */
    bool lan;         /**< private networks may be talked to */
    bool names;       /**< name servers may be asked */
    struct sw_firewall_server {
        struct sw_address address; /**< with port */
        enum sw_transport transport;
    } servers[SW_FIREWALL_SERVERS];
    size_t n_servers;
};

/** Longest name of a table with its terminating zero. */
#define SW_FIREWALL_NAME 48

/** The name of the table of a TUN device. Returns out. */
const char *sw_firewall_table(const char *tun, char out[SW_FIREWALL_NAME]);

/** Whether a device of this name can be written into a rule. */
bool sw_firewall_takes_device(const char *tun);

/**
 * What nft is to read: the table as it was, if it was, makes way for this one in one step. A new
 * string, NULL without memory.
 */
char *sw_firewall_rules(const struct sw_firewall *firewall);

/** Loads the rules. 0, or a negative SW_E… with one sentence in why. */
int sw_firewall_load(const struct sw_firewall *firewall, char *why, size_t why_size);

/** Removes the table of that name, which may come from a file; one that is not there is fine. */
int sw_firewall_remove(const char *table, char *why, size_t why_size);

#endif
