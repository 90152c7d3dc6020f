/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/*
 * Engines joined by a network that exists only in memory and in virtual time. Everything that
 * happens follows from the seed: the same seed gives the same run, byte for byte.
 */

#include <slipway/engine.h>

#define WORLD_NODES  16
#define WORLD_LEASES 4096

/** What the network does to a datagram; chances in percent. */
struct weather {
    unsigned loss, duplicate, corrupt;
    sw_time delay;  /**< of every datagram */
    sw_time jitter; /**< more, at random: reorders */
};

struct world;

/** One program: an engine, an address, and what happened to it. */
struct node {
    struct world *world;
    struct sw_engine *engine;
    struct sw_batch *batch;
    struct sw_address address;
    struct sw_tls_context *tls[2];  /**< by enum sw_transport */
    struct sw_engine_config config; /**< what world_restart() makes the next engine of */

    /* Set by tests to say how callbacks answer */
    int verdict;             /**< of authorise */
    bool anyone;             /**< authorise says yes to whatever it is asked */
    bool no_address;         /**< assign fails */
    bool no_encoding;        /**< the codec is not allowed */
    uint16_t link_mtu;       /**< its own link's: probes that are longer are refused; 0: any */
    bool flush_blocked;      /**< flush says SW_EAGAIN and sends nothing */
    bool close_in_authorise; /**< authorise closes the connection it is asked about */
    bool close_in_assign;

    struct sw_batch_chunk too_long; /**< a refused probe, not yet reported; len 0: none */

    /* What happened */
    struct sw_conn *conn; /**< the last connection that reported something; NULL once it closed */
    unsigned key_changes;
    unsigned online, closed, rejected_events, floated, rotations, replies, authorised;
    int close_error;
    uint32_t next_ip;
    unsigned assigned, released;
    enum { LEASE_FREE, LEASE_HELD, LEASE_OVER } leases[WORLD_LEASES]; /**< from POOL_FIRST_IP on */
    char user[64], password[64];
    struct sw_version peer_version; /**< as the last authorise was told */
    unsigned timers;                /**< times the engine's timer was run */

    uint64_t inside_count;
    void (*inside)(struct node *node, uint8_t *packet, size_t len);
    void (*event)(struct node *node, struct sw_conn *conn, const struct sw_event *event);
    void *data;
};

/** Every datagram that was sent, in order. */
struct tape {
    struct recorded {
        sw_time at;
        struct sw_address from, to;
        size_t len;
        uint8_t *bytes;
    } * items;
    size_t count, room;
};

/** Sees every datagram on its way; returns false to swallow it. bytes may be changed. */
typedef bool (*wiretap)(struct world *world, const struct sw_address *from,
                        const struct sw_address *to, uint8_t *bytes, size_t len);

struct in_flight;

struct world {
    uint64_t first_seed; /**< as given */
    uint64_t seed;       /**< as it is by now */
    sw_time now;
    struct weather weather;
    uint16_t
        path_mtu; /**< for IPv4 packets: longer ones are cut on the way, with DF lost; 0: any */
    bool drop_fragments; /**< those that were cut are lost, too */
    bool expresslane;    /**< of the nodes made from now on */
    sw_time rotation;    /**< of Expresslane keys; 0: default */
    struct node nodes[WORLD_NODES];
    unsigned count;
    struct in_flight *queue; /**< binary heap by time */
    size_t queued, queue_room;
    uint64_t order;
    wiretap tap;
    void *tap_data;
    struct tape *tape;            /**< NULL: not recording */
    void (*step)(struct world *); /**< before each jump in time, or NULL */
    void *step_data;
    uint64_t datagrams_from[WORLD_NODES], bytes_from[WORLD_NODES];
};

struct client_options {
    enum sw_cipher cipher;
    enum sw_keyshare keyshare;
    const char *ca;          /**< file in tests/fixtures/certs */
    const char *server_name; /**< NULL: no check */
    const char *password;
    const char *token;
    sw_time keepalive_interval, keepalive_timeout, connect_timeout;
    bool keepalive_on_demand;
};

void world_init(struct world *world, uint64_t seed);
void world_end(struct world *world);

/** A number in [0, below). */
uint64_t world_random(struct world *world, uint64_t below);
void world_random_bytes(struct world *world, uint8_t *out, size_t len);

/** Writes the seed if condition does not hold, so that the run can be repeated, and fails the test.
 */
#define world_check(world, condition)                                                              \
    do {                                                                                           \
        bool holds_ = (condition);                                                                 \
        if (!holds_) world_say_seed(world);                                                        \
        if (!holds_) fail_msg("%s", #condition);                                                   \
    } while (0)
void world_say_seed(const struct world *world);

/** What the environment variable SIM_SEEDS says, else otherwise: how many seeds to run. */
unsigned world_seeds(unsigned otherwise);

struct node *world_server(struct world *world, bool pqc);
struct node *world_client(struct world *world, const struct client_options *options);

/**
 * The server goes on with another certificate, files in tests/fixtures/certs; only its connections
 * and engine still hold the old one.
 */
void world_renew(struct node *server, const char *certificate, const char *key);

/** Forgets the node's engine, without a word to anybody, and makes a new one from node->config. */
void world_restart(struct node *node);

/** Starts a client towards a server over UDP. */
struct sw_conn *world_connect(struct node *client, const struct node *server);

/** Puts bytes on the wire as if from sent them. */
void world_inject(struct world *world, const struct sw_address *from, const struct sw_address *to,
                  const uint8_t *bytes, size_t len);

/** Sends what is in the node's batch. */
void world_flush(struct node *node);

/** Lets time pass for at most patience, until done (may be NULL) says so. Whether it did. */
bool world_run(struct world *world, sw_time patience, bool (*done)(struct world *world));

/** Both nodes [0] and [1] have been Online. */
bool world_both_online(struct world *world);

/** A server and a client, the client Online; the nodes are world->nodes[0] and [1]. */
void world_pair(struct world *world, uint64_t seed, const struct client_options *options);

/** An address nobody has. */
struct sw_address world_stranger(unsigned host, uint16_t port);

/** Forgets what is under way. */
void world_swallow(struct world *world);

void tape_free(struct tape *tape);

/** An IPv4 UDP packet with a correct checksum, number and a body that depends on it, as if read
 * from a TUN. Bytes. */
size_t world_packet(uint8_t *out, uint32_t from, uint32_t to, uint32_t number, size_t body);

/** Whether packet is one that world_packet() made, addresses aside, checksums included; its number.
 */
bool world_packet_check(const uint8_t *packet, size_t len, uint32_t *number);

/** Sends a packet from the TUN of node through its connection, and flushes. What sw_conn_send()
 * said. */
int world_send(struct node *node, struct sw_conn *conn, uint8_t *packet, size_t len);

/** Sends plaintext as one record, as if the node's engine had made it, and flushes. */
void world_send_plain(struct node *node, struct sw_conn *conn, const void *bytes, size_t len);

/**
 * The plaintext of the first record of a datagram for node that the network swallowed, into out
 * (SW_TLS_RECORD_MAX bytes of room). Bytes, or what the TLS library said.
 */
int world_open(struct node *node, const struct recorded *item, uint8_t *out);

#define CLIENT_IP     0x0a7d0005u
#define SERVER_IP     0x0a7d0006u
#define DNS_IP        0x0a7d0001u
#define POOL_FIRST_IP 0x0a7d1000u
#define TUN_IP        0x64400006u
#define TUN_DNS_IP    0x64400001u
#define REMOTE_IP     0xc0000201u

#endif
