/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Classification of DTLS records before the TLS library sees them: what stock peers really send
 * (captured datagrams in tests/fixtures/datagrams), what attackers would, and the bounds between.
 */

#include "lib/wire/dtls_record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lib/wire/header.h"
#include "tests/unit/fixture.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct captured {
    const char *name;
    enum sw_record_kind kind;
    int parse; /* result of sw_hello_parse(), and what it says */
    bool has_cookie;
    bool complete;
    uint32_t msg_len;
    uint16_t msg_seq;
} captured[] = {
    {"client-hello-1", SW_RECORD_HANDSHAKE, 0, false, true, 149, 0},
    {"hello-retry-request", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
    {"client-hello-2", SW_RECORD_HANDSHAKE, 0, true, true, 309, 1},
    {"server-hello", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
    {"encrypted-extensions", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"certificate", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"finished", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"ack", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"auth-request", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"auth-success", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"data", SW_RECORD_PROTECTED, SW_EINVAL, false, false, 0, 0},
    {"pq-client-hello-2-fragment-1", SW_RECORD_HANDSHAKE, 0, true, false, 1945, 1},
    {"pq-client-hello-2-fragment-2", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
    {"pq-client-hello-2-fragment-3", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
    {"pq-server-hello-fragment-1", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
    {"pq-server-hello-fragment-2", SW_RECORD_HANDSHAKE, SW_EINVAL, false, false, 0, 0},
};

/** What follows the Lightway header of a captured datagram, in an allocation of its own. */
static struct hex payload_of(const char *name)
{
    char file[128];
    struct sw_header header;
    snprintf(file, sizeof file, "datagrams/%s.bin", name);
    struct hex datagram = fixture(file);
    struct sw_cursor c = sw_cursor(datagram.data, datagram.len);
    assert_int_equal(sw_header_decode(&c, &header), 0);
    assert_int_equal(sw_version_compare(header.version, SW_VERSION_MAX), 0);
    assert_false(header.expresslane);
    struct hex payload = hex_copy(c.p, sw_cursor_left(&c));
    free(datagram.data);
    return payload;
}

static void test_captured_datagrams_hold_one_record_of_their_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(captured); i++) {
        struct hex in = payload_of(captured[i].name);
        struct sw_cursor c = sw_cursor(in.data, in.len);
        struct sw_record record;
        struct sw_hello hello;
        assert_int_equal(sw_record_next(&c, &record), 1);
        assert_int_equal(record.kind, captured[i].kind);
        assert_ptr_equal(record.raw.data, in.data);
        assert_int_equal(record.raw.len, in.len);
        assert_ptr_equal(record.body.data + record.body.len, in.data + in.len);
        if (record.kind == SW_RECORD_HANDSHAKE) {
            const bool client = strstr(captured[i].name, "client-hello") != NULL;
            assert_int_equal(record.hello, client ? SW_CLIENT_HELLO : SW_SERVER_HELLO);
        }

        assert_int_equal(sw_hello_parse(&record, &hello), captured[i].parse);
        if (captured[i].parse == 0) {
            assert_int_equal(hello.has_cookie, captured[i].has_cookie);
            assert_int_equal(hello.complete, captured[i].complete);
            assert_int_equal(hello.msg_len, captured[i].msg_len);
            assert_int_equal(hello.msg_seq, captured[i].msg_seq);
            assert_memory_equal(hello.random, in.data + 13 + 12 + 2, 32);
        }
        assert_int_equal(sw_record_next(&c, &record), 0);
        free(in.data);
    }
}

static void test_both_hellos_of_a_connect_have_the_same_random(void **state)
{
    (void)state;
    struct hex first = payload_of("client-hello-1"), second = payload_of("client-hello-2");
    struct sw_cursor c1 = sw_cursor(first.data, first.len);
    struct sw_cursor c2 = sw_cursor(second.data, second.len);
    struct sw_record record;
    struct sw_hello hello1, hello2;
    assert_int_equal(sw_record_next(&c1, &record), 1);
    assert_int_equal(sw_hello_parse(&record, &hello1), 0);
    assert_int_equal(sw_record_next(&c2, &record), 1);
    assert_int_equal(sw_hello_parse(&record, &hello2), 0);
    assert_memory_equal(hello1.random, hello2.random, 32);
    free(first.data);
    free(second.data);
}

static void test_cut_records_are_malformed_and_take_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(captured); i++) {
        struct hex whole = payload_of(captured[i].name);
        for (size_t len = 1; len < whole.len; len++) {
            struct hex in = hex_copy(whole.data, len);
            struct sw_cursor c = sw_cursor(in.data, in.len);
            struct sw_record record;
            assert_int_equal(sw_record_next(&c, &record), 1);
            assert_int_equal(record.kind, SW_RECORD_MALFORMED);
            assert_int_equal(record.raw.len, len);
            assert_int_equal(record.body.len, 0);
            assert_int_equal(sw_record_next(&c, &record), 0);
            free(in.data);
        }
        free(whole.data);
    }
}

static void test_records_stand_back_to_back(void **state)
{
    (void)state;
    uint8_t datagram[8192];
    struct sw_writer w = sw_writer(datagram, sizeof datagram);
    for (size_t i = 0; i < COUNT(captured); i++) {
        struct hex in = payload_of(captured[i].name);
        assert_int_equal(sw_writer_bytes(&w, in.data, in.len), 0);
        free(in.data);
    }
    struct sw_cursor c = sw_cursor(datagram, sw_writer_len(&w));
    struct sw_record record;
    for (size_t i = 0; i < COUNT(captured); i++) {
        assert_int_equal(sw_record_next(&c, &record), 1);
        assert_int_equal(record.kind, captured[i].kind);
    }
    assert_int_equal(sw_record_next(&c, &record), 0);
}

/** The kind of the first record of these bytes, and how many bytes it takes. */
static enum sw_record_kind kind_of(const char *text, size_t *len)
{
    struct hex in = hex(text);
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_record record;
    assert_int_equal(sw_record_next(&c, &record), 1);
    assert_ptr_equal(record.raw.data, in.data);
    assert_int_equal(record.raw.len, c.p - in.data);
    if (len != NULL) *len = record.raw.len;
    const enum sw_record_kind kind = record.kind;
    free(in.data);
    return kind;
}

static void test_empty_datagram_has_no_record(void **state)
{
    (void)state;
    struct sw_cursor c = sw_cursor("", 0);
    struct sw_record record;
    assert_int_equal(sw_record_next(&c, &record), 0);
}

static void test_unified_headers_have_the_length_their_flags_say(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        enum sw_record_kind kind;
        size_t len;
    } headers[] = {
        {"20 01 aa*16", SW_RECORD_PROTECTED, 18}, /* neither S nor L: all of it */
        {"23 01 aa*16 2c", SW_RECORD_PROTECTED, 19},
        {"28 01 02 aa*16", SW_RECORD_PROTECTED, 19},       /* S */
        {"24 01 00 10 aa*16 ff", SW_RECORD_PROTECTED, 20}, /* L */
        {"2c 01 02 00 10 aa*16 ff", SW_RECORD_PROTECTED, 21},
        {"2f 01 02 00 11 aa*17 ff*9", SW_RECORD_PROTECTED, 22},
        {"2e 01 02 00 0f aa*15 ff", SW_RECORD_MALFORMED, 20}, /* too short to be ciphertext */
        {"2e 01 02 00 00", SW_RECORD_MALFORMED, 5},
        {"20 01 aa*15", SW_RECORD_MALFORMED, 17},
        {"20 01", SW_RECORD_MALFORMED, 2},
        {"20", SW_RECORD_MALFORMED, 1},
        {"2e 01 02 00 12 aa*17", SW_RECORD_MALFORMED, 22}, /* one byte is missing */
        {"2e 01 02 ff ff aa*17", SW_RECORD_MALFORMED, 22},
        {"2e 01 02 00", SW_RECORD_MALFORMED, 4},
        {"30 01 aa*16", SW_RECORD_MALFORMED, 18}, /* connection id: never negotiated */
        {"3e 01 02 00 10 aa*16 ff", SW_RECORD_MALFORMED, 22},
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        size_t len;
        if (kind_of(headers[i].bytes, &len) != headers[i].kind || len != headers[i].len)
            fail_msg("%s", headers[i].bytes);
    }
}

