/* Children by vfork and by popen. */
#include "company.h"

#include <sys/wait.h>

/* A wait that was refused is made at the next round. Only this thread has children. */
static void reap(void) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
}

static int by_vfork(void) {
    int status;
    reap();
    pid_t child = vfork();
    if (!child) {
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    if (child < 0) return -1;
    if (waitpid(child, &status, 0) < 0) return -1;
    if (status) wrong("a child of vfork: status %x", status);
    return 0;
}

static int by_popen(void) {
    char line[10];
    reap();
    FILE *file = popen("echo hello", "r");
    if (!file) return -1;
    int read = fgets(line, sizeof line, file) != NULL;
    int status = pclose(file);
    if (status == -1 || !read) return -1;
    if (status || strcmp(line, "hello\n")) wrong("popen: status %x, %s", status, line);
    return 0;
}

int main(int count, char **arguments) {
    begin(count, arguments);
    beside(1, !strcmp(argument, "vfork") ? (company_round[]){by_vfork} : (company_round[]){by_popen});
}
