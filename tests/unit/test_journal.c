/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What a client notes of its changes: client/journal.h. */

#include "client/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/log.h"
#include "tests/unit/netns.h"

static char directory[64], path[96], why[256];

static int set_up(void **state)
{
    snprintf(directory, sizeof directory, "/tmp/test-journal-XXXXXX");
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(path, sizeof path, "%s/deeper/journal", directory);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static struct sw_journal *open_journal(void)
{
    struct sw_journal *journal;
    assert_int_equal(sw_journal_open(path, &journal, why, sizeof why), 0);
    return journal;
}

/* As a client that is killed after so many lines leaves it. */
static void leave(void)
{
    struct sw_journal *journal = open_journal();
    sw_journal_clear(journal);
    sw_journal_note(journal, "route %d", 1);
    sw_journal_note(journal, "dns %s", "file");
    sw_journal_close(journal, true);
}

static void append(const char *text)
{
    FILE *out = fopen(path, "a");
    fputs(text, out);
    fclose(out);
}

static void test_lines_are_left_in_their_order(void **state)
{
    leave();
    struct sw_journal *journal = open_journal();
    assert_string_equal(sw_journal_left(journal, 0), "route 1");
    assert_string_equal(sw_journal_left(journal, 1), "dns file");
    assert_null(sw_journal_left(journal, 2));
    sw_journal_clear(journal);
    assert_null(sw_journal_left(journal, 0));
    sw_journal_close(journal, true);
    journal = open_journal();
    assert_null(sw_journal_left(journal, 0));
    sw_journal_close(journal, false);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_unfinished_line_does_not_count(void **state)
{
    leave();
    append("route 192.0");
    struct sw_journal *journal = open_journal();
    assert_string_equal(sw_journal_left(journal, 1), "dns file");
    assert_null(sw_journal_left(journal, 2));
    sw_journal_close(journal, false);
}

static void test_file_of_another_kind_says_nothing(void **state)
{
    leave();
    assert_int_equal(truncate(path, 0), 0);
    append("route 1\nroute 2\n");
    struct sw_journal *journal = open_journal();
    assert_null(sw_journal_left(journal, 0));
    sw_journal_close(journal, false);
}

static void test_living_client_keeps_others_out(void **state)
{
    struct sw_journal *journal = open_journal(), *second;
    assert_int_equal(sw_journal_open(path, &second, why, sizeof why), SW_EFULL);
    assert_null(second);
    assert_non_null(strstr(why, "is in use by another client"));
    sw_journal_close(journal, false);
    sw_journal_close(open_journal(), false);
}

static void test_place_that_cannot_be_written_is_told(void **state)
{
    struct sw_journal *journal;
    assert_int_equal(sw_journal_open("/proc/none/journal", &journal, why, sizeof why), SW_EINVAL);
    assert_null(journal);
    assert_non_null(strstr(why, "/proc/none/journal: "));
}

static void test_symbolic_link_is_not_followed(void **state)
{
    struct sw_journal *journal;
    leave();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(sw_journal_open(path, &journal, why, sizeof why), SW_EINVAL);
}

static void test_file_of_another_user_is_not_believed(void **state)
{
    struct sw_journal *journal;
    leave();
    if (chown(path, 12345, 12345) != 0) {
        print_message("no file may be given away here\n");
        skip();
    }
    assert_int_equal(sw_journal_open(path, &journal, why, sizeof why), SW_EINVAL);
    assert_int_equal(chown(path, geteuid(), getegid()), 0);
    sw_journal_close(open_journal(), false);
}

static void test_no_journal_takes_notes_silently(void **state)
{
    sw_journal_note(NULL, "route 1");
    sw_journal_clear(NULL);
    assert_null(sw_journal_left(NULL, 0));
    sw_journal_close(NULL, false);
}

/* The last test: it leaves the namespace that the others were in. */
static void test_words_of_another_network_namespace_do_not_count(void **state)
{
    leave();
    NEED_OWN_NETWORK(enter_own_network());
    struct sw_journal *journal = open_journal();
    assert_null(sw_journal_left(journal, 0));
    sw_journal_close(journal, false);
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(test_lines_are_left_in_their_order),
        JOURNAL_TEST(test_unfinished_line_does_not_count),
        JOURNAL_TEST(test_file_of_another_kind_says_nothing),
        JOURNAL_TEST(test_living_client_keeps_others_out),
        JOURNAL_TEST(test_place_that_cannot_be_written_is_told),
        JOURNAL_TEST(test_symbolic_link_is_not_followed),
        JOURNAL_TEST(test_file_of_another_user_is_not_believed),
        JOURNAL_TEST(test_no_journal_takes_notes_silently),
        JOURNAL_TEST(test_words_of_another_network_namespace_do_not_count),
    };
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
