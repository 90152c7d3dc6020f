/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_PMTUD_H
#define SW_ENGINE_PMTUD_H

/*
 * How much does the path carry in one piece? Datagram path MTU discovery (RFC 8899) as Lightway
 * does it (docs/protocol/session.md §19). Pure: time and answers come in, and every function that
 * may want a probe says so. All sizes are PLPMTUs: bytes of frame kind and body, without record,
 * header, UDP and IP.
 */

#include <slipway/engine.h>

#define SW_PMTUD_BASE_DEFAULT 1250
#define SW_PMTUD_FLOOR        1119 /**< an outside packet of 1200 bytes, budget included */
#define SW_PMTUD_LEAST        256  /**< no base below it is taken seriously */
#define SW_PMTUD_TRIES        3
#define SW_PMTUD_PROBE_TIME   (5 * SW_SECOND)
#define SW_PMTUD_ASK_TIME     SW_SECOND /**< instead, when there is reason to doubt the value */
#define SW_PMTUD_RAISE_TIME   (10 * SW_MINUTE)

struct sw_pmtud {
    enum sw_pmtud_state state;
    uint16_t floor, base, max; /**< floor <= base <= max */
    uint16_t value;            /**< what may be used; 0: nothing is known yet */
    uint16_t probe;            /**< size under way; 0: none */
    uint16_t id;               /**< of the last probe; never 0 once there was one */
    uint16_t ceiling;          /**< the smallest size known not to pass, or max + 1 */
    unsigned tries;
    bool big;    /**< steps */
    bool urgent; /**< the value is in doubt */
    sw_time at;  /**< when sw_pmtud_timer() wants to be called; SW_NEVER: not running */
};

/** base 0: the default. base and floor are brought below max. */
void sw_pmtud_init(struct sw_pmtud *p, uint16_t base, uint16_t max);

/*
 * True, from each of these: send a probe of p->probe bytes with the id p->id, now.
 */

/** The connection is Online. */
bool sw_pmtud_start(struct sw_pmtud *p, sw_time now);

/** A Pong with this id came. */
bool sw_pmtud_pong(struct sw_pmtud *p, uint16_t id, sw_time now);

/** p->at has come. */
bool sw_pmtud_timer(struct sw_pmtud *p, sw_time now);

/** Our own kernel says that a datagram of this size does not fit the link: better than waiting. */
bool sw_pmtud_too_long(struct sw_pmtud *p, uint16_t size, sw_time now);

/** The path may be another one, or looks like it: ask whether it still carries as much. */
bool sw_pmtud_recheck(struct sw_pmtud *p, sw_time now);

#endif
