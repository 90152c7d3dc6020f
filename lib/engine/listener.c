/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A server's way from a datagram to a connection (docs/protocol/session.md §9,
 * docs/protocol/wire.md §10), and the client's check of where a datagram comes from.
 *
 * A stranger gets an answer no larger than its request and costs no memory until its cookie has
 * proved its address. A hello from the address of a live session starts a session beside it, which
 * takes its place only when the new client's Finished has been verified: neither a late copy of a
 * hello nor a replayed one can end a session.
 */

#include "lib/engine/conn_table.h"
#include "lib/engine/engine.h"
#include "lib/engine/path_mtu.h"
#include "lib/wire/dtls_record.h"

struct datagram {
    const struct sw_path *path;
    struct sw_header header;
    struct sw_span payload;
    struct sw_span whole;
};

static bool first_record(const struct datagram *d, struct sw_record *record)
{
    struct sw_cursor c = sw_cursor(d->payload.data, d->payload.len);
    return sw_record_next(&c, record) == 1;
}

static bool alive(const struct sw_conn *conn)
{
    return conn->state != SW_STATE_DISCONNECTED;
}

/* The last hello from the address of a live session is the one that counts. What is left of it. */
static struct sw_conn *without_successor(struct sw_conn *predecessor)
{
    if (predecessor == NULL) return NULL;
    if (predecessor->successor != NULL) sw_conn_end(predecessor->successor, SW_ECLOSED, false);
    return alive(predecessor) ? predecessor : NULL;
}

/* The hello's cookie was good: a connection, beside the one that has the address if there is one.
 * NULL: it could not be made, or has ended. */
static struct sw_conn *create(struct sw_engine *engine, const struct datagram *d,
                              const struct sw_hello *hello, struct sw_tls *tls,
                              struct sw_conn *predecessor)
{
    predecessor = without_successor(predecessor);
    struct sw_conn *conn = sw_conn_new(engine, SW_DATAGRAM, d->path);

    if (conn == NULL) {
        engine->counters.conn_create_failed++;
        sw_tls_free(tls);
        return NULL;
    }
    conn->tls = tls;
    sw_tls_set_output(tls, sw_conn_emit, conn);
    conn->version = d->header.version;
    sw_expresslane_init(conn);
    memcpy(conn->hello_random, hello->random, sizeof conn->hello_random);
    int r = sw_conn_table_new_session(engine, conn);
    if (predecessor != NULL) {
        predecessor->successor = conn;
        conn->predecessor = predecessor;
    } else if (r == 0) {
        r = sw_conn_table_claim_address(engine, conn);
    }
    sw_conn_set_timer(conn, SW_TIMER_CONNECT, engine->env.now + engine->config.stale_after);
    sw_conn_event(conn, SW_EVENT_STATE);
    if (r == 0 && conn->state == SW_STATE_CONNECTING)
        r = sw_conn_handshake(conn, (struct sw_span){NULL, 0}, false);
    if (r < 0) sw_conn_fail(conn, r);
    sw_conn_rearm(conn);
    return alive(conn) ? conn : NULL;
}

static void answer(struct sw_engine *engine, const struct datagram *d,
                   const struct sw_retry_answer *retry)
{
    const struct sw_header header = {.version = d->header.version};

    if (retry->len > d->payload.len) {
        engine->counters.hello_amplification++;
        return;
    }
    engine->counters.hello_retry_sent++;
    sw_output_datagram(engine, d->path, &header, (struct sw_span){retry->bytes, retry->len});
}

/* The records behind the hello that made conn: more fragments of it (session.md §5.11). */
static void deliver_rest(struct sw_conn *conn, const struct datagram *d,
                         const struct sw_record *hello)
{
    struct sw_span rest = {hello->raw.data + hello->raw.len, d->payload.len - hello->raw.len};

    if (rest.len > 0) sw_conn_datagram(conn, &d->header, rest);
}

static uint64_t guest_hash(const struct sw_engine *engine, const struct datagram *d)
{
    uint8_t key[SW_ADDRESS_KEY_LEN];

    sw_address_key(&d->path->remote, key);
    return sw_hash_bytes(&engine->seed, key, sizeof key);
}

