/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Order, membership and removal in the intrusive list. */

#include "lib/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
    char name;
    struct sw_list link;
};

/** Names of the things in the list, forwards; the same backwards must agree. */
static const char *names(struct sw_list *list)
{
    static char text[16];
    size_t len = 0;
    struct thing *thing;
    SW_LIST_FOREACH (thing, list, link) {
        text[len++] = thing->name;
    }
    text[len] = '\0';
    for (struct sw_list *link = list->prev; link != list; link = link->prev) {
        assert_int_equal(SW_CONTAINER_OF(link, struct thing, link)->name, text[--len]);
    }
    assert_int_equal(len, 0);
    return text;
}

static void test_new_list_is_empty(void **state)
{
    (void)state;
    struct sw_list list;
    sw_list_init(&list);
    assert_true(sw_list_empty(&list));
    assert_string_equal(names(&list), "");
}

static void test_append_and_prepend_keep_order(void **state)
{
    (void)state;
    struct sw_list list;
    struct thing a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    sw_list_init(&list);
    sw_list_append(&list, &b.link);
    sw_list_append(&list, &c.link);
    sw_list_prepend(&list, &a.link);
    assert_false(sw_list_empty(&list));
    assert_string_equal(names(&list), "abc");
    assert_ptr_equal(SW_LIST_FIRST(&list, struct thing, link), &a);
    assert_ptr_equal(SW_LIST_LAST(&list, struct thing, link), &c);
}

static void test_removed_thing_is_in_no_list_and_can_join_again(void **state)
{
    (void)state;
    struct sw_list list;
    struct thing a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    sw_list_init(&list);
    sw_list_append(&list, &a.link);
    sw_list_append(&list, &b.link);
    sw_list_append(&list, &c.link);

    sw_list_remove(&b.link);
    assert_true(sw_list_empty(&b.link));
    assert_string_equal(names(&list), "ac");
    sw_list_remove(&b.link);
    assert_string_equal(names(&list), "ac");
    sw_list_append(&list, &b.link);
    assert_string_equal(names(&list), "acb");

    sw_list_remove(&a.link);
    sw_list_remove(&b.link);
    sw_list_remove(&c.link);
    assert_true(sw_list_empty(&list));
}

static void test_foreach_can_be_left_with_the_thing_found(void **state)
{
    (void)state;
    struct sw_list list;
    struct thing a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    struct thing *thing, *inner;
    sw_list_init(&list);
    sw_list_append(&list, &a.link);
    sw_list_append(&list, &b.link);
    sw_list_append(&list, &c.link);
    SW_LIST_FOREACH (thing, &list, link) {
        if (thing->name == 'b') break;
    }
    assert_ptr_equal(thing, &b);

    int pairs = 0;
    SW_LIST_FOREACH (thing, &list, link) {
        SW_LIST_FOREACH (inner, &list, link) {
            pairs += thing->name < inner->name;
        }
    }
    assert_int_equal(pairs, 3);
}

static void test_foreach_safe_may_free_what_it_is_at(void **state)
{
    (void)state;
    struct sw_list list;
    struct thing *thing;
    sw_list_init(&list);
    for (char name = 'a'; name <= 'f'; name++) {
        thing = malloc(sizeof *thing);
        assert_non_null(thing);
        thing->name = name;
        sw_list_append(&list, &thing->link);
    }
    SW_LIST_FOREACH_SAFE (thing, &list, link) {
        if (thing->name % 2 == 0) continue;
        sw_list_remove(&thing->link);
        memset(thing, 0xff, sizeof *thing);
        free(thing);
    }
    assert_string_equal(names(&list), "bdf");
    SW_LIST_FOREACH_SAFE (thing, &list, link) {
        sw_list_remove(&thing->link);
        free(thing);
    }
    assert_true(sw_list_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_list_is_empty),
        cmocka_unit_test(test_append_and_prepend_keep_order),
        cmocka_unit_test(test_removed_thing_is_in_no_list_and_can_join_again),
        cmocka_unit_test(test_foreach_can_be_left_with_the_thing_found),
        cmocka_unit_test(test_foreach_safe_may_free_what_it_is_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
