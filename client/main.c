/* SPDX-License-Identifier: GPL-3.0-or-later */

/* slipway-client: configuration, logging, run. */

#define SW_LOG_TARGET "client"

#include <stdlib.h>
#include <unistd.h>

#include "client/client.h"
#include "host/log.h"
#include "host/signals.h"

extern char **environ;

/* What differs from the defaults belongs into every log that somebody asks for help with. */
static void log_option(void *user, const char *text, bool is_default)
{
    sw_log_at(is_default ? SW_LOG_DEBUG : SW_LOG_INFO, "%s", text);
}

int main(int argc, char **argv)
{
    struct sw_client_config config;
    struct sw_config_report report;
    int status;

    sw_signals_hold();
    if (sw_client_config_load(argc, argv, environ, &config, &report) != 0) {
        status = sw_config_report_print(&report, "slipway-client");
    } else {
        sw_log_setup(config.log_level, SW_LOG_FULL, STDOUT_FILENO);
        sw_log_set_filter(getenv("LW_CLIENT_RUST_LOG"));
        sw_config_report_log(&report);
        sw_options_print(&sw_client_options, &config, log_option, NULL);
        status = sw_client_run(&config, argc, argv);
    }
    sw_config_report_free(&report);
    sw_client_config_free(&config);
    return status;
}
