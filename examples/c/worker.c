/*
 * A worker that is stuck in calls of the C library, which knows nothing of eintr: getline, getaddrinfo with a dead
 * nameserver, flock; and in a computation that makes no call at all. Each is interrupted while it is stuck, and comes
 * back.
 *
 *     ./worker
 *
 * Where the kernel has no Syscall User Dispatch, and under valgrind, there is the second-best way, and what it does not
 * reach is said: a call that returns EINTR by itself, and code that makes it again. The exit status is 0 if each came
 * back that should have.
 */
#include <arpa/inet.h>
#include <eintr.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define LIMIT_MS 20000

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* getline from a pipe in which nothing comes. */
static const char *stuck_in_getline(void)
{
    int fds[2];
    if (pipe(fds) < 0)
        fail("pipe");
    FILE *stream = fdopen(fds[0], "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, stream);
    const char *how = length >= 0 ? "a line?" : ferror(stream) ? strerror(errno) : "the end?";
    free(line);
    fclose(stream);
    close(fds[1]);
    return how;
}

/* getaddrinfo, asking a nameserver that does not answer. */
static const char *stuck_in_getaddrinfo(void)
{
    struct sockaddr_in nameserver = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof nameserver;
    int silent = socket(AF_INET, SOCK_DGRAM, 0);
    if (silent < 0 || bind(silent, (struct sockaddr *)&nameserver, length) < 0
        || getsockname(silent, (struct sockaddr *)&nameserver, &length) < 0)
        fail("a nameserver");
    res_init();
    _res.retrans = 30;
    _res.retry = 5;
    _res.nscount = 1;
    _res.nsaddr_list[0] = nameserver;

    struct addrinfo *found = NULL;
    int error = getaddrinfo("eintr.example", "80", NULL, &found);
    if (error == 0)
        freeaddrinfo(found);
    close(silent);
    return error ? gai_strerror(error) : "an address?";
}

/* flock of a file that is locked already. */
static const char *stuck_in_flock(void)
{
    char path[] = "/tmp/eintr-worker-XXXXXX";
    int held = mkstemp(path);
    int wanted = open(path, O_RDWR);
    if (held < 0 || wanted < 0 || flock(held, LOCK_EX) < 0)
        fail("a locked file");
    unlink(path);
    const char *how = flock(wanted, LOCK_EX) == 0 ? "a lock?" : strerror(errno);
    close(wanted);
    close(held);
    return how;
}

/* A computation without a call. The count may stand at any value when it is left. */
static intptr_t endless(void *arg)
{
    volatile unsigned long *count = arg;
    for (;;)
        ++*count;
    return 0;
}

static const char *stuck_in_a_loop(void)
{
    unsigned long count = 0;
    return eintr_abandonable(endless, &count, NULL) < 0 ? strerror(errno) : "a result?";
}

struct job {
    const char *name;
    const char *(*stuck)(void);
    const char *state;    /* as the report tells it */
    bool needs_dispatch;
    eintr_task task;
    const char *how;
};

static void *work(void *arg)
{
    struct job *job = arg;
    if (eintr_task_begin(job->task) < 0)
        fail("eintr_task_begin");
    job->how = job->stuck();
    if (eintr_checkpoint() == 0)
        job->how = "it came back by itself";
    eintr_task_end(job->task);
    return NULL;
}

static void wait_until_stuck(eintr_interrupter interrupter, const char *state)
{
    char report[512] = "";
    for (int tries = 0; tries < LIMIT_MS; tries++) {
        eintr_report(interrupter, report, sizeof report);
        if (strstr(report, state))
            return;
        usleep(1000);
    }
    fprintf(stderr, "never stuck: %s\n", report);
    exit(1);
}

int main(void)
{
    struct job jobs[] = {
        {.name = "getline", .stuck = stuck_in_getline, .state = "sleeping in read"},
        {.name = "getaddrinfo", .stuck = stuck_in_getaddrinfo, .state = "sleeping in poll", .needs_dispatch = true},
        {.name = "flock", .stuck = stuck_in_flock, .state = "sleeping in flock"},
        {.name = "a loop", .stuck = stuck_in_a_loop, .state = "running"},
    };
    struct eintr_support support;
    if (eintr_support(&support) < 0)
        fail("eintr_support");
    printf("plain calls: %s\n", support.reach == EINTR_EXACT ? "exact" : "second best");

    for (struct job *job = jobs; job < jobs + sizeof jobs / sizeof *jobs; job++) {
        if (job->needs_dispatch && support.reach != EINTR_EXACT) {
            printf("%-12s not tried: its poll returns EINTR, and it polls again\n", job->name);
            continue;
        }
        pthread_t thread;
        job->task = eintr_task_new(job->name, 0);
        eintr_interrupter interrupter = eintr_task_interrupter(job->task);
        if (pthread_create(&thread, NULL, work, job) != 0)
            fail("pthread_create");
        wait_until_stuck(interrupter, job->state);
        eintr_interrupt(interrupter);
        if (eintr_wait_finished(interrupter, LIMIT_MS) < 0) {
            char report[256];
            eintr_report(interrupter, report, sizeof report);
            printf("%-12s stuck: %s\n", job->name, report);
            return 1;
        }
        pthread_join(thread, NULL);
        printf("%-12s came back: %s\n", job->name, job->how);
        eintr_interrupter_free(interrupter);
    }
    return 0;
}
