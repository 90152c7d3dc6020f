/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_CONN_H
#define SW_ENGINE_CONN_H

/* One connection, as the files of this room see it. */

#include <slipway/engine.h>

#include "lib/base/hash_table.h"
#include "lib/base/list.h"
#include "lib/engine/deadline.h"
#include "lib/engine/encoding.h"
#include "lib/engine/expresslane.h"
#include "lib/engine/keepalive.h"
#include "lib/engine/key_update.h"
#include "lib/engine/pmtud.h"
#include "lib/engine/reassembly.h"
#include "lib/engine/stream_queue.h"
#include "lib/tls/tls.h"
#include "lib/wire/frame.h"
#include "lib/wire/header.h"

/** How often a server verifies credentials for one connection before it stops listening to it. */
#define SW_AUTH_TRIES 4

/** Timers of a connection; its deadline is the earliest. SW_NEVER: not running. */
enum sw_timer {
    SW_TIMER_DTLS,        /**< retransmission (docs/protocol/session.md §6) */
    SW_TIMER_AUTH,        /**< client: repeat AuthRequest */
    SW_TIMER_CONNECT,     /**< client: connect timeout; server: stale, not Online in time */
    SW_TIMER_EXPRESSLANE, /**< repeat an offer */
    SW_TIMER_ENCODING,    /**< client: repeat a request to encode */
    SW_TIMER_LANE_GRACE,  /**< the key that the peer sealed with before goes (R9) */
    SW_TIMER_LANE_PING,   /**< client: counters are compared, however busy the tunnel is (R8) */
    SW_TIMER_PATH_MTU,    /**< probes (docs/protocol/session.md §19) */
    SW_TIMER_IDLE,        /**< server: nothing authentic for too long */
    SW_TIMER_EXPIRY,      /**< server: what was granted is over */
    SW_TIMERS
};

/** Largest inside packets of one datagram, and of one fragment; kept by path_mtu.c. */
struct sw_limits {
    uint16_t data; /**< in a Data frame */
    uint16_t lane; /**< in an Expresslane packet */
    uint16_t fragment;
};

struct sw_conn {
    struct sw_engine *engine;
    enum sw_transport transport;
    enum sw_state state;
    struct sw_path path;
    struct sw_tls *tls;
    void *user;

    struct sw_list link;         /**< in engine->conns, or in engine->dead */
    struct sw_deadline deadline; /**< in engine->deadlines */
    sw_time timers[SW_TIMERS];

    /* Wire */
    struct sw_version version;
    struct sw_session_id session;  /**< server: current; client: learned, EMPTY before */
    struct sw_session_id rotation; /**< server: announced, not yet confirmed; EMPTY: none */
    sw_time tell_session_after;    /**< server: the client used a wrong id and was told */
    bool first_packet_seen;

    /* Server, datagram */
    struct sw_hash_node by_address;
    struct sw_hash_node by_session;
    struct sw_hash_node by_rotation;
    bool in_address_table;
    bool in_session_table;
    uint8_t hello_random[32]; /**< of the hello that made it */
    struct sw_conn
        *successor; /**< connecting from our address; replaces us when its Finished is good */
    struct sw_conn *predecessor; /**< the other way round */

    /* Authentication */
    uint32_t inside_ip;
    bool auth_pending; /**< authorise said SW_EPENDING */
    bool granted;
    unsigned auth_tries;
    uint64_t auth_epoch;                /**< of the engine at the last verification */
    uint8_t auth_digest[SW_DIGEST_LEN]; /**< of the request being verified or granted */
    sw_time auth_interval;              /**< client: until the next repetition */

    /* Client */
    unsigned spoiled; /**< TLS sessions that a record which nobody had signed broke */
    bool begin_again; /**< the present one; the timer makes another */
    struct sw_ip_config ip_config;
    struct sw_keepalive keepalive;
    sw_time tracer_fired_for; /**< last_received the tracer has already asked about */

    struct sw_expresslane lane;
    struct sw_encoding encoding;
    void **plugin_instances;         /**< inside, then outside; NULL: no plugins */
    struct sw_key_update key_update; /**< server */
    uint8_t peer_epoch;              /**< low bits, of the last record that was authentic */

    /* Size */
    struct sw_limits limits;
    struct sw_pmtud pmtud;
    bool probing;                     /**< what is emitted now is a probe */
    uint16_t fragment_id;             /**< the last one used */
    struct sw_reassembly *reassembly; /**< NULL: no fragment has come yet */

