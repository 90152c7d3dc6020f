/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * slipwayctl: asks a running slipway-server or slipway-client over its control socket and prints
 * the answer. Exit status 0: answered; 1: nobody answered or the answer was an error; 2: usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

static void print_help(FILE *out)
{
    fputs("slipwayctl: ask a running Slipway program\n\n"
          "Usage: slipwayctl [OPTION...] COMMAND\n\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < sw_ctl_n_commands; i++)
        fprintf(out, "  %-9s %s\n", sw_ctl_commands[i].name, sw_ctl_commands[i].help);
    fputs("\nOptions:\n"
          "  -s, --socket PATH  Control socket of the program [default: the only one that\n"
          "                     answers in " SW_CTL_DIRECTORY "]\n"
          "  -j, --json         Answer as JSON\n"
          "  -h, --help         Print this text\n"
          "  -V, --version      Print the version\n",
          out);
}

static int usage_error(const char *message, const char *what)
{
    fprintf(stderr, "slipwayctl: %s%s\nTry 'slipwayctl --help'.\n", message, what);
    return 2;
}

static bool is_command(const char *name)
{
    for (size_t i = 0; i < sw_ctl_n_commands; i++) {
        if (strcmp(sw_ctl_commands[i].name, name) == 0) return true;
    }
    return false;
}

static int ask(const char *path, const char *command, bool as_json)
{
    char why[512] = "";
    char *found = path == NULL ? sw_ctl_find_socket(SW_CTL_DIRECTORY, why, sizeof why) : NULL;
    char *answer = NULL;

    if (path == NULL) path = found;
    if (path != NULL) answer = sw_ctl_ask(path, command, as_json, why, sizeof why);
    if (answer == NULL)
        fprintf(stderr, "slipwayctl: %s\n", why);
    else
        fputs(answer, stdout);

    bool is_ok = answer != NULL && fflush(stdout) == 0;
    free(answer);
    free(found);
    return is_ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option flags[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    static char name[] = "slipwayctl";
    const char *path = NULL;
    bool as_json = false;
    int flag;

    if (argc > 0) argv[0] = name; /* for getopt's messages */
    while ((flag = getopt_long(argc, argv, "s:jhV", flags, NULL)) != -1) {
        switch (flag) {
        case 's':
            path = optarg;
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        case 'V':
            puts("slipwayctl " SLIPWAY_VERSION);
            return 0;
        default:
            fputs("Try 'slipwayctl --help'.\n", stderr); /* getopt_long() said what */
            return 2;
        }
    }
    if (optind == argc) return usage_error("a command is missing", "");
    if (!is_command(argv[optind])) return usage_error("unknown command: ", argv[optind]);
    if (optind + 1 < argc) return usage_error("unexpected argument: ", argv[optind + 1]);
    return ask(path, argv[optind], as_json);
}
