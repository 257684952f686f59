/* LD_PRELOAD: counts the flushes of a process, those of its journal apart from all others, and makes each of them slower by SLOW_MS,
   as the flash of a small device is. FLUSH_LOG names a file of two 8-byte counters that another process may read at any moment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static long none[2];
static long *counters = none;
static long slow_us;

__attribute__((constructor)) static void init(void) {
  const char *slow = getenv("SLOW_MS"), *log = getenv("FLUSH_LOG");
  slow_us = slow ? (long)(atof(slow) * 1000) : 0;
  int fd = log ? open(log, O_RDWR | O_CREAT, 0600) : -1;
  if (fd < 0) return;
  void *map = ftruncate(fd, sizeof none) ? MAP_FAILED : mmap(0, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) counters = map;
  close(fd);
}

static void count(int fd) {
  char link[32], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  __sync_fetch_and_add(counters + (strstr(path, "journal.db") ? 0 : 1), 1);
  if (slow_us > 0) {
    struct timespec t = {slow_us / 1000000, slow_us % 1000000 * 1000};
    nanosleep(&t, 0);
  }
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  count(fd);
  return real(fd);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  count(fd);
  return real(fd);
}
