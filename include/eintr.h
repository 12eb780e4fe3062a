/*
 * eintr: interrupts threads on Linux, wherever they are stuck in a call.
 *
 * Another thread (or a deadline, or SIGTERM) asks; the target's blocking call returns at once, and the target sees an
 * ordinary error and leaves. Nothing is killed, nothing is leaked, and nothing that already happened is thrown away.
 *
 *     eintr_task task = eintr_task_new("worker", 0);
 *     eintr_interrupter worker = eintr_task_interrupter(task);
 *     pthread_create(&thread, NULL, work, &task);
 *     ...
 *     eintr_interrupt(worker);                             // from any thread, at any time
 *
 *     void *work(void *arg)
 *     {
 *         eintr_task task = *(eintr_task *)arg;
 *         if (eintr_task_begin(task) < 0)
 *             return NULL;
 *         while ((fd = eintr_accept(listener, NULL, NULL)) >= 0)
 *             serve(fd);
 *         if (errno == ECANCELED) ...                      // interrupted: no connection was accepted
 *         eintr_task_end(task);
 *         return NULL;
 *     }
 *
 * Compile and link with `pkg-config --cflags --libs eintr`, or CMake's find_package(eintr) and eintr::eintr. The shared library
 * may be loaded by dlopen(3), and stays after dlclose(3).
 *
 * `pkg-config --cflags --libs eintr-static`, or CMake's eintr::static, puts the static library into a program or a plugin, also where
 * the shared one is beside it, and works with -static. (cargo-c installs no eintr-static: -l:libeintr.a in the place of -leintr
 * does it, and a plugin is linked with the two flags below.)
 *
 * A library that has the static one in itself, and may be unloaded (a plugin), is linked with -z nodelete, for a handler of ours
 * stays, and with --exclude-libs libeintr.a, which keeps two such libraries apart: eintr-static and eintr::static have both. Each
 * of them then uses a signal of its own, and only the one that came last reaches plain calls exactly (eintr_support()): where
 * several parts of a program interrupt, the shared library is the better one.
 *
 * Under the thread sanitizer, run with TSAN_OPTIONS=suppressions=eintr.tsan, a file beside this one, which says why. It keeps a
 * handler waiting until the thread that got the signal, the main one if it can, is in a call that it knows, and those of this header
 * are none: for eintr_interrupt_on(), have the main thread wait in one of libc's, as pthread_join(3).
 *
 * Conventions
 *
 *   - What outlives a call is a number, the `id` of a handle, which is never given out twice. 0 is none. A number that
 *     stands for nothing any more, or for something else, is an error (EINVAL), never a crash. Each kind of handle is a
 *     type of its own, so that the compiler refuses one in the place of another.
 *   - Functions return -1 (those that return a handle: the one whose id is 0) and set errno. On success errno is left as it was.
 *   - "Interrupted" is errno ECANCELED, never EINTR: no loop that retries on EINTR swallows it.
 *   - In milliseconds, -1 is for ever, and any other negative number an error (EINVAL); for eintr_poll() and
 *     eintr_epoll_wait() each is for ever, as the man pages have it. A negative struct timespec is an error everywhere.
 *   - What was begun is ended on the same thread, the innermost first: EINVAL if it was not begun here, EBUSY if
 *     something that was begun later is still open. What is still open when its thread ends is ended then.
 *   - From a signal handler, nothing here is to be called. ENOTRECOVERABLE is a fault of the library's own, which is
 *     described on standard error.
 *
 * Threads that begin no task and no deadline are never signalled. For the same reason there is no preloaded library that
 * would do all this to programs which were not written for it: code that did not opt in would see calls fail that it
 * believes cannot fail.
 *
 * See also signal(7), pthreads(7), pthread_cancel(3), errno(3), dlopen(3).
 */
#ifndef EINTR_H
#define EINTR_H

#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

struct flock;
struct mmsghdr;

