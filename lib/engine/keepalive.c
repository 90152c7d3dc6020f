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
 *
 * After a change of the network the server should learn the new address soon, but neighbours and
 * routes may need a moment, and the first ping is easily lost: it is followed by others, each twice
 * as long after the one before, until something comes or the regular interval is reached.
 */

#include "lib/engine/keepalive.h"

#define SUSPICIOUS_INTERVAL SW_SECOND
#define SUSPICIOUS_TIMEOUT  (5 * SW_SECOND)
#define BURST_FIRST         (250 * SW_MILLISECOND)

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
    bool silent = k->state == SW_KEEPALIVE_INACTIVE || k->state == SW_KEEPALIVE_SUSPENDED;
    sw_time interval = k->suspicious ? earlier(k->interval, SUSPICIOUS_INTERVAL) : k->interval;
    if (k->burst != 0) interval = earlier(interval, k->burst);
    k->interval_at = silent ? SW_NEVER : now + interval;
}

void sw_keepalive_online(struct sw_keepalive *k, sw_time now)
{
    bool silent = k->state == SW_KEEPALIVE_INACTIVE || k->state == SW_KEEPALIVE_SUSPENDED;
    if (k->continuous && silent) k->state = SW_KEEPALIVE_WAITING;
    restart_interval(k, now);
}

void sw_keepalive_activity(struct sw_keepalive *k, sw_time now)
{
    k->suspicious = false;
    k->burst = 0;
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
    if (k->state == SW_KEEPALIVE_PENDING || k->state == SW_KEEPALIVE_SUSPENDED) return false;
    ping(k, now);
    return true;
}

void sw_keepalive_network_changed(struct sw_keepalive *k, bool burst, sw_time now)
{
    k->timeout_at = SW_NEVER;
    if (burst) k->burst = BURST_FIRST;
    ping(k, now);
}

void sw_keepalive_suspend(struct sw_keepalive *k)
{
    k->state = SW_KEEPALIVE_SUSPENDED;
    k->suspicious = false;
    k->burst = 0;
    k->interval_at = k->timeout_at = SW_NEVER;
}

void sw_keepalive_sent(struct sw_keepalive *k, sw_time now)
{
    if (k->state != SW_KEEPALIVE_INACTIVE && k->state != SW_KEEPALIVE_SUSPENDED) ping(k, now);
}

bool sw_keepalive_suspect(struct sw_keepalive *k, sw_time now)
{
    if (k->suspicious || now < k->deaf_until || k->state == SW_KEEPALIVE_SUSPENDED) return false;
    k->suspicious = true;
    k->deaf_until = now + SUSPICIOUS_INTERVAL;
    ping(k, now);
    return true;
}

enum sw_keepalive_action sw_keepalive_timer(struct sw_keepalive *k, sw_time now)
{
    if (k->timeout_at <= now) return SW_KEEPALIVE_GIVE_UP;
    if (k->interval_at > now) return SW_KEEPALIVE_NOTHING;
    k->burst = k->burst < k->interval ? k->burst * 2 : 0;
    ping(k, now);
    return SW_KEEPALIVE_PING;
}

sw_time sw_keepalive_deadline(const struct sw_keepalive *k)
{
    return earlier(k->interval_at, k->timeout_at);
}
