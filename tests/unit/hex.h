/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_HEX_H
#define SW_TESTS_HEX_H

/*
 * Bytes as the protocol pages write them: "04 02 00 05 746f6b656e 00*48". Each test buffer is its
 * own allocation of exactly the right size, so that a sanitizer sees the first byte read too far.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hex {
    uint8_t *data; /**< freed with free() */
    size_t len;
};

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/** One byte, how often it stands there, and where reading goes on. */
static inline const char *hex_take(const char *text, uint8_t *byte, size_t *times)
{
    const int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
    assert(high >= 0 && low >= 0);
    *byte = (uint8_t)(high << 4 | low);
    *times = 1;
    text += 2;
    if (*text == '*') {
        char *end;
        *times = strtoul(text + 1, &end, 10);
        text = end;
    }
    return text;
}

static inline size_t hex_length(const char *text)
{
    size_t len = 0, times;
    uint8_t byte;
    while (*text != '\0') {
        if (*text == ' ') {
            text++;
            continue;
        }
        text = hex_take(text, &byte, &times);
        len += times;
    }
    return len;
}

static inline struct hex hex(const char *text)
{
    struct hex out = {.len = hex_length(text)};
    out.data = malloc(out.len > 0 ? out.len : 1);
    assert(out.data != NULL);

    size_t at = 0, times;
    uint8_t byte;
    while (*text != '\0') {
        if (*text == ' ') {
            text++;
            continue;
        }
        text = hex_take(text, &byte, &times);
        memset(out.data + at, byte, times);
        at += times;
    }
    return out;
}

/** The first len bytes of data in an allocation of their own. */
static inline struct hex hex_copy(const void *data, size_t len)
{
    struct hex out = {malloc(len > 0 ? len : 1), len};
    assert(out.data != NULL);
    if (len > 0) memcpy(out.data, data, len);
    return out;
}

#endif
