/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Mail between workers: host/mailbox.h. */

#include "host/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define LONGEST 65535

static uint8_t bytes[LONGEST];

/* Data that tells the mail it belongs to. */
static const uint8_t *data_of(uint64_t number, uint32_t len)
{
    uint64_t word = random_u64(&number);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((word >> (i % 8 * 8)) + i / 8);
    return bytes;
}

static bool put(struct sw_mailboxes *boxes, unsigned from, unsigned to, uint64_t number,
                uint32_t len)
{
    const struct sw_mail mail = {.kind = SW_MAIL_INSIDE,
                                 .len = len,
                                 .vnet = {.gso_size = (uint16_t)number},
                                 .data = (uint8_t *)(uintptr_t)data_of(number, len)};
    return sw_mailboxes_put(boxes, from, to, &mail);
}

static void take(struct sw_mailboxes *boxes, unsigned from, unsigned to, uint64_t number,
                 uint32_t len)
{
    struct sw_mail *mail = sw_mailboxes_peek(boxes, from, to);
    assert_non_null(mail);
    assert_int_equal(mail->kind, SW_MAIL_INSIDE);
    assert_int_equal(mail->len, len);
    assert_int_equal(mail->vnet.gso_size, (uint16_t)number);
    assert_memory_equal(mail->data, data_of(number, len), len);
    sw_mailboxes_drop(boxes, from, to);
}

static void test_mail_comes_whole_and_in_order(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(2, 0);
    const struct sw_mail datagram = {
        .kind = SW_MAIL_DATAGRAM,
        .len = 3,
        .path = {.local = {.family = 4, .port = 27690}, .remote = {.family = 6, .port = 7}},
        .data = (uint8_t *)(uintptr_t) "abc",
    };
    assert_non_null(boxes);
    assert_null(sw_mailboxes_peek(boxes, 0, 1));
    assert_true(put(boxes, 0, 1, 1, LONGEST));
    assert_true(sw_mailboxes_put(boxes, 0, 1, &datagram));
    assert_true(put(boxes, 0, 1, 3, 0));

    take(boxes, 0, 1, 1, LONGEST);
    struct sw_mail *mail = sw_mailboxes_peek(boxes, 0, 1);
    assert_ptr_equal(mail, sw_mailboxes_peek(boxes, 0, 1)); /* it stays the first */
    assert_int_equal(mail->kind, SW_MAIL_DATAGRAM);
    assert_int_equal(mail->path.local.port, 27690);
    assert_int_equal(mail->path.remote.family, 6);
    assert_memory_equal(mail->data, "abc", 3);
    sw_mailboxes_drop(boxes, 0, 1);
    take(boxes, 0, 1, 3, 0);
    assert_null(sw_mailboxes_peek(boxes, 0, 1));
    sw_mailboxes_free(boxes);
}

static void test_every_pair_has_a_box_of_its_own(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(4, 0);
    for (unsigned from = 0; from < 4; from++)
        for (unsigned to = 0; to < 4; to++)
            if (from != to) assert_true(put(boxes, from, to, from * 4 + to, 100 + from * 4 + to));
    for (unsigned from = 0; from < 4; from++) {
        for (unsigned to = 0; to < 4; to++) {
            if (from == to) continue;
            take(boxes, from, to, from * 4 + to, 100 + from * 4 + to);
            assert_null(sw_mailboxes_peek(boxes, from, to));
        }
    }
    sw_mailboxes_free(boxes);
}

static void test_full_box_refuses_and_goes_on_when_read(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(2, 256 << 10);
    uint64_t written = 0, read = 0;
    while (put(boxes, 1, 0, written, 60000))
        written++;
    assert_in_range(written, 2, 4);
    assert_false(put(boxes, 1, 0, written, 60000));
    assert_true(put(boxes, 1, 0, written, 10)); /* a small one still fits */
    while (read < written)
        take(boxes, 1, 0, read++, 60000);
    take(boxes, 1, 0, written, 10);
    assert_true(put(boxes, 1, 0, 77, LONGEST));
    take(boxes, 1, 0, 77, LONGEST);
    assert_null(sw_mailboxes_peek(boxes, 1, 0));
    sw_mailboxes_free(boxes);
}

