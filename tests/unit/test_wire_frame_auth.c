/* SPDX-License-Identifier: GPL-3.0-or-later */

/* AuthRequest and AuthSuccess: the vectors and bounds of docs/protocol/wire.md §7.4 and §7.6. */

#include "lib/wire/frame.h"

#include "tests/unit/frame_check.h"

#define AUTH(...)                                                                                  \
    {                                                                                              \
        SW_FRAME_AUTH_REQUEST, .auth_request = { __VA_ARGS__ }                                     \
    }

static void test_request_vectors_decode_and_encode(void **state)
{
    (void)state;
    static const struct frame_vector vectors[] = {
        {"04 01 02 06 6d 65 00*48 73 65 63 72 65 74 00*44",
         AUTH(.method = SW_AUTH_USER_PASS, .user = SPAN("me"), .password = SPAN("secret"))},
        {"04 01 00 00 00*100", AUTH(.method = SW_AUTH_USER_PASS)},
        {"04 02 00 05 74 6f 6b 65 6e", AUTH(.method = SW_AUTH_TOKEN, .token = SPAN("token"))},
        {"04 02 00 00", AUTH(.method = SW_AUTH_TOKEN)},
        {"04 03 01 03 00 05 74 6f 6b 65 6e",
         AUTH(.method = SW_AUTH_VERSIONED_TOKEN, .version = {1, 3}, .token = SPAN("token"))},
        {"04 17 00 04 01 02 03 04",
         AUTH(.method = SW_AUTH_CUSTOM, .token = SPAN("\x01\x02\x03\x04"))},
        {"04 17 00 02 c3 28", AUTH(.method = SW_AUTH_CUSTOM, .token = SPAN("\xc3\x28"))},
        {"04 01 02 03 c3 a9 00*48 e2 82 ac 00*47",
         AUTH(.method = SW_AUTH_USER_PASS, .user = SPAN("\xc3\xa9"),
              .password = SPAN("\xe2\x82\xac"))},
    };
    for (size_t i = 0; i < COUNT(vectors); i++) {
        check_vector(&vectors[i]);
    }
}

static void test_requests_of_maximum_size(void **state)
{
    (void)state;
    static uint8_t users[50], passwords[50], tokens[1347];
    memset(users, 'u', sizeof users);
    memset(passwords, 'p', sizeof passwords);
    memset(tokens, 't', sizeof tokens);
    const struct frame_vector vectors[] = {
        {"04 01 32 32 75*50 70*50",
         AUTH(.method = SW_AUTH_USER_PASS, .user = {users, 50}, .password = {passwords, 50})},
        {"04 02 05 43 74*1347", AUTH(.method = SW_AUTH_TOKEN, .token = {tokens, 1347})},
        {"04 03 01 01 05 41 74*1345",
         AUTH(.method = SW_AUTH_VERSIONED_TOKEN, .version = {1, 1}, .token = {tokens, 1345})},
        {"04 17 05 43 74*1347", AUTH(.method = SW_AUTH_CUSTOM, .token = {tokens, 1347})},
    };
    for (size_t i = 0; i < COUNT(vectors); i++) {
        check_vector(&vectors[i]);
    }
}

