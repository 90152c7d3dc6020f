/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CTL_CTL_H
#define SW_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

/** Where programs put their control sockets unless they are told otherwise. */
#define SW_CTL_DIRECTORY "/run/slipway"

/** One command of slipwayctl. */
struct sw_ctl_command {
    const char *name;
    const char *help;
};
extern const struct sw_ctl_command sw_ctl_commands[];
extern const size_t sw_ctl_n_commands;

/**
 * Finds the socket to ask: the only one in directory on which somebody answers. A new string, or
 * NULL with what is wrong and what to do in why.
 */
char *sw_ctl_find_socket(const char *directory, char *why, size_t why_size);

/**
 * Sends the command to the socket and gives back the whole answer, a new string; NULL with what is
 * wrong and what to do in why.
 */
char *sw_ctl_ask(const char *path, const char *command, bool as_json, char *why, size_t why_size);

#endif
