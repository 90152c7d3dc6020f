/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which way name servers are set. Order and conditions are those of the stock client: resolved
 * where resolv.conf is the link to its stub, resolvconf where it keeps a file of its own, else the
 * file is replaced.
 */

#include "client/dns.h"

#include <limits.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct sw_dns_way *const ways[] = {
#ifdef SW_HAVE_LIBSYSTEMD
    &sw_dns_resolved,
#endif
    &sw_dns_resolvectl,
    &sw_dns_resolvconf,
    &sw_dns_file,
};

#define WAYS (sizeof ways / sizeof ways[0])

bool sw_dns_stub(const struct sw_dns *dns)
{
    char path[PATH_MAX], conf[PATH_MAX], stub[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/run/systemd/resolve/stub-resolv.conf", dns->root);
    if (realpath(path, stub) == NULL) return false;
    snprintf(path, sizeof path, "%s/etc/resolv.conf", dns->root);
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, conf) != NULL &&
           strcmp(conf, stub) == 0;
}

int sw_dns_set(struct sw_dns *dns, char *why, size_t why_size)
{
    char reason[256] = "", ignored[256];
    for (size_t i = 0; i < WAYS; i++) {
        if (!ways[i]->fits(dns)) continue;
        dns->way = ways[i];
        int error = dns->way->set(dns, reason, sizeof reason);
        if (error == 0) return 0;
        snprintf(why, why_size,
                 "the name server is not set: %s (dns_config_mode: noexec leaves it alone)",
                 reason);
        sw_dns_reset(dns, ignored, sizeof ignored); /* what was done until then */
        return error;
    }
    snprintf(why, why_size, "no way to set the name server fits");
    return SW_EINVAL;
}

int sw_dns_reset(struct sw_dns *dns, char *why, size_t why_size)
{
    if (dns->way == NULL) return 0;
    int error = dns->way->reset(dns, why, why_size);
    dns->way = NULL;
    return error;
}

void sw_dns_note(const struct sw_dns *dns)
{
    const char *detail = dns->tun;
    if (dns->way == &sw_dns_file) detail = dns->made ? "made" : "replaced";
    sw_journal_note(dns->journal, "dns %s %s", dns->way->name, detail);
}

bool sw_dns_recall(struct sw_dns *dns, const char *line)
{
    char name[16], detail[16];
    if (sscanf(line, "dns %15s %15s", name, detail) != 2) return false;
    dns->way = NULL;
    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(ways[i]->name, name) == 0) dns->way = ways[i];
    if (dns->way == &sw_dns_file)
        dns->made = strcmp(detail, "made") == 0;
    else
        snprintf(dns->tun, sizeof dns->tun, "%s", detail);
    return dns->way != NULL;
}
