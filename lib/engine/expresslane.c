/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The key exchange of Expresslane (docs/protocol/expresslane.md §5, §6, §10, §17). Each side draws
 * its own sending key, offers it in a frame over DTLS, and uses it once the offer is acknowledged;
 * the peer's key is used from the moment it is known. Offers are repeated by a timer, but only
 * traffic starts them: an idle tunnel stays silent.
 *
 * Invariants: the packet counter never repeats and never restarts; a lower exchange counter never
 * installs a key (R1); after a degradation the state never leaves Degraded. Two callbacks are
 * called from here, and may close the connection: after that nothing is sent or reported.
 */

#include "lib/engine/expresslane.h"

#include <string.h>

#include "lib/engine/engine.h"
#include "lib/engine/path_mtu.h"

#define TICK          (500 * SW_MILLISECOND)
#define RETRANSMITS   5
#define EXCHANGE_TIME (10500 * SW_MILLISECOND) /* an offer and all its repetitions */

/* Keys also change by volume, as those of the DTLS lane do (session.md §11). */
#define PACKETS_PER_KEY ((uint64_t)1 << 24)

/* --- keys --------------------------------------------------------------------------------------*/

static void drop_key(struct sw_conn *conn, struct sw_lane_key *key)
{
    sw_aead_key_free(conn->engine->aead, key->ready);
    sw_tls_wipe(key, sizeof *key);
    key->ready = NULL;
}

/* Puts a key into a slot. The all-zero key stays without a ready form. False: out of memory, and
 * the slot is as before. */
static bool make_key(struct sw_conn *conn, struct sw_lane_key *key,
                     const uint8_t bytes[SW_EXPRESSLANE_KEY_LEN])
{
    static const uint8_t zero[SW_EXPRESSLANE_KEY_LEN];
    struct sw_aead_key *ready = NULL;

    if (!sw_tls_equal(bytes, zero, sizeof zero)) {
        ready = sw_aead_key_new(conn->engine->aead, bytes);
        if (ready == NULL) return false;
    }
    drop_key(conn, key);
    key->ready = ready;
    memcpy(key->bytes, bytes, SW_EXPRESSLANE_KEY_LEN);
    return true;
}

static void move_key(struct sw_conn *conn, struct sw_lane_key *to, struct sw_lane_key *from)
{
    drop_key(conn, to);
    *to = *from;
    from->ready = NULL;
    drop_key(conn, from);
}

static void enter(struct sw_conn *conn, enum sw_expresslane_state state)
{
    struct sw_expresslane *lane = &conn->lane;

    if (lane->state == state || conn->state != SW_STATE_ONLINE) return;
    lane->state = state;
    if (state == SW_EXPRESSLANE_ACTIVE) lane->active_since = conn->engine->env.now;
    sw_conn_watch_lane(conn);
    sw_conn_event(conn, SW_EVENT_EXPRESSLANE);
}

static bool supported(const struct sw_expresslane *lane)
{
    return lane->state != SW_EXPRESSLANE_DISABLED && lane->state != SW_EXPRESSLANE_WAITING;
}

static void activate_if_complete(struct sw_conn *conn)
{
    struct sw_expresslane *lane = &conn->lane;

    if (lane->state == SW_EXPRESSLANE_INACTIVE && lane->self.ready != NULL &&
        lane->peer.ready != NULL && !lane->peer_gave_up)
        enter(conn, SW_EXPRESSLANE_ACTIVE);
}

void sw_expresslane_publish(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;
    struct sw_expresslane_keys keys = {.version = conn->lane.version};

    if (config->callbacks->expresslane_keys == NULL || conn->state != SW_STATE_ONLINE) return;
    memcpy(keys.self, conn->lane.self.bytes, sizeof keys.self);
    memcpy(keys.peer, conn->lane.peer.bytes, sizeof keys.peer);
    config->callbacks->expresslane_keys(config->user, conn, &keys);
    sw_tls_wipe(&keys, sizeof keys);
}

/* --- life --------------------------------------------------------------------------------------*/

