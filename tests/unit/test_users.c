/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The user database and password checks: host/users.h. Hashes were made with htpasswd, openssl
 * passwd and perl, or are the published examples of their schemes. */

#include "host/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"

#define BCRYPT "$2y$05$219Cyugc63YdydCIZLqK..rGiSJf4GTX/Us0XW3nDh/mfBq0t7YFW" /* secret */

static struct sw_users *parse(const char *text)
{
    char why[256] = "";
    struct sw_users *users = sw_users_parse(text, strlen(text), "lwpasswd", why, sizeof why);
    if (users == NULL) print_message("%s\n", why);
    assert_non_null(users);
    return users;
}

static bool verify(const struct sw_users *users, const char *user, const char *password)
{
    return sw_users_verify(users, user, strlen(user), password, strlen(password)) == SW_USERS_RIGHT;
}

static void test_every_scheme_lets_the_right_password_in(void **state)
{
    static const struct {
        const char *hash, *password;
    } cases[] = {
        {BCRYPT, "secret"},
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
        {"$5$aSKH7ex.BPezR2Up$qSAk.ycBJndcFnFsKcyZeI6yl88.HakTLl43Fmbp4Q.", "secret"},
        {"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
        {"$6$jBfOo0.hvda4x97b$EOROleWNdR9wvI41BWhtgnMafLxwBZs4LGTXeGmGuOnxPt0/wBScRcFHG2bVLLqU4o0WI"
         "ok6H0YwFLnM/8RDv1",
         "secret"},
        {"$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "secret"},
        {"$sha1$1000$abcdefgh$ji8ESnkwjcTjo4hThodnLYyi.3yG", "secret"},
        {"$y$j9T$abcdefgh$IUWJt2doU4Kf6E/JP1UkAT3S5O3Q7SSA8SJirXIlEu9", "secret"},
        {"_J9..abcd/H6HLCcf7nw", "secret"},
        {"LAbZIiWZu1i1E", "secret"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "bob:%s\n", cases[i].hash);
        struct sw_users *users = parse(line);
        assert_true(sw_users_hash_supported(cases[i].hash));
        assert_true(verify(users, "bob", cases[i].password));
        assert_false(verify(users, "bob", "Secret"));
        assert_false(verify(users, "bob", ""));
        assert_false(verify(users, "alice", cases[i].password));
        sw_users_free(users);
    }
}

static void test_other_formats_never_match(void **state)
{
    static const char *const hashes[] = {
        "$apr1$6Vfkq/pV$sapWClGwYcmb9fEjoO.wc.",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "secret",
        "x",
        "*",
        "$",
        "$2x$05$219Cyugc63YdydCIZLqK..rGiSJf4GTX/Us0XW3nDh/mfBq0t7YFW",
        "LAbZIiWZu1i1E1" /* DES, but one character longer */,
        "LA:ZIiWZu1i1E" /* not of the alphabet */,
        "_J9..abcd/H6HLCcf7n",
    };
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "bob:%s\n", hashes[i]);
        struct sw_users *users = parse(line);
        assert_false(sw_users_hash_supported(hashes[i]));
        assert_false(verify(users, "bob", "secret"));
        assert_false(verify(users, "bob", hashes[i]));
        assert_false(verify(users, "alice", "secret"));
        sw_users_free(users);
    }
}

static void test_broken_hash_of_a_known_scheme_never_matches(void **state)
{
    static const char *const hashes[] = {"$2y$05$short", "$6$", "$5$a$b", "$1$", "$y$$$", "*0"};
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "bob:%s", hashes[i]);
        struct sw_users *users = parse(line);
        assert_false(verify(users, "bob", "secret"));
        assert_false(verify(users, "bob", hashes[i]));
        sw_users_free(users);
    }
}

static void test_line_is_split_at_the_first_colon(void **state)
{
    struct sw_users *users = parse("a b:" BCRYPT "\nbob:x:" BCRYPT);
    assert_true(verify(users, "a b", "secret"));
    assert_false(verify(users, "bob", "secret"));
    assert_false(verify(users, "bob:x", "secret"));
    assert_int_equal(sw_users_count(users), 2);
    sw_users_free(users);
}

static void test_last_line_of_a_user_wins(void **state)
{
    struct sw_users *users =
        parse("bob:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1\n"
              "al:" BCRYPT "\n"
              "bob:$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5\n");
    assert_int_equal(sw_users_count(users), 2);
    assert_true(verify(users, "bob", "Hello world!"));
    assert_false(verify(users, "bob", "secret"));
    assert_true(verify(users, "al", "secret"));
    sw_users_free(users);
}

