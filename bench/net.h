/* The few system calls that the programs of this folder share. Whatever fails ends the process. */

#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stddef.h>
#include <stdint.h>

/* Prints a line on standard error and exits with 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A non-blocking listener on a free port of 127.0.0.1, told on standard output as `NAME PORT`. */
int listen_on_loopback(const char *name);

int new_epoll(void);

/* Level-triggered, for reading; `context` comes back with the event. */
void watch(int epoll, int fd, void *context);

/*
 * Sends everything. The frames of a sign-on always fit into an empty socket buffer, so in practice
 * this is one system call; if the buffer is full it waits, which a real relay must not do.
 */
void send_all(int fd, const uint8_t *bytes, size_t count);

uint64_t now_ns(void);

#endif
