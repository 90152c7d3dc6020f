/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What the outside may know of a connection. */

#include "lib/engine/engine.h"

enum sw_state sw_conn_state(const struct sw_conn *conn)
{
    return conn->state;
}

enum sw_transport sw_conn_transport(const struct sw_conn *conn)
{
    return conn->transport;
}

const struct sw_path *sw_conn_path(const struct sw_conn *conn)
{
    return &conn->path;
}

struct sw_session_id sw_conn_session(const struct sw_conn *conn)
{
    return conn->session;
}

struct sw_version sw_conn_version(const struct sw_conn *conn)
{
    return conn->version;
}

uint32_t sw_conn_inside_ip(const struct sw_conn *conn)
{
    return conn->inside_ip;
}

const char *sw_conn_cipher(const struct sw_conn *conn)
{
    return conn->tls != NULL && sw_conn_established(conn) ? sw_tls_cipher(conn->tls) : "unknown";
}

const char *sw_conn_group(const struct sw_conn *conn)
{
    return conn->tls != NULL && sw_conn_established(conn) ? sw_tls_group(conn->tls) : "unknown";
}

const struct sw_ip_config *sw_conn_ip_config(const struct sw_conn *conn)
{
    return &conn->ip_config;
}

void sw_conn_stats(const struct sw_conn *conn, struct sw_conn_stats *out)
{
    *out = conn->stats;
}

void sw_conn_set_user(struct sw_conn *conn, void *user)
{
    conn->user = user;
}

void *sw_conn_user(const struct sw_conn *conn)
{
    return conn->user;
}

struct sw_conn *sw_engine_next_conn(const struct sw_engine *engine, const struct sw_conn *after)
{
    const struct sw_list *link = after != NULL ? after->link.next : engine->conns.next;
    return link == &engine->conns ? NULL : SW_CONTAINER_OF(link, struct sw_conn, link);
}

enum sw_expresslane_state sw_conn_expresslane(const struct sw_conn *conn)
{
    return conn->lane.state;
}

const char *sw_engine_aead(const struct sw_engine *engine)
{
    return engine->aead != NULL ? sw_aead_name(engine->aead) : NULL;
}

const char *sw_expresslane_state_name(enum sw_expresslane_state state)
{
    static const char *const names[] = {
        [SW_EXPRESSLANE_DISABLED] = "Disabled", [SW_EXPRESSLANE_WAITING] = "WaitingForClient",
        [SW_EXPRESSLANE_INACTIVE] = "Inactive", [SW_EXPRESSLANE_ACTIVE] = "Active",
        [SW_EXPRESSLANE_DEGRADED] = "Degraded",
    };
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

const char *sw_state_name(enum sw_state state)
{
    static const char *const names[] = {
        [SW_STATE_DISCONNECTED] = "Disconnected",
        [SW_STATE_CONNECTING] = "Connecting",
        [SW_STATE_DISCONNECTING] = "Disconnecting",
        [SW_STATE_AUTHENTICATING] = "Authenticating",
        [SW_STATE_LINK_UP] = "LinkUp",
        [SW_STATE_ONLINE] = "Online",
    };
    if ((size_t)state >= sizeof names / sizeof names[0] || names[state] == NULL) return "unknown";
    return names[state];
}
