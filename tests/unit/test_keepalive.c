/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The client's keepalive, input by input (docs/protocol/session.md §12, docs/protocol/wire.md §10).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/engine/keepalive.h"

#define START    (100 * SW_SECOND)
#define INTERVAL (10 * SW_SECOND)
#define TIMEOUT  (60 * SW_SECOND)

static struct sw_keepalive online(bool continuous)
{
    struct sw_keepalive k;

    sw_keepalive_init(&k, INTERVAL, TIMEOUT, continuous);
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
    sw_keepalive_online(&k, START);
    return k;
}

static void test_pings_after_an_interval_of_silence(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    assert_true(sw_keepalive_deadline(&k) == START + INTERVAL);
    assert_int_equal(sw_keepalive_timer(&k, START + INTERVAL - 1), SW_KEEPALIVE_NOTHING);
    assert_int_equal(sw_keepalive_timer(&k, START + INTERVAL), SW_KEEPALIVE_PING);
    assert_true(sw_keepalive_deadline(&k) == START + 2 * INTERVAL);
}

static void test_activity_restarts_the_interval_and_cancels_the_timeout(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_activity(&k, START + 5 * SW_SECOND);
    assert_true(sw_keepalive_deadline(&k) == START + 15 * SW_SECOND);
    assert_int_equal(sw_keepalive_timer(&k, START + 15 * SW_SECOND), SW_KEEPALIVE_PING);
    assert_true(k.timeout_at == START + 15 * SW_SECOND + TIMEOUT);
    sw_keepalive_activity(&k, START + 16 * SW_SECOND);
    assert_true(k.timeout_at == SW_NEVER);
    assert_int_equal(k.state, SW_KEEPALIVE_PENDING);
}

static void test_gives_up_a_timeout_after_the_first_unanswered_ping(void **state)
{
    struct sw_keepalive k = online(true);
    sw_time now = START;
    unsigned pings = 0;

    (void)state;
    for (;;) {
        now = sw_keepalive_deadline(&k);
        enum sw_keepalive_action action = sw_keepalive_timer(&k, now);
        if (action == SW_KEEPALIVE_GIVE_UP) break;
        assert_int_equal(action, SW_KEEPALIVE_PING);
        pings++;
    }
    assert_true(now == START + INTERVAL + TIMEOUT);
    assert_int_equal(pings, 6);
}

static void test_a_reply_ends_waiting(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_timer(&k, START + INTERVAL);
    sw_keepalive_reply(&k, START + INTERVAL + 1);
    assert_int_equal(k.state, SW_KEEPALIVE_WAITING);
    assert_true(k.timeout_at == SW_NEVER);
    assert_true(sw_keepalive_deadline(&k) == START + 2 * INTERVAL + 1);
}

static void test_on_demand_is_silent_until_asked(void **state)
{
    struct sw_keepalive k = online(false);

    (void)state;
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
    sw_keepalive_activity(&k, START + 1);
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
    assert_true(sw_keepalive_ask(&k, START + 2));
    assert_true(sw_keepalive_deadline(&k) == START + 2 + INTERVAL);
    assert_true(k.timeout_at == START + 2 + TIMEOUT);
    sw_keepalive_reply(&k, START + 3);
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
}

static void test_asking_is_once_while_a_reply_is_outstanding(void **state)
{
    struct sw_keepalive k = online(false);

    (void)state;
    assert_true(sw_keepalive_ask(&k, START));
    assert_false(sw_keepalive_ask(&k, START + SW_SECOND));
    assert_true(k.timeout_at == START + TIMEOUT);
}

static void test_a_network_change_starts_the_timeout_over(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_timer(&k, START + INTERVAL);
    sw_keepalive_network_changed(&k, false, START + 2 * INTERVAL - 1);
    assert_true(k.timeout_at == START + 2 * INTERVAL - 1 + TIMEOUT);
    assert_true(k.interval_at == START + 3 * INTERVAL - 1);
}

