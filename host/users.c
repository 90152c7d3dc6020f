/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The user database (docs/configuration.md, option user_db).
 *
 * Rules that stock deployments rely on: one user per line, split at the first colon; the last line
 * of a user wins; a password ends at its first zero byte. Hashes are those of crypt(3), recognised
 * by prefix from a table, so that a text which crypt(3) might take for an ancient DES hash by
 * accident, or a format it does not know ($apr1$, {SHA}, plain text), never lets anybody in.
 *
 * Time tells nothing: the comparison takes the same time wherever the difference is, and for an
 * unknown user some known user's hash is computed and thrown away.
 */

#include "host/users.h"

#include <crypt.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/slurp.h"
#include "lib/base/utf8.h"

#define SW_LOG_TARGET "users"
#include "host/log.h"

#define FILE_MAX     (64u << 20)
#define PASSWORD_MAX 2048 /* more than any frame carries */

struct user {
    char *name;
    char *hash;
    size_t line;
};

struct sw_users {
    char *text; /* names and hashes point into it */
    struct user *users;
    size_t n;
};

/* --- the file ----------------------------------------------------------------------------------*/

static bool is_salt_character(char c)
{
    return (c >= '.' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_des(const char *hash, size_t len)
{
    if (strlen(hash) != len) return false;
    for (const char *p = hash + (*hash == '_'); *p != '\0'; p++)
        if (!is_salt_character(*p)) return false;
    return true;
}

bool sw_users_hash_supported(const char *hash)
{
    static const char *const prefixes[] = {
        "$2a$", "$2b$",   "$2y$", /* bcrypt */
        "$5$",  "$6$",            /* SHA-crypt */
        "$y$",                    /* yescrypt, what Debian's mkpasswd makes */
        "$1$",  "$sha1$",
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(hash, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return *hash == '_' ? is_des(hash, 20) : is_des(hash, 13);
}

static int by_name_then_line(const void *a, const void *b)
{
    const struct user *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order != 0) return order;
    return x->line < y->line ? -1 : 1;
}

/* Keeps of each user the last line; users are sorted. */
static void drop_overridden(struct sw_users *users)
{
    size_t kept = 0;
    for (size_t i = 0; i < users->n; i++) {
        bool last =
            i + 1 == users->n || strcmp(users->users[i].name, users->users[i + 1].name) != 0;
        if (last) users->users[kept++] = users->users[i];
    }
    users->n = kept;
}

static const char *parse_line(char *line, struct user *user)
{
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return "expected user:hash as htpasswd -B writes it, no empty line, no comment";
    *colon = '\0';
    if (*line == '\0') return "the user before the colon is missing";
    if (colon[1] == '\0') return "the hash after the colon is missing";
    user->name = line;
    user->hash = colon + 1;
    return NULL;
}

/* Takes the lines apart, in place. NULL, or what is wrong with line *line. */
static const char *parse_lines(struct sw_users *users, size_t len, size_t *line)
{
    char *end = users->text + len;
    for (char *p = users->text; p < end;) {
        char *line_end = memchr(p, '\n', (size_t)(end - p));
        if (line_end == NULL) line_end = end;
        *line_end = '\0';
        ++*line;
        if (line_end > p && line_end[-1] == '\r') line_end[-1] = '\0';
        if (strlen(p) + 1 < (size_t)(line_end - p)) return "there is a zero byte in it";
        struct user *user = &users->users[users->n];
        user->line = *line;
        const char *wrong = parse_line(p, user);
        if (wrong != NULL) return wrong;
        users->n++;
        p = line_end + 1;
    }
    return NULL;
}

static void warn_unusable(const struct sw_users *users, const char *path)
{
    for (size_t i = 0; i < users->n; i++)
        if (!sw_users_hash_supported(users->users[i].hash))
            sw_log_warn("%s:%zu: the hash of user %s has a format that never matches; make one "
                        "with htpasswd -B",
                        path, users->users[i].line, users->users[i].name);
}

struct sw_users *sw_users_parse(const char *text, size_t len, const char *path, char *why,
                                size_t why_size)
{
    size_t line = 0, lines = 1;
    const char *wrong;
    struct sw_users *users = calloc(1, sizeof *users);
    if (users == NULL) goto no_memory;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    users->text = malloc(len + 1);
    users->users = calloc(lines, sizeof *users->users);
    if (users->text == NULL || users->users == NULL) goto no_memory;
    memcpy(users->text, text, len);
    users->text[len] = '\0';

    if (!sw_utf8_valid(text, len)) {
        snprintf(why, why_size, "%s: the file is not UTF-8", path);
        goto out;
    }
    wrong = parse_lines(users, len, &line);
    if (wrong != NULL) {
        snprintf(why, why_size, "%s:%zu: %s", path, line, wrong);
        goto out;
    }
    if (users->n == 0) {
        snprintf(why, why_size, "%s: there is no user in it; htpasswd -B adds one", path);
        goto out;
    }
    qsort(users->users, users->n, sizeof *users->users, by_name_then_line);
    drop_overridden(users);
    warn_unusable(users, path);
    return users;

no_memory:
    snprintf(why, why_size, "%s: out of memory", path);
out:
    sw_users_free(users);
    return NULL;
}

struct sw_users *sw_users_load(const char *path, char *why, size_t why_size)
{
    char reason[256];
    char *text;
    size_t len;
    if (sw_slurp(path, FILE_MAX, &text, &len, reason, sizeof reason) < 0) {
        snprintf(why, why_size, "%s: %s", path, reason);
        return NULL;
    }
    struct sw_users *users = sw_users_parse(text, len, path, why, why_size);
    explicit_bzero(text, len);
    free(text);
    return users;
}

void sw_users_free(struct sw_users *users)
{
    if (users == NULL) return;
    free(users->users);
    free(users->text);
    free(users);
}

size_t sw_users_count(const struct sw_users *users)
{
    return users->n;
}

/* --- checking ----------------------------------------------------------------------------------*/

static int compare_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct user *)element)->name);
}

