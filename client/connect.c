/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Finding a server: all entries of the list at once, until one is chosen (client/selection.h). Only
 * that one gets the data path and the TUN; the others are told goodbye. With reconnect the same
 * begins again when the connection has ended, after a wait; device and routes stay meanwhile, so
 * that nothing of what belongs into the tunnel goes beside it.
 *
 * All of it is one function that looks at what has changed and does what is due, called from a
 * timer: engines and resolvers only say that there is something to look at. So nothing is ever
 * taken down from inside its own event.
 */

#define SW_LOG_TARGET "client"

#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"
#include "host/random.h"

#define REFUSALS_MAX 3
#define SOON         SW_SECOND

static void on_turn(uv_timer_t *timer);

void sw_client_kick(struct sw_client *client)
{
    if (client->kicked || client->ending) return;
    client->kicked = true;
    uv_timer_start(&client->turn, on_turn, 0, 0);
}

/* --- choosing ----------------------------------------------------------------------------------*/

static void begin_round(struct sw_client *client, sw_time now)
{
    client->phase = SW_PHASE_CONNECTING;
    client->wait_until = SW_NEVER;
    for (size_t i = 0; i < client->n_candidates; i++)
        sw_candidate_begin(&client->candidates[i], now);
    sw_client_kick(client);
}

static void end_round(struct sw_client *client, bool politely)
{
    sw_time now = sw_worker_now();
    for (size_t i = 0; i < client->n_candidates; i++)
        sw_candidate_end(&client->candidates[i], politely, now);
}

static void drop_connection(struct sw_client *client)
{
    sw_worker_stop_engine(client->worker);
    sw_worker_detach_udp(client->worker);
    sw_tls_context_free(client->tls);
    client->tls = NULL;
    client->conn = NULL;
}

static void win(struct sw_client *client, size_t entry, sw_time now)
{
    struct sw_attempt *attempt = sw_candidate_take(&client->candidates[entry]);
    client->phase = SW_PHASE_ONLINE;
    client->entry = entry;
    client->server = attempt->address;
    client->local = attempt->local;
    client->homeless_since = SW_NEVER;
    client->tls = attempt->tls;
    client->conn = attempt->conn;
    client->over = false;
    client->refusals = 0;
    client->why[0] = '\0';
    if (client->online_since != 0) client->reconnects++;
    client->online_since = now;
    int error = sw_trial_promote(attempt->trial);
    if (error == 0) attempt->trial = NULL;
    attempt->tls = NULL;
    sw_attempt_free(attempt);
    end_round(client, true);
    if (error < 0)
        sw_client_lost(client, SW_EXIT_SETUP, "%s", sw_strerror(error));
    else if (!client->over)
        sw_client_online(client);
}

/* --- trying again ------------------------------------------------------------------------------*/

/* A login or certificate that was good before may be refused while the server changes hands. */
static bool may_try_again(struct sw_client *client, enum sw_client_exit status)
{
    if (!client->config->reconnect) return false;
    if (sw_exit_is_passing(status)) return true;
    bool refused = status == SW_EXIT_LOGIN || status == SW_EXIT_CERTIFICATE;
    return refused && client->online_since != 0 && ++client->refusals < REFUSALS_MAX;
}

/* Connection or round came to nothing, for the reason in client->why. */
static void try_again(struct sw_client *client, enum sw_client_exit status, sw_time online_for,
                      sw_time now)
{
    uint8_t dice[4];
    uint32_t number;
    if (!may_try_again(client, status)) {
        sw_client_end(client, status, "%s", client->why);
        return;
    }
    sw_random_fill(dice, sizeof dice);
    memcpy(&number, dice, sizeof number);
    sw_backoff_over(&client->backoff, online_for);
    sw_time wait = sw_backoff_wait(&client->backoff, number);
    client->phase = SW_PHASE_WAITING;
    client->exit = status;
    client->retry_at = now + wait;
    sw_log_warn("%s; connecting again in %.1f s", client->why, (double)wait / (double)SW_SECOND);
}

static void connection_over(struct sw_client *client, sw_time now)
{
    drop_connection(client);
    try_again(client, client->exit, now - client->online_since, now);
}

static void nobody_left(struct sw_client *client, sw_time now)
{
    const struct sw_candidate *telling = &client->candidates[0];
    for (size_t i = 1; i < client->n_candidates; i++) {
        const struct sw_candidate *other = &client->candidates[i];
        if (sw_exit_more_telling(telling->exit, other->exit) != telling->exit) telling = other;
    }
    if (client->n_candidates > 1)
        snprintf(client->why, sizeof client->why, "none of %zu servers can be used: %s",
                 client->n_candidates, telling->why);
    else
        snprintf(client->why, sizeof client->why, "%s", telling->why);
    try_again(client, telling->exit, 0, now);
}

