/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line, in two steps: it is split before the configuration file is read, because it
 * names that file, and applied last, because it wins. Flags are the option names with dashes, never
 * abbreviated, each at most once; "--flag value" and "--flag=value" mean the same, a switch takes
 * no value but accepts =true and =false, and an option that may be unset is unset by its bare flag.
 * docs/configuration.md, "The command line".
 */
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define NAME_MAX_LEN 64

/* The arguments not looked at yet. */
struct arguments {
    int left;
    char *const *next;
    enum sw_cli_request request;
};

static void usage_error(struct sw_option_load *load, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void usage_error(struct sw_option_load *load, const char *format, ...)
{
    const struct sw_option_site site = {.source = SW_FROM_COMMAND_LINE};
    va_list args;

    va_start(args, format);
    sw_option_vreport(load, SW_FINDING_ERROR, &site, NULL, format, args);
    va_end(args);
    load->is_usage_error = true;
}

/* The option that "--some-name" means, by its name or a former one; only the spelling with dashes
 * counts. */
static const struct sw_option *find_long(const struct sw_option_set *set, const char *name,
                                         size_t len)
{
    char key[NAME_MAX_LEN + 1];

    if (len > NAME_MAX_LEN || memchr(name, '_', len) != NULL) return NULL;
    for (size_t i = 0; i < len; i++)
        key[i] = name[i] == '-' ? '_' : name[i];
    key[len] = '\0';

    const struct sw_option *option = sw_option_find(set, key);
    const struct sw_option_retired *retired = sw_option_retired(set, key);
    if (option == NULL && retired != NULL && retired->now != NULL)
        option = sw_option_find(set, retired->now);
    return option == NULL || (option->flags & SW_OPTION_FILE_ONLY) != 0 ? NULL : option;
}

static const struct sw_option *find_short(const struct sw_option_set *set, char flag)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->options[i].flag == flag) return &set->options[i];
    }
    return NULL;
}

static void remember(struct sw_option_load *load, const struct sw_option *option, const char *flag,
                     const char *text)
{
    for (size_t i = 0; i < load->n_cli; i++) {
        if (load->cli[i].option == option) {
            usage_error(load, "%s: given twice; keep one of them", flag);
            return;
        }
    }
    struct sw_cli_value *grown = realloc(load->cli, (load->n_cli + 1) * sizeof *grown);
    if (grown == NULL) {
        load->is_out_of_memory = true;
        return;
    }
    load->cli = grown;
    grown[load->n_cli++] = (struct sw_cli_value){option, text};
}

/* The value of a flag without "=": the next argument, unless it looks like a flag itself. */
static void take_value(struct sw_option_load *load, struct arguments *arguments,
                       const struct sw_option *option, const char *flag)
{
    if (option->type->is_switch) {
        remember(load, option, flag, "true");
        return;
    }
    bool has_next = arguments->left > 0 &&
                    (arguments->next[0][0] != '-' || strcmp(arguments->next[0], "-") == 0);
    if (has_next) {
        remember(load, option, flag, arguments->next[0]);
        arguments->next++;
        arguments->left--;
    } else if ((option->flags & SW_OPTION_OPTIONAL) != 0) {
        remember(load, option, flag, NULL);
    } else {
        struct sw_why room;
        usage_error(load, "%s: needs a value; expected %s", flag,
                    sw_option_expected(option, &room));
    }
}

