/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Option values that name places in a network: addresses, networks, listening and server addresses.
 * Only numeric addresses are read here; a server's name is kept as text and resolved by the
 * program. docs/configuration.md, "Values".
 */
#include <arpa/inet.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/option_types.h"
#include "host/options.h"
#include "lib/tls/host_name.h"

static int not_a(const struct sw_option *option, struct sw_why *why)
{
    sw_why(why, "is not %s; expected %s", option->type->noun, option->type->expected);
    return SW_EINVAL;
}

/* --- IPv4 address -------------------------------------------------------------------------- */

static int parse_ipv4(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    struct in_addr *value = field;
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1) return not_a(option, why);
    if (address.s_addr == INADDR_ANY) {
        sw_why(why, "is no address of a host; expected %s", option->type->expected);
        return SW_EINVAL;
    }
    *value = address;
    return 0;
}

static void print_ipv4(const struct sw_option *option, const void *field, FILE *out)
{
    const struct in_addr *value = field;
    char text[INET_ADDRSTRLEN];

    if (value->s_addr == INADDR_ANY) return;
    fputs(inet_ntop(AF_INET, value, text, sizeof text), out);
}

const struct sw_option_type sw_type_ipv4 = {
    .noun = "an IPv4 address",
    .expected = "four numbers with dots, e.g. 10.125.0.1",
    .meta = "IPV4",
    .size = sizeof(struct in_addr),
    .parse = parse_ipv4,
    .print = print_ipv4,
};

/* --- IPv4 network -------------------------------------------------------------------------- */

/* Reads digits only, at most max. */
static int parse_small(const char *text, unsigned max, unsigned *value)
{
    unsigned sum = 0;

    if (*text == '\0') return SW_EINVAL;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') return SW_EINVAL;
        sum = sum * 10 + (unsigned)(*p - '0');
        if (sum > max) return SW_EINVAL;
    }
    *value = sum;
    return 0;
}

int sw_ipv4_net_parse(const char *text, struct sw_ipv4_net *net)
{
    char address[INET_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    struct in_addr parsed;
    unsigned prefix;

    if (slash == NULL || (size_t)(slash - text) >= sizeof address) return SW_EINVAL;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &parsed) != 1) return SW_EINVAL;
    if (parse_small(slash + 1, 32, &prefix) < 0) return SW_EINVAL;

    uint32_t mask = prefix == 0 ? 0 : ~UINT32_C(0) << (32 - prefix);
    net->address.s_addr = parsed.s_addr & htonl(mask);
    net->prefix = (uint8_t)prefix;
    return 0;
}

void sw_ipv4_net_print(const struct sw_ipv4_net *net, FILE *out)
{
    char text[INET_ADDRSTRLEN];
    fprintf(out, "%s/%u", inet_ntop(AF_INET, &net->address, text, sizeof text), net->prefix);
}

static int parse_ipv4_net(const struct sw_option *option, const char *text, void *field,
                          struct sw_why *why)
{
    struct sw_ipv4_net *value = field;
    struct sw_ipv4_net net;

    if (sw_ipv4_net_parse(text, &net) < 0) return not_a(option, why);
    *value = net;
    return 0;
}

static void print_ipv4_net(const struct sw_option *option, const void *field, FILE *out)
{
    sw_ipv4_net_print(field, out);
}

const struct sw_option_type sw_type_ipv4_net = {
    .noun = "an IPv4 network",
    .expected = "an address and a prefix length, e.g. 10.125.0.0/16",
    .meta = "NETWORK",
    .size = sizeof(struct sw_ipv4_net),
    .parse = parse_ipv4_net,
    .print = print_ipv4_net,
};

/* --- HOST:PORT ----------------------------------------------------------------------------- */

/* Splits "host:port" or "[v6]:port" at the last colon; host points into text. */
static int split_port(const char *text, const char **host, size_t *len, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    unsigned number;

    if (colon == NULL || parse_small(colon + 1, 65535, &number) < 0 || number == 0)
        return SW_EINVAL;
    *host = text;
    *len = (size_t)(colon - text);
    *port = (uint16_t)number;
    return *len > 0 ? 0 : SW_EINVAL;
}

static bool is_bracketed(const char *host, size_t len)
{
    return len > 2 && host[0] == '[' && host[len - 1] == ']';
}

static int parse_sockaddr(const struct sw_option *option, const char *text, void *field,
                          struct sw_why *why)
{
    struct sockaddr_storage *value = field;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char copy[INET6_ADDRSTRLEN];
    const char *host;
    size_t len;
    uint16_t port;

