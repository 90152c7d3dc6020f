/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * From a PLPMTU to limits, and from the search to probes (docs/protocol/session.md §17 to §19,
 * docs/protocol/expresslane.md §3).
 *
 * A probe of p bytes is a Ping in a DTLS record: it proves datagrams of p + 38 bytes. A Data frame
 * of the same size holds an inside packet of p - 3; an Expresslane packet, 15 bytes longer outside,
 * one of p - 18. Without a result the limit is the outside MTU: the kernel and routers fragment
 * what their links do not carry, since data never has DF.
 */

#include "lib/engine/path_mtu.h"

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"

#define IP4_AND_UDP 28
#define IP6_AND_UDP 48

/* What the protocol's formulas allow for a record, so that both lanes fit (wire.md §8). */
#define RECORD_BUDGET 37

#define TCP_IP_HEADERS 40

/* A server's word for its TUN's MTU is believed from here on. */
#define TOLD_MTU_LEAST 576

/* From a UDP payload to the bytes of frames in it. */
#define DATAGRAM_OVERHEAD (SW_HEADER_LEN + SW_DTLS_OVERHEAD)

static size_t outside_overhead(const struct sw_path *path)
{
    return path->remote.family == 6 ? IP6_AND_UDP : IP4_AND_UDP;
}

size_t sw_outer_headers(const struct sw_path *path)
{
    return outside_overhead(path) + SW_HEADER_LEN;
}

/* --- limits ------------------------------------------------------------------------------------*/

static uint16_t least(size_t a, size_t b)
{
    return (uint16_t)(a < b ? a : b);
}

/* For records, and whatever a lane puts in their place. */
static size_t room_on(const struct sw_conn *conn)
{
    return conn->engine->config.outside_mtu - sw_outer_headers(&conn->path) -
           conn->engine->plugins.outside_grows;
}

static size_t pmtud_max(const struct sw_conn *conn)
{
    return room_on(conn) - RECORD_BUDGET;
}

static void update_limits(struct sw_conn *conn)
{
    size_t room = room_on(conn);
    size_t value = conn->pmtud.value;
    struct sw_limits *limits = &conn->limits;

    if (conn->transport == SW_STREAM) { /* a stream has no datagrams: one record, for simplicity */
        *limits = (struct sw_limits){.data = SW_TLS_RECORD_MAX - SW_FRAME_DATA_OVERHEAD};
        return;
    }
    limits->data = (uint16_t)(room - SW_DTLS_OVERHEAD - SW_FRAME_DATA_OVERHEAD);
    limits->lane = (uint16_t)(room - SW_LANE_HEADER_LEN);
    limits->fragment = (uint16_t)(pmtud_max(conn) - SW_FRAME_FRAG_OVERHEAD) & 0xfff8;
    if (value == 0) return;
    limits->data = least(limits->data, value - SW_FRAME_DATA_OVERHEAD);
    limits->lane = least(limits->lane, value + SW_DTLS_OVERHEAD - SW_LANE_HEADER_LEN);
    limits->fragment = least(limits->fragment, (value - SW_FRAME_FRAG_OVERHEAD) & 0xfff8);
}

/* Is the fast lane, which carries less, what data goes by or soon may go by? */
static bool may_use_lane(const struct sw_conn *conn)
{
    return conn->lane.state != SW_EXPRESSLANE_DISABLED &&
           conn->lane.state != SW_EXPRESSLANE_DEGRADED;
}

static uint16_t inside_limit(const struct sw_conn *conn)
{
    bool lane = conn->transport == SW_DATAGRAM && may_use_lane(conn);
    return lane ? least(conn->limits.data, conn->limits.lane) : conn->limits.data;
}

uint16_t sw_path_mtu_mss(const struct sw_conn *conn)
{
    size_t mtu = inside_limit(conn);

    if (conn->engine->config.inside_mtu != 0) mtu = least(mtu, conn->engine->config.inside_mtu);
    if (conn->ip_config.mtu >= TOLD_MTU_LEAST) mtu = least(mtu, conn->ip_config.mtu);
    return (uint16_t)(mtu > TCP_IP_HEADERS ? mtu - TCP_IP_HEADERS : 0);
}

/* --- the search --------------------------------------------------------------------------------*/

static void send_probe(struct sw_conn *conn)
{
    static const uint8_t zeros[SW_DTLS_MTU_MAX];
    const struct sw_frame ping = {
        .kind = SW_FRAME_PING,
        .ping = {.id = conn->pmtud.id,
                 .payload = {zeros, (size_t)conn->pmtud.probe - SW_FRAME_PING_OVERHEAD}},
    };

    conn->engine->counters.pmtud_probes++;
    conn->probing = true;
    sw_conn_send_frame(conn, &ping);
    conn->probing = false;
}

