/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The engine as a whole: made, driven by the clock, shut down. Everything in it belongs to one
 * thread.
 */

#include "lib/engine/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/engine/conn_table.h"
#include "lib/engine/path_mtu.h"

#define OUTSIDE_MTU_MIN 576
#define OUTSIDE_MTU_MAX 1500
#define OUTER_HEADERS   44

/* Below what one AES-GCM key may seal, 2^24.5 full records (RFC 8446 §5.5). */
#define RECORDS_PER_KEY ((uint64_t)1 << 24)

static void set_default(sw_time *value, sw_time otherwise)
{
    if (*value == 0) *value = otherwise;
}

static void set_defaults(struct sw_engine_config *config)
{
    if (config->role == SW_SERVER) config->outside_mtu = OUTSIDE_MTU_MAX;
    if (config->version_max.major == 0) {
        config->version_min = SW_VERSION_MIN;
        config->version_max = SW_VERSION_MAX;
    }
    if (config->half_open_limit == 0) config->half_open_limit = 4096;
    if (config->workers == 0) config->workers = 1;
    if (config->key_update_records == 0) config->key_update_records = RECORDS_PER_KEY;
    set_default(&config->stale_after, 60 * SW_SECOND);
    set_default(&config->idle_after, 24 * 60 * SW_MINUTE);
    set_default(&config->connect_timeout, 30 * SW_SECOND);
    set_default(&config->keepalive_interval, 10 * SW_SECOND);
    set_default(&config->keepalive_timeout, 60 * SW_SECOND);
    set_default(&config->tracer_timeout, 10 * SW_SECOND);
    set_default(&config->expresslane_rotation, 15 * SW_MINUTE);
}

static bool plausible(const struct sw_engine_config *config)
{
    if (config->callbacks == NULL || (config->datagram == NULL && config->stream == NULL))
        return false;
    if (config->datagram != NULL && config->batch == NULL) return false;
    if (config->workers > 256 || (config->worker > 0 && config->worker >= config->workers))
        return false;
    if (config->expresslane_rotation != 0 && config->expresslane_rotation < SW_SECOND) return false;
    return config->role == SW_SERVER ||
           (config->outside_mtu >= OUTSIDE_MTU_MIN && config->outside_mtu <= OUTSIDE_MTU_MAX);
}

static void hold(struct sw_tls_context *context)
{
    if (context != NULL) sw_tls_context_hold(context);
}

/* What the configuration asks for besides memory. */
static bool equip(struct sw_engine *engine)
{
    const struct sw_engine_config *config = &engine->config;

    hold(config->datagram);
    hold(config->stream);
    if (config->role == SW_SERVER)
        engine->env.random(engine->env.user, engine->auth_key, sizeof engine->auth_key);
    if (config->role == SW_SERVER && config->datagram != NULL) {
        engine->hello_retry = sw_hello_retry_new(
            config->datagram, &engine->env, OUTSIDE_MTU_MAX - OUTER_HEADERS, config->cookie_key);
        if (engine->hello_retry == NULL) return false;
    }
    if (config->callbacks->place != NULL && config->workers > 1) {
        engine->guests = sw_guests_new();
        if (engine->guests == NULL) return false;
    }
    if (sw_plugins_init(engine) < 0) return false;
    if (config->codec != NULL && (engine->piece = malloc(SW_ENCODE_MAX)) == NULL) return false;
    if (config->expresslane) engine->aead = sw_aead_new(NULL);
    return !config->expresslane || engine->aead != NULL;
}

struct sw_engine *sw_engine_new(const struct sw_engine_config *config, sw_time now)
{
    struct sw_engine *engine = plausible(config) ? calloc(1, sizeof *engine) : NULL;

    if (engine == NULL) return NULL;
    engine->config = *config;
    set_defaults(&engine->config);
    engine->env = (struct sw_tls_env){
        .now = now,
        .unix_time = config->unix_time,
        .random = config->callbacks->random,
        .user = config->user,
    };
    sw_list_init(&engine->conns);
    sw_list_init(&engine->dead);
    sw_conn_table_init(engine);
    if (!equip(engine)) {
        sw_engine_free(engine);
        return NULL;
    }
    return engine;
}

void sw_engine_move(struct sw_engine *engine, const struct sw_callbacks *callbacks, void *user,
                    struct sw_batch *batch)
{
    assert(engine->depth == 0);
    engine->config.callbacks = callbacks;
    engine->config.user = engine->env.user = user;
    engine->config.batch = batch;
}

static void free_all(struct sw_list *list)
{
    struct sw_conn *conn;
    SW_LIST_FOREACH_SAFE (conn, list, link)
        sw_conn_free(conn);
}

void sw_engine_free(struct sw_engine *engine)
{
    if (engine == NULL) return;
    free_all(&engine->conns);
    free_all(&engine->dead);
    sw_hello_retry_free(engine->hello_retry);
    sw_guests_free(engine->guests);
    sw_conn_table_release(engine);
    sw_aead_free(engine->aead);
    sw_plugins_release(engine);
    free(engine->piece);
    sw_deadlines_release(&engine->deadlines);
    sw_tls_context_free(engine->config.datagram);
    sw_tls_context_free(engine->config.stream);
    sw_tls_wipe(engine->auth_key, sizeof engine->auth_key);
    sw_tls_wipe(engine->plain, sizeof engine->plain);
    sw_tls_wipe(engine->inbox, sizeof engine->inbox);
    free(engine);
}