static void test_first_byte_decides_what_can_be_a_record(void **state)
{
    (void)state;
    for (unsigned int first = 0; first < 256; first++) {
        char text[64];
        snprintf(text, sizeof text, "%02x fe fd 00 01 00*6 00 13 aa*19 bb", first);
        const bool unified = first >= 0x20 && first <= 0x2f;
        const bool old_style = first >= 20 && first <= 26;
        size_t len;
        const enum sw_record_kind kind = kind_of(text, &len);
        if (old_style) { /* its length is known, and DTLS 1.3 has no such record above epoch 0 */
            assert_int_equal(kind, SW_RECORD_MALFORMED);
            assert_int_equal(len, 32);
            continue;
        }
        /* S and L: a length of 1, too short. L alone: a length beyond the end. */
        assert_int_equal(kind, unified && !(first & 4) ? SW_RECORD_PROTECTED : SW_RECORD_MALFORMED);
        assert_int_equal(len, unified && (first & 12) == 12 ? 6 : 33);
    }
}

static void test_old_style_headers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        enum sw_record_kind kind;
        size_t len;
    } records[] = {
        /* the forged alerts that end a trusting client */
        {"15 fe fd 00 00 00*6 00 02 02 28", SW_RECORD_ALERT, 15},
        {"15 fe fd 00 00 00*6 00 02 01 00", SW_RECORD_ALERT, 15},
        {"15 fe ff 00 00 ff*6 00 02 02 0a 16", SW_RECORD_ALERT, 15},
        {"15 fe fd 00 00 00*6 00 01 02", SW_RECORD_MALFORMED, 14},
        {"15 fe fd 00 00 00*6 00 03 02 28 00", SW_RECORD_MALFORMED, 16},
        {"15 fe fd 00 00 00*6 00 00", SW_RECORD_MALFORMED, 13},

        {"15 fe fd 00 01 00*6 00 02 02 28", SW_RECORD_MALFORMED, 15},
        {"17 fe fd ff ff 00*6 00 01 00", SW_RECORD_MALFORMED, 14},
        {"17 fe fd 00 01 00*6 00 00", SW_RECORD_MALFORMED, 13},

        {"14 fe fd 00 00 00*6 00 01 01", SW_RECORD_MALFORMED, 14}, /* change_cipher_spec */
        {"17 fe fd 00 00 00*6 00 01 01", SW_RECORD_MALFORMED, 14}, /* application data */
        {"18 fe fd 00 00 00*6 00 01 01", SW_RECORD_MALFORMED, 14},
        {"19 fe fd 00 00 00*6 00 01 01", SW_RECORD_MALFORMED, 14},

        /* no telling how long these are */
        {"15 fe fc 00 00 00*6 00 02 02 28 aa", SW_RECORD_MALFORMED, 16},
        {"15 03 03 00 00 00*6 00 02 02 28 aa", SW_RECORD_MALFORMED, 16},
        {"15 fe fe 00 01 00*6 00 02 02 28 aa", SW_RECORD_MALFORMED, 16},
        {"13 fe fd 00 01 00*6 00 02 02 28 aa", SW_RECORD_MALFORMED, 16},
        {"1b fe fd 00 01 00*6 00 02 02 28 aa", SW_RECORD_MALFORMED, 16},
        {"15 fe fd 00 00 00*6 00 03 02 28", SW_RECORD_MALFORMED, 15},
        {"00*100", SW_RECORD_MALFORMED, 100},

        /* ACK: whole record numbers, and nothing behind them */
        {"1a fe fd 00 00 00*6 00 12 00 10 00*16", SW_RECORD_ACK, 31},
        {"1a fe fd 00 00 00*6 00 22 00 20 00*32 ff", SW_RECORD_ACK, 47},
        {"1a fe fd 00 00 00*6 00 02 00 00", SW_RECORD_ACK, 15},
        {"1a fe fd 00 00 00*6 00 01 00", SW_RECORD_MALFORMED, 14},
        {"1a fe fd 00 00 00*6 00 11 00 0f 00*15", SW_RECORD_MALFORMED, 30},
        {"1a fe fd 00 00 00*6 00 12 00 20 00*16", SW_RECORD_MALFORMED, 31},
        {"1a fe fd 00 00 00*6 00 13 00 10 00*17", SW_RECORD_MALFORMED, 32},
        {"1a fe fd 00 00 00*6 00 00", SW_RECORD_MALFORMED, 13},
    };
    for (size_t i = 0; i < COUNT(records); i++) {
        size_t len;
        if (kind_of(records[i].bytes, &len) != records[i].kind || len != records[i].len)
            fail_msg("%s", records[i].bytes);
    }
}

