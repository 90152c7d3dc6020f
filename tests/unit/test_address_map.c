/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Parts of the pool by incoming address: host/address_map.h. */

#include "host/address_map.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define POOL UINT32_C(0x0a7d0000) /* 10.125.0.0 */

static const struct sw_ipv4_net pool = {.prefix = 16};

static struct sw_address address(const char *text)
{
    struct sw_address out = {0};
    out.family = strchr(text, ':') != NULL ? 6 : 4;
    assert_int_equal(inet_pton(out.family == 6 ? AF_INET6 : AF_INET, text, out.ip), 1);
    return out;
}

static struct sw_ip_map_entry entry(const char *incoming, uint32_t first, uint8_t prefix)
{
    return (struct sw_ip_map_entry){
        .incoming = address(incoming),
        .net = {.address = {.s_addr = htonl(POOL + first)}, .prefix = prefix},
    };
}

static struct sw_address_map *make(const struct sw_ip_map_entry *entries, size_t n, char why[256])
{
    struct sw_ipv4_net net = pool;
    net.address.s_addr = htonl(POOL);
    why[0] = '\0';
    return sw_address_map_new(entries, n, &net, why, 256);
}

static unsigned part(const struct sw_address_map *map, const char *incoming)
{
    struct sw_address from = address(incoming);
    return sw_address_map_part(map, &from);
}

static void test_parts_are_found_by_either_end(void **state)
{
    const struct sw_ip_map_entry entries[] = {
        entry("192.0.2.9", 0x300, 24),
        entry("2001:db8::1", 0x10, 28),
        entry("192.0.2.1", 0x8000, 17),
    };
    char why[256];
    struct sw_address_map *map = make(entries, 3, why);
    uint32_t first, last;

    assert_int_equal(sw_address_map_parts(map), 3);
    assert_int_equal(part(map, "2001:db8::1"), 1);
    assert_int_equal(part(map, "192.0.2.9"), 2);
    assert_int_equal(part(map, "192.0.2.1"), 3);
    assert_int_equal(part(map, "192.0.2.2"), 0);
    assert_int_equal(part(map, "2001:db8::2"), 0);
    sw_address_map_range(map, 2, &first, &last);
    assert_int_equal(first, POOL + 0x300);
    assert_int_equal(last, POOL + 0x3ff);
    const struct {
        uint32_t ip;
        unsigned part;
    } inside[] = {{0, 0},      {0xf, 0},    {0x10, 1},   {0x1f, 1},  {0x20, 0},
                  {0x2ff, 0},  {0x300, 2},  {0x3ff, 2},  {0x400, 0}, {0x7fff, 0},
                  {0x8000, 3}, {0xffff, 3}, {0x10000, 0}};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        assert_int_equal(sw_address_map_part_of(map, POOL + inside[i].ip), inside[i].part);
    sw_address_map_free(map);
}

static void test_port_and_scope_do_not_matter(void **state)
{
    const struct sw_ip_map_entry entries[] = {entry("fe80::1", 0, 24)};
    char why[256];
    struct sw_address_map *map = make(entries, 1, why);
    struct sw_address from = address("fe80::1");
    from.port = 27690;
    from.scope = 3;
    assert_int_equal(sw_address_map_part(map, &from), 1);
    sw_address_map_free(map);
}

static void test_mapped_ipv6_address_is_the_ipv4_one(void **state)
{
    const struct sw_ip_map_entry entries[] = {entry("::ffff:192.0.2.1", 0, 24)};
    char why[256];
    struct sw_address_map *map = make(entries, 1, why);
    assert_int_equal(part(map, "192.0.2.1"), 1);
    sw_address_map_free(map);
}

static void test_addresses_share_the_same_network(void **state)
{
    const struct sw_ip_map_entry entries[] = {
        entry("192.0.2.1", 0x100, 24),
        entry("2001:db8::1", 0x100, 24),
        entry("::ffff:192.0.2.1", 0x100, 24),
    };
    char why[256];
    struct sw_address_map *map = make(entries, 3, why);
    assert_int_equal(sw_address_map_parts(map), 1);
    assert_int_equal(part(map, "192.0.2.1"), 1);
    assert_int_equal(part(map, "2001:db8::1"), 1);
    sw_address_map_free(map);
}

static void test_mistakes_are_refused(void **state)
{
    const struct {
        struct sw_ip_map_entry entries[2];
        const char *why;
    } cases[] = {
        {{entry("192.0.2.1", 0x100, 24), entry("192.0.2.2", 0x180, 25)},
         "10.125.1.0/24 and 10.125.1.128/25 overlap"},
        {{entry("192.0.2.1", 0x180, 25), entry("192.0.2.2", 0x100, 24)},
         "10.125.1.0/24 and 10.125.1.128/25 overlap"},
        {{entry("192.0.2.1", 0x100, 24), entry("192.0.2.2", 0x100, 25)},
         "10.125.1.0/25 and 10.125.1.0/24 overlap"},
        {{entry("192.0.2.1", 0x100, 24), entry("192.0.2.2", 0x10000, 24)},
         "10.126.0.0/24 is not part of ip_pool, which is 10.125.0.0/16"},
        {{entry("192.0.2.1", 0x100, 24), {address("192.0.2.2"), {{0}, 0}}},
         "0.0.0.0/0 is not part of ip_pool, which is 10.125.0.0/16"},
        {{entry("192.0.2.1", 0x100, 24), entry("::ffff:192.0.2.1", 0x200, 24)},
         "192.0.2.1 has two networks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[256];
        assert_null(make(cases[i].entries, 2, why));
        assert_string_equal(why, cases[i].why);
    }
}

static void test_no_map_is_one_part(void **state)
{
    struct sw_address from = address("192.0.2.1");
    assert_int_equal(sw_address_map_parts(NULL), 0);
    assert_int_equal(sw_address_map_part(NULL, &from), 0);
    assert_int_equal(sw_address_map_part_of(NULL, POOL), 0);
}

static void test_large_maps_are_searched_by_halves(void **state)
{
    enum { COUNT = 4096 };
    static struct sw_ip_map_entry entries[COUNT];
    char why[256];
    for (uint32_t i = 0; i < COUNT; i++) {
        entries[i] = entry("10.0.0.0", (COUNT - 1 - i) * 16, 28);
        entries[i].incoming.ip[2] = (uint8_t)(i >> 8);
        entries[i].incoming.ip[3] = (uint8_t)i;
    }
    struct sw_address_map *map = make(entries, COUNT, why);
    assert_int_equal(sw_address_map_parts(map), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(sw_address_map_part(map, &entries[i].incoming), COUNT - i);
        assert_int_equal(sw_address_map_part_of(map, POOL + i * 16 + 15), i + 1);
    }
    sw_address_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_found_by_either_end),
        cmocka_unit_test(test_port_and_scope_do_not_matter),
        cmocka_unit_test(test_mapped_ipv6_address_is_the_ipv4_one),
        cmocka_unit_test(test_addresses_share_the_same_network),
        cmocka_unit_test(test_mistakes_are_refused),
        cmocka_unit_test(test_no_map_is_one_part),
        cmocka_unit_test(test_large_maps_are_searched_by_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
