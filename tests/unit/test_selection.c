/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Which of several servers is chosen (client/selection.h). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/selection.h"

/* One letter per server: t trying, o online, f failed. */
static int chosen(const char *letters, bool time_is_up)
{
    enum sw_contender contenders[8];
    size_t n = strlen(letters);
    for (size_t i = 0; i < n; i++)
        contenders[i] = letters[i] == 'o'   ? SW_CONTENDER_ONLINE
                        : letters[i] == 'f' ? SW_CONTENDER_FAILED
                                            : SW_CONTENDER_TRYING;
    return sw_select(contenders, n, time_is_up);
}

static void test_selection(void **state)
{
    enum { WAIT = SW_SELECT_WAIT, NONE = SW_SELECT_NONE };
    static const struct {
        const char *contenders;
        int before, after; /* the interval is over */
    } table[] = {
        {"t", WAIT, WAIT},   {"o", 0, 0},           {"f", NONE, NONE},
        {"ttt", WAIT, WAIT}, {"ott", 0, 0},         {"ooo", 0, 0},
        {"oft", 0, 0},       {"tot", WAIT, 1},      {"tto", WAIT, 2},
        {"too", WAIT, 1},    {"tfo", WAIT, 2},      {"fot", 1, 1},
        {"fto", WAIT, 2},    {"ffo", 2, 2},         {"ftt", WAIT, WAIT},
        {"tff", WAIT, WAIT}, {"fff", NONE, NONE},   {"ffffffff", NONE, NONE},
        {"fffffffo", 7, 7},  {"tffffffo", WAIT, 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (chosen(table[i].contenders, false) != table[i].before ||
            chosen(table[i].contenders, true) != table[i].after)
            fail_msg("%s: %d before, %d after", table[i].contenders,
                     chosen(table[i].contenders, false), chosen(table[i].contenders, true));
    }
}

static void test_of_no_server_none_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(sw_select(NULL, 0, false), SW_SELECT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_of_no_server_none_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
