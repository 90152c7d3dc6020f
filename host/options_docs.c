/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The option table as text for people: --help, the manual page, docs/configuration.md and a
 * configuration file with all defaults. None of them knows an option by name, so they cannot
 * disagree with what the programs read.
 */
#include "host/options_docs.h"

#include <ctype.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define LINE_WIDTH 80

/* A space that print_wrapped() does not break at. */
#define HARD_SPACE "\001"

static void print_flag(const struct sw_option *option, FILE *out)
{
    fputs("--", out);
    for (const char *p = option->name; *p != '\0'; p++)
        fputc(*p == '_' ? '-' : *p, out);
}

static void print_variable(const struct sw_option_set *set, const struct sw_option *option,
                           FILE *out)
{
    fputs(set->env_prefix, out);
    for (const char *p = option->name; *p != '\0'; p++)
        fputc(toupper((unsigned char)*p), out);
}

/* What stands for the value: "SIZE", "tcp|udp"; nothing for a switch. */
static void print_meta(const struct sw_option *option, FILE *out)
{
    if (option->meta != NULL) {
        fputs(option->meta, out);
    } else if (option->words != NULL) {
        for (const struct sw_option_word *word = option->words; word->word != NULL; word++)
            fprintf(out, "%s%s", word == option->words ? "" : "|", word->word);
    } else if (option->type->meta != NULL) {
        fputs(option->type->meta, out);
    }
}

static bool has_meta(const struct sw_option *option)
{
    return option->meta != NULL || option->words != NULL || option->type->meta != NULL;
}

/* The default worth telling: a switch that is off and an unset option need none. */
static const char *told_default(const struct sw_option *option)
{
    if (option->initial == NULL || option->initial[0] == '\0') return NULL;
    if (option->type == &sw_type_bool && strcmp(option->initial, "false") == 0) return NULL;
    return option->initial;
}

static bool is_shown_in_help(const struct sw_option *option)
{
    return (option->flags & (SW_OPTION_HIDDEN | SW_OPTION_FILE_ONLY)) == 0;
}

static bool starts_group(const struct sw_option_set *set, size_t i)
{
    return i == 0 || strcmp(set->options[i].group, set->options[i - 1].group) != 0;
}

/* --- --help -------------------------------------------------------------------------------- */

/* Prints text with line breaks at spaces, every line indented. */
static void print_wrapped(const char *text, int indent, FILE *out)
{
    int column = 0;

    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + len > LINE_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += fprintf(out, "%*s", column == 0 ? indent : 1, "") + len;
        for (; len > 0; len--, text++)
            fputc(*text == HARD_SPACE[0] ? ' ' : *text, out);
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_help_entry(const struct sw_option *option, FILE *out)
{
    const char *initial = told_default(option);
    char *text = NULL;
    size_t size;

    fprintf(out, option->flag != 0 ? "  -%c, " : "      ", option->flag);
    print_flag(option, out);
    if (has_meta(option)) fputc(' ', out);
    print_meta(option, out);
    fputc('\n', out);

    FILE *body = open_memstream(&text, &size);
    if (body == NULL) return;
    fputs(option->help, body);
    if (initial != NULL) fprintf(body, " [default:" HARD_SPACE "%s]", initial);
    if ((option->flags & SW_OPTION_LATER) != 0) fputs(" (no effect in this version)", body);
    fclose(body);
    print_wrapped(text, 10, out);
    free(text);
}

void sw_options_help(const struct sw_option_set *set, FILE *out)
{
    fprintf(out, "%s: %s\n\nUsage: %s --config-file FILE [OPTION...]\n", set->program, set->summary,
            set->program);
    for (size_t i = 0; i < set->n; i++) {
        if (starts_group(set, i)) fprintf(out, "\n%s:\n", set->options[i].group);
        if (is_shown_in_help(&set->options[i])) print_help_entry(&set->options[i], out);
    }
    fprintf(out, "\nOther:\n  -h, --help\n          Print this text\n"
                 "  -V, --version\n          Print the version\n\n");
    fprintf(out,
            "Every option can also stand in the configuration file, as option_name: value, "
            "and in the\nenvironment, as %sOPTION_NAME. The command line wins over the "
            "environment, the\nenvironment over the file. A switch takes =true or =false.\n",
            set->env_prefix);
}

/* --- manual page --------------------------------------------------------------------------- */

/* Text with the characters escaped that man(7) would interpret. */
static void print_roff(const char *text, FILE *out)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else if ((*p == '.' || *p == '\'') && p == text)
            fprintf(out, "\\&%c", *p);
        else
            fputc(*p, out);
    }
}

