/* SPDX-License-Identifier: GPL-3.0-or-later */

/* PROXY protocol headers, docs/protocol/wire.md §5.1: host/proxy_header.h. */

#include "host/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/address.h"
#include "tests/unit/hex.h"

#define SIGNATURE "0d0a0d0a 000d0a51 5549540a "
#define P1        SIGNATURE "21 11 000c c0000207 c6336401 c350 01bb"

static int decode(const void *bytes, size_t len, struct sw_proxy_header *header)
{
    return sw_proxy_header_decode(sw_cursor(bytes, len), header);
}

static int decode_hex(const char *text, struct sw_proxy_header *header)
{
    struct hex bytes = hex(text);
    int rc = decode(bytes.data, bytes.len, header);
    free(bytes.data);
    return rc;
}

/* Every beginning of a good header asks for more; what comes behind it does not matter. */
static void check_good(const void *bytes, size_t len, size_t decides, const char *source)
{
    char text[SW_ADDRESS_TEXT];
    struct sw_proxy_header header;
    uint8_t longer[512];

    for (size_t n = 0; n < decides; n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, bytes, n);
        assert_int_equal(decode(exact, n, &header), SW_ESHORT);
        free(exact);
    }
    for (size_t n = decides; n <= len; n++) {
        assert_int_equal(decode(bytes, n, &header), 0);
        assert_int_equal(header.len, len);
    }
    memset(longer, 0x16, sizeof longer);
    memcpy(longer, bytes, len);
    assert_int_equal(decode(longer, sizeof longer, &header), 0);
    assert_int_equal(header.len, len);
    assert_string_equal(sw_address_text(&header.source, text), source);
}

static void check_good_hex(const char *text, size_t decides, const char *source)
{
    struct hex bytes = hex(text);
    check_good(bytes.data, bytes.len, decides, source);
    free(bytes.data);
}

static void check_good_line(const char *line, const char *source)
{
    check_good(line, strlen(line), strlen(line), source);
}

/* --- version 2 ---------------------------------------------------------------------------------*/

static void test_version_2_names_the_source(void **state)
{
    check_good_hex(P1, 28, "192.0.2.7:50000");
    check_good_hex(SIGNATURE "21 21 0024 20010db8 00*11 07  20010db8 00*11 01  c350 01bb", 52,
                   "[2001:db8::7]:50000");
    /* datagrams, and an unspecified kind of socket */
    check_good_hex(SIGNATURE "21 12 000c c0000207 c6336401 c350 01bb", 28, "192.0.2.7:50000");
    check_good_hex(SIGNATURE "21 10 000c c0000207 c6336401 c350 01bb", 28, "192.0.2.7:50000");
}

static void test_mapped_source_is_an_ipv4_one(void **state)
{
    check_good_hex(SIGNATURE "21 21 0024 00*10 ffff c0000207  00*10 ffff c6336401  c350 01bb", 52,
                   "192.0.2.7:50000");
}

static void test_tlvs_belong_to_the_header(void **state)
{
    check_good_hex(SIGNATURE "21 11 0013 c0000207 c6336401 c350 01bb 04 0004 00*4", 28,
                   "192.0.2.7:50000");
    struct sw_proxy_header header;
    assert_int_equal(decode_hex(SIGNATURE "21 11 ffff c0000207 c6336401 c350 01bb", &header), 0);
    assert_int_equal(header.len, 16 + 65535);
}

static void test_headers_that_say_nothing_are_accepted(void **state)
{
    check_good_hex(SIGNATURE "20 00 0000", 16, "none");        /* LOCAL */
    check_good_hex(SIGNATURE "20 11 000c 00*12", 16, "none");  /* LOCAL with addresses */
    check_good_hex(SIGNATURE "20 ff 0003 010203", 16, "none"); /* LOCAL with anything */
    check_good_hex(SIGNATURE "21 00 0000", 16, "none");        /* unspecified */
    check_good_hex(SIGNATURE "21 00 0007 00*7", 16, "none");   /* unspecified, with TLVs */
    check_good_hex(SIGNATURE "21 31 00d8 2f*216", 16, "none"); /* Unix */
    check_good_hex(SIGNATURE "21 32 00d8 2f*216", 16, "none");
    check_good_line("PROXY UNKNOWN\r\n", "none");
    check_good_line("PROXY UNKNOWN \r\n", "none");
    check_good_line("PROXY UNKNOWN what ever 1 2\r\n", "none");
}

