/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sizes in bytes: a number, or a number with a unit. K, M, G, T, P (with or without B) are powers
 * of 1000, Ki, Mi, Gi, Ti, Pi (with or without B) powers of 1024; case does not matter and spaces
 * may stand before the unit. Decimals are allowed and the result is cut to whole bytes. What
 * sw_bytesize_print() writes is exact and reads back to the same number.
 */
#include "host/bytesize.h"

#include <slipway/error.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of one unit, 0 if there is no such unit. */
static uint64_t unit_bytes(const char *unit)
{
    static const char prefixes[] = "kmgtp";
    uint64_t base = 1000;
    uint64_t bytes = 1;

    if (unit[0] == '\0' || strcasecmp(unit, "b") == 0) return 1;

    const char *prefix = memchr(prefixes, unit[0] | 0x20, sizeof prefixes - 1);
    if (prefix == NULL) return 0;
    unit++;
    if ((*unit | 0x20) == 'i') {
        base = 1024;
        unit++;
    }
    if (*unit != '\0' && strcasecmp(unit, "b") != 0) return 0;
    for (const char *p = prefixes; p <= prefix; p++)
        bytes *= base;
    return bytes;
}

int sw_bytesize_parse(const char *text, uint64_t *size)
{
    const char *p = text;
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t scale = 1;

    while (*p == ' ' || *p == '\t')
        p++;
    if (!is_digit(*p)) return SW_EINVAL;
    for (; is_digit(*p); p++) {
        if (__builtin_mul_overflow(whole, 10, &whole)) return SW_EINVAL;
        if (__builtin_add_overflow(whole, *p - '0', &whole)) return SW_EINVAL;
    }
    if (*p == '.') {
        p++;
        if (!is_digit(*p)) return SW_EINVAL;
        for (; is_digit(*p); p++) {
            if (scale >= UINT64_C(1000000000000000)) continue; /* below a byte of any unit */
            scale *= 10;
            fraction = fraction * 10 + (uint64_t)(*p - '0');
        }
    }
    while (*p == ' ' || *p == '\t')
        p++;

    uint64_t unit = unit_bytes(p);
    if (unit == 0) return SW_EINVAL;
    unsigned __int128 bytes = (unsigned __int128)whole * unit;
    bytes += (unsigned __int128)fraction * unit / scale;
    if (bytes > UINT64_MAX) return SW_EINVAL;
    *size = (uint64_t)bytes;
    return 0;
}

void sw_bytesize_print(uint64_t size, FILE *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (size != 0 && size % 1024 == 0 && unit + 1 < sizeof units / sizeof units[0]) {
        size /= 1024;
        unit++;
    }
    fprintf(out, "%llu%s", (unsigned long long)size, units[unit]);
}
