/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Any bytes as a configuration file: the first says of which program, the rest is YAML. Loading
 * ends in a configuration or in errors, never both and never neither; each finding is one printable
 * line; and what was loaded can be printed.
 */

#include <stdlib.h>
#include <string.h>

#include "client/client_options.h"
#include "server/server_options.h"

static void require(bool condition)
{
    if (!condition) abort();
}

static void check_line(void *user, const char *line)
{
    require(line[0] != '\0');
    for (; *line != '\0'; line++)
        require((unsigned char)*line >= ' ' && *line != 0x7f);
}

/* Texts of the configuration may hold anything but a NUL. */
static void count_line(void *user, const char *line, bool is_default)
{
    size_t *n = user;
    require(strchr(line, ':') != NULL);
    ++*n;
}

static void check_report(const struct sw_config_report *report)
{
    for (size_t i = 0; i < report->n_errors; i++)
        check_line(NULL, report->errors[i]);
    for (size_t i = 0; i < report->n_warnings; i++)
        check_line(NULL, report->warnings[i]);
}

static void load(const struct sw_option_set *set, const char *bytes, size_t len)
{
    struct sw_config_report report;
    void *config = malloc(set->config_size);
    size_t n = 0;

    require(config != NULL);
    int rc = sw_options_load_text(set, "x.yaml", bytes, len, config, &report);
    require((rc == 0) == (report.n_errors == 0));
    require((rc == 0) == (report.exit_status == 0));
    check_report(&report);
    if (rc == 0) {
        sw_options_print(set, config, count_line, &n);
        require(n == set->n);
    }
    sw_options_free(set, config);
    sw_config_report_free(&report);
    free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    load(data[0] == 's' ? &sw_server_options : &sw_client_options, (const char *)data + 1,
         size - 1);
    return 0;
}
