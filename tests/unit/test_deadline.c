/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The heap of deadlines, against a plain search for the earliest. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/engine/deadline.h"
#include "tests/unit/random.h"

#define ENTRIES 300

static void test_an_empty_heap_has_no_first(void **state)
{
    struct sw_deadlines d = {0};

    (void)state;
    assert_null(sw_deadlines_first(&d));
    sw_deadlines_release(&d);
}

static void test_an_entry_joins_without_a_deadline(void **state)
{
    struct sw_deadlines d = {0};
    struct sw_deadline a = {.at = 5}, b = {.at = 6};

    (void)state;
    assert_int_equal(sw_deadlines_add(&d, &a), 0);
    assert_true(a.at == SW_NEVER);
    sw_deadlines_add(&d, &b);
    sw_deadlines_set(&d, &b, 100);
    assert_ptr_equal(sw_deadlines_first(&d), &b);
    sw_deadlines_set(&d, &a, 99);
    assert_ptr_equal(sw_deadlines_first(&d), &a);
    sw_deadlines_remove(&d, &a);
    assert_ptr_equal(sw_deadlines_first(&d), &b);
    sw_deadlines_remove(&d, &b);
    assert_null(sw_deadlines_first(&d));
    sw_deadlines_release(&d);
}

/* The heap property and the back pointers, and that the first is the earliest. */
static void check(const struct sw_deadlines *d, const struct sw_deadline *entries, const bool *in)
{
    const struct sw_deadline *first = sw_deadlines_first(d);
    size_t count = 0;

    for (size_t i = 0; i < ENTRIES; i++) {
        if (!in[i]) continue;
        count++;
        assert_non_null(first);
        assert_true(first->at <= entries[i].at);
        assert_true(entries[i].index < d->count);
        assert_ptr_equal(d->heap[entries[i].index], &entries[i]);
    }
    assert_int_equal(d->count, count);
    for (size_t i = 1; i < d->count; i++)
        assert_true(d->heap[(i - 1) / 2]->at <= d->heap[i]->at);
}

static void test_the_earliest_is_first_whatever_happens(void **state)
{
    static struct sw_deadline entries[ENTRIES];
    static bool in[ENTRIES];
    struct sw_deadlines d = {0};
    uint64_t seed = 1;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        size_t i = random_below(&seed, ENTRIES);
        if (!in[i]) {
            assert_int_equal(sw_deadlines_add(&d, &entries[i]), 0);
            in[i] = true;
        } else if (random_below(&seed, 4) == 0) {
            sw_deadlines_remove(&d, &entries[i]);
            in[i] = false;
        } else {
            sw_time at = random_below(&seed, 10) == 0 ? SW_NEVER : random_below(&seed, 1000);
            sw_deadlines_set(&d, &entries[i], at);
        }
        if (step % 16 == 0) check(&d, entries, in);
    }
    check(&d, entries, in);
    sw_deadlines_release(&d);
}

static void test_entries_leave_in_order(void **state)
{
    static struct sw_deadline entries[ENTRIES];
    struct sw_deadlines d = {0};
    uint64_t seed = 2;
    sw_time last = 0;

    (void)state;
    for (size_t i = 0; i < ENTRIES; i++) {
        sw_deadlines_add(&d, &entries[i]);
        sw_deadlines_set(&d, &entries[i], random_u64(&seed) >> 1);
    }
    for (size_t i = 0; i < ENTRIES; i++) {
        struct sw_deadline *first = sw_deadlines_first(&d);
        assert_true(first->at >= last);
        last = first->at;
        sw_deadlines_remove(&d, first);
    }
    assert_null(sw_deadlines_first(&d));
    sw_deadlines_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_heap_has_no_first),
        cmocka_unit_test(test_an_entry_joins_without_a_deadline),
        cmocka_unit_test(test_the_earliest_is_first_whatever_happens),
        cmocka_unit_test(test_entries_leave_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
