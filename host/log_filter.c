/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What LW_SERVER_RUST_LOG and LW_CLIENT_RUST_LOG say. Operators have such variables in unit files
 * of the stock programs, so whatever is in them must not keep a program from starting: a directive
 * that means nothing here is left out. docs/configuration.md, "The environment".
 */
#include "host/log_filter.h"

#include <string.h>
#include <strings.h>

static bool parse_level(const char *text, size_t len, enum sw_log_level *level)
{
    static const char *const words[] = {"trace", "debug", "info", "warn", "error", "off"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) != len || strncasecmp(words[i], text, len) != 0) continue;
        *level = (enum sw_log_level)i;
        return true;
    }
    return false;
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && **text == ' ') {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && (*text)[*len - 1] == ' ')
        (*len)--;
}

static void add(struct sw_log_filter *filter, const char *target, size_t len,
                enum sw_log_level level)
{
    trim(&target, &len);
    if (filter->n == SW_LOG_FILTER_MAX || len > SW_LOG_TARGET_MAX) return;
    memcpy(filter->directives[filter->n].target, target, len);
    filter->directives[filter->n].target[len] = '\0';
    filter->directives[filter->n++].level = level;
}

static void parse_directive(struct sw_log_filter *filter, const char *text, size_t len)
{
    enum sw_log_level level;

    trim(&text, &len);
    const char *equals = memchr(text, '=', len);
    size_t target_len = equals != NULL ? (size_t)(equals - text) : len;
    if (equals != NULL) {
        const char *word = equals + 1;
        size_t word_len = len - target_len - 1;
        trim(&word, &word_len);
        if (target_len > 0 && parse_level(word, word_len, &level))
            add(filter, text, target_len, level);
    } else if (parse_level(text, len, &level)) {
        add(filter, text, 0, level);
    } else if (len > 0) {
        add(filter, text, len, SW_LOG_TRACE);
    }
}

void sw_log_filter_parse(struct sw_log_filter *filter, const char *text)
{
    *filter = (struct sw_log_filter){0};
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        parse_directive(filter, text, len);
        text += len + (text[len] == ',');
    }
}

enum sw_log_level sw_log_filter_level(const struct sw_log_filter *filter, const char *target,
                                      enum sw_log_level base)
{
    bool is_named = false;

    for (size_t i = 0; i < filter->n; i++) {
        const char *name = filter->directives[i].target;
        if (strcmp(name, target) == 0)
            is_named = true;
        else if (name[0] != '\0' || is_named)
            continue;
        base = filter->directives[i].level;
    }
    return base;
}

enum sw_log_level sw_log_filter_lowest(const struct sw_log_filter *filter, enum sw_log_level base)
{
    enum sw_log_level lowest = sw_log_filter_level(filter, "", base);

    for (size_t i = 0; i < filter->n; i++) {
        if (filter->directives[i].level < lowest) lowest = filter->directives[i].level;
    }
    return lowest;
}
