/*
 * A host of plugins, which knows nothing of eintr: it loads each that it is told, has it run on a thread, stops it, and unloads it
 * while that thread is still there.
 *
 *     ./host ./plugin.so
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*function)(void);

static pthread_barrier_t returned, unloaded;
static int result;

static function find(void *plugin, const char *name)
{
    function found = (function)dlsym(plugin, name);
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

static void *work(void *run)
{
    result = (*(function *)run)();
    pthread_barrier_wait(&returned);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_barrier_init(&returned, NULL, 2);
    pthread_barrier_init(&unloaded, NULL, 2);
    for (int i = 1; i < argc; i++) {
        pthread_t thread;
        void *plugin = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (!plugin) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        function run = find(plugin, "plugin_run"), stop = find(plugin, "plugin_stop");
        if (find(plugin, "plugin_init")() != 0 || pthread_create(&thread, NULL, work, &run) != 0)
            return 1;
        if (stop() != 0)
            return 1;
        pthread_barrier_wait(&returned);
        dlclose(plugin);
        pthread_barrier_wait(&unloaded);
        pthread_join(thread, NULL);
        printf("%s: %s\n", argv[i], result == 1 ? "stopped" : "came back by itself?");
        if (result != 1)
            return 1;
    }
    return 0;
}
