/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A server and its addresses (client/candidate.h). The addresses are tried one after the other,
 * each a quarter of a second behind the one before, or at once when that has failed. The first that
 * the server is heard from goes on; the others that are still waiting for a word are taken back,
 * to be tried again should it come to nothing after all. "Heard" is the protocol's first answer,
 * not TCP's: what accepts connections and says nothing is no reason to wait.
 *
 * A refused login ends the candidate: its other addresses are the same server's.
 *
 * Names are resolved on libuv's thread pool, which cannot be interrupted; a request that is not
 * wanted any more is left to come to its end by itself. In a later round, when the name server may
 * be reachable only through the tunnel that is gone, the addresses known from before are used if
 * there is no answer after a moment.
 */

#define SW_LOG_TARGET "client"

#include "client/candidate.h"

#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_internal.h"
#include "host/address.h"
#include "host/log.h"

#define STAGGER        (250 * SW_MILLISECOND) /* RFC 8305 §5 */
#define RESOLVE_MOMENT SW_SECOND
#define RESOLVE_AGAIN  (5 * SW_SECOND)

static void fail(struct sw_candidate *candidate, enum sw_client_exit status, const char *why)
{
    candidate->state = SW_CONTENDER_FAILED;
    candidate->exit = status;
    if (why != candidate->why) snprintf(candidate->why, sizeof candidate->why, "%s", why);
}

/* --- the name ----------------------------------------------------------------------------------*/

struct sw_resolving {
    uv_getaddrinfo_t request;
    struct sw_client *client;
    struct sw_candidate *candidate; /* NULL: nobody waits for it any more */
};

static bool knows(const struct sw_candidate *candidate, const struct sw_address *address)
{
    for (size_t i = 0; i < candidate->n; i++)
        if (sw_address_same_host(&candidate->targets[i].address, address)) return true;
    return false;
}

/* What the name stands for now. Once addresses are being tried, new ones come behind them. */
static void take_addresses(struct sw_candidate *candidate, const struct addrinfo *found)
{
    struct sw_address_list list;
    sw_address_list_take(&list, found);
    if (!candidate->may_start && list.n > 0) candidate->n = 0;
    for (size_t i = 0; i < list.n && candidate->n < SW_ADDRESS_LIST_MAX; i++) {
        if (knows(candidate, &list.entries[i])) continue;
        candidate->targets[candidate->n++] = (struct sw_target){.address = list.entries[i]};
    }
}

/* Of one server alone, the final line speaks. */
static void set_name_error(struct sw_candidate *candidate, const char *what)
{
    candidate->exit = SW_EXIT_NAME;
    snprintf(candidate->why, sizeof candidate->why, "server %s: %s", candidate->server->server.host,
             what);
    if (candidate->client->n_candidates > 1) sw_log_warn("%s", candidate->why);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct sw_resolving *resolving = request->data;
    struct sw_candidate *candidate = resolving->candidate;
    resolving->client->resolving--;
    free(resolving);
    if (candidate != NULL) {
        candidate->resolving = NULL;
        if (status == 0) take_addresses(candidate, found);
        if (candidate->n == 0)
            set_name_error(candidate, status < 0 ? uv_strerror(status) : "it has no address");
        candidate->may_start = true;
        sw_client_kick(candidate->client);
    }
    uv_freeaddrinfo(found);
}

/* Numbers need no thread: one that hangs in a name server would hold them up. */
static bool take_number(struct sw_candidate *candidate, const char *host, const char *port,
                        struct addrinfo hints)
{
    struct addrinfo *found = NULL;
    hints.ai_flags = AI_NUMERICHOST;
    if (getaddrinfo(host, port, &hints, &found) != 0) return false;
    take_addresses(candidate, found);
    freeaddrinfo(found);
    candidate->may_start = true;
    return true;
}

static void resolve(struct sw_candidate *candidate)
{
    const struct sw_host_port *server = &candidate->server->server;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    char port[8];
    snprintf(port, sizeof port, "%u", server->port);
    if (take_number(candidate, server->host, port, hints)) return;
    struct sw_resolving *resolving = calloc(1, sizeof *resolving);
    int error = UV_ENOMEM;
    if (resolving != NULL) {
        *resolving = (struct sw_resolving){.client = candidate->client, .candidate = candidate};
        resolving->request.data = resolving;
        error = uv_getaddrinfo(sw_worker_loop(candidate->client->worker), &resolving->request,
                               on_resolved, server->host, port, &hints);
    }
    if (error == 0) {
        candidate->resolving = resolving;
        candidate->client->resolving++;
        return;
    }
    free(resolving);
    set_name_error(candidate, uv_strerror(error));
    candidate->may_start = true;
}

