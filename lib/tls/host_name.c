/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Names in certificates, compared as they stand (docs/protocol/session.md §5.4). A name fits a DNS
 * entry of the subjectAltName that is the same text; an address, in whatever way it is written,
 * also an iPAddress entry of the same bytes. The common name counts only where the subjectAltName
 * has neither DNS nor URI entries. Letters of ASCII are the same in both cases; nothing is a
 * wildcard, no dot is added or taken away.
 */

#include "lib/tls/host_name.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/utf8.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

bool sw_host_name_valid(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > SW_HOST_NAME_MAX || !sw_utf8_valid(text, len)) return false;
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return false;
    return true;
}

/* --- addresses ---------------------------------------------------------------------------------
 */

/* The whole of text, four decimal numbers. */
static bool read_ip4(const char *text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        size_t digits = strspn(text, "0123456789");
        unsigned value = 0;
        if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0')) return false;
        for (size_t k = 0; k < digits; k++)
            value = value * 10 + (unsigned)(text[k] - '0');
        if (value > 255 || text[digits] != (i < 3 ? '.' : '\0')) return false;
        out[i] = (uint8_t)value;
        text += digits + 1;
    }
    return true;
}

static uint16_t read_group(const char *text, size_t digits)
{
    unsigned value = 0;

    for (size_t i = 0; i < digits; i++) {
        unsigned c = (unsigned char)text[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return (uint16_t)value;
}

/* RFC 4291 §2.2: groups, one gap, an IPv4 address for the last two groups. */
static bool read_ip6(const char *text, uint8_t out[16])
{
    const size_t none = 16;
    size_t len = 0, gap = none;

    if (text[0] == ':' && text[1] == ':') {
        gap = 0;
        text += 2;
    }
    while (*text != '\0') {
        if (len <= 12 && read_ip4(text, out + len)) {
            len += 4;
            break;
        }
        size_t digits = strspn(text, HEX_DIGITS);
        if (digits == 0 || digits > 4 || len == 16) return false;
        sw_put_be16(out + len, read_group(text, digits));
        len += 2;
        text += digits;
        if (*text == '\0') break;
        if (*text++ != ':' || *text == '\0') return false;
        if (*text != ':') continue;
        if (gap != none) return false;
        gap = len;
        text++;
    }
    if (gap == none) return len == 16;
    if (len == 16) return false;
    memmove(out + gap + 16 - len, out + gap, len - gap);
    memset(out + gap, 0, 16 - len);
    return true;
}

/* --- the question ------------------------------------------------------------------------------
 */

void sw_host_name_ask(struct sw_host_name *name, const char *text)
{
    *name = (struct sw_host_name){.text = text};
    if (read_ip4(text, name->address))
        name->address_len = 4;
    else if (read_ip6(text, name->address))
        name->address_len = 16;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is_same_text(const char *text, struct sw_span other)
{
    if (other.len == 0 || strlen(text) != other.len) return false;
    for (size_t i = 0; i < other.len; i++)
        if (lower((uint8_t)text[i]) != lower(other.data[i])) return false;
    return true;
}

void sw_host_name_alternative(struct sw_host_name *name, enum sw_host_name_kind kind,
                              struct sw_span entry)
{
    switch (kind) {
    case SW_HOST_NAME_DNS:
        name->has_names = true;
        name->found |= is_same_text(name->text, entry);
        break;
    case SW_HOST_NAME_ADDRESS:
        name->found |= name->address_len != 0 && entry.len == name->address_len &&
                       memcmp(entry.data, name->address, entry.len) == 0;
        break;
    case SW_HOST_NAME_URI:
        name->has_names = true;
        break;
    case SW_HOST_NAME_OTHER:
        break;
    }
}

bool sw_host_name_carried(const struct sw_host_name *name, struct sw_span common_name)
{
    return name->found || (!name->has_names && is_same_text(name->text, common_name));
}