/* After every step of the search: before is what it looked like. */
static void act(struct sw_conn *conn, bool probe, const struct sw_pmtud *before)
{
    const struct sw_pmtud *p = &conn->pmtud;

    if (probe) send_probe(conn);
    sw_conn_set_timer(conn, SW_TIMER_PATH_MTU, p->at);
    if (p->value < before->value) conn->engine->counters.pmtud_black_holes++;
    if (p->value != before->value) update_limits(conn);
    if (p->value != before->value || p->state != before->state)
        sw_conn_event(conn, SW_EVENT_PATH_MTU);
}

void sw_path_mtu_init(struct sw_conn *conn)
{
    sw_pmtud_init(&conn->pmtud, conn->engine->config.pmtud_base, (uint16_t)pmtud_max(conn));
    update_limits(conn);
}

void sw_path_mtu_online(struct sw_conn *conn)
{
    const struct sw_pmtud before = conn->pmtud;

    if (!conn->engine->config.pmtud || conn->transport != SW_DATAGRAM) return;
    act(conn, sw_pmtud_start(&conn->pmtud, conn->engine->env.now), &before);
}

void sw_path_mtu_pong(struct sw_conn *conn, uint16_t id)
{
    const struct sw_pmtud before = conn->pmtud;

    if (before.probe == 0 || before.id != id) return;
    conn->engine->counters.pmtud_probes_answered++;
    act(conn, sw_pmtud_pong(&conn->pmtud, id, conn->engine->env.now), &before);
}

void sw_path_mtu_timer(struct sw_conn *conn)
{
    const struct sw_pmtud before = conn->pmtud;

    if (conn->state != SW_STATE_ONLINE) return;
    act(conn, sw_pmtud_timer(&conn->pmtud, conn->engine->env.now), &before);
}

void sw_path_mtu_recheck(struct sw_conn *conn)
{
    const struct sw_pmtud before = conn->pmtud;

    update_limits(conn); /* a path of the other family has other headers */
    if (before.state == SW_PMTUD_DISABLED || conn->state != SW_STATE_ONLINE) return;
    act(conn, sw_pmtud_recheck(&conn->pmtud, conn->engine->env.now), &before);
}

static struct sw_conn *conn_of(struct sw_engine *engine, const struct sw_path *path)
{
    if (engine->config.role == SW_SERVER) return sw_conn_by_address(engine, &path->remote);
    return engine->client;
}

/* What a datagram of len bytes was for the search. How much of it plugins have added nobody knows:
 * nothing is taken from a probe, and the most from anything else. */
static uint16_t plpmtu_of(const struct sw_conn *conn, size_t len)
{
    size_t size = len - DATAGRAM_OVERHEAD;
    size_t grows = conn->engine->plugins.outside_grows, probe = conn->pmtud.probe;

    if (size >= probe && size - probe <= grows) return (uint16_t)probe;
    return least(size > grows ? size - grows : 1, UINT16_MAX);
}

void sw_engine_too_long(struct sw_engine *engine, const struct sw_path *path, size_t len,
                        sw_time now)
{
    struct sw_conn *conn;

    sw_engine_enter(engine, now);
    conn = conn_of(engine, path);
    engine->counters.pmtud_too_long++;
    if (conn != NULL && conn->state == SW_STATE_ONLINE && len > DATAGRAM_OVERHEAD) {
        const struct sw_pmtud before = conn->pmtud;
        act(conn, sw_pmtud_too_long(&conn->pmtud, plpmtu_of(conn, len), now), &before);
        sw_conn_rearm(conn);
    }
    sw_engine_leave(engine);
}

/* --- telling -----------------------------------------------------------------------------------*/

void sw_conn_path_mtu(const struct sw_conn *conn, struct sw_path_mtu *out)
{
    uint16_t value = conn->pmtud.value;
    size_t outside = value + DATAGRAM_OVERHEAD + outside_overhead(&conn->path);

    *out = (struct sw_path_mtu){
        .state = conn->pmtud.state,
        .plpmtu = value,
        .outside = value != 0 ? (uint16_t)outside : 0,
        .inside = inside_limit(conn),
    };
}

const char *sw_pmtud_state_name(enum sw_pmtud_state state)
{
    static const char *const names[] = {
        [SW_PMTUD_DISABLED] = "Disabled",
        [SW_PMTUD_BASE] = "Base",
        [SW_PMTUD_ERROR] = "Error",
        [SW_PMTUD_SEARCHING] = "Searching",
        [SW_PMTUD_COMPLETE] = "SearchComplete",
    };
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}
