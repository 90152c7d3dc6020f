/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_KEEPALIVE_H
#define SW_ENGINE_KEEPALIVE_H

/*
 * The client's keepalive (docs/protocol/session.md §12): a pure state machine. Inputs are the
 * functions below; two outputs say what to do: send a Ping, or give up.
 */

#include <slipway/types.h>

enum sw_keepalive_state {
    SW_KEEPALIVE_INACTIVE,  /**< not online, or on demand and nothing asked for */
    SW_KEEPALIVE_WAITING,   /**< the next interval of silence sends a ping */
    SW_KEEPALIVE_PENDING,   /**< a ping is out */
    SW_KEEPALIVE_SUSPENDED, /**< nothing is sent until the network changes */
};

struct sw_keepalive {
    sw_time interval;
    sw_time timeout;
    bool continuous;

    enum sw_keepalive_state state;
    bool suspicious;     /**< a REJECT came in: ask faster until something authentic comes */
    sw_time burst;       /**< the next pings come after this and twice this and so on; 0: regular */
    sw_time deaf_until;  /**< REJECTs before are not listened to: one was, a moment ago */
    sw_time interval_at; /**< SW_NEVER: not running */
    sw_time timeout_at;  /**< SW_NEVER: not armed */
};

void sw_keepalive_init(struct sw_keepalive *k, sw_time interval, sw_time timeout, bool continuous);

/** The connection is Online. */
void sw_keepalive_online(struct sw_keepalive *k, sw_time now);

/** A frame of the server was decoded. */
void sw_keepalive_activity(struct sw_keepalive *k, sw_time now);

/** A Pong with id 0 came. */
void sw_keepalive_reply(struct sw_keepalive *k, sw_time now);

/** Traffic goes out and nothing comes back: true if a Ping is to be sent now. */
bool sw_keepalive_ask(struct sw_keepalive *k, sw_time now);

/**
 * The network changed: a Ping is to be sent now, whatever the state. burst: others follow quickly,
 * for the first after a change is easily lost (where nothing repeats it anyway).
 */
void sw_keepalive_network_changed(struct sw_keepalive *k, bool burst, sw_time now);

/** No Pings, and no end for want of answers, until the network changes or an answer comes. */
void sw_keepalive_suspend(struct sw_keepalive *k);

/** A Ping leaves for a reason of its own: it counts, so that no second one follows on its heels. */
void sw_keepalive_sent(struct sw_keepalive *k, sw_time now);

/** An unauthenticated sign that the server forgot us: true if a Ping is to be sent now. */
bool sw_keepalive_suspect(struct sw_keepalive *k, sw_time now);

enum sw_keepalive_action { SW_KEEPALIVE_NOTHING, SW_KEEPALIVE_PING, SW_KEEPALIVE_GIVE_UP };

enum sw_keepalive_action sw_keepalive_timer(struct sw_keepalive *k, sw_time now);

sw_time sw_keepalive_deadline(const struct sw_keepalive *k);

#endif
