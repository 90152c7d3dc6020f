/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Who may read or replace a file: owners, modes, directories, links. Run as root, files of others
 * are made with chown; otherwise the identity that asks is somebody else. */

#include "host/path_check.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static char why[320];
static struct sw_path_identity me;

static const char *at(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void make_file(const char *name, mode_t mode)
{
    unlink(at(name)); /* a mode without write permission may be on it */
    int fd = open(at(name), O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(at(name), mode), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/slipway-path-XXXXXX");
    me = (struct sw_path_identity){.uid = geteuid()};
    why[0] = '\0';
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void assert_good(const char *path, enum sw_path_rule rule)
{
    if (sw_path_check_as(&me, path, rule, why, sizeof why) != 0) fail_msg("%s", why);
}

static void assert_bad(const char *path, enum sw_path_rule rule, const char *says)
{
    assert_int_equal(sw_path_check_as(&me, path, rule, why, sizeof why), SW_EINVAL);
    if (strstr(why, says) == NULL) fail_msg("says \"%s\", not \"%s\"", why, says);
}

static void test_secrets_are_for_their_owner_only(void **state)
{
    static const mode_t bad[] = {0601, 0604, 0602, 0610, 0620, 0640, 0644, 0666, 0660};
    (void)state;
    make_file("key", 0600);
    assert_good(at("key"), SW_PATH_OWNER_ONLY);
    make_file("key", 0400);
    assert_good(at("key"), SW_PATH_OWNER_ONLY);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make_file("key", bad[i]);
        assert_bad(at("key"), SW_PATH_OWNER_ONLY, "run chmod go= ");
    }
}

static void test_other_files_may_be_read_but_not_changed(void **state)
{
    (void)state;
    make_file("crt", 0644);
    assert_good(at("crt"), SW_PATH_WORLD_READABLE);
    make_file("crt", 0755);
    assert_good(at("crt"), SW_PATH_WORLD_READABLE);
    make_file("crt", 0664);
    assert_bad(at("crt"), SW_PATH_WORLD_READABLE, "(mode 0664); run chmod go-w ");
    make_file("crt", 0646);
    assert_bad(at("crt"), SW_PATH_WORLD_READABLE, "(mode 0646)");
}

static void test_the_users_own_group_is_trusted(void **state)
{
    (void)state;
    make_file("key", 0660);
    assert_bad(at("key"), SW_PATH_OWNER_ONLY, "(mode 0660)");
    me.has_group = true;
    me.gid = getegid();
    assert_good(at("key"), SW_PATH_OWNER_ONLY);
    make_file("key", 0664); /* others are not the group */
    assert_bad(at("key"), SW_PATH_OWNER_ONLY, "(mode 0664)");
    assert_good(at("key"), SW_PATH_WORLD_READABLE);

    assert_int_equal(mkdir(at("dir"), 0700), 0);
    assert_int_equal(chmod(at("dir"), 0770), 0);
    make_file("dir/key", 0600);
    assert_good(at("dir/key"), SW_PATH_OWNER_ONLY);
    me.gid++;
    assert_bad(at("dir/key"), SW_PATH_OWNER_ONLY, "directory");
}

static void test_a_directory_that_others_can_change_gives_the_file_away(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    make_file("dir/key", 0600);
    assert_int_equal(chmod(at("dir"), 0777), 0);
    assert_bad(at("dir/key"), SW_PATH_OWNER_ONLY, "directory");
    assert_non_null(strstr(why, "/dir may be changed by other users (mode 0777)"));
    assert_int_equal(chmod(at("dir"), 01777), 0); /* sticky */
    assert_good(at("dir/key"), SW_PATH_OWNER_ONLY);
    assert_int_equal(chmod(at("dir"), 0755), 0);
    assert_good(at("dir/key"), SW_PATH_OWNER_ONLY);
}

static void test_links_are_followed_and_their_way_is_checked(void **state)
{
    (void)state;
    char target[PATH_MAX];
    assert_int_equal(mkdir(at("open"), 0700), 0);
    make_file("open/key", 0600);
    snprintf(target, sizeof target, "%s/open/key", root);
    assert_int_equal(symlink(target, at("absolute")), 0);
    assert_int_equal(symlink("open/../open/./key", at("relative")), 0);
    assert_int_equal(symlink("open", at("directory")), 0);
    assert_good(at("absolute"), SW_PATH_OWNER_ONLY);
    assert_good(at("relative"), SW_PATH_OWNER_ONLY);
    assert_good(at("directory/key"), SW_PATH_OWNER_ONLY);

    assert_int_equal(chmod(at("open"), 0777), 0);
    assert_bad(at("absolute"), SW_PATH_OWNER_ONLY, "/open may be changed");
    assert_bad(at("relative"), SW_PATH_OWNER_ONLY, "/open may be changed");
    assert_bad(at("directory/key"), SW_PATH_OWNER_ONLY, "/open may be changed");
}

static void test_links_in_a_circle_end(void **state)
{
    (void)state;
    assert_int_equal(symlink("two", at("one")), 0);
    assert_int_equal(symlink("one", at("two")), 0);
    assert_bad(at("one"), SW_PATH_OWNER_ONLY, "too many symbolic links");
}

static void test_only_regular_files_that_exist(void **state)
{
    (void)state;
    assert_bad(at("nothing"), SW_PATH_OWNER_ONLY, "No such file");
    assert_bad(root, SW_PATH_OWNER_ONLY, "not a regular file");
    assert_bad("/dev/null", SW_PATH_WORLD_READABLE, "not a regular file");
    assert_bad("/", SW_PATH_WORLD_READABLE, "not a regular file");
    make_file("key", 0600);
    assert_bad(at("key/deeper"), SW_PATH_OWNER_ONLY, "key is not a directory");
}

static void test_relative_paths_start_at_the_working_directory(void **state)
{
    (void)state;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    make_file("key", 0600);
    assert_int_equal(chdir(root), 0);
    assert_good("key", SW_PATH_OWNER_ONLY);
    assert_good("./key", SW_PATH_OWNER_ONLY);
    assert_bad("other", SW_PATH_OWNER_ONLY, "/other cannot be read");
    assert_int_equal(chdir(before), 0);
}

static void test_strangers_own_nothing_we_trust(void **state)
{
    (void)state;
    make_file("key", 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(at("key"), 4242, (gid_t)-1), 0);
        assert_bad(at("key"), SW_PATH_OWNER_ONLY, "belongs to user 4242");
        me.uid = 4242;
        assert_good(at("key"), SW_PATH_OWNER_ONLY); /* directories of root are fine */
    } else {
        me.uid++;
        assert_bad(at("key"), SW_PATH_OWNER_ONLY, "belongs to user");
    }
}

static void test_overlong_paths_are_refused(void **state)
{
    (void)state;
    char path[PATH_MAX + 10];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    path[0] = '/';
    assert_bad(path, SW_PATH_OWNER_ONLY, "too long");
    path[400] = '\0';
    assert_bad(path, SW_PATH_OWNER_ONLY, "too long");
}

static void test_lenient_only_looks_for_a_regular_file(void **state)
{
    (void)state;
    make_file("key", 0666);
    assert_int_equal(sw_path_check(at("key"), SW_PATH_OWNER_ONLY, false, why, sizeof why),
                     SW_EINVAL);
    assert_int_equal(sw_path_check(at("key"), SW_PATH_OWNER_ONLY, true, why, sizeof why), 0);
    assert_int_equal(sw_path_check(root, SW_PATH_OWNER_ONLY, true, why, sizeof why), SW_EINVAL);
    assert_int_equal(sw_path_check(at("no"), SW_PATH_OWNER_ONLY, true, why, sizeof why), SW_EINVAL);
    assert_non_null(strstr(why, "No such file"));
}

static bool disabled(const char *one, const char *two)
{
    char path[] = "PATH=/bin";
    char *environment[] = {path, one != NULL ? strdup(one) : NULL, two != NULL ? strdup(two) : NULL,
                           NULL};
    bool result = sw_path_checks_disabled(environment);
    free(environment[1]);
    free(environment[2]);
    return result;
}

static void test_two_variables_switch_the_checks_off(void **state)
{
    (void)state;
    assert_false(sw_path_checks_disabled(NULL));
    assert_false(disabled(NULL, NULL));
    assert_true(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=1", NULL));
    assert_true(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=true", NULL));
    assert_false(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=0", NULL));
    assert_false(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=No", NULL));
    assert_false(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=NEVER", NULL));
    assert_false(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=false", NULL));
    assert_true(disabled("FS_MISTRUST_DISABLE_PERMISSIONS_CHECKS=1", NULL));
    assert_true(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=",
                         "FS_MISTRUST_DISABLE_PERMISSIONS_CHECKS=1"));
    assert_false(disabled("LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS=no",
                          "FS_MISTRUST_DISABLE_PERMISSIONS_CHECKS=1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_secrets_are_for_their_owner_only),
        TEST(test_other_files_may_be_read_but_not_changed),
        TEST(test_the_users_own_group_is_trusted),
        TEST(test_a_directory_that_others_can_change_gives_the_file_away),
        TEST(test_links_are_followed_and_their_way_is_checked),
        TEST(test_links_in_a_circle_end),
        TEST(test_only_regular_files_that_exist),
        TEST(test_relative_paths_start_at_the_working_directory),
        TEST(test_strangers_own_nothing_we_trust),
        TEST(test_overlong_paths_are_refused),
        TEST(test_lenient_only_looks_for_a_regular_file),
        TEST(test_two_variables_switch_the_checks_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
