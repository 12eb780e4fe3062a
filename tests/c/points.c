/* Each call that waits, at three points: asked before, asked while it is blocked, and disturbed by a signal that is nobody's.
 * Whether it is blocked is told by the report. */
#include "check.h"
#include <arpa/inet.h>
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/un.h>

static int empty[2], full[2], pair[2], full_pair[2], listener, backlog[3], epoll, queue, full_queue, semaphores, locked[2], child;
static mqd_t mqueue, full_mqueue;
static eintr_interrupter never;
static char fifo[] = "/tmp/eintr-points-XXXXXX/fifo";
static uint32_t word;
static char buffer[64];

static int try_read(void) { return (int)eintr_read(empty[0], buffer, sizeof buffer); }
static int try_write(void) { return (int)eintr_write(full[1], buffer, sizeof buffer); }
static int try_readv(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    return (int)eintr_readv(empty[0], &buffers, 1);
}
static int try_writev(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    return (int)eintr_writev(full[1], &buffers, 1);
}
static int try_preadv2(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    return (int)eintr_preadv2(empty[0], &buffers, 1, -1, 0);
}
static int try_pwritev2(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    return (int)eintr_pwritev2(full[1], &buffers, 1, -1, 0);
}
static int try_tee(void) { return (int)eintr_tee(empty[0], full[1], 64, 0); }
static int try_vmsplice(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    return (int)eintr_vmsplice(full[1], &buffers, 1, 0);
}
static int try_splice(void) { return (int)eintr_splice(empty[0], NULL, full[1], NULL, 64, 0); }
static int try_sendfile(void) { return (int)eintr_sendfile(full_pair[0], locked[0], NULL, 64); }
static int try_open(void) { return eintr_open(fifo, O_RDONLY, 0); }
static int try_flock(void) { return eintr_flock(locked[1], LOCK_EX); }
static int try_fcntl(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return eintr_fcntl_lock(locked[1], F_OFD_SETLKW, &lock);
}
static int try_accept(void) { return eintr_accept(listener, NULL, NULL); }
static int try_connect(void)
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    CHECK(getsockname(backlog[0], (struct sockaddr *)&address, &length) == 0);
    return eintr_connect(backlog[2], (struct sockaddr *)&address, length);
}
static int try_recv(void) { return (int)eintr_recv(pair[0], buffer, sizeof buffer, 0); }
static int try_recvmsg(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &buffers, .msg_iovlen = 1};
    return (int)eintr_recvmsg(pair[0], &message, 0);
}
static int try_send(void) { return (int)eintr_send(full_pair[0], buffer, sizeof buffer, MSG_NOSIGNAL); }
static int try_sendmsg(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &buffers, .msg_iovlen = 1};
    return (int)eintr_sendmsg(full_pair[0], &message, MSG_NOSIGNAL);
}
static int try_recvmmsg(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &buffers, .msg_iovlen = 1}};
    return eintr_recvmmsg(pair[0], &message, 1, 0, NULL);
}
static int try_sendmmsg(void)
{
    struct iovec buffers = {buffer, sizeof buffer};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &buffers, .msg_iovlen = 1}};
    return eintr_sendmmsg(full_pair[0], &message, 1, MSG_NOSIGNAL);
}
static int try_poll(void) { return eintr_poll(NULL, 0, -1); }
static int try_ppoll(void)
{
    struct timespec hour = {.tv_sec = 3600, .tv_nsec = 0};
    sigset_t all;
    sigfillset(&all);
    return eintr_ppoll(NULL, 0, &hour, &all);
}
static int try_select(void)
{
    struct timeval hour = {.tv_sec = 3600, .tv_usec = 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(empty[0], &set);
    int ready = eintr_select(empty[0] + 1, &set, NULL, NULL, &hour);
    CHECK(FD_ISSET(empty[0], &set) && hour.tv_sec >= 3000);
    return ready;
}
static int try_pselect(void) { return eintr_pselect(0, NULL, NULL, NULL, NULL, NULL); }
static int try_epoll(void)
{
    struct epoll_event event;
    return eintr_epoll_wait(epoll, &event, 1, -1);
}
static int try_epoll_pwait2(void)
{
    struct epoll_event event;
    struct timespec hour = {.tv_sec = 3600, .tv_nsec = 0};
    return eintr_epoll_pwait2(epoll, &event, 1, &hour, NULL);
}
/* Told of other signals, these go on by themselves. */
static int try_pause(void)
{
    while (eintr_pause() < 0 && errno == EINTR)
        ;
    return -1;
}
static int try_sigsuspend(void)
{
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGURG);
    while (eintr_sigsuspend(&all) < 0 && errno == EINTR)
        ;
    return -1;
}
static int try_sem_wait(void)
{
    static eintr_sem semaphore;
    return eintr_sem_wait(&semaphore, NULL);
}
static int try_cond_wait(void)
{
    static eintr_cond condition;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    CHECK(pthread_mutex_lock(&mutex) == 0);
    int waited = eintr_cond_wait(&condition, &mutex, NULL), number = errno;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    errno = number;
    return waited;
}
static int try_join(void) { return eintr_join(never); }
static int try_sigwaitinfo(void)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGURG);
    return eintr_sigwaitinfo(&set, NULL);
}
static int try_sigtimedwait(void)
{
    struct timespec hour = {.tv_sec = 3600, .tv_nsec = 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    return eintr_sigtimedwait(&set, NULL, &hour);
}
static int try_sigwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    errno = eintr_sigwait(&set, NULL);
    return -1;
}
static int try_waitpid(void) { return eintr_waitpid(child, NULL, 0); }
static int try_waitid(void)
{
    siginfo_t info;
    return eintr_waitid(P_PID, (id_t)child, &info, WEXITED);
}
static int try_nanosleep(void)
{
    struct timespec hour = {.tv_sec = 3600, .tv_nsec = 0}, left = {0, 0};
    int slept = eintr_nanosleep(&hour, &left);
    CHECK(left.tv_sec >= 3000);
    return slept;
}
static int try_clock_nanosleep(void)
{
    struct timespec never = {.tv_sec = INT32_MAX, .tv_nsec = 0};
    errno = eintr_clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &never, NULL);
    return -1;
}
static int try_usleep(void) { return eintr_usleep(3600000000u); }
static int try_futex(void) { return eintr_futex_wait(&word, 0, NULL); }
static int try_msgrcv(void) { return (int)eintr_msgrcv(queue, buffer, 8, 0, 0); }
static int try_msgsnd(void)
{
    struct { long kind; char text[64]; } message = {.kind = 1};
    return eintr_msgsnd(full_queue, &message, sizeof message.text, 0);
}
static int try_mq_receive(void) { return (int)eintr_mq_receive(mqueue, buffer, sizeof buffer, NULL); }
static int try_mq_send(void) { return eintr_mq_send(full_mqueue, buffer, 1, 0); }
static int try_semop(void)
{
    struct sembuf take = {.sem_num = 0, .sem_op = -1, .sem_flg = 0};
    return eintr_semop(semaphores, &take, 1);
}