static void test_lines_may_end_in_crlf(void **state)
{
    struct sw_users *users = parse("bob:" BCRYPT "\r\nal:" BCRYPT "\r\n");
    assert_true(verify(users, "bob", "secret"));
    assert_true(verify(users, "al", "secret"));
    sw_users_free(users);
}

static void test_password_ends_at_its_first_zero_byte(void **state)
{
    struct sw_users *users = parse("bob:" BCRYPT);
    assert_int_equal(sw_users_verify(users, "bob", 3, "secret\0more", 11), SW_USERS_RIGHT);
    assert_int_equal(sw_users_verify(users, "bob", 3, "secret", 5), SW_USERS_WRONG_PASSWORD);
    assert_int_equal(sw_users_verify(users, "bob\0x", 5, "secret", 6), SW_USERS_UNKNOWN);
    sw_users_free(users);
}

static void test_bad_files_are_refused_by_name_and_line(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *why;
    } cases[] = {
        {"", 0, "lwpasswd: there is no user"},
        {"bob:x\nalice\n", 12, "lwpasswd:2: expected user:hash"},
        {"bob:x\n\nalice:y\n", 15, "lwpasswd:2: expected user:hash"},
        {"# users\nbob:x\n", 14, "lwpasswd:1: expected user:hash"},
        {":x\n", 3, "lwpasswd:1: the user before the colon is missing"},
        {"a:b\nbob:\n", 9, "lwpasswd:2: the hash after the colon is missing"},
        {"a:b\nbob:\r\n", 10, "lwpasswd:2: the hash after the colon is missing"},
        {"b\xff"
         "b:x\n",
         6, "lwpasswd: the file is not UTF-8"},
        {"a:b\nb\0c:x\n", 10, "lwpasswd:2: there is a zero byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[256] = "";
        assert_null(sw_users_parse(cases[i].text, cases[i].len, "lwpasswd", why, sizeof why));
        if (strstr(why, cases[i].why) != why) fail_msg("%zu: %s", i, why);
    }
}

static void test_file_that_is_not_there(void **state)
{
    char why[256];
    assert_null(sw_users_load("/nonexistent/lwpasswd", why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/lwpasswd"));
}

static void test_file_is_read(void **state)
{
    char path[] = "/tmp/test_users.XXXXXX", why[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "bob:" BCRYPT "\n", 65), 65);
    close(fd);
    struct sw_users *users = sw_users_load(path, why, sizeof why);
    unlink(path);
    assert_non_null(users);
    assert_true(verify(users, "bob", "secret"));
    sw_users_free(users);
}

static void test_answers_tell_why_not(void **state)
{
    char huge[4096];
    struct sw_users *users = parse("bob:" BCRYPT "\nal:$apr1$6Vfkq/pV$sapWClGwYcmb9fEjoO.wc.\n");
    memset(huge, 'x', sizeof huge);
    assert_int_equal(sw_users_verify(users, "bob", 3, "secret", 6), SW_USERS_RIGHT);
    assert_int_equal(sw_users_verify(users, "bob", 3, "Secret", 6), SW_USERS_WRONG_PASSWORD);
    assert_int_equal(sw_users_verify(users, "bob", 3, huge, sizeof huge), SW_USERS_WRONG_PASSWORD);
    assert_int_equal(sw_users_verify(users, "bo", 2, "secret", 6), SW_USERS_UNKNOWN);
    assert_int_equal(sw_users_verify(users, "", 0, "", 0), SW_USERS_UNKNOWN);
    assert_int_equal(sw_users_verify(users, "al", 2, "secret", 6), SW_USERS_UNUSABLE);
    sw_users_free(users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scheme_lets_the_right_password_in),
        cmocka_unit_test(test_other_formats_never_match),
        cmocka_unit_test(test_broken_hash_of_a_known_scheme_never_matches),
        cmocka_unit_test(test_line_is_split_at_the_first_colon),
        cmocka_unit_test(test_last_line_of_a_user_wins),
        cmocka_unit_test(test_lines_may_end_in_crlf),
        cmocka_unit_test(test_password_ends_at_its_first_zero_byte),
        cmocka_unit_test(test_bad_files_are_refused_by_name_and_line),
        cmocka_unit_test(test_file_that_is_not_there),
        cmocka_unit_test(test_file_is_read),
        cmocka_unit_test(test_answers_tell_why_not),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO); /* unusable hashes are warned about */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
