/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OPTION_TYPES_H
#define SW_HOST_OPTION_TYPES_H

/*
 * What an option's value can be. Each type knows how to read its text (and, where a list or a map
 * is allowed, its YAML node), how to print it so that reading gives the same value again, and how
 * to let go of it. The option tables (server/server_options.c, client/client_options.c) name a type
 * per option; adding a type is adding a struct sw_option_type.
 */

#include <netinet/in.h>
#include <slipway/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

struct sw_option;
struct sw_option_load;
struct sw_option_site;
struct sw_yaml;

/** A switch that the program may decide itself. */
enum sw_tristate {
    SW_AUTO = 0, /**< not given: on where the machine can */
    SW_ON,       /**< must be on: refuse to start otherwise */
    SW_OFF
};

/** An IPv4 network, address in network byte order with the host bits cleared. */
struct sw_ipv4_net {
    struct in_addr address;
    uint8_t prefix; /**< 0..32 */
};

/** Where a server is. host is a name or a numeric address without brackets; NULL: not given. */
struct sw_host_port {
    char *host;
    uint16_t port; /**< host byte order */
};

/** Certificates to trust. pem is filled from path when the files are read (…_config_load). */
struct sw_ca_cert {
    char *path; /**< NULL: given as text in the configuration */
    char *pem;  /**< PEM text with proper line breaks */
};

/** One line of ip_map: clients that came to this local address get inside addresses of net. */
struct sw_ip_map_entry {
    struct sw_address incoming; /**< port 0 */
    struct sw_ipv4_net net;
};

struct sw_ip_map {
    char *path; /**< file with the map, NULL: given inline or not at all */
    struct sw_ip_map_entry *entries;
    size_t n;
};

/** Room for the reason why a value was refused: completes "NAME: "VALUE" …". */
struct sw_why {
    char text[320];
};
void sw_why(struct sw_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** What to write for an option: its words where it has some, else what its type expects. */
const char *sw_option_expected(const struct sw_option *option, struct sw_why *room);

struct sw_option_type {
    const char *noun;     /**< "a size", "an IPv4 address": what a value is in messages */
    const char *expected; /**< what to write, with an example */
    const char *meta;     /**< stands for the value in --help, unless the option names its own */
    size_t size;          /**< of the field in the config struct */
    bool is_switch;       /**< on the command line the bare flag means true */

    /** Replaces *field by the value of text. 0, or SW_EINVAL with *why said and *field untouched,
     * or SW_ENOMEM. */
    int (*parse)(const struct sw_option *option, const char *text, void *field, struct sw_why *why);

    /** The same for a YAML list or map, reporting by itself; NULL: only scalars. */
    int (*parse_node)(struct sw_option_load *load, const struct sw_option *option,
                      const struct sw_yaml *node, const struct sw_option_site *site, void *field);

    /** Prints the value in the form that parse() reads; nothing for "unset". */
    void (*print)(const struct sw_option *option, const void *field, FILE *out);

    /** Whether two values are the same; NULL: if they are printed the same. */
    bool (*equal)(const void *one, const void *other);

    /** Frees what the field owns and makes it "unset"; NULL: zero it. */
    void (*clear)(void *field);
};

/* Type                                       Field in the config struct */
extern const struct sw_option_type sw_type_bool;     /* bool */
extern const struct sw_option_type sw_type_tristate; /* enum sw_tristate */
extern const struct sw_option_type sw_type_u32;      /* uint32_t, option->min..max */
extern const struct sw_option_type sw_type_enum;     /* int or enum, option->words */
extern const struct sw_option_type sw_type_duration; /* sw_time: nanoseconds, option->min */
extern const struct sw_option_type sw_type_size;     /* uint64_t: bytes, option->min..max */
extern const struct sw_option_type sw_type_text;     /* char *, option->max bytes if not 0 */
extern const struct sw_option_type sw_type_path;     /* char * */
extern const struct sw_option_type sw_type_device;   /* char *: name of a network device */
extern const struct sw_option_type sw_type_ipv4;     /* struct in_addr; 0.0.0.0 is "unset" */
extern const struct sw_option_type sw_type_ipv4_net; /* struct sw_ipv4_net */
extern const struct sw_option_type sw_type_sockaddr; /* struct sockaddr_storage */
extern const struct sw_option_type sw_type_server;   /* struct sw_host_port */
extern const struct sw_option_type sw_type_identity; /* char *, a name that certificates carry */
extern const struct sw_option_type sw_type_ca;       /* struct sw_ca_cert */
extern const struct sw_option_type sw_type_ip_map;   /* struct sw_ip_map */

/** Reads a whole number: decimal without leading zeros, 0x, 0o or 0b, "_" between digits. */
int sw_integer_parse(const char *text, uint64_t *value);

/** Reads "10.125.0.0/16"; host bits are cleared. 0 or SW_EINVAL. */
int sw_ipv4_net_parse(const char *text, struct sw_ipv4_net *net);
void sw_ipv4_net_print(const struct sw_ipv4_net *net, FILE *out);

/** Reads the file of an ip_map that was given as a path. Errors as sw_option_type.parse. */
int sw_ip_map_read(struct sw_ip_map *map, struct sw_why *why);

/**
 * Reads the file of a CA that was given as a path into pem; nothing to do if the text was given.
 * Errors as sw_option_type.parse.
 */
int sw_ca_cert_read(struct sw_ca_cert *ca, struct sw_why *why);

#endif
