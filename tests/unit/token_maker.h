/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_TOKEN_MAKER_H
#define SW_TESTS_TOKEN_MAKER_H

/*
 * Makes JSON web tokens: any header and claims, signed with a private key of tests/fixtures/tokens.
 */

#include "lib/tls/wolfssl.h"
#include "tests/unit/fixture.h"

#define TOKEN_ROOM 4096

/* Appends bytes as base64url. */
static inline void token_append(char *token, const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *p = bytes;
    char *out = token + strlen(token);
    unsigned bits = 0, value = 0;
    assert(strlen(token) + len * 2 + 2 < TOKEN_ROOM);
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | p[i];
        for (bits += 8; bits >= 6; value &= (1u << bits) - 1) {
            bits -= 6;
            *out++ = digits[value >> bits];
        }
    }
    if (bits > 0) *out++ = digits[value << (6 - bits)];
    *out = '\0';
}

static inline int token_seed(OS_Seed *os, byte *out, word32 len)
{
    (void)os;
    memset(out, 0x5a, len); /* blinds a key that everybody may know */
    for (word32 i = 0; i < len; i++)
        out[i] ^= (byte)(i * 31);
    return 0;
}

static inline void token_load_key(RsaKey *key, const char *name)
{
    struct hex pem = fixture(name);
    byte *der = malloc(pem.len);
    assert(der != NULL);
    int n = wc_KeyPemToDer(pem.data, (int)pem.len, der, (int)pem.len, NULL);
    word32 at = 0;
    assert(n > 0 && wc_InitRsaKey(key, NULL) == 0);
    int rc = wc_RsaPrivateKeyDecode(der, &at, key, (word32)n);
    assert(rc == 0);
    (void)rc;
    free(der);
    free(pem.data);
}

/* Appends the signature of what is there, made with the key in that file. */
static inline void token_sign(char *token, const char *key_name)
{
    byte digest[32], encoded[32 + 32], signature[1024];
    RsaKey *key = malloc(sizeof *key);
    WC_RNG rng;
    assert(key != NULL);
    wc_SetSeed_Cb(token_seed);
    int rc = wc_InitRng(&rng);
    assert(rc == 0);
    token_load_key(key, key_name);
    wc_RsaSetRNG(key, &rng);
    wc_Sha256Hash((const byte *)token, (word32)strlen(token), digest);
    word32 len = wc_EncodeSignature(encoded, digest, sizeof digest, SHA256h);
    rc = wc_RsaSSL_Sign(encoded, len, signature, sizeof signature, key, &rng);
    assert(rc > 0);
    strcat(token, ".");
    token_append(token, signature, (size_t)rc);
    wc_FreeRsaKey(key);
    wc_FreeRng(&rng);
    free(key);
}

/* A token of room TOKEN_ROOM. */
static inline void token_make(char *token, const char *header, const char *claims,
                              const char *key_name)
{
    token[0] = '\0';
    token_append(token, header, strlen(header));
    strcat(token, ".");
    token_append(token, claims, strlen(claims));
    token_sign(token, key_name);
}

#endif
