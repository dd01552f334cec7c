/* Counts what a program does to files, and lets one operation fail, or end the program, or lose what was not synced.
 *
 *     cc -O1 -shared -fPIC -o fault.so tools/fault.c -ldl
 *     LD_PRELOAD=./fault.so FAULT_ROOT=FOLDER FAULT_KIND=KIND FAULT_AT=N PROGRAM ..
 *
 * Only files below FAULT_ROOT count. Operation N (from 1) of open for writing, write, fsync, rename, mkdir, unlink, chmod
 * and chown
 *   kill    does not happen: SIGKILL
 *   power   does not happen: SIGKILL, after every file is cut at a random place behind its last fsync, as a power loss may
 *   torn    does not happen: SIGKILL; of a write, half of the bytes are written before
 *   ENOSPC, EIO, EACCES   fails with that error, as do all writes after it with ENOSPC
 *   short   writes one byte only (a write), which is no error
 * FAULT_COUNT=FILE receives the number of operations when the program ends. tools/crash.py uses this library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count, at;
static const char *root, *kind;
static int failing;
/* Descriptors with bytes that no fsync has covered: how long the file was at its last fsync. */
static struct { int open; off_t synced; } files[MOST];
static int lost[MOST], lost_count;
static off_t lost_from[MOST];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    root = getenv("FAULT_ROOT");
    kind = getenv("FAULT_KIND");
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
    if (!kind) kind = "";
}

__attribute__((destructor)) static void end(void) {
    const char *file = getenv("FAULT_COUNT");
    if (!file) return;
    char text[32];
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int length = snprintf(text, sizeof text, "%ld\n", count);
    if (fd >= 0 && syscall(SYS_write, fd, text, length) == length) syscall(SYS_close, fd);
}

static int below(const char *path) {
    if (!root || !path) return 0;
    char whole[4096];
    if (path[0] != '/') {
        if (!getcwd(whole, sizeof whole / 2)) return 0;
        strncat(strncat(whole, "/", 2), path, sizeof whole / 2 - 2);
        path = whole;
    }
    return strncmp(path, root, strlen(root)) == 0;
}

static int fd_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

static void cut(int fd, off_t synced) {
    struct stat now;
    if (fstat(fd, &now) || now.st_size <= synced) return;
    off_t length = synced + (off_t)(drand48() * (now.st_size - synced));
    if (syscall(SYS_ftruncate, fd, length)) return;
}

/* What to do at this operation: 0 go on, -1 fail with errno, 1 write less. */
static int step(int is_write, int fd, const void *bytes, size_t length) {
    pthread_mutex_lock(&lock);
    count++;
    int here = at && count == at, later = failing && is_write;
    pthread_mutex_unlock(&lock);
    if (!here && !later) return 0;
    if (!strcmp(kind, "kill") || !strcmp(kind, "power") || !strcmp(kind, "torn")) {
        if (!strcmp(kind, "torn") && is_write && length > 1) syscall(SYS_write, fd, bytes, length / 2);
        if (!strcmp(kind, "power")) {
            srand48(at);
            for (int i = 0; i < MOST; i++)
                if (files[i].open) cut(i, files[i].synced);
            for (int i = 0; i < lost_count; i++) cut(lost[i], lost_from[i]);
        }
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    if (!strcmp(kind, "short")) return is_write ? 1 : 0;
    errno = !strcmp(kind, "ENOSPC") ? ENOSPC : !strcmp(kind, "EACCES") ? EACCES : EIO;
    if (errno == ENOSPC) failing = 1;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (fd_below(fd)) {
        int how = step(1, fd, bytes, length);
        if (how < 0) return -1;
        if (how > 0 && length > 1) length = 1;
    }
    return REAL(write)(fd, bytes, length);
}

static int opened(int fd, int flags) {
    if (fd >= 0 && fd < MOST && (flags & O_ACCMODE) != O_RDONLY) {
        struct stat now;
        files[fd].open = 1;
        files[fd].synced = fstat(fd, &now) ? 0 : now.st_size;
    }
    return fd;
}

#define OPEN(name, parameters, path, call)                                                      \
    int name parameters {                                                                       \
        mode_t mode = 0;                                                                        \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                    \
            va_list more;                                                                       \
            va_start(more, flags);                                                              \
            mode = va_arg(more, mode_t);                                                        \
            va_end(more);                                                                       \
        }                                                                                       \
        int counts = (flags & O_ACCMODE) != O_RDONLY && below(path);                            \
        if (counts && step(0, -1, 0, 0) < 0) return -1;                                         \
        int fd = call;                                                                          \
        return counts ? opened(fd, flags) : fd;                                                 \
    }
OPEN(open, (const char *path, int flags, ...), path, REAL(open)(path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), path, REAL(open64)(path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), path, REAL(openat)(folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), path, REAL(openat64)(folder, path, flags, mode))

static int synced(int fd) {
    if (fd_below(fd)) {
        if (step(0, -1, 0, 0) < 0) return -1;
        struct stat now;
        if (fd < MOST && files[fd].open && !fstat(fd, &now)) files[fd].synced = now.st_size;
    }
    return 0;
}

int fsync(int fd) { return synced(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return synced(fd) ? -1 : REAL(fdatasync)(fd); }

int close(int fd) {
    if (fd >= 0 && fd < MOST && files[fd].open) {
        struct stat now;
        if (!fstat(fd, &now) && now.st_size > files[fd].synced && lost_count < MOST) {
            int kept = fcntl(fd, F_DUPFD_CLOEXEC, 512);
            if (kept >= 0) {
                lost_from[lost_count] = files[fd].synced;
                lost[lost_count++] = kept;
            }
        }
        files[fd].open = 0;
    }
    return REAL(close)(fd);
}

#define PATH(name, parameters, path, call)                                                      \
    int name parameters {                                                                       \
        if (below(path) && step(0, -1, 0, 0) < 0) return -1;                                    \
        return call;                                                                            \
    }
PATH(rename, (const char *from, const char *to), to, REAL(rename)(from, to))
PATH(unlink, (const char *path), path, REAL(unlink)(path))
PATH(mkdir, (const char *path, mode_t mode), path, REAL(mkdir)(path, mode))

int renameat(int a, const char *from, int b, const char *to) {
    if (below(to) && step(0, -1, 0, 0) < 0) return -1;
    return REAL(renameat)(a, from, b, to);
}

int fchmod(int fd, mode_t mode) {
    if (fd_below(fd) && step(0, -1, 0, 0) < 0) return -1;
    return REAL(fchmod)(fd, mode);
}
