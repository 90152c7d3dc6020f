/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The (D)TLS handshake of one connection, from its first step to LinkUp (docs/protocol/session.md
 * §2, §5.6, §5.7).
 */

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"

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
    conn->engine->counters.conn_link_up++;
    replace_predecessor(conn);
    sw_conn_enter_state(conn, SW_STATE_LINK_UP);
    if (conn->engine->config.role == SW_CLIENT && conn->state == SW_STATE_LINK_UP)
        sw_auth_start(conn);
}

/*
 * An error in a record that nobody has signed may be anybody's doing: a client waits for a better
 * one. A server gives the half-open session up instead, since the client's next copy of its hello,
 * cookie included, starts a fresh one.
 */
static int handshake_error(struct sw_conn *conn, int error, bool authentic)
{
    bool certificate = error == SW_ECERT || error == SW_ENAME;

    conn->engine->counters.conn_tls_error++;
    if (conn->transport == SW_STREAM || certificate || error == SW_EPEERCLOSED) return error;
    if (authentic || conn->engine->config.role == SW_SERVER) return SW_ETLSFATAL;
    return 0;
}

int sw_conn_handshake(struct sw_conn *conn, struct sw_span input, bool authentic)
{
    int r = sw_tls_handshake(conn->tls, input);

    if (r == SW_EAGAIN) return 0;
    if (r < 0) return handshake_error(conn, r, authentic);
    link_up(conn);
    return 0;
}