/* A function whose result is not to be dropped: with it goes a handle or a descriptor, or whether anything has been done. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define EINTR_NODISCARD [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ > 201710L && defined(__has_c_attribute)
#define EINTR_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define EINTR_NODISCARD __attribute__((__warn_unused_result__))
#else
#define EINTR_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
/* eintr_support() and its structure have one name, as stat(2) and its have. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/* ---- Tasks: what can be interrupted ------------------------------------------------------------------------------ */

/* See also pthread_create(3), pthreads(7). */

/* Passed as the number itself would be. */
typedef struct eintr_task {
    uint64_t id;
} eintr_task;
typedef struct eintr_interrupter {
    uint64_t id;
} eintr_interrupter;
/* A stretch of a thread, or a registration: what was begun and is to be ended. */
typedef struct eintr_scope {
    uint64_t id;
} eintr_scope;

/* The task stands for itself wherever it is run. Without this flag, one that is made inside another and run there belongs
 * to it, and is interrupted with it; run anywhere else, it stands for itself all the same. */
#define EINTR_ROOT 1u
/* Plain calls inside it (of libc, of other libraries) are not refused while it is interrupted. */
#define EINTR_NO_REACH 2u

/* Makes a task, to be run by one thread, once. The name (NULL: none) is for reports. Errors: EINVAL for flags that are not
 * known. */
EINTR_NODISCARD eintr_task eintr_task_new(const char *name, unsigned flags);

/* An interrupter of a task that has not begun, to be given up by eintr_interrupter_free(). Errors: EINVAL. */
EINTR_NODISCARD eintr_interrupter eintr_task_interrupter(eintr_task task);

/* Begins the task on the calling thread. A request that was made before is raised by the first checkpoint or call.
 * If the thread blocks our signal, it is unblocked for the task's time. Errors: EINVAL if it has begun already, or was
 * freed. */
EINTR_NODISCARD int eintr_task_begin(eintr_task task);

/* Ends it: later requests are answered with EINTR_FINISHED, and reach nobody. Errors: EINVAL, EBUSY. */
int eintr_task_end(eintr_task task);

/* Gives up a task that has not begun; it counts as ended. Errors: EINVAL. */
int eintr_task_free(eintr_task task);

/* ---- Asking: requests, and what becomes of them ------------------------------------------------------------------ */

/* See also pthread_kill(3), pthread_cancel(3), kill(2), signal(7). */

/* An interrupter of the innermost task of the calling thread. Errors: ESRCH if there is none. */
EINTR_NODISCARD eintr_interrupter eintr_current(void);

/* Another number for the same task. Errors: EINVAL. */
EINTR_NODISCARD eintr_interrupter eintr_interrupter_clone(eintr_interrupter interrupter);

/* Gives the number up. The task is not touched. Errors: EINVAL. */
int eintr_interrupter_free(eintr_interrupter interrupter);

/* Asks the task to stop: its blocking call returns, or its next checkpoint or call raises. Returns at once: the request's
 * number, for eintr_wait(), or 0 if the task has ended. Errors: EINVAL. */
int64_t eintr_interrupt(eintr_interrupter interrupter);

/* The same, with a reason: a code and a text (NULL: none), which are copied. Each is kept, and raised after the one before
 * was taken. Errors: EINVAL. */
int64_t eintr_interrupt_with(eintr_interrupter interrupter, int code, const char *text);

/* It was handed out as an error. What the task does with it is its own affair. */
#define EINTR_RAISED 1
/* The task has ended, with or without having noticed. */
#define EINTR_FINISHED 2
/* The task has not begun. */
#define EINTR_NOT_STARTED 3
/* A mask stands between, and had not ended when the time was up. */
#define EINTR_MASKED 4
/* The task runs, and has not come to a checkpoint or a call. eintr_report() tells where it is. */
#define EINTR_STUCK 5
/* The thread could not be signalled, and came to no checkpoint or call by itself. */
#define EINTR_UNDELIVERABLE 6

