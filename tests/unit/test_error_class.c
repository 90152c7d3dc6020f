/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The table of docs/protocol/session.md §21, error by error. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/engine/conn.h"

static const int fatal[] = {
    SW_ETIMEOUT,   SW_EUNAUTHORISED, SW_EDENIED,  SW_EGOODBYE, SW_ECLOSED,   SW_EMODE,
    SW_ETRANSPORT, SW_ENOADDRESS,    SW_EADDRESS, SW_ENOCODEC, SW_ETLSFATAL, SW_EPEERCLOSED,
    SW_ECERT,      SW_ENAME,         SW_EENUM,    SW_EUTF8,    SW_ETOOLARGE, SW_EBOOL,
};

static const int survived[] = {
    SW_ESTATE,  SW_ETLS,   SW_EKIND,     SW_ESHORT, SW_EVERSION,  SW_EMAGIC,
    SW_EPACKET, SW_EAGAIN, SW_EREJECTED, SW_EVNET,  SW_EOVERSIZE, SW_EFRAGMENT,
};

static void test_what_ends_a_datagram_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        if (!sw_error_is_fatal(SW_DATAGRAM, fatal[i])) fail_msg("%s", sw_strerror(fatal[i]));
}

static void test_what_does_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof survived / sizeof survived[0]; i++)
        if (sw_error_is_fatal(SW_DATAGRAM, survived[i])) fail_msg("%s", sw_strerror(survived[i]));
}

static void test_every_error_ends_a_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        assert_true(sw_error_is_fatal(SW_STREAM, fatal[i]));
    for (size_t i = 0; i < sizeof survived / sizeof survived[0]; i++)
        assert_true(sw_error_is_fatal(SW_STREAM, survived[i]));
}

static void test_success_ends_nothing(void **state)
{
    (void)state;
    assert_false(sw_error_is_fatal(SW_STREAM, 0));
    assert_false(sw_error_is_fatal(SW_DATAGRAM, 0));
    assert_false(sw_error_is_fatal(SW_STREAM, 7));
}

static void test_states_have_names(void **state)
{
    (void)state;
    assert_string_equal(sw_state_name(SW_STATE_ONLINE), "Online");
    assert_string_equal(sw_state_name(SW_STATE_LINK_UP), "LinkUp");
    assert_string_equal(sw_state_name(SW_STATE_DISCONNECTED), "Disconnected");
    assert_string_equal(sw_state_name((enum sw_state)0), "unknown");
    assert_string_equal(sw_state_name((enum sw_state)3), "unknown");
    assert_string_equal(sw_state_name((enum sw_state)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ends_a_datagram_connection),
        cmocka_unit_test(test_what_does_not),
        cmocka_unit_test(test_every_error_ends_a_stream),
        cmocka_unit_test(test_success_ends_nothing),
        cmocka_unit_test(test_states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
