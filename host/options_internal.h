/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OPTIONS_INTERNAL_H
#define SW_HOST_OPTIONS_INTERNAL_H

/*
 * What the files that read options (options*.c, option types that hold lists or maps) share: the
 * state of one load, and the one way findings get into the report.
 */

#include <stdarg.h>

#include "host/options.h"
#include "host/yaml_doc.h"

enum sw_option_source { SW_FROM_DEFAULT, SW_FROM_FILE, SW_FROM_ENVIRONMENT, SW_FROM_COMMAND_LINE };

/** Where a value stands. */
struct sw_option_site {
    enum sw_option_source source;
    const char *file;   /**< for SW_FROM_FILE */
    int line;           /**< for SW_FROM_FILE; 0: unknown */
    const char *prefix; /**< stands before the option's name, "servers[2]." or NULL */
};

/** One option on the command line. */
struct sw_cli_value {
    const struct sw_option *option;
    const char *text; /**< NULL: bare flag that unsets */
};

struct sw_option_load {
    const struct sw_option_set *set;
    void *config;
    struct sw_config_report *report;
    char *const *environment;
    const char *file;
    struct sw_option_site *sites; /**< where each option got its value, by index in the table */
    struct sw_cli_value *cli;
    size_t n_cli;
    bool is_usage_error;
    bool is_out_of_memory;

    char **unknown; /**< names nobody knows: "WHERE: NAME" each, and the advice */
    char **advice;
    size_t n_unknown;
};

/** What a finding is. */
enum sw_finding { SW_FINDING_ERROR, SW_FINDING_WARNING };

/** Adds "WHERE: NAME: text" to the report. name may be NULL. */
void sw_option_report(struct sw_option_load *load, enum sw_finding finding,
                      const struct sw_option_site *site, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void sw_option_vreport(struct sw_option_load *load, enum sw_finding finding,
                       const struct sw_option_site *site, const char *name, const char *format,
                       va_list args) __attribute__((format(printf, 5, 0)));

/** The line about a former name that set knows, NULL if it knows none of that name. */
const struct sw_option_retired *sw_option_retired(const struct sw_option_set *set,
                                                  const char *name);

/**
 * The option that a name means where it was given, also by a former name. NULL: none; then the name
 * has been warned about or noted as unknown, and whether that is an error is known at the end.
 */
const struct sw_option *sw_option_meant(struct sw_option_load *load,
                                        const struct sw_option_set *set,
                                        const struct sw_option_site *site, const char *name);

/** Prints "WHERE: NAME" (a new string, NULL without memory). */
char *sw_option_where(const struct sw_option_load *load, const struct sw_option_site *site,
                      const char *name);

/** The option of set with that name, the nearest name in spelling, NULL if none is near. */
const struct sw_option *sw_option_nearest(const struct sw_option_set *set, const char *name);

/** Sets the option's field inside base from text (NULL: unset). False after an error was reported.
 */
bool sw_option_set_text(struct sw_option_load *load, const struct sw_option *option,
                        const char *text, const struct sw_option_site *site, void *base);

/** The field's value as text; a new string, NULL without memory. */
char *sw_option_value_text(const struct sw_option *option, const void *field);

/** Gives all fields of base their defaults. */
void sw_option_set_defaults(struct sw_option_load *load, const struct sw_option_set *set,
                            void *base);

/**
 * Sets the fields of base from a map. sites (may be NULL) receives where each option stood; prefix
 * as in struct sw_option_site.
 */
void sw_option_set_map(struct sw_option_load *load, const struct sw_option_set *set,
                       const struct sw_yaml *map, const char *prefix, void *base,
                       struct sw_option_site *sites);

/** Reads YAML text into load->config. */
void sw_option_read_yaml(struct sw_option_load *load, const char *bytes, size_t len);

/** Applies the environment. */
void sw_option_read_environment(struct sw_option_load *load);

/** What the command line asks for. */
enum sw_cli_request { SW_CLI_RUN, SW_CLI_HELP, SW_CLI_VERSION };

/** Splits the command line into load->cli; errors are usage errors. */
enum sw_cli_request sw_option_read_cli(struct sw_option_load *load, int argc, char *const *argv);

/** The text given for an option on the command line, NULL if it was not given there. */
const char *sw_option_cli_text(const struct sw_option_load *load, const char *name);

/** Applies load->cli. */
void sw_option_apply_cli(struct sw_option_load *load);

/** Does what --generate asks for. True if it was asked; the report has the outcome. */
bool sw_options_generate(struct sw_option_load *load);

#endif
