/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Frames: the vectors of docs/protocol/wire.md §6.3 and §7 except those of §7.4 and §7.6
 * (test_wire_frame_auth.c), the bounds of every field, and the round trip of random frames.
 */

#include "lib/wire/frame.h"

#include "tests/unit/frame_check.h"
#include "tests/unit/random.h"

static const struct frame_vector vectors[] = {
    {"01", {.kind = SW_FRAME_NOOP}},

    {"02 f0 0b 00 00", {SW_FRAME_PING, .ping = {0xf00b, SPAN("")}}},
    {"02 de e4 00 02 ff fe", {SW_FRAME_PING, .ping = {0xdee4, SPAN("\xff\xfe")}}},
    {"02 00 00 00 00", {SW_FRAME_PING, .ping = {0, SPAN("")}}},
    {"02 00 00 00 10 00 00 00 00 00 00 03 e8 00 00 00 00 00 00 03 de",
     {SW_FRAME_PING, .ping = {0, SPAN("\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\x03\xde")}}},
    {"02 12 34 00 10 000102030405060708090a0b0c0d0e0f",
     {SW_FRAME_PING,
      .ping = {0x1234, SPAN("\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")}}},
    {"03 ab cd 00 00", {SW_FRAME_PONG, .ping = {0xabcd, SPAN("")}}},

    {"05 00 03 fe be aa", {SW_FRAME_DATA, .data = SPAN("\xfe\xbe\xaa")}},
    {"05 00 00", {SW_FRAME_DATA, .data = SPAN("")}},
    {"10 00 03 fe be aa", {SW_FRAME_ENCODED_DATA, .data = SPAN("\xfe\xbe\xaa")}},

    {"07 00*52", {.kind = SW_FRAME_AUTH_FAILURE}},
    {"0c", {.kind = SW_FRAME_GOODBYE}},

    {"0e 00 0d 73 65 72 76 65 72 20 63 6f 6e 66 69 67",
     {SW_FRAME_SERVER_CONFIG, .data = SPAN("server config")}},

    {"0f 00 0b 12 34 2a cf 66 72 61 67 6d 65 6e 74 61 72 79",
     {SW_FRAME_DATA_FRAG, .frag = {0x1234, 0x5678, true, SPAN("fragmentary")}}},
    {"11 00 0b 12 34 2a cf 66 72 61 67 6d 65 6e 74 61 72 79",
     {SW_FRAME_ENCODED_DATA_FRAG, .frag = {0x1234, 0x5678, true, SPAN("fragmentary")}}},

    {"12 00 00 00 00 00 00 02 01 01", {SW_FRAME_ENCODING_REQUEST, .encoding = {513, true}}},
    {"13 00 00 00 00 00 00 02 02 00", {SW_FRAME_ENCODING_RESPONSE, .encoding = {514, false}}},

    {"14 01 c0 00 00 12 34 56 78 9a bc de f0 0102030405060708 090a0b0c0d0e0f10 1112131415161718"
     "191a1b1c1d1e1f20",
     {SW_FRAME_EXPRESSLANE_CONFIG,
      .expresslane = {1, true, true, 0x123456789abcdef0, {1,  2,  3,  4,  5,  6,  7,  8,
                                                          9,  10, 11, 12, 13, 14, 15, 16,
                                                          17, 18, 19, 20, 21, 22, 23, 24,
                                                          25, 26, 27, 28, 29, 30, 31, 32}}}},
    {"14 02 80 00 00 00 00 00 00 00 00 00 01 4041424344454647 48494a4b4c4d4e4f 5051525354555657"
     "58595a5b5c5d5e5f",
     {SW_FRAME_EXPRESSLANE_CONFIG,
      .expresslane = {2, true, false, 1, "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"}}},
};

static void test_vectors_decode_and_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        check_vector(&vectors[i]);
    }
}

static void test_malformed_frames_are_refused_without_moving(void **state)
{
    (void)state;
    static const struct frame_error errors[] = {
        {"", SW_ESHORT},
        {"02 00 00 03 00 01 02", SW_ESHORT},
        {"05 00 01", SW_ESHORT},
        {"05 ff ff 00*65534", SW_ESHORT},
        {"07 00*51", SW_ESHORT},
        {"0e 05 45 63*1349", SW_ETOOLARGE},
        {"0e 05 45", SW_ETOOLARGE}, /* the limit counts before the bytes are there */
        {"0e ff ff", SW_ETOOLARGE},
        {"12 00*8 02", SW_EBOOL},
        {"13 00*8 ff", SW_EBOOL},
        {"14 00*43", SW_ESHORT},
    };
    for (size_t i = 0; i < COUNT(errors); i++) {
        check_error(&errors[i]);
    }
}

