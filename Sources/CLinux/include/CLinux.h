#pragma once

// What the Glibc module of Swift lacks: epoll, eventfd, futex, and the socket calls whose flags it does not import.

#include "Futex.h"
#include "Processor.h"
#include "ThreadSanitizer.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Declared here because defining _GNU_SOURCE would give other headers another shape than the Glibc module has.
extern int accept4(int, struct sockaddr *, socklen_t *, int);

static const uint32_t linux_readable = EPOLLIN;
static const uint32_t linux_writable = EPOLLOUT;
static const uint32_t linux_peer_finished = EPOLLRDHUP;
static const uint32_t linux_hung_up = EPOLLERR | EPOLLHUP;
static const uint32_t linux_edge_triggered = EPOLLET;

static inline int linux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int linux_epoll_add(int poller, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int linux_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

static inline int linux_stream_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/// Whom an accepted socket talks to, in network order; family 0 where that is no address of a network.
struct linux_peer {
    uint8_t bytes[16];
    int family;
    int port;
};

/// IPv4 addresses that came by a socket of IPv6 are given as what they are.
static inline int linux_accept(int listener, struct linux_peer *peer) {
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    int descriptor = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return descriptor;
    *peer = (struct linux_peer){.family = 0};
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
        *peer = (struct linux_peer){.family = 4, .port = ntohs(four->sin_port)};
        memcpy(peer->bytes, &four->sin_addr, 4);
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
        int isMapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
        *peer = (struct linux_peer){.family = isMapped ? 4 : 6, .port = ntohs(six->sin6_port)};
        memcpy(peer->bytes, six->sin6_addr.s6_addr + (isMapped ? 12 : 0), isMapped ? 4 : 16);
    }
    return descriptor;
}

/// Binds to a path of the file system; the path must have been checked for its length.
static inline int linux_bind_path(int descriptor, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

/// Whether somebody listens at a path of the file system.
static inline int linux_is_listened_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
    if (descriptor >= 0) close(descriptor);
    return connected;
}

static const int linux_longest_socket_path = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

/// Has an inherited descriptor neither block nor pass to other programs.
static inline int linux_adopt(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

static inline int linux_option(int descriptor, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/// Whether a descriptor is a socket of streams that listens.
static inline int linux_listens(int descriptor) {
    return linux_option(descriptor, SO_ACCEPTCONN) == 1 && linux_option(descriptor, SO_TYPE) == SOCK_STREAM;
}

/// `more` tells the kernel that the next call continues the same message, so that it need not send a short segment.
static inline ssize_t linux_send(int descriptor, const void *bytes, size_t count, int more) {
    return send(descriptor, bytes, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

static inline int linux_set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

static inline int linux_reuse_address(int descriptor) {
    return linux_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
}

static inline int linux_no_delay(int descriptor) {
    return linux_set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
}

/// Bounds what the kernel holds unsent for one connection, so that a slow reader is felt early.
static inline int linux_unsent_limit(int descriptor, int bytes) {
    return linux_set_option(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes);
}

/// How many bytes the kernel holds that the peer has not taken; -1 where it does not say.
static inline int linux_held(int descriptor) {
    int bytes = 0;
    return ioctl(descriptor, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

/// Makes the coming close a reset instead of an orderly end.
static inline int linux_reset_on_close(int descriptor) {
    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

static inline int linux_shutdown_reading(int descriptor) { return shutdown(descriptor, SHUT_RD); }
static inline int linux_shutdown_writing(int descriptor) { return shutdown(descriptor, SHUT_WR); }

/// The local port in host order, 0 for a socket of the file system, or -1 with errno.
static inline int linux_local_port(int descriptor) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) return -1;
    if (address.ss_family == AF_UNIX) return 0;
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/// Whether only this machine reaches a listening socket: it is of the file system or of a loopback address. A socket
/// without an address counts as reached by all.
static inline _Bool linux_is_local(int descriptor) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) return 0;
    if (address.ss_family == AF_UNIX) return 1;
    if (address.ss_family == AF_INET) return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
    if (address.ss_family != AF_INET6) return 0;
    const struct in6_addr *six = &((struct sockaddr_in6 *)&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}
