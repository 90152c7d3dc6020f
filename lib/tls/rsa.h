/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TLS_RSA_H
#define SW_TLS_RSA_H

/*
 * Signatures with RSA and SHA-256 in the manner of PKCS #1 v1.5 (RFC 8017 §8.2), what JSON web
 * tokens call RS256: reading the public key and checking. Needs no environment (lib/tls/tls.h).
 */

#include <slipway/tls.h>

#define SW_RSA_BITS_MIN 2048
#define SW_RSA_BITS_MAX 8192

/** A public key; immutable, any thread may use it. */
struct sw_rsa_key;

/**
 * The public key of the first block of a PEM text: PKCS #1 (RSA PUBLIC KEY), SubjectPublicKeyInfo
 * (PUBLIC KEY), or that of an X.509 certificate, whose dates and signature are not looked at. NULL,
 * and *why says what is wrong in words that complete "FILE: ", static text.
 */
struct sw_rsa_key *sw_rsa_key_new(struct sw_pem pem, const char **why);
void sw_rsa_key_free(struct sw_rsa_key *key);

/** Of the modulus, SW_RSA_BITS_MIN..SW_RSA_BITS_MAX. */
unsigned sw_rsa_key_bits(const struct sw_rsa_key *key);

/** Is it the signature of data? False also without memory. */
bool sw_rsa_verify_sha256(const struct sw_rsa_key *key, const uint8_t *data, size_t len,
                          const uint8_t *signature, size_t signature_len);

#endif
