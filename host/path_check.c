/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who could read or replace a file. A private key with mode 0600 is worth nothing if somebody else
 * may rename the directory it is in, so the walk starts at "/" and looks at every component, also
 * at those that symbolic links lead to: each must belong to root or to the user that runs the
 * program, and must not be writable by others. A sticky directory such as /tmp may be, since only
 * owners can rename in it. Group permissions are forgiven for the group that is the user's own.
 * docs/configuration.md, "Who may read the files".
 *
 * The path still to be walked is kept as text; a link's target is put in front of what is left, and
 * the number of links is bounded as the kernel bounds it.
 */
#include "host/path_check.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LINKS 40

struct walk {
    const struct sw_path_identity *identity;
    enum sw_path_rule rule;
    char done[PATH_MAX]; /* what was walked: absolute, no links, no "." and "..", "" for "/" */
    char left[PATH_MAX]; /* what is still to be walked */
    unsigned links;
    char *why;
    size_t why_size;
};

static int fail(struct walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct walk *walk, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(walk->why, walk->why_size, format, args);
    va_end(args);
    return SW_EINVAL;
}

static const char *shown(const struct walk *walk)
{
    return walk->done[0] != '\0' ? walk->done : "/";
}

static int check_owner(struct walk *walk, const struct stat *st)
{
    if (st->st_uid == 0 || st->st_uid == walk->identity->uid) return 0;
    return fail(walk,
                "%s belongs to user %u; it must belong to root or to the user that runs the "
                "program (chown it)",
                shown(walk), (unsigned)st->st_uid);
}

/* Mode bits that are set but must not be. */
static mode_t excess(const struct walk *walk, const struct stat *st, mode_t forbidden)
{
    if (walk->identity->has_group && st->st_gid == walk->identity->gid) forbidden &= ~(mode_t)070;
    return st->st_mode & forbidden;
}

static int check_directory(struct walk *walk, const struct stat *st)
{
    if (check_owner(walk, st) < 0) return SW_EINVAL;
    if ((st->st_mode & S_ISVTX) != 0 || excess(walk, st, 022) == 0) return 0;
    return fail(walk, "directory %s may be changed by other users (mode %04o); run chmod go-w %s",
                shown(walk), (unsigned)st->st_mode & 07777, shown(walk));
}

static int check_file(struct walk *walk, const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) return fail(walk, "%s is not a regular file", shown(walk));
    if (check_owner(walk, st) < 0) return SW_EINVAL;
    if (walk->rule == SW_PATH_OWNER_ONLY && excess(walk, st, 077) != 0)
        return fail(walk, "%s may be read or changed by other users (mode %04o); run chmod go= %s",
                    shown(walk), (unsigned)st->st_mode & 07777, shown(walk));
    if (excess(walk, st, 022) != 0)
        return fail(walk, "%s may be changed by other users (mode %04o); run chmod go-w %s",
                    shown(walk), (unsigned)st->st_mode & 07777, shown(walk));
    return 0;
}

/* Takes the first component off walk->left into name. False at the end. */
static bool next_component(struct walk *walk, char name[NAME_MAX + 2])
{
    char *p = walk->left + strspn(walk->left, "/");
    size_t len = strcspn(p, "/");

    if (len == 0) return false;
    size_t kept = len <= NAME_MAX ? len : NAME_MAX + 1; /* lstat() will refuse it */
    memcpy(name, p, kept);
    name[kept] = '\0';
    memmove(walk->left, p + len, strlen(p + len) + 1);
    return true;
}

/* Puts a link's target in front of what is left; its own name is walk->done's last component. */
static int follow_link(struct walk *walk)
{
    char target[PATH_MAX];
    char left[PATH_MAX];
    ssize_t len = readlink(walk->done, target, sizeof target - 1);

    if (len < 0) return fail(walk, "%s cannot be read: %s", walk->done, strerror(errno));
    target[len] = '\0';
    if (++walk->links > MAX_LINKS) return fail(walk, "%s: too many symbolic links", walk->done);
    memcpy(left, walk->left, strlen(walk->left) + 1);
    if (strlen(target) + strlen(left) + 2 > sizeof walk->left)
        return fail(walk, "%s: the path behind this link is too long", walk->done);
    memcpy(walk->left, target, (size_t)len);
    walk->left[len] = '/';
    memcpy(walk->left + len + 1, left, strlen(left) + 1);
    *strrchr(walk->done, '/') = '\0';
    if (target[0] == '/') walk->done[0] = '\0';
    return 0;
}

