/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_RELOAD_H
#define SW_HOST_RELOAD_H

/*
 * Reading the configuration of a running program again: at SIGHUP, and for slipwayctl reload.
 */

#include <jansson.h>

#include "host/options.h"

struct sw_reload {
    const struct sw_option_set *set;
    int argc; /**< the command line, which wins over the file as at the start */
    char *const *argv;

    /**
     * The configuration in effect. Only sw_reload() changes it, and only options that the table
     * marks with SW_OPTION_RELOAD; so these are for the thread that reloads, all others for any.
     */
    void *config;

    /**
     * Puts those options of fresh to use, and the files they name. 0; or negative, nothing has
     * changed, and why holds one sentence.
     */
    int (*apply)(void *user, const void *fresh, char *why, size_t why_size);
    void *user;
};

/**
 * Reloads, all or nothing. Errors, and changed options that need a restart, go to the log. What
 * comes back is for the control socket: an object with "error", one line, if nothing has changed;
 * else "reloaded" and "needs_restart", a list of options. NULL: out of memory.
 */
json_t *sw_reload(const struct sw_reload *reload);

#endif