void sw_expresslane_init(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;
    bool possible = config->expresslane && conn->transport == SW_DATAGRAM &&
                    sw_version_compare(conn->version, SW_VERSION(1, 3)) >= 0;

    conn->lane = (struct sw_expresslane){.state = SW_EXPRESSLANE_DISABLED};
    if (possible)
        conn->lane.state =
            config->role == SW_SERVER ? SW_EXPRESSLANE_WAITING : SW_EXPRESSLANE_INACTIVE;
}

void sw_expresslane_release(struct sw_conn *conn)
{
    drop_key(conn, &conn->lane.self);
    drop_key(conn, &conn->lane.next);
    drop_key(conn, &conn->lane.peer);
    drop_key(conn, &conn->lane.previous);
    sw_tls_wipe(&conn->lane.offer, sizeof conn->lane.offer);
}

/* --- our offers --------------------------------------------------------------------------------*/

static void send_config(struct sw_conn *conn, const struct sw_frame_expresslane *config)
{
    const struct sw_frame frame = {.kind = SW_FRAME_EXPRESSLANE_CONFIG, .expresslane = *config};

    if (conn->state != SW_STATE_ONLINE) return;
    sw_conn_send_frame(conn, &frame);
    sw_tls_wipe(conn->engine->plain, 64);
}

/* Sends what lane->offer says as a new exchange. */
static void begin_exchange(struct sw_conn *conn)
{
    struct sw_expresslane *lane = &conn->lane;

    lane->offer.version = lane->version != 0 ? lane->version : SW_LANE_VERSION;
    lane->offer.counter = ++lane->exchange;
    lane->retransmits = 0;
    sw_conn_set_timer(conn, SW_TIMER_EXPRESSLANE, conn->engine->env.now + TICK);
    send_config(conn, &lane->offer);
}

static bool rotation_due(const struct sw_conn *conn)
{
    const struct sw_expresslane *lane = &conn->lane;
    sw_time now = conn->engine->env.now;

    if (lane->peer_gave_up || now < lane->not_before) return false;
    if (conn->timers[SW_TIMER_EXPRESSLANE] != SW_NEVER) return false; /* still being answered */
    if (!lane->offered || lane->self.sealed >= PACKETS_PER_KEY) return true;
    return now - lane->offered_at > conn->engine->config.expresslane_rotation;
}

/* A key of our own for the next exchange. False: out of memory. */
static bool stage_key(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;
    struct sw_expresslane *lane = &conn->lane;
    uint8_t bytes[SW_EXPRESSLANE_KEY_LEN];

    config->callbacks->random(config->user, bytes, sizeof bytes);
    bool made = make_key(conn, &lane->next, bytes);
    if (made) {
        config->callbacks->random(config->user, (uint8_t *)&lane->next.salt,
                                  sizeof lane->next.salt);
        lane->offer = (struct sw_frame_expresslane){.enabled = true};
        memcpy(lane->offer.key, bytes, sizeof bytes);
        lane->staged = true;
    }
    sw_tls_wipe(bytes, sizeof bytes);
    return made;
}

void sw_expresslane_rotate(struct sw_conn *conn)
{
    struct sw_expresslane *lane = &conn->lane;

    if (conn->state != SW_STATE_ONLINE || !supported(lane) ||
        lane->state == SW_EXPRESSLANE_DEGRADED || !rotation_due(conn))
        return;
    if (!stage_key(conn)) { /* the keys in use go on */
        lane->not_before = conn->engine->env.now + EXCHANGE_TIME;
        return;
    }
    lane->offered = true;
    lane->offered_at = conn->engine->env.now;
    begin_exchange(conn);
}