static const struct point {
    const char *name;
    int (*call)(void);
} points[] = {
    {"read", try_read}, {"write", try_write}, {"readv", try_readv}, {"writev", try_writev}, {"splice", try_splice},
    {"open", try_open}, {"flock", try_flock}, {"fcntl", try_fcntl}, {"accept", try_accept}, {"recv", try_recv},
    {"connect", try_connect}, {"sendfile", try_sendfile}, {"sigtimedwait", try_sigtimedwait},
    {"msgsnd", try_msgsnd}, {"mq_send", try_mq_send}, {"preadv2", try_preadv2}, {"pwritev2", try_pwritev2},
    {"tee", try_tee}, {"vmsplice", try_vmsplice}, {"recvmmsg", try_recvmmsg}, {"sendmmsg", try_sendmmsg},
    {"epoll_pwait2", try_epoll_pwait2}, {"pause", try_pause}, {"sigsuspend", try_sigsuspend},
    {"sem_wait", try_sem_wait}, {"cond_wait", try_cond_wait}, {"join", try_join}, {"recvmsg", try_recvmsg}, {"send", try_send}, {"sendmsg", try_sendmsg}, {"poll", try_poll}, {"ppoll", try_ppoll},
    {"select", try_select}, {"pselect", try_pselect}, {"epoll_wait", try_epoll}, {"sigwaitinfo", try_sigwaitinfo},
    {"sigwait", try_sigwait}, {"waitpid", try_waitpid}, {"waitid", try_waitid}, {"nanosleep", try_nanosleep},
    {"clock_nanosleep", try_clock_nanosleep}, {"usleep", try_usleep}, {"futex_wait", try_futex},
    {"msgrcv", try_msgrcv}, {"mq_receive", try_mq_receive}, {"semop", try_semop},
};

static void expect_interrupt(void *arg)
{
    const struct point *point = arg;
    errno = 0;
    if (point->call() != -1 || errno != ECANCELED) {
        fprintf(stderr, "%s: errno %d\n", point->name, errno);
        abort();
    }
}

static void nothing(int number)
{
    (void)number;
}

static void fill(int fd)
{
    static const char bytes[4096];
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    while (write(fd, bytes, 1) > 0)
        ;
    CHECK(errno == EAGAIN && fcntl(fd, F_SETFL, 0) == 0);
}

