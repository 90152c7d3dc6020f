/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The keyed hash against published behaviour of SipHash-1-3, and the table against a plain array.
 * Allocation failure is real: the linker puts the wrapper below in front of calloc().
 */

#include "lib/base/hash_table.h"

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/unit/hex.h"
#include "tests/unit/random.h"

static bool calloc_fails;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(count, size);
}

struct thing {
    uint32_t key;
    bool listed; /**< in the table, by our own account */
    bool seen;   /**< met in a walk */
    struct sw_hash_node node;
};

static bool same_key(const struct sw_hash_node *node, const void *key)
{
    const struct thing *thing = SW_CONTAINER_OF_CONST(node, struct thing, node);
    return memcmp(&thing->key, key, sizeof thing->key) == 0;
}

static const struct sw_hash_seed seed = {{0x0123456789abcdef, 0xfedcba9876543210}};

static uint64_t hash_of(uint32_t key)
{
    return sw_hash_bytes(&seed, &key, sizeof key);
}

static struct thing *find(const struct sw_hash_table *table, uint32_t key)
{
    struct sw_hash_node *node = sw_hash_table_find(table, hash_of(key), &key);
    return node == NULL ? NULL : SW_CONTAINER_OF(node, struct thing, node);
}

/** Key 00..0f, message 00, 01, ... of the length given; outputs as bytes, low first. */
static void test_hash_is_siphash_1_3(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash; /* big-endian as printed by other implementations */
    } vectors[] = {
        {0, 0xdcc40f055801acab}, {1, 0x93ca577df39bf4c9},  {7, 0x4011b19b987d92d3},
        {8, 0x8e9a298d11959036}, {15, 0x5699512a6dd820d3}, {20, 0x40e0cca6462fdcc0},
    };
    struct sw_hash_seed counting;
    uint8_t bytes[32];
    for (uint8_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = i;
    }
    memcpy(&counting, bytes, sizeof counting);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const uint64_t hash = sw_hash_bytes(&counting, bytes, vectors[i].len);
        assert_true(__builtin_bswap64(hash) == vectors[i].hash);
    }
}

static void test_hash_reads_exactly_its_bytes(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        struct hex exact = hex_copy("0123456789abcdefghijklmnopqrstuvwxyzABCDEF", len);
        struct hex longer = hex_copy("0123456789abcdefghijklmnopqrstuvwxyzABCDEF", len + 1);
        assert_true(sw_hash_bytes(&seed, exact.data, len) ==
                    sw_hash_bytes(&seed, longer.data, len));
        assert_false(sw_hash_bytes(&seed, exact.data, len) ==
                     sw_hash_bytes(&seed, longer.data, len + 1));
        free(exact.data);
        free(longer.data);
    }
}

static void test_hash_depends_on_both_halves_of_the_seed(void **state)
{
    (void)state;
    const struct sw_hash_seed first = {{seed.words[0] ^ 1, seed.words[1]}};
    const struct sw_hash_seed second = {{seed.words[0], seed.words[1] ^ 1}};
    assert_false(sw_hash_bytes(&seed, "key", 3) == sw_hash_bytes(&first, "key", 3));
    assert_false(sw_hash_bytes(&seed, "key", 3) == sw_hash_bytes(&second, "key", 3));
}

static void test_empty_table_finds_and_walks_nothing(void **state)
{
    (void)state;
    struct sw_hash_table table;
    sw_hash_table_init(&table, same_key);
    assert_null(find(&table, 1));
    assert_null(sw_hash_table_first(&table));
    sw_hash_table_release(&table);
    assert_null(find(&table, 1));
}

static void test_nodes_of_one_hash_are_told_apart_by_key(void **state)
{
    (void)state;
    struct sw_hash_table table;
    struct thing things[5] = {{0}};
    sw_hash_table_init(&table, same_key);
    for (uint32_t i = 0; i < 5; i++) {
        things[i].key = i;
        assert_int_equal(sw_hash_table_insert(&table, 42, &things[i].node), 0);
    }
    sw_hash_table_remove(&table, &things[2].node);
    sw_hash_table_remove(&table, &things[4].node);
    for (uint32_t i = 0; i < 5; i++) {
        struct sw_hash_node *expected = i == 2 || i == 4 ? NULL : &things[i].node;
        assert_ptr_equal(sw_hash_table_find(&table, 42, &i), expected);
        assert_null(sw_hash_table_find(&table, 42 + (1ULL << 40), &i)); /* the same bucket */
    }
    assert_int_equal(table.count, 3);
    sw_hash_table_release(&table);
}

