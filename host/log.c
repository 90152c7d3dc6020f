/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Log lines. An event is put together in a buffer on the stack and leaves with one write(2), which
 * the kernel does not interleave with others on a pipe, file or terminal; so there is no lock, and
 * a thread that is stopped in here holds up nobody. Settings are written once, before other threads
 * exist, but for the threshold.
 *
 * What is logged may come from strangers (names, error texts of peers), so it is never trusted to
 * be one line of valid UTF-8: control characters are escaped and broken bytes replaced. The JSON
 * form has the shape that collectors of Lightway logs know: timestamp, level, fields, target.
 */
#include "host/log.h"

#include "host/log_filter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENT_SIZE   4096
#define MESSAGE_SIZE 2048

static struct {
    _Atomic enum sw_log_level level;  /* for targets without one of their own */
    _Atomic enum sw_log_level lowest; /* below it nothing is logged */
    struct sw_log_filter filter;
    enum sw_log_format format;
    int fd;
    bool has_colour;
} settings = {
    .level = SW_LOG_INFO,
    .lowest = SW_LOG_INFO,
    .format = SW_LOG_FULL,
    .fd = STDOUT_FILENO,
};

static const char *const level_names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
static const char *const level_colours[] = {"\033[35m", "\033[34m", "\033[32m", "\033[33m",
                                            "\033[31m"};

void sw_log_setup(enum sw_log_level level, enum sw_log_format format, int fd)
{
    const char *no_colour = getenv("NO_COLOR");

    sw_log_set_level(level);
    settings.format = format;
    settings.fd = fd;
    settings.has_colour = isatty(fd) && (no_colour == NULL || no_colour[0] == '\0');
}

void sw_log_set_level(enum sw_log_level level)
{
    enum sw_log_level lowest = sw_log_filter_lowest(&settings.filter, level);
    atomic_store_explicit(&settings.level, level, memory_order_relaxed);
    atomic_store_explicit(&settings.lowest, lowest, memory_order_relaxed);
}

void sw_log_set_filter(const char *directives)
{
    sw_log_filter_parse(&settings.filter, directives);
    sw_log_set_level(settings.level);
}

bool sw_log_enabled(enum sw_log_level level)
{
    return level >= atomic_load_explicit(&settings.lowest, memory_order_relaxed) &&
           level < SW_LOG_OFF;
}

static bool is_wanted(enum sw_log_level level, const char *target)
{
    if (!sw_log_enabled(level)) return false;
    return settings.filter.n == 0 ||
           level >= sw_log_filter_level(&settings.filter, target, settings.level);
}

/* --- a bounded line ------------------------------------------------------------------------ */

struct line {
    size_t len;
    char text[EVENT_SIZE];
};

/* Room that is kept for what has to stand at the end: quotes, braces, line end. */
#define TAIL 96

static void put(struct line *line, const char *bytes, size_t n)
{
    if (n > sizeof line->text - line->len) n = sizeof line->text - line->len;
    memcpy(line->text + line->len, bytes, n);
    line->len += n;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_number(struct line *line, uint64_t number)
{
    char text[24];
    put(line, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, number));
}

/* Length of the UTF-8 character at p (1..4), 0 if the bytes are none. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t n = 0; n < sizeof forms / sizeof forms[0]; n++) {
        if ((p[0] & forms[n].mask) != forms[n].lead) continue;
        uint32_t code = p[0] & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80) return 0;
            code = code << 6 | (p[i] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[n].min || code > 0x10ffff || surrogate ? 0 : n + 1;
    }
    return 0;
}

/* Text that cannot leave its place: escaped for JSON, which is as readable in the full format. */
static void put_escaped(struct line *line, const char *text, bool in_json)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p != '\0') {
        size_t n = utf8_length(p);
        char escape[8];

        if (line->len > sizeof line->text - TAIL) {
            put_text(line, "...");
            return;
        }
        if (n == 0) {
            put_text(line, "\xef\xbf\xbd"); /* REPLACEMENT CHARACTER */
            n = 1;
        } else if (*p < ' ' || *p == 0x7f) {
            put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *p));
        } else if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) { /* C1 control characters */
            put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", p[1]));
        } else if (in_json && (*p == '"' || *p == '\\')) {
            put(line, (const char[]){'\\', (char)*p}, 2);
        } else {
            put(line, (const char *)p, n);
        }
        p += n;
    }
}

