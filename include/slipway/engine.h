/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_ENGINE_H
#define SLIPWAY_ENGINE_H

#include <slipway/batch.h>
#include <slipway/codec.h>
#include <slipway/error.h>
#include <slipway/plugin.h>
#include <slipway/tls.h>
#include <slipway/types.h>
#include <slipway/vnet.h>

/*
 * The protocol engine. One engine belongs to one worker thread and holds the connections of one
 * role: all of a server's, or the one of a client. It makes no system call: bytes, packets and the
 * time come in as arguments, everything that must leave goes into the batch (datagrams), a
 * connection's send queue (streams) or a callback. The same calls drive the programs, the simulator
 * and the fuzzers (docs/architecture.md).
 *
 * Life of a connection: the engine creates it (server: sw_engine_datagram() when a hello proved its
 * address, or sw_accept_stream(); client: sw_connect()), reports every step by the event callback,
 * and ends it with SW_EVENT_CLOSED; the pointer is dead once that callback has returned. Callbacks
 * may call sw_conn_close() on any connection, but nothing else that takes a packet, a datagram or
 * the clock.
 */

struct sw_engine;
struct sw_conn;

enum sw_state {
    SW_STATE_DISCONNECTED = 1,
    SW_STATE_CONNECTING = 2, /**< (D)TLS handshake runs */
    SW_STATE_DISCONNECTING = 4,
    SW_STATE_AUTHENTICATING = 5, /**< client: AuthRequest sent */
    SW_STATE_LINK_UP = 6,        /**< handshake done */
    SW_STATE_ONLINE = 7,         /**< tunnel usable */
};

enum sw_event_type {
    SW_EVENT_STATE,           /**< sw_conn_state() changed */
    SW_EVENT_FIRST_PACKET,    /**< client: the first bytes of the server came in */
    SW_EVENT_KEEPALIVE_REPLY, /**< Pong with id 0 */
    SW_EVENT_FLOATED, /**< server: the client's address changed; sw_conn_path() is the new one */
    SW_EVENT_ROTATION_BEGIN, /**< server: announces a new session id */
    SW_EVENT_ROTATION_DONE,
    SW_EVENT_KEY_UPDATE_BEGIN, /**< server: replaces the keys of the (D)TLS session */
    SW_EVENT_KEY_UPDATE_DONE,  /**< the client has followed */
    SW_EVENT_WRITABLE, /**< stream: the send queue has bytes; take them with sw_conn_stream_peek()
                        */
    SW_EVENT_EXPRESSLANE, /**< sw_conn_expresslane() changed */
    SW_EVENT_ENCODING,    /**< sw_conn_encoding() changed */
    SW_EVENT_PATH_MTU,    /**< sw_conn_path_mtu() changed */
    SW_EVENT_REJECTED,    /**< client: an (unauthenticated) REJECT came in */
    SW_EVENT_CLOSED,      /**< last event; error says why (0: sw_conn_close() by the caller) */
};

struct sw_event {
    enum sw_event_type type;
    int error;          /**< CLOSED */
    const char *detail; /**< CLOSED: the TLS library's words, or NULL */
};

/** Where a connection's fast lane stands (docs/protocol/expresslane.md §5). */
enum sw_expresslane_state {
    SW_EXPRESSLANE_DISABLED, /**< not configured, or not possible on this connection */
    SW_EXPRESSLANE_WAITING,  /**< server: the client has not offered a key yet */
    SW_EXPRESSLANE_INACTIVE, /**< data goes by DTLS */
    SW_EXPRESSLANE_ACTIVE,
    SW_EXPRESSLANE_DEGRADED, /**< the lane lost packets; DTLS for the rest of the connection */
};

/** The search for what the path carries (docs/protocol/session.md §19). */
enum sw_pmtud_state {
    SW_PMTUD_DISABLED, /**< not configured, a stream, or not yet Online */
    SW_PMTUD_BASE,     /**< asks whether an ordinary size passes */
    SW_PMTUD_ERROR,    /**< it does not: asks for the least again and again */
    SW_PMTUD_SEARCHING,
    SW_PMTUD_COMPLETE, /**< the result is asked for again from time to time */
};