/** What a walk meets must be what is listed. */
static void check_walk(const struct sw_hash_table *table, struct thing *things, size_t count)
{
    size_t met = 0;
    for (size_t i = 0; i < count; i++) {
        things[i].seen = false;
    }
    for (struct sw_hash_node *node = sw_hash_table_first(table); node != NULL;
         node = sw_hash_table_next(table, node)) {
        struct thing *thing = SW_CONTAINER_OF(node, struct thing, node);
        assert_true(thing->listed);
        assert_false(thing->seen);
        thing->seen = true;
        met++;
    }
    assert_int_equal(met, table->count);
}

static void test_table_agrees_with_an_array_through_random_changes(void **state)
{
    (void)state;
    enum { THINGS = 5000, STEPS = 60000 };
    struct thing *things = calloc(THINGS, sizeof *things);
    struct sw_hash_table table;
    uint64_t random = 1;
    size_t listed = 0;
    assert_non_null(things);
    sw_hash_table_init(&table, same_key);
    for (uint32_t i = 0; i < THINGS; i++) {
        things[i].key = i;
    }

    for (int step = 0; step < STEPS; step++) {
        struct thing *thing = &things[random_below(&random, THINGS)];
        assert_ptr_equal(find(&table, thing->key), thing->listed ? thing : NULL);
        if (thing->listed) {
            sw_hash_table_remove(&table, &thing->node);
        } else {
            assert_int_equal(sw_hash_table_insert(&table, hash_of(thing->key), &thing->node), 0);
        }
        thing->listed = !thing->listed;
        listed += thing->listed ? 1 : -1;
        assert_int_equal(table.count, listed);
        assert_true(table.count <= table.size);
        if (step % 5000 == 0) check_walk(&table, things, THINGS);
    }
    check_walk(&table, things, THINGS);
    for (uint32_t i = 0; i < THINGS; i++) {
        assert_ptr_equal(find(&table, i), things[i].listed ? &things[i] : NULL);
    }
    sw_hash_table_release(&table);
    free(things);
}

static void test_walk_may_remove_the_node_it_left(void **state)
{
    (void)state;
    enum { THINGS = 200 };
    struct thing things[THINGS] = {{0}};
    struct sw_hash_table table;
    sw_hash_table_init(&table, same_key);
    for (uint32_t i = 0; i < THINGS; i++) {
        things[i].key = i;
        assert_int_equal(sw_hash_table_insert(&table, hash_of(i), &things[i].node), 0);
    }
    size_t met = 0;
    for (struct sw_hash_node *node = sw_hash_table_first(&table), *next; node != NULL;
         node = next) {
        next = sw_hash_table_next(&table, node);
        sw_hash_table_remove(&table, node);
        met++;
    }
    assert_int_equal(met, THINGS);
    assert_int_equal(table.count, 0);
    sw_hash_table_release(&table);
}

static void test_failed_growth_leaves_the_table_as_it_was(void **state)
{
    (void)state;
    enum { THINGS = 100 };
    struct thing things[THINGS] = {{0}};
    struct sw_hash_table table;
    sw_hash_table_init(&table, same_key);
    calloc_fails = true;
    assert_int_equal(sw_hash_table_insert(&table, hash_of(0), &things[0].node), SW_ENOMEM);
    assert_int_equal(table.count, 0);
    calloc_fails = false;

    uint32_t count = 0;
    do {
        things[count].key = count;
        assert_int_equal(sw_hash_table_insert(&table, hash_of(count), &things[count].node), 0);
        count++;
    } while (table.count < table.size);
    assert_true(count < THINGS);

    calloc_fails = true;
    things[count].key = count;
    assert_int_equal(sw_hash_table_insert(&table, hash_of(count), &things[count].node), SW_ENOMEM);
    calloc_fails = false;
    assert_int_equal(table.count, count);
    assert_null(find(&table, count));
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(find(&table, i), &things[i]);
    }
    assert_int_equal(sw_hash_table_insert(&table, hash_of(count), &things[count].node), 0);
    assert_ptr_equal(find(&table, count), &things[count]);
    sw_hash_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_siphash_1_3),
        cmocka_unit_test(test_hash_reads_exactly_its_bytes),
        cmocka_unit_test(test_hash_depends_on_both_halves_of_the_seed),
        cmocka_unit_test(test_empty_table_finds_and_walks_nothing),
        cmocka_unit_test(test_nodes_of_one_hash_are_told_apart_by_key),
        cmocka_unit_test(test_table_agrees_with_an_array_through_random_changes),
        cmocka_unit_test(test_walk_may_remove_the_node_it_left),
        cmocka_unit_test(test_failed_growth_leaves_the_table_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
