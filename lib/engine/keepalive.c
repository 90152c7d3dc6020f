/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Every input restarts the interval timer, so pings leave only after an interval of silence;
 * anything authentic cancels the timeout, which the next ping arms again. Thus a dead server is
 * noticed between timeout and timeout + interval after its last frame (docs/protocol/session.md
 * §12).
 *
 * A REJECT is a hint that nobody signed: it must not end a connection, but it may make us ask
 * faster. While suspicious, pings go out every second and the answer is awaited for five. A second
 * passes before the next REJECT is listened to, so a storm of forged ones costs a ping a second.
 */

#include "lib/engine/keepalive.h"

#define SUSPICIOUS_INTERVAL SW_SECOND
#define SUSPICIOUS_TIMEOUT  (5 * SW_SECOND)

static sw_time earlier(sw_time a, sw_time b)
{
    return a < b ? a : b;
}

void sw_keepalive_init(struct sw_keepalive *k, sw_time interval, sw_time timeout, bool continuous)
{
    *k = (struct sw_keepalive){
        .interval = interval,
        .timeout = timeout,
        .continuous = continuous,
        .interval_at = SW_NEVER,
        .timeout_at = SW_NEVER,
    };
}

static void restart_interval(struct sw_keepalive *k, sw_time now)
{
    sw_time interval = k->suspicious ? earlier(k->interval, SUSPICIOUS_INTERVAL) : k->interval;
    k->interval_at = k->state == SW_KEEPALIVE_INACTIVE ? SW_NEVER : now + interval;
}

void sw_keepalive_online(struct sw_keepalive *k, sw_time now)
{
    if (k->continuous && k->state == SW_KEEPALIVE_INACTIVE) k->state = SW_KEEPALIVE_WAITING;
    restart_interval(k, now);
}

void sw_keepalive_activity(struct sw_keepalive *k, sw_time now)
{
    k->suspicious = false;
    k->timeout_at = SW_NEVER;
    restart_interval(k, now);
}

void sw_keepalive_reply(struct sw_keepalive *k, sw_time now)
{
    k->state = k->continuous ? SW_KEEPALIVE_WAITING : SW_KEEPALIVE_INACTIVE;
    sw_keepalive_activity(k, now);
}

static void ping(struct sw_keepalive *k, sw_time now)
{
    sw_time timeout = k->suspicious ? earlier(k->timeout, SUSPICIOUS_TIMEOUT) : k->timeout;

    k->state = SW_KEEPALIVE_PENDING;
    k->timeout_at = earlier(k->timeout_at, now + timeout);
    restart_interval(k, now);
}

bool sw_keepalive_ask(struct sw_keepalive *k, sw_time now)
{
    k->timeout_at = SW_NEVER;
    ping(k, now);
    return true;
}

void sw_keepalive_sent(struct sw_keepalive *k, sw_time now)
{
    if (k->state != SW_KEEPALIVE_INACTIVE) ping(k, now);
}

bool sw_keepalive_suspect(struct sw_keepalive *k, sw_time now)
{
    if (k->suspicious || now < k->deaf_until) return false;
    k->suspicious = true;
    k->deaf_until = now + SUSPICIOUS_INTERVAL;
    ping(k, now);
    return true;
}

enum sw_keepalive_action sw_keepalive_timer(struct sw_keepalive *k, sw_time now)
{
    if (k->timeout_at <= now) return SW_KEEPALIVE_GIVE_UP;
    if (k->interval_at > now) return SW_KEEPALIVE_NOTHING;
    ping(k, now);
    return SW_KEEPALIVE_PING;
}

sw_time sw_keepalive_deadline(const struct sw_keepalive *k)
{
    return earlier(k->interval_at, k->timeout_at);
}
