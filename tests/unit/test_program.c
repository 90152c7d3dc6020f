/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Other programs run to their end: host/program.h. */

#include "host/program.h"

#include <setjmp.h>
#include <signal.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SH(script)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "sh", "-c", script, NULL                                                                   \
    }

static char why[256];

static void test_input_arrives_whole(void **state)
{
    size_t size = 300000; /* more than a pipe holds */
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    assert_int_equal(sw_program_run(SH("test \"$(wc -c)\" -eq 300000"), text, why, sizeof why), 0);
    assert_int_equal(sw_program_run(SH("test -z \"$(cat)\""), NULL, why, sizeof why), 0);
    free(text);
}

static void test_failure_is_told_with_what_was_said(void **state)
{
    int error = sw_program_run(SH("echo not today >&2; echo more; exit 3"), "", why, sizeof why);
    assert_int_equal(error, SW_EINVAL);
    assert_string_equal(why, "sh failed with status 3: not today");
    assert_int_equal(sw_program_run(SH("exit 1"), NULL, why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "sh failed with status 1");
    assert_int_equal(sw_program_run(SH("kill -9 $$"), NULL, why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "sh died of signal 9");
}

static void test_missing_program(void **state)
{
    const char *const argv[] = {"no-such-program-here", NULL};
    assert_false(sw_program_exists("no-such-program-here"));
    assert_true(sw_program_exists("sh"));
    assert_int_equal(sw_program_run(argv, NULL, why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "the program no-such-program-here is not installed");
}

static void test_found_without_a_path_in_the_environment(void **state)
{
    char *path = strdup(getenv("PATH"));
    unsetenv("PATH");
    assert_int_equal(sw_program_run(SH("exit 0"), NULL, why, sizeof why), 0);
    setenv("PATH", path, 1);
    free(path);
}

static void test_child_can_be_signalled_although_we_hold_signals(void **state)
{
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(sw_program_run(SH("kill -TERM $$; exit 0"), NULL, why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "sh died of signal 15");
    assert_int_equal(sw_program_run(SH("kill -PIPE $$; exit 0"), NULL, why, sizeof why), SW_EINVAL);
    assert_string_equal(why, "sh died of signal 13");
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void test_child_has_a_process_group_of_its_own(void **state)
{
    const char *script =
        "read -r pid name state parent group rest < /proc/self/stat; test \"$group\" = $$";
    assert_int_equal(sw_program_run(SH(script), NULL, why, sizeof why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_arrives_whole),
        cmocka_unit_test(test_failure_is_told_with_what_was_said),
        cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_found_without_a_path_in_the_environment),
        cmocka_unit_test(test_child_can_be_signalled_although_we_hold_signals),
        cmocka_unit_test(test_child_has_a_process_group_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