/* Waits for what becomes of a request: one of the above. Cannot itself be interrupted; on the task's own thread it answers
 * at once. Errors: EINVAL, also for a request that this task was never made, and for 0 if the task has not ended. */
EINTR_NODISCARD int eintr_wait(eintr_interrupter interrupter, int64_t request, int milliseconds);

/* Waits until the task has ended. Errors: ETIMEDOUT if it has not by then (on its own thread: at once), EINVAL. */
EINTR_NODISCARD int eintr_wait_finished(eintr_interrupter interrupter, int milliseconds);

/* 1 if the task has ended, 0 if not. Errors: EINVAL. */
EINTR_NODISCARD int eintr_is_finished(eintr_interrupter interrupter);

/* Has the first of these signals to the process interrupt the task, with the reason EINTR_SIGNAL. A second one ends the
 * process by its default action. Returns a number for eintr_interrupt_off(). Errors: EINVAL, EEXIST for a signal that is
 * registered already. */
EINTR_NODISCARD eintr_scope eintr_interrupt_on(eintr_interrupter interrupter, const int *signals, size_t count);

/* Gives the signals back to their default action. Errors: EINVAL. */
int eintr_interrupt_off(eintr_scope registration);

/* ---- Asked: what the interrupted thread sees --------------------------------------------------------------------- */

/* See also pthread_testcancel(3), errno(3). */

/* eintr_interrupt() */
#define EINTR_REQUESTED 1
/* A deadline has passed: eintr_timeout_begin(). */
#define EINTR_DEADLINE 2
/* The signal in `code` came: eintr_interrupt_on(). */
#define EINTR_SIGNAL 3
/* eintr_interrupt_with(), with its code and text; or a reason of Rust code's, with its text. */
#define EINTR_CUSTOM 4

/* Why. The text is cut to fit, and never NULL. */
struct eintr_reason {
    int kind;
    int code;
    char text[248];
};

/* Raises: 0, or -1 with errno ECANCELED if the thread is interrupted. One load and a branch, behind the call. It raises
 * again at every checkpoint and call until the request is taken, or the task or deadline ends. */
EINTR_NODISCARD int eintr_checkpoint(void);

/* Whether eintr_checkpoint() would raise: 1 or 0. Does not count as raised. */
EINTR_NODISCARD int eintr_is_interrupted(void);

/* As eintr_checkpoint(), and tells why: 1 and the reason (NULL: not wanted), or 0. */
EINTR_NODISCARD int eintr_why(struct eintr_reason *reason);

/* Consumes one request, the oldest of the innermost task: 1 and the reason, or 0 if it has none, under a mask, and while
 * anything outside that task stands, or any deadline. */
int eintr_take(struct eintr_reason *reason);

/* For the requester: what the task was last handed; kept after its end. 1 and the reason, or 0. Errors: EINVAL. */
EINTR_NODISCARD int eintr_raised(eintr_interrupter interrupter, struct eintr_reason *reason);

/* ---- Stretches: masks, timeouts, reach and hooks of a thread ----------------------------------------------------- */

/* See also pthread_setcancelstate(3), timer_create(2), system(3), pclose(3), fflush(3), fclose(3), poll(2), epoll_wait(2). */

/* Causes from outside wait until eintr_mask_end(). */
EINTR_NODISCARD eintr_scope eintr_mask_begin(void);
int eintr_mask_end(eintr_scope mask);

/* From here to eintr_timeout_end() the thread has so much time: then its blocking call returns, and every call and
 * checkpoint raises. Works on any thread, with a task or without; without one, plain blocking calls are refused as well,
 * unless eintr_reach_begin(0) is in force. Errors: EINVAL for a negative time that is not -1; EAGAIN and others of
 * pthread_create, where the kernel has no timer to give and no thread can be made in its place. */