/* --- the forms ----------------------------------------------------------------------------- */

static void put_timestamp(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(text + n, sizeof text - n, ".%06ldZ", now.tv_nsec / 1000);
    put(line, text, n);
}

static void put_head(struct line *line, enum sw_log_level level, const char *target,
                     const char *message)
{
    char padded[16];

    put_timestamp(line);
    snprintf(padded, sizeof padded, " %5s ", level_names[level]);
    if (settings.has_colour) put_text(line, level_colours[level]);
    put_text(line, padded);
    if (settings.has_colour) put_text(line, "\033[0m");
    put_text(line, target);
    put_text(line, ": ");
    put_escaped(line, message, false);
}

/* The fields as text: gap, key, joint, value each. */
static void put_fields(struct line *line, const char *gap, const char *joint,
                       const struct sw_log_field *fields, size_t n_fields)
{
    for (size_t i = 0; i < n_fields; i++) {
        if (line->len > sizeof line->text - TAIL - strlen(fields[i].key)) break;
        put_text(line, gap);
        put_text(line, fields[i].key);
        put_text(line, joint);
        if (fields[i].text != NULL)
            put_escaped(line, fields[i].text, false);
        else
            put_number(line, fields[i].number);
    }
}

static void put_full(struct line *line, enum sw_log_level level, const char *target,
                     const struct sw_log_field *fields, size_t n_fields, const char *message)
{
    put_head(line, level, target, message);
    put_fields(line, " ", "=", fields, n_fields);
}

static void put_pretty(struct line *line, enum sw_log_level level, const char *target,
                       const struct sw_log_field *fields, size_t n_fields, const char *message)
{
    put_text(line, "  ");
    put_head(line, level, target, message);
    put_fields(line, "\n    ", ": ", fields, n_fields);
    put_text(line, "\n");
}

static void put_json(struct line *line, enum sw_log_level level, const char *target,
                     const struct sw_log_field *fields, size_t n_fields, const char *message)
{
    put_text(line, "{\"timestamp\":\"");
    put_timestamp(line);
    put_text(line, "\",\"level\":\"");
    put_text(line, level_names[level]);
    put_text(line, "\",\"target\":\"");
    put_text(line, target);
    put_text(line, "\",\"fields\":{\"message\":\"");
    put_escaped(line, message, true);
    put_text(line, "\"");
    for (size_t i = 0; i < n_fields; i++) {
        if (line->len > sizeof line->text - TAIL - strlen(fields[i].key)) break;
        put_text(line, ",\"");
        put_text(line, fields[i].key);
        put_text(line, "\":");
        if (fields[i].text != NULL) {
            put_text(line, "\"");
            put_escaped(line, fields[i].text, true);
            put_text(line, "\"");
        } else {
            put_number(line, fields[i].number);
        }
    }
    put_text(line, "}}");
}

static void (*const put_event[])(struct line *line, enum sw_log_level level, const char *target,
                                 const struct sw_log_field *fields, size_t n_fields,
                                 const char *message) = {
    [SW_LOG_FULL] = put_full,
    [SW_LOG_COMPACT] = put_full,
    [SW_LOG_PRETTY] = put_pretty,
    [SW_LOG_JSON] = put_json,
};

/* A log that cannot be written has no place where that could be said. */
static void write_line(const struct line *line)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t n = write(settings.fd, line->text + done, line->len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        done += (size_t)n;
    }
}

void sw_log_write(enum sw_log_level level, const char *target, const struct sw_log_field *fields,
                  size_t n_fields, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    struct line line = {.len = 0};
    int saved = errno;
    va_list args;

    if (!is_wanted(level, target)) return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    put_event[settings.format](&line, level, target, fields, n_fields, message);
    put_text(&line, "\n");
    write_line(&line);
    errno = saved;
}

bool sw_log_limit_pass(struct sw_log_limit *limit, uint64_t interval_ns, uint64_t *suppressed)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    uint64_t now = (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
    uint64_t next = atomic_load_explicit(&limit->next, memory_order_relaxed);
    if (now < next || !atomic_compare_exchange_strong(&limit->next, &next, now + interval_ns)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *suppressed = atomic_exchange(&limit->suppressed, 0);
    return true;
}
