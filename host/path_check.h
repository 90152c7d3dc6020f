/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_PATH_CHECK_H
#define SW_HOST_PATH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sw_path_rule {
    SW_PATH_OWNER_ONLY,    /**< secrets: no permission at all for group and others */
    SW_PATH_WORLD_READABLE /**< nobody but the owner may change it */
};

/** Whose files are trusted besides root's. */
struct sw_path_identity {
    uid_t uid;
    bool has_group; /**< gid is trusted: the user's own group, of the same name */
    gid_t gid;
};

/** The user that runs this process. */
struct sw_path_identity sw_path_identity(void);

/**
 * Checks that path leads to a regular file that nobody untrusted can read (owner only) or replace:
 * the file, every directory above it and every symbolic link on the way. lenient: only that it is a
 * regular file. 0, or SW_EINVAL with a sentence in why that names the culprit and what to do.
 */
int sw_path_check(const char *path, enum sw_path_rule rule, bool lenient, char *why,
                  size_t why_size);

/** The same for another identity. */
int sw_path_check_as(const struct sw_path_identity *identity, const char *path,
                     enum sw_path_rule rule, char *why, size_t why_size);

/**
 * Whether the user switched the checks off: LW_DANGEROUSLY_DISABLE_PERMISSIONS_CHECKS, or if that
 * is unset or empty FS_MISTRUST_DISABLE_PERMISSIONS_CHECKS, is something else than 0, no, never or
 * false.
 */
bool sw_path_checks_disabled(char *const *environment);

#endif
