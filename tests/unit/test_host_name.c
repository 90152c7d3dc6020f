/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Names in certificates that are no fully qualified ones (lib/tls/host_name.h). */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/tls/host_name.h"

#define DNS   SW_HOST_NAME_DNS
#define IP    SW_HOST_NAME_ADDRESS
#define URI   SW_HOST_NAME_URI
#define OTHER SW_HOST_NAME_OTHER

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }
#define TEN_1   BYTES("\x0a\0\0\1")
#define TEN_2   BYTES("\x0a\0\0\2")
#define DB8_1   BYTES("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1")
#define MAPPED  BYTES("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1")
#define NOTHING BYTES("")

struct entry {
    enum sw_host_name_kind kind;
    struct sw_span bytes;
};

struct row {
    const char *asked;
    struct sw_span common_name;
    struct entry entries[3]; /* up to the first without bytes */
    bool carried;
};

static bool asked(const struct row *row)
{
    struct sw_host_name name;

    sw_host_name_ask(&name, row->asked);
    for (size_t i = 0; i < 3 && row->entries[i].bytes.data != NULL; i++)
        sw_host_name_alternative(&name, row->entries[i].kind, row->entries[i].bytes);
    return sw_host_name_carried(&name, row->common_name);
}

#define assert_rows(rows)                                                                          \
    for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++)                               \
        if (asked(&(rows)[i_]) != (rows)[i_].carried) fail_msg("row %zu: %s", i_, (rows)[i_].asked)

static void test_text_is_compared_whole(void **state)
{
    static const struct row rows[] = {
        {"server", BYTES("server"), {{0}}, true},
        {"Server", BYTES("sERVER"), {{0}}, true},
        {"server", BYTES("serve"), {{0}}, false},
        {"server", BYTES("server1"), {{0}}, false},
        {"server", BYTES("server\0"), {{0}}, false},
        {"server", BYTES("server\0.test"), {{0}}, false},
        {"server", BYTES("server."), {{0}}, false},
        {"server.", BYTES("server"), {{0}}, false},
        {"server.", BYTES("server."), {{0}}, true},
        {"server", NOTHING, {{0}}, false},
        {"My VPN 1", BYTES("my vpn 1"), {{0}}, true},
        {"m\xc3\xbcller", BYTES("M\xc3\xbcLLER"), {{0}}, true},
        {"m\xc3\xbcller", BYTES("m\xc3\x9cller"), {{0}}, false}, /* only ASCII has two cases */
        {"a[b", BYTES("a{b"), {{0}}, false},                     /* nor has every byte */
    };
    (void)state;
    assert_rows(rows);
}

static void test_nothing_is_a_wildcard(void **state)
{
    static const struct row rows[] = {
        {"server", BYTES("*"), {{0}}, false},
        {"server", BYTES("s*"), {{0}}, false},
        {"server", NOTHING, {{DNS, BYTES("*")}}, false},
        {"10.0.0.1", NOTHING, {{DNS, BYTES("*.0.0.1")}}, false},
        {"*", BYTES("server"), {{0}}, false},
        {"*", BYTES("*"), {{0}}, true},
    };
    (void)state;
    assert_rows(rows);
}

static void test_the_common_name_counts_where_there_are_no_other_names(void **state)
{
    static const struct row rows[] = {
        {"server", BYTES("server"), {{DNS, BYTES("other")}}, false},
        {"server", BYTES("server"), {{URI, BYTES("https://other")}}, false},
        {"server", BYTES("server"), {{IP, TEN_1}}, true},
        {"server", BYTES("server"), {{OTHER, BYTES("a@other")}}, true},
        {"server", BYTES("server"), {{IP, TEN_1}, {DNS, BYTES("other")}}, false},
        {"server", BYTES("x"), {{DNS, BYTES("a")}, {DNS, BYTES("SERVER")}, {IP, TEN_1}}, true},
        {"https://server", BYTES("x"), {{URI, BYTES("https://server")}}, false},
        {"a@server", BYTES("x"), {{OTHER, BYTES("a@server")}}, false},
        {"server", BYTES("server"), {{DNS, NOTHING}}, false}, /* it says that it is nobody */
    };
    (void)state;
    assert_rows(rows);
}

