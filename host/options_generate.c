/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * --generate: a configuration file to start from, every option at its default, or a JSON schema for
 * editors and forms. The file is written in the forms that the readers accept (sizes exactly, unset
 * options as null), so reading it back changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <slipway/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/options_docs.h"
#include "host/options_internal.h"

const struct sw_option_word sw_generate_words[] = {
    {"yaml", SW_GENERATE_YAML, NULL},
    {"jsonschema", SW_GENERATE_JSONSCHEMA, NULL},
    {0},
};

/* A default as YAML: text is quoted, what reads back as itself is not. */
static void print_value(const struct sw_option *option, FILE *out)
{
    const struct sw_option_type *type = option->type;
    bool is_bare = type == &sw_type_bool || type == &sw_type_u32 || type == &sw_type_duration ||
                   type == &sw_type_size || type == &sw_type_enum || type == &sw_type_ipv4 ||
                   type == &sw_type_ipv4_net;

    if (option->initial == NULL)
        fputs("null", out);
    else if (is_bare)
        fputs(option->initial, out);
    else
        fprintf(out, "\"%s\"", option->initial); /* defaults hold no quotes and no backslashes */
}

void sw_options_yaml(const struct sw_option_set *set, FILE *out)
{
    fprintf(out, "# Configuration of %s: every option with its default.\n", set->program);
    for (size_t i = 0; i < set->n; i++) {
        const struct sw_option *option = &set->options[i];

        if ((option->flags & (SW_OPTION_CLI_ONLY | SW_OPTION_FILE_ONLY)) != 0) continue;
        fprintf(out, "%s: ", option->name);
        print_value(option, out);
        fputc('\n', out);
    }
}

/* The file may get passwords later, so it is made for its owner only. */
static bool write_file(struct sw_option_load *load, const char *path, enum sw_generate what)
{
    const struct sw_option_site site = {.source = SW_FROM_COMMAND_LINE};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (out == NULL) {
        sw_option_report(load, SW_FINDING_ERROR, &site, "config_file", "%s cannot be written: %s",
                         path, strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    if (what == SW_GENERATE_JSONSCHEMA)
        sw_options_json_schema(load->set, out);
    else
        sw_options_yaml(load->set, out);
    if (fclose(out) == 0) return true;
    sw_option_report(load, SW_FINDING_ERROR, &site, "config_file", "%s cannot be written: %s", path,
                     strerror(errno));
    return false;
}

bool sw_options_generate(struct sw_option_load *load)
{
    const struct sw_option_site site = {.source = SW_FROM_COMMAND_LINE};
    const struct sw_option *option = sw_option_find(load->set, "generate");
    const char *what = option == NULL ? NULL : sw_option_cli_text(load, "generate");
    const char *path = sw_option_cli_text(load, "config_file");

    if (what == NULL) return false;
    if (!sw_option_set_text(load, option, what, &site, load->config)) {
        load->is_usage_error = true;
    } else if (path == NULL) {
        sw_option_report(load, SW_FINDING_ERROR, &site, "config_file",
                         "is missing; it names the file to write");
        load->is_usage_error = true;
    } else if (write_file(load, path, *(int *)((char *)load->config + option->offset))) {
        if (asprintf(&load->report->output, "Wrote %s\n", path) < 0) {
            load->report->output = NULL;
            load->is_out_of_memory = true;
        }
    }
    return true;
}