/* R2: a peer that does not answer is asked less and less often. */
static void give_up(struct sw_conn *conn)
{
    static const sw_time patience[] = {EXCHANGE_TIME, 30 * SW_SECOND, 2 * SW_MINUTE};
    const unsigned last = sizeof patience / sizeof patience[0] - 1;
    const struct sw_engine *engine = conn->engine;
    struct sw_expresslane *lane = &conn->lane;
    sw_time wait = patience[lane->give_ups < last ? lane->give_ups : last];

    conn->engine->counters.expresslane_exchange_failed++;
    if (lane->state == SW_EXPRESSLANE_DEGRADED) return;
    if (lane->give_ups > last && engine->config.expresslane_rotation > wait)
        wait = engine->config.expresslane_rotation;
    lane->not_before = engine->env.now + wait;
    lane->give_ups++;
    lane->offered = false;
    enter(conn, SW_EXPRESSLANE_INACTIVE);
}

void sw_expresslane_timer(struct sw_conn *conn)
{
    struct sw_expresslane *lane = &conn->lane;

    if (conn->state != SW_STATE_ONLINE || !supported(lane) || !lane->staged) return;
    if (lane->retransmits >= RETRANSMITS) {
        give_up(conn);
        return;
    }
    lane->retransmits++;
    sw_conn_set_timer(conn, SW_TIMER_EXPRESSLANE,
                      conn->engine->env.now + TICK * (1 + lane->retransmits));
    send_config(conn, &lane->offer);
}

static void degrade(struct sw_conn *conn)
{
    struct sw_expresslane *lane = &conn->lane;

    conn->engine->counters.expresslane_degraded++;
    enter(conn, SW_EXPRESSLANE_DEGRADED);
    drop_key(conn, &lane->next);
    lane->staged = true;
    lane->offer = (struct sw_frame_expresslane){.enabled = false};
    begin_exchange(conn);
}

/* --- the peer's frames -------------------------------------------------------------------------*/

/* §2.1. Once a packet has been sealed the version stays. */
static void negotiate(struct sw_expresslane *lane, uint8_t offered)
{
    uint8_t version = offered == 1 || offered == 2
                          ? (offered < SW_LANE_VERSION ? offered : SW_LANE_VERSION)
                          : SW_LANE_VERSION;

    if (lane->sent == 0) lane->version = version;
}

static void acknowledged(struct sw_conn *conn, uint64_t counter)
{
    struct sw_expresslane *lane = &conn->lane;

    if (!lane->staged || counter != lane->exchange) return;
    if (lane->next.ready != NULL) conn->engine->counters.expresslane_exchanged++;
    move_key(conn, &lane->self, &lane->next);
    lane->staged = false;
    lane->give_ups = 0;
    lane->retransmits = 0;
    sw_tls_wipe(lane->offer.key, sizeof lane->offer.key);
    sw_conn_set_timer(conn, SW_TIMER_EXPRESSLANE, SW_NEVER);
    sw_expresslane_publish(conn);
    activate_if_complete(conn);
}

static void acknowledge(struct sw_conn *conn, const struct sw_frame_expresslane *config)
{
    struct sw_frame_expresslane ack = {
        .version = conn->lane.version != 0 ? conn->lane.version : SW_LANE_VERSION,
        .enabled = config->enabled,
        .ack = true,
        .counter = config->counter,
    };
    send_config(conn, &ack); /* R11: without the key */
}

/* False: out of memory, and nothing has changed. */
static bool install_peer_key(struct sw_conn *conn, const struct sw_frame_expresslane *config)
{
    struct sw_expresslane *lane = &conn->lane;
    struct sw_lane_key fresh = {.ready = NULL};

    if (!make_key(conn, &fresh, config->key)) return false;
    move_key(conn, &lane->previous, &lane->peer);
    sw_conn_set_timer(conn, SW_TIMER_LANE_GRACE, SW_NEVER);
    move_key(conn, &lane->peer, &fresh);
    lane->peer_exchange = config->counter;
    lane->peer_gave_up = false;
    lane->not_before = 0; /* it is there and wants the lane: we may ask again */
    sw_expresslane_publish(conn);
    activate_if_complete(conn);
    return true;
}

