/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Any bytes as a stream of frames, as they arrive over TCP. Each frame that decodes is encoded; the
 * result has the same length, decodes again, and encodes to itself. A frame that does not decode
 * leaves the cursor in place; one that does is SHORT without its last byte.
 */

#include <stdlib.h>

#include "lib/wire/frame.h"

/* A frame is at most a kind byte, six bytes of header and 65535 of data. */
#define FRAME_MAX (1 + 6 + 65535)

static uint8_t first[FRAME_MAX], second[FRAME_MAX];

static void require(bool condition)
{
    if (!condition) abort();
}

static void check_round_trip(const struct sw_frame *frame, size_t len)
{
    struct sw_writer w = sw_writer(first, sizeof first);
    struct sw_frame again;
    require(sw_frame_encode(&w, frame) == 0);
    const size_t written = sw_writer_len(&w);
    require(written == len);

    struct sw_cursor c = sw_cursor(first, written);
    require(sw_frame_decode(&c, &again) == 0);
    require(sw_cursor_left(&c) == 0 && again.kind == frame->kind);
    w = sw_writer(second, sizeof second);
    require(sw_frame_encode(&w, &again) == 0);
    require(sw_writer_len(&w) == written && memcmp(first, second, written) == 0);

    w = sw_writer(second, written - 1);
    require(sw_frame_encode(&w, frame) == SW_EFULL && sw_writer_len(&w) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_cursor c = sw_cursor(data, size);
    struct sw_frame frame;
    for (;;) {
        const uint8_t *start = c.p;
        const int result = sw_frame_decode(&c, &frame);
        if (result < 0) {
            require(c.p == start);
            break;
        }
        require(c.p > start && c.p <= data + size);
        require(sw_frame_kind_name(frame.kind) != NULL);
        check_round_trip(&frame, (size_t)(c.p - start));

        struct sw_cursor cut = sw_cursor(start, (size_t)(c.p - start) - 1);
        require(sw_frame_decode(&cut, &frame) == SW_ESHORT && cut.p == start);
    }
    return 0;
}