static void hand_to(struct sw_engine *engine, unsigned worker, const struct datagram *d)
{
    engine->config.callbacks->foreign(engine->config.user, worker, d->path, d->whole.data,
                                      d->whole.len);
}

/* A client with a good cookie. True if its connection will be another worker's, who has the hello
 * now. */
static bool place_elsewhere(struct sw_engine *engine, const struct datagram *d)
{
    if (engine->guests == NULL || engine->foreign) return false;
    unsigned worker = engine->config.callbacks->place(engine->config.user);
    if (worker == engine->config.worker) return false;
    sw_guests_put(engine->guests, guest_hash(engine, d), worker, engine->env.now);
    hand_to(engine, worker, d);
    return true;
}

/* A datagram without a session id. True if it was another worker's, who has it now. */
static bool belongs_elsewhere(struct sw_engine *engine, const struct datagram *d)
{
    if (engine->guests == NULL || engine->foreign) return false;
    int worker = sw_guests_find(engine->guests, guest_hash(engine, d), engine->env.now);
    if (worker < 0) return false;
    hand_to(engine, (unsigned)worker, d);
    return true;
}

static uint16_t source_of(const struct sw_engine *engine, const struct datagram *d)
{
    return sw_half_open_source(sw_address_host_hash(engine, &d->path->remote));
}

/* One ClientHello, without state. predecessor: the connection that has its address, or NULL. */
static void stateless(struct sw_engine *engine, const struct datagram *d,
                      const struct sw_record *record, const struct sw_hello *hello,
                      struct sw_conn *predecessor)
{
    uint8_t peer[SW_ADDRESS_KEY_LEN];
    struct sw_retry_answer retry;
    struct sw_tls *tls = NULL;
    struct sw_conn *conn;

    engine->counters.hello_received++;
    if (hello->has_cookie && engine->half_open.count >= engine->config.half_open_limit) {
        engine->counters.hello_limited++;
        return;
    }
    sw_address_key(&d->path->remote, peer);
    switch (sw_hello_retry(engine->hello_retry, (struct sw_span){record->raw.data, record->raw.len},
                           hello->has_cookie, (struct sw_span){peer, sizeof peer}, &retry, &tls)) {
    case SW_RETRY_DROP:
        engine->counters.hello_refused++;
        break;
    case SW_RETRY_ANSWER:
        answer(engine, d, &retry);
        break;
    case SW_RETRY_ACCEPT:
        if (sw_half_open_has_share(&engine->half_open, source_of(engine, d),
                                   engine->config.half_open_limit)) {
            engine->counters.hello_limited++;
            sw_tls_free(tls);
            break;
        }
        if (predecessor == NULL && place_elsewhere(engine, d)) {
            sw_tls_free(tls);
            break;
        }
        conn = create(engine, d, hello, tls, predecessor);
        if (conn != NULL) deliver_rest(conn, d, record);
        break;
    }
}

static void stranger(struct sw_engine *engine, const struct datagram *d)
{
    struct sw_record record;
    struct sw_hello hello;

    if (d->header.expresslane || !first_record(d, &record) || record.kind != SW_RECORD_HANDSHAKE ||
        sw_hello_parse(&record, &hello) < 0) {
        engine->counters.hello_refused++;
        return;
    }
    stateless(engine, d, &record, &hello, NULL);
}

static void reject(struct sw_engine *engine, const struct datagram *d)
{
    const struct sw_header header = {.version = SW_VERSION_MIN, .session = SW_SESSION_REJECTED};

    if (!sw_reject_allowed(&engine->reject_limit, sw_address_host_hash(engine, &d->path->remote),
                           engine->config.workers, engine->env.now)) {
        engine->counters.udp_reject_limited++;
        return;
    }
    engine->counters.udp_rejected_session++;
    sw_output_datagram(engine, d->path, &header, (struct sw_span){NULL, 0});
}

