/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What the client exits with (client/exit_status.h, slipway-client(8)). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <slipway/error.h>

#include "client/exit_status.h"

static void test_numbers_are_an_interface(void **state)
{
    (void)state;
    assert_int_equal(SW_EXIT_STOPPED, 0);
    assert_int_equal(SW_EXIT_SETUP, 1);
    assert_int_equal(SW_EXIT_LOGIN, 3);
    assert_int_equal(SW_EXIT_UNREACHABLE, 4);
    assert_int_equal(SW_EXIT_NAME, 5);
    assert_int_equal(SW_EXIT_CERTIFICATE, 6);
    assert_int_equal(SW_EXIT_SILENT, 7);
    assert_int_equal(SW_EXIT_GOODBYE, 8);
    assert_int_equal(SW_EXIT_HOST, 9);
    assert_int_equal(SW_EXIT_CONNECTION, 10);
}

static void test_status_of_an_error(void **state)
{
    static const struct {
        int error;
        enum sw_client_exit before, after; /* Online */
    } table[] = {
        {SW_EUNAUTHORISED, SW_EXIT_LOGIN, SW_EXIT_LOGIN},
        {SW_ECERT, SW_EXIT_CERTIFICATE, SW_EXIT_CERTIFICATE},
        {SW_ENAME, SW_EXIT_CERTIFICATE, SW_EXIT_CERTIFICATE},
        {SW_EGOODBYE, SW_EXIT_CONNECTION, SW_EXIT_GOODBYE},
        {SW_EPEERCLOSED, SW_EXIT_CONNECTION, SW_EXIT_GOODBYE},
        {SW_ETIMEOUT, SW_EXIT_UNREACHABLE, SW_EXIT_SILENT},
        {SW_ETLSFATAL, SW_EXIT_CONNECTION, SW_EXIT_CONNECTION},
        {SW_ENOMEM, SW_EXIT_CONNECTION, SW_EXIT_CONNECTION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(sw_exit_of_error(table[i].error, false), table[i].before);
        assert_int_equal(sw_exit_of_error(table[i].error, true), table[i].after);
    }
}

static void test_the_more_telling_one_wins_from_either_side(void **state)
{
    static const enum sw_client_exit order[] = {SW_EXIT_SETUP,       SW_EXIT_NAME,
                                                SW_EXIT_UNREACHABLE, SW_EXIT_CONNECTION,
                                                SW_EXIT_CERTIFICATE, SW_EXIT_LOGIN};
    enum { N = sizeof order / sizeof order[0] };
    (void)state;
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++)
            assert_int_equal(sw_exit_more_telling(order[i], order[j]), order[i > j ? i : j]);
    }
}

static void test_what_may_pass_by_itself(void **state)
{
    static const bool passing[] = {
        [SW_EXIT_UNREACHABLE] = true, [SW_EXIT_NAME] = true,       [SW_EXIT_SILENT] = true,
        [SW_EXIT_GOODBYE] = true,     [SW_EXIT_CONNECTION] = true,
    };
    (void)state;
    for (int status = 0; status <= SW_EXIT_CONNECTION; status++)
        assert_int_equal(sw_exit_is_passing((enum sw_client_exit)status), passing[status]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_an_interface),
        cmocka_unit_test(test_status_of_an_error),
        cmocka_unit_test(test_the_more_telling_one_wins_from_either_side),
        cmocka_unit_test(test_what_may_pass_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
