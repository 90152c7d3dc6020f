/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The (D)TLS handshake of one connection, from its first step to LinkUp (docs/protocol/session.md
 * §2, §5.6, §5.7).
 */

#include "lib/engine/conn_table.h"
#include "lib/engine/durations.h"
#include "lib/engine/engine.h"

/* How often one connection begins its handshake again, and after how long the first time; it
 * doubles. */
#define SPOILED_MOST 5
#define QUIET        (250 * SW_MILLISECOND)

/* session.md §9.3: only now, with the new client's Finished verified, does the session before it
 * go. */
static void replace_predecessor(struct sw_conn *conn)
{
    struct sw_conn *old = conn->predecessor;

    if (old == NULL) return;
    conn->engine->counters.conn_replaced++;
    sw_conn_end(old, SW_ECLOSED, false); /* its address comes to us */
}

static void link_up(struct sw_conn *conn)
{
    struct sw_engine *engine = conn->engine;

    engine->counters.conn_link_up++;
    sw_durations_add(&engine->counters.to_link_up_time, engine->env.now - conn->stats.created);
    replace_predecessor(conn);
    sw_conn_enter_state(conn, SW_STATE_LINK_UP);
    if (engine->config.role == SW_CLIENT && conn->state == SW_STATE_LINK_UP) sw_auth_start(conn);
}

/*
 * An error in a record that nobody has signed may be anybody's doing. The library's session takes
 * nothing more after it, so a client begins again with a fresh one; not at once, for answers to its
 * first hello may be under way, and a hello is not told from another by them. A server gives the
 * half-open session up instead, since the client's next copy of its hello, cookie included, starts
 * a fresh one.
 */
static int handshake_error(struct sw_conn *conn, int error, bool authentic)
{
    bool certificate = error == SW_ECERT || error == SW_ENAME;

    conn->engine->counters.conn_tls_error++;
    if (conn->transport == SW_STREAM || certificate || error == SW_EPEERCLOSED) return error;
    if (authentic || conn->engine->config.role == SW_SERVER) return SW_ETLSFATAL;
    if (conn->spoiled < SPOILED_MOST) { /* else the connection runs out of time */
        conn->begin_again = true;
        sw_conn_set_timer(conn, SW_TIMER_DTLS, conn->engine->env.now + (QUIET << conn->spoiled));
        conn->spoiled++;
    }
    return 0;
}

void sw_conn_begin_again(struct sw_conn *conn)
{
    struct sw_tls *tls = sw_conn_new_tls(conn);

    conn->begin_again = false;
    if (tls == NULL) return;
    conn->engine->counters.handshake_begun_again++;
    sw_tls_free(conn->tls);
    conn->tls = tls;
    int r = sw_conn_handshake(conn, (struct sw_span){NULL, 0}, true);
    if (r < 0) sw_conn_fail(conn, r);
}

int sw_conn_handshake(struct sw_conn *conn, struct sw_span input, bool authentic)
{
    int r = sw_tls_handshake(conn->tls, input);

    if (r == SW_EAGAIN) return 0;
    if (r < 0) return handshake_error(conn, r, authentic);
    link_up(conn);
    return 0;
}