/* Wherever the positions are, the longest mail fits into an empty box. */
static void test_longest_mail_fits_at_every_position(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(2, 0);
    for (uint64_t number = 0; number < 700; number++) {
        assert_true(put(boxes, 0, 1, number, 1));
        take(boxes, 0, 1, number, 1);
        assert_true(put(boxes, 0, 1, number, LONGEST - 200));
        take(boxes, 0, 1, number, LONGEST - 200);
    }
    sw_mailboxes_free(boxes);
}

static void test_box_that_is_read_at_once_touches_little_memory(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(2, 1 << 20);
    uintptr_t first = UINTPTR_MAX, last = 0;
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        assert_true(put(boxes, 0, 1, i, (uint32_t)(i * 37 % 1500)));
        uintptr_t at = (uintptr_t)sw_mailboxes_peek(boxes, 0, 1)->data;
        if (at < first) first = at;
        if (at > last) last = at;
        take(boxes, 0, 1, i, (uint32_t)(i * 37 % 1500));
    }
    assert_true(last - first < 128 << 10);
    sw_mailboxes_free(boxes);
}

static void test_bytes_behind_the_data_are_there(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(2, 0);
    for (uint32_t len = 0; len < 300; len++) {
        assert_true(put(boxes, 0, 1, len, len));
        assert_true(put(boxes, 0, 1, len + 1, 64));
        struct sw_mail *mail = sw_mailboxes_peek(boxes, 0, 1);
        memset(mail->data + len, 0xff, SW_MAIL_TAIL); /* harms nobody */
        sw_mailboxes_drop(boxes, 0, 1);
        take(boxes, 0, 1, len + 1, 64);
    }
    sw_mailboxes_free(boxes);
}

/* --- two threads -------------------------------------------------------------------------------*/

#define MAILS 4000

static uint32_t length_of(uint64_t number)
{
    size_t limit = random_below(&number, 8) == 0 ? LONGEST + 1 : 1500;
    return (uint32_t)random_below(&number, limit);
}

/* The sum over the data, so that both ends touch every byte. */
static uint64_t sum_of(const uint8_t *data, uint32_t len)
{
    uint64_t sum = len;
    for (uint32_t i = 0; i < len; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static void *write_all(void *argument)
{
    struct sw_mailboxes *boxes = argument;
    uint8_t *data = malloc(LONGEST);
    for (uint64_t number = 0; number < MAILS; number++) {
        struct sw_mail mail = {.kind = SW_MAIL_DATAGRAM, .len = length_of(number), .data = data};
        memset(data, (int)number, mail.len);
        mail.path.remote.scope = (uint32_t)number;
        while (!sw_mailboxes_put(boxes, 2, 0, &mail))
            sched_yield();
    }
    free(data);
    return NULL;
}

static void test_writer_and_reader_on_two_threads(void **state)
{
    struct sw_mailboxes *boxes = sw_mailboxes_new(3, 0);
    uint8_t *expected = malloc(LONGEST);
    pthread_t writer;
    assert_non_null(expected);
    assert_int_equal(pthread_create(&writer, NULL, write_all, boxes), 0);
    for (uint64_t number = 0; number < MAILS; number++) {
        struct sw_mail *mail;
        while ((mail = sw_mailboxes_peek(boxes, 2, 0)) == NULL)
            sched_yield();
        assert_int_equal(mail->path.remote.scope, number);
        assert_int_equal(mail->len, length_of(number));
        memset(expected, (int)number, mail->len);
        assert_int_equal(sum_of(mail->data, mail->len), sum_of(expected, mail->len));
        memset(mail->data, 0x5a, mail->len); /* the reader may change it */
        sw_mailboxes_drop(boxes, 2, 0);
    }
    pthread_join(writer, NULL);
    assert_null(sw_mailboxes_peek(boxes, 2, 0));
    assert_null(sw_mailboxes_peek(boxes, 1, 0));
    sw_mailboxes_free(boxes);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_comes_whole_and_in_order),
        cmocka_unit_test(test_every_pair_has_a_box_of_its_own),
        cmocka_unit_test(test_full_box_refuses_and_goes_on_when_read),
        cmocka_unit_test(test_longest_mail_fits_at_every_position),
        cmocka_unit_test(test_box_that_is_read_at_once_touches_little_memory),
        cmocka_unit_test(test_bytes_behind_the_data_are_there),
        cmocka_unit_test(test_writer_and_reader_on_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
