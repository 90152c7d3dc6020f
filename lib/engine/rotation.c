/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A server gives a session a new id when its client has moved or its keys change
 * (docs/protocol/session.md §10). Everything that goes out carries the new id at once, beginning
 * with a Ping; the rotation is over when something authentic comes in under it. One at a time:
 * while one is under way, another does not begin. There is nothing to repeat, for whatever the
 * client hears tells it the new id.
 *
 * The id is not signed: who can alter datagrams can make a client use a wrong one, and so be lost
 * at its next move. A client that uses a wrong id is therefore told the right one.
 */

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"

#define TELL_INTERVAL (10 * SW_SECOND)

bool sw_conn_rotating(const struct sw_conn *conn)
{
    return !sw_session_equal(conn->rotation, SW_SESSION_EMPTY);
}

void sw_conn_begin_rotation(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;

    if (sw_conn_rotating(conn) || sw_conn_table_begin_rotation(engine, conn) < 0) return;
    engine->counters.udp_session_rotation_begin++;
    sw_conn_event(conn, SW_EVENT_ROTATION_BEGIN);
    if (conn->state == SW_STATE_ONLINE) sw_conn_send_ping(conn);
}

/* The client uses an id that is not, or no longer, its own. Ours goes out with anything, but not
 * too often for the sake of this. */
static void tell_again(struct sw_conn *conn)
{
    sw_time now = conn->engine->env.now;

    if (now < conn->tell_session_after || conn->state != SW_STATE_ONLINE) return;
    conn->tell_session_after = now + TELL_INTERVAL;
    sw_conn_send_ping(conn);
}

void sw_conn_note_session(struct sw_conn *conn, struct sw_session_id id)
{
    struct sw_engine *engine = conn->engine;

    if (sw_session_equal(id, SW_SESSION_EMPTY) || sw_session_equal(id, conn->session)) return;
    if (!sw_session_equal(id, conn->rotation)) {
        engine->counters.session_id_mismatch++;
        tell_again(conn);
        return;
    }
    sw_conn_table_finish_rotation(engine, conn);
    engine->counters.udp_session_rotation_finalized++;
    sw_conn_event(conn, SW_EVENT_ROTATION_DONE);
}
