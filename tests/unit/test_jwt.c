/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Tokens and the keys that check them: host/jwt.h, lib/tls/rsa.h. */

#include "host/jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/token_maker.h"

#define NOW    INT64_C(1800000000)
#define HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define SIGNER "tokens/signer.key"

static char subject[SW_JWT_SUBJECT];

static struct sw_jwt_key *read_key(const char *name, char why[256])
{
    struct hex pem = fixture(name);
    why[0] = '\0';
    struct sw_jwt_key *key = sw_jwt_key_parse((const char *)pem.data, pem.len, "key.pem", why, 256);
    free(pem.data);
    return key;
}

static struct sw_jwt_key *good_key(const char *name)
{
    char why[256];
    struct sw_jwt_key *key = read_key(name, why);
    if (key == NULL) fail_msg("%s", why);
    return key;
}

static const char *check(const struct sw_jwt_key *key, const char *token)
{
    size_t len = strlen(token);
    char *copy = malloc(len + 1); /* nothing behind it, so that a byte too far is seen */
    assert_non_null(copy);
    char *end = copy + 1;
    memcpy(end, token, len);
    const char *wrong = sw_jwt_check(key, end, len, NOW, subject);
    free(copy);
    return wrong;
}

/* NULL: good. */
static const char *check_made(const char *header, const char *claims)
{
    char token[TOKEN_ROOM];
    struct sw_jwt_key *key = good_key("tokens/signer.pem");
    token_make(token, header, claims, SIGNER);
    const char *wrong = check(key, token);
    sw_jwt_key_free(key);
    return wrong;
}

static void assert_refused(const char *header, const char *claims, const char *because)
{
    const char *wrong = check_made(header, claims);
    if (wrong == NULL || strcmp(wrong, because) != 0)
        fail_msg("%s %s: %s", header, claims, wrong != NULL ? wrong : "let in");
    assert_string_equal(subject, "");
}

static void assert_good(const char *header, const char *claims)
{
    const char *wrong = check_made(header, claims);
    if (wrong != NULL) fail_msg("%s %s: %s", header, claims, wrong);
}

/* --- claims ------------------------------------------------------------------------------------*/