static int step_into(struct walk *walk, const char *name)
{
    size_t used = strlen(walk->done);
    struct stat st;

    if (strcmp(name, ".") == 0) return 0;
    if (strcmp(name, "..") == 0) {
        if (used > 0) *strrchr(walk->done, '/') = '\0';
        return 0;
    }
    if (used + strlen(name) + 2 > sizeof walk->done) return fail(walk, "the path is too long");
    walk->done[used] = '/';
    memcpy(walk->done + used + 1, name, strlen(name) + 1);
    if (lstat(walk->done, &st) < 0)
        return fail(walk, "%s cannot be read: %s", walk->done, strerror(errno));
    if (S_ISLNK(st.st_mode)) return check_owner(walk, &st) < 0 ? SW_EINVAL : follow_link(walk);
    if (S_ISDIR(st.st_mode)) return check_directory(walk, &st);
    if (walk->left[strspn(walk->left, "/")] != '\0')
        return fail(walk, "%s is not a directory", walk->done);
    return 0;
}

static int start(struct walk *walk, const char *path)
{
    char cwd[PATH_MAX] = "";

    if (path[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        return fail(walk, "the working directory cannot be read: %s", strerror(errno));
    int n = snprintf(walk->left, sizeof walk->left, "%s/%s", cwd, path);
    if (n < 0 || (size_t)n >= sizeof walk->left) return fail(walk, "the path is too long");
    return 0;
}

int sw_path_check_as(const struct sw_path_identity *identity, const char *path,
                     enum sw_path_rule rule, char *why, size_t why_size)
{
    struct walk walk = {.identity = identity, .rule = rule, .why = why, .why_size = why_size};
    char name[NAME_MAX + 2];
    struct stat st;

    if (start(&walk, path) < 0) return SW_EINVAL;
    if (lstat("/", &st) < 0) return fail(&walk, "/ cannot be read: %s", strerror(errno));
    if (check_directory(&walk, &st) < 0) return SW_EINVAL;
    while (next_component(&walk, name)) {
        if (step_into(&walk, name) < 0) return SW_EINVAL;
    }
    if (lstat(shown(&walk), &st) < 0)
        return fail(&walk, "%s cannot be read: %s", shown(&walk), strerror(errno));
    return check_file(&walk, &st);
}

int sw_path_check(const char *path, enum sw_path_rule rule, bool lenient, char *why,
                  size_t why_size)
{
    struct sw_path_identity identity = sw_path_identity();
    struct stat st;

    if (!lenient) return sw_path_check_as(&identity, path, rule, why, why_size);
    if (stat(path, &st) < 0) {
        snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
        return SW_EINVAL;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, why_size, "%s is not a regular file", path);
        return SW_EINVAL;
    }
    return 0;
}

/* --- who we are ---------------------------------------------------------------------------- */

static bool is_member(gid_t gid)
{
    int room = getgroups(0, NULL);
    gid_t *groups = calloc((size_t)(room > 0 ? room : 1), sizeof *groups);
    int n = groups != NULL ? getgroups(room, groups) : 0;
    bool found = gid == getegid();

    for (int i = 0; i < n; i++)
        found |= groups[i] == gid;
    free(groups);
    return found;
}

struct sw_path_identity sw_path_identity(void)
{
    struct sw_path_identity identity = {.uid = geteuid()};
    const struct passwd *user = getpwuid(identity.uid);
    const struct group *group = user != NULL ? getgrnam(user->pw_name) : NULL;

    if (group != NULL && is_member(group->gr_gid)) {
        identity.has_group = true;
        identity.gid = group->gr_gid;
    }
    return identity;
}

static const char *variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment != NULL && *environment != NULL; environment++) {
        const char *value = *environment + len;
        if (strncmp(*environment, name, len) == 0 && *value == '=' && value[1] != '\0')
            return value + 1;
    }
    return NULL;
}

bool sw_path_checks_disabled(char *const *environment)
{
    static const char *const off[] = {"0", "no", "never", "false"};
    const char *value = variable(environment, "LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS");

    if (value == NULL) value = variable(environment, "FS_MISTRUST_DISABLE_PERMISSIONS_CHECKS");
    if (value == NULL) return false;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        if (strcasecmp(value, off[i]) == 0) return false;
    }
    return true;
}