static void test_malformed_requests_are_refused_without_moving(void **state)
{
    (void)state;
    static const struct frame_error errors[] = {
        {"04 00", SW_EENUM},
        {"04 04", SW_EENUM},
        {"04 6f", SW_EENUM},
        {"04 ff", SW_EENUM},

        /* UserPass: its whole size first, then lengths, then text */
        {"04 01 33 32 75*100", SW_ETOOLARGE},
        {"04 01 32 33 75*100", SW_ETOOLARGE},
        {"04 01 33 32 75*99", SW_ESHORT},
        {"04 01 02 01 c3 28 00*98", SW_EUTF8},
        {"04 01 01 02 61 00*49 c3 28 00*48", SW_EUTF8},
        {"04 01 33 02 c3 28 00*98", SW_ETOOLARGE},

        /* tokens: limit before bytes, text last */
        {"04 02 33 00 74*1348", SW_ETOOLARGE},
        {"04 02 05 44 74*1348", SW_ETOOLARGE},
        {"04 02 05 44", SW_ETOOLARGE},
        {"04 02 00 02 c3 28", SW_EUTF8},
        {"04 02 00 02 c3", SW_ESHORT},
        {"04 02 02 00 ff", SW_ESHORT},

        /* the version is judged when all four bytes are there, before the length */
        {"04 03 02 00 00 05 746f6b656e", SW_EVERSION},
        {"04 03 01 00 00 05 746f6b656e", SW_EVERSION},
        {"04 03 01 04 00 05 746f6b656e", SW_EVERSION},
        {"04 03 02 00 05 42", SW_EVERSION},
        {"04 03 02 00 05", SW_ESHORT},
        {"04 03 01 03 05 42 74*1346", SW_ETOOLARGE},
        {"04 03 01 03 05 42", SW_ETOOLARGE},
        {"04 03 01 03 00 01 ff", SW_EUTF8},

        {"04 17 05 44 64*1348", SW_ETOOLARGE},
        {"04 17 05 44", SW_ETOOLARGE},
        {"04 17 00 04 01 02 03", SW_ESHORT},
    };
    for (size_t i = 0; i < COUNT(errors); i++) {
        check_error(&errors[i]);
    }
}

static void test_padding_of_user_and_password_is_ignored(void **state)
{
    (void)state;
    struct hex dirty = hex("04 01 02 06 6d 65 ff*48 73 65 63 72 65 74 c3 ff*43"), in;
    struct hex clean = hex("04 01 02 06 6d 65 00*48 73 65 63 72 65 74 00*44");
    struct sw_frame frame;
    assert_int_equal(decode_alone(dirty.data, dirty.len, &frame, &in), 0);
    assert_span_equal(frame.auth_request.user, (struct sw_span)SPAN("me"));
    assert_span_equal(frame.auth_request.password, (struct sw_span)SPAN("secret"));
    check_encode(&frame, clean.data, clean.len);
    free(in.data);
    free(dirty.data);
    free(clean.data);
}

static void test_encoder_refuses_what_no_peer_would_decode(void **state)
{
    (void)state;
    static uint8_t bytes[1348], room[2000];
    memset(bytes, 'a', sizeof bytes);
    const struct {
        struct sw_frame frame;
        int error;
    } refused[] = {
        {AUTH(.method = SW_AUTH_USER_PASS, .user = {bytes, 51}), SW_ETOOLARGE},
        {AUTH(.method = SW_AUTH_USER_PASS, .password = {bytes, 51}), SW_ETOOLARGE},
        {AUTH(.method = SW_AUTH_USER_PASS, .user = SPAN("\xff")), SW_EUTF8},
        {AUTH(.method = SW_AUTH_USER_PASS, .password = SPAN("\xc3")), SW_EUTF8},
        {AUTH(.method = SW_AUTH_TOKEN, .token = {bytes, 1348}), SW_ETOOLARGE},
        {AUTH(.method = SW_AUTH_TOKEN, .token = SPAN("\xc3\x28")), SW_EUTF8},
        {AUTH(.method = SW_AUTH_VERSIONED_TOKEN, .version = {1, 3}, .token = {bytes, 1346}),
         SW_ETOOLARGE},
        {AUTH(.method = SW_AUTH_VERSIONED_TOKEN, .version = {1, 4}, .token = {bytes, 5}),
         SW_EVERSION},
        {AUTH(.method = SW_AUTH_VERSIONED_TOKEN, .version = {1, 3}, .token = SPAN("\xff")),
         SW_EUTF8},
        {AUTH(.method = SW_AUTH_CUSTOM, .token = {bytes, 1348}), SW_ETOOLARGE},
        {AUTH(.method = (enum sw_auth_method)4), SW_EENUM},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct sw_writer w = sw_writer(room, sizeof room);
        assert_int_equal(sw_frame_encode(&w, &refused[i].frame), refused[i].error);
        assert_int_equal(sw_writer_len(&w), 0);
    }
}

