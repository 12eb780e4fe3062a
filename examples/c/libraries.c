/*
 * Libraries that know nothing of eintr, each stuck with a peer that says nothing: libcurl with a server, libcurl in its own thread that
 * resolves names, libpq with a database, readline with a terminal. Each is interrupted while it is stuck, and comes back as it does
 * from an error.
 *
 *     ./libraries
 *
 * As in worker.c, what polls again after EINTR is not tried where plain calls have the second-best way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <eintr.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <pthread.h>
#include <pty.h>
#include <readline/readline.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS 20000

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* A socket of this host that nobody answers on. */
static int silent(int kind, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, length) < 0 || getsockname(fd, (struct sockaddr *)address, &length) < 0
        || (kind == SOCK_STREAM && listen(fd, 8) < 0))
        fail("a silent socket");
    return fd;
}

static const char *transfer(const char *url)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl); /* waits for the thread that resolves */
    return code == CURLE_OK ? NULL : curl_easy_strerror(code);
}

static const char *stuck_in_curl(void)
{
    struct sockaddr_in address;
    int server = silent(SOCK_STREAM, &address);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    const char *how = transfer(url);
    close(server);
    return how;
}

/*
 * libcurl calls getaddrinfo on a thread of its own, and waits for that thread when it cleans up. To interrupt that one as well, the
 * program's own getaddrinfo, which the loader finds first, runs libc's as a task; the task that waits for it hands on, by a hook,
 * what it is asked.
 */
static struct sockaddr_in nameserver;
static eintr_task resolving;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*libcs)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    eintr_interrupter current = eintr_current();
    bool is_ours = current.id == 0 && eintr_task_begin(resolving) == 0;
    if (is_ours) { /* its nameserver says nothing */
        res_init();
        _res.retrans = 30;
        _res.nscount = 1;
        _res.nsaddr_list[0] = nameserver;
    }
    int error = libcs(name, service, hints, found);
    if (is_ours)
        eintr_task_end(resolving);
    else
        eintr_interrupter_free(current);
    return error;
}

static void hand_on(void *resolver)
{
    eintr_interrupt(*(eintr_interrupter *)resolver);
}

static const char *stuck_in_curls_resolver(void)
{
    int socket = silent(SOCK_DGRAM, &nameserver);
    resolving = eintr_task_new("getaddrinfo", EINTR_ROOT);
    eintr_interrupter resolver = eintr_task_interrupter(resolving);
    eintr_scope hook = eintr_hook_begin(hand_on, &resolver);
    const char *how = transfer("http://eintr.example/");
    eintr_hook_end(hook);
    if (eintr_is_finished(resolver) != 1)
        how = NULL;
    eintr_interrupter_free(resolver);
    close(socket);
    return how;
}

static const char *stuck_in_libpq(void)
{
    static char message[256];
    struct sockaddr_in address;
    int server = silent(SOCK_STREAM, &address);
    char to[64];
    snprintf(to, sizeof to, "host=127.0.0.1 port=%d user=nobody", ntohs(address.sin_port));
    PGconn *connection = PQconnectdb(to);
    bool connected = PQstatus(connection) == CONNECTION_OK;
    snprintf(message, sizeof message, "%.*s", (int)strcspn(PQerrorMessage(connection), "\n"), PQerrorMessage(connection));
    PQfinish(connection);
    close(server);
    return connected ? NULL : message;
}

static const char *stuck_in_readline(void)
{
    int terminal, ours;
    if (openpty(&terminal, &ours, NULL, NULL, NULL) < 0)
        fail("openpty");
    rl_instream = fdopen(ours, "r");
    rl_outstream = fopen("/dev/null", "w");
    rl_catch_signals = 0;
    char *line = readline("> ");
    const char *how = line ? NULL : "the end of the input";
    free(line);
    fclose(rl_instream);
    fclose(rl_outstream);
    close(terminal);
    return how;
}

static const struct job {
    const char *name;
    const char *(*stuck)(void); /* what it says, or NULL if it came back with a result */
    bool polls_again;
} jobs[] = {
    {"libcurl", stuck_in_curl, true},
    {"libcurl's resolver", stuck_in_curls_resolver, true},
    {"libpq", stuck_in_libpq, true},
    {"readline", stuck_in_readline, false},
};

struct run {
    const struct job *job;
    eintr_task task;
    const char *how;
};

static void *work(void *arg)
{
    struct run *run = arg;
    if (eintr_task_begin(run->task) < 0)
        fail("eintr_task_begin");
    run->how = run->job->stuck();
    if (eintr_checkpoint() == 0)
        run->how = NULL;
    eintr_task_end(run->task);
    return NULL;
}

int main(void)
{
    struct eintr_support support;
    if (eintr_support(&support) < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        fail("eintr_support");
    for (const struct job *job = jobs; job < jobs + sizeof jobs / sizeof *jobs; job++) {
        if (job->polls_again && support.reach != EINTR_EXACT) {
            printf("%-20s not tried: it polls again after EINTR\n", job->name);
            continue;
        }
        struct run run = {job, eintr_task_new(job->name, 0), NULL};
        eintr_interrupter interrupter = eintr_task_interrupter(run.task);
        char report[512] = "";
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, &run) != 0)
            fail("pthread_create");
        while (!strstr(report, "sleeping in p")) { /* poll, ppoll, pselect6 */
            eintr_report(interrupter, report, sizeof report);
            usleep(1000);
        }
        eintr_interrupt(interrupter);
        if (eintr_wait_finished(interrupter, LIMIT_MS) < 0) {
            eintr_report(interrupter, report, sizeof report);
            printf("%-20s stuck: %s\n", job->name, report);
            return 1;
        }
        pthread_join(thread, NULL);
        printf("%-20s came back: %s\n", job->name, run.how ? run.how : "by itself?");
        eintr_interrupter_free(interrupter);
        if (!run.how)
            return 1;
    }
    curl_global_cleanup();
    return 0;
}
