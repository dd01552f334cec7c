/* Counts what a program does to files, and lets one operation fail or end the program, or records all of them.
 *
 *     cc -O1 -shared -fPIC -o fault.so tools/fault.c -ldl
 *     LD_PRELOAD=./fault.so FAULT_ROOT=FOLDER FAULT_KIND=KIND FAULT_AT=N PROGRAM ..
 *
 * Only files below FAULT_ROOT count. Operation N (from 1; 0 means none, -1 every one) of open, opendir, read, write, fsync,
 * rename, unlink, rmdir, mkdir, chmod, chown and truncate
 *   kill    does not happen: SIGKILL
 *   torn    does not happen: SIGKILL; of a write, half of the bytes are written before
 *   ENOSPC, EIO, EACCES   fails with that error; with ENOSPC, later writes do, too; only writing fails for want of space
 *   short   reads or writes a third only, which is no error
 * FAULT_COUNT=FILE receives the names of the operations in order, one a line. FAULT_LOG=FILE receives what changes files, so
 * that tools/crash.py can make what a power loss may leave: lines of fields with tabs between them, and after a write's line
 * its bytes.
 */
#define _GNU_SOURCE
#include <dirent.h>
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
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count, at;
static const char *root, *kind = "";
static int full, names = -1, record = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int output(const char *variable) {
    const char *file = getenv(variable);
    return file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644) : -1;
}

__attribute__((constructor)) static void begin(void) {
    root = getenv("FAULT_ROOT");
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
    if (getenv("FAULT_KIND")) kind = getenv("FAULT_KIND");
    names = output("FAULT_COUNT");
    record = output("FAULT_LOG");
}

