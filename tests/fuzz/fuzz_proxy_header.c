/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * PROXY protocol headers. Whatever the bytes are: a decision does not depend on what is behind the
 * header, is final, and comes within the bytes that are said to decide.
 */

#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/proxy_header.h"

static void require(bool condition)
{
    if (!condition) abort();
}

static bool same(const struct sw_proxy_header *a, const struct sw_proxy_header *b)
{
    return a->len == b->len && a->source.port == b->source.port &&
           sw_address_same_host(&a->source, &b->source);
}

static void check_beginnings(const uint8_t *data, size_t size, int rc,
                             const struct sw_proxy_header *whole)
{
    for (size_t n = 0; n <= size && n <= SW_PROXY_HEADER_DECIDES; n++) {
        struct sw_proxy_header header;
        int early = sw_proxy_header_decode(sw_cursor(data, n), &header);
        if (early == SW_ESHORT) {
            require(rc != 0 || n < whole->len);
            require(n < SW_PROXY_HEADER_DECIDES);
            continue;
        }
        require(early == rc);
        require(early != 0 || same(&header, whole));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_proxy_header header;
    int rc = sw_proxy_header_decode(sw_cursor(data, size), &header);

    require(rc <= 0);
    if (rc == 0) {
        require(header.len >= 15 && header.len <= 16 + UINT16_MAX);
        require(header.source.family == 0 || header.source.family == 4 ||
                header.source.family == 6);
    }
    check_beginnings(data, size, rc, &header);
    return 0;
}