static void test_success_vectors_decode_and_encode(void **state)
{
    (void)state;
    static const struct frame_vector vectors[] = {
        {"06 31 2e 31 2e 31 2e 31 00*17 32 2e 32 2e 32 2e 32 00*17 33 2e 33 2e 33 2e 33 00*17"
         " 31 35 30 30 00*20 00 00 00 00 00 00 2f 66",
         {SW_FRAME_AUTH_SUCCESS,
          .auth_success =
              {0x01010101, 0x02020202, 0x03030303, 1500, {{0, 0, 0, 0, 0, 0, 0x2f, 0x66}}}}},
        {"06 31302e3132352e302e35 00*14 31302e3132352e302e36 00*14 31302e3132352e302e31 00*14"
         " 31333530 00*20 123456789abcdef0",
         {SW_FRAME_AUTH_SUCCESS,
          .auth_success = {0x0a7d0005,
                           0x0a7d0006,
                           0x0a7d0001,
                           1350,
                           {{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0}}}}},
        {"06 302e302e302e30 00*17 3235352e3235352e3235352e323535 00*9 302e302e302e30 00*17"
         " 00*24 00*8", /* extreme addresses, MTU unknown */
         {SW_FRAME_AUTH_SUCCESS, .auth_success = {0, 0xffffffff, 0, 0, {{0}}}}},
    };
    for (size_t i = 0; i < COUNT(vectors); i++) {
        check_vector(&vectors[i]);
    }
}

/** An AuthSuccess of these texts, each cut or zero-padded to its field. */
static void build_success(uint8_t out[SW_FRAME_AUTH_SUCCESS_LEN], const char *const text[4])
{
    memset(out, 0, SW_FRAME_AUTH_SUCCESS_LEN);
    out[0] = SW_FRAME_AUTH_SUCCESS;
    for (size_t i = 0; i < 4; i++) {
        const size_t len = strlen(text[i]);
        memcpy(out + 1 + 24 * i, text[i], len < 24 ? len : 24);
    }
}

/** Result of decoding an AuthSuccess with this text in the field given, good ones elsewhere. */
static int decode_success_with(size_t field, const char *text, struct sw_frame *out)
{
    const char *texts[4] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "1350"};
    uint8_t bytes[SW_FRAME_AUTH_SUCCESS_LEN];
    struct hex in;
    texts[field] = text;
    build_success(bytes, texts);
    const int result = decode_alone(bytes, sizeof bytes, out, &in);
    free(in.data);
    return result;
}

static void test_addresses_are_strict_dotted_decimal(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4.",
        "1.2.3.4.5",
        "1..2.3",
        "256.1.1.1",
        "1.1.1.256",
        "1.1.1.999999999999999",
        "01.2.3.4",
        "1.2.3.04",
        "00.0.0.0",
        "0.0.0.00",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.a",
        "0x1.2.3.4",
        "1.2.3.-4",
        "+1.2.3.4",
        "1,2,3,4",
        "1.2.3.4/24",
        "::1",
        "localhost",
        "1.2.3.4\n",
    };
    struct sw_frame frame;
    for (size_t field = 0; field < 3; field++) {
        for (size_t i = 0; i < COUNT(wrong); i++) {
            if (decode_success_with(field, wrong[i], &frame) != SW_EADDRESS)
                fail_msg("\"%s\" was taken for an address", wrong[i]);
        }
    }
    assert_int_equal(decode_success_with(0, "0.10.200.255", &frame), 0);
    assert_int_equal(frame.auth_success.local_ip, 0x000ac8ff);
    assert_int_equal(decode_success_with(1, "9.99.199.249", &frame), 0);
    assert_int_equal(frame.auth_success.peer_ip, 0x0963c7f9);
}