/* --- one look at everything --------------------------------------------------------------------*/

static bool may_go(const struct sw_attempt *attempt, sw_time now)
{
    return attempt->over || now >= attempt->part_by || attempt->conn == NULL ||
           sw_conn_state(attempt->conn) != SW_STATE_CONNECTING;
}

static void look_at_parting(struct sw_client *client, sw_time now)
{
    struct sw_attempt *attempt;
    SW_LIST_FOREACH_SAFE (attempt, &client->parting, link)
        if (may_go(attempt, now)) sw_attempt_free(attempt);
}

static void look_at_candidates(struct sw_client *client, sw_time now)
{
    for (size_t i = 0; i < client->n_candidates; i++) {
        struct sw_candidate *candidate = &client->candidates[i];
        sw_candidate_turn(candidate, now);
        client->contenders[i] = candidate->state;
        if (client->wait_until == SW_NEVER && sw_candidate_has_started(candidate))
            client->wait_until = now + client->config->preferred_connection_wait_interval;
    }
    int chosen = sw_select(client->contenders, client->n_candidates, now >= client->wait_until);
    if (chosen >= 0)
        win(client, (size_t)chosen, now);
    else if (chosen == SW_SELECT_NONE)
        nobody_left(client, now);
}

static sw_time earlier(sw_time a, sw_time b)
{
    return a < b ? a : b;
}

static sw_time next_turn(const struct sw_client *client, sw_time now)
{
    const struct sw_attempt *attempt;
    sw_time at = SW_NEVER;
    if (client->kicked) return now;
    SW_LIST_FOREACH (attempt, &client->parting, link)
        at = earlier(at, attempt->part_by);
    if (client->phase == SW_PHASE_WAITING) at = earlier(at, client->retry_at);
    if (client->phase == SW_PHASE_ONLINE) at = earlier(at, sw_client_homeless_deadline(client));
    if (client->phase != SW_PHASE_CONNECTING) return at;
    for (size_t i = 0; i < client->n_candidates; i++)
        at = earlier(at, sw_candidate_deadline(&client->candidates[i]));
    return client->wait_until > now ? earlier(at, client->wait_until) : at;
}

static void on_turn(uv_timer_t *timer)
{
    struct sw_client *client = timer->data;
    sw_time now = sw_worker_now();
    client->kicked = false;
    if (client->ending) return;
    look_at_parting(client, now);
    if (client->phase == SW_PHASE_WAITING && now >= client->retry_at) begin_round(client, now);
    if (client->phase == SW_PHASE_CONNECTING) look_at_candidates(client, now);
    if (client->phase == SW_PHASE_ONLINE) sw_client_look_homeless(client, now);
    if (client->phase == SW_PHASE_ONLINE && client->over) connection_over(client, now);
    sw_time at = next_turn(client, now);
    if (client->ending || at == SW_NEVER) return;
    uint64_t wait_ms = at > now ? (at - now + SW_MILLISECOND - 1) / SW_MILLISECOND : 0;
    uv_timer_start(&client->turn, on_turn, wait_ms, 0);
}

/* --- from outside ------------------------------------------------------------------------------*/

void sw_client_try_soon(struct sw_client *client)
{
    sw_time soon = sw_worker_now() + SOON;
    if (client->phase != SW_PHASE_WAITING || client->retry_at <= soon) return;
    client->retry_at = soon;
    sw_client_kick(client);
}

void sw_client_lost(struct sw_client *client, enum sw_client_exit status, const char *format, ...)
{
    va_list arguments;
    if (client->over || client->ending) return;
    va_start(arguments, format);
    vsnprintf(client->why, sizeof client->why, format, arguments);
    va_end(arguments);
    client->over = true;
    client->exit = status;
    sw_client_kick(client);
}

int sw_client_connect(struct sw_client *client)
{
    const struct sw_client_servers *servers = &client->config->servers;
    client->candidates = calloc(servers->n, sizeof *client->candidates);
    client->contenders = calloc(servers->n, sizeof *client->contenders);
    if (client->candidates == NULL || client->contenders == NULL) return SW_ENOMEM;
    client->n_candidates = servers->n;
    client->backoff.first = client->config->reconnect_wait;
    client->backoff.longest = client->config->reconnect_wait_max;
    for (size_t i = 0; i < servers->n; i++)
        sw_candidate_init(&client->candidates[i], client, &servers->entries[i]);
    begin_round(client, sw_worker_now());
    return 0;
}

void sw_client_disconnect(struct sw_client *client)
{
    struct sw_attempt *attempt;
    end_round(client, false);
    SW_LIST_FOREACH_SAFE (attempt, &client->parting, link)
        sw_attempt_free(attempt);
    drop_connection(client);
    free(client->candidates);
    free(client->contenders);
    client->candidates = NULL;
    client->n_candidates = 0;
}
