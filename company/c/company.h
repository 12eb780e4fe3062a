/* What the neighbours in C share: as src/lib.rs, whose words these are. MODE MILLISECONDS [ARGUMENT]. */
#ifndef COMPANY_H
#define COMPANY_H

#include <eintr.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *mode, *argument;
static int milliseconds;

/* Ends the program: this must not happen, asked or not. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void wrong(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _exit(1);
}

static inline void begin(int count, char **arguments) {
    if (count < 3) wrong("usage: MODE MILLISECONDS [ARGUMENT]");
    mode = arguments[1];
    milliseconds = atoi(arguments[2]);
    argument = count > 3 ? arguments[3] : "";
}

static inline int is_mode(const char *name) { return !strcmp(mode, name); }
static inline int with_us(void) { return !is_mode("without"); }

static inline int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static inline void pause_for(int ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* 0 if all was right, -1 if a call failed, which is excused if the thread was asked. */
typedef int (*company_round)(void);

static _Atomic int goes_on = 1, ready;

struct worker {
    company_round round;
    eintr_task task;
    eintr_interrupter interrupter;
    pthread_t thread;
};

static inline void *work(void *which) {
    struct worker *worker = which;
    if (with_us() && eintr_task_begin(worker->task)) wrong("eintr_task_begin");
    if (worker->round()) wrong("the first round failed: %s", strerror(errno));
    ready++;
    while (goes_on) {
        if (worker->round() && (!with_us() || !eintr_is_interrupted())) wrong("a round failed: %s", strerror(errno));
        if (is_mode("storm")) eintr_take(NULL);
    }
    if (with_us()) eintr_take(NULL);
    if (worker->round()) wrong("the last round failed: %s", strerror(errno));
    if (with_us() && eintr_task_end(worker->task)) wrong("eintr_task_end");
    return NULL;
}

/* Runs each round in a thread of its own until the time is up. The first is the one that is asked. */
static inline void beside(int count, const company_round *rounds) {
    struct worker workers[8];
    for (int i = 0; i < count; i++) {
        workers[i].round = rounds[i];
        if (with_us()) {
            workers[i].task = eintr_task_new("worker", 0);
            workers[i].interrupter = eintr_task_interrupter(workers[i].task);
        }
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) wrong("pthread_create");
    }
    while (ready < count) pause_for(1);
    int64_t end = now() + milliseconds;
    if (is_mode("asked")) eintr_interrupt(workers[0].interrupter);
    while (now() < end) {
        if (is_mode("storm")) eintr_interrupt(workers[0].interrupter);
        pause_for(1);
    }
    goes_on = 0;
    for (int i = 0; i < count; i++) pthread_join(workers[i].thread, NULL);
}

#endif