static void test_handshake_fragments_must_be_sound(void **state)
{
    (void)state;
    static const struct {
        const char *body; /* type, length, message_seq, offset, fragment length, fragment */
        enum sw_record_kind kind;
    } bodies[] = {
        {"01 000004 0000 000000 000004 aa*4", SW_RECORD_HANDSHAKE},
        {"02 000004 0001 000000 000004 aa*4", SW_RECORD_HANDSHAKE},
        {"01 000004 0001 000002 000002 aa*2", SW_RECORD_HANDSHAKE},
        {"01 004000 0001 003ffe 000002 aa*2", SW_RECORD_HANDSHAKE},
        {"01 004001 0001 003ffe 000002 aa*2", SW_RECORD_MALFORMED}, /* longer than any hello */
        {"01 ffffff 0001 000000 000002 aa*2", SW_RECORD_MALFORMED},

        {"", SW_RECORD_MALFORMED},
        {"01", SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 0000", SW_RECORD_MALFORMED},
        {"01 000000 0000 000000 000000", SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000000", SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000005 aa*5", SW_RECORD_MALFORMED},
        {"01 000004 0000 000001 000004 aa*4", SW_RECORD_MALFORMED},
        {"01 000004 0000 ffffff 000004 aa*4", SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000004 aa*3", SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000004 aa*5", SW_RECORD_MALFORMED},
        {"01 000004 0002 000000 000004 aa*4", SW_RECORD_MALFORMED},
        {"01 000004 ffff 000000 000004 aa*4", SW_RECORD_MALFORMED},

        /* no other message travels in epoch 0 */
        {"00 000004 0000 000000 000004 aa*4", SW_RECORD_MALFORMED},
        {"03 000004 0000 000000 000004 aa*4", SW_RECORD_MALFORMED},
        {"0b 000004 0000 000000 000004 aa*4", SW_RECORD_MALFORMED},
        {"14 000004 0000 000000 000004 aa*4", SW_RECORD_MALFORMED},
        {"fe 000004 0000 000000 000004 aa*4", SW_RECORD_MALFORMED},

        /* several fragments: of one message, ascending, apart */
        {"01 000004 0000 000000 000002 aa*2 01 000004 0000 000002 000002 bb*2",
         SW_RECORD_HANDSHAKE},
        {"01 000009 0000 000001 000002 aa*2 01 000009 0000 000007 000002 bb*2",
         SW_RECORD_HANDSHAKE},
        {"01 000004 0000 000000 000004 aa*4 01 000004 0000 000000 000004 aa*4",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000002 000002 aa*2 01 000004 0000 000000 000002 bb*2",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000002 aa*2 01 000004 0000 000001 000002 bb*2",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000002 aa*2 02 000004 0000 000002 000002 bb*2",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000002 aa*2 01 000004 0001 000002 000002 bb*2",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000002 aa*2 01 000005 0000 000002 000002 bb*2",
         SW_RECORD_MALFORMED},
        {"01 000004 0000 000000 000002 aa*2 01 000004 0000 000002 000002 bb*1",
         SW_RECORD_MALFORMED},
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        char text[256];
        size_t len;
        const size_t body_len = hex_length(bodies[i].body);
        snprintf(text, sizeof text, "16 fe fd 00 00 00*6 %04zx %s cc", body_len, bodies[i].body);
        if (kind_of(text, &len) != bodies[i].kind) fail_msg("%s", bodies[i].body);
        assert_int_equal(len, 13 + body_len);
    }
}

/** Result of parsing a ClientHello message, of which the first shown bytes are in the record. */
static int parse_hello(const uint8_t *message, size_t len, size_t shown, struct sw_hello *out)
{
    uint8_t bytes[2048];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);
    struct sw_record record;
    assert_int_equal(sw_writer_bytes(&w, "\x16\xfe\xfd\0\0\0\0\0\0\0\0", 11), 0);
    assert_int_equal(sw_writer_be16(&w, (uint16_t)(12 + shown)), 0);
    assert_int_equal(sw_writer_be32(&w, 0x01000000 | (uint32_t)len), 0);
    assert_int_equal(sw_writer_zeros(&w, 5), 0);
    assert_int_equal(sw_writer_u8(&w, 0), 0);
    assert_int_equal(sw_writer_be16(&w, (uint16_t)shown), 0);
    assert_int_equal(sw_writer_bytes(&w, message, shown), 0);

    struct hex in = hex_copy(bytes, sw_writer_len(&w));
    struct sw_cursor c = sw_cursor(in.data, in.len);
    assert_int_equal(sw_record_next(&c, &record), 1);
    assert_int_equal(record.kind, SW_RECORD_HANDSHAKE);
    const int result = sw_hello_parse(&record, out);
    free(in.data);
    return result;
}

