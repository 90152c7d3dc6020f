/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How findings are worded and kept. Each is one line: where (file and line, environment or command
 * line), which option under the name it has there, then what is wrong and what to do. Nothing is
 * printed here until the program asks for it.
 */
#include <ctype.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define SW_LOG_TARGET "config"
#include "host/log.h"

/* Takes line (NULL: out of memory) into the list. Keys and values may hold anything; a line of the
 * report does not. */
static void add_line(struct sw_option_load *load, char ***list, size_t *n, char *line)
{
    char **grown = line == NULL ? NULL : realloc(*list, (*n + 1) * sizeof *grown);

    if (grown == NULL) {
        free(line);
        load->is_out_of_memory = true;
        return;
    }
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
    }
    *list = grown;
    grown[(*n)++] = line;
}

/* The name an option has at a site: key, variable or flag. */
static void print_name(const struct sw_option_load *load, const struct sw_option_site *site,
                       const char *name, FILE *out)
{
    switch (site->source) {
    case SW_FROM_ENVIRONMENT:
        fputs(load->set->env_prefix, out);
        for (const char *p = name; *p != '\0'; p++)
            fputc(toupper((unsigned char)*p), out);
        return;
    case SW_FROM_COMMAND_LINE:
        fputs("--", out);
        for (const char *p = name; *p != '\0'; p++)
            fputc(*p == '_' ? '-' : *p, out);
        return;
    default:
        if (site->prefix != NULL) fputs(site->prefix, out);
        fputs(name, out);
    }
}

static void print_where(const struct sw_option_load *load, const struct sw_option_site *site,
                        const char *name, FILE *out)
{
    const char *file = site->source == SW_FROM_FILE ? site->file : load->file;

    if (site->source == SW_FROM_DEFAULT && (name == NULL || file == NULL)) {
        if (name != NULL) print_name(load, site, name, out);
        return;
    }
    if (site->source == SW_FROM_FILE || site->source == SW_FROM_DEFAULT) fputs(file, out);
    if (site->source == SW_FROM_FILE && site->line > 0) fprintf(out, ":%d", site->line);
    if (site->source == SW_FROM_ENVIRONMENT) fputs("environment", out);
    if (site->source == SW_FROM_COMMAND_LINE) fputs("command line", out);
    if (name == NULL) return;
    fputs(": ", out);
    print_name(load, site, name, out);
}

char *sw_option_where(const struct sw_option_load *load, const struct sw_option_site *site,
                      const char *name)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) return NULL;
    print_where(load, site, name, out);
    fclose(out);
    return text;
}

void sw_option_vreport(struct sw_option_load *load, enum sw_finding finding,
                       const struct sw_option_site *site, const char *name, const char *format,
                       va_list args)
{
    struct sw_config_report *report = load->report;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL) {
        print_where(load, site, name, out);
        if (ftell(out) > 0) fputs(": ", out);
        vfprintf(out, format, args);
        fclose(out);
    }
    if (finding == SW_FINDING_ERROR)
        add_line(load, &report->errors, &report->n_errors, text);
    else
        add_line(load, &report->warnings, &report->n_warnings, text);
}

void sw_option_report(struct sw_option_load *load, enum sw_finding finding,
                      const struct sw_option_site *site, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_option_vreport(load, finding, site, name, format, args);
    va_end(args);
}

/* --- names nobody knows -------------------------------------------------------------------- */

#define NAME_MAX_LEN 40

/* Edits (insert, delete, replace, swap neighbours) that turn one name into the other. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_LEN + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);

    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return NAME_MAX_LEN;
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const struct sw_option *sw_option_nearest(const struct sw_option_set *set, const char *name)
{
    const struct sw_option *nearest = NULL;
    char plain[NAME_MAX_LEN + 1];
    size_t len = strlen(name);

    if (len > NAME_MAX_LEN) return NULL;
    for (size_t i = 0; i <= len; i++)
        plain[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);

    unsigned limit = len < 5 ? 2 : len / 4 + 2; /* edits from here on are another word */
    for (size_t i = 0; i < set->n; i++) {
        unsigned distance = edit_distance(plain, set->options[i].name);
        if (distance >= limit) continue;
        limit = distance;
        nearest = &set->options[i];
    }
    return nearest;
}

