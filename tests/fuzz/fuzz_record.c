/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Any bytes as a datagram from a stranger: header, then DTLS records to the end, each parsed as a
 * ClientHello. Records tile the payload; bodies lie inside of their records; only a handshake
 * record yields a hello, and one that calls itself complete is all there.
 */

#include <stdlib.h>

#include "lib/wire/dtls_record.h"
#include "lib/wire/header.h"

static void require(bool condition)
{
    if (!condition) abort();
}

static void check_record(const struct sw_record *record)
{
    struct sw_hello hello;
    const uint8_t *end = record->raw.data + record->raw.len;
    if (record->body.len > 0)
        require(record->body.data > record->raw.data &&
                record->body.data + record->body.len == end);
    require(record->kind == SW_RECORD_MALFORMED || record->body.len > 0);

    const int result = sw_hello_parse(record, &hello);
    require(result == 0 || result == SW_EINVAL || result == SW_ESHORT);
    if (result < 0) return;
    require(record->kind == SW_RECORD_HANDSHAKE && record->hello == SW_CLIENT_HELLO);
    require(hello.msg_len <= SW_HELLO_MAX);
    if (hello.complete) require(record->body.len == hello.msg_len + 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_cursor c = sw_cursor(data, size);
    struct sw_header header;
    struct sw_record record;
    if (sw_header_decode(&c, &header) < 0) return 0;

    const uint8_t *at = c.p;
    while (sw_record_next(&c, &record) == 1) {
        require(record.raw.data == at && record.raw.len > 0);
        at += record.raw.len;
        require(c.p == at && at <= data + size);
        check_record(&record);
    }
    require(at == data + size);
    return 0;
}