/* The absolute form of `path`, or NULL if it is not below the root. */
static const char *below(int folder, const char *path, char whole[8192]) {
    if (!root || !path) return 0;
    if (path[0] == '/') {
        snprintf(whole, 8192, "%s", path);
    } else {
        char link[64], start[4096];
        if (folder == AT_FDCWD) {
            if (!getcwd(start, sizeof start)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t n = readlink(link, start, sizeof start - 1);
            if (n < 0) return 0;
            start[n] = 0;
        }
        snprintf(whole, 8192, "%s/%s", start, path);
    }
    return strncmp(whole, root, strlen(root)) ? 0 : whole;
}

static const char *open_below(int fd, char whole[8192]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = root ? readlink(link, whole, 8191) : -1;
    if (n < 0) return 0;
    whole[n] = 0;
    return strncmp(whole, root, strlen(root)) ? 0 : whole;
}

enum what { LOOK, READ, WRITE, CHANGE };

/* What to do at this operation: 0 go on, -1 fail with errno, 1 transfer a part. */
static int step(const char *name, const char *path, enum what what, int fd, const void *bytes, size_t length) {
    int kept = errno;
    pthread_mutex_lock(&lock);
    int here = ++count == at || at < 0, later = full && what == WRITE;
    if (names >= 0) {
        char line[8300];
        int n = snprintf(line, sizeof line, "%s\t%s\n", name, path);
        if (syscall(SYS_write, names, line, n) != n) names = -1;
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    if (!here && !later) return 0;
    if (!strcmp(kind, "kill") || !strcmp(kind, "torn")) {
        if (!strcmp(kind, "torn") && what == WRITE && length > 1 && syscall(SYS_write, fd, bytes, length / 2) < 0) _exit(9);
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    if (!strcmp(kind, "short")) return what == READ || what == WRITE;
    if (!strcmp(kind, "ENOSPC")) {
        if (what == LOOK || what == READ) return 0;
        full = 1;
        errno = ENOSPC;
        return -1;
    }
    if (!strcmp(kind, "EIO") || !strcmp(kind, "EACCES")) {
        errno = !strcmp(kind, "EIO") ? EIO : EACCES;
        return -1;
    }
    return 0;
}

/* Writes a line, and bytes after it, in one piece. */
static void note(const void *bytes, size_t length, const char *format, ...) {
    if (record < 0) return;
    int kept = errno;
    char line[17000];
    va_list fields;
    va_start(fields, format);
    size_t n = vsnprintf(line, sizeof line, format, fields);
    va_end(fields);
    char *whole = malloc(n + length);
    memcpy(whole, line, n);
    if (length) memcpy(whole + n, bytes, length);
    pthread_mutex_lock(&lock);
    for (size_t done = 0; done < n + length;) {
        ssize_t part = syscall(SYS_write, record, whole + done, n + length - done);
        if (part <= 0) _exit(9);
        done += part;
    }
    pthread_mutex_unlock(&lock);
    free(whole);
    errno = kept;
}

static unsigned long inode(int fd) {
    struct stat now;
    return fstat(fd, &now) ? 0 : now.st_ino;
}

#define OPEN(name, parameters, folder, call)                                                                     \
    int name parameters {                                                                                        \
        mode_t mode = 0;                                                                                         \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                     \
            va_list more;                                                                                        \
            va_start(more, flags);                                                                               \
            mode = va_arg(more, mode_t);                                                                         \
            va_end(more);                                                                                        \
        }                                                                                                        \
        char whole[8192];                                                                                        \
        const char *file = below(folder, path, whole);                                                           \
        int writes = (flags & O_ACCMODE) != O_RDONLY;                                                            \
        if (file && step(writes ? "create" : "open", file, writes ? CHANGE : LOOK, -1, 0, 0) < 0) return -1;     \
        int fd = call;                                                                                           \
        if (file && writes && fd >= 0) note(0, 0, "open\t%s\t%lu\t%d\n", file, inode(fd), !!(flags & O_TRUNC)); \
        return fd;                                                                                               \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, REAL(open)(path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, REAL(open64)(path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), folder, REAL(openat)(folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, REAL(openat64)(folder, path, flags, mode))

#define TRANSFER(name, type, what, parameters, arguments, ...)                                        \
    ssize_t name parameters {                                                                         \
        char whole[8192];                                                                             \
        const char *file = open_below(fd, whole);                                                     \
        if (file) {                                                                                   \
            int how = step(#name, file, what, fd, bytes, length);                                     \
            if (how < 0) return -1;                                                                   \
            if (how > 0 && length > 1) length = (length + 2) / 3;                                     \
        }                                                                                             \
        ssize_t done = REAL(name) arguments;                                                          \
        __VA_ARGS__                                                                                   \
        return done;                                                                                  \
    }
TRANSFER(read, void, READ, (int fd, void *bytes, size_t length), (fd, bytes, length))
TRANSFER(pread64, void, READ, (int fd, void *bytes, size_t length, off64_t from), (fd, bytes, length, from))
TRANSFER(write, const void, WRITE, (int fd, const void *bytes, size_t length), (fd, bytes, length),
    if (file && done > 0) note(bytes, done, "write\t%lu\t%lld\t%zd\n", inode(fd), (long long)lseek(fd, 0, SEEK_CUR) - done, done);)

#define DESCRIPTOR(name, parameters, arguments, ...)                                   \
    int name parameters {                                                              \
        char whole[8192];                                                              \
        const char *file = open_below(fd, whole);                                      \
        if (file && step(#name, file, CHANGE, fd, 0, 0) < 0) return -1;                \
        int done = REAL(name) arguments;                                               \
        __VA_ARGS__                                                                    \
        return done;                                                                   \
    }
#define SYNCED if (file && !done) note(0, 0, "sync\t%s\t%lu\n", file, inode(fd));
DESCRIPTOR(fsync, (int fd), (fd), SYNCED)
DESCRIPTOR(fdatasync, (int fd), (fd), SYNCED)
DESCRIPTOR(fchmod, (int fd, mode_t mode), (fd, mode))
DESCRIPTOR(fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
DESCRIPTOR(ftruncate64, (int fd, off64_t length), (fd, length),
    if (file && !done) note(0, 0, "truncate\t%lu\t%lld\n", inode(fd), (long long)length);)

#define PATH(name, folder, kind, parameters, arguments, ...)                           \
    int name parameters {                                                              \
        char whole[8192];                                                              \
        const char *file = below(folder, path, whole);                                 \
        if (file && step(kind, file, CHANGE, -1, 0, 0) < 0) return -1;                 \
        int done = REAL(name) arguments;                                               \
        if (file && !done) note(0, 0, __VA_ARGS__);                                    \
        return done;                                                                   \
    }
PATH(unlink, AT_FDCWD, "unlink", (const char *path), (path), "unlink\t%s\n", file)
PATH(unlinkat, folder, "unlink", (int folder, const char *path, int flags), (folder, path, flags), "unlink\t%s\n", file)
PATH(rmdir, AT_FDCWD, "rmdir", (const char *path), (path), "unlink\t%s\n", file)
PATH(mkdir, AT_FDCWD, "mkdir", (const char *path, mode_t mode), (path, mode), "mkdir\t%s\n", file)

int rename(const char *from, const char *path) {
    char whole[8192], old[8192];
    const char *file = below(AT_FDCWD, path, whole), *source = below(AT_FDCWD, from, old);
    if (file && step("rename", file, CHANGE, -1, 0, 0) < 0) return -1;
    int done = REAL(rename)(from, path);
    if (file && source && !done) note(0, 0, "rename\t%s\t%s\n", source, file);
    return done;
}

DIR *opendir(const char *path) {
    char whole[8192];
    const char *file = below(AT_FDCWD, path, whole);
    if (file && step("opendir", file, LOOK, -1, 0, 0) < 0) return 0;
    return REAL(opendir)(path);
}
