/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_LOG_FILTER_H
#define SW_HOST_LOG_FILTER_H

/* Thresholds of parts of the log: "tun=debug,control=off". */

#include "host/log.h"

/** Directives beyond these are not kept. */
#define SW_LOG_FILTER_MAX 16
#define SW_LOG_TARGET_MAX 31

struct sw_log_filter {
    struct {
        char target[SW_LOG_TARGET_MAX + 1]; /**< empty: every target without a directive */
        enum sw_log_level level;
    } directives[SW_LOG_FILTER_MAX];
    size_t n;
};

/**
 * Reads a comma list of "level", "target=level" and "target" (for trace), levels in any case. Stock
 * programs take such lists too, with targets and forms that do not exist here; so what is not
 * understood is left out. text may be NULL.
 */
void sw_log_filter_parse(struct sw_log_filter *filter, const char *text);

/** The threshold of a target; base where no directive is for it. Of several the last counts. */
enum sw_log_level sw_log_filter_level(const struct sw_log_filter *filter, const char *target,
                                      enum sw_log_level base);

/** The lowest threshold of any target. */
enum sw_log_level sw_log_filter_lowest(const struct sw_log_filter *filter, enum sw_log_level base);

#endif
