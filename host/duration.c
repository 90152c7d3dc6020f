/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Durations as people write them: groups of number and unit that add up, "1h 30m" or "1.5s".
 * Spaces may stand between groups and between number and unit. A number without a unit is refused,
 * because seconds and milliseconds are both plausible; only a bare 0 needs none. Decimals must come
 * out as whole nanoseconds, and "M" is a month where "m" is a minute. The units are listed in
 * docs/configuration.md, "Durations".
 *
 * All arithmetic is in unsigned 64 bit with explicit overflow checks; nothing passes through a
 * floating-point number.
 */
#include "host/duration.h"

#include <slipway/error.h>
#include <string.h>

#define SECOND SW_SECOND
#define HOUR   (60 * SW_MINUTE)
#define DAY    (24 * HOUR)
#define MONTH  (2630016 * SECOND)  /* 30.44 days */
#define YEAR   (31557600 * SECOND) /* 365.25 days */

struct unit {
    const char *word;
    sw_time length;
};

static const struct unit units[] = {
    {"ns", 1},
    {"nsec", 1},
    {"nanos", 1},
    {"us", SW_MICROSECOND},
    {"usec", SW_MICROSECOND},
    {"\xc2\xb5s", SW_MICROSECOND}, /* MICRO SIGN */
    {"\xce\xbcs", SW_MICROSECOND}, /* GREEK SMALL LETTER MU */
    {"ms", SW_MILLISECOND},
    {"msec", SW_MILLISECOND},
    {"millis", SW_MILLISECOND},
    {"s", SECOND},
    {"sec", SECOND},
    {"secs", SECOND},
    {"second", SECOND},
    {"seconds", SECOND},
    {"m", SW_MINUTE},
    {"min", SW_MINUTE},
    {"mins", SW_MINUTE},
    {"minute", SW_MINUTE},
    {"minutes", SW_MINUTE},
    {"h", HOUR},
    {"hr", HOUR},
    {"hrs", HOUR},
    {"hour", HOUR},
    {"hours", HOUR},
    {"d", DAY},
    {"day", DAY},
    {"days", DAY},
    {"w", 7 * DAY},
    {"wk", 7 * DAY},
    {"wks", 7 * DAY},
    {"week", 7 * DAY},
    {"weeks", 7 * DAY},
    {"M", MONTH},
    {"month", MONTH},
    {"months", MONTH},
    {"y", YEAR},
    {"yr", YEAR},
    {"yrs", YEAR},
    {"year", YEAR},
    {"years", YEAR},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters and the bytes of non-ASCII characters: what a unit consists of. */
static bool is_unit_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static const char *skip_spaces(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static sw_time unit_length(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].word) == len && memcmp(units[i].word, word, len) == 0)
            return units[i].length;
    }
    return 0;
}

/* A decimal number: whole + fraction / scale. */
struct number {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale;
};

static int parse_number(const char **text, struct number *number)
{
    const char *p = *text;
    *number = (struct number){0, 0, 1};

    if (!is_digit(*p)) return SW_EINVAL;
    for (; is_digit(*p); p++) {
        if (__builtin_mul_overflow(number->whole, 10, &number->whole)) return SW_EINVAL;
        if (__builtin_add_overflow(number->whole, *p - '0', &number->whole)) return SW_EINVAL;
    }
    if (*p == '.') {
        p++;
        if (!is_digit(*p)) return SW_EINVAL;
        const char *end = p;
        while (is_digit(*end))
            end++;
        const char *next = end;
        while (end > p && end[-1] == '0') /* zeros at the end say nothing */
            end--;
        for (; p < end; p++) {
            if (__builtin_mul_overflow(number->scale, 10, &number->scale)) return SW_EINVAL;
            if (__builtin_mul_overflow(number->fraction, 10, &number->fraction)) return SW_EINVAL;
            number->fraction += (uint64_t)(*p - '0');
        }
        p = next;
    }
    *text = p;
    return 0;
}

static int scale_number(const struct number *number, sw_time unit, sw_time *out)
{
    unsigned __int128 part = (unsigned __int128)number->fraction * unit;
    if (part % number->scale != 0) return SW_EINVAL;

    unsigned __int128 sum = (unsigned __int128)number->whole * unit + part / number->scale;
    if (sum > SW_DURATION_MAX) return SW_EINVAL;
    *out = (sw_time)sum;
    return 0;
}

int sw_duration_parse(const char *text, sw_time *duration)
{
    const char *p = skip_spaces(text);
    sw_time total = 0;

    if (*p == '0' && *skip_spaces(p + 1) == '\0') {
        *duration = 0;
        return 0;
    }
    do {
        struct number number;
        if (parse_number(&p, &number) < 0) return SW_EINVAL;

        p = skip_spaces(p);
        size_t len = 0;
        while (is_unit_byte(p[len]))
            len++;
        sw_time unit = unit_length(p, len);
        if (unit == 0) return SW_EINVAL;
        p = skip_spaces(p + len);

        sw_time part;
        if (scale_number(&number, unit, &part) < 0) return SW_EINVAL;
        if (part > SW_DURATION_MAX - total) return SW_EINVAL;
        total += part;
    } while (*p != '\0');

    *duration = total;
    return 0;
}

void sw_duration_print(sw_time duration, FILE *out)
{
    static const struct {
        const char *one;
        const char *many;
        sw_time length;
    } printed[] = {
        {"year", "years", YEAR},
        {"month", "months", MONTH},
        {"day", "days", DAY},
        {"h", "h", HOUR},
        {"m", "m", SW_MINUTE},
        {"s", "s", SECOND},
        {"ms", "ms", SW_MILLISECOND},
        {"us", "us", SW_MICROSECOND},
        {"ns", "ns", 1},
    };
    const char *gap = "";

    if (duration == 0) fputs("0s", out);
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        sw_time count = duration / printed[i].length;
        if (count == 0) continue;
        fprintf(out, "%s%llu%s", gap, (unsigned long long)count,
                count == 1 ? printed[i].one : printed[i].many);
        duration %= printed[i].length;
        gap = " ";
    }
}