/* The times of pings in milliseconds after a change, until it gives up. */
static void test_a_burst_follows_a_network_change(void **state)
{
    static const unsigned expected[] = {250,   750,   1750,  3750,  7750,
                                        15750, 25750, 35750, 45750, 55750};
    for (int continuous = 0; continuous < 2; continuous++) {
        struct sw_keepalive k = online(continuous);

        (void)state;
        sw_keepalive_network_changed(&k, true, START);
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
            assert_true(sw_keepalive_deadline(&k) == START + expected[i] * SW_MILLISECOND);
            assert_int_equal(sw_keepalive_timer(&k, sw_keepalive_deadline(&k)), SW_KEEPALIVE_PING);
        }
        assert_true(sw_keepalive_deadline(&k) == START + TIMEOUT);
        assert_int_equal(sw_keepalive_timer(&k, START + TIMEOUT), SW_KEEPALIVE_GIVE_UP);
    }
}

static void test_anything_authentic_ends_a_burst(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_network_changed(&k, true, START);
    sw_keepalive_timer(&k, START + 250 * SW_MILLISECOND);
    sw_keepalive_activity(&k, START + 300 * SW_MILLISECOND);
    assert_true(sw_keepalive_deadline(&k) == START + 300 * SW_MILLISECOND + INTERVAL);
}

static void test_a_burst_is_never_slower_than_the_interval(void **state)
{
    struct sw_keepalive k;

    (void)state;
    sw_keepalive_init(&k, 100 * SW_MILLISECOND, SW_MINUTE, true);
    sw_keepalive_online(&k, START);
    sw_keepalive_network_changed(&k, true, START);
    for (unsigned i = 1; i < 20; i++) {
        assert_true(sw_keepalive_deadline(&k) == START + i * 100 * SW_MILLISECOND);
        sw_keepalive_timer(&k, sw_keepalive_deadline(&k));
    }
}

/* Every input in every state: the next state, whether a ping goes out, whether the timeout runs. */
enum input { ONLINE, ACTIVITY, REPLY, CHANGE, TRACER, SUSPEND, INTERVAL_OVER, TIMEOUT_OVER };

static enum sw_keepalive_action give(struct sw_keepalive *k, enum input input, sw_time now)
{
    switch (input) {
    case ONLINE:
        sw_keepalive_online(k, now);
        break;
    case ACTIVITY:
        sw_keepalive_activity(k, now);
        break;
    case REPLY:
        sw_keepalive_reply(k, now);
        break;
    case CHANGE:
        sw_keepalive_network_changed(k, false, now);
        return SW_KEEPALIVE_PING;
    case TRACER:
        return sw_keepalive_ask(k, now) ? SW_KEEPALIVE_PING : SW_KEEPALIVE_NOTHING;
    case SUSPEND:
        sw_keepalive_suspend(k);
        break;
    case INTERVAL_OVER:
        return sw_keepalive_timer(k, now + INTERVAL);
    case TIMEOUT_OVER:
        return sw_keepalive_timer(k, now + TIMEOUT);
    }
    return SW_KEEPALIVE_NOTHING;
}

