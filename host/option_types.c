/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The types of option values that are plain: switches, numbers, words, durations, sizes, texts.
 * Those that name places in a network are in option_types_net.c, those that stand for a file's
 * content in option_types_file.c.
 *
 * A parse function leaves its field alone until it knows the new value, and a print function writes
 * what parse would read back; the "no effect in this version" warning and the generated
 * configuration rely on that. How values may be written is docs/configuration.md, "Values".
 */
#include "host/option_types.h"

#include <slipway/error.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/bytesize.h"
#include "host/duration.h"
#include "host/log.h"
#include "host/options.h"
#include "lib/base/utf8.h"

void sw_why(struct sw_why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

/* The value is no such thing at all. */
static int not_a(const struct sw_option *option, struct sw_why *why)
{
    sw_why(why, "is not %s; expected %s", option->type->noun, option->type->expected);
    return SW_EINVAL;
}

/* --- switches ------------------------------------------------------------------------------ */

static int parse_bool(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    bool *value = field;
    bool is_true = strcmp(text, "true") == 0;

    if (!is_true && strcmp(text, "false") != 0) return not_a(option, why);
    *value = is_true;
    return 0;
}

static void print_bool(const struct sw_option *option, const void *field, FILE *out)
{
    const bool *value = field;
    fputs(*value ? "true" : "false", out);
}

const struct sw_option_type sw_type_bool = {
    .noun = "a switch",
    .expected = "true or false",
    .size = sizeof(bool),
    .is_switch = true,
    .parse = parse_bool,
    .print = print_bool,
};

static int parse_tristate(const struct sw_option *option, const char *text, void *field,
                          struct sw_why *why)
{
    static const struct {
        const char *word;
        enum sw_tristate value;
    } words[] = {
        {"auto", SW_AUTO}, {"true", SW_ON}, {"on", SW_ON}, {"false", SW_OFF}, {"off", SW_OFF}};
    enum sw_tristate *value = field;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i].word) != 0) continue;
        *value = words[i].value;
        return 0;
    }
    return not_a(option, why);
}

static void print_tristate(const struct sw_option *option, const void *field, FILE *out)
{
    static const char *const words[] = {[SW_AUTO] = "auto", [SW_ON] = "true", [SW_OFF] = "false"};
    const enum sw_tristate *value = field;
    fputs(words[*value], out);
}

const struct sw_option_type sw_type_tristate = {
    .noun = "a switch",
    .expected = "true, false or auto",
    .size = sizeof(enum sw_tristate),
    .is_switch = true,
    .parse = parse_tristate,
    .print = print_tristate,
};

/* --- numbers ------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return 255;
}

int sw_integer_parse(const char *text, uint64_t *value)
{
    const char *p = text;
    uint64_t sum = 0;
    uint64_t base = 10;

    if (p[0] == '0' && p[1] != '\0') {
        base = p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : p[1] == 'b' ? 2 : 0;
        if (base == 0) return SW_EINVAL;
        p += 2;
    }
    do {
        int digit = digit_value(*p);
        if (digit >= (int)base) return SW_EINVAL;
        if (__builtin_mul_overflow(sum, base, &sum)) return SW_EINVAL;
        if (__builtin_add_overflow(sum, (uint64_t)digit, &sum)) return SW_EINVAL;
        p++;
        if (p[0] == '_' && p[1] != '\0') p++;
    } while (*p != '\0');
    *value = sum;
    return 0;
}

static int parse_u32(const struct sw_option *option, const char *text, void *field,
                     struct sw_why *why)
{
    uint32_t *value = field;
    uint64_t max = option->max != 0 ? option->max : UINT32_MAX;
    uint64_t number;

    if (sw_integer_parse(text, &number) < 0) {
        sw_why(why, "is not a whole number; expected %llu to %llu", (unsigned long long)option->min,
               (unsigned long long)max);
        return SW_EINVAL;
    }
    if (number < option->min || number > max) {
        sw_why(why, "is out of range; expected %llu to %llu", (unsigned long long)option->min,
               (unsigned long long)max);
        return SW_EINVAL;
    }
    *value = (uint32_t)number;
    return 0;
}

static void print_u32(const struct sw_option *option, const void *field, FILE *out)
{
    const uint32_t *value = field;
    if ((option->flags & SW_OPTION_OPTIONAL) != 0 && *value == 0) return;
    fprintf(out, "%u", *value);
}

const struct sw_option_type sw_type_u32 = {
    .noun = "a whole number",
    .expected = "a whole number",
    .meta = "NUMBER",
    .size = sizeof(uint32_t),
    .parse = parse_u32,
    .print = print_u32,
};

static void too_short(const struct sw_option *option, struct sw_why *why)
{
    char least[64] = "";
    FILE *out = fmemopen(least, sizeof least, "w");

    if (out != NULL) {
        sw_duration_print(option->min, out);
        fclose(out);
    }
    if (option->min > 1)
        sw_why(why, "is too short; expected at least %s", least);
    else
        sw_why(why, "is zero; expected a duration above zero, e.g. %s",
               option->initial != NULL ? option->initial : "10s");
}

static int parse_duration(const struct sw_option *option, const char *text, void *field,
                          struct sw_why *why)
{
    sw_time *value = field;
    sw_time duration;

    if (sw_duration_parse(text, &duration) < 0) return not_a(option, why);
    if (duration < option->min) {
        too_short(option, why);
        return SW_EINVAL;
    }
    *value = duration;
    return 0;
}

static void print_duration(const struct sw_option *option, const void *field, FILE *out)
{
    const sw_time *value = field;
    sw_duration_print(*value, out);
}

const struct sw_option_type sw_type_duration = {
    .noun = "a duration",
    .expected = "numbers with units, e.g. 10s, 1m 30s or 100ms",
    .meta = "DURATION",
    .size = sizeof(sw_time),
    .parse = parse_duration,
    .print = print_duration,
};

static int parse_size(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    uint64_t *value = field;
    uint64_t size;

    if (sw_integer_parse(text, &size) < 0 && sw_bytesize_parse(text, &size) < 0)
        return not_a(option, why);
    if (size < option->min || (option->max != 0 && size > option->max)) {
        sw_why(why, "is out of range; expected %llu to %llu bytes", (unsigned long long)option->min,
               (unsigned long long)option->max);
        return SW_EINVAL;
    }
    *value = size;
    return 0;
}

static void print_size(const struct sw_option *option, const void *field, FILE *out)
{
    const uint64_t *value = field;
    sw_bytesize_print(*value, out);
}

const struct sw_option_type sw_type_size = {
    .noun = "a size",
    .expected = "a number of bytes or a number with unit, e.g. 15MiB",
    .meta = "SIZE",
    .size = sizeof(uint64_t),
    .parse = parse_size,
    .print = print_size,
};

/* --- words --------------------------------------------------------------------------------- */

