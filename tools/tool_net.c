/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small helpers of the network tools. Randomness always comes from a seed that the caller was
 * given, so that a run can be repeated; nothing here is fit for secrets.
 */
#include "tools/tool_net.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t tool_random(struct tool_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t tool_random_below(struct tool_random *random, uint64_t below)
{
    return below == 0 ? 0 : tool_random(random) % below;
}

bool tool_random_chance(struct tool_random *random, double probability)
{
    /* 53 random bits make an even number in [0, 1) */
    return (double)(tool_random(random) >> 11) * 0x1p-53 < probability;
}

void tool_random_bytes(struct tool_random *random, uint8_t *out, size_t len)
{
    while (len > 0) {
        uint64_t word = tool_random(random);
        size_t n = len < sizeof(word) ? len : sizeof(word);
        memcpy(out, &word, n);
        out += n;
        len -= n;
    }
}

bool tool_parse_address(const char *text, struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    double port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
        !tool_parse_number(colon + 1, 0, 65535, &port))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

bool tool_parse_number(const char *text, double min, double max, double *number)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= min && *number <= max;
}

int64_t tool_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool tool_record_write(FILE *file, const uint8_t *data, size_t len)
{
    uint8_t prefix[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    return fwrite(prefix, 1, 2, file) == 2 && fwrite(data, 1, len, file) == len;
}

int tool_record_read(FILE *file, uint8_t *out)
{
    uint8_t prefix[2];
    if (fread(prefix, 1, 2, file) != 2) return -1;
    size_t len = (size_t)prefix[0] << 8 | prefix[1];
    return fread(out, 1, len, file) == len ? (int)len : -1;
}
