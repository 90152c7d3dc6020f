/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BASE_SPAN_H
#define SW_BASE_SPAN_H

#include <stddef.h>
#include <stdint.h>

/** Bytes inside somebody else's buffer; data may be NULL when len is 0. */
struct sw_span {
    const uint8_t *data;
    size_t len;
};

#endif
