/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The UDP header: the vectors H1 to H7 of docs/protocol/wire.md §2.1, versions, session ids. */

#include "lib/wire/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"
#include "tests/unit/random.h"

#define SESSION_1                                                                                  \
    {                                                                                              \
        {                                                                                          \
            0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0                                         \
        }                                                                                          \
    }
#define SESSION_2                                                                                  \
    {                                                                                              \
        {                                                                                          \
            0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef                                         \
        }                                                                                          \
    }

static void assert_header_equal(const struct sw_header *a, const struct sw_header *b)
{
    assert_int_equal(sw_version_compare(a->version, b->version), 0);
    assert_int_equal(a->aggressive, b->aggressive);
    assert_int_equal(a->expresslane, b->expresslane);
    assert_true(sw_session_equal(a->session, b->session));
}

static void test_vectors_decode_and_encode(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        struct sw_header header;
        size_t payload_len;
    } vectors[] = {
        {"48 65 01 02 01 00 00 00 12 34 56 78 9a bc de f0", /* H1 */
         {{1, 2}, true, false, SESSION_1},
         0},
        {"48 65 01 03 00 00 00 00 00 00 00 00 00 00 00 00", /* H2 */
         {{1, 3}, false, false, {{0}}},
         0},
        {"48 65 01 03 00 00 00 00 de ad be ef de ad be ef 61", /* H3 */
         {{1, 3}, false, false, SESSION_2},
         1},
        {"48 65 01 03 00 01 00 00 12 34 56 78 9a bc de f0", /* H4 */
         {{1, 3}, false, true, SESSION_1},
         0},
        {"48 65 01 01 00 00 00 00 ff ff ff ff ff ff ff ff", /* H5 */
         {{1, 1}, false, false, {{255, 255, 255, 255, 255, 255, 255, 255}}},
         0},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct hex in = hex(vectors[i].bytes);
        struct sw_cursor c = sw_cursor(in.data, in.len);
        struct sw_header header;
        uint8_t out[SW_HEADER_LEN];
        assert_int_equal(sw_header_decode(&c, &header), 0);
        assert_header_equal(&header, &vectors[i].header);
        assert_ptr_equal(c.p, in.data + SW_HEADER_LEN);
        assert_int_equal(sw_cursor_left(&c), vectors[i].payload_len);
        sw_header_encode(out, &header);
        assert_memory_equal(out, in.data, SW_HEADER_LEN);
        free(in.data);
    }
}

/** The error of decoding text, which must leave the cursor where it was. */
static int decode_error(const char *text)
{
    struct hex in = hex(text);
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_header header;
    const int result = sw_header_decode(&c, &header);
    assert_ptr_equal(c.p, in.data);
    assert_int_equal(sw_cursor_left(&c), in.len);
    free(in.data);
    return result;
}

static void test_every_prefix_is_short(void **state)
{
    (void)state;
    struct hex whole = hex("48 65 01 02 01 00 00 00 12 34 56 78 9a bc de f0");
    for (size_t len = 0; len < whole.len; len++) {
        struct hex in = hex_copy(whole.data, len);
        struct sw_cursor c = sw_cursor(in.data, in.len);
        struct sw_header header;
        assert_int_equal(sw_header_decode(&c, &header), SW_ESHORT);
        assert_ptr_equal(c.p, in.data);
        free(in.data);
    }
    free(whole.data);
    assert_int_equal(decode_error("00*15"), SW_ESHORT); /* H6 */
}

static void test_wrong_magic_is_refused_before_the_version(void **state)
{
    (void)state;
    assert_int_equal(decode_error("5f 65 01 02 01 00 00 00 123456789abcdef0"), SW_EMAGIC); /* H7 */
    assert_int_equal(decode_error("48 5f 01 02 01 00 00 00 123456789abcdef0"), SW_EMAGIC);
    assert_int_equal(decode_error("48 5f 09 09 01 00 00 00 123456789abcdef0"), SW_EMAGIC);
    assert_int_equal(decode_error("00*16"), SW_EMAGIC);
}

static void test_only_versions_1_1_to_1_3_pass(void **state)
{
    (void)state;
    struct hex in = hex("48 65 01 02 00 00 00 00 123456789abcdef0");
    for (unsigned int version = 0; version <= UINT16_MAX; version++) {
        struct sw_cursor c = sw_cursor(in.data, in.len);
        struct sw_header header;
        sw_put_be16(in.data + 2, (uint16_t)version);
        const int expected = version >= 0x0101 && version <= 0x0103 ? 0 : SW_EVERSION;
        assert_int_equal(sw_header_decode(&c, &header), expected);
        assert_ptr_equal(c.p, expected == 0 ? c.end : in.data);
    }
    free(in.data);
}

