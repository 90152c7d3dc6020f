/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a reload changes in a running server (host/reload.h): who may log in, certificate and key,
 * the log's threshold.
 *
 * Everything new is made first, on the main thread, and may fail. Then each worker, between two of
 * its wake-ups, takes it over, and what was there before is let go of. Sessions notice nothing:
 * they hold the TLS context they began with, a login that is being checked holds the users it is
 * checked against, and the next packet does not know that anything happened. Only who repeats a
 * login is asked about again.
 */

#define SW_LOG_TARGET "reload"

#include <slipway/error.h>

#include "host/log.h"
#include "server/server_internal.h"

struct change {
    struct sw_server *server;
    struct sw_logins *logins;
    struct sw_server_tls tls;
};

/* On the worker's thread. */
static void take_over(void *user, unsigned index)
{
    const struct change *change = user;
    struct sw_server_worker *worker = &change->server->workers[index];
    struct sw_engine *engine = sw_worker_engine(worker->worker);
    sw_logins_free(worker->logins);
    worker->logins = sw_logins_hold(change->logins);
    for (enum sw_transport t = SW_DATAGRAM; t <= SW_STREAM; t++)
        if (change->tls.contexts[t] != NULL) sw_engine_set_tls(engine, t, change->tls.contexts[t]);
    sw_engine_forget_logins(engine);
}

/* The configuration in effect with the files of the fresh one; it owns nothing. */
static struct sw_server_config combine(const struct sw_server_config *config,
                                       const struct sw_server_config *fresh)
{
    struct sw_server_config wanted = *config;
    wanted.server_cert = fresh->server_cert;
    wanted.server_key = fresh->server_key;
    wanted.user_db = fresh->user_db;
    wanted.token_rsa_pub_key_pem = fresh->token_rsa_pub_key_pem;
    return wanted;
}

int sw_server_apply(void *user, const void *all, char *why, size_t why_size)
{
    struct sw_server *server = user;
    const struct sw_server_config *fresh = all;
    const struct sw_server_config wanted = combine(server->config, fresh);
    struct change change = {.server = server};

    change.logins = sw_logins_load(wanted.user_db, wanted.token_rsa_pub_key_pem, why, why_size);
    if (change.logins == NULL) return SW_EINVAL;
    int error = sw_server_open_tls(&wanted, &change.tls, why, why_size);
    if (error < 0) {
        sw_logins_free(change.logins);
        return error;
    }
    sw_crew_call(&server->crew, take_over, &change);
    sw_logins_free(server->logins);
    sw_server_close_tls(&server->tls);
    server->logins = change.logins;
    server->tls = change.tls;
    sw_log_set_level(fresh->log_level);
    sw_log_event(SW_LOG_INFO,
                 SW_LOG_FIELDS({"users", .number = sw_logins_users(server->logins)},
                               {"token_key_bits", .number = sw_logins_key_bits(server->logins)},
                               {"server_cert", .text = wanted.server_cert}),
                 "Reloaded");
    return 0;
}
