/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The choice of a back end, and the memory of expanded keys: aligned for vector loads, wiped when
 * dropped.
 */

#include "lib/aead/aead.h"

#include <stdlib.h>
#include <string.h>

#include "lib/aead/backend.h"

#define KEY_ALIGNMENT 64

struct sw_aead {
    const struct sw_aead_backend *backend;
    void *state;
    const char *detail;
};

const struct sw_aead_backend *const sw_aead_backends[] = {
#ifdef SW_HAVE_IPSEC_MB
    &sw_aead_ipsec_mb,
#endif
    &sw_aead_wolfcrypt,
    NULL,
};

const char *sw_aead_backend_name(const struct sw_aead_backend *backend)
{
    return backend->name;
}

static bool try_backend(struct sw_aead *aead, const struct sw_aead_backend *backend)
{
    aead->backend = backend;
    aead->detail = backend->name;
    aead->state = backend->open(&aead->detail);
    return aead->state != NULL;
}

struct sw_aead *sw_aead_new(const struct sw_aead_backend *backend)
{
    struct sw_aead *aead = calloc(1, sizeof *aead);

    if (aead == NULL) return NULL;
    if (backend != NULL) {
        if (try_backend(aead, backend)) return aead;
    } else {
        for (int i = 0; sw_aead_backends[i] != NULL; i++)
            if (try_backend(aead, sw_aead_backends[i])) return aead;
    }
    free(aead);
    return NULL;
}

void sw_aead_free(struct sw_aead *aead)
{
    if (aead == NULL) return;
    aead->backend->close(aead->state);
    free(aead);
}

const char *sw_aead_name(const struct sw_aead *aead)
{
    return aead->detail;
}

static size_t key_bytes(const struct sw_aead *aead)
{
    return (aead->backend->key_size + KEY_ALIGNMENT - 1) / KEY_ALIGNMENT * KEY_ALIGNMENT;
}

struct sw_aead_key *sw_aead_key_new(struct sw_aead *aead, const uint8_t bytes[SW_AEAD_KEY_LEN])
{
    void *key = aligned_alloc(KEY_ALIGNMENT, key_bytes(aead));

    if (key == NULL) return NULL;
    memset(key, 0, key_bytes(aead));
    if (aead->backend->key_init(aead->state, key, bytes) < 0) {
        free(key);
        return NULL;
    }
    return key;
}

void sw_aead_key_free(struct sw_aead *aead, struct sw_aead_key *key)
{
    if (key == NULL) return;
    aead->backend->key_release(aead->state, key);
    volatile uint8_t *p = (volatile uint8_t *)key;
    for (size_t i = 0; i < key_bytes(aead); i++)
        p[i] = 0;
    free(key);
}

void sw_aead_seal(struct sw_aead *aead, struct sw_aead_key *key,
                  const struct sw_aead_packet *packet, uint8_t *text, size_t len,
                  uint8_t tag[SW_AEAD_TAG_LEN])
{
    aead->backend->seal(aead->state, key, packet, text, len, tag);
}

int sw_aead_open(struct sw_aead *aead, struct sw_aead_key *key, const struct sw_aead_packet *packet,
                 const uint8_t *in, size_t len, const uint8_t tag[SW_AEAD_TAG_LEN], uint8_t *out)
{
    return aead->backend->open_packet(aead->state, key, packet, in, len, tag, out);
}
