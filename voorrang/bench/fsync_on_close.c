/*
 * LD_PRELOAD: a regular file that was opened for writing is synced before it is closed. No directory is synced.
 *
 * The file that BENCH_SYNC_COUNT_FILE names (8 bytes) holds how many were: shared memory, so that counting costs
 * nothing and children of a fork count too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t *synced;

__attribute__((constructor)) static void map_count(void)
{
    const char *path = getenv("BENCH_SYNC_COUNT_FILE");
    int descriptor = path ? open(path, O_RDWR) : -1;
    if (descriptor < 0)
        return;
    void *shared = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (shared != MAP_FAILED)
        synced = shared;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
    real(descriptor);
}

static void sync_if_written(int descriptor)
{
    struct stat status;
    int flags = descriptor < 0 ? -1 : fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if (fsync(descriptor) == 0 && synced)
        __atomic_add_fetch(synced, 1, __ATOMIC_RELAXED);
}

int fclose(FILE *file)
{
    static int (*real)(FILE *);
    if (!real)
        real = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
    if (file && fflush(file) == 0)
        sync_if_written(fileno(file));
    return real(file);
}

int close(int descriptor)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "close");
    sync_if_written(descriptor);
    return real(descriptor);
}
