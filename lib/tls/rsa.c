/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * RSA signatures over SHA-256 (RFC 8017 §8.2.2), on wolfCrypt. What is kept of a key are its two
 * numbers: the library's key structure is also its workplace, so every check makes one of its own
 * and threads need no lock.
 *
 * The signature is opened and compared with the one encoding that a right signature has, byte by
 * byte; nothing inside it is parsed. It has to be exactly as long as the modulus. Exponents are
 * those that others take, odd and of at most 33 bits, since the work of a check grows with it.
 */

#include "lib/tls/rsa.h"

#include <stdlib.h>
#include <string.h>

#include "lib/tls/tls.h"
#include "lib/tls/wolfssl.h"

#define EXPONENT_BITS 33

struct sw_rsa_key {
    unsigned bits;
    word32 n_len, e_len;
    uint8_t n[SW_RSA_BITS_MAX / 8], e[8];
};

/* --- reading a key -----------------------------------------------------------------------------*/

enum { NO_BLOCK = -1, PRIVATE_KEY = -2 }; /* beside wolfSSL's types, none of which is negative */

static const struct {
    const char *begin;
    int type;
} labels[] = {
    {"-----BEGIN PUBLIC KEY-----", PUBLICKEY_TYPE},
    {"-----BEGIN RSA PUBLIC KEY-----", RSA_PUBLICKEY_TYPE},
    {"-----BEGIN CERTIFICATE-----", CERT_TYPE},
    {"-----BEGIN PRIVATE KEY-----", PRIVATE_KEY},
    {"-----BEGIN RSA PRIVATE KEY-----", PRIVATE_KEY},
    {"-----BEGIN ENCRYPTED PRIVATE KEY-----", PRIVATE_KEY},
};

static bool starts_with(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(end - p) >= len && memcmp(p, word, len) == 0;
}

/* The type of the first block; NO_BLOCK also where it is one that means nothing here. */
static int first_block(struct sw_pem *pem)
{
    const char *end = pem->text + pem->len;
    for (const char *p = pem->text; p < end && (p = memchr(p, '-', (size_t)(end - p))); p++) {
        if (!starts_with(p, end, "-----BEGIN ")) continue;
        *pem = (struct sw_pem){p, (size_t)(end - p)};
        for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
            if (starts_with(p, end, labels[i].begin)) return labels[i].type;
        return NO_BLOCK;
    }
    return NO_BLOCK;
}

static unsigned bits_of(const byte *number, word32 len)
{
    while (len > 0 && *number == 0) {
        number++;
        len--;
    }
    return len == 0 ? 0 : 8 * len - (unsigned)(__builtin_clz(*number) - 24);
}

/* Keeps the two numbers if they make a key. NULL, or what is wrong. */
static const char *keep(struct sw_rsa_key *key, const byte *n, word32 n_len, const byte *e,
                        word32 e_len)
{
    key->bits = bits_of(n, n_len);
    if (key->bits < SW_RSA_BITS_MIN || key->bits > SW_RSA_BITS_MAX)
        return "the RSA key has a size that is not taken; expected 2048 to 8192 bits";
    if (key->bits > RSA_MAX_SIZE) /* tools/deps says SP_INT_BITS=8192, others may not */
        return "the RSA key is longer than wolfSSL was built for";
    unsigned e_bits = bits_of(e, e_len);
    if ((n[n_len - 1] & 1) == 0 || e_bits < 2 || e_bits > EXPONENT_BITS || (e[e_len - 1] & 1) == 0)
        return "the RSA key is no sound one: modulus and exponent have to be odd, the exponent of "
               "2 to 33 bits";
    key->n_len = (key->bits + 7) / 8;
    key->e_len = (e_bits + 7) / 8;
    memcpy(key->n, n + n_len - key->n_len, key->n_len);
    memcpy(key->e, e + e_len - key->e_len, key->e_len);
    return NULL;
}

/* From PKCS #1 or SubjectPublicKeyInfo. */
static const char *read_der(struct sw_rsa_key *key, const byte *der, word32 len)
{
    const byte *n = NULL, *e = NULL;
    word32 at = 0, n_len = 0, e_len = 0;
    if (wc_RsaPublicKeyDecode_ex(der, &at, len, &n, &n_len, &e, &e_len) != 0 || at != len)
        return "holds no RSA public key";
    return keep(key, n, n_len, e, e_len);
}

static const char *read_certificate(struct sw_rsa_key *key, const byte *der, word32 len)
{
    const char *why = "holds a certificate that cannot be read";
    word32 room = len;
    byte *info = malloc(room);
    if (info == NULL) return "out of memory";
    if (wc_GetSubjectPubKeyInfoDerFromCert(der, len, info, &room) == 0)
        why = read_der(key, info, room);
    free(info);
    return why;
}

static const char *read_pem(struct sw_rsa_key *key, struct sw_pem pem)
{
    DerBuffer *der = NULL;
    int type = first_block(&pem);
    if (type == PRIVATE_KEY)
        return "holds a private key; expected the public one, which openssl rsa -pubout "
               "makes of it";
    if (type == NO_BLOCK) return "holds no public key in PEM form";
    const char *why = "holds a PEM block that cannot be read";
    int rc = wc_PemToDer((const byte *)pem.text, (long)pem.len, type, &der, NULL, NULL, NULL);
    if (rc == 0)
        why = type == CERT_TYPE ? read_certificate(key, der->buffer, der->length)
                                : read_der(key, der->buffer, der->length);
    wc_FreeDer(&der); /* a failure leaves it behind, too */
    return why;
}

struct sw_rsa_key *sw_rsa_key_new(struct sw_pem pem, const char **why)
{
    struct sw_rsa_key *key = calloc(1, sizeof *key);
    *why = key != NULL ? read_pem(key, pem) : "out of memory";
    if (*why == NULL) return key;
    free(key);
    return NULL;
}

void sw_rsa_key_free(struct sw_rsa_key *key)
{
    free(key);
}

unsigned sw_rsa_key_bits(const struct sw_rsa_key *key)
{
    return key->bits;
}

/* --- checking ----------------------------------------------------------------------------------*/

bool sw_rsa_verify_sha256(const struct sw_rsa_key *key, const uint8_t *data, size_t len,
                          const uint8_t *signature, size_t signature_len)
{
    byte hash[WC_SHA256_DIGEST_SIZE], right[WC_SHA256_DIGEST_SIZE + 32], found[sizeof right];
    bool good = false;
    if (signature_len != key->n_len || wc_Sha256Hash(data, (word32)len, hash) != 0) return false;
    word32 right_len = wc_EncodeSignature(right, hash, sizeof hash, SHA256h);

    RsaKey *work = malloc(sizeof *work);
    if (work == NULL || wc_InitRsaKey(work, NULL) != 0) {
        free(work);
        return false;
    }
    if (wc_RsaPublicKeyDecodeRaw(key->n, key->n_len, key->e, key->e_len, work) == 0) {
        int n = wc_RsaSSL_Verify(signature, (word32)signature_len, found, sizeof found, work);
        good = n > 0 && (word32)n == right_len && sw_tls_equal(found, right, right_len);
    }
    wc_FreeRsaKey(work);
    free(work);
    return good;
}
