/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The pool of inside addresses: host/address_pool.h. */

#include "host/address_pool.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NETWORK UINT32_C(0x0a7d0000) /* 10.125.0.0 */

#define OWNER 7

/* Shuffling with this keeps every item where it is: the pool hands out in ascending order. */
static uint32_t keep_order(uint32_t limit)
{
    return limit - 1;
}

static const struct sw_address anywhere = {.family = 4, .ip = {192, 0, 2, 1}};

static uint32_t last_limit;

static uint32_t always_first(uint32_t limit)
{
    assert_true(limit > 0);
    last_limit = limit;
    return 0;
}

static struct sw_address_pool *make(uint32_t network, unsigned prefix, const uint32_t *reserved,
                                    size_t n, uint32_t (*random)(uint32_t limit), char why[256])
{
    const struct sw_address_pool_config config = {.network = network,
                                                  .prefix = prefix,
                                                  .reserved = reserved,
                                                  .n_reserved = n,
                                                  .random = random};
    return sw_address_pool_new(&config, why, 256);
}

static struct sw_address_pool *pool_of(unsigned prefix, const uint32_t *reserved, size_t n)
{
    char why[256] = "";
    struct sw_address_pool *pool = make(NETWORK, prefix, reserved, n, keep_order, why);
    assert_non_null(pool);
    return pool;
}

static uint32_t take(struct sw_address_pool *pool, unsigned who)
{
    uint32_t ip = 0;
    assert_int_equal(sw_address_pool_take(pool, &anywhere, who, &ip), 0);
    return ip;
}

