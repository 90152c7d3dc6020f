/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading a configuration: defaults, then file, then environment, then command line, each written
 * over the one before, field by field. Along the way every option remembers where its value came
 * from, so that a rule broken between two options is reported with file and line as a bad value is.
 *
 * Reading goes on after an error, so that one run shows everything that is wrong; the rules between
 * options are only asked when every value by itself is right.
 */
#include "host/options.h"

#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_docs.h"
#include "host/options_internal.h"
#include "host/path_check.h"
#include "host/slurp.h"

#define CONFIG_MAX ((size_t)1 << 20)

static void *field_of(void *base, const struct sw_option *option)
{
    return (char *)base + option->offset;
}

const struct sw_option *sw_option_find(const struct sw_option_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->options[i].name, name) == 0) return &set->options[i];
    }
    return NULL;
}

static struct sw_option_site *site_of(const struct sw_option_load *load, const char *name)
{
    return &load->sites[sw_option_find(load->set, name) - load->set->options];
}

bool sw_option_given(const struct sw_option_load *load, const char *name)
{
    return site_of(load, name)->source != SW_FROM_DEFAULT;
}

void sw_option_error(struct sw_option_load *load, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_option_vreport(load, SW_FINDING_ERROR, site_of(load, name), name, format, args);
    va_end(args);
}

void sw_option_warn(struct sw_option_load *load, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_option_vreport(load, SW_FINDING_WARNING, site_of(load, name), name, format, args);
    va_end(args);
}

void sw_option_check_path(struct sw_option_load *load, const char *name, const char *path,
                          bool owner_only)
{
    char why[320];

    if (sw_path_check(path, owner_only ? SW_PATH_OWNER_ONLY : SW_PATH_WORLD_READABLE,
                      sw_path_checks_disabled(load->environment), why, sizeof why) < 0)
        sw_option_error(load, name, "%s", why);
}

/* --- setting one field --------------------------------------------------------------------- */

/* A value as it is quoted in messages: not too long. */
static void quote(const char *text, char out[96])
{
    bool is_long = strlen(text) > 80;
    snprintf(out, 96, "\"%.80s%s\"", text, is_long ? "..." : "");
}

bool sw_option_set_text(struct sw_option_load *load, const struct sw_option *option,
                        const char *text, const struct sw_option_site *site, void *base)
{
    struct sw_why why;
    char quoted[96];
    void *field = field_of(base, option);

    if (text == NULL) {
        if (option->type->clear != NULL)
            option->type->clear(field);
        else
            memset(field, 0, option->type->size);
        return true;
    }
    int rc = option->type->parse(option, text, field, &why);
    if (rc == 0) return true;
    if (rc == SW_ENOMEM) {
        load->is_out_of_memory = true;
        return false;
    }
    quote((option->flags & SW_OPTION_SECRET) != 0 ? "(secret)" : text, quoted);
    sw_option_report(load, SW_FINDING_ERROR, site, option->name, "%s %s", quoted, why.text);
    return false;
}

void sw_option_set_defaults(struct sw_option_load *load, const struct sw_option_set *set,
                            void *base)
{
    const struct sw_option_site site = {.source = SW_FROM_DEFAULT};

    for (size_t i = 0; i < set->n; i++) {
        if (set->options[i].initial != NULL)
            sw_option_set_text(load, &set->options[i], set->options[i].initial, &site, base);
    }
}

/* --- what comes after all sources ---------------------------------------------------------- */

/* Unknown names: an error each, or one warning for all if the user said so. */
static void judge_unknown(struct sw_option_load *load)
{
    const struct sw_option_site nowhere = {.source = SW_FROM_DEFAULT};
    const struct sw_option *accept = sw_option_find(load->set, "accept_unknowns");
    bool accepted = accept != NULL && *(bool *)field_of(load->config, accept);
    char *all = NULL;
    size_t size = 0;

    if (load->n_unknown == 0) return;
    if (!accepted) {
        for (size_t i = 0; i < load->n_unknown; i++)
            sw_option_report(load, SW_FINDING_ERROR, &nowhere, NULL, "%s: unknown option; %s",
                             load->unknown[i], load->advice[i]);
        return;
    }
    FILE *out = open_memstream(&all, &size);
    for (size_t i = 0; i < load->n_unknown && out != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", load->unknown[i]);
    if (out != NULL && fclose(out) == 0)
        sw_option_report(load, SW_FINDING_WARNING, &nowhere, NULL, "unknown options ignored: %s",
                         all);
    free(all);
}

char *sw_option_value_text(const struct sw_option *option, const void *field)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) return NULL;
    option->type->print(option, field, out);
    fclose(out);
    return text;
}

