/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * systemd-resolved over the system bus: the TUN device gets the name server, and all names are
 * routed to it ("." as a routing-only domain, what resolvectl writes as "~."). resolved forgets
 * both with the device; a device that outlives the client is reverted.
 */

#include <arpa/inet.h>
#include <net/if.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "client/dns.h"

#define PATIENCE_US (10 * 1000 * 1000)

static const char destination[] = "org.freedesktop.resolve1";
static const char object[] = "/org/freedesktop/resolve1";
static const char manager[] = "org.freedesktop.resolve1.Manager";

static bool fits(const struct sw_dns *dns)
{
    return sw_dns_stub(dns);
}

static int fail(const char *what, int error, const sd_bus_error *said, char *why, size_t why_size)
{
    snprintf(why, why_size, "systemd-resolved: %s: %s", what,
             said != NULL && said->message != NULL ? said->message : strerror(-error));
    return SW_EINVAL;
}

static int open_bus(sd_bus **bus, char *why, size_t why_size)
{
    int error = sd_bus_open_system(bus);
    if (error < 0) return fail("system bus", error, NULL, why, why_size);
    sd_bus_set_method_call_timeout(*bus, PATIENCE_US);
    return 0;
}

static int set_server(sd_bus *bus, const struct sw_dns *dns, int index, char *why, size_t why_size)
{
    sd_bus_error said = SD_BUS_ERROR_NULL;
    uint8_t ip[4];
    memcpy(ip, &dns->address, sizeof ip);
    int error = sd_bus_call_method(bus, destination, object, manager, "SetLinkDNS", &said, NULL,
                                   "ia(iay)", index, 1, AF_INET, 4, ip[0], ip[1], ip[2], ip[3]);
    if (error < 0) error = fail("SetLinkDNS", error, &said, why, why_size);
    sd_bus_error_free(&said);
    return error < 0 ? error : 0;
}

static int set_domain(sd_bus *bus, int index, char *why, size_t why_size)
{
    sd_bus_error said = SD_BUS_ERROR_NULL;
    int error = sd_bus_call_method(bus, destination, object, manager, "SetLinkDomains", &said, NULL,
                                   "ia(sb)", index, 1, ".", 1);
    if (error < 0) error = fail("SetLinkDomains", error, &said, why, why_size);
    sd_bus_error_free(&said);
    return error < 0 ? error : 0;
}

static int set(struct sw_dns *dns, char *why, size_t why_size)
{
    sd_bus *bus = NULL;
    int index = (int)if_nametoindex(dns->tun);
    int error = open_bus(&bus, why, why_size);
    if (error < 0) return error;
    sw_dns_note(dns);
    error = set_server(bus, dns, index, why, why_size);
    if (error == 0) error = set_domain(bus, index, why, why_size);
    sd_bus_flush_close_unref(bus);
    return error;
}

static int reset(struct sw_dns *dns, char *why, size_t why_size)
{
    sd_bus_error said = SD_BUS_ERROR_NULL;
    sd_bus *bus = NULL;
    int index = (int)if_nametoindex(dns->tun);
    if (index == 0) return 0; /* forgotten with the device */
    int error = open_bus(&bus, why, why_size);
    if (error < 0) return error;
    error = sd_bus_call_method(bus, destination, object, manager, "RevertLink", &said, NULL, "i",
                               index);
    if (error < 0) error = fail("RevertLink", error, &said, why, why_size);
    sd_bus_error_free(&said);
    sd_bus_flush_close_unref(bus);
    return error < 0 ? error : 0;
}

const struct sw_dns_way sw_dns_resolved = {
    .name = "resolved",
    .fits = fits,
    .set = set,
    .reset = reset,
};