static void test_addresses_are_compared_by_value_or_as_text(void **state)
{
    static const struct row rows[] = {
        {"10.0.0.1", BYTES("x"), {{IP, TEN_1}}, true},
        {"10.0.0.2", BYTES("x"), {{IP, TEN_1}}, false},
        {"10.0.0.2", BYTES("x"), {{IP, TEN_1}, {IP, TEN_2}}, true},
        {"10.0.0.1", BYTES("x"), {{IP, MAPPED}}, false},
        {"10.0.0.1", BYTES("x"), {{IP, BYTES("\x0a\0\0")}}, false},
        {"10.0.0.1", BYTES("x"), {{OTHER, TEN_1}}, false},
        {"10.0.0.1", BYTES("x"), {{DNS, BYTES("other")}, {IP, TEN_1}}, true},
        {"10.0.0.1", BYTES("x"), {{DNS, BYTES("10.0.0.1")}}, true},
        {"10.0.0.1", BYTES("10.0.0.1"), {{0}}, true},
        {"10.0.0.1", BYTES("10.0.0.1"), {{IP, TEN_2}}, true},
        {"10.0.0.1", BYTES("10.0.0.1"), {{DNS, BYTES("other")}}, false},
        {"2001:db8::1", BYTES("x"), {{IP, DB8_1}}, true},
        {"2001:0DB8:0:0::0.0.0.1", BYTES("x"), {{IP, DB8_1}}, true},
        {"2001:db8::2", BYTES("x"), {{IP, DB8_1}}, false},
        {"2001:db8::1", BYTES("2001:DB8::1"), {{0}}, true},
        {"2001:db8:0::1", BYTES("2001:db8::1"), {{0}}, false},
        {"::ffff:10.0.0.1", BYTES("x"), {{IP, MAPPED}}, true},
        {"::ffff:10.0.0.1", BYTES("x"), {{IP, TEN_1}}, false},
        {"server", BYTES("x"), {{IP, NOTHING}}, false},
    };
    (void)state;
    assert_rows(rows);
}

static void test_addresses_are_read_in_every_form(void **state)
{
    static const struct {
        const char *text;
        struct sw_span bytes;
    } rows[] = {
        {"0.0.0.0", BYTES("\0\0\0\0")},
        {"255.255.255.255", BYTES("\xff\xff\xff\xff")},
        {"::", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"::1", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")},
        {"1::", BYTES("\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"1:2:3:4:5:6:7:8", BYTES("\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x8")},
        {"::2:3:4:5:6:7:8", BYTES("\0\0\0\2\0\3\0\4\0\5\0\6\0\7\0\x8")},
        {"1:2:3:4:5:6:7::", BYTES("\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0")},
        {"1:2:3:4:5:6:7.8.9.10", BYTES("\0\1\0\2\0\3\0\4\0\5\0\6\7\x8\x9\xa")},
        {"FE80::aBcD:0f", BYTES("\xfe\x80\0\0\0\0\0\0\0\0\0\0\xab\xcd\0\xf")},
        {"1::1.2.3.4", BYTES("\0\1\0\0\0\0\0\0\0\0\0\0\1\2\3\4")},
    };
    static const char *const text[] = {
        "10.0.0",
        "10.0.0.256",
        "10.0.0.01",
        "10.0.0.1.",
        "10.0.0.1000",
        "10.0.0.",
        ".0.0.1",
        "10..0.1",
        "0x0a.0.0.1",
        ":",
        ":::",
        "1:",
        ":1",
        "1:2",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "g::",
        "fe80::1%eth0",
        "[::1]",
        "::1 ",
        "1.2.3.4::",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4::5:6:7:8",
        "::1.2.3.4:5",
        "1:::2",
        "server",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sw_host_name name;
        sw_host_name_ask(&name, rows[i].text);
        assert_int_equal(name.address_len, rows[i].bytes.len);
        assert_memory_equal(name.address, rows[i].bytes.data, rows[i].bytes.len);
    }
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        struct sw_host_name name;
        sw_host_name_ask(&name, text[i]);
        if (name.address_len != 0) fail_msg("%s was taken for an address", text[i]);
    }
}

static void test_what_can_be_asked_for(void **state)
{
    char text[SW_HOST_NAME_MAX + 2];

    (void)state;
    memset(text, 'a', sizeof text);
    text[SW_HOST_NAME_MAX] = '\0';
    assert_true(sw_host_name_valid(text));
    text[SW_HOST_NAME_MAX] = 'a';
    text[SW_HOST_NAME_MAX + 1] = '\0';
    assert_false(sw_host_name_valid(text));
    assert_true(sw_host_name_valid("server"));
    assert_true(sw_host_name_valid("My VPN 1"));
    assert_true(sw_host_name_valid("m\xc3\xbcller"));
    assert_false(sw_host_name_valid(""));
    assert_false(sw_host_name_valid("m\xfcller"));
    assert_false(sw_host_name_valid("a\nb"));
    assert_false(sw_host_name_valid("a\x7f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_compared_whole),
        cmocka_unit_test(test_nothing_is_a_wildcard),
        cmocka_unit_test(test_the_common_name_counts_where_there_are_no_other_names),
        cmocka_unit_test(test_addresses_are_compared_by_value_or_as_text),
        cmocka_unit_test(test_addresses_are_read_in_every_form),
        cmocka_unit_test(test_what_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
