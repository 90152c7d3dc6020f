/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BASE_UTF8_H
#define SW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Whether the len bytes at data are well-formed UTF-8 (RFC 3629): no overlong form, no surrogate,
 * nothing above U+10FFFF. A zero byte is a character like any other; no bytes at all are valid, and
 * data may then be NULL.
 */
bool sw_utf8_valid(const void *data, size_t len);

#endif
