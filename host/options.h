/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OPTIONS_H
#define SW_HOST_OPTIONS_H

/*
 * One table of options per program. From it come the YAML file's keys, the environment variables,
 * the command line, --help, the manual page and docs/configuration.md; nothing is written down
 * twice.
 *
 * Sources, weakest first: default text of the table, YAML file (-c, mandatory), environment (prefix
 * + upper-case name), command line. Nothing here ends the process or prints: all findings go into a
 * report.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "host/option_types.h"

/** Flags of an option. */
enum {
    SW_OPTION_CLI_ONLY = 1 << 0,  /**< in effect from the command line only; elsewhere ignored */
    SW_OPTION_FILE_ONLY = 1 << 1, /**< not on the command line and not in the environment */
    SW_OPTION_HIDDEN = 1 << 2,    /**< works on the command line but --help does not show it */
    SW_OPTION_SECRET = 1 << 3,    /**< value never appears in messages or dumps */
    SW_OPTION_LATER = 1 << 4,     /**< read and checked, but has no effect in this version */
    SW_OPTION_OPTIONAL = 1 << 5,  /**< may be unset; the bare command-line flag unsets it */
    SW_OPTION_RELOAD = 1 << 6     /**< a reload puts a changed value into effect */
};

struct sw_option_word {
    const char *word;
    int value;
    const char *instead; /**< not NULL: not available yet; what happens instead */
};

/** The words of enum sw_log_level. */
extern const struct sw_option_word sw_log_level_words[];

struct sw_option {
    const char *name; /**< YAML key; --name-with-dashes; PREFIX_NAME */
    char flag;        /**< short command-line flag or 0 */
    unsigned flags;   /**< SW_OPTION_… */
    const struct sw_option_type *type;
    size_t offset;       /**< of the field in the program's config struct */
    const char *initial; /**< default as text; NULL: unset */
    uint64_t min, max;   /**< for numbers, durations, sizes, lengths; max 0: no limit */
    const struct sw_option_word *words; /**< for enums, ends with a NULL word */
    const char *meta;                   /**< what --help calls the value */
    const char *group;                  /**< heading; options of one group are adjacent */
    const char *help;                   /**< one or more sentences */
};

struct sw_config_report {
    char *output;  /**< for standard output: --help, --version, what --generate did */
    char **errors; /**< one line each, complete */
    size_t n_errors;
    char **warnings; /**< one line each, complete */
    size_t n_warnings;
    int exit_status; /**< to end with if loading did not return 0: 0, 1, or 2 for usage errors */
};

/** Prints output to standard output and errors to standard error; returns the exit status. */
int sw_config_report_print(const struct sw_config_report *report, const char *program);

/** Logs the warnings, after sw_log_setup(). */
void sw_config_report_log(const struct sw_config_report *report);

void sw_config_report_free(struct sw_config_report *report);

struct sw_option_load;

/** What --generate writes. */
enum sw_generate { SW_GENERATE_NONE, SW_GENERATE_YAML, SW_GENERATE_JSONSCHEMA };

/** The words of enum sw_generate. */
extern const struct sw_option_word sw_generate_words[];

/** A name that is none of the options, but that files and scripts of stock programs have. */
struct sw_option_retired {
    const char *name;
    const char *now;    /**< the option it is today: used as that, with a warning; NULL: none */
    const char *advice; /**< without now: what to tell its user */
    bool is_harmless;   /**< without now: passed over with a warning, else an error */
};

struct sw_option_set {
    const char *program;    /**< "slipway-server" */
    const char *summary;    /**< one line */
    const char *env_prefix; /**< "LW_SERVER_" */
    const struct sw_option *options;
    size_t n;
    const struct sw_option_retired *retired; /**< ends with a NULL name; may be NULL */
    size_t config_size;
    bool config_owner_only; /**< permission rule of the config file */

    /** Rules between options; reports through sw_option_error() and sw_option_warn(). */
    void (*check)(struct sw_option_load *load, void *config);

    /** Looks at the files that the options name, after check() found nothing wrong. */
    void (*files)(struct sw_option_load *load, void *config);
};

/**
 * Fills *config (which it zeroes first) from all sources. argv[0] is skipped; environment ends with
 * NULL and may be NULL. Returns 0: run with it; 1: done, print the report and end with its status
 * (--help, --version,
 * --generate); negative: refused, print the report and end with its status. *config must be freed
 * with sw_options_free() in every case, *report with sw_config_report_free().
 */
int sw_options_load(const struct sw_option_set *set, int argc, char *const *argv,
                    char *const *environment, void *config, struct sw_config_report *report);

/**
 * The same from YAML text alone: no command line, no environment, and files are not looked at. name
 * stands for the file in messages.
 */
int sw_options_load_text(const struct sw_option_set *set, const char *name, const char *bytes,
                         size_t len, void *config, struct sw_config_report *report);

/** Frees every field of the config struct that the table describes. */
void sw_options_free(const struct sw_option_set *set, void *config);

/** The option of that name, or NULL. */
const struct sw_option *sw_option_find(const struct sw_option_set *set, const char *name);

/** For check(): was the option given by any source (not only its default)? */
bool sw_option_given(const struct sw_option_load *load, const char *name);

/** For check(): does it have its default value, wherever that came from? */
bool sw_option_is_default(const struct sw_option_load *load, const char *name);

/** For check(): adds "WHERE: NAME: text" as an error or a warning, WHERE being where it was given.
 */
void sw_option_error(struct sw_option_load *load, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sw_option_warn(struct sw_option_load *load, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** For files(): reports what is wrong with the owner or mode of the file that the option names. */
void sw_option_check_path(struct sw_option_load *load, const char *name, const char *path,
                          bool owner_only);

/** The effective configuration, one "name: value" line per option, secrets as their length;
 * is_default says whether that is the default. */
void sw_options_print(const struct sw_option_set *set, const void *config,
                      void (*line)(void *user, const char *text, bool is_default), void *user);

#endif