struct sw_path_mtu {
    enum sw_pmtud_state state;
    uint16_t plpmtu;  /**< bytes of frames that pass in one datagram; 0: not known yet */
    uint16_t outside; /**< the outside IP packet that makes; 0: not known yet */
    uint16_t inside;  /**< largest inside packet that goes in one datagram */
};

/** For an external data plane (docs/protocol/expresslane.md §13). All-zero keys must not be used.
 */
struct sw_expresslane_keys {
    uint8_t version;  /**< 1 or 2; 0: not negotiated */
    uint8_t self[32]; /**< seals */
    uint8_t peer[32]; /**< opens */
};

/** What an external data plane has carried for a connection, cumulative. */
struct sw_expresslane_stats {
    uint64_t sent_packets, received_packets, sent_bytes, received_bytes;
};

/** What a client presented; spans are valid during the callback only. */
struct sw_credentials {
    uint8_t method; /**< 1 user and password, 2 token, 3 versioned token, 23 custom data */
    struct sw_version version; /**< with a versioned token, else 0.0; a client gives its own */
    const char *user;
    size_t user_len;
    const char *password;
    size_t password_len;
    const char *token;
    size_t token_len;
};

struct sw_callbacks {
    /** The batch is full: send it and make room. 0 or SW_EAGAIN (nothing more will be put into it
     * now). The one callback that must not close a connection: it is asked in the middle of one. */
    int (*flush)(void *user);

    /**
     * A whole, translated IPv4 packet for the TUN. The bytes may be changed in place; valid during
     * the call. The transport checksum is complete.
     */
    void (*inside)(void *user, struct sw_conn *conn, uint8_t *packet, size_t len);

    void (*event)(void *user, struct sw_conn *conn, const struct sw_event *event);

    /**
     * Server: may this client in? 0 yes, SW_EDENIED no, SW_EPENDING: sw_conn_authorised() will say,
     * later. NULL on a client.
     */
    int (*authorise)(void *user, struct sw_conn *conn, const struct sw_credentials *credentials);

    /** Optional, server: whether an authenticated client may use the codec; NULL: it may. */
    bool (*encoding_allowed)(void *user, struct sw_conn *conn);

    /** Server: an inside address (host byte order) for the connection, called once, after
     * authorise. 0 or SW_ENOADDRESS. */
    int (*assign)(void *user, struct sw_conn *conn, uint32_t *inside_ip);
    void (*release)(void *user, struct sw_conn *conn, uint32_t inside_ip);

    /**
     * Optional: the connection's Expresslane keys, or the peer's address or the session id they are
     * used with, changed. keys is valid during the call.
     */
    void (*expresslane_keys)(void *user, struct sw_conn *conn,
                             const struct sw_expresslane_keys *keys);

    /** Optional: counts of an external data plane instead of the engine's own. 0, or negative if
     * they cannot be had. */
    int (*expresslane_stats)(void *user, struct sw_conn *conn, struct sw_expresslane_stats *out);

    /**
     * Optional, server: which worker shall have the connection of a client that has just proved its
     * address. Where it is another, foreign gets the hello and what comes behind it.
     */
    unsigned (*place)(void *user);

    /**
     * Optional, server: a datagram from an address that nobody here has and that is another
     * worker's (sw_engine_config.workers), for its sw_engine_foreign_datagram(). data is valid
     * during the call.
     */
    void (*foreign)(void *user, unsigned worker, const struct sw_path *path, const uint8_t *data,
                    size_t len);

    /** Cryptographic randomness (a seeded generator in the simulator). */
    void (*random)(void *user, uint8_t *out, size_t len);
};

/** How often something took at most 0.05, 0.1, 0.25, 0.5, 1, 2.5 and 10 seconds, and longer; each
 * counted once. */
#define SW_DURATION_BUCKETS 8
struct sw_durations {
    uint64_t buckets[SW_DURATION_BUCKETS];
};

