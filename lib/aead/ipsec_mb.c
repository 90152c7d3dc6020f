/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * AES-256-GCM by intel-ipsec-mb's synchronous calls: a third of the time of the next best library
 * for a packet of 1400 bytes. One call per packet: sealing head and body of a segment from where
 * they lie takes four, and measured slower than building the segment first and sealing it in place.
 */

#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "lib/aead/backend.h"

struct state {
    IMB_MGR *manager;
    struct gcm_context_data context;
};

static void *open_state(const char **detail)
{
    static const char *const names[] = {
        [IMB_ARCH_SSE] = "intel-ipsec-mb SSE",
#if IMB_VERSION_NUM < IMB_VERSION(2, 0, 0)
        [IMB_ARCH_AVX] = "intel-ipsec-mb AVX",
#endif
        [IMB_ARCH_AVX2] = "intel-ipsec-mb AVX2",
        [IMB_ARCH_AVX512] = "intel-ipsec-mb AVX512",
    };
    struct state *state = aligned_alloc(64, (sizeof *state + 63) / 64 * 64);
    IMB_ARCH arch = IMB_ARCH_NONE;

    if (state == NULL) return NULL;
    memset(state, 0, sizeof *state);
    state->manager = alloc_mb_mgr(0);
    if (state->manager != NULL) init_mb_mgr_auto(state->manager, &arch);
    if (state->manager == NULL || imb_get_errno(state->manager) != 0 || arch < IMB_ARCH_SSE) {
        if (state->manager != NULL) free_mb_mgr(state->manager);
        free(state);
        return NULL;
    }
    if ((size_t)arch < sizeof names / sizeof names[0] && names[arch] != NULL) *detail = names[arch];
    return state;
}

static void close_state(void *opaque)
{
    struct state *state = opaque;

    free_mb_mgr(state->manager);
    free(state);
}

static int key_init(void *opaque, void *key, const uint8_t bytes[SW_AEAD_KEY_LEN])
{
    struct state *state = opaque;

    IMB_AES256_GCM_PRE(state->manager, bytes, (struct gcm_key_data *)key);
    return 0;
}

static void key_release(void *opaque, void *key)
{
    (void)opaque;
    (void)key;
}

static void seal(void *opaque, void *key, const struct sw_aead_packet *packet, uint8_t *text,
                 size_t len, uint8_t *tag)
{
    struct state *state = opaque;

    IMB_AES256_GCM_ENC(state->manager, (const struct gcm_key_data *)key, &state->context, text,
                       text, len, packet->nonce, packet->aad, packet->aad_len, tag,
                       SW_AEAD_TAG_LEN);
}

static int open_packet(void *opaque, void *key, const struct sw_aead_packet *packet,
                       const uint8_t *in, size_t len, const uint8_t *tag, uint8_t *out)
{
    struct state *state = opaque;
    uint8_t expected[SW_AEAD_TAG_LEN];
    uint8_t difference = 0;

    IMB_AES256_GCM_DEC(state->manager, (const struct gcm_key_data *)key, &state->context, out, in,
                       len, packet->nonce, packet->aad, packet->aad_len, expected, SW_AEAD_TAG_LEN);
    for (int i = 0; i < SW_AEAD_TAG_LEN; i++)
        difference |= expected[i] ^ tag[i];
    return difference == 0 ? 0 : SW_EAUTH;
}

const struct sw_aead_backend sw_aead_ipsec_mb = {
    .name = "intel-ipsec-mb",
    .open = open_state,
    .close = close_state,
    .key_size = sizeof(struct gcm_key_data),
    .key_init = key_init,
    .key_release = key_release,
    .seal = seal,
    .open_packet = open_packet,
};