    if (split_port(text, &host, &len, &port) < 0) return not_a(option, why);
    bool is_v6 = is_bracketed(host, len);
    if (is_v6) {
        host++;
        len -= 2;
    }
    if (len >= sizeof copy) return not_a(option, why);
    memcpy(copy, host, len);
    copy[len] = '\0';
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, copy,
                  is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
        return not_a(option, why);

    memset(value, 0, sizeof *value);
    v4.sin_port = v6.sin6_port = htons(port);
    if (is_v6)
        memcpy(value, &v6, sizeof v6);
    else
        memcpy(value, &v4, sizeof v4);
    return 0;
}

static void print_sockaddr(const struct sw_option *option, const void *field, FILE *out)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    memcpy(&v4, field, sizeof v4);
    memcpy(&v6, field, sizeof v6);
    if (v4.sin_family == AF_INET)
        fprintf(out, "%s:%u", inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text),
                ntohs(v4.sin_port));
    else if (v4.sin_family == AF_INET6)
        fprintf(out, "[%s]:%u", inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text),
                ntohs(v6.sin6_port));
}

const struct sw_option_type sw_type_sockaddr = {
    .noun = "a socket address",
    .expected = "a numeric address and a port, e.g. 0.0.0.0:27690 or [::]:27690",
    .meta = "ADDRESS:PORT",
    .size = sizeof(struct sockaddr_storage),
    .parse = parse_sockaddr,
    .print = print_sockaddr,
};

static bool is_host_name(const char *host, size_t len)
{
    if (len > 253) return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)host[i];
        if (c <= ' ' || c == 0x7f || strchr(":/[]", c) != NULL) return false;
    }
    return true;
}

/* An IPv6 address, with or without "%scope". */
static bool is_ipv6(const char *host)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    size_t len = strcspn(host, "%");

    if (len >= sizeof copy) return false;
    memcpy(copy, host, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, &ignored) == 1;
}

static int parse_server(const struct sw_option *option, const char *text, void *field,
                        struct sw_why *why)
{
    struct sw_host_port *value = field;
    const char *host;
    size_t len;
    uint16_t port;

    if (text[0] == '\0') { /* as if it were not given */
        option->type->clear(field);
        return 0;
    }
    if (split_port(text, &host, &len, &port) < 0) return not_a(option, why);
    if (is_bracketed(host, len)) {
        host++;
        len -= 2;
    } else if (!is_host_name(host, len)) {
        return not_a(option, why);
    }

    char *copy = strndup(host, len);
    if (copy == NULL) return SW_ENOMEM;
    if (host != text && !is_ipv6(copy)) {
        free(copy);
        return not_a(option, why);
    }
    free(value->host);
    value->host = copy;
    value->port = port;
    return 0;
}

static void print_server(const struct sw_option *option, const void *field, FILE *out)
{
    const struct sw_host_port *value = field;

    if (value->host == NULL) return;
    bool is_v6 = strchr(value->host, ':') != NULL;
    fprintf(out, is_v6 ? "[%s]:%u" : "%s:%u", value->host, value->port);
}

static void clear_server(void *field)
{
    struct sw_host_port *value = field;
    free(value->host);
    *value = (struct sw_host_port){0};
}

const struct sw_option_type sw_type_server = {
    .noun = "a server address",
    .expected = "a host and a port, e.g. vpn.example.net:27690 or [2001:db8::1]:27690",
    .meta = "HOST:PORT",
    .size = sizeof(struct sw_host_port),
    .parse = parse_server,
    .print = print_server,
    .clear = clear_server,
};

/* --- names in certificates ----------------------------------------------------------------- */

/* Empty: any name will do. */
static int parse_identity(const struct sw_option *option, const char *text, void *field,
                          struct sw_why *why)
{
    if (text[0] != '\0' && !sw_host_name_valid(text)) return not_a(option, why);
    return sw_type_text.parse(option, text, field, why);
}

static void print_identity(const struct sw_option *option, const void *field, FILE *out)
{
    sw_type_text.print(option, field, out);
}

static void clear_identity(void *field)
{
    sw_type_text.clear(field);
}

const struct sw_option_type sw_type_identity = {
    .noun = "a name that a certificate can be checked against",
    .expected = "a name or an address, e.g. vpn.example.net, of at most 253 bytes",
    .meta = "NAME",
    .size = sizeof(char *),
    .parse = parse_identity,
    .print = print_identity,
    .clear = clear_identity,
};
