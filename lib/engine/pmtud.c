/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The search (docs/protocol/session.md §19). From a base that nearly every path carries it goes up
 * in big steps, and after the first that fails in small ones, until the next would be the maximum
 * or a size that is known to fail. Ten minutes later the result is asked for again, and from there
 * the search goes up anew.
 *
 * A result that is no longer confirmed, and a base that does not pass, make the floor the value at
 * once: what is larger goes in fragments until something better is known. While nothing at all is
 * known, at the very beginning, nothing is held back; a round trip decides that.
 *
 * "Too long" of our own kernel fails a probe without further tries, and a value that turns out not
 * to fit the link any more. A value that somebody has reason to doubt is asked for every second
 * instead of every five. ICMP is not believed: anybody can send it, and lost probes say the
 * same.
 */

#include "lib/engine/pmtud.h"

#define STEP_BIG   32
#define STEP_SMALL 8

void sw_pmtud_init(struct sw_pmtud *p, uint16_t base, uint16_t max)
{
    if (base == 0) base = SW_PMTUD_BASE_DEFAULT;
    if (base < SW_PMTUD_LEAST) base = SW_PMTUD_LEAST;
    if (base > max) base = max;
    *p = (struct sw_pmtud){
        .state = SW_PMTUD_DISABLED,
        .floor = base < SW_PMTUD_FLOOR ? base : SW_PMTUD_FLOOR,
        .base = base,
        .max = max,
        .at = SW_NEVER,
    };
}

static bool send(struct sw_pmtud *p, sw_time now)
{
    if (++p->id == 0) p->id = 1;
    p->at = now + (p->urgent ? SW_PMTUD_ASK_TIME : SW_PMTUD_PROBE_TIME);
    return true;
}

static bool probe(struct sw_pmtud *p, enum sw_pmtud_state state, uint16_t size, sw_time now)
{
    p->state = state;
    p->probe = size;
    p->tries = 1;
    return send(p, now);
}

static void forget_ceiling(struct sw_pmtud *p)
{
    p->ceiling = (uint16_t)(p->max + 1);
}

/* The next larger size that may pass, or the end of the search. */
static bool search(struct sw_pmtud *p, sw_time now)
{
    for (;;) {
        uint16_t size = (uint16_t)(p->value + (p->big ? STEP_BIG : STEP_SMALL));
        if (size > p->max) size = p->max;
        if (p->value < p->max && size < p->ceiling) return probe(p, SW_PMTUD_SEARCHING, size, now);
        if (!p->big || p->value >= p->max) break;
        p->big = false;
    }
    p->state = SW_PMTUD_COMPLETE;
    p->probe = 0;
    p->at = now + SW_PMTUD_RAISE_TIME;
    return false;
}

/* The base, or, if that is known to be too much, the floor. */
static bool start_over(struct sw_pmtud *p, sw_time now)
{
    if (p->base < p->ceiling) return probe(p, SW_PMTUD_BASE, p->base, now);
    p->value = p->floor;
    return probe(p, SW_PMTUD_ERROR, p->floor, now);
}

/* The path does not carry p->probe bytes. */
static bool failed(struct sw_pmtud *p, sw_time now)
{
    p->ceiling = p->probe;
    p->urgent = false;
    switch (p->state) {
    case SW_PMTUD_SEARCHING:
        return search(p, now);
    case SW_PMTUD_COMPLETE:
        p->value = p->floor;
        return start_over(p, now);
    default:
        return start_over(p, now);
    }
}

bool sw_pmtud_start(struct sw_pmtud *p, sw_time now)
{
    forget_ceiling(p);
    p->value = 0;
    return start_over(p, now);
}

bool sw_pmtud_pong(struct sw_pmtud *p, uint16_t id, sw_time now)
{
    if (p->probe == 0 || id != p->id) return false;
    p->urgent = false;
    if (p->state == SW_PMTUD_COMPLETE) forget_ceiling(p);
    if (p->state != SW_PMTUD_SEARCHING) p->big = true;
    p->value = p->probe;
    if (p->ceiling <= p->value) forget_ceiling(p); /* it passes after all */
    return search(p, now);
}

bool sw_pmtud_timer(struct sw_pmtud *p, sw_time now)
{
    if (p->at > now) return false;
    if (p->probe == 0) return probe(p, SW_PMTUD_COMPLETE, p->value, now);
    if (p->state == SW_PMTUD_ERROR) return send(p, now); /* for ever: there is nothing below */
    if (p->tries < SW_PMTUD_TRIES) {
        p->tries++;
        return send(p, now);
    }
    return failed(p, now);
}

bool sw_pmtud_too_long(struct sw_pmtud *p, uint16_t size, sw_time now)
{
    if (p->state == SW_PMTUD_DISABLED || p->state == SW_PMTUD_ERROR) return false;
    if (p->value >= size && p->value > p->floor) {
        p->ceiling = size;
        p->value = p->floor;
        p->urgent = false;
        return start_over(p, now);
    }
    if (p->probe >= size) return failed(p, now);
    if (size < p->ceiling) p->ceiling = size;
    return false;
}

bool sw_pmtud_recheck(struct sw_pmtud *p, sw_time now)
{
    if (p->state == SW_PMTUD_ERROR) {
        forget_ceiling(p);
        return start_over(p, now);
    }
    bool asking = p->state == SW_PMTUD_COMPLETE && p->probe != 0;
    if (p->state < SW_PMTUD_SEARCHING || asking) return false;
    p->urgent = true;
    return probe(p, SW_PMTUD_COMPLETE, p->value, now);
}
