/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * AES-256-GCM by published packets, then every back end against the others on random input. All
 * buffers end at a page that must not be touched, because the back ends are assembly.
 *
 * Failure is real: the linker puts the wrappers below in front of the allocator and of wolfCrypt.
 */

#include "lib/aead/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/unit/guard.h"
#include "tests/unit/lane_vectors.h"
#include "tests/unit/random.h"

#define LONGEST   65535
#define BACK_ENDS 8

static bool allocation_fails, wolfcrypt_fails;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return allocation_fails ? NULL : __real_aligned_alloc(alignment, size);
}

int __real_wc_AesGcmEncrypt(void *aes, uint8_t *out, const uint8_t *in, uint32_t len,
                            const uint8_t *nonce, uint32_t nonce_len, uint8_t *tag,
                            uint32_t tag_len, const uint8_t *aad, uint32_t aad_len);
int __wrap_wc_AesGcmEncrypt(void *aes, uint8_t *out, const uint8_t *in, uint32_t len,
                            const uint8_t *nonce, uint32_t nonce_len, uint8_t *tag,
                            uint32_t tag_len, const uint8_t *aad, uint32_t aad_len);
int __wrap_wc_AesGcmEncrypt(void *aes, uint8_t *out, const uint8_t *in, uint32_t len,
                            const uint8_t *nonce, uint32_t nonce_len, uint8_t *tag,
                            uint32_t tag_len, const uint8_t *aad, uint32_t aad_len)
{
    if (wolfcrypt_fails) return -1;
    return __real_wc_AesGcmEncrypt(aes, out, in, len, nonce, nonce_len, tag, tag_len, aad, aad_len);
}

/* The back ends that this CPU can run, and buffers for what goes in and out. */
static struct sw_aead *aeads[BACK_ENDS];
static unsigned count;
static struct guard body_guard, out_guard, tag_guard, nonce_guard, aad_guard;

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; sw_aead_backends[i] != NULL; i++) {
        struct sw_aead *aead = sw_aead_new(sw_aead_backends[i]);
        if (aead != NULL) aeads[count++] = aead;
    }
    body_guard = guard_new(LONGEST);
    out_guard = guard_new(LONGEST);
    tag_guard = guard_new(SW_AEAD_TAG_LEN);
    nonce_guard = guard_new(SW_AEAD_NONCE_LEN);
    aad_guard = guard_new(64);
    return count > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < count; i++)
        sw_aead_free(aeads[i]);
    guard_free(&body_guard);
    guard_free(&out_guard);
    guard_free(&tag_guard);
    guard_free(&nonce_guard);
    guard_free(&aad_guard);
    return 0;
}

/** One packet with everything that belongs to it. */
struct sample {
    uint8_t key[SW_AEAD_KEY_LEN], nonce[SW_AEAD_NONCE_LEN], aad[18];
    size_t aad_len, len;
    uint8_t plain[LONGEST], cipher[LONGEST], tag[SW_AEAD_TAG_LEN];
};

static struct sw_aead_packet packet_of(const struct sample *s)
{
    return (struct sw_aead_packet){
        .nonce = guard_copy(&nonce_guard, s->nonce, sizeof s->nonce),
        .aad = guard_copy(&aad_guard, s->aad, s->aad_len),
        .aad_len = s->aad_len,
    };
}

/* Seals a copy of the plain text. */
static void seal(struct sw_aead *aead, struct sw_aead_key *key, const struct sample *s,
                 uint8_t *cipher, uint8_t *tag)
{
    const struct sw_aead_packet packet = packet_of(s);
    uint8_t *text = guard_room(&out_guard, s->len);
    uint8_t *tag_out = guard_room(&tag_guard, SW_AEAD_TAG_LEN);

    if (s->len > 0) memcpy(text, s->plain, s->len);
    sw_aead_seal(aead, key, &packet, text, s->len, tag_out);
    assert_true(guard_intact(&out_guard, s->len) && guard_intact(&tag_guard, SW_AEAD_TAG_LEN));
    if (s->len > 0) memcpy(cipher, text, s->len);
    memcpy(tag, tag_out, SW_AEAD_TAG_LEN);
}

/* Opens the cipher text; the plain text is in out_guard then. */
static int open_sample(struct sw_aead *aead, struct sw_aead_key *key, const struct sample *s)
{
    const struct sw_aead_packet packet = packet_of(s);
    const uint8_t *in = guard_copy(&body_guard, s->cipher, s->len);
    const uint8_t *tag = guard_copy(&tag_guard, s->tag, SW_AEAD_TAG_LEN);
    uint8_t *out = guard_room(&out_guard, s->len);

    int r = sw_aead_open(aead, key, &packet, in, s->len, tag, out);
    assert_true(guard_intact(&out_guard, s->len) && guard_intact(&body_guard, s->len));
    assert_memory_equal(in, s->cipher, s->len);
    assert_memory_equal(tag, s->tag, SW_AEAD_TAG_LEN);
    return r;
}