/** Engine-wide counters, only ever incremented; names as in docs of the metrics. */
struct sw_engine_counters {
    /* outside */
    uint64_t udp_received, udp_received_bytes; /**< datagrams given to the engine */
    uint64_t udp_sent, udp_sent_bytes;         /**< datagrams put into the batch */
    uint64_t udp_no_header, udp_parse_wire_failed, udp_bad_packet_version;
    uint64_t udp_rejected_session; /**< REJECTs sent */
    uint64_t udp_reject_limited;   /**< REJECTs not sent: rate limit */
    uint64_t udp_reject_received;  /**< datagrams with the REJECTED id, dropped */
    uint64_t
        udp_forged_record; /**< plaintext alerts and malformed records kept from the TLS library */
    uint64_t handshake_begun_again; /**< client: after a record that nobody had signed */
    uint64_t udp_wrong_source;      /**< client: not from the server's address */
    uint64_t udp_no_room;           /**< datagrams dropped: the batch was full */
    uint64_t expresslane_sent, expresslane_received; /**< packets */
    uint64_t expresslane_decrypt_no_key, expresslane_decrypt_failed, expresslane_replayed;
    uint64_t expresslane_malformed;       /**< too short for what they say */
    uint64_t expresslane_exchanged;       /**< keys of ours that came into use */
    uint64_t expresslane_exchange_failed; /**< offers nobody acknowledged */
    uint64_t expresslane_degraded;
    uint64_t drop_encoded; /**< encoded packets of the lane that no codec could make sense of */
    uint64_t received_encoding_req_non_online, received_encoding_req_with_tcp;
    uint64_t received_encoding_req_no_authorization, received_encoding_res_as_server;
    uint64_t hello_received;      /**< ClientHellos handled without state */
    uint64_t hello_retry_sent;    /**< HelloRetryRequests */
    uint64_t hello_amplification; /**< dropped: smaller than the answer it would cause */
    uint64_t hello_refused;       /**< dropped: bad cookie, no common parameters, not a hello */
    uint64_t hello_limited;       /**< dropped: too many half-open connections */
    uint64_t hello_duplicate;     /**< copies of a live session's own hello */
    uint64_t stream_limited;      /**< TCP connections refused: too many half-open ones */
    uint64_t udp_conn_recovered_via_session, udp_session_rotation_begin,
        udp_session_rotation_finalized;
    uint64_t udp_session_rotation_attempted_via_replay, session_id_mismatch;
    /* connections */
    uint64_t conn_created, conn_create_failed, conn_link_up, conn_online, conn_closed;
    struct sw_durations to_link_up_time, to_online_time; /**< since a connection was made */
    uint64_t conn_client_closed, conn_stale_closed, conn_aged_out, conn_replaced;
    uint64_t user_auth_eviction; /**< sw_conn_expire_at() */
    uint64_t conn_rejected_no_free_ip, conn_rejected_access_denied;
    uint64_t conn_tls_error, conn_unknown_error;
    uint64_t auth_requests, auth_repeated, auth_limited;
    uint64_t key_update_start, key_update_complete;
    uint64_t key_update_abandoned; /**< not followed by the client */
    /* inside */
    uint64_t inside_to_tunnel, inside_to_tunnel_bytes; /**< packets and segments sent to peers */
    uint64_t tunnel_to_inside, tunnel_to_inside_bytes; /**< packets handed to the inside callback */
    uint64_t superpackets, superpacket_segments; /**< superpackets cut, segments made of them */
    uint64_t checksums_completed;
    uint64_t drop_not_online, drop_invalid_packet, drop_oversize, drop_queue_full;
    uint64_t drop_tls_write;
    uint64_t drop_data_not_online;       /**< Data of a peer before Online */
    uint64_t drop_invalid_inside_packet; /**< Data of a peer that is no IPv4 packet */
    uint64_t inside_fragmented;          /**< inside packets sent in fragments */
    uint64_t fragments_sent, fragments_received;
    uint64_t conn_alloc_frag_map; /**< stores of incomplete packets made */
    uint64_t fragment_fates[8];   /**< by enum sw_fragment_fate */
    uint64_t superpackets_recut;  /**< TCP superpackets whose segments had to become smaller */
    uint64_t mss_clamped;         /**< SYN packets, both directions */
    uint64_t pmtud_probes, pmtud_probes_answered, pmtud_too_long, pmtud_black_holes;
    uint64_t drop_bad_frame;     /**< undecodable frames on UDP */
    uint64_t drop_segmenter[16]; /**< by enum sw_segment_refusal */
    uint64_t gso_none_checksum_skipped;
    uint64_t plugin_dropped, plugin_replied, plugin_failed; /**< by verdict of a plugin */
    uint64_t inside_source_refused;                         /**< by sw_source_guard() */
    uint64_t frames_ignored;
};