static const struct user *find(const struct sw_users *users, const char *user, size_t len)
{
    char *name = malloc(len + 1);
    if (name == NULL || memchr(user, '\0', len) != NULL) {
        free(name);
        return NULL;
    }
    memcpy(name, user, len);
    name[len] = '\0';
    const struct user *found =
        bsearch(name, users->users, users->n, sizeof *users->users, compare_name);
    free(name);
    return found;
}

/* A hash that costs what checking a known user costs. */
static const char *hash_of_somebody(const struct sw_users *users)
{
    for (size_t i = 0; i < users->n; i++)
        if (sw_users_hash_supported(users->users[i].hash)) return users->users[i].hash;
    return users->users[0].hash;
}

static bool equal_in_constant_time(const char *a, const char *b)
{
    size_t len = strlen(a);
    if (strlen(b) != len) return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* Costs the same whether the user is known or not. */
static bool is_password(const char *hash, const char *password, size_t len)
{
    bool equal = false;
    struct crypt_data *work = calloc(1, sizeof *work);
    char *phrase = calloc(1, len + 1);
    if (work != NULL && phrase != NULL) {
        if (len > 0) memcpy(phrase, password, len);
        /* not crypt_r(): AddressSanitizer puts itself before that and does not find it again */
        const char *computed = crypt_rn(phrase, hash, work, sizeof *work);
        equal = computed != NULL && computed[0] != '*' && equal_in_constant_time(computed, hash);
        explicit_bzero(phrase, len);
        explicit_bzero(work, sizeof *work);
    }
    free(phrase);
    free(work);
    return equal;
}

enum sw_users_answer sw_users_verify(const struct sw_users *users, const char *user,
                                     size_t user_len, const char *password, size_t password_len)
{
    if (password_len > PASSWORD_MAX) return SW_USERS_WRONG_PASSWORD;
    const struct user *known = find(users, user, user_len);
    const char *hash = known != NULL ? known->hash : hash_of_somebody(users);
    bool usable = sw_users_hash_supported(hash);
    bool equal = usable && is_password(hash, password, password_len);
    if (known == NULL) return SW_USERS_UNKNOWN;
    if (!usable) return SW_USERS_UNUSABLE;
    return equal ? SW_USERS_RIGHT : SW_USERS_WRONG_PASSWORD;
}