static void test_only_assigned_kinds_are_known(void **state)
{
    (void)state;
    static const bool assigned[256] = {[1 ... 7] = true, [12] = true, [14 ... 20] = true};
    for (unsigned int kind = 0; kind < 256; kind++) {
        const uint8_t byte = (uint8_t)kind;
        uint8_t room[256];
        struct sw_frame frame = {.kind = (enum sw_frame_kind)kind};
        struct sw_cursor c = sw_cursor(&byte, 1);
        struct sw_writer w = sw_writer(room, sizeof room);
        const bool unknown_name = strcmp(sw_frame_kind_name(frame.kind), "unknown") == 0;
        assert_int_equal(sw_frame_decode(&c, &frame) != SW_EKIND, assigned[kind]);
        frame = (struct sw_frame){.kind = (enum sw_frame_kind)kind};
        assert_int_equal(sw_frame_encode(&w, &frame) != SW_EKIND, assigned[kind]);
        assert_int_equal(unknown_name, !assigned[kind]);
        if (!assigned[kind]) assert_int_equal(sw_writer_len(&w), 0);
    }
    assert_string_equal(sw_frame_kind_name(SW_FRAME_AUTH_REQUEST), "AuthRequest");
    assert_string_equal(sw_frame_kind_name((enum sw_frame_kind)100000), "unknown");
}

static void test_largest_lengths_decode(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } largest[] = {
        {"02 00 01 ff ff 61*65535", 65535}, {"03 00 01 ff ff 61*65535", 65535},
        {"05 ff ff 61*65535", 65535},       {"10 ff ff 61*65535", 65535},
        {"0e 05 44 61*1348", 1348},
    };
    for (size_t i = 0; i < COUNT(largest); i++) {
        struct hex bytes = hex(largest[i].bytes), in;
        struct sw_frame frame;
        assert_int_equal(decode_alone(bytes.data, bytes.len, &frame, &in), 0);
        const bool ping = frame.kind == SW_FRAME_PING || frame.kind == SW_FRAME_PONG;
        const struct sw_span span = ping ? frame.ping.payload : frame.data;
        assert_int_equal(span.len, largest[i].len);
        assert_ptr_equal(span.data + span.len, in.data + in.len);
        check_encode(&frame, bytes.data, bytes.len);
        free(in.data);
        free(bytes.data);
    }
}

static void test_encoder_refuses_lengths_above_their_limit(void **state)
{
    (void)state;
    static const uint8_t bytes[65536];
    static uint8_t room[70000];
    const struct sw_span too_long = {bytes, 65536}, config = {bytes, 1349};
    const struct sw_frame frames[] = {
        {SW_FRAME_PING, .ping = {1, too_long}},
        {SW_FRAME_PONG, .ping = {1, too_long}},
        {SW_FRAME_DATA, .data = too_long},
        {SW_FRAME_ENCODED_DATA, .data = too_long},
        {SW_FRAME_SERVER_CONFIG, .data = config},
        {SW_FRAME_DATA_FRAG, .frag = {1, 0, false, too_long}},
        {SW_FRAME_ENCODED_DATA_FRAG, .frag = {1, 0, false, too_long}},
        {SW_FRAME_DATA_FRAG, .frag = {1, 65536, false, {bytes, 8}}},
    };
    for (size_t i = 0; i < COUNT(frames); i++) {
        struct sw_writer w = sw_writer(room, sizeof room);
        assert_int_equal(sw_frame_encode(&w, &frames[i]), SW_ETOOLARGE);
        assert_int_equal(sw_writer_len(&w), 0);
    }

    const struct sw_frame odd = {SW_FRAME_DATA_FRAG, .frag = {1, 12, false, {bytes, 8}}};
    struct sw_writer w = sw_writer(room, sizeof room);
    assert_int_equal(sw_frame_encode(&w, &odd), SW_EINVAL);
    assert_int_equal(sw_writer_len(&w), 0);
}

