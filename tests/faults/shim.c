/* Makes system calls fail as they do on network file systems, in containers and on full disks; see faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Whether FAULT_PROGRAM, a part of the program's path, is not set or fits this program. */
static int is_meant(void) {
    const char *wanted = setting("FAULT_PROGRAM");
    char path[4096];
    ssize_t size = wanted ? readlink("/proc/self/exe", path, sizeof path - 1) : 0;
    if (!wanted) return 1;
    if (size <= 0) return 0;
    path[size] = 0;
    return strstr(path, wanted) != NULL;
}

int flock(int fd, int operation) {
    static int (*real)(int, int);
    const char *fault = setting("FAULT_FLOCK");
    if (!real) real = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    if (fault && is_meant()) {
        errno = atoi(fault);
        return -1;
    }
    return real(fd, operation);
}

/* Whether the next write below FAULT_UNDER is to fail: from the FAULT_AT-th on, with the error FAULT_WRITE. */
static int fails(const char *path) {
    static int count;
    const char *fault = setting("FAULT_WRITE"), *under = setting("FAULT_UNDER"), *at = setting("FAULT_AT");
    if (!fault || !under || !path || strncmp(path, under, strlen(under)) || !is_meant()) return 0;
    if (__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) < (at ? atoi(at) : 1)) return 0;
    errno = atoi(fault);
    return 1;
}

static int fails_for(int fd) {
    char link[64], path[4096];
    int saved = errno;
    strcpy(link, "/proc/self/fd/");
    char *digit = link + strlen(link), digits[16];
    int n = 0;
    if (!setting("FAULT_WRITE") || fd < 3) return 0;
    do digits[n++] = '0' + fd % 10; while ((fd /= 10));
    while (n) *digit++ = digits[--n];
    *digit = 0;
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (size <= 0) return 0;
    path[size] = 0;
    return fails(path);
}

#define OPEN(name)                                                         \
    int name(const char *path, int flags, ...) {                           \
        static int (*real)(const char *, int, ...);                        \
        va_list list;                                                      \
        va_start(list, flags);                                             \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;  \
        va_end(list);                                                      \
        if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        if ((flags & O_CREAT) && access(path, F_OK) && fails(path)) return -1; \
        return real(path, flags, mode);                                    \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
    int name(int folder, const char *path, int flags, ...) {               \
        static int (*real)(int, const char *, int, ...);                   \
        va_list list;                                                      \
        va_start(list, flags);                                             \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;  \
        va_end(list);                                                      \
        if (!real) real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        if ((flags & O_CREAT) && access(path, F_OK) && fails(path)) return -1; \
        return real(folder, path, flags, mode);                            \
    }
OPENAT(openat)
OPENAT(openat64)

int mkdir(const char *path, mode_t mode) {
    static int (*real)(const char *, mode_t);
    if (!real) real = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    return access(path, F_OK) && fails(path) ? -1 : real(path, mode);
}

int symlink(const char *target, const char *path) {
    static int (*real)(const char *, const char *);
    if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "symlink");
    return fails(path) ? -1 : real(target, path);
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return fails_for(fd) ? -1 : real(fd, data, size);
}

/* Whether the next process or thread cannot be started: from the FAULT_AT-th on, with the error FAULT_SPAWN. */
static int spawn_fault(void) {
    static int count;
    const char *fault = setting("FAULT_SPAWN"), *at = setting("FAULT_AT");
    if (!fault || !is_meant()) return 0;
    return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) < (at ? atoi(at) : 1) ? 0 : atoi(fault);
}

pid_t fork(void) {
    static pid_t (*real)(void);
    if (!real) real = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
    int fault = spawn_fault();
    if (fault) errno = fault;
    return fault ? -1 : real();
}

pid_t vfork(void) { return fork(); }

#define SPAWN(name)                                                                                         \
    int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                       \
             const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {     \
        static int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,                       \
                           const posix_spawnattr_t *, char *const[], char *const[]);                        \
        if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, #name);                                        \
        int fault = spawn_fault();                                                                          \
        return fault ? fault : real(pid, path, actions, attributes, arguments, environment);                \
    }
SPAWN(posix_spawn)
SPAWN(posix_spawnp)

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "pthread_create");
    int fault = spawn_fault();
    return fault ? fault : real(thread, attributes, function, argument);
}

/* A clock that is FAULT_CLOCK seconds off. */
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    const char *offset = id == CLOCK_REALTIME ? setting("FAULT_CLOCK") : NULL;
    if (!status && offset) now->tv_sec += atol(offset);
    return status;
}
