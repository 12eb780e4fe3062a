/*
 * A daemon that shuts down in order: on SIGTERM the thread that accepts leaves its accept(), asks the threads that serve,
 * and waits for them; who does not come is named. A second SIGTERM ends the process.
 *
 *     ./daemon &
 *     kill %1
 *
 * It echoes what it is sent, on the port that it prints.
 */
#include <arpa/inet.h>
#include <eintr.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_CONNECTIONS 64
#define GRACE_MS 5000

struct connection {
    pthread_t thread;
    eintr_task task;
    eintr_interrupter interrupter; /* none: free */
    int fd;
};

static struct connection connections[MOST_CONNECTIONS];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Echoes until the peer leaves, or we are asked to. Then there is a second to say so. */
static void *serve(void *arg)
{
    struct connection *connection = arg;
    char buffer[512];
    ssize_t length;

    if (eintr_task_begin(connection->task) < 0)
        fail("eintr_task_begin");
    while ((length = eintr_recv(connection->fd, buffer, sizeof buffer, 0)) > 0)
        if (eintr_send(connection->fd, buffer, (size_t)length, MSG_NOSIGNAL) < 0)
            break;
    if (eintr_is_interrupted()) {
        static const char goodbye[] = "shutting down\n";
        eintr_scope mask = eintr_mask_begin();
        eintr_scope timeout = eintr_timeout_begin(1000);
        eintr_send(connection->fd, goodbye, sizeof goodbye - 1, MSG_NOSIGNAL);
        eintr_timeout_end(timeout);
        eintr_mask_end(mask);
    }
    close(connection->fd);
    eintr_task_end(connection->task);
    return NULL;
}

/* Lets go of those that have ended. */
static void reap(bool wait)
{
    for (struct connection *c = connections; c < connections + MOST_CONNECTIONS; c++) {
        if (!c->interrupter.id || (!wait && eintr_is_finished(c->interrupter) != 1))
            continue;
        if (wait && eintr_wait_finished(c->interrupter, GRACE_MS) < 0) {
            char report[256];
            eintr_report(c->interrupter, report, sizeof report);
            fprintf(stderr, "left behind: %s\n", report);
            continue;
        }
        pthread_join(c->thread, NULL);
        eintr_interrupter_free(c->interrupter);
        c->interrupter.id = 0;
    }
}

static void start(int fd)
{
    for (struct connection *c = connections; c < connections + MOST_CONNECTIONS; c++) {
        if (c->interrupter.id)
            continue;
        c->fd = fd;
        c->task = eintr_task_new("connection", EINTR_ROOT);
        c->interrupter = eintr_task_interrupter(c->task);
        if (pthread_create(&c->thread, NULL, serve, c) != 0)
            fail("pthread_create");
        return;
    }
    close(fd); /* too many */
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 16) < 0
        || getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("a listener");

    eintr_task task = eintr_task_new("daemon", 0);
    eintr_interrupter self = eintr_task_interrupter(task);
    eintr_scope signals = eintr_interrupt_on(self, (const int[]){SIGTERM, SIGINT}, 2);
    if (!signals.id)
        fail("eintr_interrupt_on");
    if (eintr_task_begin(task) < 0)
        fail("eintr_task_begin");

    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while ((fd = eintr_accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        reap(false);
        start(fd);
    }
    struct eintr_reason reason;
    if (errno != ECANCELED || eintr_why(&reason) != 1)
        fail("accept");
    printf("%s\n", reason.text);
    for (struct connection *c = connections; c < connections + MOST_CONNECTIONS; c++)
        if (c->interrupter.id)
            eintr_interrupt_with(c->interrupter, reason.code, reason.text);
    eintr_task_end(task);
    reap(true);
    close(listener);
    eintr_interrupt_off(signals);
    eintr_interrupter_free(self);
    printf("bye\n");
    return 0;
}
