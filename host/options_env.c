/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Environment variables: the program's prefix and the option's name, in any case behind the prefix.
 * An empty variable counts as absent. PREFIX_RUST_LOG is a log filter of stock programs that people
 * leave in unit files; it is no option and is passed over. docs/configuration.md, "The
 * environment".
 */
#include <ctype.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define NAME_MAX_LEN 64

/* Splits "PREFIX_NAME=value"; name comes back in lower case. NULL if it is not one of ours. */
static const char *split(const char *variable, const char *prefix, char name[NAME_MAX_LEN + 1])
{
    size_t prefix_len = strlen(prefix);
    if (strncmp(variable, prefix, prefix_len) != 0) return NULL;

    const char *start = variable + prefix_len;
    const char *equals = strchr(start, '=');
    if (equals == NULL || equals[1] == '\0') return NULL;

    size_t len = (size_t)(equals - start);
    if (len > NAME_MAX_LEN) len = NAME_MAX_LEN; /* no option is that long: stays unknown */
    for (size_t i = 0; i < len; i++)
        name[i] = (char)tolower((unsigned char)start[i]);
    name[len] = '\0';
    return equals + 1;
}

static void set_variable(struct sw_option_load *load, const char *name, const char *text)
{
    const struct sw_option_site site = {.source = SW_FROM_ENVIRONMENT};
    const struct sw_option *option = sw_option_meant(load, load->set, &site, name);

    if (option == NULL || (option->flags & SW_OPTION_CLI_ONLY) != 0) return;
    if ((option->flags & SW_OPTION_FILE_ONLY) != 0) {
        sw_option_report(load, SW_FINDING_ERROR, &site, name,
                         "can only be given in the configuration file");
        return;
    }
    struct sw_option_site *known = &load->sites[option - load->set->options];
    if (known->source == SW_FROM_ENVIRONMENT) {
        sw_option_report(load, SW_FINDING_ERROR, &site, name,
                         "is set twice, in different case; unset one of them");
        return;
    }
    *known = site;
    sw_option_set_text(load, option, text, &site, load->config);
}

void sw_option_read_environment(struct sw_option_load *load)
{
    char name[NAME_MAX_LEN + 1];

    for (char *const *variable = load->environment; variable != NULL && *variable != NULL;
         variable++) {
        const char *text = split(*variable, load->set->env_prefix, name);
        if (text != NULL && strcmp(name, "rust_log") != 0) set_variable(load, name, text);
    }
}