struct sw_engine_config {
    enum sw_role role;
    const struct sw_callbacks *callbacks;
    void *user;
    struct sw_tls_context *datagram; /**< NULL: no UDP */
    struct sw_tls_context *stream;   /**< NULL: no TCP */
    struct sw_batch *batch;          /**< where datagrams go; borrowed. NULL without UDP */
    int64_t unix_time;               /**< seconds since 1970 at now = 0, for certificate validity */

    uint16_t inside_mtu;  /**< of the TUN; a server tells it to clients */
    uint16_t outside_mtu; /**< 576..1500; a server uses 1500 */

    const struct sw_codec *codec;                          /**< borrowed; NULL: none */
    struct sw_plugin_list inside_plugins, outside_plugins; /**< empty: none */

    bool pmtud;          /**< search for what the path carries; only over UDP */
    uint16_t pmtud_base; /**< PLPMTU to begin with; 0: 1250 */

    bool expresslane;             /**< offer or accept the AES-256-GCM data path over UDP */
    sw_time expresslane_rotation; /**< keys change at least so often while there is traffic; 0: 15
                                     min, else >= 1 s */

    /* Server */
    struct sw_version version_min, version_max; /**< accepted, inside 1.1..1.3; zero: all */
    uint32_t client_ip, server_ip, dns_ip;      /**< told to every client; host byte order */
    sw_time stale_after;                        /**< not Online by then: closed; 0: 60 s */
    sw_time idle_after;                         /**< no authentic bytes: closed; 0: 24 h */
    unsigned half_open_limit;                   /**< connections not yet Online; 0: 4096 */
    sw_time key_update_interval; /**< (D)TLS keys change this long after the last time; 0: never */
    uint64_t key_update_records; /**< and after so many records in a direction; 0: 2^24 */
    unsigned worker, workers; /**< the last byte of every session id drawn is worker modulo workers;
                                 0 and 0 or 1: alone */
    const uint8_t *cookie_key; /**< SW_COOKIE_KEY_LEN bytes, copied, the same for all workers that
                                  place connections with each other; NULL: random */

    /* Client */
    struct sw_credentials credentials; /**< borrowed */
    uint32_t tun_ip, tun_dns_ip;       /**< the TUN's own addresses; host byte order */
    sw_time connect_timeout;           /**< Connecting + Authenticating; 0: 30 s */
    sw_time keepalive_interval;        /**< 0: 10 s */
    sw_time keepalive_timeout;         /**< 0: 60 s */
    bool keepalive_on_demand; /**< not continuous: ping only for tracer and network changes */
    sw_time tracer_timeout;   /**< 0: 10 s */
    bool encode_at_connect;   /**< ask for encoding as soon as Online; nothing without codec */
    sw_time encoding_stall;   /**< turn it off when no packet comes back for so long; 0: never */
};

/** Copies config (not what it points to). NULL: out of memory or contradictory config. */
struct sw_engine *sw_engine_new(const struct sw_engine_config *config, sw_time now);

/**
 * From now on the engine works for another owner: other callbacks, with the same randomness,
 * another user and another batch. What it put into the old batch is still to be sent from there.
 * Not from inside one of its callbacks.
 */
void sw_engine_move(struct sw_engine *engine, const struct sw_callbacks *callbacks, void *user,
                    struct sw_batch *batch);