static const uint8_t *opened(const struct sample *s)
{
    return out_guard.map + out_guard.size - s->len;
}

static void take(uint8_t *out, size_t room, size_t *len, const char *text)
{
    struct hex bytes = hex(text);
    assert_true(bytes.len <= room);
    memcpy(out, bytes.data, bytes.len);
    if (len != NULL) *len = bytes.len;
    free(bytes.data);
}

/* A vector taken apart. */
static void from_vector(struct sample *s, const struct lane_vector *v)
{
    struct hex packet = hex(v->packet);

    assert_true(packet.len >= 40);
    take(s->key, sizeof s->key, NULL, v->key);
    take(s->plain, sizeof s->plain, &s->len, v->plain);
    assert_int_equal(packet.len, 40 + s->len);
    assert_int_equal(sw_get_be16(packet.data + 36), s->len);
    take(s->aad, sizeof s->aad, NULL, v->session);
    memcpy(s->aad + 8, packet.data, 8);
    memcpy(s->aad + 16, packet.data + 38, 2);
    s->aad_len = v->version == 1 ? 16 : 18;
    memcpy(s->nonce, packet.data + 8, sizeof s->nonce);
    memcpy(s->tag, packet.data + 20, sizeof s->tag);
    memcpy(s->cipher, packet.data + 40, s->len);
    free(packet.data);
}

static void test_published_packets_come_out_both_ways(void **state)
{
    (void)state;
    static struct sample s;
    static uint8_t cipher[LONGEST];
    uint8_t tag[SW_AEAD_TAG_LEN];

    for (size_t n = 0; n < LANE_VECTORS; n++) {
        from_vector(&s, &lane_vectors[n]);
        for (unsigned i = 0; i < count; i++) {
            struct sw_aead_key *key = sw_aead_key_new(aeads[i], s.key);
            assert_non_null(key);
            seal(aeads[i], key, &s, cipher, tag);
            assert_memory_equal(cipher, s.cipher, s.len);
            assert_memory_equal(tag, s.tag, sizeof tag);
            assert_int_equal(open_sample(aeads[i], key, &s), 0);
            assert_memory_equal(opened(&s), s.plain, s.len);
            sw_aead_key_free(aeads[i], key);
        }
    }
}

/* A random sample, sealed by the first back end. Its keys by back end. */
static void random_sample(uint64_t *random, struct sample *s, size_t len,
                          struct sw_aead_key *keys[BACK_ENDS])
{
    random_fill(random, s->key, sizeof s->key);
    random_fill(random, s->nonce, sizeof s->nonce);
    random_fill(random, s->aad, sizeof s->aad);
    random_fill(random, s->plain, len);
    s->aad_len = random_below(random, 2) == 0 ? 16 : 18;
    s->len = len;
    for (unsigned i = 0; i < count; i++) {
        keys[i] = sw_aead_key_new(aeads[i], s->key);
        assert_non_null(keys[i]);
    }
    seal(aeads[0], keys[0], s, s->cipher, s->tag);
}

static void free_keys(struct sw_aead_key *keys[BACK_ENDS])
{
    for (unsigned i = 0; i < count; i++)
        sw_aead_key_free(aeads[i], keys[i]);
}

/* Every back end seals it the same. */
static void check_agreement(const struct sample *s, struct sw_aead_key *keys[BACK_ENDS])
{
    static uint8_t cipher[LONGEST];
    uint8_t tag[SW_AEAD_TAG_LEN];

    for (unsigned i = 0; i < count; i++) {
        seal(aeads[i], keys[i], s, cipher, tag);
        if (memcmp(cipher, s->cipher, s->len) != 0 || memcmp(tag, s->tag, sizeof tag) != 0)
            fail_msg("%s: %zu bytes", sw_aead_name(aeads[i]), s->len);
    }
}

static void check_opening(const struct sample *s, struct sw_aead_key *keys[BACK_ENDS])
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(open_sample(aeads[i], keys[i], s), 0);
        if (memcmp(opened(s), s->plain, s->len) != 0)
            fail_msg("%s: %zu bytes", sw_aead_name(aeads[i]), s->len);
    }
}

static void test_back_ends_agree_on_every_length(void **state)
{
    (void)state;
    static struct sample s;
    struct sw_aead_key *keys[BACK_ENDS];
    uint64_t random = 1;

    for (size_t len = 0; len <= LONGEST; len = len == 2000 ? LONGEST : len + 1) {
        random_sample(&random, &s, len, keys);
        check_agreement(&s, keys);
        check_opening(&s, keys);
        free_keys(keys);
    }
}

