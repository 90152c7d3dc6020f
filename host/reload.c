/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Reload (docs/configuration.md, "Reload"). The whole configuration is loaded anew beside the one
 * in effect, from the same sources and by the same rules as at the start, so that an error anywhere
 * leaves everything as it was. The option table says which options take effect; the program applies
 * them, with the files they name, and may still refuse. Only then their values change places with
 * those in effect. Every other option that differs is named in a warning, at each reload again: as
 * long as the file says what the program does not do, somebody should know.
 *
 * Values are compared as they would be printed, or by their type's own rule where printing does not
 * tell everything.
 */

#include "host/reload.h"

#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define SW_LOG_TARGET "reload"
#include "host/log.h"

extern char **environ;

static void wipe(char *text)
{
    if (text != NULL) explicit_bzero(text, strlen(text));
    free(text);
}

static bool is_same(const struct sw_option *option, const void *one, const void *other)
{
    if (option->type->equal != NULL) return option->type->equal(one, other);
    char *a = sw_option_value_text(option, one);
    char *b = sw_option_value_text(option, other);
    bool same = a != NULL && b != NULL && strcmp(a, b) == 0;
    wipe(a); /* it may be a password */
    wipe(b);
    return same;
}

static void swap(void *one, void *other, size_t size)
{
    unsigned char *a = one, *b = other;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = a[i];
        a[i] = b[i];
        b[i] = c;
    }
}

/* What is in effect from now on; the names of those that are not. */
static json_t *adopt(const struct sw_reload *reload, void *fresh)
{
    json_t *needs_restart = json_array();
    for (size_t i = 0; i < reload->set->n; i++) {
        const struct sw_option *option = &reload->set->options[i];
        void *mine = (char *)reload->config + option->offset;
        void *its = (char *)fresh + option->offset;
        if ((option->flags & SW_OPTION_RELOAD) != 0) {
            swap(mine, its, option->type->size);
        } else if ((option->flags & SW_OPTION_CLI_ONLY) == 0 && !is_same(option, mine, its)) {
            sw_log_warn("%s has changed: needs a restart", option->name);
            json_array_append_new(needs_restart, json_string(option->name));
        }
    }
    return needs_restart;
}

/* One line of everything that was wrong. */
static json_t *refuse(const char *const *errors, size_t n)
{
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    for (size_t i = 0; i < n; i++) {
        sw_log_error("%s", errors[i]);
        if (out != NULL) fprintf(out, "%s%s", i > 0 ? "; " : "", errors[i]);
    }
    sw_log_error("Nothing is reloaded: everything stays as it was");
    json_t *answer = out != NULL && fclose(out) == 0 ? json_pack("{s:s}", "error", all) : NULL;
    free(all);
    return answer;
}

static json_t *apply(const struct sw_reload *reload, void *fresh)
{
    char why[512] = "out of memory";
    const char *error = why;
    if (reload->apply(reload->user, fresh, why, sizeof why) < 0) return refuse(&error, 1);
    return json_pack("{s:b, s:o}", "reloaded", true, "needs_restart", adopt(reload, fresh));
}

json_t *sw_reload(const struct sw_reload *reload)
{
    struct sw_config_report report;
    json_t *answer;
    void *fresh = malloc(reload->set->config_size);
    if (fresh == NULL) return NULL;
    if (sw_options_load(reload->set, reload->argc, reload->argv, environ, fresh, &report) == 0) {
        sw_config_report_log(&report);
        answer = apply(reload, fresh);
    } else if (report.n_errors > 0) {
        answer = refuse((const char *const *)report.errors, report.n_errors);
    } else {
        answer = NULL;
    }
    sw_config_report_free(&report);
    sw_options_free(reload->set, fresh);
    free(fresh);
    return answer;
}
