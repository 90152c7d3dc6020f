/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Name servers through the programs that manage them: resolvectl, and resolvconf in both of its
 * kinds. openresolv is told that the server is the only one (-x), Debian's that it is the first
 * (-m 0).
 */

#include <arpa/inet.h>
#include <limits.h>
#include <slipway/error.h>
#include <stdio.h>
#include <unistd.h>

#include "client/dns.h"
#include "host/program.h"

static bool exists(const struct sw_dns *dns, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", dns->root, name);
    return access(path, F_OK) == 0;
}

/* --- resolvectl --------------------------------------------------------------------------------*/

static bool resolvectl_fits(const struct sw_dns *dns)
{
    return sw_program_exists("resolvectl") && sw_dns_stub(dns);
}

static int resolvectl_set(struct sw_dns *dns, char *why, size_t why_size)
{
    char address[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &dns->address, address, sizeof address);
    const char *const servers[] = {"resolvectl", "dns", dns->tun, address, NULL};
    const char *const domains[] = {"resolvectl", "domain", dns->tun, "~.", NULL};
    sw_dns_note(dns);
    int error = sw_program_run(servers, NULL, why, why_size);
    return error < 0 ? error : sw_program_run(domains, NULL, why, why_size);
}

static int resolvectl_reset(struct sw_dns *dns, char *why, size_t why_size)
{
    const char *const argv[] = {"resolvectl", "revert", dns->tun, NULL};
    return sw_program_run(argv, NULL, why, why_size);
}

const struct sw_dns_way sw_dns_resolvectl = {
    .name = "resolvectl",
    .fits = resolvectl_fits,
    .set = resolvectl_set,
    .reset = resolvectl_reset,
};

/* --- resolvconf --------------------------------------------------------------------------------*/

static bool resolvconf_fits(const struct sw_dns *dns)
{
    return sw_program_exists("resolvconf") && exists(dns, "/run/resolvconf/resolv.conf");
}

static int resolvconf_set(struct sw_dns *dns, char *why, size_t why_size)
{
    char address[INET_ADDRSTRLEN], input[80];
    bool open = exists(dns, "/etc/resolvconf.conf");
    const char *const argv[] = {"resolvconf",      "-a", dns->tun, open ? "-x" : "-m",
                                open ? NULL : "0", NULL};
    inet_ntop(AF_INET, &dns->address, address, sizeof address);
    snprintf(input, sizeof input, "nameserver %s\nsearch lightway\n", address);
    sw_dns_note(dns);
    return sw_program_run(argv, input, why, why_size);
}

static int resolvconf_reset(struct sw_dns *dns, char *why, size_t why_size)
{
    const char *const argv[] = {"resolvconf", "-d", dns->tun, NULL};
    return sw_program_run(argv, NULL, why, why_size);
}

const struct sw_dns_way sw_dns_resolvconf = {
    .name = "resolvconf",
    .fits = resolvconf_fits,
    .set = resolvconf_set,
    .reset = resolvconf_reset,
};