/** Says goodbye to every connection (sw_conn_close(conn, 0)). Flush the batch and drain streams
 * afterwards. */
void sw_engine_shutdown(struct sw_engine *engine, sw_time now);

/** Frees the engine and, silently, what connections are left. */
void sw_engine_free(struct sw_engine *engine);

const struct sw_engine_counters *sw_engine_counters(const struct sw_engine *engine);

/** When sw_engine_timer() wants to be called; SW_NEVER if nothing is due. May change after every
 * other call. */
sw_time sw_engine_deadline(const struct sw_engine *engine);
void sw_engine_timer(struct sw_engine *engine, sw_time now);

/**
 * A UDP payload came in over path. Never fails: bad, forged and unknown datagrams are counted and
 * dropped, a fatal error of a connection is reported by its CLOSED event. data may be changed in
 * place.
 */
void sw_engine_datagram(struct sw_engine *engine, const struct sw_path *path, uint8_t *data,
                        size_t len, sw_time now);

/** The same for a datagram that another worker has handed on; it goes no further from here. */
void sw_engine_foreign_datagram(struct sw_engine *engine, const struct sw_path *path, uint8_t *data,
                                size_t len, sw_time now);

/**
 * The kernel refused a datagram of len bytes for path because the link carries no packet as long,
 * unfragmented. Of interest to the search for the path's MTU.
 */
void sw_engine_too_long(struct sw_engine *engine, const struct sw_path *path, size_t len,
                        sw_time now);

/**
 * Server, one of several workers: a client of another worker has proved that it is at this address.
 * The connection that had it here, if any, has been replaced.
 */
void sw_engine_address_taken(struct sw_engine *engine, const struct sw_address *address,
                             sw_time now);

/** Client: starts the connection; its first datagrams (or stream bytes) are queued on return. NULL:
 * *error says why. */
struct sw_conn *sw_connect(struct sw_engine *engine, enum sw_transport transport,
                           const struct sw_path *path, sw_time now, int *error);

/** Server: a TCP connection was accepted. NULL: *error is SW_ENOMEM, SW_EFULL (too many half-open,
 * of all or of that host) or SW_ETLS. */
struct sw_conn *sw_accept_stream(struct sw_engine *engine, const struct sw_path *path, sw_time now,
                                 int *error);

/** Bytes of the stream, as read. All of them are taken. */
void sw_conn_stream_recv(struct sw_conn *conn, const uint8_t *data, size_t len, sw_time now);

/** The stream ended (error 0) or failed. The connection closes. */
void sw_conn_stream_end(struct sw_conn *conn, int error, sw_time now);

/** Bytes waiting to be written, *len of them in one piece; NULL when there are none. */
const uint8_t *sw_conn_stream_peek(const struct sw_conn *conn, size_t *len);
void sw_conn_stream_sent(struct sw_conn *conn, size_t len, sw_time now);

/** Inside address of a server's connection (0: none yet). */
uint32_t sw_conn_inside_ip(const struct sw_conn *conn);

/**
 * A packet or superpacket from the TUN on its way to the peer. The bytes are changed in place and
 * must stay until the packet is done.
 */
struct sw_inside_packet {
    uint8_t *data;
    size_t len;
    size_t room;         /**< bytes at data, for plugins that add some; 0: len */
    struct sw_vnet vnet; /**< all zero without a virtio header */
    unsigned next;       /**< first segment still to be sent; start with 0. Private after that */
};

/**
 * 0: done — sent, or dropped and counted. SW_EAGAIN: the batch or the send queue is full after some
 * whole segments; call again with the same packet when there is room (a server's stream never says
 * so: it drops and counts).
 */
int sw_conn_send(struct sw_conn *conn, struct sw_inside_packet *packet, sw_time now);

/**
 * New connections use this context in the place of the one the engine has for that transport;
 * those there are go on with theirs, and cookies stay good.
 */
void sw_engine_set_tls(struct sw_engine *engine, enum sw_transport transport,
                       struct sw_tls_context *context);

