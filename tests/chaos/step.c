/* The wall clock as Python sees it, stepped: preloaded into a run, it adds the seconds that a file holds to what
   clock_gettime(CLOCK_REALTIME) tells the interpreter, and to nobody else. The monotonic clock is left alone, as it is
   by NTP or by whoever sets a machine's time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static const volatile int64_t *step;

__attribute__((constructor)) static void prepare(void) {
    const char *path = getenv("WALL_STEP_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    step = page == MAP_FAILED ? 0 : page;
}

static int is_python(void *caller) {
    Dl_info found;
    if (!dladdr(caller, &found) || !found.dli_fname) return 0;
    const char *name = strrchr(found.dli_fname, '/');
    name = name ? name + 1 : found.dli_fname;
    return !strncmp(name, "python", 6) || !strncmp(name, "libpython", 9);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) prepare();
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME && step && *step && is_python(__builtin_return_address(0)))
        now->tv_sec += *step;
    return failed;
}