static void test_fragment_word_is_that_of_ipv4(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset;
        bool more;
        uint16_t word;
    } words[] = {
        {0, false, 0x0000},      {0, true, 0x2000},       {8, false, 0x0001},
        {8, true, 0x2001},       {0x1000, false, 0x0200}, {0x1000, true, 0x2200},
        {0xfff8, false, 0x1fff}, {0xfff8, true, 0x3fff},  {1240, false, 0x009b},
    };
    for (size_t i = 0; i < COUNT(words); i++) {
        const struct sw_frame frame = {SW_FRAME_DATA_FRAG,
                                       .frag = {7, words[i].offset, words[i].more, SPAN("x")}};
        struct sw_frame decoded;
        uint8_t bytes[8];
        struct sw_writer w = sw_writer(bytes, sizeof bytes);
        assert_int_equal(sw_frame_encode(&w, &frame), 0);
        assert_int_equal(sw_get_be16(bytes + 5), words[i].word);

        sw_put_be16(bytes + 5, words[i].word | 0xc000); /* bits 15 and 14 are ignored */
        struct sw_cursor c = sw_cursor(bytes, sizeof bytes);
        assert_int_equal(sw_frame_decode(&c, &decoded), 0);
        assert_frame_equal(&decoded, &frame);
    }
}

/* 1350 bytes of inside packet over a path of 1250: 1240 bytes, then 110. */
static void test_two_fragments_of_a_packet(void **state)
{
    (void)state;
    static const struct frame_vector fragments[] = {
        {"0f 04 d8 00 01 20 00 61*1240", {SW_FRAME_DATA_FRAG, .frag = {1, 0, true, {NULL, 1240}}}},
        {"0f 00 6e 00 01 00 9b 61*110",
         {SW_FRAME_DATA_FRAG, .frag = {1, 1240, false, {NULL, 110}}}},
    };
    static uint8_t letters[1240];
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i < COUNT(fragments); i++) {
        struct frame_vector vector = fragments[i];
        vector.frame.frag.data.data = letters;
        check_vector(&vector);
    }
}

static void test_ignored_bits_and_bytes_do_not_matter(void **state)
{
    (void)state;
    struct hex bytes = hex("14 09 bf ff ff 00*7 05 aa*32"), in;
    struct sw_frame frame;
    assert_int_equal(decode_alone(bytes.data, bytes.len, &frame, &in), 0);
    assert_int_equal(frame.expresslane.version, 9); /* for the engine to judge */
    assert_true(frame.expresslane.enabled);
    assert_false(frame.expresslane.ack);
    assert_true(frame.expresslane.counter == 5);
    free(in.data);
    free(bytes.data);

    bytes = hex("07 ff*52");
    assert_int_equal(decode_alone(bytes.data, bytes.len, &frame, &in), 0);
    assert_int_equal(frame.kind, SW_FRAME_AUTH_FAILURE);
    free(in.data);
    free(bytes.data);
}

static void assert_next_kind(struct sw_cursor *c, enum sw_frame_kind kind, struct sw_frame *frame)
{
    assert_int_equal(sw_frame_decode(c, frame), 0);
    assert_int_equal(frame->kind, kind);
}

static void test_frames_stand_back_to_back(void **state)
{
    (void)state;
    struct hex in = hex("01 02 f0 0b 00 00 0c"); /* vector F1 */
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_frame frame;
    assert_next_kind(&c, SW_FRAME_NOOP, &frame);
    assert_next_kind(&c, SW_FRAME_PING, &frame);
    assert_int_equal(frame.ping.id, 0xf00b);
    assert_next_kind(&c, SW_FRAME_GOODBYE, &frame);
    assert_int_equal(sw_frame_decode(&c, &frame), SW_ESHORT);
    free(in.data);
}

static void test_short_frame_decodes_once_the_rest_has_come(void **state)
{
    (void)state;
    struct hex first = hex("02 f0 0b"), both = hex("02 f0 0b 00 00 01"); /* vector F2 */
    struct sw_frame frame;
    struct sw_cursor c = sw_cursor(first.data, first.len);
    assert_int_equal(sw_frame_decode(&c, &frame), SW_ESHORT);
    assert_ptr_equal(c.p, first.data);
    c = sw_cursor(both.data, both.len);
    assert_next_kind(&c, SW_FRAME_PING, &frame);
    assert_int_equal(frame.ping.id, 0xf00b);
    assert_int_equal(frame.ping.payload.len, 0);
    assert_next_kind(&c, SW_FRAME_NOOP, &frame);
    assert_int_equal(sw_cursor_left(&c), 0);
    free(first.data);
    free(both.data);
}