/**
 * Server: who may come in has changed. A client that repeats its request is asked about again, even
 * if it was let in; those that are Online and do not repeat it stay.
 */
void sw_engine_forget_logins(struct sw_engine *engine);

/**
 * Server, TCP, where no header tells it: the protocol version of the peer, for a callback that has
 * learned it (sw_credentials.version). 0, SW_EVERSION (not accepted, or another one while Online),
 * SW_EMODE.
 */
int sw_conn_set_version(struct sw_conn *conn, struct sw_version version);

/** The answer to an authorise callback that said SW_EPENDING: 0 or SW_EDENIED. */
void sw_conn_authorised(struct sw_conn *conn, int answer, sw_time now);

/** Client: the network changed; ask the server at once, over UDP several times in quick succession,
 * whether it is still there. */
void sw_conn_network_changed(struct sw_conn *conn, sw_time now);

/** Server: what the client was let in with is good until then: SW_NEVER, or the session ends with
 * SW_EEXPIRED. May be called again and again. */
void sw_conn_expire_at(struct sw_conn *conn, sw_time at, sw_time now);

/** Client: there is no network for now; nothing is asked, and a silent server is no reason to end,
 * until sw_conn_network_changed() or an answer to what was asked before. */
void sw_conn_suspend_keepalive(struct sw_conn *conn, sw_time now);

/** Goodbye and close_notify if the handshake is done, then SW_EVENT_CLOSED with reason. */
void sw_conn_close(struct sw_conn *conn, int reason, sw_time now);

/**
 * An external data plane carried traffic for the connection: rx also counts as a sign of life. Keys
 * rotate if they are due.
 */
void sw_conn_expresslane_activity(struct sw_conn *conn, bool rx, sw_time now);

enum sw_expresslane_state sw_conn_expresslane(const struct sw_conn *conn);

/** What is known of the path. */
void sw_conn_path_mtu(const struct sw_conn *conn, struct sw_path_mtu *out);

/** The AEAD back end of the engine, e.g. "intel-ipsec-mb AVX512"; NULL without Expresslane. */
const char *sw_engine_aead(const struct sw_engine *engine);

enum sw_state sw_conn_state(const struct sw_conn *conn);
enum sw_transport sw_conn_transport(const struct sw_conn *conn);
const struct sw_path *sw_conn_path(const struct sw_conn *conn);
struct sw_session_id sw_conn_session(const struct sw_conn *conn);
/** Server: a new session id has been announced and the client has not used it yet. */
bool sw_conn_rotating(const struct sw_conn *conn);
struct sw_version sw_conn_version(const struct sw_conn *conn);

/** Names of the negotiated suite and group; "unknown" before LinkUp. */
const char *sw_conn_cipher(const struct sw_conn *conn);
const char *sw_conn_group(const struct sw_conn *conn);

/** Client, from Online on: what the server told. */
struct sw_ip_config {
    uint32_t local_ip, peer_ip, dns_ip; /**< host byte order */
    uint32_t mtu;                       /**< 0: unknown */
};
const struct sw_ip_config *sw_conn_ip_config(const struct sw_conn *conn);

/** Per-connection figures for status output. */
struct sw_conn_stats {
    sw_time created, online_since, last_received; /**< 0: never */
    uint64_t packets_in, bytes_in;                /**< inside packets from the peer */
    uint64_t packets_out, bytes_out;              /**< inside packets and segments to the peer */
};
void sw_conn_stats(const struct sw_conn *conn, struct sw_conn_stats *out);

/** The caller's own pointer. */
void sw_conn_set_user(struct sw_conn *conn, void *user);
void *sw_conn_user(const struct sw_conn *conn);

/** Iterates over all connections: NULL starts, NULL ends. */
struct sw_conn *sw_engine_next_conn(const struct sw_engine *engine, const struct sw_conn *after);

/** "Searching" and so on. */
const char *sw_pmtud_state_name(enum sw_pmtud_state state);

/** "Active" and so on. */
const char *sw_expresslane_state_name(enum sw_expresslane_state state);

/** "Online" and so on. */
const char *sw_state_name(enum sw_state state);

#endif