static void test_malformed_version_2_is_refused(void **state)
{
    const struct {
        const char *bytes;
        int error;
    } cases[] = {
        {SIGNATURE "11 11 000c c0000207 c6336401 c350 01bb", SW_EVERSION},
        {SIGNATURE "31 11 000c c0000207 c6336401 c350 01bb", SW_EVERSION},
        {SIGNATURE "22 11 000c c0000207 c6336401 c350 01bb", SW_EKIND},
        {SIGNATURE "21 13 000c c0000207 c6336401 c350 01bb", SW_EKIND},
        {SIGNATURE "21 41 000c c0000207 c6336401 c350 01bb", SW_EKIND},
        {SIGNATURE "21 11 000b c0000207 c6336401 c350 01", SW_EADDRESS},
        {SIGNATURE "21 11 0000", SW_EADDRESS},
        {SIGNATURE "21 21 000c c0000207 c6336401 c350 01bb", SW_EADDRESS},
        {"0d0a0d0a 000d0a51 5549540b 21 11 000c", SW_EMAGIC},
    };
    struct sw_proxy_header header;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (decode_hex(cases[i].bytes, &header) != cases[i].error)
            fail_msg("case %zu: %d", i, decode_hex(cases[i].bytes, &header));
}

/* --- version 1 ---------------------------------------------------------------------------------*/

static void test_version_1_names_the_source(void **state)
{
    check_good_line("PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", "192.0.2.7:50000");
    check_good_line("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n", "[2001:db8::7]:0");
    check_good_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    /* The longest of all, which the specification has counted. */
    check_good_line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                    "none");
}

static void test_malformed_version_1_is_refused(void **state)
{
    static const struct {
        const char *line;
        int error;
    } cases[] = {
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443 \r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443 x\r\n", SW_EADDRESS},
        {"PROXY TCP4  192.0.2.7 198.51.100.1 50000 443\r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 50000 65536\r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 050000 443\r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n", SW_EADDRESS},
        {"PROXY TCP4 192.0.2.256 198.51.100.1 50000 443\r\n", SW_EADDRESS},
        {"PROXY TCP4 2001:db8::7 2001:db8::1 50000 443\r\n", SW_EADDRESS},
        {"PROXY TCP6 192.0.2.7 198.51.100.1 50000 443\r\n", SW_EADDRESS},
        {"PROXY UDP4 192.0.2.7 198.51.100.1 50000 443\r\n", SW_EKIND},
        {"PROXY unknown\r\n", SW_EKIND},
        {"PROXY \r\n", SW_EADDRESS},
        {"PROXY UNKNOWNS\r\n", SW_EADDRESS},
        {"PROXY\r\n", SW_EMAGIC},
        {"proxy TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", SW_EMAGIC},
        {"GET / HTTP/1.1\r\n", SW_EMAGIC},
        {"\x16\x03\x01\x02", SW_EMAGIC},
    };
    struct sw_proxy_header header;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = decode(cases[i].line, strlen(cases[i].line), &header);
        if (rc != cases[i].error) fail_msg("%s: %d", cases[i].line, rc);
    }
    assert_int_equal(decode("PROXY UNKNOWN\0\r\n", 16, &header), SW_EADDRESS);
}

static void test_line_without_end_is_given_up(void **state)
{
    struct sw_proxy_header header;
    char line[SW_PROXY_HEADER_DECIDES + 2];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(decode(line, SW_PROXY_HEADER_DECIDES - 1, &header), SW_ESHORT);
    assert_int_equal(decode(line, SW_PROXY_HEADER_DECIDES, &header), SW_ETOOLARGE);
    memcpy(line + SW_PROXY_HEADER_DECIDES - 2, "\r\n", 2);
    assert_int_equal(decode(line, SW_PROXY_HEADER_DECIDES, &header), 0);
    memcpy(line + SW_PROXY_HEADER_DECIDES - 2, "x\r\n", 3);
    assert_int_equal(decode(line, SW_PROXY_HEADER_DECIDES + 1, &header), SW_ETOOLARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2_names_the_source),
        cmocka_unit_test(test_mapped_source_is_an_ipv4_one),
        cmocka_unit_test(test_tlvs_belong_to_the_header),
        cmocka_unit_test(test_headers_that_say_nothing_are_accepted),
        cmocka_unit_test(test_malformed_version_2_is_refused),
        cmocka_unit_test(test_version_1_names_the_source),
        cmocka_unit_test(test_malformed_version_1_is_refused),
        cmocka_unit_test(test_line_without_end_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
