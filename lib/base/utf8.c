/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * UTF-8 as RFC 3629 §4 draws it. A lead byte says how many continuation bytes (80..BF) follow and
 * into which range the first of them must fall; that narrower range is what keeps out overlong
 * forms (E0, F0), surrogates (ED) and code points above U+10FFFF (F4). Peers that decode text
 * strictly end the connection over a single bad byte (docs/protocol/wire.md §9), so the same
 * strictness applies to what we send.
 */

#include "lib/base/utf8.h"

#include "lib/base/cursor.h"

struct lead {
    uint8_t first, last; /**< lead bytes this row is for */
    uint8_t low, high;   /**< range of the first continuation byte */
    uint8_t more;        /**< continuation bytes in all */
};

static const struct lead leads[] = {
    {0x00, 0x7f, 0x00, 0x00, 0}, {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
    {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
    {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
};

static const struct lead *find_lead(uint8_t byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (byte >= leads[i].first && byte <= leads[i].last) return &leads[i];
    }
    return NULL;
}

static bool take_character(struct sw_cursor *c)
{
    uint8_t byte;
    if (sw_cursor_u8(c, &byte) < 0) return false;
    const struct lead *lead = find_lead(byte);
    if (lead == NULL) return false;

    uint8_t low = lead->low, high = lead->high;
    for (int i = 0; i < lead->more; i++) {
        if (sw_cursor_u8(c, &byte) < 0 || byte < low || byte > high) return false;
        low = 0x80;
        high = 0xbf;
    }
    return true;
}

bool sw_utf8_valid(const void *data, size_t len)
{
    if (len == 0) return true;
    struct sw_cursor c = sw_cursor(data, len);
    while (sw_cursor_left(&c) > 0) {
        if (!take_character(&c)) return false;
    }
    return true;
}