static void test_cookie_counts_once_it_lies_whole_in_the_fragment(void **state)
{
    (void)state;
    struct hex in = payload_of("client-hello-2");
    const uint8_t *message = in.data + 13 + 12;
    const size_t len = in.len - 13 - 12;
    const size_t extensions_at = 2 + 32 + 1 + 1 + 2 + 4 + 1 + 1 + 2;
    const size_t cookie_end = extensions_at + 7 + 4 + 87; /* supported_versions stands before it */
    for (size_t shown = 1; shown <= len; shown++) {
        struct sw_hello hello;
        const int result = parse_hello(message, len, shown, &hello);
        assert_int_equal(result, shown < extensions_at ? SW_ESHORT : 0);
        if (result < 0) continue;
        assert_int_equal(hello.has_cookie, shown >= cookie_end);
        assert_int_equal(hello.complete, shown == len);
        assert_int_equal(hello.msg_len, len);
    }
    free(in.data);
}

static void test_hellos_must_be_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        int result;
        bool has_cookie;
    } hellos[] = {
        {"fefd aa*32 00 00 0002 1302 01 00 0000", 0, false},
        {"fefd aa*32 20 bb*32 00 0002 1302 01 00 0000", 0, false},
        {"fefd aa*32 00 00 0004 1302 c030 02 01 00 0004 002b 0000", 0, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0007 002c 0003 0001 cc", 0, true},
        {"fefd aa*32 00 00 0002 1302 01 00 000b 002b 0000 002c 0003 0001 cc", 0, true},

        {"fefd aa*31", SW_ESHORT, false},
        {"fefd aa*32", SW_ESHORT, false},
        {"fefc aa*32 00 00 0002 1302 01 00 0000", SW_ESHORT, false},
        {"0303 aa*32 00 00 0002 1302 01 00 0000", SW_ESHORT, false},
        {"fefd aa*32 21 bb*33 00 0002 1302 01 00 0000", SW_ESHORT, false},
        {"fefd aa*32 00 01 cc 0002 1302 01 00 0000", SW_ESHORT, false}, /* DTLS 1.2 cookie */
        {"fefd aa*32 00 00 0000 01 00 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 0003 130213 01 00 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 ffff 1302 01 00 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 00 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0001", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0000 00", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0003 002b00", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0004 002b 0001", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0004 002c 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0006 002c 0002 0000", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0007 002c 0003 0002 cc", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 0008 002c 0004 0001 cc dd", SW_ESHORT, false},
        {"fefd aa*32 00 00 0002 1302 01 00 000e 002c 0003 0001 cc 002c 0003 0001 cc", SW_ESHORT,
         false},
    };
    for (size_t i = 0; i < COUNT(hellos); i++) {
        struct hex message = hex(hellos[i].message);
        struct sw_hello hello;
        const int result = parse_hello(message.data, message.len, message.len, &hello);
        if (result != hellos[i].result) fail_msg("%s: %d", hellos[i].message, result);
        if (result == 0) assert_int_equal(hello.has_cookie, hellos[i].has_cookie);
        free(message.data);
    }
}