EINTR_NODISCARD eintr_scope eintr_timeout_begin(int milliseconds);

/* The time was not up. */
#define EINTR_IN_TIME 0
/* The time was up, and nothing inside felt it; or a cause outside of it stands, and what failed inside has failed for that. */
#define EINTR_EXPIRED 1
/* It was raised inside, or cut a call short there (whatever that was told: a plain sleep(3) returns no error), and nothing
 * outside of it stands: a body that failed has timed out. */
#define EINTR_CUT_SHORT 2

/* What became of it: one of the above. Errors: EINVAL, EBUSY. */
int eintr_timeout_end(eintr_scope timeout);

/* What is left of the first deadline in force, in milliseconds, rounded up: what poll(2) wants. -1 if there is none. */
EINTR_NODISCARD int eintr_remaining(void);

/* From here to eintr_reach_end(), plain blocking calls (of libc, of any library) are refused with ECANCELED while the
 * thread is interrupted (1), or return EINTR as they always have (0). In a task it is 1, unless EINTR_NO_REACH. Event
 * loops (epoll_wait) are told EINTR all the same, for many take no other error; with 2 they are refused, too, for a caller
 * that would make the call again: one that has a time of its own returns 0, as if it were up. Errors: EINVAL for any other number.
 *
 * Some of libc's functions leave something behind where they are refused. Have them under eintr_mask_begin(): system() and
 * pclose(), which leave their child to nobody; and fflush() and fclose(), which lose what is in the buffer (writes are
 * refused from 100 ms after the request on, and earlier where they would have to wait). */
EINTR_NODISCARD eintr_scope eintr_reach_begin(int on);
int eintr_reach_end(eintr_scope reach);

/* From here to eintr_hook_end(), wake(arg) is called once each time this thread is interrupted, by a request or a deadline; at
 * once if it is already. For waking it from a wait that knows nothing of us: by pthread_cond_broadcast(3), by a library's own
 * means. Who is woken asks a checkpoint. It is called by whoever interrupts, on that thread, before eintr_interrupt() returns
 * (for a deadline, on a thread of the library's), and the signal follows its return, or comes 10 ms later. It has to be quick, must
 * not wait for this thread, and returns. Errors: EINVAL if wake is NULL; EAGAIN and others of pthread_create, where there is a
 * deadline and no thread can be made for it. */
EINTR_NODISCARD eintr_scope eintr_hook_begin(void (*wake)(void *), void *arg);

/* When it has returned, wake is not running, and is not called any more. Errors: EINVAL, EBUSY. */
int eintr_hook_end(eintr_scope hook);

/* ---- Abandoning: a plain call that computes for hours ------------------------------------------------------------ */

/* See also setjmp(3), sigaltstack(2), signal-safety(7), ld.so(8). */

/* Runs f(arg) so that a request or a deadline ends it, wherever it is: for a call that computes for hours. It is left as
 * by longjmp(3). 0, and f's value in *result (NULL: not wanted). Errors: ECANCELED if it was left, or the thread was
 * interrupted before; ENOTSUP on an alternate signal stack; EINVAL if f is NULL. Inside a mask f runs until it returns.
 *
 * For f, and for all that it calls, at any instruction:
 *
 *   [ ] No frame has something to undo: no C++ or Rust destructor, no __attribute__((cleanup)), no pthread_cleanup_push,
 *       no hook of eintr_hook_begin().
 *   [ ] It holds no lock and calls nothing that may: no malloc, no stdio, no localtime; nor the dynamic loader, which the
 *       first call of a function in another library goes through unless the program is linked with -z now.
 *   [ ] What it has acquired is leaked, and that is all right.
 *   [ ] What it was writing is used by nobody afterwards, or is of use half written.
 *   [ ] No exception leaves it, nor longjmp, pthread_exit or pthread_cancel; it stays on the stack it was called on.
 *   [ ] A handler of the program's that may run meanwhile, and must not be left halfway, has no SA_NODEFER, or blocks some
 *       signal.
 *
 * The functions of this header may be called by f: they come to their end before f is left. */
