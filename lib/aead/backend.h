/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_AEAD_BACKEND_H
#define SW_AEAD_BACKEND_H

#include "lib/aead/aead.h"

/** What a back end must be able to do. state: its own, made by open(). */
struct sw_aead_backend {
    const char *name;
    /** NULL: out of memory, or not for this CPU. *detail: what it found, static text. */
    void *(*open)(const char **detail);
    void (*close)(void *state);
    size_t key_size; /**< bytes of an expanded key, at 64-byte alignment */
    int (*key_init)(void *state, void *key, const uint8_t bytes[SW_AEAD_KEY_LEN]);
    void (*key_release)(void *state, void *key);
    void (*seal)(void *state, void *key, const struct sw_aead_packet *packet, uint8_t *text,
                 size_t len, uint8_t *tag);
    /** 0 or SW_EAUTH. */
    int (*open_packet)(void *state, void *key, const struct sw_aead_packet *packet,
                       const uint8_t *in, size_t len, const uint8_t *tag, uint8_t *out);
};

extern const struct sw_aead_backend sw_aead_ipsec_mb;
extern const struct sw_aead_backend sw_aead_wolfcrypt;

#endif