static void test_all_vectors_in_one_stream(void **state)
{
    (void)state;
    uint8_t stream[1024];
    struct sw_writer w = sw_writer(stream, sizeof stream);
    for (size_t i = 0; i < COUNT(vectors); i++) {
        assert_int_equal(sw_frame_encode(&w, &vectors[i].frame), 0);
    }
    struct sw_cursor c = sw_cursor(stream, sw_writer_len(&w));
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct sw_frame frame;
        assert_int_equal(sw_frame_decode(&c, &frame), 0);
        assert_frame_equal(&frame, &vectors[i].frame);
    }
    assert_int_equal(sw_cursor_left(&c), 0);
}

/* --- random frames -------------------------------------------------------------------------- */

static uint8_t noise[4096], letters[4096];

static int fill_noise_and_letters(void **state)
{
    (void)state;
    uint64_t random = 6;
    random_fill(&random, noise, sizeof noise);
    for (size_t i = 0; i < sizeof letters; i++) {
        letters[i] = (uint8_t)('a' + random_below(&random, 26));
    }
    return 0;
}

/** Random length and place; text if it must be. */
static struct sw_span random_span(uint64_t *random, size_t limit, bool text)
{
    const size_t len = random_below(random, limit + 1);
    const size_t at = random_below(random, sizeof noise - len + 1);
    return (struct sw_span){(text ? letters : noise) + at, len};
}

static struct sw_frame_auth_request random_auth_request(uint64_t *random)
{
    static const enum sw_auth_method methods[] = {SW_AUTH_USER_PASS, SW_AUTH_TOKEN,
                                                  SW_AUTH_VERSIONED_TOKEN, SW_AUTH_CUSTOM};
    struct sw_frame_auth_request auth = {.method = methods[random_below(random, 4)]};
    switch (auth.method) {
    case SW_AUTH_USER_PASS:
        auth.user = random_span(random, SW_AUTH_TEXT_MAX, true);
        auth.password = random_span(random, SW_AUTH_TEXT_MAX, true);
        break;
    case SW_AUTH_TOKEN:
        auth.token = random_span(random, SW_AUTH_TOKEN_MAX, true);
        break;
    case SW_AUTH_VERSIONED_TOKEN:
        auth.version = (struct sw_version){1, (uint8_t)(1 + random_below(random, 3))};
        auth.token = random_span(random, SW_AUTH_VERSIONED_TOKEN_MAX, true);
        break;
    case SW_AUTH_CUSTOM:
        auth.token = random_span(random, SW_AUTH_CUSTOM_MAX, false);
        break;
    }
    return auth;
}

static struct sw_frame_auth_success random_auth_success(uint64_t *random)
{
    struct sw_frame_auth_success success = {
        .local_ip = (uint32_t)random_u64(random),
        .peer_ip = (uint32_t)random_u64(random),
        .dns_ip = (uint32_t)random_u64(random),
        .mtu = (uint32_t)random_u64(random) >> random_below(random, 32),
    };
    random_fill(random, success.session.bytes, sizeof success.session.bytes);
    return success;
}

static struct sw_frame random_frame(uint64_t *random)
{
    struct sw_frame frame = {.kind = vectors[random_below(random, COUNT(vectors))].frame.kind};
    if (random_below(random, 4) == 0)
        frame.kind = random_below(random, 2) ? SW_FRAME_AUTH_REQUEST : SW_FRAME_AUTH_SUCCESS;

