/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Every error code has a text of its own. */

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const enum sw_error codes[] = {
    SW_OK,        SW_EAGAIN,     SW_EPENDING,  SW_EINVAL,        SW_ENOMEM,     SW_EFULL,
    SW_ESHORT,    SW_EMAGIC,     SW_EVERSION,  SW_EKIND,         SW_EENUM,      SW_EUTF8,
    SW_ETOOLARGE, SW_EBOOL,      SW_EADDRESS,  SW_EPACKET,       SW_EVNET,      SW_EOVERSIZE,
    SW_ESTATE,    SW_EMODE,      SW_ETIMEOUT,  SW_EUNAUTHORISED, SW_EDENIED,    SW_EGOODBYE,
    SW_ECLOSED,   SW_ENOADDRESS, SW_EREJECTED, SW_ENOCODEC,      SW_ETRANSPORT, SW_EFRAGMENT,
    SW_EEXPIRED,  SW_ETLS,       SW_ETLSFATAL, SW_ECERT,         SW_ENAME,      SW_EPEERCLOSED,
};

static const size_t count = sizeof codes / sizeof codes[0];

static void test_every_code_has_its_own_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *text = sw_strerror(codes[i]);
        assert_string_not_equal(text, "unknown error");
        assert_true(strlen(text) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, sw_strerror(codes[j]));
        }
    }
}

static void test_texts_fit_behind_a_colon(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *text = sw_strerror(codes[i]);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        assert_null(strchr(text, '\n'));
    }
}

static void test_other_numbers_are_unknown(void **state)
{
    (void)state;
    const int others[] = {1, 64, -3, -9, -13, -19, -32, -59, -65, -1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_string_equal(sw_strerror(others[i]), "unknown error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_its_own_text),
        cmocka_unit_test(test_texts_fit_behind_a_colon),
        cmocka_unit_test(test_other_numbers_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
