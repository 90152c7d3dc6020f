/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_AEAD_AEAD_H
#define SW_AEAD_AEAD_H

/*
 * AES-256-GCM as Expresslane uses it (docs/protocol/expresslane.md §3.1): 12-byte nonce, 16-byte
 * tag, many packets under one key. Two back ends behind one table: intel-ipsec-mb where the CPU is
 * x86-64, wolfCrypt everywhere. Both make the same bytes.
 */

#include <slipway/error.h>
#include <slipway/types.h>

#define SW_AEAD_KEY_LEN   32
#define SW_AEAD_NONCE_LEN 12
#define SW_AEAD_TAG_LEN   16

/** A back end with its scratch state; belongs to one thread. */
struct sw_aead;

/** A key made ready for use. */
struct sw_aead_key;

struct sw_aead_backend;

/** The back ends of this build, best first, NULL at the end. */
extern const struct sw_aead_backend *const sw_aead_backends[];
const char *sw_aead_backend_name(const struct sw_aead_backend *backend);

/** backend NULL: the best one this CPU can run. NULL: out of memory, or the CPU cannot run it. */
struct sw_aead *sw_aead_new(const struct sw_aead_backend *backend);
void sw_aead_free(struct sw_aead *aead);

/** "intel-ipsec-mb AVX512" and so on, for the log. */
const char *sw_aead_name(const struct sw_aead *aead);

/** NULL: out of memory. */
struct sw_aead_key *sw_aead_key_new(struct sw_aead *aead, const uint8_t bytes[SW_AEAD_KEY_LEN]);
/** Wipes and frees. */
void sw_aead_key_free(struct sw_aead *aead, struct sw_aead_key *key);

/** Everything about one packet but its text. */
struct sw_aead_packet {
    const uint8_t *nonce; /**< SW_AEAD_NONCE_LEN bytes */
    const uint8_t *aad;
    size_t aad_len;
};

/**
 * Seals len bytes of text in place. Cannot fail: should a back end refuse, text and tag are zeros,
 * which open nowhere.
 */
void sw_aead_seal(struct sw_aead *aead, struct sw_aead_key *key,
                  const struct sw_aead_packet *packet, uint8_t *text, size_t len,
                  uint8_t tag[SW_AEAD_TAG_LEN]);

/**
 * Opens len bytes at in to out, which must not overlap. 0, or SW_EAUTH when the tag is wrong: in is
 * untouched then, and out holds nothing of use.
 */
int sw_aead_open(struct sw_aead *aead, struct sw_aead_key *key, const struct sw_aead_packet *packet,
                 const uint8_t *in, size_t len, const uint8_t tag[SW_AEAD_TAG_LEN], uint8_t *out);

#endif
