/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * New (D)TLS keys while a session goes on (docs/protocol/session.md §11). Only a server begins: it
 * sends a KeyUpdate that asks for one in return, and the update is over when the client's has come
 * and, on UDP, its own has been acknowledged. Time is looked at when something comes in by (D)TLS,
 * so an idle tunnel stays silent; records are counted in both directions, because a fast tunnel
 * wears a key out in minutes (RFC 8446 §5.5).
 *
 * On UDP a client sends its KeyUpdate and its acknowledgement of ours in two datagrams, both still
 * under its old keys, and takes new ones when its KeyUpdate has been acknowledged by us. A stock
 * client runs no timer once it is Online: it repeats its KeyUpdate only when ours comes again. So
 * ours has to be repeated until the client uses its new keys, or one lost datagram could leave it
 * with keys that our library forgets some updates later. Therefore acknowledgements under the
 * client's old keys are kept from the library, which goes on repeating our KeyUpdate; the client
 * acknowledges the copies, too, at last under its new keys. The price is one copy and its answer
 * per update. An acknowledgement shows in its length, which no frame has but the tail of a
 * fragment; a few such records are lost at the most.
 *
 * A client that does not follow goes on with its old keys. Its library may have had a reason that
 * has passed, so the update is tried a second time at once, and again when the next one is due.
 */

#include "lib/engine/key_update.h"

#include "lib/engine/engine.h"
#include "lib/wire/dtls_record.h"

/* When an update that has nothing left to repeat counts as not followed. A stream repeats by
 * itself, but may be slow. */
#define PATIENCE        (5 * SW_SECOND)
#define PATIENCE_STREAM SW_MINUTE

/* An acknowledgement of one record: a list of one record number (RFC 9147 §7). */
#define ACK_RECORD    (SW_DTLS_OVERHEAD + 2 + 16)
#define WITHHELD_MOST 64

static bool worn_out(const struct sw_conn *conn)
{
    return sw_tls_records(conn->tls) >= conn->engine->config.key_update_records;
}

static bool is_due(const struct sw_conn *conn)
{
    const struct sw_engine *engine = conn->engine;
    sw_time interval = engine->config.key_update_interval;

    return worn_out(conn) ||
           (interval != 0 && engine->env.now - conn->key_update.since >= interval);
}

/* Not now if the way is not clear; what comes in next asks again. */
static bool is_possible(const struct sw_conn *conn)
{
    return conn->transport == SW_STREAM ? sw_stream_queue_len(&conn->out) <= SW_STREAM_QUEUE_FRAMES
                                        : !sw_tls_unacknowledged(conn->tls);
}

/* The library asks for the client's KeyUpdate unless it still waits for one: then this only makes
 * it wait no longer, and it has to be told again. */
static bool send_key_update(struct sw_conn *conn)
{
    struct sw_key_update *update = &conn->key_update;

    update->since = conn->engine->env.now;
    update->withheld = 0;
    update->old_epoch = conn->peer_epoch;
    update->asked = sw_tls_update_followed(conn->tls);
    update->pending = sw_tls_update_keys(conn->tls) == 0;
    if (!update->pending) conn->engine->counters.conn_tls_error++;
    return update->pending;
}

static void begin(struct sw_conn *conn)
{
    if (!send_key_update(conn)) return;
    conn->engine->counters.key_update_start++;
    sw_conn_event(conn, SW_EVENT_KEY_UPDATE_BEGIN);
    if (conn->state == SW_STATE_ONLINE && conn->transport == SW_DATAGRAM)
        sw_conn_begin_rotation(conn);
}

static void end(struct sw_conn *conn)
{
    conn->key_update = (struct sw_key_update){.since = conn->engine->env.now};
    sw_tls_records_reset(conn->tls);
}

static void complete(struct sw_conn *conn)
{
    end(conn);
    conn->engine->counters.key_update_complete++;
    sw_conn_event(conn, SW_EVENT_KEY_UPDATE_DONE);
}

static void abandon(struct sw_conn *conn)
{
    bool again = !conn->key_update.repeated;

    end(conn);
    conn->engine->counters.key_update_abandoned++;
    if (!again || !is_possible(conn)) return;
    begin(conn);
    conn->key_update.repeated = true;
}

static void note_progress(struct sw_conn *conn)
{
    struct sw_key_update *update = &conn->key_update;
    sw_time patience = conn->transport == SW_STREAM ? PATIENCE_STREAM : PATIENCE;

    if (sw_tls_unacknowledged(conn->tls)) return;
    if (!update->asked)
        send_key_update(conn);
    else if (sw_tls_update_followed(conn->tls))
        complete(conn);
    else if (conn->engine->env.now - update->since >= patience)
        abandon(conn);
}

static bool is_ours(const struct sw_conn *conn)
{
    return conn->engine->config.role == SW_SERVER && conn->state == SW_STATE_ONLINE;
}

void sw_key_update_run(struct sw_conn *conn, bool authentic)
{
    if (!is_ours(conn)) return;
    if (conn->key_update.pending)
        note_progress(conn);
    else if (authentic && is_due(conn) && is_possible(conn))
        begin(conn);
    else
        return;
    sw_conn_rearm(conn);
}

void sw_key_update_after_send(struct sw_conn *conn)
{
    if (conn->key_update.pending || !worn_out(conn) || !is_ours(conn) || !is_possible(conn)) return;
    begin(conn);
    sw_conn_rearm(conn);
}

bool sw_key_update_withholds(struct sw_conn *conn, struct sw_span record)
{
    struct sw_key_update *update = &conn->key_update;

    if (!update->pending || !update->asked || record.len != ACK_RECORD ||
        sw_record_epoch_bits(record) != update->old_epoch || update->withheld == WITHHELD_MOST)
        return false;
    update->withheld++;
    return true;
}
