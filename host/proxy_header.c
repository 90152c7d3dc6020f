/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Version 1 is a line, "PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", of at most 107 bytes;
 * "PROXY UNKNOWN" and anything up to the end of the line says nothing. Version 2 has a signature, a
 * byte each for version and command and for the family, a length, and as many bytes of addresses
 * and TLVs.
 *
 * What says nothing of the client is accepted all the same, as the specification of the PROXY
 * protocol asks: LOCAL, which load balancers use for health checks of their own, the unspecified
 * family and Unix sockets. Values that the specification does not know are refused. The destination
 * has to be well formed and is not used; TLVs are not looked at.
 */

#include "host/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

#include "host/address.h"

/* --- version 2 ---------------------------------------------------------------------------------*/

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define VERSION_2     0x20
#define COMMAND_LOCAL 0
#define COMMAND_PROXY 1
#define FAMILY_INET   1
#define FAMILY_INET6  2
#define FAMILY_MOST   3 /* Unix */
#define PROTOCOL_MOST 2 /* datagram */
#define FIXED_LEN     (sizeof signature + 4)

static int read_inet(struct sw_cursor *c, struct sw_address *source)
{
    struct in_addr from, to;
    uint16_t port;
    if (sw_cursor_copy(c, &from, sizeof from) < 0 || sw_cursor_copy(c, &to, sizeof to) < 0 ||
        sw_cursor_be16(c, &port) < 0 || sw_cursor_skip(c, 2) < 0)
        return SW_ESHORT;
    *source = sw_address_from_in(from, port);
    return 0;
}

static int read_inet6(struct sw_cursor *c, struct sw_address *source)
{
    struct in6_addr from, to;
    uint16_t port;
    if (sw_cursor_copy(c, &from, sizeof from) < 0 || sw_cursor_copy(c, &to, sizeof to) < 0 ||
        sw_cursor_be16(c, &port) < 0 || sw_cursor_skip(c, 2) < 0)
        return SW_ESHORT;
    *source = sw_address_from_in6(&from, port, 0);
    return 0;
}

static int decode_binary(struct sw_cursor c, struct sw_proxy_header *out)
{
    static const struct {
        uint8_t len;
        int (*read)(struct sw_cursor *c, struct sw_address *source);
    } families[FAMILY_MOST + 1] = {
        [FAMILY_INET] = {12, read_inet},
        [FAMILY_INET6] = {36, read_inet6},
    };
    uint8_t command, family;
    uint16_t len;
    if (sw_cursor_skip(&c, sizeof signature) < 0 || sw_cursor_u8(&c, &command) < 0 ||
        sw_cursor_u8(&c, &family) < 0 || sw_cursor_be16(&c, &len) < 0)
        return SW_ESHORT;
    if ((command & 0xf0) != VERSION_2) return SW_EVERSION;
    out->len = FIXED_LEN + len;
    if ((command & 0x0f) == COMMAND_LOCAL) return 0; /* whatever it says of addresses */
    if ((command & 0x0f) != COMMAND_PROXY || (family & 0x0f) > PROTOCOL_MOST) return SW_EKIND;
    family >>= 4;
    if (family > FAMILY_MOST) return SW_EKIND;
    if (families[family].read == NULL) return 0;
    if (len < families[family].len) return SW_EADDRESS;
    return families[family].read(&c, &out->source);
}

/* --- version 1 ---------------------------------------------------------------------------------*/

