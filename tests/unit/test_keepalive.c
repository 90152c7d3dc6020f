/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The client's keepalive, input by input (docs/protocol/session.md §12, docs/protocol/wire.md §10).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

static void test_asking_starts_the_timeout_over(void **state)
{
    struct sw_keepalive k = online(true);

    (void)state;
    sw_keepalive_timer(&k, START + INTERVAL);
    assert_true(sw_keepalive_ask(&k, START + 2 * INTERVAL - 1));
    assert_true(k.timeout_at == START + 2 * INTERVAL - 1 + TIMEOUT);
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
        cmocka_unit_test(test_asking_starts_the_timeout_over),
        cmocka_unit_test(test_suspicion_pings_every_second_and_gives_up_after_five),
        cmocka_unit_test(test_suspicion_shortens_a_timeout_that_runs),
        cmocka_unit_test(test_suspicion_never_lengthens_what_is_shorter),
        cmocka_unit_test(test_anything_authentic_ends_suspicion),
        cmocka_unit_test(test_one_suspicion_a_second),
        cmocka_unit_test(test_a_ping_for_another_reason_counts_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
