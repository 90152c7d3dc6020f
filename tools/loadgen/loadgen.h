/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TOOLS_LOADGEN_H
#define SW_TOOLS_LOADGEN_H

/* What the load generator's files share: main.c (options, progress, the report), load.c (the loop
 * and who begins when), guest.c (one simulated client). */

#include <slipway/engine.h>

#include "lib/engine/deadline.h"

struct load_options {
    struct sw_address server;
    enum sw_transport transport;
    enum sw_cipher cipher;
    enum sw_keyshare keyshare;
    bool expresslane;
    const char *user, *password, *server_dn;
    unsigned guests;
    uint64_t cycles;  /**< connections to make in all; 0: until duration is over */
    sw_time duration; /**< 0: until cycles are done */
    sw_time hold;     /**< Online for so long, then goodbye */
    sw_time timeout;  /**< to come Online */
    double rate;      /**< connections begun per second at most; 0: as fast as guests are free */
    uint32_t ping;    /**< inside address that gets ICMP echo requests; 0: none */
    sw_time ping_interval;
    uint32_t forged; /**< source of the echo requests instead of what the server told; 0: none */
};

/** Errors are counted by their negated code. */
#define LOAD_ERRORS 128

struct load_counts {
    uint64_t begun, online, ended; /**< connections; ended: in peace, after they had been Online */
    uint64_t failed;               /**< did not come Online, or were lost */
    uint64_t failures[LOAD_ERRORS];
    uint64_t socket_errors;     /**< of failed: the system refused */
    uint64_t pings, pongs;      /**< echo requests sent, answers received */
    uint64_t datagrams, unsent; /**< sent; refused by the kernel */
    uint64_t wrong_packets;     /**< inside packets that are no echo answer to this guest */
};

enum guest_phase {
    GUEST_AWAY,     /**< nothing is open; begins at its deadline */
    GUEST_DIALLING, /**< TCP connection under way */
    GUEST_ENGAGED,  /**< there is an engine */
};

struct guest {
    struct load *load;
    enum guest_phase phase;
    struct sw_deadline deadline;
    int fd;
    bool watches_write;
    struct sw_engine *engine;
    struct sw_conn *conn; /**< NULL: over */
    int error;            /**< why it is over */
    bool online;          /**< it has been */
    sw_time begun, leaves, pings;
    uint16_t sequence;
};

struct load {
    struct load_options options;
    struct load_counts counts;
    struct sw_tls_context *tls;
    struct sw_batch *batch; /**< everybody's: it is emptied before the next guest is looked at */
    struct sw_deadlines deadlines;
    struct guest *guests;
    int epoll;
    sw_time now, start;
    int64_t unix_start;
    sw_time next_slot;   /**< when the next connection may begin */
    uint64_t slots;      /**< given out */
    unsigned engaged;    /**< guests that are not away */
    bool stopping;       /**< no new connections; those that are there say goodbye */
    uint32_t *latencies; /**< microseconds from beginning to Online */
    size_t n_latencies, latency_room;
};

/* load.c */

/** Nanoseconds of the monotonic clock. */
sw_time load_clock(void);

/** Makes guests, epoll and batch; load->options and tls must be set. 0, or -1 with errno set. */
int load_open(struct load *load);

/** Works until at, or until there is nothing left to do: false. */
bool load_run(struct load *load, sw_time at);

/** Everybody says goodbye; load_run() goes on until they have. */
void load_stop(struct load *load);

void load_close(struct load *load);

/** When a guest may begin its next connection; SW_NEVER: there are none left. */
sw_time load_slot(struct load *load);

/* guest.c */

/** Its deadline has passed. */
void guest_timer(struct guest *guest);

/** Its socket is ready (epoll's events). */
void guest_ready(struct guest *guest, uint32_t events);

/** Ends what it does: goodbye if there is somebody to say it to. */
void guest_leave(struct guest *guest);

/** Frees what it has, without a word. */
void guest_drop(struct guest *guest);

#endif