static void test_states(void **state)
{
    enum { INACTIVE = SW_KEEPALIVE_INACTIVE, WAITING, PENDING, SUSPENDED };
    enum { NOTHING = SW_KEEPALIVE_NOTHING, PING, GIVE_UP };
    enum { OFF, ON, ANY }; /* continuous; the timeout runs */
    static const struct {
        int continuous, from;
        enum input input;
        int to, action, timeout;
    } table[] = {
        {ON, INACTIVE, ONLINE, WAITING, NOTHING, OFF},
        {OFF, INACTIVE, ONLINE, INACTIVE, NOTHING, OFF},
        {ANY, INACTIVE, ACTIVITY, INACTIVE, NOTHING, OFF},
        {ANY, INACTIVE, CHANGE, PENDING, PING, ON},
        {ANY, INACTIVE, TRACER, PENDING, PING, ON},
        {ANY, INACTIVE, SUSPEND, SUSPENDED, NOTHING, OFF},
        {ANY, INACTIVE, INTERVAL_OVER, INACTIVE, NOTHING, OFF},
        {ON, WAITING, ONLINE, WAITING, NOTHING, OFF},
        {ON, WAITING, ACTIVITY, WAITING, NOTHING, OFF},
        {ON, WAITING, CHANGE, PENDING, PING, ON},
        {ON, WAITING, TRACER, PENDING, PING, ON},
        {ON, WAITING, SUSPEND, SUSPENDED, NOTHING, OFF},
        {ON, WAITING, INTERVAL_OVER, PENDING, PING, ON},
        {ANY, PENDING, ACTIVITY, PENDING, NOTHING, OFF},
        {ON, PENDING, REPLY, WAITING, NOTHING, OFF},
        {OFF, PENDING, REPLY, INACTIVE, NOTHING, OFF},
        {ANY, PENDING, CHANGE, PENDING, PING, ON},
        {ANY, PENDING, TRACER, PENDING, NOTHING, ON},
        {ANY, PENDING, SUSPEND, SUSPENDED, NOTHING, OFF},
        {ANY, PENDING, INTERVAL_OVER, PENDING, PING, ON},
        {ANY, PENDING, TIMEOUT_OVER, PENDING, GIVE_UP, ON},
        {ON, SUSPENDED, ONLINE, WAITING, NOTHING, OFF},
        {OFF, SUSPENDED, ONLINE, SUSPENDED, NOTHING, OFF},
        {ANY, SUSPENDED, ACTIVITY, SUSPENDED, NOTHING, OFF},
        {ON, SUSPENDED, REPLY, WAITING, NOTHING, OFF},
        {OFF, SUSPENDED, REPLY, INACTIVE, NOTHING, OFF},
        {ANY, SUSPENDED, CHANGE, PENDING, PING, ON},
        {ANY, SUSPENDED, TRACER, SUSPENDED, NOTHING, OFF},
        {ANY, SUSPENDED, SUSPEND, SUSPENDED, NOTHING, OFF},
        {ANY, SUSPENDED, INTERVAL_OVER, SUSPENDED, NOTHING, OFF},
        {ANY, SUSPENDED, TIMEOUT_OVER, SUSPENDED, NOTHING, OFF},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int continuous = 0; continuous < 2; continuous++) {
            struct sw_keepalive k;

            if (table[i].continuous != ANY && table[i].continuous != continuous) continue;
            sw_keepalive_init(&k, INTERVAL, TIMEOUT, continuous);
            if (table[i].from == WAITING) sw_keepalive_online(&k, START);
            if (table[i].from == PENDING) sw_keepalive_network_changed(&k, false, START);
            if (table[i].from == SUSPENDED) sw_keepalive_suspend(&k);
            assert_int_equal(k.state, table[i].from);
            int action = give(&k, table[i].input, START);
            if ((int)k.state != table[i].to || action != table[i].action ||
                (k.timeout_at != SW_NEVER) != table[i].timeout)
                fail_msg("row %zu, continuous %d: state %d, action %d, timeout %d", i, continuous,
                         k.state, action, k.timeout_at != SW_NEVER);
            assert_true((k.interval_at != SW_NEVER) ==
                        (k.state == SW_KEEPALIVE_WAITING || k.state == SW_KEEPALIVE_PENDING));
        }
    }
}

static void test_suspended_it_does_not_listen_to_rejects(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_suspend(&k);
    assert_false(sw_keepalive_suspect(&k, START + SW_SECOND));
    sw_keepalive_sent(&k, START + SW_SECOND);
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
}

static void test_suspicion_pings_every_second_and_gives_up_after_five(void **state)
{
    for (int continuous = 0; continuous < 2; continuous++) {
        struct sw_keepalive k = online(continuous);
        sw_time now = START + SW_SECOND;
        unsigned pings = 1;

        (void)state;
        assert_true(sw_keepalive_suspect(&k, now));
        assert_false(sw_keepalive_suspect(&k, now + 1));
        assert_true(sw_keepalive_deadline(&k) == now + SW_SECOND);
        for (;; pings++) {
            now = sw_keepalive_deadline(&k);
            if (sw_keepalive_timer(&k, now) == SW_KEEPALIVE_GIVE_UP) break;
        }
        assert_true(now == START + 6 * SW_SECOND);
        assert_int_equal(pings, 5);
    }
}

