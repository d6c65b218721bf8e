/* Lets a file grow while it is read: at the N-th read of it, some bytes are appended first.
 *
 * LD_PRELOAD=libweirgrow.so with
 *   WEIR_GROW_FILE   the file, an absolute path
 *   WEIR_GROW_AT     N, from 1
 *   WEIR_GROW_BY     the bytes, without a NUL
 *   WEIR_GROW_COUNT  a file that gets one byte a read: how many there were
 *
 * A read is a pread that names the file by its descriptor.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic long reads;

static int is_it(int fd) {
  const char *file = getenv("WEIR_GROW_FILE");
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (file == NULL || size < 0) return 0;
  path[size] = '\0';
  return strcmp(path, file) == 0;
}

static void append(const char *path, const char *bytes) {
  const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, bytes, strlen(bytes)) < 0) abort();
  close(fd);
}

static void grow(int fd) {
  if (!is_it(fd)) return;
  const char *at = getenv("WEIR_GROW_AT");
  const char *count = getenv("WEIR_GROW_COUNT");
  if (count != NULL) append(count, ".");
  if (at != NULL && ++reads == atol(at)) append(getenv("WEIR_GROW_FILE"), getenv("WEIR_GROW_BY"));
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset) {
  static ssize_t (*real)(int, void *, size_t, off_t);
  if (real == NULL) real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
  grow(fd);
  return real(fd, buffer, size, offset);
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset) {
  return pread(fd, buffer, size, (off_t)offset);
}