/* Whether a field has its option's default value: both are compared as they would be printed. */
static bool is_default(const struct sw_option *option, const void *field)
{
    void *initial = calloc(1, option->type->size);
    struct sw_why why;
    bool same = false;

    if (initial == NULL) return false;
    if (option->initial == NULL ||
        option->type->parse(option, option->initial, initial, &why) == 0) {
        char *one = sw_option_value_text(option, initial);
        char *other = sw_option_value_text(option, field);
        same = one != NULL && other != NULL && strcmp(one, other) == 0;
        free(one);
        free(other);
    }
    if (option->type->clear != NULL) option->type->clear(initial);
    free(initial);
    return same;
}

bool sw_option_is_default(const struct sw_option_load *load, const char *name)
{
    const struct sw_option *option = sw_option_find(load->set, name);
    return is_default(option, field_of(load->config, option));
}

/* The word an enum option has now, if the program cannot do what it says yet. */
static const struct sw_option_word *later_word(const struct sw_option_load *load,
                                               const struct sw_option *option)
{
    if (option->words == NULL) return NULL;
    const int *value = field_of(load->config, option);
    for (const struct sw_option_word *word = option->words; word->word != NULL; word++) {
        if (word->value == *value && word->instead != NULL) return word;
    }
    return NULL;
}

static void warn_later(struct sw_option_load *load)
{
    for (size_t i = 0; i < load->set->n; i++) {
        const struct sw_option *option = &load->set->options[i];
        const struct sw_option_word *word = later_word(load, option);

        if (word != NULL)
            sw_option_warn(load, option->name, "\"%s\" is not available in this version; %s",
                           word->word, word->instead);
        else if ((option->flags & SW_OPTION_LATER) != 0 &&
                 !is_default(option, field_of(load->config, option)))
            sw_option_warn(load, option->name, "accepted, but has no effect in this version");
    }
}

static void judge(struct sw_option_load *load, bool with_files)
{
    const struct sw_option_set *set = load->set;

    judge_unknown(load);
    if (load->report->n_errors == 0 && set->check != NULL) set->check(load, load->config);
    if (load->report->n_errors == 0 && with_files && set->files != NULL)
        set->files(load, load->config);
    if (load->report->n_errors == 0) warn_later(load);
}

/* --- the whole load ------------------------------------------------------------------------ */

/* Starts a load with everything at its default. */
static bool begin(struct sw_option_load *load, const struct sw_option_set *set, void *config,
                  struct sw_config_report *report)
{
    memset(config, 0, set->config_size);
    *report = (struct sw_config_report){.exit_status = 1};
    *load = (struct sw_option_load){.set = set, .config = config, .report = report};
    load->sites = calloc(set->n, sizeof *load->sites);
    load->is_out_of_memory = load->sites == NULL;
    if (!load->is_out_of_memory) sw_option_set_defaults(load, set, config);
    return !load->is_out_of_memory;
}

static int end(struct sw_option_load *load, int rc)
{
    for (size_t i = 0; i < load->n_unknown; i++) {
        free(load->unknown[i]);
        free(load->advice[i]);
    }
    free(load->unknown);
    free(load->advice);
    free(load->sites);
    free(load->cli);
    if (load->is_usage_error) load->report->exit_status = 2;
    if (load->is_out_of_memory) rc = SW_ENOMEM;
    if (rc == 0 && load->report->n_errors > 0) rc = SW_EINVAL;
    if (rc >= 0) load->report->exit_status = 0;
    return rc;
}

