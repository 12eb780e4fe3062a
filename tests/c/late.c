/* The library is loaded late, by dlopen, and never leaves.
 *
 *  - A signal of our number that somebody else sends to a thread which has never touched us has our handler allocate
 *    nothing: the first touch of a thread-local of a library that was loaded late would.
 *  - After dlclose everything is still there: the handler, and what is done at a thread's end.
 */
#include "check.h"
#include <dlfcn.h>
#include <signal.h>

extern void *__libc_malloc(size_t size);
static __thread bool inside;
static volatile int allocations, handled;

/* The program's own malloc, which the loader takes, too. */
void *malloc(size_t size)
{
    if (inside)
        allocations++;
    return __libc_malloc(size);
}

static void count(int number)
{
    (void)number;
    handled++;
}

static pthread_barrier_t barrier;

static void *stranger(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier); /* the library is loaded */
    inside = true;
    CHECK(raise(SIGUSR1) == 0);
    inside = false;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* and unloaded, if that is possible */
    inside = true;
    CHECK(raise(SIGUSR1) == 0);
    inside = false;
    return NULL;
}

typedef int (*on_task)(eintr_task);

static void *target_body(void *arg)
{
    void *library = arg;
    eintr_task (*task_new)(const char *, unsigned) = (eintr_task(*)(const char *, unsigned))dlsym(library, "eintr_task_new");
    on_task begin = (on_task)dlsym(library, "eintr_task_begin"), end = (on_task)dlsym(library, "eintr_task_end");
    eintr_task task = task_new("late", 0);
    CHECK(begin(task) == 0);
    CHECK(end(task) == 0);
    for (int i = 0; i < 3; i++)
        pthread_barrier_wait(&barrier);
    return NULL; /* its record is closed by code of the library's */
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    watch();
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 3);
    struct sigaction counting = {.sa_handler = count};
    CHECK(sigaction(SIGUSR1, &counting, NULL) == 0);
    CHECK(pthread_create(&threads[0], NULL, stranger, NULL) == 0);

    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    int (*install)(int) = (int (*)(int))dlsym(library, "eintr_install");
    CHECK(install(SIGUSR1) == 0); /* in front of the program's own */
    CHECK(pthread_create(&threads[1], NULL, target_body, library) == 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    CHECK(handled == 1);
    CHECK(dlclose(library) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(pthread_join(threads[1], NULL) == 0);
    CHECK(handled == 2 && raise(SIGUSR1) == 0 && handled == 3);
    CHECK(allocations == 0);
    puts("late: ok");
    return 0;
}