const struct sw_option_retired *sw_option_retired(const struct sw_option_set *set, const char *name)
{
    if (set->retired == NULL) return NULL;
    for (const struct sw_option_retired *retired = set->retired; retired->name != NULL; retired++) {
        if (strcmp(retired->name, name) == 0) return retired;
    }
    return NULL;
}

/* What the user could do about a name nobody knows. */
static void print_advice(const struct sw_option_load *load, const struct sw_option_set *set,
                         const struct sw_option_site *site, const char *name, FILE *out)
{
    const struct sw_option_site alone = {.source = site->source};
    const struct sw_option *nearest = sw_option_nearest(set, name);
    const struct sw_option_retired *retired = sw_option_retired(set, name);

    if (retired != NULL) {
        fputs(retired->advice, out);
    } else if (set != load->set && sw_option_find(load->set, name) != NULL) {
        fputs("it belongs to the top level of the file", out);
    } else if (nearest != NULL) {
        fputs("did you mean ", out);
        print_name(load, &alone, nearest->name, out);
        fputs("?", out);
    } else {
        fputs("remove it, or set accept_unknowns: true", out);
    }
}

/* Notes a name that is no option of set. */
static void note_unknown(struct sw_option_load *load, const struct sw_option_set *set,
                         const struct sw_option_site *site, const char *name)
{
    char *advice = NULL;
    size_t size;
    size_t n = load->n_unknown;
    FILE *out = open_memstream(&advice, &size);

    if (out != NULL) {
        print_advice(load, set, site, name, out);
        fclose(out);
    }
    add_line(load, &load->unknown, &n, sw_option_where(load, site, name));
    n = load->n_unknown;
    add_line(load, &load->advice, &n, advice);
    if (!load->is_out_of_memory) load->n_unknown = n;
}

const struct sw_option *sw_option_meant(struct sw_option_load *load,
                                        const struct sw_option_set *set,
                                        const struct sw_option_site *site, const char *name)
{
    const struct sw_option *option = sw_option_find(set, name);
    const struct sw_option_retired *retired = option != NULL ? NULL : sw_option_retired(set, name);

    if (option != NULL) return option;
    if (retired != NULL && retired->now != NULL) {
        sw_option_report(load, SW_FINDING_WARNING, site, name, "is called %s now; rename it",
                         retired->now);
        return sw_option_find(set, retired->now);
    }
    if (retired != NULL && retired->is_harmless)
        sw_option_report(load, SW_FINDING_WARNING, site, name, "ignored; %s", retired->advice);
    else
        note_unknown(load, set, site, name);
    return NULL;
}

/* --- what programs do with a report -------------------------------------------------------- */

int sw_config_report_print(const struct sw_config_report *report, const char *program)
{
    if (report->output != NULL) fputs(report->output, stdout);
    for (size_t i = 0; i < report->n_errors; i++)
        fprintf(stderr, "%s: %s\n", program, report->errors[i]);
    if (report->exit_status != 0 && report->n_errors == 0)
        fprintf(stderr, "%s: out of memory\n", program);
    if (report->exit_status == 2) fprintf(stderr, "Try '%s --help'.\n", program);
    fflush(stdout);
    return report->exit_status;
}

void sw_config_report_log(const struct sw_config_report *report)
{
    for (size_t i = 0; i < report->n_warnings; i++)
        sw_log_warn("%s", report->warnings[i]);
}

static void free_lines(char **lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(lines[i]);
    free(lines);
}

void sw_config_report_free(struct sw_config_report *report)
{
    free(report->output);
    free_lines(report->errors, report->n_errors);
    free_lines(report->warnings, report->n_warnings);
    *report = (struct sw_config_report){0};
}
