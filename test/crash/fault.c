/* LD_PRELOAD: counts the file calls of a process on its journal while it is armed, and makes the n-th of them fail, stop halfway, or
   be the last thing that the process does. FAULT_CONTROL names the file of `struct control`, FAULT_DIR the data folder. Another
   process arms it and reads the counters at any moment. FAULT_IMAGE is a folder in which each file of the journal stands as it was
   when it was last flushed: what a power cut leaves of it at the worst. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum mode { NONE, FAIL_EIO, FAIL_ENOSPC, KILL, TEAR, POWER };

static struct control {
  long armed, mode, nth, count, fired;
  char calls[512][24]; /* what was called, in order */
} nowhere, *control = &nowhere;
static const char *dir = "/nowhere", *image;

__attribute__((constructor)) static void init(void) {
  const char *path = getenv("FAULT_CONTROL");
  image = getenv("FAULT_IMAGE");
  if (getenv("FAULT_DIR")) dir = getenv("FAULT_DIR");
  int fd = path ? open(path, O_RDWR) : -1;
  if (fd < 0) return;
  void *map = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) control = map;
  close(fd);
}

/* Whether this call is the one, after it was counted. */
static int is_due(const char *call, const char *path) {
  const char *name = strstr(path, "/journal.db");
  int is_dir = strcmp(path, dir) == 0;
  if (!control->armed || (!name && !is_dir)) return 0;
  long at = __sync_add_and_fetch(&control->count, 1);
  if (at <= 512) snprintf(control->calls[at - 1], 24, "%s %s", call, is_dir ? "dir" : name + 8);
  if (at != control->nth) return 0;
  control->fired = 1;
  if (control->mode == KILL || control->mode == POWER) kill(getpid(), SIGKILL);
  errno = control->mode == FAIL_ENOSPC ? ENOSPC : EIO;
  return 1;
}

static void path_of(int fd, char path[512]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, 511);
  path[n < 0 ? 0 : n] = 0;
}

static int is_due_fd(const char *call, int fd) {
  if (!control->armed) return 0;
  char path[512];
  path_of(fd, path);
  return is_due(call, path);
}

/* Copies what was just flushed into the image, whole or not at all. */
static int flushed(int fd, int result) {
  char path[512], copy[600], unfinished[600], bytes[65536];
  path_of(fd, path);
  const char *name = strstr(path, "/journal.db");
  if (result || !image || !name) return result;
  snprintf(copy, sizeof copy, "%s%s", image, name);
  snprintf(unfinished, sizeof unfinished, "%s.new", copy);
  int from = open(path, O_RDONLY), to = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
    if (write(to, bytes, n) != n) abort();
  close(from);
  close(to);
  return rename(unfinished, copy);
}

#define REAL(name) \
  static typeof(name) *real; \
  if (!real) real = (typeof(name) *)dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  REAL(pwrite64);
  if (!is_due_fd("pwrite", fd)) return real(fd, bytes, size, at);
  if (control->mode == TEAR) {
    real(fd, bytes, size / 2, at);
    kill(getpid(), SIGKILL);
  }
  return -1;
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) {
  REAL(pread64);
  /* To end before a read is to end before the write after it. */
  int counts = control->mode == FAIL_EIO || control->mode == FAIL_ENOSPC;
  return counts && is_due_fd("pread", fd) ? -1 : real(fd, bytes, size, at);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return is_due_fd("fdatasync", fd) ? -1 : flushed(fd, real(fd));
}

int fsync(int fd) {
  REAL(fsync);
  return is_due_fd("fsync", fd) ? -1 : flushed(fd, real(fd));
}

int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  return is_due_fd("ftruncate", fd) ? -1 : real(fd, size);
}

int unlink(const char *path) {
  REAL(unlink);
  return is_due("unlink", path) ? -1 : real(path);
}

int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return is_due("open", path) ? -1 : real(path, flags, mode);
}
