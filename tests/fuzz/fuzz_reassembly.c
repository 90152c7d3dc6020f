/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Fragments as a peer may send them, in any order, overlapping, contradictory, too many
 * (docs/protocol/session.md §18): what becomes of each is what a plain reassembly says, and what
 * comes out whole is what went in.
 *
 * The input is a list of fragments, eight bytes each: number, offset, length, the last one or not,
 * and how long after the one before.
 */

#include "lib/base/bytes.h"
#include "tests/unit/reassembly_check.h"

#define ORDER 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t source[65536 + 256];
    static struct checked_reassembly *c;
    sw_time now = SW_SECOND;

    if (c == NULL) {
        c = checked_reassembly_new();
        for (size_t i = 0; i < sizeof source; i++)
            source[i] = (uint8_t)(i * 31 + i / 251);
    }
    checked_reassembly_reset(c);
    for (const uint8_t *order = data; order + ORDER <= data + size; order += ORDER) {
        size_t len = sw_get_be16(order + 3);
        if ((order[5] & 0x40) == 0) len = len % 256 * 8; /* mostly what an honest peer sends */
        const struct sw_frame_frag frag = {
            .id = order[0],
            .offset = (sw_get_be16(order + 1) & 0x1fff) * 8u,
            .more = (order[5] & 1) != 0,
            .data = {source + order[6], len},
        };
        checked_add(c, &frag, now);
        now += order[7] * (SW_SECOND / 64);
    }
    return 0;
}
