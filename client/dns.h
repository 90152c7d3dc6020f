/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_DNS_H
#define SW_CLIENT_DNS_H

/*
 * The name server of the tunnel as that of the system. There are several ways, one for each thing
 * that may rule over name servers on a host; the first that fits is taken.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "client/journal.h"

struct sw_dns {
    const char *root;             /**< before every path: "", except in tests */
    char tun[16];                 /**< name of the TUN device */
    struct in_addr address;       /**< of the name server */
    struct sw_journal *journal;   /**< where changes are noted; NULL: nowhere */
    const struct sw_dns_way *way; /**< NULL: nothing is set */
    bool made;                    /**< way file: there was no file before */
};

/** One way to set name servers. */
struct sw_dns_way {
    const char *name;
    bool (*fits)(const struct sw_dns *dns);
    /** With way set to this one. 0, or a negative SW_E… with one sentence in why. */
    int (*set)(struct sw_dns *dns, char *why, size_t why_size);
    int (*reset)(struct sw_dns *dns, char *why, size_t why_size);
};

extern const struct sw_dns_way sw_dns_resolved;   /**< systemd-resolved over D-Bus */
extern const struct sw_dns_way sw_dns_resolvectl; /**< the same through its program */
extern const struct sw_dns_way sw_dns_resolvconf; /**< openresolv, or Debian's resolvconf */
extern const struct sw_dns_way sw_dns_file;       /**< /etc/resolv.conf itself */

/** Makes address the system's name server. 0, or a negative SW_E… with one sentence in why. */
int sw_dns_set(struct sw_dns *dns, char *why, size_t why_size);

/** Undoes it. Nothing set is fine. */
int sw_dns_reset(struct sw_dns *dns, char *why, size_t why_size);

/** Notes what sw_dns_recall() reads. */
void sw_dns_note(const struct sw_dns *dns);

/**
 * From a line of a state file that begins with "dns ", so that sw_dns_reset() undoes what it tells.
 * False: it tells nothing.
 */
bool sw_dns_recall(struct sw_dns *dns, const char *line);

/** Whether systemd-resolved rules over the name servers of this host. */
bool sw_dns_stub(const struct sw_dns *dns);

#endif
