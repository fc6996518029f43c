/* Stands between the program and the C library (LD_PRELOAD) and lets the calls fail that a broken
 * disk, or a file system that lacks something, lets fail. Which ones say the files in the directory
 * $DISK_FAULTS, looked at with each call; see faulty_disk.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MOST_FILES 4096

/* For a file that was opened to be written: how often the disk had been replaced by then, plus one. */
static int disk_of[MOST_FILES];

/* The number in the file of this name; 0 when there is none, 1 when it is empty. */
static int fault(const char *name) {
    const char *directory = getenv("DISK_FAULTS");
    char path[4096], text[16] = "";
    if (!directory) return 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = REAL(read)(file, text, sizeof text - 1);
    REAL(close)(file);
    return length > 0 ? atoi(text) : 1;
}

static int known(int file) { return file >= 0 && file < MOST_FILES; }

static void opened(int file, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (known(file)) disk_of[file] = writes ? fault("replaced") + 1 : 0;
}

/* Whether the disk that this file is on is gone; sets errno. */
static int is_gone(int file) {
    if (!known(file) || !disk_of[file] || disk_of[file] > fault("replaced")) return 0;
    errno = fault("stale") ? ESTALE : EIO;
    return 1;
}

static int opening(const char *name, const char *path, int flags, mode_t mode) {
    int file = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
    opened(file, flags);
    return file;
}

#define OPENING(name)                                                                             \
    int name(const char *path, int flags, ...) {                                                  \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode_t mode = va_arg(rest, mode_t);                                                       \
        va_end(rest);                                                                             \
        return opening(#name, path, flags, mode);                                                 \
    }
OPENING(open)
OPENING(open64)

static int controlled(const char *name, int file, int command, long argument) {
    int result = ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(file, command, argument);
    if ((command == F_DUPFD_CLOEXEC || command == F_DUPFD) && known(file) && known(result))
        disk_of[result] = disk_of[file];
    return result;
}

#define CONTROLLED(name)                                                                          \
    int name(int file, int command, ...) {                                                        \
        va_list rest;                                                                             \
        va_start(rest, command);                                                                  \
        long argument = va_arg(rest, long);                                                       \
        va_end(rest);                                                                             \
        return controlled(#name, file, command, argument);                                        \
    }
CONTROLLED(fcntl)
CONTROLLED(fcntl64)

int close(int file) {
    if (known(file)) disk_of[file] = 0;
    return REAL(close)(file);
}

ssize_t write(int file, const void *bytes, size_t length) {
    return is_gone(file) ? -1 : REAL(write)(file, bytes, length);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    return is_gone(file) ? -1 : REAL(pwrite64)(file, bytes, length, offset);
}

ssize_t read(int file, void *bytes, size_t length) {
    return is_gone(file) ? -1 : REAL(read)(file, bytes, length);
}

ssize_t pread64(int file, void *bytes, size_t length, off64_t offset) {
    return is_gone(file) ? -1 : REAL(pread64)(file, bytes, length, offset);
}

int ftruncate64(int file, off64_t length) {
    if (is_gone(file)) return -1;
    if (fault("append-only")) {
        errno = EPERM;
        return -1;
    }
    return REAL(ftruncate64)(file, length);
}

int fdatasync(int file) {
    if (is_gone(file)) return -1;
    if (fault("slow-sync")) usleep(400000);
    return REAL(fdatasync)(file);
}

int fsync(int file) {
    struct stat found;
    if (is_gone(file)) return -1;
    if (fault("no-directory-sync") && !fstat(file, &found) && S_ISDIR(found.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return REAL(fsync)(file);
}

int flock(int file, int operation) {
    if (fault("no-locks")) {
        errno = ENOLCK;
        return -1;
    }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
}

/* With an empty path it is about the open file itself; Rust's library tries it with none at all. */
int statx(int file, const char *path, int flags, unsigned int mask, struct statx *found) {
    const char *volatile name = path;
    if (name && !*name && fault("stale") && is_gone(file)) return -1;
    return REAL(statx)(file, path, flags, mask, found);
}