static void prepare(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof buffer};
    char path[] = "/tmp/eintr-points-XXXXXX", name[64];

    CHECK(pipe(empty) == 0 && pipe(full) == 0);
    fill(full[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair) == 0);
    fill(full_pair[0]);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    /* A backlog of one, which is taken. The name is the kernel's choice. */
    struct sockaddr_un unnamed = {.sun_family = AF_UNIX}, there;
    socklen_t length = sizeof there;
    for (int i = 0; i < 3; i++)
        backlog[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(backlog[0], (struct sockaddr *)&unnamed, sizeof unnamed.sun_family) == 0 && listen(backlog[0], 0) == 0);
    CHECK(getsockname(backlog[0], (struct sockaddr *)&there, &length) == 0);
    CHECK(connect(backlog[1], (struct sockaddr *)&there, length) == 0);
    epoll = epoll_create1(0);
    queue = msgget(IPC_PRIVATE, 0600);
    full_queue = msgget(IPC_PRIVATE, 0600);
    struct { long kind; char text[64]; } message = {.kind = 1};
    while (msgsnd(full_queue, &message, sizeof message.text, IPC_NOWAIT) == 0)
        ;
    CHECK(errno == EAGAIN);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    snprintf(name, sizeof name, "/eintr-points-%d", getpid());
    mqueue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    mq_unlink(name);
    full_mqueue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    mq_unlink(name);
    CHECK(full_mqueue == (mqd_t)-1 || mq_send(full_mqueue, buffer, 1, 0) == 0);
    CHECK(mkdtemp(path) && epoll >= 0 && queue >= 0 && semaphores >= 0);
    memcpy(fifo, path, strlen(path));
    CHECK(mkfifo(fifo, 0600) == 0);
    snprintf(name, sizeof name, "%s/lock", path);
    locked[0] = open(name, O_RDWR | O_CREAT, 0600);
    locked[1] = open(name, O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    CHECK(flock(locked[0], LOCK_EX) == 0 && fcntl(locked[0], F_OFD_SETLK, &lock) == 0);
    unlink(name);
    CHECK(write(locked[0], buffer, sizeof buffer) == sizeof buffer && lseek(locked[0], 0, SEEK_SET) == 0);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    never = eintr_task_interrupter(eintr_task_new("never ends", EINTR_ROOT));
    /* Whoever waits for signals has them blocked. */
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    CHECK(pthread_sigmask(SIG_BLOCK, &hangup, NULL) == 0);
    struct sigaction stray = {.sa_handler = nothing};
    CHECK(sigaction(SIGURG, &stray, NULL) == 0);
}

static void clean(void)
{
    kill(child, SIGKILL);
    CHECK(eintr_waitpid(child, NULL, 0) == child);
    msgctl(queue, IPC_RMID, NULL);
    msgctl(full_queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    unlink(fifo);
    *strrchr(fifo, '/') = 0;
    rmdir(fifo);
}

int main(void)
{
    watch();
    prepare();
    for (const struct point *point = points; point < points + sizeof points / sizeof *points; point++) {
        struct target target;
        void *arg = (void *)(uintptr_t)point;
        if ((point->call == try_mq_receive || point->call == try_mq_send) && mqueue == (mqd_t)-1) {
            printf("skipped: %s: no POSIX message queues here\n", point->name);
            continue;
        }

        if (point->call == try_epoll_pwait2 && getenv("ON_VALGRIND")) {
            printf("skipped: epoll_pwait2: valgrind has none\n");
            continue;
        }
        if (point->call == try_fcntl && getenv("ON_VALGRIND")) {
            printf("skipped: fcntl: valgrind lets no other thread run while one waits in it\n");
            continue;
        }

        eintr_task task = eintr_task_new(point->name, 0);
        eintr_interrupter interrupter = eintr_task_interrupter(task);
        CHECK(eintr_interrupt(interrupter) > 0);
        CHECK(eintr_task_begin(task) == 0);
        expect_interrupt(arg);
        CHECK(eintr_task_end(task) == 0 && eintr_interrupter_free(interrupter) == 0);

        start(&target, expect_interrupt, arg);
        wait_until(&target, "sleeping in ");
        for (int i = 0; i < 3; i++) {
            CHECK(pthread_kill(target.thread, SIGURG) == 0);
            wait_until(&target, "sleeping in ");
        }
        CHECK(eintr_is_finished(target.interrupter) == 0);
        CHECK(eintr_wait(target.interrupter, eintr_interrupt(target.interrupter), LIMIT_MS) <= EINTR_FINISHED);
        finish(&target);
    }
    clean();
    puts("points: ok");
    return 0;
}