void sw_engine_enter(struct sw_engine *engine, sw_time now)
{
    engine->depth++;
    engine->env.now = now;
}

void sw_engine_leave(struct sw_engine *engine)
{
    if (--engine->depth == 0) free_all(&engine->dead);
}

void sw_engine_shutdown(struct sw_engine *engine, sw_time now)
{
    struct sw_conn *conn;

    sw_engine_enter(engine, now);
    while ((conn = sw_engine_next_conn(engine, NULL)) != NULL)
        sw_conn_end(conn, 0, true);
    sw_engine_leave(engine);
}

const struct sw_engine_counters *sw_engine_counters(const struct sw_engine *engine)
{
    return &engine->counters;
}

sw_time sw_engine_deadline(const struct sw_engine *engine)
{
    const struct sw_deadline *first = sw_deadlines_first(&engine->deadlines);
    return first != NULL ? first->at : SW_NEVER;
}

void sw_engine_timer(struct sw_engine *engine, sw_time now)
{
    struct sw_deadline *first;

    sw_engine_enter(engine, now);
    while ((first = sw_deadlines_first(&engine->deadlines)) != NULL && first->at <= now)
        sw_conn_timer(SW_CONTAINER_OF(first, struct sw_conn, deadline));
    sw_engine_leave(engine);
}

static struct sw_tls_context *tls_context(const struct sw_engine *engine,
                                          enum sw_transport transport)
{
    return transport == SW_DATAGRAM ? engine->config.datagram : engine->config.stream;
}

void sw_engine_set_tls(struct sw_engine *engine, enum sw_transport transport,
                       struct sw_tls_context *context)
{
    struct sw_tls_context **place =
        transport == SW_DATAGRAM ? &engine->config.datagram : &engine->config.stream;

    assert(*place != NULL && context != NULL);
    hold(context);
    sw_tls_context_free(*place);
    *place = context;
    if (transport == SW_DATAGRAM && engine->hello_retry != NULL)
        sw_hello_retry_set_context(engine->hello_retry, context);
}

struct sw_tls *sw_conn_new_tls(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;

    return sw_tls_new(tls_context(engine, conn->transport), &engine->env,
                      (uint16_t)(engine->config.outside_mtu - sw_outer_headers(&conn->path)),
                      sw_conn_emit, conn);
}

/* A connection with a TLS session of its own from the start, taking its first step. */
static struct sw_conn *start(struct sw_engine *engine, enum sw_transport transport,
                             const struct sw_path *path, struct sw_version version,
                             sw_time patience, int *error)
{
    struct sw_tls_context *context = tls_context(engine, transport);
    struct sw_conn *conn = context != NULL ? sw_conn_new(engine, transport, path) : NULL;

    *error = context != NULL ? SW_ENOMEM : SW_EINVAL;
    if (conn == NULL) return NULL;
    conn->version = version;
    sw_expresslane_init(conn);
    if (engine->config.role == SW_CLIENT) engine->client = conn;
    sw_conn_set_timer(conn, SW_TIMER_CONNECT, engine->env.now + patience);
    conn->tls = sw_conn_new_tls(conn);
    *error = conn->tls != NULL ? 0 : SW_ETLS;
    if (*error == 0 && engine->config.role == SW_SERVER)
        *error = sw_conn_table_new_session(engine, conn);
    if (*error == 0) *error = sw_conn_handshake(conn, (struct sw_span){NULL, 0}, true);
    if (*error == 0) sw_conn_rearm(conn);
    if (*error == 0 && conn->state == SW_STATE_DISCONNECTED) *error = SW_ECLOSED;
    if (*error < 0) {
        engine->counters.conn_create_failed++;
        sw_conn_end(conn, *error, false);
        return NULL;
    }
    return conn;
}

struct sw_conn *sw_connect(struct sw_engine *engine, enum sw_transport transport,
                           const struct sw_path *path, sw_time now, int *error)
{
    *error = SW_EINVAL;
    if (engine->config.role != SW_CLIENT || engine->client != NULL) return NULL;
    sw_engine_enter(engine, now);
    struct sw_conn *conn =
        start(engine, transport, path, SW_VERSION_MAX, engine->config.connect_timeout, error);
    sw_engine_leave(engine);
    return conn;
}

struct sw_conn *sw_accept_stream(struct sw_engine *engine, const struct sw_path *path, sw_time now,
                                 int *error)
{
    unsigned limit = engine->config.half_open_limit;

    *error = SW_EINVAL;
    if (engine->config.role != SW_SERVER) return NULL;
    *error = SW_EFULL;
    uint16_t source = sw_half_open_source(sw_address_host_hash(engine, &path->remote));
    if (engine->half_open.count >= limit ||
        sw_half_open_has_share(&engine->half_open, source, limit)) {
        engine->counters.stream_limited++;
        return NULL;
    }
    sw_engine_enter(engine, now);
    struct sw_conn *conn =
        start(engine, SW_STREAM, path, SW_VERSION_MIN, engine->config.stale_after, error);
    sw_engine_leave(engine);
    return conn;
}