/* R2: it will not answer offers any more, unless it makes one itself. */
static void peer_gives_up(struct sw_conn *conn, const struct sw_frame_expresslane *notice)
{
    struct sw_expresslane *lane = &conn->lane;

    lane->peer_exchange = notice->counter;
    lane->peer_gave_up = true;
    lane->offered = false;
    sw_conn_set_timer(conn, SW_TIMER_EXPRESSLANE, SW_NEVER);
    enter(conn, SW_EXPRESSLANE_INACTIVE);
}

/* What an offer or a notice changes. False: it is not acknowledged: an old one, or one that we have
 * no memory for and that will be repeated. */
static bool apply(struct sw_conn *conn, const struct sw_frame_expresslane *config)
{
    struct sw_expresslane *lane = &conn->lane;

    if (config->counter < lane->peer_exchange) return false; /* R1 */
    if (config->counter == lane->peer_exchange) {
        bool repeated =
            !config->enabled || sw_tls_equal(config->key, lane->peer.bytes, SW_EXPRESSLANE_KEY_LEN);
        return repeated && lane->peer_exchange != 0;
    }
    if (config->enabled) return install_peer_key(conn, config);
    peer_gives_up(conn, config);
    return true;
}

void sw_expresslane_config(struct sw_conn *conn, const struct sw_frame_expresslane *config)
{
    struct sw_expresslane *lane = &conn->lane;

    if (lane->state == SW_EXPRESSLANE_DISABLED) { /* R5 */
        if (!config->ack && config->enabled) {
            negotiate(lane, config->version);
            acknowledge(conn, config);
        }
        return;
    }
    negotiate(lane, config->version);
    if (config->ack) {
        acknowledged(conn, config->counter);
        return;
    }
    if (lane->state == SW_EXPRESSLANE_DEGRADED) return;
    if (lane->state == SW_EXPRESSLANE_WAITING) enter(conn, SW_EXPRESSLANE_INACTIVE);
    if (!apply(conn, config)) return;
    acknowledge(conn, config);
    sw_expresslane_rotate(conn);
}

void sw_expresslane_grace_over(struct sw_conn *conn)
{
    drop_key(conn, &conn->lane.previous);
}

/* --- health ------------------------------------------------------------------------------------*/

static bool own_reading(struct sw_conn *conn, struct sw_lane_reading *out)
{
    const struct sw_engine_config *config = &conn->engine->config;
    struct sw_expresslane_stats stats;

    if (config->callbacks->expresslane_stats == NULL) {
        *out = (struct sw_lane_reading){conn->lane.sent, conn->lane.received};
        return true;
    }
    if (config->callbacks->expresslane_stats(config->user, conn, &stats) < 0) return false;
    *out = (struct sw_lane_reading){stats.sent_packets, stats.received_packets};
    return true;
}

bool sw_expresslane_reading(struct sw_conn *conn, uint8_t out[SW_LANE_READING_LEN])
{
    struct sw_lane_reading own;

    if (!sw_expresslane_ready(&conn->lane) || !own_reading(conn, &own)) return false;
    sw_put_be64(out, own.sent);
    sw_put_be64(out + 8, own.received);
    return true;
}

void sw_expresslane_pong(struct sw_conn *conn, struct sw_span payload)
{
    struct sw_expresslane *lane = &conn->lane;
    struct sw_cursor c = sw_cursor(payload.data, payload.len);
    struct sw_lane_reading own, peer;
    enum sw_lane_verdict verdict;

    if (!sw_expresslane_ready(lane)) return;
    if (payload.len != SW_LANE_READING_LEN) {
        /* R14: a peer that still waits for our acknowledgement has nothing to report. */
        if (conn->engine->env.now - lane->active_since < EXCHANGE_TIME) return;
        verdict = sw_lane_peer_missing(&lane->health);
    } else {
        sw_cursor_be64(&c, &peer.sent);
        sw_cursor_be64(&c, &peer.received);
        verdict = sw_lane_evaluate(&lane->health, own_reading(conn, &own) ? &own : NULL, &peer);
    }
    if (verdict == SW_LANE_DEGRADE)
        degrade(conn);
    else if (lane->health.strikes_out > 0)
        sw_path_mtu_recheck(conn); /* it may be the large ones that get lost */
}