static void stop_resolving(struct sw_candidate *candidate)
{
    if (candidate->resolving == NULL) return;
    uv_cancel((uv_req_t *)&candidate->resolving->request);
    candidate->resolving->candidate = NULL;
    candidate->resolving = NULL;
}

/* --- the addresses -----------------------------------------------------------------------------*/

static struct sw_target *running(struct sw_candidate *candidate, bool (*is)(struct sw_attempt *))
{
    for (size_t i = 0; i < candidate->n; i++) {
        struct sw_target *target = &candidate->targets[i];
        if (target->attempt != NULL && is(target->attempt)) return target;
    }
    return NULL;
}

static bool is_any(struct sw_attempt *attempt)
{
    return true;
}

static bool is_over(struct sw_attempt *attempt)
{
    return attempt->over;
}

static bool is_heard(struct sw_attempt *attempt)
{
    return attempt->heard && !attempt->over;
}

static bool is_online(struct sw_attempt *attempt)
{
    return attempt->online && !attempt->over;
}

static void end_target(struct sw_target *target, bool politely, sw_time now)
{
    if (target->attempt == NULL) return;
    if (politely)
        sw_attempt_part(target->attempt, now);
    else
        sw_attempt_free(target->attempt);
    target->attempt = NULL;
}

static void end_all(struct sw_candidate *candidate, bool politely, sw_time now)
{
    for (size_t i = 0; i < candidate->n; i++)
        end_target(&candidate->targets[i], politely, now);
}

static struct sw_target *untried(struct sw_candidate *candidate)
{
    for (size_t i = 0; i < candidate->n; i++)
        if (!candidate->targets[i].tried) return &candidate->targets[i];
    return NULL;
}

/* One of several that came to nothing; of one alone, the final line speaks. */
static void tell(const struct sw_candidate *candidate, const struct sw_attempt *attempt)
{
    char address[SW_ADDRESS_TEXT];
    if (candidate->n == 1 && candidate->client->n_candidates == 1) return;
    sw_log_event(
        SW_LOG_WARN,
        SW_LOG_FIELDS({"server", .text = candidate->server->server.host},
                      {"address", .text = sw_address_text(&attempt->address, address)},
                      {"mode", .text = attempt->server->mode == SW_DATAGRAM ? "udp" : "tcp"}),
        "%s", attempt->why);
}

/* Of several addresses' failures the most telling is kept. */
static void bury(struct sw_candidate *candidate, struct sw_target *target, sw_time now)
{
    struct sw_attempt *attempt = target->attempt;
    bool first = candidate->exit == SW_EXIT_STOPPED;
    if (first || sw_exit_more_telling(candidate->exit, attempt->exit) == attempt->exit) {
        candidate->exit = attempt->exit;
        memcpy(candidate->why, attempt->why, sizeof candidate->why);
    }
    if (attempt->exit == SW_EXIT_LOGIN) candidate->state = SW_CONTENDER_FAILED;
    tell(candidate, attempt);
    sw_attempt_free(attempt);
    target->attempt = NULL;
    candidate->next_start = now;
}

/* One address goes on: those that nothing was heard from are taken back. */
static void prefer(struct sw_candidate *candidate, const struct sw_target *heard, sw_time now)
{
    for (size_t i = 0; i < candidate->n; i++) {
        struct sw_target *target = &candidate->targets[i];
        if (target == heard || target->attempt == NULL) continue;
        end_target(target, true, now);
        target->tried = false;
    }
}

static void start(struct sw_candidate *candidate, struct sw_target *target, sw_time now)
{
    target->tried = true;
    candidate->next_start = now + STAGGER;
    target->attempt = sw_attempt_start(candidate->client, candidate->server, &target->address, now);
    if (target->attempt == NULL) fail(candidate, SW_EXIT_SETUP, "out of memory");
}