static void unknown_flag(struct sw_option_load *load, const char *argument)
{
    const char *flag = argument + 2;
    size_t len = strcspn(flag, "=");
    char name[NAME_MAX_LEN + 1];
    const struct sw_option *nearest = NULL;
    const struct sw_option_retired *retired = NULL;

    if (len <= NAME_MAX_LEN) {
        for (size_t i = 0; i < len; i++)
            name[i] = flag[i] == '-' ? '_' : flag[i];
        name[len] = '\0';
        nearest = sw_option_nearest(load->set, name);
        retired = sw_option_retired(load->set, name);
    }
    if (retired != NULL && retired->now == NULL) {
        usage_error(load, "%.60s: %s", argument, retired->advice);
    } else if (nearest == NULL) {
        usage_error(load, "%.60s: unknown option", argument);
    } else if ((nearest->flags & SW_OPTION_FILE_ONLY) != 0 && strcmp(nearest->name, name) == 0) {
        usage_error(load, "%.60s: can only be given in the configuration file", argument);
    } else {
        for (len = 0; nearest->name[len] != '\0' && len < NAME_MAX_LEN; len++)
            name[len] = nearest->name[len] == '_' ? '-' : nearest->name[len];
        usage_error(load, "%.60s: unknown option; did you mean --%.*s?", argument, (int)len, name);
    }
}

static void read_long(struct sw_option_load *load, struct arguments *arguments, const char *flag)
{
    const char *name = flag + 2;
    size_t len = strcspn(name, "=");
    const struct sw_option *option = find_long(load->set, name, len);

    if (strcmp(name, "help") == 0) {
        arguments->request = SW_CLI_HELP;
    } else if (strcmp(name, "version") == 0) {
        arguments->request = SW_CLI_VERSION;
    } else if (option == NULL) {
        unknown_flag(load, flag);
    } else if (name[len] == '=') {
        remember(load, option, flag, name + len + 1);
    } else {
        take_value(load, arguments, option, flag);
    }
}

/* "-m udp", "-mudp", "-m=udp", and switches in front as in "-am udp". */
static void read_short(struct sw_option_load *load, struct arguments *arguments, const char *flags)
{
    for (const char *p = flags + 1; *p != '\0'; p++) {
        const struct sw_option *option = find_short(load->set, *p);
        const char shown[] = {'-', *p, '\0'};

        if (*p == 'h') {
            arguments->request = SW_CLI_HELP;
            return;
        }
        if (*p == 'V') {
            arguments->request = SW_CLI_VERSION;
            return;
        }
        if (option == NULL) {
            usage_error(load, "%s: unknown option", shown);
            return;
        }
        if (p[1] == '=') {
            remember(load, option, shown, p + 2);
            return;
        }
        if (!option->type->is_switch && p[1] != '\0') {
            remember(load, option, shown, p + 1);
            return;
        }
        take_value(load, arguments, option, shown);
    }
}

enum sw_cli_request sw_option_read_cli(struct sw_option_load *load, int argc, char *const *argv)
{
    struct arguments arguments = {.left = argc > 0 ? argc - 1 : 0, .next = argv + 1};

    while (arguments.left > 0 && arguments.request == SW_CLI_RUN && !load->is_usage_error) {
        const char *argument = *arguments.next++;
        arguments.left--;
        if (strncmp(argument, "--", 2) == 0 && argument[2] != '\0')
            read_long(load, &arguments, argument);
        else if (argument[0] == '-' && argument[1] != '\0' && argument[1] != '-')
            read_short(load, &arguments, argument);
        else
            usage_error(
                load,
                "\"%.60s\" is not expected here; the configuration file is given as -c FILE, "
                "values of switches as --flag=false, of other options behind their flag",
                argument);
    }
    return arguments.request;
}

const char *sw_option_cli_text(const struct sw_option_load *load, const char *name)
{
    for (size_t i = 0; i < load->n_cli; i++) {
        if (strcmp(load->cli[i].option->name, name) == 0) return load->cli[i].text;
    }
    return NULL;
}

void sw_option_apply_cli(struct sw_option_load *load)
{
    const struct sw_option_site site = {.source = SW_FROM_COMMAND_LINE};

    for (size_t i = 0; i < load->n_cli; i++) {
        const struct sw_option *option = load->cli[i].option;
        load->sites[option - load->set->options] = site;
        if (!sw_option_set_text(load, option, load->cli[i].text, &site, load->config))
            load->is_usage_error = true;
    }
}