/* Every bit of len bytes, or of 64 random places if that would take long. */
static void check_flips(uint64_t *random, struct sample *s, struct sw_aead_key *keys[BACK_ENDS],
                        uint8_t *bytes, size_t len)
{
    const size_t bits = 8 * len, tries = bits <= 160 ? bits : 64;

    for (size_t n = 0; n < tries; n++) {
        const size_t bit = tries == bits ? n : random_below(random, bits);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(open_sample(aeads[i], keys[i], s), SW_EAUTH);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_one_wrong_bit_anywhere_is_refused_and_the_input_kept(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 33, 64, 255, 1400};
    static struct sample s;
    struct sw_aead_key *keys[BACK_ENDS];
    uint64_t random = 3;

    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
        random_sample(&random, &s, lengths[n], keys);
        check_flips(&random, &s, keys, s.tag, sizeof s.tag);
        check_flips(&random, &s, keys, s.nonce, sizeof s.nonce);
        check_flips(&random, &s, keys, s.aad, s.aad_len);
        check_flips(&random, &s, keys, s.cipher, s.len);
        check_opening(&s, keys);
        free_keys(keys);
    }
}

static void test_other_lengths_are_refused(void **state)
{
    (void)state;
    static struct sample s;
    struct sw_aead_key *keys[BACK_ENDS];
    uint64_t random = 4;

    random_sample(&random, &s, 100, keys);
    s.cipher[100] = 0;
    for (unsigned i = 0; i < count; i++) {
        for (s.len = 0; s.len <= 101; s.len++)
            assert_int_equal(open_sample(aeads[i], keys[i], &s), s.len == 100 ? 0 : SW_EAUTH);
        s.len = 100;
        s.aad_len = 34 - s.aad_len; /* 16 instead of 18, or the other way round */
        assert_int_equal(open_sample(aeads[i], keys[i], &s), SW_EAUTH);
        s.aad_len = 34 - s.aad_len;
    }
    free_keys(keys);
}

static void test_keys_do_not_mix(void **state)
{
    (void)state;
    static struct sample s, t;
    struct sw_aead_key *keys[BACK_ENDS], *others[BACK_ENDS];
    uint64_t random = 5;

    random_sample(&random, &s, 500, keys);
    random_sample(&random, &t, 500, others);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(open_sample(aeads[i], others[i], &s), SW_EAUTH);
        assert_int_equal(open_sample(aeads[i], keys[i], &t), SW_EAUTH);
    }
    check_opening(&s, keys);
    check_opening(&t, others);
    free_keys(others);
    check_opening(&s, keys);
    free_keys(keys);
}

static void test_best_back_end_is_taken_and_named(void **state)
{
    (void)state;
    struct sw_aead *best = sw_aead_new(NULL);

    assert_non_null(best);
    assert_string_equal(sw_aead_name(best), sw_aead_name(aeads[0]));
    for (unsigned i = 0; i < count; i++) {
        const char *name = sw_aead_name(aeads[i]);
        assert_true(strlen(name) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name, sw_aead_name(aeads[j]));
    }
    assert_string_equal(sw_aead_name(aeads[count - 1]), "wolfCrypt"); /* runs everywhere */
    sw_aead_free(best);
    sw_aead_free(NULL);
    sw_aead_key_free(aeads[0], NULL);
}

static void test_no_memory_is_no_key(void **state)
{
    (void)state;
    static const uint8_t bytes[SW_AEAD_KEY_LEN] = {1};

    allocation_fails = true;
    for (unsigned i = 0; i < count; i++)
        assert_null(sw_aead_key_new(aeads[i], bytes));
    allocation_fails = false;
}

/* A library that refuses to encrypt must not make us send the plain text. */
static void test_failed_sealing_gives_nothing_away(void **state)
{
    (void)state;
    static struct sample s;
    static uint8_t cipher[LONGEST], zeros[LONGEST];
    uint8_t tag[SW_AEAD_TAG_LEN];
    uint64_t random = 6;
    struct sw_aead *wolfcrypt = aeads[count - 1];

    random_fill(&random, s.plain, 1000);
    s.len = 1000;
    s.aad_len = 18;
    struct sw_aead_key *key = sw_aead_key_new(wolfcrypt, s.key);
    assert_non_null(key);
    wolfcrypt_fails = true;
    seal(wolfcrypt, key, &s, cipher, tag);
    wolfcrypt_fails = false;
    assert_memory_equal(cipher, zeros, s.len);
    memcpy(s.cipher, cipher, s.len);
    memcpy(s.tag, tag, sizeof tag);
    assert_int_equal(open_sample(wolfcrypt, key, &s), SW_EAUTH);
    sw_aead_key_free(wolfcrypt, key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_packets_come_out_both_ways),
        cmocka_unit_test(test_back_ends_agree_on_every_length),
        cmocka_unit_test(test_one_wrong_bit_anywhere_is_refused_and_the_input_kept),
        cmocka_unit_test(test_other_lengths_are_refused),
        cmocka_unit_test(test_keys_do_not_mix),
        cmocka_unit_test(test_best_back_end_is_taken_and_named),
        cmocka_unit_test(test_no_memory_is_no_key),
        cmocka_unit_test(test_failed_sealing_gives_nothing_away),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