/* Which connection a hello from the address of conn is for; NULL if it has been dealt with. */
static struct sw_conn *route_hello(struct sw_engine *engine, struct sw_conn *conn,
                                   const struct datagram *d, const struct sw_record *record)
{
    struct sw_conn *successor = conn->successor;
    struct sw_hello hello;

    if (sw_hello_parse(record, &hello) < 0)
        return successor != NULL ? successor : conn; /* a later fragment */
    if (successor != NULL &&
        memcmp(hello.random, successor->hello_random, sizeof hello.random) == 0)
        return successor;
    if (memcmp(hello.random, conn->hello_random, sizeof hello.random) != 0) {
        stateless(engine, d, record, &hello, conn);
        return NULL;
    }
    if (conn->state == SW_STATE_CONNECTING) return conn;
    engine->counters.hello_duplicate++;
    return NULL;
}

/* RFC 9147 §4: the low two bits of a unified header are those of the epoch; the handshake's is 2.
 */
static bool is_handshake_epoch(const struct sw_record *record)
{
    return (record->raw.data[0] & 0xe3) == 0x22;
}

/* Which connection a datagram from the address of conn is for; NULL if it has been dealt with. */
static struct sw_conn *route(struct sw_engine *engine, struct sw_conn *conn,
                             const struct datagram *d)
{
    struct sw_record record;

    if (!sw_session_equal(d->header.session, SW_SESSION_EMPTY) || d->header.expresslane ||
        !first_record(d, &record))
        return conn;
    if (record.kind == SW_RECORD_HANDSHAKE && record.hello == SW_CLIENT_HELLO)
        return route_hello(engine, conn, d, &record);
    bool handshake = record.kind == SW_RECORD_ACK ||
                     (record.kind == SW_RECORD_PROTECTED && is_handshake_epoch(&record));
    return conn->successor != NULL && handshake ? conn->successor : conn;
}

/* What is looked at when DTLS has said something; Expresslane has keys of its own. */
static void after_records(struct sw_conn *conn, const struct datagram *d, bool authentic)
{
    if (!d->header.expresslane && alive(conn)) sw_key_update_run(conn, authentic);
}

static void deliver(struct sw_conn *conn, const struct datagram *d)
{
    int count = sw_conn_datagram(conn, &d->header, d->payload);

    if (count > 0 && alive(conn)) sw_conn_note_session(conn, d->header.session);
    after_records(conn, d, count > 0);
}

/* session.md §9.4: known by its id, from another address. The address moves when a frame has proved
 * who it is. */
static void deliver_roaming(struct sw_engine *engine, struct sw_conn *conn,
                            const struct datagram *d)
{
    if (sw_conn_datagram(conn, &d->header, d->payload) == 0) {
        engine->counters.udp_session_rotation_attempted_via_replay++;
        after_records(conn, d, false);
        return;
    }
    if (!alive(conn)) return;
    engine->counters.udp_conn_recovered_via_session++;
    sw_conn_table_move(engine, conn, d->path);
    sw_conn_hand_over_address(conn);
    if (alive(conn)) sw_conn_note_session(conn, d->header.session);
    if (alive(conn)) sw_conn_event(conn, SW_EVENT_FLOATED);
    if (alive(conn) && conn->lane.state == SW_EXPRESSLANE_ACTIVE) sw_expresslane_publish(conn);
    if (alive(conn)) sw_conn_begin_rotation(conn);
    after_records(conn, d, true);
    if (alive(conn)) sw_path_mtu_recheck(conn);
    sw_conn_rearm(conn);
}

/* True if the id is another worker's, who then has the datagram. */
static bool hand_on(struct sw_engine *engine, const struct datagram *d)
{
    unsigned owner = sw_conn_table_owner(engine, d->header.session);

    if (owner == engine->config.worker || engine->config.callbacks->foreign == NULL ||
        engine->foreign)
        return false;
    hand_to(engine, owner, d);
    return true;
}

