/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Forwarding and source NAT, done and undone by the server.
 *
 * There is one nftables table for each TUN device, named after it. It holds the rules, and it
 * remembers: what the server has changed besides, it writes into the table as empty chains, the
 * marks, in the same transaction and before the change. So what is to be undone is known even after
 * the server was killed, lives exactly as long as the kernel's state that it is about, and belongs
 * to the right network namespace.
 *
 *   - A table of the same name at the start was left behind: its marks are taken over.
 *   - A table of a device that is gone was left behind under another name: removed, and its mark of
 *     forwarding taken over.
 *   - Forwarding is switched off again by the last server that needs it: one that ends before
 *     passes the mark on.
 *
 * nftables is driven through the program nft, on its standard input.
 */

#define SW_LOG_TARGET "host"

#include "server/host_setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/address.h"
#include "host/log.h"
#include "host/netlink.h"
#include "host/program.h"

#define FORWARDING     "/proc/sys/net/ipv4/ip_forward"
#define PREFIX         "slipway_server_"
#define TABLE_LEN      (sizeof PREFIX + 3 * IF_NAMESIZE)
#define LOOPBACK_INDEX 1

enum mark { FORWARDING_WAS_OFF, ADDRESS_WAS_MISSING, ROUTE_WAS_MISSING, MARKS };

static const char *const mark_names[MARKS] = {
    [FORWARDING_WAS_OFF] = "forwarding_was_off",
    [ADDRESS_WAS_MISSING] = "address_was_missing",
    [ROUTE_WAS_MISSING] = "route_was_missing",
};

struct sw_host_setup {
    struct sw_netlink *nl;
    char tun[IF_NAMESIZE], device[IF_NAMESIZE];
    unsigned tun_index;
    bool tun_is_new;
    uint32_t tun_ip;
    struct sw_ipv4_net pool;
    char table[TABLE_LEN];
    bool marks[MARKS];
    bool took_over; /* something was left behind */
};

/* --- nft ---------------------------------------------------------------------------------------*/

static int nft(const char *script, char *why, size_t why_size)
{
    const char *const argv[] = {"nft", "-f", "-", NULL};
    return sw_program_run(argv, script, why, why_size);
}

