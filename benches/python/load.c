/* Echo load: connections that each send a message, wait until it has come back, and send it again.
 *
 *   load PORT CONNECTIONS SIZE SECONDS [udp]
 *
 * Prints one line of JSON. One thread, which spins over non-blocking sockets: to wake a sleeping client costs the server
 * an interrupt of another processor, which on a virtual machine is dearer than the work that is measured.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t sent; /* of the message that is under way */
    size_t back;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int connected(int port, int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    int fd = socket(AF_INET, type, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    if (type == SOCK_STREAM && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        die("setsockopt");
    return fd;
}

/* Moves one connection on as far as it goes without waiting. Returns 1 when its message is back. */
static int step(struct connection *c, char *buffer, size_t size)
{
    while (c->sent < size) {
        ssize_t n = send(c->fd, buffer, size - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            die("send");
        if (n <= 0)
            break;
        c->sent += (size_t)n;
    }
    ssize_t n = recv(c->fd, buffer, size - c->back, MSG_DONTWAIT);
    if (n == 0) {
        fprintf(stderr, "load: the server has closed a connection\n");
        exit(1);
    }
    if (n < 0) {
        if (errno != EAGAIN)
            die("recv");
        return 0;
    }
    c->back += (size_t)n;
    if (c->back < size)
        return 0;
    c->sent = c->back = 0;
    return 1;
}

int main(int argc, char **argv)
{
    int type = argc == 6 && strcmp(argv[5], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    if (argc != 5 && type == SOCK_STREAM) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SIZE SECONDS [udp]\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]);
    size_t size = (size_t)atol(argv[3]);
    double seconds = atof(argv[4]);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    char *buffer = calloc(1, size);
    if (connections == NULL || buffer == NULL)
        die("calloc");
    for (int i = 0; i < count; i++)
        connections[i].fd = connected(port, type);

    unsigned long requests = 0;
    double began = now(), end = began + seconds;
    while (now() < end)
        for (int i = 0; i < count; i++)
            requests += (unsigned long)step(&connections[i], buffer, size);
    double lasted = now() - began;
    printf("{\"requests\": %lu, \"per_second\": %.0f}\n", requests, (double)requests / lasted);
    return 0;
}