static void test_token_is_good_until_60_seconds_after_exp(void **state)
{
    static const char *const good[] = {
        "{\"exp\":1800000001}", "{\"exp\":1800000000}",           "{\"exp\":1799999940}",
        "{\"exp\":4000000000}", "{\"exp\":18446744073709551615}", /* the largest that others take */
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_good(HEADER, good[i]);
    assert_refused(HEADER, "{\"exp\":1799999939}", "it has expired");
    assert_refused(HEADER, "{\"exp\":0}", "it has expired");
}

static void test_exp_with_decimals_is_rounded(void **state)
{
    assert_good(HEADER, "{\"exp\":1799999939.5}");
    assert_good(HEADER, "{\"exp\":1.799999940e9}");
    assert_refused(HEADER, "{\"exp\":1799999939.4}", "it has expired");
}

static void test_exp_that_is_no_number_of_seconds_is_none(void **state)
{
    static const char *const claims[] = {
        "{}",
        "{\"sub\":\"x\"}",
        "{\"exp\":\"1900000000\"}",
        "{\"exp\":null}",
        "{\"exp\":true}",
        "{\"exp\":[1900000000]}",
        "{\"exp\":{}}",
        "{\"exp\":-1}",
        "{\"exp\":1e300}",
        "{\"Exp\":1900000000}",
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        assert_refused(HEADER, claims[i], "it has no exp claim that is a number");
}

static void test_aud_is_refused_whatever_it_says(void **state)
{
    static const char *const claims[] = {
        "{\"exp\":1900000000,\"aud\":\"vpn\"}",
        "{\"exp\":1900000000,\"aud\":\"\"}",
        "{\"exp\":1900000000,\"aud\":[\"a\",\"b\"]}",
        "{\"exp\":1900000000,\"aud\":[]}",
        "{\"exp\":1900000000,\"aud\":5}",
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        assert_refused(HEADER, claims[i], "it has an aud claim");
}

static void test_aud_that_is_null_is_none(void **state)
{
    assert_good(HEADER, "{\"exp\":1900000000,\"aud\":null}");
}

static void test_other_claims_mean_nothing(void **state)
{
    static const char *const claims[] = {
        "{\"exp\":1900000000,\"nbf\":1850000000}", /* not yet, but nobody asks */
        "{\"exp\":1900000000,\"iss\":5,\"iat\":\"yesterday\",\"jti\":null}",
        "{\"exp\":1900000000,\"sub\":{\"a\":[1,2]}}",
        "{\"exp\":1900000000,\"deep\":[[[[[[{\"x\":1e10}]]]]]],\"text\":\"\\u0000\"}",
        " {\"exp\" : 1900000000 }\n",
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        assert_good(HEADER, claims[i]);
}

static void test_claims_that_are_no_object_are_refused(void **state)
{
    static const char *const claims[] = {
        "",
        "[]",
        "5",
        "{",
        "{\"exp\":1900000000",
        "{\"exp\":1900000000}}",
        "{\"exp\":1,\"exp\":1900000000}", /* which of the two? */
        "{\"exp\":1900000000,\"a\":1,\"a\":2}",
        "{\"exp\":NaN}",
        "{\"exp\":1900000000,\"x\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        assert_refused(HEADER, claims[i], "it has claims that cannot be read");
}

static void test_subject_is_kept_as_far_as_it_fits(void **state)
{
    char claims[256], name[200];
    assert_good(HEADER, "{\"exp\":1900000000,\"sub\":\"alice@example.net\"}");
    assert_string_equal(subject, "alice@example.net");
    assert_good(HEADER, "{\"exp\":1900000000}");
    assert_string_equal(subject, "");
    memset(name, 'a', sizeof name);
    strcpy(name + SW_JWT_SUBJECT - 2, "\xc3\xa4 and more"); /* a character across the end */
    snprintf(claims, sizeof claims, "{\"exp\":1900000000,\"sub\":\"%s\"}", name);
    assert_good(HEADER, claims);
    assert_int_equal(strlen(subject), SW_JWT_SUBJECT - 2);
    assert_int_equal(subject[SW_JWT_SUBJECT - 3], 'a');
    assert_refused(HEADER, "{\"exp\":5,\"sub\":\"alice\"}", "it has expired");
}

/* --- header ------------------------------------------------------------------------------------*/

#define CLAIMS "{\"exp\":1900000000}"

static void test_algorithm_is_rs256_whatever_the_header_says(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"RS384\"}",
        "{\"alg\":\"RS512\"}",
        "{\"alg\":\"PS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":\"rs256\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":5}",
        "{\"alg\":null}",
        "{\"ALG\":\"RS256\"}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "{\"alg\":\"RS256\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_refused(headers[i], CLAIMS, "it is not signed with RS256");
}

static void test_rest_of_the_header_is_not_looked_at(void **state)
{
    assert_good("{\"alg\":\"RS256\"}", CLAIMS);
    assert_good("{\"alg\":\"RS256\",\"typ\":\"something\",\"kid\":\"7\"}", CLAIMS);
}

static void test_critical_extensions_are_refused(void **state)
{
    assert_refused("{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", CLAIMS,
                   "it has critical extensions");
}

static void test_header_that_is_no_object_is_refused(void **state)
{
    assert_refused("", CLAIMS, "it has a header that cannot be read");
    assert_refused("[\"RS256\"]", CLAIMS, "it has a header that cannot be read");
    assert_refused("{\"alg\":\"none\",\"alg\":\"RS256\"}", CLAIMS,
                   "it has a header that cannot be read");
}

/* --- signature ---------------------------------------------------------------------------------*/

static void test_signature_of_another_key_is_wrong(void **state)
{
    char token[TOKEN_ROOM];
    struct sw_jwt_key *key = good_key("tokens/signer.pem");
    token_make(token, HEADER, CLAIMS, "tokens/other.key");
    assert_string_equal(check(key, token), "its signature is wrong");
    sw_jwt_key_free(key);
}

static void test_every_changed_character_is_noticed(void **state)
{
    char token[TOKEN_ROOM];
    struct sw_jwt_key *key = good_key("tokens/signer.pem");
    token_make(token, HEADER, CLAIMS, SIGNER);
    assert_null(check(key, token));
    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        if (check(key, token) == NULL) fail_msg("character %zu", i);
        token[i] = was;
    }
    sw_jwt_key_free(key);
}

static void test_a_token_has_one_spelling(void **state)
{
    char token[TOKEN_ROOM], other[TOKEN_ROOM + 8];
    struct sw_jwt_key *key = good_key("tokens/signer.pem");
    token_make(token, HEADER, CLAIMS, SIGNER);
    size_t len = strlen(token);

    snprintf(other, sizeof other, "%s==", token); /* padding */
    assert_string_equal(check(key, other), "its signature is wrong");
    strcpy(other, token); /* the last character has four bits to spare */
    other[len - 1]++;
    assert_string_equal(check(key, other), "its signature is wrong");
    snprintf(other, sizeof other, "%sA", token);
    assert_string_equal(check(key, other), "its signature is wrong");
    snprintf(other, sizeof other, "%s\n", token);
    assert_string_equal(check(key, other), "its signature is wrong");
    for (char *p = strcpy(other, token); *p != '\0'; p++) /* plain base64 */
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    assert_string_not_equal(other, token);
    assert_non_null(check(key, other));
    sw_jwt_key_free(key);
}

static void test_other_numbers_of_parts_are_no_token(void **state)
{
    char token[TOKEN_ROOM], other[TOKEN_ROOM + 8];
    struct sw_jwt_key *key = good_key("tokens/signer.pem");
    static const char *const texts[] = {"", ".", "a", "a.b", "a.b.c.d"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_string_equal(check(key, texts[i]), "it is no JSON web token");
    token_make(token, HEADER, CLAIMS, SIGNER);
    snprintf(other, sizeof other, "%s.", token);
    assert_string_equal(check(key, other), "it is no JSON web token");
    snprintf(other, sizeof other, ".%s", token);
    assert_string_equal(check(key, other), "it is no JSON web token");
    assert_string_equal(check(key, ".."), "it has a header that cannot be read");
    *strrchr(token, '.') = '\0';
    strcat(token, ".");
    assert_string_equal(check(key, token), "its signature is wrong");
    memset(other, 'a', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    assert_string_equal(check(key, other), "it is no JSON web token");
    sw_jwt_key_free(key);
}

/* --- keys --------------------------------------------------------------------------------------*/

static void test_every_form_of_the_key_is_read(void **state)
{
    static const char *const names[] = {"tokens/signer.pem", "tokens/signer-pkcs1.pem",
                                        "tokens/signer.crt"};
    char token[TOKEN_ROOM];
    token_make(token, HEADER, CLAIMS, SIGNER);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sw_jwt_key *key = good_key(names[i]);
        assert_int_equal(sw_jwt_key_bits(key), 2048);
        assert_null(check(key, token));
        sw_jwt_key_free(key);
    }
}

static void test_longest_key_works(void **state)
{
    char token[TOKEN_ROOM];
    struct sw_jwt_key *key = good_key("tokens/signer-8192.pem");
    assert_int_equal(sw_jwt_key_bits(key), 8192);
    token_make(token, HEADER, CLAIMS, "tokens/signer-8192.key");
    assert_null(check(key, token));
    token[10] ^= 1;
    assert_non_null(check(key, token));
    sw_jwt_key_free(key);
}

static void test_what_is_no_key_is_refused_by_name(void **state)
{
    static const struct {
        const char *name, *why;
    } cases[] = {
        {"tokens/short.pem", "key.pem: the RSA key has a size that is not taken"},
        {"tokens/long.pem", "key.pem: the RSA key has a size that is not taken"},
        {"tokens/ec.pem", "key.pem: holds no RSA public key"},
        {"certs/ca.crt", "key.pem: holds no RSA public key"},
        {"tokens/signer.key", "key.pem: holds a private key"},
        {"config/server_config.yaml", "key.pem: holds no public key in PEM form"},
    };
    char why[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(read_key(cases[i].name, why));
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].name, why);
    }
    assert_null(sw_jwt_key_load("/nonexistent/key.pem", why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/key.pem"));
    assert_null(sw_jwt_key_parse("", 0, "key.pem", why, sizeof why));
    assert_string_equal(why, "key.pem: holds no public key in PEM form");
}

static void test_key_that_is_cut_off_is_refused(void **state)
{
    struct hex pem = fixture("tokens/signer.crt");
    char why[256];
    for (size_t len = 0; len < pem.len - 1; len += 7) {
        char *cut = malloc(len + 1);
        assert_non_null(cut);
        memcpy(cut, pem.data, len);
        struct sw_jwt_key *key = sw_jwt_key_parse(cut, len, "key.pem", why, sizeof why);
        if (key != NULL) fail_msg("after %zu of %zu bytes", len, pem.len);
        free(cut);
    }
    free(pem.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_is_good_until_60_seconds_after_exp),
        cmocka_unit_test(test_exp_with_decimals_is_rounded),
        cmocka_unit_test(test_exp_that_is_no_number_of_seconds_is_none),
        cmocka_unit_test(test_aud_is_refused_whatever_it_says),
        cmocka_unit_test(test_aud_that_is_null_is_none),
        cmocka_unit_test(test_other_claims_mean_nothing),
        cmocka_unit_test(test_claims_that_are_no_object_are_refused),
        cmocka_unit_test(test_subject_is_kept_as_far_as_it_fits),
        cmocka_unit_test(test_algorithm_is_rs256_whatever_the_header_says),
        cmocka_unit_test(test_rest_of_the_header_is_not_looked_at),
        cmocka_unit_test(test_critical_extensions_are_refused),
        cmocka_unit_test(test_header_that_is_no_object_is_refused),
        cmocka_unit_test(test_signature_of_another_key_is_wrong),
        cmocka_unit_test(test_every_changed_character_is_noticed),
        cmocka_unit_test(test_a_token_has_one_spelling),
        cmocka_unit_test(test_other_numbers_of_parts_are_no_token),
        cmocka_unit_test(test_every_form_of_the_key_is_read),
        cmocka_unit_test(test_longest_key_works),
        cmocka_unit_test(test_what_is_no_key_is_refused_by_name),
        cmocka_unit_test(test_key_that_is_cut_off_is_refused),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO); /* the longest key is warned about */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