const char *sw_option_expected(const struct sw_option *option, struct sw_why *room)
{
    size_t used = 0;

    if (option->words == NULL) return option->type->expected;
    for (const struct sw_option_word *word = option->words; word->word != NULL; word++) {
        const char *gap = word == option->words ? "" : word[1].word == NULL ? " or " : ", ";
        if (used >= sizeof room->text) break;
        used +=
            (size_t)snprintf(room->text + used, sizeof room->text - used, "%s%s", gap, word->word);
    }
    return room->text;
}

static int parse_enum(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    int *value = field;

    for (const struct sw_option_word *word = option->words; word->word != NULL; word++) {
        if (strcmp(word->word, text) == 0) {
            *value = word->value;
            return 0;
        }
    }

    struct sw_why words;
    sw_why(why, "is not possible; expected %s", sw_option_expected(option, &words));
    return SW_EINVAL;
}

static void print_enum(const struct sw_option *option, const void *field, FILE *out)
{
    const int *value = field;

    for (const struct sw_option_word *word = option->words; word->word != NULL; word++) {
        if (word->value != *value) continue;
        fputs(word->word, out);
        return;
    }
}

_Static_assert(sizeof(enum sw_tristate) == sizeof(int), "enum fields are written through int");

const struct sw_option_type sw_type_enum = {
    .noun = "a word of the list",
    .expected = "a word of the list",
    .size = sizeof(int),
    .parse = parse_enum,
    .print = print_enum,
};

const struct sw_option_word sw_log_level_words[] = {
    {"trace", SW_LOG_TRACE, NULL},
    {"debug", SW_LOG_DEBUG, NULL},
    {"info", SW_LOG_INFO, NULL},
    {"warn", SW_LOG_WARN, NULL},
    {"error", SW_LOG_ERROR, NULL},
    {"off", SW_LOG_OFF, NULL},
    {0},
};

/* --- texts --------------------------------------------------------------------------------- */

static void clear_text(void *field)
{
    char **value = field;

    if (*value != NULL) explicit_bzero(*value, strlen(*value)); /* it may be a password */
    free(*value);
    *value = NULL;
}

static int set_text(const char *text, void *field)
{
    char **value = field;
    char *copy = strdup(text);

    if (copy == NULL) return SW_ENOMEM;
    clear_text(field);
    *value = copy;
    return 0;
}

static void print_text(const struct sw_option *option, const void *field, FILE *out)
{
    char *const *value = field;
    if (*value != NULL) fputs(*value, out);
}

static int parse_text(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    size_t len = strlen(text);

    if (option->max != 0 && len > option->max) {
        sw_why(why, "has %zu bytes; expected at most %llu", len, (unsigned long long)option->max);
        return SW_EINVAL;
    }
    if (!sw_utf8_valid(text, len)) {
        sw_why(why, "is not UTF-8");
        return SW_EINVAL;
    }
    return set_text(text, field);
}

const struct sw_option_type sw_type_text = {
    .noun = "text",
    .expected = "text",
    .meta = "TEXT",
    .size = sizeof(char *),
    .parse = parse_text,
    .print = print_text,
    .clear = clear_text,
};

static int parse_path(const struct sw_option *option, const char *text, void *field,
                      struct sw_why *why)
{
    if (text[0] != '\0') return set_text(text, field);
    if ((option->flags & SW_OPTION_OPTIONAL) != 0) {
        clear_text(field);
        return 0;
    }
    sw_why(why, "is empty; expected the path of a file");
    return SW_EINVAL;
}

const struct sw_option_type sw_type_path = {
    .noun = "a path",
    .expected = "the path of a file",
    .meta = "FILE",
    .size = sizeof(char *),
    .parse = parse_path,
    .print = print_text,
    .clear = clear_text,
};

/* The kernel's rule for names of network devices. */
static bool is_device_name(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > 15 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0) return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '/' || *p == ':' || *p == ' ' || (*p >= '\t' && *p <= '\r')) return false;
    }
    return true;
}

static int parse_device(const struct sw_option *option, const char *text, void *field,
                        struct sw_why *why)
{
    if (text[0] == '\0' && (option->flags & SW_OPTION_OPTIONAL) != 0) {
        clear_text(field);
        return 0;
    }
    if (!is_device_name(text)) return not_a(option, why);
    return set_text(text, field);
}

const struct sw_option_type sw_type_device = {
    .noun = "a device name",
    .expected = "1 to 15 characters without spaces, / and :",
    .meta = "NAME",
    .size = sizeof(char *),
    .parse = parse_device,
    .print = print_text,
    .clear = clear_text,
};
