/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Who may log in, and checks on the thread pool: host/logins.h. */

#include "host/logins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/token_maker.h"

#define NOW    INT64_C(1800000000)
#define KEY    SW_FIXTURES "/tokens/signer.pem"
#define HEADER "{\"alg\":\"RS256\"}"

/* bob's password is "secret", al's hash is of a kind that never matches */
#define USERS                                                                                      \
    "bob:$2y$05$219Cyugc63YdydCIZLqK..rGiSJf4GTX/Us0XW3nDh/mfBq0t7YFW\n"                           \
    "al:$apr1$6Vfkq/pV$sapWClGwYcmb9fEjoO.wc.\n"

static char users_path[64];

static int write_users(void **state)
{
    strcpy(users_path, "/tmp/test_logins.XXXXXX");
    int fd = mkstemp(users_path);
    if (fd < 0 || write(fd, USERS, sizeof USERS - 1) != sizeof USERS - 1) return -1;
    return close(fd);
}

static int remove_users(void **state)
{
    return unlink(users_path);
}

static struct sw_logins *load(const char *users, const char *key)
{
    char why[512] = "";
    struct sw_logins *logins = sw_logins_load(users, key, why, sizeof why);
    if (logins == NULL) fail_msg("%s", why);
    return logins;
}

static struct sw_credentials password(const char *user, const char *text)
{
    return (struct sw_credentials){.method = 1,
                                   .user = user,
                                   .user_len = strlen(user),
                                   .password = text,
                                   .password_len = strlen(text)};
}

static struct sw_credentials with_token(uint8_t method, const char *token)
{
    return (struct sw_credentials){.method = method, .token = token, .token_len = strlen(token)};
}

static void assert_answer(const struct sw_logins *logins, struct sw_credentials credentials,
                          const char *refusal, const char *detail, const char *name)
{
    struct sw_login_answer answer;
    sw_logins_check(logins, &credentials, NOW, &answer);
    assert_string_equal(answer.refusal != NULL ? answer.refusal : "", refusal);
    assert_string_equal(answer.detail != NULL ? answer.detail : "", detail);
    assert_string_equal(answer.name, name);
}

static void test_passwords_and_tokens_go_together(void **state)
{
    char token[TOKEN_ROOM], old[TOKEN_ROOM];
    struct sw_logins *logins = load(users_path, KEY);
    token_make(token, HEADER, "{\"exp\":1900000000,\"sub\":\"carol\"}", "tokens/signer.key");
    token_make(old, HEADER, "{\"exp\":1700000000,\"sub\":\"carol\"}", "tokens/signer.key");
    assert_int_equal(sw_logins_users(logins), 2);
    assert_int_equal(sw_logins_key_bits(logins), 2048);
    assert_answer(logins, password("bob", "secret"), "", "", "");
    assert_answer(logins, password("bob", "Secret"), "wrong password", "", "");
    assert_answer(logins, password("eve", "secret"), "unknown user", "", "");
    assert_answer(logins, password("al", "secret"),
                  "the user's hash in user_db has a format that never matches", "", "");
    for (uint8_t method = 2; method <= 3; method++) {
        assert_answer(logins, with_token(method, token), "", "", "carol");
        assert_answer(logins, with_token(method, old), "invalid token", "it has expired", "");
        assert_answer(logins, with_token(method, ""), "invalid token", "it is no JSON web token",
                      "");
    }
    assert_answer(logins, with_token(23, token), "the way to log in is not known", "", "");
    sw_logins_free(logins);
}