static void test_mtu_that_is_no_number_is_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t mtu;
    } mtus[] = {
        {"", 0},           {"0", 0},        {"1", 1},
        {"65535", 65535},  {"01500", 1500}, {"4294967295", UINT32_MAX},
        {"4294967296", 0}, {"1500 ", 0},    {" 1500", 0},
        {"-1", 0},         {"0x5dc", 0},    {"99999999999999999999999", 0},
        {"abc", 0},
    };
    for (size_t i = 0; i < COUNT(mtus); i++) {
        struct sw_frame frame;
        assert_int_equal(decode_success_with(3, mtus[i].text, &frame), 0);
        assert_int_equal(frame.auth_success.mtu, mtus[i].mtu);
    }
}

static void test_text_ends_at_its_first_zero_or_at_23_bytes(void **state)
{
    (void)state;
    struct sw_frame frame;
    struct hex in;
    uint8_t bytes[SW_FRAME_AUTH_SUCCESS_LEN];

    /* 23 digits and a byte that is no digit where the terminator should be */
    assert_int_equal(decode_success_with(3, "00000000000000000001350!", &frame), 0);
    assert_int_equal(frame.auth_success.mtu, 1350);
    assert_int_equal(decode_success_with(3, "0000000000000000000135!!", &frame), 0);
    assert_int_equal(frame.auth_success.mtu, 0);
    assert_int_equal(decode_success_with(3, "00000000000000000001350\xff", &frame), 0);
    assert_int_equal(frame.auth_success.mtu, 1350);

    /* the letters are text of full length, though no address */
    assert_int_equal(decode_success_with(0, "abcdefghijklmnopqrstuvwx", &frame), SW_EADDRESS);

    build_success(bytes, (const char *const[]){"10.0.0.1", "10.0.0.2", "10.0.0.3", "1350"});
    memset(bytes + 1 + 10, 0xff, 24 - 10); /* behind the terminator */
    assert_int_equal(decode_alone(bytes, sizeof bytes, &frame, &in), 0);
    assert_int_equal(frame.auth_success.local_ip, 0x0a000001);
    free(in.data);
}

static void test_texts_must_be_utf8(void **state)
{
    (void)state;
    struct sw_frame frame;
    for (size_t field = 0; field < 4; field++) {
        assert_int_equal(decode_success_with(field, "\xc3\x28", &frame), SW_EUTF8);
    }
    assert_int_equal(decode_success_with(0, "\xc3\xa9", &frame), SW_EADDRESS);
    assert_int_equal(decode_success_with(3, "\xc3\xa9", &frame), 0);
    /* 22 letters and the first half of a character: the 24th byte does not complete it */
    assert_int_equal(decode_success_with(3, "0000000000000000000000\xc3\xa9", &frame), SW_EUTF8);
}

static void test_bad_text_counts_before_bad_address(void **state)
{
    (void)state;
    uint8_t bytes[SW_FRAME_AUTH_SUCCESS_LEN];
    struct sw_frame frame;
    struct hex in;
    build_success(bytes, (const char *const[]){"nowhere", "10.0.0.2", "10.0.0.3", "\xff"});
    assert_int_equal(decode_alone(bytes, sizeof bytes, &frame, &in), SW_EUTF8);
    free(in.data);
    check_prefixes(bytes, sizeof bytes); /* and both only when all bytes are there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_vectors_decode_and_encode),
        cmocka_unit_test(test_requests_of_maximum_size),
        cmocka_unit_test(test_malformed_requests_are_refused_without_moving),
        cmocka_unit_test(test_padding_of_user_and_password_is_ignored),
        cmocka_unit_test(test_encoder_refuses_what_no_peer_would_decode),
        cmocka_unit_test(test_success_vectors_decode_and_encode),
        cmocka_unit_test(test_addresses_are_strict_dotted_decimal),
        cmocka_unit_test(test_mtu_that_is_no_number_is_unknown),
        cmocka_unit_test(test_text_ends_at_its_first_zero_or_at_23_bytes),
        cmocka_unit_test(test_texts_must_be_utf8),
        cmocka_unit_test(test_bad_text_counts_before_bad_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