EINTR_NODISCARD int eintr_abandonable(intptr_t (*f)(void *), void *arg, intptr_t *result);

/* ---- Telling: reports, and what works here ----------------------------------------------------------------------- */

/* See also proc(5), backtrace(3), sigaction(2), signal(7). */

/* Where the task is, as a line of text; the length that it has, without its zero. As much as fits is written, with a zero
 * at its end, as by snprintf(3). Errors: EINVAL. */
ssize_t eintr_report(eintr_interrupter interrupter, char *buffer, size_t size);

/* Where all threads of the process are: the thread dump, written as eintr_report() does. A header (the version, the process, the
 * time), who was asked, which wait for each other's locks; then, with an empty line before each, the tasks, with the stacks of their
 * threads and who holds what they wait for, and the threads that run none, as the kernel shows them. Each thread of a task is
 * asked by one signal, which it does not notice; all of them together hold it up for a second at most. Names are looked up in the
 * program's files, which takes seconds for a large one with debugging information. Each call makes a dump of its own: what did not
 * fit may be longer the next time. */
ssize_t eintr_dump(char *buffer, size_t size);

/* No signal was free: an interrupt is seen before a call only. */
#define EINTR_ABSENT 0
/* A signal answers the call that it finds, and is repeated with back-off: where the kernel has no Syscall User Dispatch
 * (before Linux 5.11, on aarch64), and under valgrind. There a call that the kernel never restarts (a sleep, a poll, a
 * socket with a timeout) may return EINTR instead. */
#define EINTR_SECOND_BEST 1
/* No instruction is left at which an interrupt is lost. */
#define EINTR_EXACT 2

struct eintr_support {
    int signal;    /* the number of the signal in use, or 0 */
    int own_calls; /* the calls of this header */
    int reach;     /* plain calls */
};

/* What works here. Chooses and installs the signal, if that has not been done. Errors: EINVAL for NULL. */
int eintr_support(struct eintr_support *support);

/* Chooses the signal, and installs its handler now: for a program that uses SIGUSR1 for something else, before the first
 * task. A signal that has a handler may be chosen: what is not ours goes on to that. Errors: EINVAL for no such signal,
 * EBUSY if one is in use already. */
EINTR_NODISCARD int eintr_install(int signal);

/* The library's version, as "0.1.0". */
const char *eintr_version(void);

/* ---- Calls: those of the man pages, interruptible ---------------------------------------------------------------- */

/* See also signal(7), pthread_cancel(3), pthreads(7), errno(3). */

/* Each is its man page's, but for two things. Interrupted, it returns -1 with errno ECANCELED, and then the operation did
 * not happen: no byte was consumed, no connection accepted, no child reaped. What did happen is returned, and the cause is
 * raised by the next call. And no other signal ends it or starts its timeout anew: it never says EINTR. Without a cause it
 * makes exactly the syscalls of the plain call. None is a point of cancellation (pthread_cancel(3)): that begins only in libc's own
 * calls. A thread that may wait in one of these is cancelled and interrupted: the call returns, and what follows is such a point. */

EINTR_NODISCARD ssize_t eintr_read(int fd, void *buffer, size_t count);
ssize_t eintr_write(int fd, const void *buffer, size_t count);
EINTR_NODISCARD ssize_t eintr_readv(int fd, const struct iovec *buffers, int count);
ssize_t eintr_writev(int fd, const struct iovec *buffers, int count);
EINTR_NODISCARD ssize_t eintr_pread(int fd, void *buffer, size_t count, off_t offset);
ssize_t eintr_pwrite(int fd, const void *buffer, size_t count, off_t offset);
/* An offset of -1 is the descriptor's own position. */
EINTR_NODISCARD ssize_t eintr_preadv2(int fd, const struct iovec *buffers, int count, off_t offset, int flags);
ssize_t eintr_pwritev2(int fd, const struct iovec *buffers, int count, off_t offset, int flags);

