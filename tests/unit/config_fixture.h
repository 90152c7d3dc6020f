/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_UNIT_CONFIG_FIXTURE_H
#define SW_TESTS_UNIT_CONFIG_FIXTURE_H

/* A directory of its own for a test that reads files, and questions about what a load reported. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/options.h"

static char fixture_directory[64];

/** Makes an empty directory and goes there. */
static inline int fixture_enter(void **state)
{
    (void)state;
    strcpy(fixture_directory, "/tmp/slipway-config-XXXXXX");
    return mkdtemp(fixture_directory) != NULL ? chdir(fixture_directory) : -1;
}

static inline int fixture_leave(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_directory);
    return chdir("/") == 0 ? system(command) : -1;
}

static inline void fixture_write(const char *path, mode_t mode, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/** The whole text of a file below tests/fixtures. */
static inline char *fixture_read(const char *name)
{
    char path[512];
    char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", SW_FIXTURES, name);
    FILE *in = fopen(path, "r");
    if (in == NULL) fail_msg("%s is missing", path);
    assert_true(getdelim(&text, &size, '\0', in) > 0);
    fclose(in);
    return text;
}

static inline size_t count_lines(char *const *lines, size_t n, const char *text)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += strstr(lines[i], text) != NULL;
    return found;
}

static inline void print_report(const struct sw_config_report *report)
{
    for (size_t i = 0; i < report->n_errors; i++)
        print_error("error: %s\n", report->errors[i]);
    for (size_t i = 0; i < report->n_warnings; i++)
        print_error("warning: %s\n", report->warnings[i]);
}

/** Exactly one error, this one. */
static inline void assert_only_error(const struct sw_config_report *report, const char *line)
{
    if (report->n_errors != 1) print_report(report);
    assert_int_equal(report->n_errors, 1);
    assert_string_equal(report->errors[0], line);
}

/** Exactly one of the errors contains the text. */
static inline void assert_an_error(const struct sw_config_report *report, const char *text)
{
    size_t n = count_lines(report->errors, report->n_errors, text);
    if (n != 1) print_report(report);
    if (n != 1) fail_msg("%zu errors say \"%s\"", n, text);
}

/** Exactly one of the warnings contains the text. */
static inline void assert_a_warning(const struct sw_config_report *report, const char *text)
{
    size_t n = count_lines(report->warnings, report->n_warnings, text);
    if (n != 1) print_report(report);
    if (n != 1) fail_msg("%zu warnings say \"%s\"", n, text);
}

#endif
