/* Two copies of the library in one process: a wheel's and an extension's. Both are asked, on threads of their own ("apart"), or where one's
 * task runs in the other's: "nested", in the order in which they came, or "reversed", or where the second one comes while the
 * first one reaches the thread ("late"). */
#include "company.h"

#include <dlfcn.h>
#include <poll.h>

struct copy {
    eintr_task (*task_new)(const char *, unsigned);
    eintr_interrupter (*task_interrupter)(eintr_task);
    int (*task_begin)(eintr_task);
    int (*task_end)(eintr_task);
    int64_t (*interrupt)(eintr_interrupter);
    int (*is_interrupted)(void);
    int (*take)(struct eintr_reason *);
    int (*support)(struct eintr_support *);
    const char *path;
    eintr_task task;
    eintr_interrupter interrupter;
};

static struct copy copies[2] = {{.path = "target/company/lib/libeintr.so"}, {.path = "target/company/lib/libeintr_copy.so"}};
static int empty[2];

static void load(struct copy *copy) {
    void *library = dlopen(copy->path, RTLD_NOW | RTLD_LOCAL);
    if (!library) wrong("%s", dlerror());
#define SYMBOL(name) copy->name = (__typeof__(copy->name))dlsym(library, "eintr_" #name)
    SYMBOL(task_new);
    SYMBOL(task_interrupter);
    SYMBOL(task_begin);
    SYMBOL(task_end);
    SYMBOL(interrupt);
    SYMBOL(is_interrupted);
    SYMBOL(take);
    SYMBOL(support);
    copy->task = copy->task_new("copy", 0);
    copy->interrupter = copy->task_interrupter(copy->task);
}

static int waits(void) {
    struct pollfd fd = {empty[0], POLLIN, 0};
    return poll(&fd, 1, 5);
}

static int is(const char *name) { return !strcmp(argument, name); }

static void begin_task(struct copy *copy) {
    if (copy->task_begin(copy->task)) wrong("eintr_task_begin");
}

/* A thread in the tasks of so many copies, one inside the other. */
static void *inside(struct copy *first, int count) {
    for (int i = 0; with_us() && i < count; i++) {
        if (i && is("late")) {
            first->interrupt(first->interrupter);
            if (waits() != -1) wrong("it is not reached");
            load(&first[i]);
        }
        begin_task(&first[is("reversed") ? count - 1 - i : i]);
    }
    if (with_us()) first->take(NULL);
    if (with_us() && count == 2) {
        struct eintr_support support[2];
        for (int i = 0; i < count; i++) first[i].support(&support[i]);
        int reaches = is("late") || is("reversed") ? 0 : 1;
        if (support[reaches].reach < support[!reaches].reach) wrong("the wrong copy reaches");
        if (support[!reaches].reach == EINTR_EXACT) wrong("the other copy does not say that it has second best");
    }
    if (waits()) wrong("the first round: %s", strerror(errno));
    ready++;
    while (goes_on) {
        int result = waits(), asked = 0;
        for (int i = 0; with_us() && i < count; i++) asked |= first[i].is_interrupted();
        if (result && !asked) wrong("a round failed: %s", strerror(errno));
        for (int i = 0; is_mode("storm") && i < count; i++) first[i].take(NULL);
    }
    for (int i = 0; with_us() && i < count; i++) first[i].take(NULL);
    /* Stuck, until each of them in turn is asked. */
    for (int i = 0; (is_mode("asked") || is_mode("storm")) && i < count; i++) {
        char byte;
        first[i].interrupt(first[i].interrupter);
        if (read(empty[0], &byte, 1) != -1) wrong("a read of nothing");
        if (!first[i].is_interrupted()) wrong("a copy was not asked");
        first[i].take(NULL);
    }
    if (waits()) wrong("the last round: %s", strerror(errno));
    for (int i = count; with_us() && i--;) {
        struct copy *copy = &first[is("reversed") ? count - 1 - i : i];
        if (copy->task_end(copy->task)) wrong("eintr_task_end");
    }
    return NULL;
}

static void *in_one(void *copy) { return inside(copy, 1); }
static void *in_both(void *copy) { return inside(copy, 2); }

int main(int count, char **arguments) {
    begin(count, arguments);
    pthread_t threads[2];
    int number = is("apart") ? 2 : 1;
    if (pipe(empty)) wrong("pipe");
    for (int i = 0; with_us() && i < (is("late") ? 1 : 2); i++) load(&copies[i]);
    for (int i = 0; i < number; i++)
        if (pthread_create(&threads[i], NULL, is("apart") ? in_one : in_both, &copies[i])) wrong("pthread_create");
    while (ready < number) pause_for(1);
    int64_t end = now() + milliseconds;
    for (int i = 0; i < 2 && is_mode("asked"); i++) copies[i].interrupt(copies[i].interrupter);
    while (now() < end) {
        for (int i = 0; i < 2 && is_mode("storm"); i++) copies[i].interrupt(copies[i].interrupter);
        pause_for(1);
    }
    goes_on = 0;
    for (int i = 0; i < number; i++) pthread_join(threads[i], NULL);
    return 0;
}
