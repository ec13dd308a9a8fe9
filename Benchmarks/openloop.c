// Sends one request again and again, when its time has come, whether or not earlier ones have been answered:
// `openloop PORT CONNECTIONS RATE SECONDS FILE`. FILE has the bytes of the request. RATE is of requests per second, evenly
// spread; 0 sends on each connection as soon as it is answered. A latency counts from when a request was due.
// A request that finds no free connection is not sent, and counted. The result is one line of JSON.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { REPLY_BYTES = 1 << 16, GRACE_SECONDS = 5 };

struct connection {
    int descriptor;
    double due;  // of the request under way
    size_t filled;
    char reply[REPLY_BYTES];
};

// Milliseconds, one for each request.
struct times {
    double *values;
    size_t count, capacity;
};

static struct sockaddr_in address = {.sin_family = AF_INET};
static struct connection *connections;
static int *idle, idle_count, poll_descriptor;
static char *request;
static size_t request_bytes;
static struct times admitted, refused, late;
static uint64_t sent, answered, bare, other, unsent, broken;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void note(struct times *times, double seconds) {
    if (times->count == times->capacity) {
        times->capacity = times->capacity ? 2 * times->capacity : 1024;
        times->values = realloc(times->values, times->capacity * sizeof(double));
        if (!times->values) fail("realloc");
    }
    times->values[times->count++] = 1e3 * seconds;
}

static void connect_again(struct connection *connection) {
    int on = 1, index = (int)(connection - connections);
    if (connection->descriptor >= 0) close(connection->descriptor);
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0) fail("socket");
    if (connect(connection->descriptor, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, connection->descriptor, &event)) fail("epoll_ctl");
    connection->filled = 0;
    connection->due = 0;
}

static void release(struct connection *connection) {
    connection->filled = 0;
    connection->due = 0;
    idle[idle_count++] = (int)(connection - connections);
}

static void submit(struct connection *connection, double due) {
    ssize_t written = send(connection->descriptor, request, request_bytes, MSG_NOSIGNAL);
    if (written != (ssize_t)request_bytes) {
        broken++;
        connect_again(connection);
        release(connection);
        return;
    }
    connection->due = due;
    sent++;
    note(&late, now() - due);
}

// The value of a header field in a head that ends with a null byte, or null.
static const char *field(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':') return line + 3 + length;
    }
    return NULL;
}

// Counts a whole reply. Returns 0 where more of it must come, -1 where it cannot be understood, else 1.
static int take_reply(struct connection *connection, int *closes) {
    connection->reply[connection->filled] = 0;
    char *end = strstr(connection->reply, "\r\n\r\n");
    if (!end) return 0;
    *end = 0;
    const char *length = field(connection->reply, "content-length");
    int status = atoi(connection->reply + sizeof "HTTP/1.1");
    size_t whole = (size_t)(end - connection->reply) + 4 + (length ? strtoul(length, NULL, 10) : 0);
    const char *connection_field = field(connection->reply, "connection");
    *closes = connection_field && strcasestr(connection_field, "close") != NULL;
    int has_retry = field(connection->reply, "retry-after") != NULL;
    *end = '\r';
    if (!length || whole >= REPLY_BYTES) return -1;
    if (connection->filled < whole) return 0;
    double seconds = now() - connection->due;
    answered++;
    if (status == 200) {
        note(&admitted, seconds);
    } else if (status == 429 || status == 503) {
        note(&refused, seconds);
        bare += !has_retry;
    } else {
        other++;
    }
    return 1;
}

static void receive(struct connection *connection) {
    for (;;) {
        size_t room = REPLY_BYTES - 1 - connection->filled;
        ssize_t count = recv(connection->descriptor, connection->reply + connection->filled, room, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        int closes = 1, taken = -1, busy = connection->due != 0;
        if (count > 0) {
            connection->filled += (size_t)count;
            taken = take_reply(connection, &closes);
            if (!taken) continue;
        }
        if (taken < 0 && busy) broken++;
        if (taken < 0 || closes) connect_again(connection);
        if (busy) release(connection);
        return;
    }
}

static int ascending(const void *left, const void *right) {
    double one = *(const double *)left, two = *(const double *)right;
    return (one > two) - (one < two);
}

static void print_times(const char *name, struct times *times) {
    if (!times->count) {
        printf(", \"%s\": null", name);
        return;
    }
    qsort(times->values, times->count, sizeof(double), ascending);
    double last = (double)(times->count - 1);
    printf(", \"%s\": {\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"max\": %.4f}", name,
        times->values[(size_t)(0.5 * last)], times->values[(size_t)(0.9 * last)], times->values[(size_t)(0.99 * last)],
        times->values[times->count - 1]);
}

static void read_request(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    request_bytes = (size_t)ftell(file);
    rewind(file);
    request = malloc(request_bytes);
    if (!request || fread(request, 1, request_bytes, file) != request_bytes) fail(path);
    fclose(file);
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: openloop PORT CONNECTIONS RATE SECONDS FILE\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int number = atoi(arguments[2]);
    double rate = atof(arguments[3]), seconds = atof(arguments[4]);
    read_request(arguments[5]);

    poll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poll_descriptor < 0 || timer < 0) fail("epoll");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(poll_descriptor, EPOLL_CTL_ADD, timer, &event);
    connections = calloc((size_t)number, sizeof *connections);
    idle = calloc((size_t)number, sizeof *idle);
    if (!connections || !idle) fail("calloc");
    for (int index = 0; index < number; index++) {
        connections[index].descriptor = -1;
        connect_again(&connections[index]);
        release(&connections[index]);
    }

    double start = now(), end = start + seconds, due = start;
    for (double time = start; time < end + GRACE_SECONDS; time = now()) {
        int is_over = time >= end;
        if (is_over && idle_count == number) break;
        while (!is_over && idle_count && (rate == 0 || due <= time)) {
            submit(&connections[idle[--idle_count]], rate == 0 ? now() : due);
            if (rate > 0) due += 1 / rate;
        }
        for (; !is_over && rate > 0 && due <= time; due += 1 / rate) unsent++;
        double wake = is_over || rate == 0 ? time + 0.01 : due;
        struct itimerspec alarm = {.it_value = {(time_t)wake, (long)(1e9 * (wake - (double)(time_t)wake))}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
        struct epoll_event ready[256];
        int found = epoll_wait(poll_descriptor, ready, 256, 1000);
        for (int index = 0; index < found; index++) {
            uint64_t expirations;
            if (ready[index].data.u32 != UINT32_MAX) receive(&connections[ready[index].data.u32]);
            else if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
        }
    }
    printf("{\"seconds\": %.6f, \"sent\": %" PRIu64 ", \"answered\": %" PRIu64, now() - start, sent, answered);
    printf(", \"admitted\": %zu, \"refused\": %zu, \"without_retry_after\": %" PRIu64, admitted.count, refused.count, bare);
    printf(", \"other\": %" PRIu64 ", \"unsent\": %" PRIu64 ", \"broken\": %" PRIu64, other, unsent, broken);
    print_times("admitted_ms", &admitted);
    print_times("refused_ms", &refused);
    print_times("late_ms", &late);
    printf("}\n");
    return 0;
}
