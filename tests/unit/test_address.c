/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Addresses between library, kernel and text: host/address.h. */

#include "host/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sw_address parse6(const char *text, uint16_t port, uint32_t scope)
{
    struct in6_addr ip;
    assert_int_equal(inet_pton(AF_INET6, text, &ip), 1);
    return sw_address_from_in6(&ip, port, scope);
}

static struct sw_address parse4(const char *text, uint16_t port)
{
    struct in_addr ip;
    assert_int_equal(inet_pton(AF_INET, text, &ip), 1);
    return sw_address_from_in(ip, port);
}

static void assert_text(const struct sw_address *address, const char *expected)
{
    char text[SW_ADDRESS_TEXT];
    assert_string_equal(sw_address_text(address, text), expected);
}

static void test_text(void **state)
{
    char text[SW_ADDRESS_TEXT];
    struct sw_address none = {0};
    struct sw_address v4 = parse4("192.0.2.1", 27690);
    struct sw_address v6 = parse6("2001:db8::1", 27690, 7);
    struct sw_address local = parse6("fe80::1", 1, 2);
    assert_text(&none, "none");
    assert_text(&v4, "192.0.2.1:27690");
    assert_text(&v6, "[2001:db8::1]:27690"); /* a scope counts for link-local addresses only */
    assert_text(&local, "[fe80::1%2]:1");
    assert_string_equal(sw_address_host_text(&local, text), "fe80::1%2");
    assert_string_equal(sw_ipv4_text(UINT32_C(0x0a7d0001), text), "10.125.0.1");
}

static void test_longest_text_fits(void **state)
{
    struct sw_address a = parse6("fe80:1111:2222:3333:4444:5555:6666:7777", 65535, UINT32_MAX);
    assert_text(&a, "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
}

static void test_session_text(void **state)
{
    char text[SW_SESSION_TEXT];
    struct sw_session_id session = {{0x00, 0x01, 0xab, 0xff, 0x10, 0x9c, 0x7f, 0x80}};
    assert_string_equal(sw_session_text(session, text), "0001abff109c7f80");
}

static void test_mapped_address_becomes_ipv4(void **state)
{
    struct sw_address mapped = parse6("::ffff:192.0.2.1", 5, 0);
    struct sw_address v4 = parse4("192.0.2.1", 5);
    assert_memory_equal(&mapped, &v4, sizeof v4);
}

static void test_sockaddr_of_either_family_and_back(void **state)
{
    const struct sw_address all[] = {parse4("198.51.100.7", 1234), parse6("2001:db8::7", 99, 0),
                                     parse6("fe80::7", 99, 3)};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct sockaddr_storage kernel;
        struct sw_address back;
        socklen_t len = sw_address_to_sockaddr(&all[i], sw_address_family(&all[i]), &kernel);
        assert_int_equal(len, all[i].family == 4 ? sizeof(struct sockaddr_in)
                                                 : sizeof(struct sockaddr_in6));
        assert_int_equal(sw_address_from_sockaddr(&back, (struct sockaddr *)&kernel), 0);
        assert_memory_equal(&back, &all[i], sizeof back);
    }
}

static void test_ipv6_socket_takes_ipv4_in_mapped_form(void **state)
{
    struct sw_address v4 = parse4("192.0.2.1", 80);
    struct sockaddr_storage kernel;
    struct sockaddr_in6 v6;
    char text[INET6_ADDRSTRLEN];
    assert_int_equal(sw_address_to_sockaddr(&v4, AF_INET6, &kernel), sizeof v6);
    memcpy(&v6, &kernel, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    assert_string_equal(text, "::ffff:192.0.2.1");
    assert_int_equal(ntohs(v6.sin6_port), 80);
}

static void test_socket_that_cannot_speak_to_the_address(void **state)
{
    struct sockaddr_storage kernel;
    struct sw_address v6 = parse6("2001:db8::1", 1, 0), none = {0};
    assert_int_equal(sw_address_to_sockaddr(&v6, AF_INET, &kernel), 0);
    assert_int_equal(sw_address_to_sockaddr(&none, AF_INET, &kernel), 0);
    assert_int_equal(sw_address_to_sockaddr(&none, AF_INET6, &kernel), 0);
}

static void test_foreign_family_is_refused(void **state)
{
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct sw_address out;
    assert_int_equal(sw_address_from_sockaddr(&out, &local), SW_EINVAL);
    assert_int_equal(out.family, 0);
}

static void test_any_and_same_host(void **state)
{
    struct sw_address none = {0}, any4 = parse4("0.0.0.0", 27690), any6 = parse6("::", 1, 0);
    struct sw_address a = parse4("192.0.2.1", 1), b = parse4("192.0.2.1", 2);
    struct sw_address c = parse4("192.0.2.2", 1), d = parse6("fe80::1", 1, 1),
                      e = parse6("fe80::1", 1, 2);
    assert_true(sw_address_is_any(&none));
    assert_true(sw_address_is_any(&any4));
    assert_true(sw_address_is_any(&any6));
    assert_false(sw_address_is_any(&a));
    assert_true(sw_address_same_host(&a, &b));
    assert_false(sw_address_same_host(&a, &c));
    assert_false(sw_address_same_host(&d, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_longest_text_fits),
        cmocka_unit_test(test_session_text),
        cmocka_unit_test(test_mapped_address_becomes_ipv4),
        cmocka_unit_test(test_sockaddr_of_either_family_and_back),
        cmocka_unit_test(test_ipv6_socket_takes_ipv4_in_mapped_form),
        cmocka_unit_test(test_socket_that_cannot_speak_to_the_address),
        cmocka_unit_test(test_foreign_family_is_refused),
        cmocka_unit_test(test_any_and_same_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