static const uint8_t prefix[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

/* A word of the line and the space behind it, which another word has to follow. */
static int read_word(struct sw_cursor *line, char *word, size_t size)
{
    size_t len = 0;
    uint8_t byte = 0;
    while (sw_cursor_u8(line, &byte) == 0 && byte != ' ') {
        if (byte == '\0' || len == size - 1) return SW_EADDRESS;
        word[len++] = (char)byte;
    }
    word[len] = '\0';
    bool dangling = byte == ' ' && sw_cursor_left(line) == 0;
    return len > 0 && !dangling ? 0 : SW_EADDRESS;
}

static int read_port(struct sw_cursor *line, uint16_t *port)
{
    char word[6];
    uint32_t value = 0;
    if (read_word(line, word, sizeof word) < 0) return SW_EADDRESS;
    if (word[0] == '0' && word[1] != '\0') return SW_EADDRESS;
    for (const char *p = word; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') return SW_EADDRESS;
        value = value * 10 + (uint32_t)(*p - '0');
    }
    if (value > UINT16_MAX) return SW_EADDRESS;
    *port = (uint16_t)value;
    return 0;
}

static int read_host(struct sw_cursor *line, int family, struct in6_addr *host)
{
    char word[INET6_ADDRSTRLEN];
    if (read_word(line, word, sizeof word) < 0) return SW_EADDRESS;
    return inet_pton(family, word, host) == 1 ? 0 : SW_EADDRESS;
}

/* Whatever comes behind the word. */
static bool says_unknown(struct sw_cursor line)
{
    static const char unknown[7] = {'U', 'N', 'K', 'N', 'O', 'W', 'N'};
    char word[sizeof unknown];
    uint8_t next = ' ';
    if (sw_cursor_copy(&line, word, sizeof word) < 0) return false;
    return memcmp(word, unknown, sizeof word) == 0 &&
           (sw_cursor_u8(&line, &next) < 0 || next == ' ');
}

/* What stands behind "PROXY ", without the end of the line. */
static int read_line(struct sw_cursor line, struct sw_address *source)
{
    struct in6_addr from, to;
    uint16_t from_port, to_port;
    char word[8];
    if (says_unknown(line)) return 0;
    if (read_word(&line, word, sizeof word) < 0) return SW_EADDRESS;
    int family = strcmp(word, "TCP4") == 0 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && strcmp(word, "TCP6") != 0) return SW_EKIND;
    if (read_host(&line, family, &from) < 0 || read_host(&line, family, &to) < 0 ||
        read_port(&line, &from_port) < 0 || read_port(&line, &to_port) < 0 ||
        sw_cursor_left(&line) > 0)
        return SW_EADDRESS;
    if (family == AF_INET6) {
        *source = sw_address_from_in6(&from, from_port, 0);
    } else {
        struct in_addr v4;
        memcpy(&v4, &from, sizeof v4);
        *source = sw_address_from_in(v4, from_port);
    }
    return 0;
}

static int decode_text(struct sw_cursor c, struct sw_proxy_header *out)
{
    const uint8_t *start = c.p;
    size_t most = sw_cursor_left(&c);
    if (most > SW_PROXY_HEADER_DECIDES) most = SW_PROXY_HEADER_DECIDES;
    const uint8_t *newline = memchr(start, '\n', most);
    if (newline == NULL) return most == SW_PROXY_HEADER_DECIDES ? SW_ETOOLARGE : SW_ESHORT;
    out->len = (size_t)(newline - start) + 1;
    if (out->len < sizeof prefix + 2 || newline[-1] != '\r') return SW_EADDRESS;
    struct sw_cursor line = sw_cursor(start, out->len - 2);
    if (sw_cursor_skip(&line, sizeof prefix) < 0) return SW_EADDRESS;
    return read_line(line, &out->source);
}

/* --- either ------------------------------------------------------------------------------------*/

/* Whether c begins like this, as far as it goes. */
static bool begins(const struct sw_cursor *c, const uint8_t *bytes, size_t len)
{
    size_t n = sw_cursor_left(c) < len ? sw_cursor_left(c) : len;
    return n == 0 || memcmp(c->p, bytes, n) == 0;
}

int sw_proxy_header_decode(struct sw_cursor c, struct sw_proxy_header *out)
{
    *out = (struct sw_proxy_header){0};
    if (sw_cursor_left(&c) == 0) return SW_ESHORT;
    if (begins(&c, signature, sizeof signature)) return decode_binary(c, out);
    if (begins(&c, prefix, sizeof prefix)) return decode_text(c, out);
    return SW_EMAGIC;
}
