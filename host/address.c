/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Conversion of addresses (host/address.h). The library's struct sw_address has unused bytes zero
 * and the port in host byte order; the kernel's structures have neither rule. Here is the only
 * place that knows both.
 */

#include "host/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>

struct sw_address sw_address_from_in(struct in_addr ip, uint16_t port)
{
    struct sw_address out;
    memset(&out, 0, sizeof out);
    out.family = 4;
    out.port = port;
    memcpy(out.ip, &ip, 4);
    return out;
}

struct sw_address sw_address_from_in6(const struct in6_addr *ip, uint16_t port, uint32_t scope)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        struct in_addr v4;
        memcpy(&v4, ip->s6_addr + 12, 4);
        return sw_address_from_in(v4, port);
    }
    struct sw_address out;
    memset(&out, 0, sizeof out);
    out.family = 6;
    out.port = port;
    memcpy(out.ip, ip->s6_addr, 16);
    out.scope = IN6_IS_ADDR_LINKLOCAL(ip) ? scope : 0;
    return out;
}

int sw_address_from_sockaddr(struct sw_address *out, const struct sockaddr *from)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        *out = sw_address_from_in(v4.sin_addr, ntohs(v4.sin_port));
        return 0;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        *out = sw_address_from_in6(&v6.sin6_addr, ntohs(v6.sin6_port), v6.sin6_scope_id);
        return 0;
    }
    memset(out, 0, sizeof *out);
    return SW_EINVAL;
}

struct in6_addr sw_address_to_in6(const struct sw_address *from)
{
    struct in6_addr out = IN6ADDR_ANY_INIT;
    if (from->family == 6) {
        memcpy(out.s6_addr, from->ip, 16);
    } else {
        out.s6_addr[10] = out.s6_addr[11] = 0xff;
        memcpy(out.s6_addr + 12, from->ip, 4);
    }
    return out;
}

socklen_t sw_address_to_sockaddr(const struct sw_address *from, int socket_family,
                                 struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (socket_family == AF_INET && from->family == 4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(from->port)};
        memcpy(&v4.sin_addr, from->ip, 4);
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    if (socket_family == AF_INET6 && from->family != 0) {
        struct sockaddr_in6 v6 = {
            .sin6_family = AF_INET6,
            .sin6_port = htons(from->port),
            .sin6_addr = sw_address_to_in6(from),
            .sin6_scope_id = from->scope,
        };
        memcpy(out, &v6, sizeof v6);
        return sizeof v6;
    }
    return 0;
}

int sw_address_family(const struct sw_address *address)
{
    return address->family == 4 ? AF_INET : address->family == 6 ? AF_INET6 : AF_UNSPEC;
}

bool sw_address_is_any(const struct sw_address *address)
{
    static const uint8_t zero[16];
    return address->family == 0 || memcmp(address->ip, zero, sizeof zero) == 0;
}

bool sw_address_same_host(const struct sw_address *a, const struct sw_address *b)
{
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

const char *sw_address_host_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "none";
    if (address->family != 0) inet_ntop(sw_address_family(address), address->ip, host, sizeof host);
    if (address->scope != 0)
        snprintf(out, SW_ADDRESS_TEXT, "%s%%%u", host, address->scope);
    else
        snprintf(out, SW_ADDRESS_TEXT, "%s", host);
    return out;
}

const char *sw_address_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT])
{
    char host[SW_ADDRESS_TEXT];
    sw_address_host_text(address, host);
    if (address->family == 0)
        snprintf(out, SW_ADDRESS_TEXT, "%s", host);
    else
        snprintf(out, SW_ADDRESS_TEXT, address->family == 6 ? "[%.60s]:%u" : "%.60s:%u", host,
                 address->port);
    return out;
}

const char *sw_ipv4_text(uint32_t ip, char out[SW_ADDRESS_TEXT])
{
    struct in_addr in = {.s_addr = htonl(ip)};
    struct sw_address address = sw_address_from_in(in, 0);
    return sw_address_host_text(&address, out);
}

const char *sw_session_text(struct sw_session_id session, char out[SW_SESSION_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof session.bytes; i++) {
        out[2 * i] = digits[session.bytes[i] >> 4];
        out[2 * i + 1] = digits[session.bytes[i] & 15];
    }
    out[SW_SESSION_TEXT - 1] = '\0';
    return out;
}
