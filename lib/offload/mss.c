/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Clamping the MSS option of TCP SYN packets (docs/protocol/session.md §17).
 *
 * The list is read as every TCP reads it: kind 0 ends it, kind 1 is one byte of padding, every
 * other kind has a length that covers itself and must stay inside the header. The first option that
 * does not ends the walk: what a receiver would not read need not be changed.
 *
 * Options may begin anywhere. A value at an odd offset lies across two of the words that the
 * checksum adds, so the update takes both; the header's length is a multiple of four, so the second
 * word is always inside it.
 */

#include "lib/offload/mss.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"

#define TCP_HEADER_MIN 20

enum tcp_field { TCP_DATA_OFFSET = 12, TCP_CHECKSUM = 16 };
enum option { OPTION_END = 0, OPTION_PADDING = 1, OPTION_MSS = 2 };

#define OPTION_MSS_LEN 4

/* at: of the value in the TCP header. */
static void set_value(uint8_t *tcp, size_t at, uint16_t value)
{
    size_t first = at & ~(size_t)1;
    size_t len = first == at ? 2 : 4;
    uint32_t before = 0, after = 0;

    memcpy(&before, tcp + first, len);
    sw_put_be16(tcp + at, value);
    memcpy(&after, tcp + first, len);
    sw_checksum_replace32(tcp + TCP_CHECKSUM, before, after, false);
}

bool sw_mss_clamp(uint8_t *packet, const struct sw_packet *ip, uint16_t limit)
{
    uint8_t *tcp = packet + ip->header_len;
    size_t len = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
    bool changed = false;

    if (len > ip->total_len - ip->header_len) return false;
    for (size_t at = TCP_HEADER_MIN, option_len; at < len; at += option_len) {
        if (tcp[at] == OPTION_END) break;
        option_len = tcp[at] == OPTION_PADDING ? 1 : at + 1 < len ? tcp[at + 1] : 0;
        if (option_len == 0 || option_len > len - at) break;
        if (option_len == 1 && tcp[at] != OPTION_PADDING) break;
        if (tcp[at] != OPTION_MSS || option_len != OPTION_MSS_LEN) continue;
        if (sw_get_be16(tcp + at + 2) <= limit) continue;
        set_value(tcp, at + 2, limit);
        changed = true;
    }
    return changed;
}
