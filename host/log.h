/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_LOG_H
#define SW_HOST_LOG_H

/*
 * Log events of the programs: one event is one line on standard output, written by one write(2), so
 * that threads need no lock between them and lines never mix. Not for the data path: per-packet
 * events are counters (host/metrics.h), rare anomalies there use sw_log_rate().
 *
 * A file that logs may say what it is before it includes this header:
 *
 *     #define SW_LOG_TARGET "tun"
 *     #include "host/log.h"
 */

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef SW_LOG_TARGET
#define SW_LOG_TARGET "slipway"
#endif

enum sw_log_level {
    SW_LOG_TRACE,
    SW_LOG_DEBUG,
    SW_LOG_INFO,
    SW_LOG_WARN,
    SW_LOG_ERROR,
    SW_LOG_OFF /**< as a threshold: nothing is logged */
};

enum sw_log_format {
    SW_LOG_FULL,    /**< 2026-01-31T12:00:00.123456Z  INFO tun: message key=value */
    SW_LOG_JSON,    /**< {"timestamp":…,"level":…,"fields":{"message":…,…},"target":…} */
    SW_LOG_COMPACT, /**< as full: there is nothing to leave out */
    SW_LOG_PRETTY   /**< a line as in full, one for each field, an empty one */
};

/**
 * Sets threshold, format and destination for the whole process; before the first call the settings
 * are info, full, standard output. There is no colour in JSON, nor unless fd is a terminal and
 * NO_COLOR is unset. Call it before other threads start. fd is not taken over.
 */
void sw_log_setup(enum sw_log_level level, enum sw_log_format format, int fd);

/** Changes the threshold; any thread may, at any time. */
void sw_log_set_level(enum sw_log_level level);

/**
 * Thresholds of parts of the log that differ from the one for all: "tun=debug,control=off", see
 * host/log_filter.h. NULL for none. Call it before other threads start.
 */
void sw_log_set_filter(const char *directives);

/** True if an event of this level would be written, of some targets at least. */
bool sw_log_enabled(enum sw_log_level level);

/** One key=value of a structured event. Texts are only read during the call. */
struct sw_log_field {
    const char *key;
    const char *text; /**< the value, or NULL: then number is */
    uint64_t number;
};

/**
 * Writes one event. Control characters in the message and in texts are escaped, text that is not
 * UTF-8 is replaced, and an event above about 4 KiB is cut; so one event always is one line (some
 * in the pretty format).
 */
void sw_log_write(enum sw_log_level level, const char *target, const struct sw_log_field *fields,
                  size_t n_fields, const char *format, ...) __attribute__((format(printf, 5, 6)));

/** Whether a call site may log now; *suppressed is how many events it swallowed since the last. */
struct sw_log_limit {
    _Atomic uint64_t next;
    _Atomic uint64_t suppressed;
};
bool sw_log_limit_pass(struct sw_log_limit *limit, uint64_t interval_ns, uint64_t *suppressed);

#define sw_log_at(level, ...)                                                                      \
    do {                                                                                           \
        if (sw_log_enabled(level)) sw_log_write(level, SW_LOG_TARGET, NULL, 0, __VA_ARGS__);       \
    } while (0)

#define sw_log_trace(...) sw_log_at(SW_LOG_TRACE, __VA_ARGS__)
#define sw_log_debug(...) sw_log_at(SW_LOG_DEBUG, __VA_ARGS__)
#define sw_log_info(...)  sw_log_at(SW_LOG_INFO, __VA_ARGS__)
#define sw_log_warn(...)  sw_log_at(SW_LOG_WARN, __VA_ARGS__)
#define sw_log_error(...) sw_log_at(SW_LOG_ERROR, __VA_ARGS__)

/**
 * An event with fields:
 *
 *     sw_log_event(SW_LOG_INFO, SW_LOG_FIELDS({"peer", .text = peer}, {"total", .number = n}),
 *                  "Session statistics");
 */
#define SW_LOG_FIELDS(...)                                                                         \
    ((const struct sw_log_field[]){__VA_ARGS__}),                                                  \
        (sizeof((const struct sw_log_field[]){__VA_ARGS__}) / sizeof(struct sw_log_field))
#define sw_log_event(level, ...)                                                                   \
    do {                                                                                           \
        if (sw_log_enabled(level)) sw_log_write(level, SW_LOG_TARGET, __VA_ARGS__);                \
    } while (0)

/** Like sw_log_at(), but this call site writes at most one event a second and says how many it left
 * out. */
#define sw_log_rate(level, ...)                                                                    \
    do {                                                                                           \
        static struct sw_log_limit sw_log_limit_;                                                  \
        uint64_t sw_suppressed_;                                                                   \
        if (sw_log_enabled(level) &&                                                               \
            sw_log_limit_pass(&sw_log_limit_, UINT64_C(1000000000), &sw_suppressed_)) {            \
            struct sw_log_field sw_field_ = {"suppressed", NULL, sw_suppressed_};                  \
            sw_log_write(level, SW_LOG_TARGET, &sw_field_, sw_suppressed_ > 0, __VA_ARGS__);       \
        }                                                                                          \
    } while (0)

#endif