/* The flags of an option, in bold, and what stands for its value, in italics. */
static void print_man_flags(const struct sw_option *option, FILE *out)
{
    char *text = NULL;
    size_t size;
    FILE *flags = open_memstream(&text, &size);

    if (flags == NULL) return;
    if ((option->flags & SW_OPTION_FILE_ONLY) != 0) {
        fprintf(flags, "%s:", option->name);
    } else {
        if (option->flag != 0) fprintf(flags, "-%c, ", option->flag);
        print_flag(option, flags);
    }
    fclose(flags);
    fputs("\\fB", out);
    print_roff(text, out);
    fputs("\\fR", out);
    free(text);

    if (!has_meta(option)) return;
    fputs(" \\fI", out);
    print_meta(option, out);
    fputs("\\fR", out);
}

void sw_options_man(const struct sw_option_set *set, FILE *out)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct sw_option *option = &set->options[i];
        const char *initial = told_default(option);

        if (starts_group(set, i)) fprintf(out, ".SS %s\n", option->group);
        fputs(".TP\n", out);
        print_man_flags(option, out);
        fputc('\n', out);
        print_roff(option->help, out);
        if (initial != NULL) {
            fputs("\nDefault: \\fB", out);
            print_roff(initial, out);
            fputs("\\fR.", out);
        }
        if ((option->flags & SW_OPTION_RELOAD) != 0) fputs("\nA reload puts it into effect.", out);
        if ((option->flags & SW_OPTION_LATER) != 0) fputs("\nNo effect in this version.", out);
        fputc('\n', out);
    }
}

/* --- Markdown ------------------------------------------------------------------------------ */

/* "`tcp` or `udp`", "SIZE", "true or false": what can be written, for a table of contents line. */
static void print_values(const struct sw_option *option, FILE *out)
{
    if (option->words == NULL) {
        fputs(option->type->is_switch ? option->type->expected : "", out);
        print_meta(option, out);
        return;
    }
    for (const struct sw_option_word *word = option->words; word->word != NULL; word++) {
        const char *gap = word == option->words ? "" : word[1].word == NULL ? " or " : ", ";
        fprintf(out, "%s`%s`", gap, word->word);
    }
}

static void print_markdown_entry(const struct sw_option_set *set, const struct sw_option *option,
                                 FILE *out)
{
    fprintf(out, "\n**`%s`**: ", option->name);
    print_values(option, out);
    if (option->initial != NULL && option->initial[0] != '\0')
        fprintf(out, "; default `%s`", option->initial);
    else if ((option->flags & SW_OPTION_OPTIONAL) != 0)
        fputs("; unset by default", out);
    fputs("<br>\n", out);

    if ((option->flags & SW_OPTION_FILE_ONLY) != 0) {
        fputs("only in the file", out);
    } else {
        if (option->flag != 0) fprintf(out, "`-%c`, ", option->flag);
        fputc('`', out);
        print_flag(option, out);
        fputc('`', out);
        if ((option->flags & SW_OPTION_CLI_ONLY) != 0) {
            fputs(", only on the command line", out);
        } else {
            fputs(", `", out);
            print_variable(set, option, out);
            fputc('`', out);
        }
    }
    fputs("\n\n", out);
    print_wrapped(option->help, 0, out);
    if ((option->flags & SW_OPTION_RELOAD) != 0) fputs("*A reload puts it into effect.*\n", out);
    if ((option->flags & SW_OPTION_LATER) != 0)
        fputs("*Read and checked, but without effect in this version.*\n", out);
}

void sw_options_markdown(const struct sw_option_set *set, FILE *out)
{
    for (size_t i = 0; i < set->n; i++) {
        if (starts_group(set, i))
            fprintf(out, "%s### %s\n", i == 0 ? "" : "\n", set->options[i].group);
        print_markdown_entry(set, &set->options[i], out);
    }
}
