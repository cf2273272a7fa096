/*
 * Simulates a disk that forgets what was not synced, when it is preloaded into a process.
 *
 * For every file below POWERLOSS_DIR there is a shadow in POWERLOSS_SHADOW, which has only what
 * was synced: fsync and fdatasync bring it up to date with the file, as the file is at that
 * moment, whoever wrote it; nothing else touches it. A sync that is cut short by a kill leaves a
 * part of it done, as a disk does. The real sync is left out, since the real disk is not asked.
 *
 * With POWERLOSS_KILL_AT or POWERLOSS_KILL_AT_WRITE, the process dies before its sync or its write
 * of that number.
 *
 * The shared memory file of SQLite has no shadow: it does not outlive a loss of power.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 4096

static void fail(const char *what) {
    fprintf(stderr, "powerloss: %s: %s\n", what, strerror(errno));
    abort();
}

/* The name of the file below POWERLOSS_DIR, or NULL if it is elsewhere. */
static const char *below(const char *path) {
    const char *dir = getenv("POWERLOSS_DIR");
    size_t length = dir ? strlen(dir) : 0;
    if (length == 0 || strncmp(path, dir, length) != 0 || path[length] != '/') return NULL;
    return path + length + 1;
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void shadow_path(char *path, const char *name) {
    snprintf(path, PATH_MAX, "%s/%s", getenv("POWERLOSS_SHADOW"), name);
}

/* One sync at a time, over all processes: an older copy must not overwrite a newer one. */
static int lock(void) {
    char path[PATH_MAX];
    shadow_path(path, ".lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) fail("lock");
    return fd;
}

static void copy(int from, int to) {
    char new[BLOCK], old[BLOCK];
    off_t at = 0;
    for (;;) {
        ssize_t count = pread(from, new, BLOCK, at);
        if (count < 0) fail("pread");
        if (count == 0) break;
        ssize_t known = pread(to, old, BLOCK, at);
        if (known != count || memcmp(new, old, (size_t)count) != 0) {
            if (pwrite(to, new, (size_t)count, at) != count) fail("pwrite");
        }
        at += count;
    }
    struct stat shadow;
    if (fstat(to, &shadow) != 0) fail("fstat");
    if (shadow.st_size > at && ftruncate(to, at) != 0) fail("ftruncate");
}

/* Counts syncs by a byte each, so that a test can tell that the shim is in use. */
static void count_sync(void) {
    char path[PATH_MAX];
    shadow_path(path, ".syncs");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "s", 1) != 1) fail("syncs");
    close(fd);
}

/* Once the directory was synced, what was deleted stays deleted. */
static void sync_directory(void) {
    char real[PATH_MAX], shadow[PATH_MAX];
    DIR *shadows = opendir(getenv("POWERLOSS_SHADOW"));
    if (!shadows) fail("opendir");
    for (struct dirent *entry; (entry = readdir(shadows)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(real, sizeof real, "%s/%s", getenv("POWERLOSS_DIR"), entry->d_name);
        shadow_path(shadow, entry->d_name);
        if (access(real, F_OK) != 0 && unlink(shadow) != 0) fail("unlink");
    }
    closedir(shadows);
}

/* Dies if this is the sync or the write whose number is in the variable. */
static void kill_at(const char *variable, atomic_long *count) {
    const char *at = getenv(variable);
    if (atomic_fetch_add(count, 1) + 1 == (at ? atol(at) : 0)) raise(SIGKILL);
}

/* The path of an open file. */
static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return -1;
    path[length] = '\0';
    return 0;
}

static void sync_file(int fd, const char *name) {
    char shadow[PATH_MAX];
    shadow_path(shadow, name);
    int to = open(shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0) fail("open");
    copy(fd, to);
    count_sync();
    close(to);
}

static int sync_shadow(int fd) {
    static atomic_long syncs;
    char path[PATH_MAX];
    if (path_of(fd, path) != 0) return -1;
    const char *dir = getenv("POWERLOSS_DIR");
    const char *name = below(path);
    int directory = dir && strcmp(path, dir) == 0;
    if (!directory && !name) return 0;
    if (name && (ends_with(name, "-shm") || ends_with(name, " (deleted)"))) return 0;
    kill_at("POWERLOSS_KILL_AT", &syncs);
    int locked = lock();
    if (directory) sync_directory(); else sync_file(fd, name);
    close(locked);
    return 0;
}

static void before_write(int fd) {
    static atomic_long writes;
    char path[PATH_MAX];
    if (path_of(fd, path) == 0 && below(path)) kill_at("POWERLOSS_KILL_AT_WRITE", &writes);
}

ssize_t write(int fd, const void *data, size_t size) {
    before_write(fd);
    return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    before_write(fd);
    return syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    before_write(fd);
    return syscall(SYS_pwrite64, fd, data, size, at);
}

int fsync(int fd) { return sync_shadow(fd); }
int fdatasync(int fd) { return sync_shadow(fd); }