static void server_datagram(struct sw_engine *engine, const struct datagram *d)
{
    struct sw_session_id id = d->header.session;
    struct sw_conn *conn;

    if (sw_version_compare(d->header.version, engine->config.version_min) < 0 ||
        sw_version_compare(d->header.version, engine->config.version_max) > 0) {
        engine->counters.udp_bad_packet_version++;
        return;
    }
    if ((conn = sw_conn_by_address(engine, &d->path->remote)) != NULL) {
        conn = route(engine, conn, d);
        if (conn != NULL) deliver(conn, d);
        return;
    }
    if (sw_session_equal(id, SW_SESSION_EMPTY)) {
        if (!belongs_elsewhere(engine, d)) stranger(engine, d);
        return;
    }
    if (hand_on(engine, d)) return;
    conn = sw_conn_by_session(engine, id);
    if (conn == NULL) conn = sw_conn_by_rotation(engine, id);
    if (conn != NULL && conn->predecessor == NULL)
        deliver_roaming(engine, conn, d);
    else
        reject(engine, d);
}

static void client_datagram(struct sw_engine *engine, const struct datagram *d)
{
    struct sw_conn *conn = engine->client;

    if (conn == NULL || conn->transport != SW_DATAGRAM ||
        !sw_address_equal(&conn->path.remote, &d->path->remote)) {
        engine->counters.udp_wrong_source++;
        return;
    }
    if (!conn->first_packet_seen) sw_conn_event(conn, SW_EVENT_FIRST_PACKET);
    conn->first_packet_seen = true;
    sw_conn_datagram(conn, &d->header, d->payload);
}

/* wire.md §10: never answered; a hint for a client, never an end. */
static void rejected(struct sw_engine *engine, const struct sw_path *path)
{
    struct sw_conn *conn = engine->client;

    engine->counters.udp_reject_received++;
    if (conn == NULL || conn->state != SW_STATE_ONLINE ||
        !sw_address_equal(&conn->path.remote, &path->remote))
        return;
    sw_conn_event(conn, SW_EVENT_REJECTED);
    if (alive(conn) && sw_keepalive_suspect(&conn->keepalive, engine->env.now))
        sw_conn_send_ping(conn);
    sw_conn_rearm(conn);
}

static bool decode_header(struct sw_engine *engine, struct sw_cursor *c, struct sw_header *header)
{
    switch (sw_header_decode(c, header)) {
    case 0:
        return true;
    case SW_ESHORT:
        engine->counters.udp_no_header++;
        break;
    case SW_EVERSION:
        engine->counters.udp_bad_packet_version++;
        break;
    default:
        engine->counters.udp_parse_wire_failed++;
        break;
    }
    return false;
}

static void datagram(struct sw_engine *engine, const struct sw_path *path, struct sw_span whole)
{
    struct sw_cursor c = sw_cursor(whole.data, whole.len);
    struct datagram d = {.path = path, .whole = whole};

    if (!decode_header(engine, &c, &d.header)) return;
    d.payload = (struct sw_span){c.p, sw_cursor_left(&c)};
    if (sw_session_equal(d.header.session, SW_SESSION_REJECTED))
        rejected(engine, path);
    else if (engine->config.role == SW_SERVER)
        server_datagram(engine, &d);
    else
        client_datagram(engine, &d);
}

void sw_engine_datagram(struct sw_engine *engine, const struct sw_path *path, uint8_t *data,
                        size_t len, sw_time now)
{
    struct sw_span whole = {data, len};

    sw_engine_enter(engine, now);
    engine->counters.udp_received++;
    engine->counters.udp_received_bytes += len;
    /* What another worker has handed on went through its plugins. */
    if (engine->plugins.outside.count == 0 || engine->foreign ||
        sw_plugins_outside_in(engine, engine->client, &whole.data, &whole.len))
        datagram(engine, path, whole);
    sw_engine_leave(engine);
}

void sw_engine_foreign_datagram(struct sw_engine *engine, const struct sw_path *path, uint8_t *data,
                                size_t len, sw_time now)
{
    engine->foreign = true;
    sw_engine_datagram(engine, path, data, len, now);
    engine->foreign = false;
}

void sw_engine_address_taken(struct sw_engine *engine, const struct sw_address *address,
                             sw_time now)
{
    struct sw_conn *conn;

    sw_engine_enter(engine, now);
    conn = sw_conn_by_address(engine, address);
    if (conn != NULL) {
        engine->counters.conn_replaced++;
        sw_conn_end(conn, SW_ECLOSED, false);
    }
    sw_engine_leave(engine);
}
