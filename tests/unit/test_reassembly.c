/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Putting fragments together: docs/protocol/session.md §18. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/reassembly_check.h"

static struct checked_reassembly *c;
static uint8_t text[65536];
static sw_time now;

static int set_up(void **state)
{
    (void)state;
    c = checked_reassembly_new();
    now = SW_SECOND;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 255);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    checked_reassembly_free(c);
    return 0;
}

/* Bytes [begin, end) of the text as a fragment of packet id. */
static enum sw_fragment_fate add(uint16_t id, uint32_t begin, size_t end, bool more)
{
    const struct sw_frame_frag frag = {
        .id = id, .offset = begin, .more = more, .data = {text + begin, end - begin}};
    return checked_add(c, &frag, now);
}

static void assert_whole(size_t len)
{
    assert_int_equal(c->len, len);
    assert_memory_equal(c->whole, text, len);
}

static void test_two_pieces_in_order_and_the_other_way_round(void **state)
{
    (void)state;
    assert_int_equal(add(1, 0, 1240, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 1240, 1350, false), SW_FRAGMENT_COMPLETES);
    assert_whole(1350);
    assert_int_equal(add(2, 1240, 1350, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(2, 0, 1240, true), SW_FRAGMENT_COMPLETES);
    assert_whole(1350);
    assert_int_equal(sw_reassembly_packets(c->r), 0);
}

static void test_a_lone_piece_is_a_packet(void **state)
{
    (void)state;
    assert_int_equal(add(1, 0, 1351, false), SW_FRAGMENT_COMPLETES);
    assert_whole(1351);
    assert_int_equal(add(1, 0, 65535, false), SW_FRAGMENT_COMPLETES);
    assert_whole(65535);
    assert_int_equal(add(1, 0, 1, false), SW_FRAGMENT_COMPLETES);
    assert_whole(1);
}

/* 16..24 and 32..40 are held; these four in any of their 24 orders make 48 bytes. */
static void test_every_order_of_the_rest(void **state)
{
    static const struct {
        uint32_t begin;
        bool more;
    } rest[4] = {{0, true}, {8, true}, {24, true}, {40, false}};
    (void)state;
    for (unsigned order = 0; order < 256; order++) {
        const unsigned pick[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6};
        if ((1u << pick[0] | 1u << pick[1] | 1u << pick[2] | 1u << pick[3]) != 15) continue;
        assert_int_equal(add(7, 16, 24, true), SW_FRAGMENT_KEPT);
        assert_int_equal(add(7, 32, 40, true), SW_FRAGMENT_KEPT);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(
                add(7, rest[pick[i]].begin, rest[pick[i]].begin + 8, rest[pick[i]].more),
                i < 3 ? SW_FRAGMENT_KEPT : SW_FRAGMENT_COMPLETES);
        assert_whole(48);
    }
}

static void test_contradictions_give_the_packet_up(void **state)
{
    static const struct {
        struct {
            uint32_t begin, end;
            bool more;
        } piece;
        enum sw_fragment_fate fate;
    } cases[] = {
        {{8, 24, true}, SW_FRAGMENT_OVERLAPS},   {{8, 16, false}, SW_FRAGMENT_BEYOND},
        {{16, 24, true}, SW_FRAGMENT_OVERLAPS},  {{32, 40, true}, SW_FRAGMENT_OVERLAPS},
        {{0, 48, true}, SW_FRAGMENT_OVERLAPS},   {{24, 40, true}, SW_FRAGMENT_OVERLAPS},
        {{24, 32, false}, SW_FRAGMENT_BEYOND},   {{16, 24, false}, SW_FRAGMENT_BEYOND},
        {{32, 40, false}, SW_FRAGMENT_OVERLAPS}, {{32, 48, false}, SW_FRAGMENT_OVERLAPS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(add(9, 16, 24, true), SW_FRAGMENT_KEPT);
        assert_int_equal(add(9, 32, 40, true), SW_FRAGMENT_KEPT);
        assert_int_equal(add(9, cases[i].piece.begin, cases[i].piece.end, cases[i].piece.more),
                         cases[i].fate);
        assert_int_equal(sw_reassembly_packets(c->r), 0);
        assert_int_equal(add(9, 0, 16, true), SW_FRAGMENT_KEPT); /* a new one with that number */
        assert_int_equal(add(9, 16, 20, false), SW_FRAGMENT_COMPLETES);
        assert_whole(20);
    }
}

static void test_two_ends_in_either_order(void **state)
{
    (void)state;
    assert_int_equal(add(1, 40, 48, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 48, 56, false), SW_FRAGMENT_BEYOND);
    assert_int_equal(add(1, 48, 56, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 40, 48, false), SW_FRAGMENT_BEYOND);
    assert_int_equal(add(1, 40, 48, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 48, 56, true), SW_FRAGMENT_BEYOND);
    assert_int_equal(add(1, 40, 48, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 32, 48, true), SW_FRAGMENT_BEYOND); /* says that more follows */
}

static void test_malformed_pieces_touch_nothing(void **state)
{
    (void)state;
    assert_int_equal(add(1, 0, 8, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1, 8, 8, true), SW_FRAGMENT_MALFORMED);
    assert_int_equal(add(1, 8, 8, false), SW_FRAGMENT_MALFORMED);
    assert_int_equal(add(1, 8, 17, true), SW_FRAGMENT_MALFORMED); /* no next one could fit on */
    assert_int_equal(add(1, 65528, 65536, false), SW_FRAGMENT_MALFORMED);
    assert_int_equal(add(1, 65528, 65536, true), SW_FRAGMENT_MALFORMED);
    assert_int_equal(add(1, 8, 17, false), SW_FRAGMENT_COMPLETES);
    assert_whole(17);
}

static void test_the_longest_packet(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < 65535; at += 1112) {
        bool last = at + 1112 >= 65535;
        assert_int_equal(add(3, at, last ? 65535 : at + 1112, !last),
                         last ? SW_FRAGMENT_COMPLETES : SW_FRAGMENT_KEPT);
    }
    assert_whole(65535);
}

static void test_pieces_of_a_packet_are_limited(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SW_REASSEMBLY_PIECES; i++)
        assert_int_equal(add(3, i * 8, i * 8 + 8, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(3, SW_REASSEMBLY_PIECES * 8, SW_REASSEMBLY_PIECES * 8 + 4, false),
                     SW_FRAGMENT_TOO_MANY);
    for (uint32_t i = 0; i < SW_REASSEMBLY_PIECES / 2; i++) /* with gaps between them */
        assert_int_equal(add(4, i * 16, i * 16 + 8, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(4, 5000, 5008, true), SW_FRAGMENT_TOO_MANY);
    assert_int_equal(sw_reassembly_packets(c->r), 0);
}

static void test_the_packet_touched_longest_ago_gives_way(void **state)
{
    (void)state;
    for (uint16_t id = 0; id < SW_REASSEMBLY_PACKETS; id++)
        assert_int_equal(add(id, 0, 8, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(0, 8, 16, true), SW_FRAGMENT_KEPT);
    assert_int_equal(add(1000, 0, 8, true), SW_FRAGMENT_KEPT); /* takes the place of 1 */
    assert_int_equal(c->fates[SW_FRAGMENT_EVICTED], 1);
    assert_int_equal(add(0, 16, 20, false), SW_FRAGMENT_COMPLETES);
    assert_int_equal(add(1, 8, 12, false), SW_FRAGMENT_KEPT);
    assert_int_equal(add(2, 8, 12, false), SW_FRAGMENT_COMPLETES);
}

static void test_bytes_are_limited(void **state)
{
    (void)state;
    for (uint16_t id = 0; id < 1000; id++)
        for (uint32_t at = 0; at < 64000; at += 16000)
            assert_int_equal(add(id, at, at + 16000, true), SW_FRAGMENT_KEPT);
    assert_in_range(sw_reassembly_packets(c->r), 1, SW_REASSEMBLY_BYTES / 64000);
    assert_int_equal(c->fates[SW_FRAGMENT_EVICTED], 1000 - sw_reassembly_packets(c->r));
}

static void test_what_is_old_completes_nothing(void **state)
{
    (void)state;
    assert_int_equal(add(5, 0, 1240, true), SW_FRAGMENT_KEPT);
    now += SW_REASSEMBLY_AGE;
    assert_int_equal(add(6, 0, 1240, true), SW_FRAGMENT_KEPT);
    now += 1;
    assert_int_equal(add(5, 1240, 1350, false), SW_FRAGMENT_KEPT);
    assert_int_equal(c->fates[SW_FRAGMENT_EXPIRED], 1);
    assert_int_equal(add(6, 1240, 1350, false), SW_FRAGMENT_COMPLETES);
}

/* Packets cut at random, their pieces in random order among those of others, some lost, some
 * twice: what becomes whole is right, and all do of which every piece came once. */
static void test_random_orders(void **state)
{
    enum { PACKETS = 12, PIECES = 16 };
    uint64_t random = 99;
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct {
            uint16_t id;
            uint32_t begin, end;
            bool more;
        } list[PACKETS * PIECES], swap;
        unsigned n = 0, whole = 0, lost = 0;
        for (uint16_t id = 0; id < PACKETS; id++) {
            uint32_t at = 0;
            bool complete = true;
            unsigned pieces = 2 + (unsigned)random_below(&random, PIECES - 2);
            for (unsigned i = 0; i < pieces; i++) {
                uint32_t len = (uint32_t)(8 + 8 * random_below(&random, 60));
                bool keep = random_below(&random, 40) != 0;
                complete &= keep;
                list[n].id = (uint16_t)(id + round * PACKETS);
                list[n].begin = at;
                list[n].more = i + 1 < pieces;
                list[n].end = at + len - (list[n].more ? 0 : (uint32_t)random_below(&random, 8));
                at += len;
                n += keep;
            }
            lost += !complete;
        }
        for (unsigned i = n - 1; i > 0; i--) {
            unsigned j = (unsigned)random_below(&random, i + 1);
            swap = list[i];
            list[i] = list[j];
            list[j] = swap;
        }
        for (unsigned i = 0; i < n; i++)
            whole +=
                add(list[i].id, list[i].begin, list[i].end, list[i].more) == SW_FRAGMENT_COMPLETES;
        assert_int_equal(whole, PACKETS - lost);
        now += SW_REASSEMBLY_AGE + 1;
    }
}

/* Nothing but bad intentions: the checked reassembly compares each step. */
static void test_random_fragments(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t begin = 8 * (uint32_t)random_below(&random, i % 3 == 0 ? 8192 : 40);
        size_t len = random_below(&random, 4) == 0 ? random_below(&random, 65536 - begin)
                                                   : 8 * random_below(&random, 20);
        if (begin + len > 65535) len = 65535 - begin;
        add((uint16_t)random_below(&random, 100), begin, begin + len,
            random_below(&random, 4) != 0);
        now += random_below(&random, SW_SECOND / 20);
    }
    for (enum sw_fragment_fate fate = 0; fate < SW_FRAGMENT_FATES; fate++)
        if (fate != SW_FRAGMENT_TOO_MANY) assert_true(c->fates[fate] > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_two_pieces_in_order_and_the_other_way_round),
        TEST(test_a_lone_piece_is_a_packet),
        TEST(test_every_order_of_the_rest),
        TEST(test_contradictions_give_the_packet_up),
        TEST(test_two_ends_in_either_order),
        TEST(test_malformed_pieces_touch_nothing),
        TEST(test_the_longest_packet),
        TEST(test_pieces_of_a_packet_are_limited),
        TEST(test_the_packet_touched_longest_ago_gives_way),
        TEST(test_bytes_are_limited),
        TEST(test_what_is_old_completes_nothing),
        TEST(test_random_orders),
        TEST(test_random_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
