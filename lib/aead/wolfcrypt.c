/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * AES-256-GCM by wolfCrypt, which comes with the TLS library and runs everywhere.
 */

#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#pragma GCC diagnostic pop

#include "lib/aead/backend.h"

/* The library keeps everything in the key; there is nothing to hold, but NULL would mean failure.
 */
static char no_state;

static void *open_state(const char **detail)
{
    *detail = "wolfCrypt";
    return &no_state;
}

static void close_state(void *state)
{
    (void)state;
}

static int key_init(void *state, void *key, const uint8_t bytes[SW_AEAD_KEY_LEN])
{
    Aes *aes = key;

    (void)state;
    if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0) return SW_ENOMEM;
    if (wc_AesGcmSetKey(aes, bytes, SW_AEAD_KEY_LEN) == 0) return 0;
    wc_AesFree(aes);
    return SW_EINVAL;
}

static void key_release(void *state, void *key)
{
    (void)state;
    wc_AesFree(key);
}

/* The library's assembly loads 16 bytes where it is given 12. */
struct roomy_nonce {
    _Alignas(16) uint8_t bytes[16];
};

static struct roomy_nonce roomy(const uint8_t *nonce)
{
    struct roomy_nonce copy = {{0}};

    memcpy(copy.bytes, nonce, SW_AEAD_NONCE_LEN);
    return copy;
}

/* Should the library refuse, the plain text must not leave. */
static void seal(void *state, void *key, const struct sw_aead_packet *packet, uint8_t *text,
                 size_t len, uint8_t *tag)
{
    const struct roomy_nonce nonce = roomy(packet->nonce);

    (void)state;
    if (wc_AesGcmEncrypt(key, text, text, (word32)len, nonce.bytes, SW_AEAD_NONCE_LEN, tag,
                         SW_AEAD_TAG_LEN, packet->aad, (word32)packet->aad_len) == 0)
        return;
    if (len > 0) memset(text, 0, len);
    memset(tag, 0, SW_AEAD_TAG_LEN);
}

static int open_packet(void *state, void *key, const struct sw_aead_packet *packet,
                       const uint8_t *in, size_t len, const uint8_t *tag, uint8_t *out)
{
    const struct roomy_nonce nonce = roomy(packet->nonce);

    (void)state;
    int r = wc_AesGcmDecrypt(key, out, in, (word32)len, nonce.bytes, SW_AEAD_NONCE_LEN, tag,
                             SW_AEAD_TAG_LEN, packet->aad, (word32)packet->aad_len);
    return r == 0 ? 0 : SW_EAUTH;
}

const struct sw_aead_backend sw_aead_wolfcrypt = {
    .name = "wolfCrypt",
    .open = open_state,
    .close = close_state,
    .key_size = sizeof(Aes),
    .key_init = key_init,
    .key_release = key_release,
    .seal = seal,
    .open_packet = open_packet,
};