    /* Stream */
    struct sw_stream_queue out;
    uint8_t *in; /**< plaintext not yet a whole frame */
    size_t in_len;
    size_t in_room;

    uint16_t source;      /**< server: its counter of half-open connections */
    bool out_unannounced; /**< the queue was empty and is not any more: WRITABLE is due */
    int out_lost;         /**< why bytes of the stream were lost: SW_ENOMEM, SW_EFULL; 0: none */
    bool was_online;

    struct sw_conn_stats stats;
};

/* conn.c: life */
struct sw_conn *sw_conn_new(struct sw_engine *engine, enum sw_transport transport,
                            const struct sw_path *path);
void sw_conn_free(struct sw_conn *conn);
/** Does nothing to a connection that is closing: one that a callback has closed stays closed. */
void sw_conn_enter_state(struct sw_conn *conn, enum sw_state state);
void sw_conn_event(struct sw_conn *conn, enum sw_event_type type);
void sw_conn_set_timer(struct sw_conn *conn, enum sw_timer timer, sw_time at);
/** conn no longer has its address: the connection that waits for it, if any, gets it. */
void sw_conn_hand_over_address(struct sw_conn *conn);
/** Announces output, brings the DTLS timer and the deadline up to date; after every call into a
 * connection. */
void sw_conn_rearm(struct sw_conn *conn);
/** The handshake is done and the connection has not ended. */
bool sw_conn_established(const struct sw_conn *conn);
/** Ends it: goodbye if asked for, CLOSED event. Does nothing when it has ended already. */
void sw_conn_end(struct sw_conn *conn, int reason, bool goodbye);
/** Ends it with a goodbye because of error, and counts why. */
void sw_conn_fail(struct sw_conn *conn, int error);
/** Starts or stops the client's regular comparison of counters. */
void sw_conn_watch_lane(struct sw_conn *conn);
/** Runs the timers that are due. */
void sw_conn_timer(struct sw_conn *conn);

/* handshake.c */
/** One step with input; 0 or a fatal error, already reported. */
int sw_conn_handshake(struct sw_conn *conn, struct sw_span input, bool authentic);

/* rotation.c */
/** Announces a new session id, unless one is being announced. */
void sw_conn_begin_rotation(struct sw_conn *conn);
/** An authentic datagram carried id. */
void sw_conn_note_session(struct sw_conn *conn, struct sw_session_id id);

/** Makes another TLS session, and says hello. */
void sw_conn_begin_again(struct sw_conn *conn);

/* receive.c */
/** Frames decoded; a fatal error has already closed the connection (state Disconnected). */
int sw_conn_datagram(struct sw_conn *conn, const struct sw_header *header, struct sw_span payload);

/** A whole packet for the TUN, not from the peer but as if it were. */
void sw_conn_inside_reply(struct sw_conn *conn, uint8_t *data, size_t len);

/* send.c */
/** A whole packet for the peer, not from the TUN and not to be translated. */
void sw_conn_peer_reply(struct sw_conn *conn, uint8_t *data, size_t len);

/* output.c */
void sw_conn_emit(void *user, const uint8_t *data, size_t len);
/** 0, or the TLS library's error, counted. */
int sw_conn_send_frame(struct sw_conn *conn, const struct sw_frame *frame);
int sw_conn_send_ping(struct sw_conn *conn);
/** The session id that datagrams carry now: an announced one at once (docs/protocol/session.md
 * §10). */
struct sw_session_id sw_conn_outgoing_session(const struct sw_conn *conn);
/** Room for one datagram of n bytes of record in the batch, flushing if it must. 0 or SW_EAGAIN. */
int sw_output_room(struct sw_engine *engine, size_t n);
/** What was reserved in the batch, filled with len bytes, leaves on the connection's path. */
void sw_output_commit(struct sw_conn *conn, uint8_t *out, size_t len);
/** One datagram past every connection (HelloRetryRequest, REJECT). */
void sw_output_datagram(struct sw_engine *engine, const struct sw_path *path,
                        const struct sw_header *header, struct sw_span payload);

/* auth.c */
void sw_auth_start(struct sw_conn *conn);
void sw_auth_repeat(struct sw_conn *conn);
/** 0 or a fatal error. */
int sw_auth_request(struct sw_conn *conn, const struct sw_frame_auth_request *request);
int sw_auth_success(struct sw_conn *conn, const struct sw_frame_auth_success *success);

/* error_class.c */
bool sw_error_is_fatal(enum sw_transport transport, int error);

#endif
