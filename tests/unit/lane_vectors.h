/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_LANE_VECTORS_H
#define SW_TESTS_LANE_VECTORS_H

/* The packets of docs/protocol/expresslane.md §18.1 and §18.2, without the Lightway header. */

#include "tests/unit/hex.h"

struct lane_vector {
    const char *what;
    uint8_t version;
    const char *key, *session;
    const char *packet; /**< counter, nonce, tag, length, flags, ciphertext */
    const char *plain;
    bool encoded;
};

#define LANE_GOLDEN_PLAIN  "657870726573736c616e6520676f6c64656e20766563746f72207061796c6f6164"
#define LANE_GOLDEN_CIPHER "1de0df19db6aa733e1f77938999b312f5310ecc610332f6a94234f38a17987cac8"
#define LANE_COUNTING_KEY  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define LANE_COUNTING_IV   "000102030405060708090a0b"
#define LANE_ECHO          "4500001c00010000400165dc0a7d00050a7d00060800f7fd00010001"
#define LANE_ECHO_CIPHER   "0202d607c5e4c21bcd40f257bb94786889ab8732f87ba8813866e584"

static const struct lane_vector lane_vectors[] = {
    {"golden, V1 encoded", 1, "5a*32", "a1*8",
     "0000000000000001 2b*12 f8cf6559479de62e9b6bf8cda32be127 0021 8000 " LANE_GOLDEN_CIPHER,
     LANE_GOLDEN_PLAIN, true},
    {"golden, V1 plain", 1, "5a*32", "a1*8",
     "0000000000000001 2b*12 f8cf6559479de62e9b6bf8cda32be127 0021 0000 " LANE_GOLDEN_CIPHER,
     LANE_GOLDEN_PLAIN, false},
    {"golden, V2 encoded", 2, "5a*32", "a1*8",
     "0000000000000001 2b*12 99729ab5a6261acd578ce423075905ed 0021 8000 " LANE_GOLDEN_CIPHER,
     LANE_GOLDEN_PLAIN, true},
    {"golden, V2 plain", 2, "5a*32", "a1*8",
     "0000000000000001 2b*12 2d5ee0b75c9d1319e0aed5f386808b97 0021 0000 " LANE_GOLDEN_CIPHER,
     LANE_GOLDEN_PLAIN, false},

    {"echo, V1", 1, LANE_COUNTING_KEY, "0102030405060708",
     "1122334455667788 " LANE_COUNTING_IV
     " 664db8a3fc7566bb30c746e3f0a098fb 001c 0000 " LANE_ECHO_CIPHER,
     LANE_ECHO, false},
    {"echo, V2", 2, LANE_COUNTING_KEY, "0102030405060708",
     "1122334455667788 " LANE_COUNTING_IV
     " 0e97a8127dcb2602e36c8a7d3cd06701 001c 0000 " LANE_ECHO_CIPHER,
     LANE_ECHO, false},
    {"echo, V2, a reserved bit", 2, LANE_COUNTING_KEY, "0102030405060708",
     "0000000000000002 " LANE_COUNTING_IV
     " 1f2f185b8efb9eb3343a70f8cda9a12b 001c 8001 " LANE_ECHO_CIPHER,
     LANE_ECHO, true},
    {"empty, V2", 2, LANE_COUNTING_KEY, "0102030405060708",
     "0000000000000001 " LANE_COUNTING_IV " 4318a36603aa878f4bb2202c7d8d76bf 0000 0000", "", false},

    {"\"payload\", V2 encoded", 2, "01*32", "09*8",
     "0000000000000001 03*12 2a94d2c4eedf6e90cbb1bcbd8b342370 0007 8000 88006df690e553",
     "7061796c6f6164", true},
    {"\"payload\", V1 encoded", 1, "01*32", "09*8",
     "0000000000000001 03*12 4d7f6b7b6ec12772f7424e952ccd424f 0007 8000 88006df690e553",
     "7061796c6f6164", true},
};

#define LANE_VECTORS (sizeof lane_vectors / sizeof lane_vectors[0])

/* "forged" sealed under the all-zero key, V2. */
static const char lane_forged_session[] = "09*8";
static const char lane_forged[] =
    "0000000000000001 03*12 c9253a923cb6ff5c37c258ceadfa27c7 0006 0000 fe5c4643af62";

#endif