/** Records tile the datagram, bodies lie in their records, parsing reads nothing outside. */
static void check_walk(const uint8_t *data, size_t len)
{
    struct hex in = hex_copy(data, len);
    struct sw_cursor c = sw_cursor(in.data, in.len);
    struct sw_record record;
    struct sw_hello hello;
    size_t at = 0;
    while (sw_record_next(&c, &record) == 1) {
        assert_ptr_equal(record.raw.data, in.data + at);
        assert_true(record.raw.len > 0);
        at += record.raw.len;
        assert_ptr_equal(c.p, in.data + at);
        if (record.body.len > 0) {
            assert_true(record.body.data > record.raw.data);
            assert_ptr_equal(record.body.data + record.body.len, in.data + at);
        }
        const int result = sw_hello_parse(&record, &hello);
        if (record.kind != SW_RECORD_HANDSHAKE) assert_int_equal(result, SW_EINVAL);
    }
    assert_int_equal(at, len);
    free(in.data);
}

static void test_mutated_datagrams_are_walked_to_their_end(void **state)
{
    (void)state;
    uint64_t random = 9;
    for (size_t i = 0; i < COUNT(captured); i++) {
        struct hex in = payload_of(captured[i].name);
        for (int round = 0; round < 1000; round++) {
            struct hex mutated = hex_copy(in.data, in.len);
            for (size_t n = 1 + random_below(&random, 3); n > 0; n--) {
                const size_t near = random_below(&random, 2) ? in.len : 90;
                mutated.data[random_below(&random, near < in.len ? near : in.len)] =
                    (uint8_t)random_u64(&random);
            }
            check_walk(mutated.data, 1 + random_below(&random, mutated.len));
            check_walk(mutated.data, mutated.len);
            free(mutated.data);
        }
        free(in.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured_datagrams_hold_one_record_of_their_kind),
        cmocka_unit_test(test_both_hellos_of_a_connect_have_the_same_random),
        cmocka_unit_test(test_cut_records_are_malformed_and_take_the_rest),
        cmocka_unit_test(test_records_stand_back_to_back),
        cmocka_unit_test(test_empty_datagram_has_no_record),
        cmocka_unit_test(test_unified_headers_have_the_length_their_flags_say),
        cmocka_unit_test(test_first_byte_decides_what_can_be_a_record),
        cmocka_unit_test(test_old_style_headers),
        cmocka_unit_test(test_handshake_fragments_must_be_sound),
        cmocka_unit_test(test_cookie_counts_once_it_lies_whole_in_the_fragment),
        cmocka_unit_test(test_hellos_must_be_well_formed),
        cmocka_unit_test(test_mutated_datagrams_are_walked_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