ssize_t eintr_tee(int reader, int writer, size_t length, unsigned flags);
ssize_t eintr_vmsplice(int fd, const struct iovec *buffers, size_t count, unsigned flags);
ssize_t eintr_sendfile(int writer, int reader, off_t *from, size_t length);
EINTR_NODISCARD ssize_t eintr_getrandom(void *buffer, size_t count, unsigned flags);

/* Offsets are 64 bits wide, or NULL. */
ssize_t eintr_splice(int reader, int64_t *from, int writer, int64_t *to, size_t length, unsigned flags);
ssize_t eintr_copy_file_range(int reader, int64_t *from, int writer, int64_t *to, size_t length, unsigned flags);

/* The mode counts with O_CREAT or O_TMPFILE only, and is given always. */
EINTR_NODISCARD int eintr_open(const char *path, int flags, mode_t mode);
EINTR_NODISCARD int eintr_openat(int directory, const char *path, int flags, mode_t mode);

/* LOCK_UN works on an interrupted thread. */
int eintr_flock(int fd, int operation);

/* fcntl with F_SETLKW or F_OFD_SETLKW; EINVAL for any other command. F_UNLCK works on an interrupted thread. */
int eintr_fcntl_lock(int fd, int command, struct flock *lock);

int eintr_tcdrain(int fd);

EINTR_NODISCARD int eintr_accept(int fd, struct sockaddr *address, socklen_t *length);
EINTR_NODISCARD int eintr_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
/* Interrupted, there is no connection; a TCP attempt may be under way, and the same call waits on for it. */
int eintr_connect(int fd, const struct sockaddr *address, socklen_t length);

EINTR_NODISCARD ssize_t eintr_recv(int fd, void *buffer, size_t length, int flags);
EINTR_NODISCARD ssize_t eintr_recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *address,
                                       socklen_t *address_length);
EINTR_NODISCARD ssize_t eintr_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t eintr_send(int fd, const void *buffer, size_t length, int flags);
ssize_t eintr_sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *address,
                     socklen_t address_length);
ssize_t eintr_sendmsg(int fd, const struct msghdr *message, int flags);
/* The timeout is the kernel's: it is looked at after each message that came, and not while it waits for one. */
EINTR_NODISCARD int eintr_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int eintr_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

int eintr_poll(struct pollfd *fds, nfds_t count, int timeout);
int eintr_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int eintr_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);
int eintr_pselect(int count, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout,
                  const sigset_t *mask);
int eintr_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int eintr_epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask);
/* Before Linux 5.11 the time is rounded up to milliseconds. */
int eintr_epoll_pwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
                       const sigset_t *mask);

/* These two end after a signal's handler has run, and then they do say EINTR. A signal of ours that is wanted no more may end
 * them, too: look at what the handler was to do. */
int eintr_pause(void);
int eintr_sigsuspend(const sigset_t *mask);

/* Our own signal is not waited for, even if the set holds it. Returns the error number, ECANCELED too. */
EINTR_NODISCARD int eintr_sigwait(const sigset_t *set, int *signal);

pid_t eintr_waitpid(pid_t pid, int *status, int options);
pid_t eintr_wait4(pid_t pid, int *status, int options, struct rusage *usage);

/* A C library that is to be strict (-std=c11 and no more) has no siginfo_t. */
#if defined(_POSIX_C_SOURCE) || defined(_XOPEN_SOURCE) || defined(_BSD_SOURCE) || defined(_GNU_SOURCE)
/* The first is a P_PID, P_ALL, P_PGID or P_PIDFD. */
int eintr_waitid(unsigned kind, id_t id, siginfo_t *info, int options);

