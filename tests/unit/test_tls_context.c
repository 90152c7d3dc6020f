/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What is wrong with certificates, keys and names is told when a context is made
 * (include/slipway/tls.h), each by its own error, and leaves nothing behind.
 */

#include <setjmp.h>
#include <slipway/tls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNIX_TIME 1798761600 /* inside the validity of the fixtures */

static struct sw_pem read_pem(const char *name)
{
    static char texts[8][8192];
    static unsigned next;
    char path[512], *text = texts[next++ % 8];

    snprintf(path, sizeof path, "%s/certs/%s", SW_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof texts[0] - 1, file);
    fclose(file);
    text[len] = '\0';
    return (struct sw_pem){text, len};
}

static void seeded(void *user, uint8_t *out, size_t len)
{
    static uint8_t state;

    (void)user;
    while (len-- > 0)
        *out++ = (uint8_t)(state = (uint8_t)(state * 5 + 7));
}

static struct sw_tls_config server_config(enum sw_transport transport)
{
    return (struct sw_tls_config){
        .role = SW_SERVER,
        .transport = transport,
        .certificate = read_pem("server.crt"),
        .key = read_pem("server.key"),
        .unix_time = UNIX_TIME,
        .random = seeded,
    };
}

static struct sw_tls_config client_config(enum sw_transport transport)
{
    return (struct sw_tls_config){
        .role = SW_CLIENT,
        .transport = transport,
        .ca = read_pem("ca.crt"),
        .unix_time = UNIX_TIME,
        .random = seeded,
    };
}

static void assert_made(const struct sw_tls_config *config)
{
    int error = 1;
    const char *detail = "";
    struct sw_tls_context *context = sw_tls_context_new(config, &error, &detail);

    assert_non_null(context);
    assert_null(detail);
    sw_tls_context_free(context);
}

static void assert_refused(const struct sw_tls_config *config, int expected)
{
    int error = 0;
    const char *detail = NULL;

    assert_null(sw_tls_context_new(config, &error, &detail));
    assert_int_equal(error, expected);
    error = 0;
    assert_null(sw_tls_context_new(config, &error, NULL)); /* the library's words are optional */
    assert_int_equal(error, expected);
}

static void test_good_configurations_are_taken(void **state)
{
    (void)state;
    for (enum sw_transport transport = SW_DATAGRAM; transport <= SW_STREAM; transport++) {
        struct sw_tls_config server = server_config(transport), client = client_config(transport);
        assert_made(&server);
        server.pqc = true;
        assert_made(&server);
        assert_made(&client);
        client.cipher = SW_CIPHER_CHACHA20;
        client.keyshare = SW_KEYSHARE_X25519MLKEM768;
        client.server_name = "server.test";
        assert_made(&client);
        client.server_name = ""; /* the same as none */
        assert_made(&client);
    }
}

static void test_what_is_no_certificate_is_named(void **state)
{
    static const char *const bad[] = {
        "", "not PEM", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct sw_pem pem = {bad[i], strlen(bad[i])};
        struct sw_tls_config server = server_config(SW_DATAGRAM);
        struct sw_tls_config client = client_config(SW_DATAGRAM);
        server.certificate = pem;
        assert_refused(&server, SW_ECERT);
        client.ca = pem;
        assert_refused(&client, SW_ECERT);
    }
    struct sw_tls_config server = server_config(SW_STREAM);
    server.certificate.len /= 2; /* a file that was cut off */
    assert_refused(&server, SW_ECERT);
    server.certificate = server.key; /* the files were mixed up */
    assert_refused(&server, SW_ECERT);
}

static void test_a_key_that_is_none_or_of_another_certificate_is_named(void **state)
{
    struct sw_tls_config server = server_config(SW_DATAGRAM);

    (void)state;
    server.key = read_pem("next.key");
    assert_refused(&server, SW_EINVAL);
    server.key = read_pem("server.crt");
    assert_refused(&server, SW_EINVAL);
    server.key = (struct sw_pem){"", 0};
    assert_refused(&server, SW_EINVAL);
}

static void test_a_name_that_no_certificate_can_carry_is_named(void **state)
{
    struct sw_tls_config client = client_config(SW_DATAGRAM);

    (void)state;
    client.server_name = "two\nlines";
    assert_refused(&client, SW_ENAME);
    client.server_name = "server.test";
    assert_made(&client);
    client.server_name = "no dots, and blanks";
    assert_made(&client);
    client.server_name = "10.0.0.1";
    assert_made(&client);
}

static void test_a_context_goes_with_its_last_holder(void **state)
{
    struct sw_tls_config config = client_config(SW_DATAGRAM);
    int error;

    (void)state;
    sw_tls_context_free(NULL);
    struct sw_tls_context *first = sw_tls_context_new(&config, &error, NULL);
    struct sw_tls_context *second = sw_tls_context_new(&config, &error, NULL);
    assert_non_null(first);
    assert_non_null(second);
    sw_tls_context_free(first); /* the library stays up for the other */
    struct sw_tls_context *third = sw_tls_context_new(&config, &error, NULL);
    assert_non_null(third);
    sw_tls_context_free(second);
    sw_tls_context_free(third);
    assert_made(&config); /* and starts again after the last */
}

static void test_the_library_has_a_version(void **state)
{
    (void)state;
    assert_true(strncmp(sw_tls_library(), "wolfSSL ", 8) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_configurations_are_taken),
        cmocka_unit_test(test_what_is_no_certificate_is_named),
        cmocka_unit_test(test_a_key_that_is_none_or_of_another_certificate_is_named),
        cmocka_unit_test(test_a_name_that_no_certificate_can_carry_is_named),
        cmocka_unit_test(test_a_context_goes_with_its_last_holder),
        cmocka_unit_test(test_the_library_has_a_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
