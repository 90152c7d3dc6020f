/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gen-docs man|markdown TEMPLATE > PAGE: fills the option tables of the programs into a page. The
 * template is the page with prose as it shall be and lines that hold nothing but a marker,
 * @SERVER_OPTIONS@, @CLIENT_OPTIONS@ or @CTL_COMMANDS@, where the tables go; @VERSION@ may stand
 * anywhere in a line. An unknown marker is an error, so that none ends up in a page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_options.h"
#include "ctl/ctl.h"
#include "host/options_docs.h"
#include "server/server_options.h"

static bool is_man;

static void print_options(const struct sw_option_set *set)
{
    if (is_man)
        sw_options_man(set, stdout);
    else
        sw_options_markdown(set, stdout);
}

static void print_commands(void)
{
    for (size_t i = 0; i < sw_ctl_n_commands; i++)
        printf(is_man ? ".TP\n\\fB%s\\fR\n%s\n" : "* `%s`: %s\n", sw_ctl_commands[i].name,
               sw_ctl_commands[i].help);
}

/* Prints what the marker stands for. False if it is none. */
static bool print_marker(const char *line)
{
    if (strcmp(line, "@SERVER_OPTIONS@\n") == 0)
        print_options(&sw_server_options);
    else if (strcmp(line, "@CLIENT_OPTIONS@\n") == 0)
        print_options(&sw_client_options);
    else if (strcmp(line, "@CTL_COMMANDS@\n") == 0)
        print_commands();
    else
        return false;
    return true;
}

static void print_line(const char *line)
{
    static const char marker[] = "@VERSION@";
    const char *found;

    while ((found = strstr(line, marker)) != NULL) {
        printf("%.*s" SLIPWAY_VERSION, (int)(found - line), line);
        line = found + sizeof marker - 1;
    }
    fputs(line, stdout);
}

static int fill(const char *name, FILE *template)
{
    char line[1024];
    int n = 0;

    while (fgets(line, sizeof line, template) != NULL) {
        n++;
        if (print_marker(line)) continue;
        if (line[0] == '@') {
            fprintf(stderr, "gen-docs: %s:%d: unknown marker %s", name, n, line);
            return 1;
        }
        print_line(line);
    }
    return ferror(template) || fflush(stdout) != 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "man") != 0 && strcmp(argv[1], "markdown") != 0)) {
        fputs("usage: gen-docs man|markdown TEMPLATE\n", stderr);
        return 2;
    }
    is_man = strcmp(argv[1], "man") == 0;

    FILE *template = fopen(argv[2], "r");
    if (template == NULL) {
        fprintf(stderr, "gen-docs: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    int status = fill(argv[2], template);
    fclose(template);
    return status;
}