/* Our own signal is not waited for, even if the set holds it. */
int eintr_sigwaitinfo(const sigset_t *set, siginfo_t *info);
int eintr_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
#endif

int eintr_nanosleep(const struct timespec *time, struct timespec *left);

/* Returns the error number, ECANCELED too. */
int eintr_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left);

int eintr_usleep(unsigned microseconds);

/* Sleeps while *word is what is expected, until eintr_futex_wake(), or until the time (NULL: never) is up, which is
 * ETIMEDOUT; EAGAIN if it is something else. The one right way to wait is a loop that looks at the word. This process
 * only. */
int eintr_futex_wait(const uint32_t *word, uint32_t expected, const struct timespec *timeout);

/* How many were woken. */
int eintr_futex_wake(const uint32_t *word, int count);

EINTR_NODISCARD ssize_t eintr_msgrcv(int queue, void *message, size_t size, long kind, int flags);
int eintr_msgsnd(int queue, const void *message, size_t size, int flags);
EINTR_NODISCARD ssize_t eintr_mq_receive(mqd_t queue, char *message, size_t size, unsigned *priority);
EINTR_NODISCARD ssize_t eintr_mq_timedreceive(mqd_t queue, char *message, size_t size, unsigned *priority,
                                              const struct timespec *until);
int eintr_mq_send(mqd_t queue, const char *message, size_t size, unsigned priority);
int eintr_mq_timedsend(mqd_t queue, const char *message, size_t size, unsigned priority, const struct timespec *until);
int eintr_semop(int set, struct sembuf *operations, size_t count);
int eintr_semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *timeout);

/* ---- Sync: semaphores, condition variables, joining -------------------------------------------------------------- */

/* See also sem_wait(3), pthread_cond_wait(3), pthread_mutex_lock(3), pthread_join(3), futex(2). */

/* libc's own are not left by an interrupt, at least not each, and not wherever they stand. These are for the threads of one
 * process, and are objects of the program's: all zeros is one, and nothing needs to be destroyed. They are interrupted as the
 * calls are, and with a timeout (NULL: none) they fail with ETIMEDOUT. */

/* With so many to be had: {1} is a lock. */
typedef struct eintr_sem {
    uint32_t value;
} eintr_sem;

/* Takes one, and waits for it. Errors: ECANCELED, and none was taken; ETIMEDOUT; EFAULT. */
EINTR_NODISCARD int eintr_sem_wait(eintr_sem *semaphore, const struct timespec *timeout);

/* Takes one, if there is one. Works on an interrupted thread. Errors: EAGAIN, EFAULT. */
EINTR_NODISCARD int eintr_sem_trywait(eintr_sem *semaphore);

/* Adds one. Works on an interrupted thread. Errors: EOVERFLOW, EFAULT. */
int eintr_sem_post(eintr_sem *semaphore);

typedef struct eintr_cond {
    uint32_t changes;
} eintr_cond;

/* Unlocks the mutex, sleeps until it is woken, and locks the mutex again, also where it fails. As with pthread_cond_wait(3), it may
 * come back for nothing, and the condition is looked at again. Errors: ECANCELED, before the mutex was unlocked or after it is locked
 * again; ETIMEDOUT; EFAULT; those of pthread_mutex_lock(3) and pthread_mutex_unlock(3). */
EINTR_NODISCARD int eintr_cond_wait(eintr_cond *condition, pthread_mutex_t *mutex, const struct timespec *timeout);

/* Wake one, or all. What they wait for is changed under the mutex. They work on an interrupted thread. Errors: EFAULT. */
int eintr_cond_signal(eintr_cond *condition);
int eintr_cond_broadcast(eintr_cond *condition);

/* Waits until the task has ended, as eintr_wait_finished() does, but may be interrupted: pthread_join(3) of its thread, which
 * may not, then comes back soon. Errors: ECANCELED, EINVAL. */
EINTR_NODISCARD int eintr_join(eintr_interrupter interrupter);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
