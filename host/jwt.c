/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * JSON web tokens (docs/configuration.md, option token_rsa_pub_key_pem). The rules are those that
 * stock servers apply, so that the same tokens are good for both:
 *
 *   - the algorithm is RS256, whatever the header would like; "typ" is not looked at,
 *   - "exp" is required, a number of seconds since 1970, rounded if it has decimals; a token is
 *     good until 60 seconds after it,
 *   - a token with an "aud" claim is meant for somebody, and we have no name that it could be: no
 *     (null is how some write that there is none),
 *   - all other claims mean nothing here; "sub" is shown as the user's name.
 *
 *   - critical extensions (RFC 7515 §4.1.11), of which we know none, are refused,
 *   - base64url is strict (RFC 7515 §2: no padding, no stray bits): a token has one spelling only.
 *
 * Here also a name that stands twice is refused (RFC 7519 §4 allows either), and an "aud" of a kind
 * that it cannot be. No claim is read before the signature is right.
 *
 * libjwt would check neither of these by itself and brings OpenSSL or GnuTLS with it, a second
 * TLS library in the process; wolfCrypt, which is there anyway, does the arithmetic (lib/tls/rsa.h)
 * and jansson reads the JSON.
 */

#include "host/jwt.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/slurp.h"
#include "lib/tls/rsa.h"

#define SW_LOG_TARGET "tokens"
#include "host/log.h"

#define PEM_MAX   (1u << 20)
#define TOKEN_MAX 2048 /* more than any frame carries */
#define LEEWAY    60   /* seconds */

/* What a token of a login has room for: bytes, of them the least that header and claims need. */
#define FRAME_TOKEN_MAX 1345
#define LEAST_REST      50

struct sw_jwt_key {
    struct sw_rsa_key *rsa;
};

/* --- the key -----------------------------------------------------------------------------------*/

struct sw_jwt_key *sw_jwt_key_parse(const char *text, size_t len, const char *path, char *why,
                                    size_t why_size)
{
    const char *wrong = "out of memory";
    struct sw_jwt_key *key = calloc(1, sizeof *key);
    if (key != NULL) key->rsa = sw_rsa_key_new((struct sw_pem){text, len}, &wrong);
    if (key == NULL || key->rsa == NULL) {
        snprintf(why, why_size, "%s: %s", path, wrong);
        free(key);
        return NULL;
    }
    if (sw_rsa_key_bits(key->rsa) / 6 + LEAST_REST > FRAME_TOKEN_MAX)
        sw_log_warn("%s: no token that this key of %u bits signs is short enough to log in with",
                    path, sw_rsa_key_bits(key->rsa));
    return key;
}

struct sw_jwt_key *sw_jwt_key_load(const char *path, char *why, size_t why_size)
{
    char reason[256];
    char *text;
    size_t len;
    if (sw_slurp(path, PEM_MAX, &text, &len, reason, sizeof reason) < 0) {
        snprintf(why, why_size, "%s: %s", path, reason);
        return NULL;
    }
    struct sw_jwt_key *key = sw_jwt_key_parse(text, len, path, why, why_size);
    explicit_bzero(text, len); /* somebody may have named a private key */
    free(text);
    return key;
}

void sw_jwt_key_free(struct sw_jwt_key *key)
{
    if (key == NULL) return;
    sw_rsa_key_free(key->rsa);
    free(key);
}

unsigned sw_jwt_key_bits(const struct sw_jwt_key *key)
{
    return sw_rsa_key_bits(key->rsa);
}

/* --- the three parts ---------------------------------------------------------------------------*/

struct part {
    const char *text;
    size_t len;
};

/* header.claims.signature */
static bool split(const char *token, size_t len, struct part parts[3])
{
    const char *end = token + len;
    for (int i = 0; i < 3; i++) {
        const char *dot = memchr(token, '.', (size_t)(end - token));
        if ((dot == NULL) != (i == 2)) return false;
        parts[i] = (struct part){token, (size_t)((dot != NULL ? dot : end) - token)};
        if (dot != NULL) token = dot + 1;
    }
    return true;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-') return 62;
    return c == '_' ? 63 : -1;
}

