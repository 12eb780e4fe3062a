/* A deadline or a hook that needs a thread of the library's where none can be made (S28): an error, and nothing has begun. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Of the calling thread, and for good. */
static void forbid_threads(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static void *work(void *arg)
{
    /* From here on the kernel makes no timer. */
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    forbid_threads();
    for (int i = 0; i < 2; i++) {
        NONE(EAGAIN, eintr_timeout_begin(1000000));
        CHECK(eintr_remaining() == -1);
    }
    eintr_scope mask = eintr_mask_begin();
    CHECK(mask.id != 0 && eintr_mask_end(mask) == 0);
    return arg;
}

static void never(void *arg)
{
    (void)arg;
    abort();
}

static void *hook_in_a_deadline(void *arg)
{
    eintr_scope timeout = eintr_timeout_begin(1000000);
    CHECK(timeout.id);
    forbid_threads();
    for (int i = 0; i < 2; i++)
        NONE(EAGAIN, eintr_hook_begin(never, NULL));
    CHECK(eintr_timeout_end(timeout) == EINTR_IN_TIME);
    return arg;
}

int main(void)
{
    pthread_t thread;
    if (getenv("ON_VALGRIND"))
        return 0; /* its timers are its own */
    watch();
    void *(*cases[])(void *) = {hook_in_a_deadline, work};
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&thread, NULL, cases[i], NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    puts("nothread: ok");
    return 0;
}