static void test_network_broadcast_and_reserved_are_never_handed_out(void **state)
{
    const uint32_t reserved[] = {NETWORK + 1, NETWORK + 5, 0, UINT32_C(0xc0000201)};
    struct sw_address_pool *pool = pool_of(29, reserved, 4);
    const uint32_t expected[] = {2, 3, 4, 6};
    assert_int_equal(sw_address_pool_size(pool), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(take(pool, OWNER), NETWORK + expected[i]);
    uint32_t ip = 77;
    assert_int_equal(sw_address_pool_take(pool, &anywhere, OWNER, &ip), SW_ENOADDRESS);
    assert_int_equal(ip, 77);
    assert_int_equal(sw_address_pool_used(pool), 4);
    sw_address_pool_free(pool);
}

static void test_address_that_was_free_longest_is_next(void **state)
{
    struct sw_address_pool *pool = pool_of(29, NULL, 0); /* .1 to .6 */
    uint32_t a = take(pool, OWNER), b = take(pool, OWNER);
    assert_int_equal(sw_address_pool_give(pool, b), 0);
    assert_int_equal(sw_address_pool_give(pool, a), 0);
    for (uint32_t i = 3; i <= 6; i++)
        assert_int_equal(take(pool, OWNER), NETWORK + i);
    assert_int_equal(take(pool, OWNER), b);
    assert_int_equal(take(pool, OWNER), a);
    sw_address_pool_free(pool);
}

static void test_owner_is_found_by_address(void **state)
{
    struct sw_address_pool *pool = pool_of(24, NULL, 0);
    uint32_t a = take(pool, 0), b = take(pool, 63);
    assert_int_equal(sw_address_pool_owner(pool, a), 0);
    assert_int_equal(sw_address_pool_owner(pool, b), 63);
    assert_int_equal(sw_address_pool_owner(pool, b + 1), SW_NOBODY);
    assert_int_equal(sw_address_pool_give(pool, a), 0);
    assert_int_equal(sw_address_pool_owner(pool, a), SW_NOBODY);
    sw_address_pool_free(pool);
}

static void test_published_table_shows_who_has_what(void **state)
{
    struct sw_address_pool *pool = pool_of(28, NULL, 0);
    uint8_t table[18];
    memset(table, 0x55, sizeof table);
    assert_int_equal(sw_address_pool_network(pool), NETWORK);
    assert_int_equal(sw_address_pool_span(pool), 16);
    sw_address_pool_publish(pool, table + 1);
    assert_int_equal(table[0], 0x55);
    assert_int_equal(table[17], 0x55);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(table[1 + i], SW_NOBODY);
    uint32_t a = take(pool, 3);
    assert_int_equal(table[1 + (a - NETWORK)], 3);
    assert_int_equal(sw_address_pool_owner(pool, a), 3);
    assert_int_equal(sw_address_pool_give(pool, a), 0);
    assert_int_equal(table[1 + (a - NETWORK)], SW_NOBODY);
    sw_address_pool_free(pool);
}

static void test_addresses_outside_the_pool_have_no_owner(void **state)
{
    struct sw_address_pool *pool = pool_of(30, NULL, 0);
    take(pool, OWNER);
    take(pool, OWNER);
    const uint32_t outside[] = {0, NETWORK - 1, NETWORK, NETWORK + 3, NETWORK + 4, UINT32_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        assert_int_equal(sw_address_pool_owner(pool, outside[i]), SW_NOBODY);
        assert_int_equal(sw_address_pool_give(pool, outside[i]), SW_EINVAL);
    }
    sw_address_pool_free(pool);
}

static void test_giving_twice_does_no_harm(void **state)
{
    struct sw_address_pool *pool = pool_of(30, NULL, 0);
    uint32_t a = take(pool, OWNER);
    assert_int_equal(sw_address_pool_give(pool, a), 0);
    assert_int_equal(sw_address_pool_give(pool, a), SW_EINVAL);
    assert_int_not_equal(take(pool, OWNER), take(pool, OWNER));
    assert_int_equal(sw_address_pool_used(pool), 2);
    sw_address_pool_free(pool);
}

static void test_host_bits_of_the_network_are_cleared(void **state)
{
    char why[256];
    struct sw_address_pool *pool = make(NETWORK + 77, 24, NULL, 0, keep_order, why);
    assert_int_equal(take(pool, OWNER), NETWORK + 1);
    sw_address_pool_free(pool);
}

static void test_order_comes_from_the_generator(void **state)
{
    char why[256];
    struct sw_address_pool *pool = make(NETWORK, 29, NULL, 0, always_first, why);
    assert_int_equal(last_limit, 2); /* Fisher-Yates ends with a choice of two */
    const uint32_t expected[] = {2, 3, 4, 5, 6, 1};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(take(pool, OWNER), NETWORK + expected[i]);
    sw_address_pool_free(pool);
}

static void test_order_ascends_without_a_generator(void **state)
{
    char why[256];
    struct sw_address_pool *pool = make(NETWORK, 29, NULL, 0, NULL, why);
    for (uint32_t i = 1; i <= 6; i++)
        assert_int_equal(take(pool, OWNER), NETWORK + i);
    sw_address_pool_free(pool);
}

static void test_pools_that_make_no_sense_are_refused(void **state)
{
    const uint32_t both[] = {NETWORK + 1, NETWORK + 2};
    char why[256];
    assert_null(make(NETWORK, 31, NULL, 0, keep_order, why));
    assert_non_null(strstr(why, "10.125.0.0/31"));
    assert_null(make(NETWORK, 7, NULL, 0, keep_order, why));
    assert_non_null(strstr(why, "/8"));
    assert_null(make(NETWORK, 30, both, 2, keep_order, why));
    assert_non_null(strstr(why, "reserved"));
}

static void test_largest_pool(void **state)
{
    char why[256];
    struct sw_address_pool *pool = make(UINT32_C(0x0a000000), 8, NULL, 0, keep_order, why);
    assert_non_null(pool);
    assert_int_equal(sw_address_pool_size(pool), (1u << 24) - 2);
    uint32_t ip = take(pool, OWNER);
    assert_int_equal(sw_address_pool_owner(pool, ip), OWNER);
    sw_address_pool_free(pool);
}

/* --- parts -------------------------------------------------------------------------------------*/

#define FRONT(n)                                                                                   \
    {                                                                                              \
        .family = 4, .ip = { 198, 51, 100, n }                                                     \
    }

static const struct sw_address front1 = FRONT(1), front2 = FRONT(2);

/* 198.51.100.1 has .8/30, 198.51.100.2 has .12/30 of a pool of .0/28. */
struct parted {
    struct sw_address_map *map;
    struct sw_address_pool *pool;
};

static struct parted parted(uint32_t reserved, uint32_t (*random)(uint32_t limit))
{
    const struct sw_ip_map_entry entries[] = {
        {FRONT(2), {{htonl(NETWORK + 12)}, 30}},
        {FRONT(1), {{htonl(NETWORK + 8)}, 30}},
    };
    const struct sw_ipv4_net net = {{htonl(NETWORK)}, 28};
    char why[256] = "";
    struct parted made = {.map = sw_address_map_new(entries, 2, &net, why, sizeof why)};
    const struct sw_address_pool_config config = {.network = NETWORK,
                                                  .prefix = 28,
                                                  .reserved = &reserved,
                                                  .n_reserved = 1,
                                                  .map = made.map,
                                                  .random = random};
    assert_non_null(made.map);
    made.pool = sw_address_pool_new(&config, why, sizeof why);
    assert_non_null(made.pool);
    return made;
}

static void end(struct parted *made)
{
    sw_address_pool_free(made->pool);
    sw_address_map_free(made->map);
}

static uint32_t take_at(struct sw_address_pool *pool, const struct sw_address *front)
{
    uint32_t ip = 0;
    return sw_address_pool_take(pool, front, OWNER, &ip) == 0 ? ip - NETWORK : 0;
}

static void test_part_is_for_the_clients_of_one_address(void **state)
{
    struct parted p = parted(NETWORK + 9, NULL);
    assert_int_equal(sw_address_pool_size(p.pool), 13);
    assert_int_equal(sw_address_pool_part_size(p.pool, 0), 7);
    assert_int_equal(sw_address_pool_part_size(p.pool, 1), 3);
    assert_int_equal(sw_address_pool_part_size(p.pool, 2), 3);
    /* Inside the pool a part's first and last address are usable; the pool's broadcast is not. */
    const uint32_t first[] = {8, 10, 11, 0}, second[] = {12, 13, 14, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(take_at(p.pool, &front1), first[i]);
        assert_int_equal(take_at(p.pool, &front2), second[i]);
    }
    for (uint32_t i = 1; i <= 7; i++)
        assert_int_equal(take_at(p.pool, &anywhere), i);
    assert_int_equal(take_at(p.pool, &anywhere), 0);
    assert_int_equal(sw_address_pool_used(p.pool), 13);
    end(&p);
}

static void test_address_goes_back_to_its_part(void **state)
{
    struct parted p = parted(0, NULL);
    while (take_at(p.pool, &front1) != 0)
        continue;
    while (take_at(p.pool, &anywhere) != 0)
        continue;
    assert_int_equal(sw_address_pool_give(p.pool, NETWORK + 11), 0);
    assert_int_equal(sw_address_pool_give(p.pool, NETWORK + 7), 0);
    assert_int_equal(sw_address_pool_give(p.pool, NETWORK + 8), 0);
    assert_int_equal(take_at(p.pool, &anywhere), 7);
    assert_int_equal(take_at(p.pool, &anywhere), 0);
    assert_int_equal(take_at(p.pool, &front1), 11);
    assert_int_equal(take_at(p.pool, &front1), 8);
    assert_int_equal(take_at(p.pool, &front1), 0);
    end(&p);
}

static void test_each_part_is_shuffled_by_itself(void **state)
{
    struct parted p = parted(0, always_first);
    const uint32_t first[] = {9, 10, 11, 8}, rest[] = {2, 3, 4, 5, 6, 7, 1};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(take_at(p.pool, &front1), first[i]);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(take_at(p.pool, &anywhere), rest[i]);
    end(&p);
}

static void test_part_of_reserved_addresses_only_is_refused(void **state)
{
    const struct sw_ip_map_entry entry = {FRONT(1), {{htonl(NETWORK + 5)}, 32}};
    const struct sw_ipv4_net net = {{htonl(NETWORK)}, 24};
    const uint32_t reserved = NETWORK + 5;
    char why[256];
    struct sw_address_map *map = sw_address_map_new(&entry, 1, &net, why, sizeof why);
    const struct sw_address_pool_config config = {
        .network = NETWORK, .prefix = 24, .reserved = &reserved, .n_reserved = 1, .map = map};
    assert_null(sw_address_pool_new(&config, why, sizeof why));
    assert_string_equal(why, "ip_map: the network of 10.125.0.5 has no address that is not "
                             "reserved");
    sw_address_map_free(map);
}

static void test_parts_may_be_the_whole_pool(void **state)
{
    const struct sw_ip_map_entry entries[] = {{FRONT(1), {{htonl(NETWORK)}, 25}},
                                              {FRONT(2), {{htonl(NETWORK + 128)}, 25}}};
    const struct sw_ipv4_net net = {{htonl(NETWORK)}, 24};
    char why[256];
    struct sw_address_map *map = sw_address_map_new(entries, 2, &net, why, sizeof why);
    const struct sw_address_pool_config config = {.network = NETWORK, .prefix = 24, .map = map};
    struct sw_address_pool *pool = sw_address_pool_new(&config, why, sizeof why);
    assert_int_equal(sw_address_pool_part_size(pool, 0), 0);
    assert_int_equal(sw_address_pool_part_size(pool, 1), 127);
    assert_int_equal(sw_address_pool_part_size(pool, 2), 127);
    assert_int_equal(take_at(pool, &anywhere), 0);
    assert_int_equal(take_at(pool, &front2), 128);
    sw_address_pool_free(pool);
    sw_address_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_broadcast_and_reserved_are_never_handed_out),
        cmocka_unit_test(test_address_that_was_free_longest_is_next),
        cmocka_unit_test(test_owner_is_found_by_address),
        cmocka_unit_test(test_published_table_shows_who_has_what),
        cmocka_unit_test(test_addresses_outside_the_pool_have_no_owner),
        cmocka_unit_test(test_giving_twice_does_no_harm),
        cmocka_unit_test(test_host_bits_of_the_network_are_cleared),
        cmocka_unit_test(test_order_comes_from_the_generator),
        cmocka_unit_test(test_order_ascends_without_a_generator),
        cmocka_unit_test(test_pools_that_make_no_sense_are_refused),
        cmocka_unit_test(test_largest_pool),
        cmocka_unit_test(test_part_is_for_the_clients_of_one_address),
        cmocka_unit_test(test_address_goes_back_to_its_part),
        cmocka_unit_test(test_each_part_is_shuffled_by_itself),
        cmocka_unit_test(test_part_of_reserved_addresses_only_is_refused),
        cmocka_unit_test(test_parts_may_be_the_whole_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