/* Bytes of base64url without padding, into out, which has room; -1 if it is none. */
static int decode(struct part part, uint8_t *out)
{
    unsigned bits = 0, value = 0;
    int n = 0;
    for (size_t i = 0; i < part.len; i++) {
        int six = digit(part.text[i]);
        if (six < 0) return -1;
        value = value << 6 | (unsigned)six;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out[n++] = (uint8_t)(value >> bits);
        value &= (1u << bits) - 1;
    }
    return bits == 6 || value != 0 ? -1 : n;
}

/* A part that is a JSON object, or NULL. Numbers are all taken as real ones. */
static json_t *decode_object(struct part part)
{
    uint8_t bytes[TOKEN_MAX];
    int len = decode(part, bytes);
    if (len < 0) return NULL;
    json_t *json =
        json_loadb((const char *)bytes, (size_t)len,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    if (json_is_object(json)) return json;
    json_decref(json);
    return NULL;
}

/* --- checking ----------------------------------------------------------------------------------*/

static const char *check_header(struct part part)
{
    json_t *header = decode_object(part);
    if (header == NULL) return "it has a header that cannot be read";
    const json_t *algorithm = json_object_get(header, "alg");
    const char *wrong = NULL;
    if (!json_is_string(algorithm) || json_string_length(algorithm) != 5 ||
        strcmp(json_string_value(algorithm), "RS256") != 0)
        wrong = "it is not signed with RS256";
    else if (json_object_get(header, "crit") != NULL)
        wrong = "it has critical extensions";
    json_decref(header);
    return wrong;
}

static bool is_signed(const struct sw_jwt_key *key, const char *token, const struct part parts[3])
{
    uint8_t signature[TOKEN_MAX];
    int len = decode(parts[2], signature);
    size_t message = (size_t)(parts[2].text - 1 - token);
    return len > 0 &&
           sw_rsa_verify_sha256(key->rsa, (const uint8_t *)token, message, signature, (size_t)len);
}

static const char *check_claims(const json_t *claims, int64_t unix_time)
{
    const json_t *exp = json_object_get(claims, "exp");
    double until = json_is_real(exp) ? round(json_real_value(exp)) : -1;
    if (!(until >= 0 && until <= 0x1p64)) return "it has no exp claim that is a number";
    if (until + LEEWAY < (double)unix_time) return "it has expired";
    const json_t *aud = json_object_get(claims, "aud");
    if (aud != NULL && !json_is_null(aud)) return "it has an aud claim";
    return NULL;
}

/* The name, cut where a character begins. */
static void take_subject(const json_t *claims, char *subject)
{
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    size_t len = sub != NULL ? strlen(sub) : 0;
    if (len >= SW_JWT_SUBJECT) {
        len = SW_JWT_SUBJECT - 1;
        while (len > 0 && ((unsigned char)sub[len] & 0xc0) == 0x80)
            len--;
    }
    if (len > 0) memcpy(subject, sub, len);
    subject[len] = '\0';
}

const char *sw_jwt_check(const struct sw_jwt_key *key, const char *token, size_t len,
                         int64_t unix_time, char *subject)
{
    struct part parts[3];
    subject[0] = '\0';
    if (len > TOKEN_MAX || !split(token, len, parts)) return "it is no JSON web token";
    const char *wrong = check_header(parts[0]);
    if (wrong != NULL) return wrong;
    if (!is_signed(key, token, parts)) return "its signature is wrong";
    json_t *claims = decode_object(parts[1]);
    if (claims == NULL) return "it has claims that cannot be read";
    wrong = check_claims(claims, unix_time);
    if (wrong == NULL) take_subject(claims, subject);
    json_decref(claims);
    return wrong;
}