static void test_any_nonzero_flag_byte_is_true_and_reserved_bytes_are_ignored(void **state)
{
    (void)state;
    struct hex in = hex("48 65 01 03 80 02 ff ff 123456789abcdef0");
    struct hex canonical = hex("48 65 01 03 01 01 00 00 123456789abcdef0");
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_header header;
    uint8_t out[SW_HEADER_LEN];
    assert_int_equal(sw_header_decode(&c, &header), 0);
    assert_true(header.aggressive);
    assert_true(header.expresslane);
    sw_header_encode(out, &header);
    assert_memory_equal(out, canonical.data, sizeof out);
    free(in.data);
    free(canonical.data);
}

static void test_versions_compare_major_first(void **state)
{
    (void)state;
    assert_true(sw_version_compare(SW_VERSION(1, 1), SW_VERSION(1, 3)) < 0);
    assert_true(sw_version_compare(SW_VERSION(2, 0), SW_VERSION(1, 255)) > 0);
    assert_true(sw_version_compare(SW_VERSION(0, 255), SW_VERSION(1, 0)) < 0);
    assert_int_equal(sw_version_compare(SW_VERSION(1, 2), SW_VERSION(1, 2)), 0);
    assert_false(sw_version_supported(SW_VERSION(1, 0)));
    assert_true(sw_version_supported(SW_VERSION_MIN));
    assert_true(sw_version_supported(SW_VERSION_MAX));
    assert_false(sw_version_supported(SW_VERSION(1, 4)));
    assert_false(sw_version_supported(SW_VERSION(2, 1)));
}

static void test_reserved_session_ids_are_all_zeros_and_all_ones(void **state)
{
    (void)state;
    assert_true(sw_session_is_reserved(SW_SESSION_EMPTY));
    assert_true(sw_session_is_reserved(SW_SESSION_REJECTED));
    for (size_t i = 0; i < 8; i++) {
        struct sw_session_id nearly_empty = SW_SESSION_EMPTY, nearly_rejected = SW_SESSION_REJECTED;
        nearly_empty.bytes[i] = 1;
        nearly_rejected.bytes[i] = 254;
        assert_false(sw_session_is_reserved(nearly_empty));
        assert_false(sw_session_is_reserved(nearly_rejected));
        assert_false(sw_session_equal(nearly_empty, SW_SESSION_EMPTY));
    }
}

static void test_session_id_prints_as_its_bytes_in_order(void **state)
{
    (void)state;
    char text[SW_SESSION_TEXT_LEN];
    const struct sw_session_id id = SESSION_1;
    sw_session_format(id, text);
    assert_string_equal(text, "123456789abcdef0");
    sw_session_format(SW_SESSION_REJECTED, text);
    assert_string_equal(text, "ffffffffffffffff");
}

static void test_random_headers_survive_the_round_trip(void **state)
{
    (void)state;
    uint64_t random = 20;
    for (int i = 0; i < 10000; i++) {
        struct sw_header in = {
            .version = {1, (uint8_t)(1 + random_below(&random, 3))},
            .aggressive = random_below(&random, 2),
            .expresslane = random_below(&random, 2),
        };
        struct sw_header out;
        uint8_t bytes[SW_HEADER_LEN];
        random_fill(&random, in.session.bytes, sizeof in.session.bytes);
        sw_header_encode(bytes, &in);
        struct sw_cursor c = sw_cursor(bytes, sizeof bytes);
        assert_int_equal(sw_header_decode(&c, &out), 0);
        assert_header_equal(&in, &out);
    }
}

static void test_captured_expresslane_datagram(void **state)
{
    (void)state;
    struct hex in = fixture("datagrams/expresslane.bin");
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_header header;
    char text[SW_SESSION_TEXT_LEN];
    assert_int_equal(sw_header_decode(&c, &header), 0);
    assert_true(header.expresslane);
    assert_false(header.aggressive);
    sw_session_format(header.session, text);
    assert_string_equal(text, "8887eee89d159743");
    assert_int_equal(sw_cursor_left(&c), 124);
    free(in.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_decode_and_encode),
        cmocka_unit_test(test_every_prefix_is_short),
        cmocka_unit_test(test_wrong_magic_is_refused_before_the_version),
        cmocka_unit_test(test_only_versions_1_1_to_1_3_pass),
        cmocka_unit_test(test_any_nonzero_flag_byte_is_true_and_reserved_bytes_are_ignored),
        cmocka_unit_test(test_versions_compare_major_first),
        cmocka_unit_test(test_reserved_session_ids_are_all_zeros_and_all_ones),
        cmocka_unit_test(test_session_id_prints_as_its_bytes_in_order),
        cmocka_unit_test(test_captured_expresslane_datagram),
        cmocka_unit_test(test_random_headers_survive_the_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