/* What "nft list …" prints; NULL: failed, or there is no such thing. */
static char *nft_list(const char *what, const char *table, char *why, size_t why_size)
{
    const char *const argv[] = {"nft", "list", what, "ip", table, NULL};
    char *output;
    return sw_program_output(argv, NULL, &output, why, why_size) == 0 ? output : NULL;
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters and digits of the device's name stay, others become _2d and so on: reversible. */
static void table_of(const char *device, char table[TABLE_LEN])
{
    size_t at = (size_t)snprintf(table, TABLE_LEN, "%s", PREFIX);
    for (const char *p = device; *p != '\0'; p++)
        at += (size_t)snprintf(table + at, TABLE_LEN - at, is_plain(*p) ? "%c" : "_%02x",
                               (unsigned char)*p);
}

static void device_of(const char *table, char device[IF_NAMESIZE])
{
    size_t n = 0;
    for (const char *p = table + strlen(PREFIX); *p != '\0' && n < IF_NAMESIZE - 1; p++) {
        unsigned c = (unsigned char)*p;
        if (c == '_' && sscanf(p + 1, "%2x", &c) == 1) p += 2;
        device[n++] = (char)c;
    }
    device[n] = '\0';
}

/* nft has no way to quote these, and takes a * at the end for a pattern. */
static bool can_be_quoted(const char *device)
{
    return strpbrk(device, "\"\\*") == NULL;
}

/* --- the tables of all servers -----------------------------------------------------------------*/

/* Calls visit for each; list: of all tables. */
static void each_table(char *list, void (*visit)(void *user, const char *table), void *user)
{
    static const char start[] = "table ip " PREFIX;
    char *save = NULL;
    for (char *line = strtok_r(list, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, start, strlen(start)) == 0 && strlen(line) < TABLE_LEN + 9)
            visit(user, line + strlen("table ip "));
}

static void read_marks(const char *table, bool marks[MARKS])
{
    char why[256], chain[64];
    char *text = nft_list("table", table, why, sizeof why);
    if (text == NULL) return;
    for (int i = 0; i < MARKS; i++) {
        snprintf(chain, sizeof chain, "chain %s {", mark_names[i]);
        if (strstr(text, chain) != NULL) marks[i] = true;
    }
    free(text);
}

/* The marks of our own table. Those of a device of the same name that is gone say nothing. */
static void recall(struct sw_host_setup *setup)
{
    read_marks(setup->table, setup->marks);
    if (setup->tun_is_new)
        setup->marks[ADDRESS_WAS_MISSING] = setup->marks[ROUTE_WAS_MISSING] = false;
}

static void delete_table(const char *table)
{
    char script[2 * TABLE_LEN + 64], why[256];
    snprintf(script, sizeof script, "table ip %s\ndelete table ip %s\n", table, table);
    if (nft(script, why, sizeof why) < 0) sw_log_warn("table %s is not removed: %s", table, why);
}

/* At the start: what was left behind. */
static void take_over(void *user, const char *table)
{
    struct sw_host_setup *setup = user;
    bool marks[MARKS] = {false};
    char device[IF_NAMESIZE];
    if (strcmp(table, setup->table) == 0) {
        sw_log_info("table %s was left behind by a server that died", table);
        recall(setup);
        setup->took_over = true;
        return;
    }
    device_of(table, device);
    if (if_nametoindex(device) != 0) return;
    setup->took_over = true;
    sw_log_info("table %s was left behind: there is no device %s any more", table, device);
    read_marks(table, marks);
    if (marks[FORWARDING_WAS_OFF]) setup->marks[FORWARDING_WAS_OFF] = true;
    delete_table(table);
}

/* At the end: somebody else who needs forwarding, and will switch it off then. */
static void pass_on(void *user, const char *table)
{
    struct sw_host_setup *setup = user;
    char device[IF_NAMESIZE], script[TABLE_LEN + 64], why[256];
    device_of(table, device);
    if (strcmp(table, setup->table) == 0 || !setup->marks[FORWARDING_WAS_OFF] ||
        if_nametoindex(device) == 0)
        return;
    snprintf(script, sizeof script, "add chain ip %s %s\n", table, mark_names[FORWARDING_WAS_OFF]);
    if (nft(script, why, sizeof why) == 0) setup->marks[FORWARDING_WAS_OFF] = false;
}

/* --- what is missing ---------------------------------------------------------------------------*/

/* '0' or '1'; '\0' with errno if it cannot be read. */
static char read_forwarding(void)
{
    char value = '\0';
    int fd = open(FORWARDING, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return '\0';
    if (read(fd, &value, 1) != 1) value = '\0';
    close(fd);
    return value;
}

static int write_forwarding(char value)
{
    int fd = open(FORWARDING, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = write(fd, &value, 1);
    int error = errno;
    close(fd);
    errno = error;
    return n == 1 ? 0 : -1;
}

static struct sw_address ipv4(uint32_t ip)
{
    return sw_address_from_in((struct in_addr){.s_addr = htonl(ip)}, 0);
}

static struct sw_route pool_route(const struct sw_host_setup *setup)
{
    struct sw_route route;
    memset(&route, 0, sizeof route);
    route.destination = sw_address_from_in(setup->pool.address, 0);
    route.prefix = setup->pool.prefix;
    route.index = setup->tun_index;
    return route;
}

/* The address is nobody's on this host. */
static bool lacks_address(struct sw_host_setup *setup)
{
    struct sw_address ip = ipv4(setup->tun_ip);
    struct sw_route route;
    if (setup->tun_ip == 0) return false;
    return sw_netlink_route_lookup(setup->nl, &ip, 0, &route) < 0 || route.index != LOOPBACK_INDEX;
}

/* One host address stands for all of them; tun_ip has a way of its own. */
static bool lacks_route(struct sw_host_setup *setup)
{
    uint32_t last = ntohl(setup->pool.address.s_addr) | (UINT32_MAX >> setup->pool.prefix);
    struct sw_address inside = ipv4(last - 1 != setup->tun_ip ? last - 1 : last - 2);
    struct sw_route route;
    return sw_netlink_route_lookup(setup->nl, &inside, 0, &route) < 0 ||
           (route.index != setup->tun_index && route.index != LOOPBACK_INDEX);
}

static bool skip_none(void *user, const struct sw_route *route)
{
    return false;
}

static int find_device(struct sw_host_setup *setup, const char *device, char *why, size_t why_size)
{
    struct sw_address anywhere = ipv4(0);
    struct sw_route route;
    if (device != NULL) {
        snprintf(setup->device, sizeof setup->device, "%s", device);
    } else if (sw_netlink_route_best(setup->nl, &anywhere, 0, skip_none, NULL, &route) < 0 ||
               if_indextoname(route.index, setup->device) == NULL) {
        snprintf(why, why_size,
                 "host_setup: there is no default route; set host_setup_device to "
                 "the device towards the Internet");
        return SW_EINVAL;
    }
    if (if_nametoindex(setup->device) == 0) {
        snprintf(why, why_size, "host_setup: there is no device %s", setup->device);
        return SW_EINVAL;
    }
    if (strcmp(setup->device, setup->tun) == 0) {
        snprintf(why, why_size,
                 "host_setup: %s is the TUN device itself; set host_setup_device to the device "
                 "towards the Internet",
                 setup->device);
        return SW_EINVAL;
    }
    if (can_be_quoted(setup->device) && can_be_quoted(setup->tun)) return 0;
    snprintf(why, why_size, "host_setup: nftables cannot name the device %s or %s", setup->device,
             setup->tun);
    return SW_EINVAL;
}

/* --- doing it ----------------------------------------------------------------------------------*/

static int put_table(struct sw_host_setup *setup, char *why, size_t why_size)
{
    char pool[SW_ADDRESS_TEXT], marks[MARKS * 64] = "", script[2048], reason[320];
    size_t at = 0;
    for (int i = 0; i < MARKS; i++)
        if (setup->marks[i])
            at += (size_t)snprintf(marks + at, sizeof marks - at, "    chain %s { }\n",
                                   mark_names[i]);
    sw_ipv4_text(ntohl(setup->pool.address.s_addr), pool);
    snprintf(script, sizeof script,
             "table ip %s\n"
             "delete table ip %s\n"
             "table ip %s {\n"
             "    chain postrouting {\n"
             "        type nat hook postrouting priority srcnat; policy accept;\n"
             "        ip saddr %s/%u oifname \"%s\" masquerade\n"
             "    }\n"
             "    chain forward {\n"
             "        type filter hook forward priority filter; policy accept;\n"
             "        iifname \"%s\" accept\n"
             "        oifname \"%s\" ct state established,related accept\n"
             "        oifname \"%s\" ct status dnat accept\n"
             "        iifname \"%s\" oifname \"%s\" drop\n"
             "    }\n"
             "%s}\n",
             setup->table, setup->table, setup->table, pool, setup->pool.prefix, setup->device,
             setup->tun, setup->tun, setup->tun, setup->device, setup->tun, marks);
    int error = nft(script, reason, sizeof reason);
    if (error < 0) snprintf(why, why_size, "host_setup: %s", reason);
    return error;
}

/* What could not be done, or NULL; errno says why. */
static const char *make_changes(struct sw_host_setup *setup)
{
    struct sw_route route = pool_route(setup);
    if (lacks_address(setup) &&
        sw_netlink_address_add(setup->nl, setup->tun_index, setup->tun_ip, 32, 0) < 0)
        return "tun_ip";
    if (lacks_route(setup) && sw_netlink_route_add(setup->nl, &route) < 0)
        return "route of ip_pool";
    if (read_forwarding() != '1' && write_forwarding('1') < 0) return FORWARDING;
    return NULL;
}

static int look(struct sw_host_setup *setup, const char *device, char *why, size_t why_size)
{
    char reason[320];
    int error = find_device(setup, device, why, why_size);
    if (error < 0) return error;
    char *tables = nft_list("tables", NULL, reason, sizeof reason);
    if (tables == NULL) {
        snprintf(why, why_size, "host_setup: %s", reason);
        return SW_EINVAL;
    }
    each_table(tables, take_over, setup);
    free(tables);
    if (read_forwarding() == '0') setup->marks[FORWARDING_WAS_OFF] = true;
    if (lacks_address(setup)) setup->marks[ADDRESS_WAS_MISSING] = true;
    if (lacks_route(setup)) setup->marks[ROUTE_WAS_MISSING] = true;
    return 0;
}

static void log_setup(const struct sw_host_setup *setup)
{
    char pool[SW_ADDRESS_TEXT];
    sw_log_event(
        SW_LOG_INFO,
        SW_LOG_FIELDS({"pool", .text = sw_ipv4_text(ntohl(setup->pool.address.s_addr), pool)},
                      {"prefix", .number = setup->pool.prefix}, {"device", .text = setup->device},
                      {"table", .text = setup->table},
                      {"ip_forward", .text = setup->marks[FORWARDING_WAS_OFF] ? "set" : "kept"}),
        "Host set up");
}

static void end(struct sw_host_setup *setup)
{
    sw_netlink_close(setup->nl);
    free(setup);
}

static struct sw_host_setup *make(const struct sw_host_setup_plan *plan, char *why, size_t why_size)
{
    struct sw_host_setup *made = calloc(1, sizeof *made);
    if (made == NULL) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    snprintf(made->tun, sizeof made->tun, "%s", plan->tun);
    table_of(made->tun, made->table);
    made->tun_index = plan->tun_index;
    made->tun_is_new = plan->tun_is_new;
    made->tun_ip = plan->tun_ip;
    made->pool = plan->pool;
    made->nl = sw_netlink_open();
    if (made->nl != NULL) return made;
    snprintf(why, why_size, "host_setup: netlink: %s", strerror(errno));
    free(made);
    return NULL;
}

int sw_host_setup_start(const struct sw_host_setup_plan *plan, struct sw_host_setup **setup,
                        char *why, size_t why_size)
{
    *setup = NULL;
    struct sw_host_setup *made = make(plan, why, why_size);
    if (made == NULL) return SW_EINVAL;
    int error = look(made, plan->device, why, why_size);
    if (error == 0) error = put_table(made, why, why_size);
    if (error < 0) {
        end(made);
        return error;
    }
    const char *what = make_changes(made);
    if (what != NULL) {
        snprintf(why, why_size, "host_setup: %s: %s", what, strerror(errno));
        sw_host_setup_stop(made);
        return SW_EINVAL;
    }
    log_setup(made);
    *setup = made;
    return 0;
}

/* --- undoing it --------------------------------------------------------------------------------*/

static bool is_gone(int error)
{
    return error == ENODEV || error == ESRCH || error == EADDRNOTAVAIL;
}

void sw_host_setup_stop(struct sw_host_setup *setup)
{
    char why[320];
    if (setup == NULL) return;
    recall(setup); /* another server may have passed a mark on */
    char *tables = nft_list("tables", NULL, why, sizeof why);
    if (tables != NULL) each_table(tables, pass_on, setup);
    free(tables);
    if (setup->marks[FORWARDING_WAS_OFF] && write_forwarding('0') < 0)
        sw_log_warn("%s is not set back: %s", FORWARDING, strerror(errno));
    struct sw_route route = pool_route(setup);
    if (setup->marks[ROUTE_WAS_MISSING] && sw_netlink_route_delete(setup->nl, &route) < 0 &&
        !is_gone(errno))
        sw_log_warn("the route of ip_pool is not removed: %s", strerror(errno));
    if (setup->marks[ADDRESS_WAS_MISSING] &&
        sw_netlink_address_delete(setup->nl, setup->tun_index, setup->tun_ip, 32) < 0 &&
        !is_gone(errno))
        sw_log_warn("tun_ip is not removed: %s", strerror(errno));
    delete_table(setup->table);
    end(setup);
}

void sw_host_setup_clean(const struct sw_host_setup_plan *plan)
{
    char why[320];
    if (!sw_program_exists("nft")) return;
    struct sw_host_setup *setup = make(plan, why, sizeof why);
    if (setup == NULL) return;
    char *tables = nft_list("tables", NULL, why, sizeof why); /* no right to see, none to undo */
    if (tables != NULL) each_table(tables, take_over, setup);
    free(tables);
    if (setup->took_over)
        sw_host_setup_stop(setup);
    else
        end(setup);
}