static void test_suspicion_shortens_a_timeout_that_runs(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_timer(&k, START + INTERVAL);
    sw_keepalive_suspect(&k, START + 12 * SW_SECOND);
    assert_true(k.timeout_at == START + 17 * SW_SECOND);
}

static void test_suspicion_never_lengthens_what_is_shorter(void **state)
{
    struct sw_keepalive k;

    (void)state;
    sw_keepalive_init(&k, SW_SECOND / 2, SW_SECOND, true);
    sw_keepalive_online(&k, START);
    sw_keepalive_suspect(&k, START);
    assert_true(k.timeout_at == START + SW_SECOND);
    assert_true(k.interval_at == START + SW_SECOND / 2);
}

static void test_anything_authentic_ends_suspicion(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_suspect(&k, START);
    sw_keepalive_activity(&k, START + 1);
    assert_true(k.timeout_at == SW_NEVER);
    assert_true(k.interval_at == START + 1 + INTERVAL);
}

static void test_one_suspicion_a_second(void **state)
{
    struct sw_keepalive k = online(true);
    unsigned asked = 0;

    (void)state;
    for (sw_time t = START; t < START + 10 * SW_SECOND; t += SW_MILLISECOND) {
        if (!sw_keepalive_suspect(&k, t)) continue;
        asked++;
        sw_keepalive_activity(&k, t + 1);
    }
    assert_int_equal(asked, 10);
}

static void test_a_ping_for_another_reason_counts_as_one(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_sent(&k, START + 4 * SW_SECOND);
    assert_int_equal(k.state, SW_KEEPALIVE_PENDING);
    assert_true(k.timeout_at == START + 4 * SW_SECOND + TIMEOUT);
    assert_int_equal(sw_keepalive_timer(&k, START + INTERVAL), SW_KEEPALIVE_NOTHING);
    sw_keepalive_sent(&k, START + INTERVAL);
    assert_true(k.timeout_at == START + 4 * SW_SECOND + TIMEOUT); /* since the first of them */
    assert_true(sw_keepalive_deadline(&k) == START + 2 * INTERVAL);
    assert_int_equal(sw_keepalive_timer(&k, START + 4 * SW_SECOND + TIMEOUT), SW_KEEPALIVE_GIVE_UP);

    k = online(false); /* on demand: nobody asked */
    sw_keepalive_sent(&k, START);
    assert_true(sw_keepalive_deadline(&k) == SW_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pings_after_an_interval_of_silence),
        cmocka_unit_test(test_activity_restarts_the_interval_and_cancels_the_timeout),
        cmocka_unit_test(test_gives_up_a_timeout_after_the_first_unanswered_ping),
        cmocka_unit_test(test_a_reply_ends_waiting),
        cmocka_unit_test(test_on_demand_is_silent_until_asked),
        cmocka_unit_test(test_asking_is_once_while_a_reply_is_outstanding),
        cmocka_unit_test(test_a_network_change_starts_the_timeout_over),
        cmocka_unit_test(test_a_burst_follows_a_network_change),
        cmocka_unit_test(test_anything_authentic_ends_a_burst),
        cmocka_unit_test(test_a_burst_is_never_slower_than_the_interval),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_suspended_it_does_not_listen_to_rejects),
        cmocka_unit_test(test_suspicion_pings_every_second_and_gives_up_after_five),
        cmocka_unit_test(test_suspicion_shortens_a_timeout_that_runs),
        cmocka_unit_test(test_suspicion_never_lengthens_what_is_shorter),
        cmocka_unit_test(test_anything_authentic_ends_suspicion),
        cmocka_unit_test(test_one_suspicion_a_second),
        cmocka_unit_test(test_a_ping_for_another_reason_counts_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