static void test_what_is_not_set_up_is_refused(void **state)
{
    char token[TOKEN_ROOM];
    token_make(token, HEADER, "{\"exp\":1900000000}", "tokens/signer.key");
    struct sw_logins *logins = load(users_path, NULL);
    assert_int_equal(sw_logins_key_bits(logins), 0);
    assert_null(sw_logins_refusal(logins, 1));
    assert_answer(logins, with_token(3, token),
                  "tokens are not accepted: token_rsa_pub_key_pem is not set", "", "");
    assert_string_equal(sw_logins_refusal(logins, 2),
                        "tokens are not accepted: token_rsa_pub_key_pem is not set");
    sw_logins_free(logins);

    logins = load(NULL, KEY);
    assert_int_equal(sw_logins_users(logins), 0);
    assert_null(sw_logins_refusal(logins, 3));
    assert_answer(logins, password("bob", "secret"),
                  "passwords are not accepted: user_db is not set", "", "");
    assert_answer(logins, with_token(3, token), "", "", "");
    sw_logins_free(logins);
}

static void test_bad_files_are_refused_by_option_and_name(void **state)
{
    char why[512];
    assert_null(sw_logins_load("/nonexistent/users", KEY, why, sizeof why));
    assert_string_equal(why,
                        "user_db: /nonexistent/users: cannot be read: No such file or directory");
    assert_null(sw_logins_load(users_path, users_path, why, sizeof why));
    assert_non_null(strstr(why, "token_rsa_pub_key_pem: /tmp/test_logins."));
    assert_null(sw_logins_load(KEY, NULL, why, sizeof why));
    assert_non_null(strstr(why, "signer.pem:1: expected user:hash"));
}

/* --- on the thread pool ------------------------------------------------------------------------*/

struct verdicts {
    int granted, denied;
};

static void on_verdict(void *data, const struct sw_login_answer *answer)
{
    struct verdicts *verdicts = data;
    if (answer->refusal == NULL)
        verdicts->granted++;
    else
        verdicts->denied++;
}

static struct sw_login_check *start(uv_loop_t *loop, struct sw_logins *logins, const char *text,
                                    struct verdicts *verdicts)
{
    char user[] = "bob", copy[16]; /* the check has to take its own */
    strcpy(copy, text);
    struct sw_credentials credentials = password(user, copy);
    struct sw_login_check *check =
        sw_login_check_start(loop, logins, &credentials, on_verdict, verdicts);
    assert_non_null(check);
    memset(user, 0, sizeof user);
    memset(copy, 0, sizeof copy);
    return check;
}

static void test_checks_run_on_the_pool_and_answer_on_the_loop(void **state)
{
    struct sw_logins *logins = load(users_path, NULL);
    struct verdicts verdicts = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (int i = 0; i < 8; i++) {
        start(&loop, logins, "secret", &verdicts);
        start(&loop, logins, "wrong", &verdicts);
    }
    assert_int_equal(verdicts.granted + verdicts.denied, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(verdicts.granted, 8);
    assert_int_equal(verdicts.denied, 8);
    assert_int_equal(uv_loop_close(&loop), 0);
    sw_logins_free(logins);
}

static void test_abandoned_check_stays_silent(void **state)
{
    struct sw_logins *logins = load(users_path, NULL);
    struct verdicts verdicts = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (int i = 0; i < 8; i++) /* some run, some wait for a thread */
        sw_login_check_abandon(start(&loop, logins, "secret", &verdicts));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(verdicts.granted + verdicts.denied, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    sw_logins_free(logins);
}

static void test_check_keeps_what_it_began_with(void **state)
{
    struct sw_logins *logins = load(users_path, NULL);
    struct verdicts verdicts = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (int i = 0; i < 8; i++)
        start(&loop, logins, "secret", &verdicts);
    sw_logins_free(logins); /* as a reload does */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(verdicts.granted, 8);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_and_tokens_go_together),
        cmocka_unit_test(test_what_is_not_set_up_is_refused),
        cmocka_unit_test(test_bad_files_are_refused_by_option_and_name),
        cmocka_unit_test(test_checks_run_on_the_pool_and_answer_on_the_loop),
        cmocka_unit_test(test_abandoned_check_stays_silent),
        cmocka_unit_test(test_check_keeps_what_it_began_with),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO); /* unusable hashes are warned about */
    return cmocka_run_group_tests(tests, write_users, remove_users);
}