static void read_file(struct sw_option_load *load)
{
    const struct sw_option_site nowhere = {.source = SW_FROM_DEFAULT};
    const struct sw_option_site site = {.source = SW_FROM_FILE, .file = load->file};
    enum sw_path_rule rule =
        load->set->config_owner_only ? SW_PATH_OWNER_ONLY : SW_PATH_WORLD_READABLE;
    char why[320];
    char *bytes;
    size_t len;

    if (sw_path_check(load->file, rule, sw_path_checks_disabled(load->environment), why,
                      sizeof why) < 0 ||
        sw_slurp(load->file, CONFIG_MAX, &bytes, &len, why, sizeof why) < 0) {
        bool named = strncmp(why, load->file, strlen(load->file)) == 0; /* its path is absolute */
        sw_option_report(load, SW_FINDING_ERROR, named ? &nowhere : &site, NULL, "%s", why);
        return;
    }
    sw_option_read_yaml(load, bytes, len);
    explicit_bzero(bytes, len);
    free(bytes);
}

/* Answers --help, --version and --generate. True if that was all there was to do. */
static bool answer(struct sw_option_load *load, enum sw_cli_request request)
{
    char **output = &load->report->output;
    size_t size;

    if (request == SW_CLI_RUN) return sw_options_generate(load);
    FILE *out = open_memstream(output, &size);
    if (out == NULL) {
        load->is_out_of_memory = true;
        return true;
    }
    if (request == SW_CLI_HELP)
        sw_options_help(load->set, out);
    else
        fprintf(out, "%s %s\n", load->set->program, SLIPWAY_VERSION);
    load->is_out_of_memory = fclose(out) != 0;
    return true;
}

int sw_options_load(const struct sw_option_set *set, int argc, char *const *argv,
                    char *const *environment, void *config, struct sw_config_report *report)
{
    struct sw_option_load load;
    if (!begin(&load, set, config, report)) return end(&load, SW_ENOMEM);
    load.environment = environment;

    enum sw_cli_request request = sw_option_read_cli(&load, argc, argv);
    if (load.is_usage_error) return end(&load, SW_EINVAL);
    if (answer(&load, request)) return end(&load, report->n_errors > 0 ? SW_EINVAL : 1);

    load.file = sw_option_cli_text(&load, "config_file");
    if (load.file == NULL || load.file[0] == '\0') {
        sw_option_report(&load, SW_FINDING_ERROR,
                         &(struct sw_option_site){.source = SW_FROM_COMMAND_LINE}, "config_file",
                         "is %s; start with %s --config-file FILE",
                         load.file == NULL ? "missing" : "empty", set->program);
        load.is_usage_error = true;
        return end(&load, SW_EINVAL);
    }
    read_file(&load);
    sw_option_read_environment(&load);
    sw_option_apply_cli(&load);
    judge(&load, true);
    return end(&load, 0);
}

int sw_options_load_text(const struct sw_option_set *set, const char *name, const char *bytes,
                         size_t len, void *config, struct sw_config_report *report)
{
    struct sw_option_load load;
    if (!begin(&load, set, config, report)) return end(&load, SW_ENOMEM);
    load.file = name;
    sw_option_read_yaml(&load, bytes, len);
    judge(&load, false);
    return end(&load, 0);
}

void sw_options_free(const struct sw_option_set *set, void *config)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct sw_option *option = &set->options[i];
        if (option->type->clear != NULL) option->type->clear(field_of(config, option));
    }
}

void sw_options_print(const struct sw_option_set *set, const void *config,
                      void (*line)(void *user, const char *text, bool is_default), void *user)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct sw_option *option = &set->options[i];
        char *value = sw_option_value_text(option, (const char *)config + option->offset);
        char *text = NULL;
        int n = -1;

        if (value != NULL && value[0] != '\0' && (option->flags & SW_OPTION_SECRET) != 0)
            n = asprintf(&text, "%s: (%zu bytes)", option->name, strlen(value));
        else if (value != NULL && strchr(value, '\n') != NULL)
            n = asprintf(&text, "%s: (text, %zu bytes)", option->name, strlen(value));
        else if (value != NULL)
            n = asprintf(&text, "%s: %s", option->name, value[0] != '\0' ? value : "(unset)");
        if (n >= 0) {
            line(user, text, is_default(option, (const char *)config + option->offset));
            free(text);
        }
        free(value);
    }
}
