/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BASE_CURSOR_H
#define SW_BASE_CURSOR_H

/*
 * The only way bytes from outside are read, and the only way variable-length output is written:
 * a pointer pair that never passes its end. A failed call moves nothing.
 */

#include <slipway/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/bytes.h"

/** Bytes still to be read: [p, end). Does not own them. */
struct sw_cursor {
    const uint8_t *p;
    const uint8_t *end;
};

static inline struct sw_cursor sw_cursor(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (struct sw_cursor){p, len > 0 ? p + len : p}; /* NULL + 0 is undefined */
}

static inline size_t sw_cursor_left(const struct sw_cursor *c)
{
    return (size_t)(c->end - c->p);
}

/** Takes n bytes and points *out at them (inside the cursor's buffer). SW_ESHORT if fewer are left.
 */
static inline int sw_cursor_bytes(struct sw_cursor *c, size_t n, const uint8_t **out)
{
    if (sw_cursor_left(c) < n) return SW_ESHORT;
    *out = c->p;
    c->p += n;
    return 0;
}

static inline int sw_cursor_skip(struct sw_cursor *c, size_t n)
{
    const uint8_t *ignored;
    return sw_cursor_bytes(c, n, &ignored);
}

static inline int sw_cursor_copy(struct sw_cursor *c, void *out, size_t n)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, n, &p) < 0) return SW_ESHORT;
    memcpy(out, p, n);
    return 0;
}

static inline int sw_cursor_u8(struct sw_cursor *c, uint8_t *out)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, 1, &p) < 0) return SW_ESHORT;
    *out = p[0];
    return 0;
}

static inline int sw_cursor_be16(struct sw_cursor *c, uint16_t *out)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, 2, &p) < 0) return SW_ESHORT;
    *out = sw_get_be16(p);
    return 0;
}

static inline int sw_cursor_be32(struct sw_cursor *c, uint32_t *out)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, 4, &p) < 0) return SW_ESHORT;
    *out = sw_get_be32(p);
    return 0;
}

static inline int sw_cursor_be64(struct sw_cursor *c, uint64_t *out)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, 8, &p) < 0) return SW_ESHORT;
    *out = sw_get_be64(p);
    return 0;
}

/** Room still to be written: [p, end), started at start. Does not own it. */
struct sw_writer {
    uint8_t *start;
    uint8_t *p;
    uint8_t *end;
};

static inline struct sw_writer sw_writer(void *buffer, size_t size)
{
    uint8_t *p = buffer;
    return (struct sw_writer){p, p, size > 0 ? p + size : p};
}

/** Bytes written so far. */
static inline size_t sw_writer_len(const struct sw_writer *w)
{
    return (size_t)(w->p - w->start);
}

/** Claims n bytes to be filled in by the caller. SW_EFULL if they do not fit. */
static inline int sw_writer_claim(struct sw_writer *w, size_t n, uint8_t **out)
{
    if ((size_t)(w->end - w->p) < n) return SW_EFULL;
    *out = w->p;
    w->p += n;
    return 0;
}

static inline int sw_writer_bytes(struct sw_writer *w, const void *data, size_t n)
{
    uint8_t *p;
    if (sw_writer_claim(w, n, &p) < 0) return SW_EFULL;
    if (n > 0) memcpy(p, data, n);
    return 0;
}

static inline int sw_writer_zeros(struct sw_writer *w, size_t n)
{
    uint8_t *p;
    if (sw_writer_claim(w, n, &p) < 0) return SW_EFULL;
    if (n > 0) memset(p, 0, n);
    return 0;
}

static inline int sw_writer_u8(struct sw_writer *w, uint8_t v)
{
    return sw_writer_bytes(w, &v, 1);
}

static inline int sw_writer_be16(struct sw_writer *w, uint16_t v)
{
    uint8_t b[2];
    sw_put_be16(b, v);
    return sw_writer_bytes(w, b, sizeof b);
}

static inline int sw_writer_be32(struct sw_writer *w, uint32_t v)
{
    uint8_t b[4];
    sw_put_be32(b, v);
    return sw_writer_bytes(w, b, sizeof b);
}

static inline int sw_writer_be64(struct sw_writer *w, uint64_t v)
{
    uint8_t b[8];
    sw_put_be64(b, v);
    return sw_writer_bytes(w, b, sizeof b);
}

#endif