static void try_addresses(struct sw_candidate *candidate, sw_time now)
{
    struct sw_target *target;
    while (candidate->state == SW_CONTENDER_TRYING && now >= candidate->next_start &&
           (target = untried(candidate)) != NULL) {
        start(candidate, target, now);
        if (target->attempt != NULL && target->attempt->over) bury(candidate, target, now);
    }
}

/* --- the round ---------------------------------------------------------------------------------*/

void sw_candidate_init(struct sw_candidate *candidate, struct sw_client *client,
                       const struct sw_client_server *server)
{
    *candidate = (struct sw_candidate){
        .client = client,
        .server = server,
        .state = SW_CONTENDER_FAILED,
        .resolve_by = SW_NEVER,
        .resolve_until = SW_NEVER,
    };
}

void sw_candidate_begin(struct sw_candidate *candidate, sw_time now)
{
    bool knows_some = candidate->n > 0;
    for (size_t i = 0; i < candidate->n; i++)
        candidate->targets[i].tried = false;
    candidate->state = SW_CONTENDER_TRYING;
    candidate->exit = SW_EXIT_STOPPED;
    candidate->why[0] = '\0';
    candidate->may_start = false;
    candidate->next_start = now;
    candidate->resolve_until =
        now + (knows_some ? RESOLVE_AGAIN : candidate->client->config->connect_timeout);
    candidate->resolve_by = knows_some ? now + RESOLVE_MOMENT : candidate->resolve_until;
    resolve(candidate);
}

void sw_candidate_turn(struct sw_candidate *candidate, sw_time now)
{
    struct sw_target *target;
    if (candidate->state == SW_CONTENDER_FAILED) return;
    for (size_t i = 0; i < candidate->n; i++)
        if (candidate->targets[i].attempt != NULL)
            sw_attempt_turn(candidate->targets[i].attempt, now);
    while ((target = running(candidate, is_over)) != NULL)
        bury(candidate, target, now);
    if (candidate->state != SW_CONTENDER_FAILED) candidate->state = SW_CONTENDER_TRYING;

    if (candidate->resolving != NULL && now >= candidate->resolve_until) {
        if (candidate->n == 0) set_name_error(candidate, "no answer from the name service");
        stop_resolving(candidate);
    }
    if (now >= candidate->resolve_by) candidate->may_start = true;
    target = running(candidate, is_heard);
    if (target != NULL) {
        prefer(candidate, target, now);
        if (is_online(target->attempt)) candidate->state = SW_CONTENDER_ONLINE;
    } else if (candidate->may_start) {
        try_addresses(candidate, now);
    }
    bool done = candidate->may_start && running(candidate, is_any) == NULL &&
                untried(candidate) == NULL && candidate->resolving == NULL;
    if (candidate->state == SW_CONTENDER_TRYING && done) candidate->state = SW_CONTENDER_FAILED;
    if (candidate->state == SW_CONTENDER_FAILED) {
        end_all(candidate, true, now);
        stop_resolving(candidate);
    }
}

static sw_time earlier(sw_time a, sw_time b)
{
    return a < b ? a : b;
}

sw_time sw_candidate_deadline(const struct sw_candidate *candidate)
{
    sw_time at = candidate->resolving != NULL ? candidate->resolve_until : SW_NEVER;
    bool waiting = false, heard = false;
    if (candidate->state == SW_CONTENDER_FAILED) return SW_NEVER;
    if (!candidate->may_start) return candidate->resolve_by;
    for (size_t i = 0; i < candidate->n; i++) {
        const struct sw_target *target = &candidate->targets[i];
        if (!target->tried) waiting = true;
        if (target->attempt == NULL) continue;
        heard = heard || target->attempt->heard;
        at = earlier(at, sw_attempt_deadline(target->attempt));
    }
    return waiting && !heard ? earlier(at, candidate->next_start) : at;
}

bool sw_candidate_has_started(const struct sw_candidate *candidate)
{
    return candidate->may_start && candidate->n > 0;
}

struct sw_attempt *sw_candidate_take(struct sw_candidate *candidate)
{
    struct sw_target *target = running(candidate, is_online);
    struct sw_attempt *attempt = target->attempt;
    target->attempt = NULL;
    return attempt;
}

void sw_candidate_end(struct sw_candidate *candidate, bool politely, sw_time now)
{
    end_all(candidate, politely, now);
    stop_resolving(candidate);
    candidate->state = SW_CONTENDER_FAILED;
}
