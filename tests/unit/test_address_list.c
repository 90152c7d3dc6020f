/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The order in which the addresses of a name are tried (client/address_list.h, RFC 8305). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/address_list.h"
#include "host/address.h"

/* "4a 6b": an IPv4 address ending in a, an IPv6 address ending in b, u: of a family of its own. */
static const char *order(const char *words)
{
    static struct addrinfo nodes[64];
    static struct sockaddr_storage sockets[64];
    static char text[256];
    struct sw_address_list list;
    size_t n = 0;
    for (const char *w = words; *w != '\0'; w += w[2] == ' ' ? 3 : 2, n++) {
        struct sw_address address = {.family = (uint8_t)(w[0] - '0'), .port = 1};
        address.ip[address.family == 4 ? 3 : 15] = (uint8_t)w[1];
        address.ip[0] = 32;
        if (w[0] == 'u') {
            sockets[n].ss_family = AF_UNIX;
        } else {
            sw_address_to_sockaddr(&address, sw_address_family(&address), &sockets[n]);
        }
        nodes[n] = (struct addrinfo){.ai_addr = (struct sockaddr *)&sockets[n]};
        if (n > 0) nodes[n - 1].ai_next = &nodes[n];
    }
    sw_address_list_take(&list, n > 0 ? nodes : NULL);
    text[0] = '\0';
    for (size_t i = 0; i < list.n; i++) {
        const struct sw_address *address = &list.entries[i];
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%u%c", i > 0 ? " " : "", address->family,
                 address->ip[address->family == 4 ? 3 : 15]);
    }
    return text;
}

static void test_families_alternate_from_the_first(void **state)
{
    (void)state;
    assert_string_equal(order("6a 6b 6c 4d 4e"), "6a 4d 6b 4e 6c");
    assert_string_equal(order("4a 4b 4c 6d"), "4a 6d 4b 4c");
    assert_string_equal(order("4a 6b 4c 6d"), "4a 6b 4c 6d");
}

static void test_one_family_keeps_its_order(void **state)
{
    (void)state;
    assert_string_equal(order("4c 4a 4b"), "4c 4a 4b");
    assert_string_equal(order("6a"), "6a");
    assert_string_equal(order(""), "");
}

static void test_what_is_there_twice_is_tried_once(void **state)
{
    (void)state;
    assert_string_equal(order("4a 4a 4b 6c 6c 4a"), "4a 6c 4b");
}

static void test_other_families_are_passed_over(void **state)
{
    (void)state;
    assert_string_equal(order("ux 6a ux 4b ux"), "6a 4b");
    assert_string_equal(order("ux"), "");
}

static void test_the_list_has_an_end(void **state)
{
    char words[3 * 40 + 1] = "";
    (void)state;
    for (int i = 0; i < 40; i++) {
        const char word[] = {'4', (char)('A' + i), ' ', '\0'};
        strcat(words, word);
    }
    words[strlen(words) - 1] = '\0';
    assert_int_equal(strlen(order(words)), 3 * SW_ADDRESS_LIST_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_alternate_from_the_first),
        cmocka_unit_test(test_one_family_keeps_its_order),
        cmocka_unit_test(test_what_is_there_twice_is_tried_once),
        cmocka_unit_test(test_other_families_are_passed_over),
        cmocka_unit_test(test_the_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
