/* SPDX-License-Identifier: GPL-3.0-or-later */

/* PEM text whose line breaks went through YAML. */

#include "host/pem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"
#define L64   "MIIBszCCAVmgAwIBAgIUQ1RhZ2VzdGVsbHRlckRlbW9UZXh0MAoGCCqGSM49BAMC"

static void assert_becomes(const char *text, const char *expected)
{
    const char *why;
    char *pem = sw_pem_normalise(text, &why);
    if (pem == NULL) fail_msg("%s", why);
    assert_string_equal(pem, expected);
    free(pem);
}

static void assert_refused(const char *text, const char *says)
{
    const char *why;
    assert_null(sw_pem_normalise(text, &why));
    if (strstr(why, says) == NULL) fail_msg("says \"%s\"", why);
}

static void test_one_line_becomes_lines_of_64(void **state)
{
    (void)state;
    assert_int_equal(strlen(L64), 64);
    assert_becomes(BEGIN " " L64 " MDE= " END "\n", BEGIN "\n" L64 "\nMDE=\n" END "\n");
    assert_becomes(BEGIN L64 END, BEGIN "\n" L64 "\n" END "\n");
}

static void test_good_layout_stays(void **state)
{
    (void)state;
    const char *good = BEGIN "\n" L64 "\n" L64 "\nMDE=\n" END "\n";
    assert_becomes(good, good);
}

static void test_other_line_breaks_and_text_around_do_not_matter(void **state)
{
    (void)state;
    assert_becomes("Subject: CN=x\r\n" BEGIN "\r\nMD\r\nE=\r\n" END "\r\ntrailing",
                   BEGIN "\nMDE=\n" END "\n");
}

static void test_all_certificates_of_a_chain_stay(void **state)
{
    (void)state;
    assert_becomes(BEGIN " AAAA " END " " BEGIN " BBBB " END,
                   BEGIN "\nAAAA\n" END "\n" BEGIN "\nBBBB\n" END "\n");
}

static void test_refuses_what_is_no_certificate(void **state)
{
    (void)state;
    assert_refused("", "no certificate");
    assert_refused("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                   "no certificate");
    assert_refused(BEGIN " AAAA", "lacks the line");
    assert_refused(BEGIN " AAAA -----END RSA", "lacks the line");
    assert_refused(BEGIN " " END, "empty certificate");
    assert_refused(BEGIN " AA!A " END, "not base64");
    assert_refused(BEGIN " AAAA " END BEGIN, "lacks the line");
}

static void test_text_and_path_are_told_apart(void **state)
{
    (void)state;
    assert_true(sw_pem_is_text(BEGIN " x"));
    assert_true(sw_pem_is_text("\n  " BEGIN));
    assert_false(sw_pem_is_text("./ca_cert.crt"));
    assert_false(sw_pem_is_text("-----BEGIN.crt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_becomes_lines_of_64),
        cmocka_unit_test(test_good_layout_stays),
        cmocka_unit_test(test_other_line_breaks_and_text_around_do_not_matter),
        cmocka_unit_test(test_all_certificates_of_a_chain_stay),
        cmocka_unit_test(test_refuses_what_is_no_certificate),
        cmocka_unit_test(test_text_and_path_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
