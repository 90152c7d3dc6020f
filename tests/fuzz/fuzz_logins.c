/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What decides about a login: any bytes as a user database, as a key for tokens, or as a token; the
 * first byte says which. Nobody here has the private key, so no token is ever good, and each
 * refusal has a reason. (Claims are read by the same function as headers.)
 */

#include <stdlib.h>
#include <string.h>

#include "host/jwt.h"
#include "host/log.h"
#include "host/users.h"

#define NOW INT64_C(1800000000)

static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm13sHy5dYr839lE651lB\n"
                          "o43Lshs3+Cnex3OHzOjI6QoSZPu54r+ipBNH0S4PT8U0xaZOdBNHwrKJ/ymTI9cO\n"
                          "0So42jJjqp5AY5QrVHK7DhHeQ9BKmRltlIyyiQZsPtOJFcMJ05V5VvhiQ1GV6cCZ\n"
                          "t2iH6I9gd23fabgzEpeo88aT9evgcneU2sBKR55amyGJbw3W7u7qxKhwl8F2/VFm\n"
                          "/SkL9rUgEzSh6sTGTCg6reVuWhMPJ5b69cWmmyERHBSHbGwVf5Uuh/qX3E7JHSzV\n"
                          "Lv+Y5s6fuN0CLE3yWLbzRga8ZscE/TasgiOUEuBZ4nEhOtDRpFYC3jgIiwO97AQt\n"
                          "qQIDAQAB\n"
                          "-----END PUBLIC KEY-----\n";

static void require(bool condition)
{
    if (!condition) abort();
}

static void read_users(const char *bytes, size_t len)
{
    char why[256] = "";
    struct sw_users *users = sw_users_parse(bytes, len, "users", why, sizeof why);
    require((users == NULL) == (why[0] != '\0'));
    if (users != NULL) require(sw_users_count(users) > 0);
    sw_users_free(users);
}

static void read_key(const char *bytes, size_t len)
{
    char why[256] = "";
    struct sw_jwt_key *key = sw_jwt_key_parse(bytes, len, "key", why, sizeof why);
    require((key == NULL) == (why[0] != '\0'));
    if (key != NULL) require(sw_jwt_key_bits(key) >= 2048 && sw_jwt_key_bits(key) <= 8192);
    sw_jwt_key_free(key);
}

static void read_token(const char *bytes, size_t len)
{
    static struct sw_jwt_key *key;
    char why[256], subject[SW_JWT_SUBJECT];
    if (key == NULL) key = sw_jwt_key_parse(pem, sizeof pem - 1, "key", why, sizeof why);
    require(key != NULL);
    require(sw_jwt_check(key, bytes, len, NOW, subject) != NULL);
    require(subject[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char kind;
        void (*read)(const char *bytes, size_t len);
    } kinds[] = {{'u', read_users}, {'k', read_key}, {'t', read_token}};
    if (size == 0) return 0;
    sw_log_setup(SW_LOG_OFF, SW_LOG_FULL, 2);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (data[0] == (uint8_t)kinds[i].kind) kinds[i].read((const char *)data + 1, size - 1);
    return 0;
}
