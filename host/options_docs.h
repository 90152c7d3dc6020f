/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OPTIONS_DOCS_H
#define SW_HOST_OPTIONS_DOCS_H

#include <stdio.h>

struct sw_option_set;

/** What --help prints: options that are neither hidden nor only for the file, by group. */
void sw_options_help(const struct sw_option_set *set, FILE *out);

/** The options as a part of a manual page: man(7) macros, one .SS per group. */
void sw_options_man(const struct sw_option_set *set, FILE *out);

/** The options as a part of a Markdown page: one ### heading per group. */
void sw_options_markdown(const struct sw_option_set *set, FILE *out);

/** A complete configuration file with every option at its default; unset options are null. */
void sw_options_yaml(const struct sw_option_set *set, FILE *out);

/**
 * A JSON schema (draft-07) of the options that the configuration file may have: type, limits,
 * default and meaning of each. Lists, and what only the command line gives, are left out.
 */
void sw_options_json_schema(const struct sw_option_set *set, FILE *out);

#endif