    switch (frame.kind) {
    case SW_FRAME_PING:
    case SW_FRAME_PONG:
        frame.ping.id = (uint16_t)random_u64(random);
        frame.ping.payload = random_span(random, sizeof noise, false);
        break;
    case SW_FRAME_AUTH_REQUEST:
        frame.auth_request = random_auth_request(random);
        break;
    case SW_FRAME_AUTH_SUCCESS:
        frame.auth_success = random_auth_success(random);
        break;
    case SW_FRAME_DATA:
    case SW_FRAME_ENCODED_DATA:
        frame.data = random_span(random, sizeof noise, false);
        break;
    case SW_FRAME_SERVER_CONFIG:
        frame.data = random_span(random, SW_SERVER_CONFIG_MAX, false);
        break;
    case SW_FRAME_DATA_FRAG:
    case SW_FRAME_ENCODED_DATA_FRAG:
        frame.frag.id = (uint16_t)random_u64(random);
        frame.frag.offset = (uint32_t)random_below(random, 8192) * 8;
        frame.frag.more = random_below(random, 2);
        frame.frag.data = random_span(random, sizeof noise, false);
        break;
    case SW_FRAME_ENCODING_REQUEST:
    case SW_FRAME_ENCODING_RESPONSE:
        frame.encoding.id = random_u64(random);
        frame.encoding.enable = random_below(random, 2);
        break;
    case SW_FRAME_EXPRESSLANE_CONFIG:
        frame.expresslane.version = (uint8_t)random_u64(random);
        frame.expresslane.enabled = random_below(random, 2);
        frame.expresslane.ack = random_below(random, 2);
        frame.expresslane.counter = random_u64(random);
        random_fill(random, frame.expresslane.key, sizeof frame.expresslane.key);
        break;
    default:
        break;
    }
    return frame;
}

static void test_random_frames_survive_the_round_trip(void **state)
{
    (void)state;
    uint64_t random = 7;
    static uint8_t stream[65536];
    for (int round = 0; round < 500; round++) {
        struct sw_frame frames[10], decoded;
        struct sw_writer w = sw_writer(stream, sizeof stream);
        for (size_t i = 0; i < COUNT(frames); i++) {
            frames[i] = random_frame(&random);
            assert_int_equal(sw_frame_encode(&w, &frames[i]), 0);
        }
        struct hex in = hex_copy(stream, sw_writer_len(&w));
        struct sw_cursor c = sw_cursor(in.data, in.len);
        for (size_t i = 0; i < COUNT(frames); i++) {
            assert_int_equal(sw_frame_decode(&c, &decoded), 0);
            assert_frame_equal(&decoded, &frames[i]);
        }
        assert_int_equal(sw_cursor_left(&c), 0);
        free(in.data);
    }
}

/** Whatever decodes encodes to bytes that decode to the same. */
static void test_random_bytes_never_break_the_decoder(void **state)
{
    (void)state;
    uint64_t random = 8;
    int decoded = 0;
    for (int round = 0; round < 50000; round++) {
        uint8_t bytes[160], room[512];
        struct sw_frame frame, again;
        struct hex in;
        const size_t len = random_below(&random, sizeof bytes + 1);
        random_fill(&random, bytes, sizeof bytes);
        bytes[0] %= 24;
        if (random_below(&random, 2)) bytes[1] = 0;
        in = hex_copy(bytes, len);
        struct sw_cursor c = sw_cursor(in.data, in.len);
        if (sw_frame_decode(&c, &frame) == 0) {
            struct sw_writer w = sw_writer(room, sizeof room);
            assert_int_equal(sw_frame_encode(&w, &frame), 0);
            assert_int_equal(sw_writer_len(&w), c.p - in.data);
            c = sw_cursor(room, sw_writer_len(&w));
            assert_int_equal(sw_frame_decode(&c, &again), 0);
            assert_frame_equal(&frame, &again);
            decoded++;
        } else {
            assert_ptr_equal(c.p, in.data);
        }
        free(in.data);
    }
    assert_true(decoded > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_decode_and_encode),
        cmocka_unit_test(test_malformed_frames_are_refused_without_moving),
        cmocka_unit_test(test_only_assigned_kinds_are_known),
        cmocka_unit_test(test_largest_lengths_decode),
        cmocka_unit_test(test_encoder_refuses_lengths_above_their_limit),
        cmocka_unit_test(test_fragment_word_is_that_of_ipv4),
        cmocka_unit_test(test_two_fragments_of_a_packet),
        cmocka_unit_test(test_ignored_bits_and_bytes_do_not_matter),
        cmocka_unit_test(test_frames_stand_back_to_back),
        cmocka_unit_test(test_short_frame_decodes_once_the_rest_has_come),
        cmocka_unit_test(test_all_vectors_in_one_stream),
        cmocka_unit_test(test_random_frames_survive_the_round_trip),
        cmocka_unit_test(test_random_bytes_never_break_the_decoder),
    };
    return cmocka_run_group_tests(tests, fill_noise_and_letters, NULL);
}
