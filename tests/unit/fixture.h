/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_FIXTURE_H
#define SW_TESTS_FIXTURE_H

/* Reads files below tests/fixtures; the build says where that is (SW_FIXTURES). */

#include "tests/unit/hex.h"

/** The whole file in an allocation of exactly its size. */
static inline struct hex fixture(const char *name)
{
    char path[512];
    uint8_t bytes[65536];
    const int len = snprintf(path, sizeof path, "%s/%s", SW_FIXTURES, name);
    assert(len > 0 && (size_t)len < sizeof path);
    FILE *file = fopen(path, "rb");
    if (file == NULL) perror(path);
    assert(file != NULL);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    assert(size > 0 && size < sizeof bytes && !ferror(file));
    fclose(file);
    return hex_copy(bytes, size);
}

#endif
