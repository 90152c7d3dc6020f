/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Any bytes as a UDP header. What decodes is written again and must decode to the same; written, it
 * differs from the input only in the bytes a receiver ignores or normalises: flags and reserved.
 */

#include <stdlib.h>

#include "lib/wire/header.h"

static void require(bool condition)
{
    if (!condition) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_cursor c = sw_cursor(data, size);
    struct sw_header header, again;
    uint8_t bytes[SW_HEADER_LEN], twice[SW_HEADER_LEN];
    char text[SW_SESSION_TEXT_LEN];

    const int result = sw_header_decode(&c, &header);
    require((result == SW_ESHORT) == (size < SW_HEADER_LEN));
    require(c.p == (result == 0 ? data + SW_HEADER_LEN : data));
    if (result < 0) return 0;

    require(sw_version_supported(header.version));
    sw_header_encode(bytes, &header);
    require(memcmp(bytes, data, 4) == 0 && memcmp(bytes + 8, data + 8, 8) == 0);
    require(bytes[4] == (data[4] != 0) && bytes[5] == (data[5] != 0));

    c = sw_cursor(bytes, sizeof bytes);
    require(sw_header_decode(&c, &again) == 0);
    sw_header_encode(twice, &again);
    require(memcmp(bytes, twice, sizeof bytes) == 0);
    sw_session_format(header.session, text);
    require(strlen(text) == SW_SESSION_TEXT_LEN - 1);
    return 0;
}
