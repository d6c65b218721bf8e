/* Kills a process, or fails its call, at the N-th change that it makes to files below a folder.
 *
 * LD_PRELOAD=libweirshim.so with
 *   WEIR_SHIM_ROOT     the folder; without it nothing is counted
 *   WEIR_SHIM_EXCLUDE  below it, but not counted: folders or fnmatch patterns, separated by ':'
 *   WEIR_SHIM_COUNT    a file of three native 64-bit numbers, shared by all processes of a run:
 *                      calls counted, faults that took place, whether CRASH struck
 *   WEIR_SHIM_AT       N, from 1; without it calls are counted only
 *   WEIR_SHIM_DO       KILL   SIGKILL to the process that makes the call (the default)
 *                      CRASH  the same, and every other process of the run dies at its next call
 *                      TEAR   half of a write, then KILL; on other calls KILL
 *                      SHORT  half of a write, told truly; other calls pass
 *                      EIO, ENOSPC, EDQUOT, EMFILE, EACCES: the call fails so
 *   WEIR_SHIM_WHEN     before (the default) or after: a failed call has had its effect
 *   WEIR_SHIM_STICKY   1: the N-th and all later calls
 *   WEIR_SHIM_SENDS    1: what goes to a database (or anybody else) by send() is counted as well
 *   WEIR_SHIM_LOG      a file that gets a line a call: number, process, call, bytes, path
 *   WEIR_SHIM_RECORD   a file that gets each change that took place, its bytes included, in order:
 *                      lines "call inode offset bytes path [tab path]", each followed by its bytes.
 *                      tests/crash/disk.py reads it. Threads of a process change files one at a time
 *                      meanwhile; several processes at once are not put in order.
 *
 * Counted are opens that may create or truncate, writes, syncs, renames, links, removals, new
 * folders, truncations and allocations. What glibc does inside itself cannot be seen from here, so
 * of a FILE its opening, flush and close are counted. Not seen: mmap, io_uring, raw system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { KILL, CRASH, TEAR, SHORT, FAIL };
enum verdict { PASS, FAIL_BEFORE, FAIL_AFTER, CUT, CUT_AND_DIE };

struct counts {
  _Atomic uint64_t calls;
  _Atomic uint64_t fired;
  _Atomic uint64_t has_crashed;
};

static struct counts own_counts;
static struct counts *counts = &own_counts;
static char root[PATH_MAX];
static char excluded[8 * PATH_MAX];
static uint64_t at;
static enum action action = KILL;
static int fault_errno;
static int is_after;
static int is_sticky;
static int counts_sends;
static int log_fd = -1;
static int record_fd = -1;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The real function: what the next library defines under the name. */
#define REAL(name)                                                        \
  ({                                                                      \
    static __typeof__(&name) real;                                        \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);  \
    real;                                                                 \
  })

static void complain(const char *what) {
  static const char kHead[] = "weirshim: ";
  if (syscall(SYS_write, 2, kHead, sizeof kHead - 1) < 0 ||
      syscall(SYS_write, 2, what, strlen(what)) < 0 || syscall(SYS_write, 2, "\n", 1) < 0)
    errno = 0;
  _exit(99);
}

static void read_action(const char *text) {
  static const struct {
    const char *name;
    enum action action;
    int number;
  } kActions[] = {{"KILL", KILL, 0},       {"CRASH", CRASH, 0},       {"TEAR", TEAR, 0},
                  {"SHORT", SHORT, 0},     {"EIO", FAIL, EIO},        {"ENOSPC", FAIL, ENOSPC},
                  {"EDQUOT", FAIL, EDQUOT}, {"EMFILE", FAIL, EMFILE}, {"EACCES", FAIL, EACCES}};
  for (size_t i = 0; i < sizeof kActions / sizeof *kActions; ++i) {
    if (strcmp(text, kActions[i].name) != 0) continue;
    action = kActions[i].action;
    fault_errno = kActions[i].number;
    return;
  }
  complain("unknown WEIR_SHIM_DO");
}

static int open_file(const char *path, int flags) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0644);
}

static void share_counts(const char *path) {
  const int fd = open_file(path, O_RDWR | O_CREAT);
  if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *counts) != 0) complain("no WEIR_SHIM_COUNT");
  void *shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) complain("no WEIR_SHIM_COUNT");
  counts = shared;
  syscall(SYS_close, fd);
}

static void start(void) {
  const char *text = getenv("WEIR_SHIM_ROOT");
  if (text == NULL || realpath(text, root) == NULL) {
    if (text != NULL) complain("WEIR_SHIM_ROOT is not there");
    root[0] = '\0';
    return;
  }
  if ((text = getenv("WEIR_SHIM_EXCLUDE")) != NULL) strncpy(excluded, text, sizeof excluded - 1);
  if ((text = getenv("WEIR_SHIM_AT")) != NULL) at = strtoull(text, NULL, 10);
  if ((text = getenv("WEIR_SHIM_DO")) != NULL) read_action(text);
  if ((text = getenv("WEIR_SHIM_WHEN")) != NULL) is_after = strcmp(text, "after") == 0;
  if ((text = getenv("WEIR_SHIM_STICKY")) != NULL) is_sticky = strcmp(text, "1") == 0;
  if ((text = getenv("WEIR_SHIM_SENDS")) != NULL) counts_sends = strcmp(text, "1") == 0;
  if ((text = getenv("WEIR_SHIM_COUNT")) != NULL) share_counts(text);
  if ((text = getenv("WEIR_SHIM_LOG")) != NULL)
    log_fd = open_file(text, O_WRONLY | O_CREAT | O_APPEND);
  if ((text = getenv("WEIR_SHIM_RECORD")) != NULL)
    record_fd = open_file(text, O_WRONLY | O_CREAT | O_APPEND);
}

static int is_below(const char *path, const char *folder, size_t size) {
  while (size > 1 && folder[size - 1] == '/') --size;
  return size > 0 && strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static int is_counted(const char *path) {
  if (root[0] == '\0' || !is_below(path, root, strlen(root))) return 0;
  for (const char *from = excluded; *from != '\0';) {
    const size_t size = strcspn(from, ":");
    char pattern[PATH_MAX];
    if (size > 0 && size < sizeof pattern) {
      memcpy(pattern, from, size);
      pattern[size] = '\0';
      if (is_below(path, pattern, size) || fnmatch(pattern, path, 0) == 0) return 0;
    }
    from += size + (from[size] == ':');
  }
  return 1;
}

static _Noreturn void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static void write_log(uint64_t number, const char *call, const char *path, size_t bytes) {
  if (log_fd < 0) return;
  char line[PATH_MAX + 128];
  const int size = snprintf(line, sizeof line, "%llu %d %s %zu %s\n", (unsigned long long)number,
                            getpid(), call, bytes, path);
  if (size > 0 && syscall(SYS_write, log_fd, line, (size_t)size) < 0) errno = 0;
}

/* Counts a call and says what becomes of it. */
static enum verdict judge(const char *call, const char *path, size_t bytes, int is_write) {
  const uint64_t number = atomic_fetch_add(&counts->calls, 1) + 1;
  if (atomic_load(&counts->has_crashed)) die();
  write_log(number, call, path, bytes);
  if (at == 0 || number < at || (number > at && !is_sticky)) return PASS;
  if (action == SHORT && (!is_write || bytes < 2)) return PASS;
  atomic_fetch_add(&counts->fired, 1);
  if (action == CRASH) atomic_store(&counts->has_crashed, 1);
  if (action == TEAR && is_write && bytes >= 2) return CUT_AND_DIE;
  if (action == SHORT) return CUT;
  if (action == FAIL) return is_after ? FAIL_AFTER : FAIL_BEFORE;
  die();
}

static enum verdict judge_path(const char *call, const char *path, size_t bytes, int is_write) {
  return is_counted(path) ? judge(call, path, bytes, is_write) : PASS;
}

static enum verdict judge_fd(const char *call, int fd, size_t bytes, int is_write) {
  const int saved = errno;
  pthread_once(&once, start);
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = root[0] == '\0' ? -1 : readlink(link, path, sizeof path - 1);
  enum verdict verdict = PASS;
  if (size > 0 && path[0] == '/') {
    path[size] = '\0';
    verdict = judge_path(call, path, bytes, is_write);
  }
  errno = saved;
  return verdict;
}

/* The whole path of `path` seen from `folder`, with links of its folders followed. */
static int whole_path(int folder, const char *path, char *whole) {
  char base[PATH_MAX] = "";
  if (path[0] != '/') {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    if (folder == AT_FDCWD) {
      if (getcwd(base, sizeof base) == NULL) return -1;
    } else {
      const ssize_t size = readlink(link, base, sizeof base - 1);
      if (size <= 0) return -1;
      base[size] = '\0';
    }
  }
  char joined[2 * PATH_MAX];
  const int size = snprintf(joined, sizeof joined, "%s/%s", base, path);
  if (size <= 0 || size >= PATH_MAX) return -1;
  for (char *end = joined + size - 1; end > joined && *end == '/'; --end) *end = '\0';
  char *slash = strrchr(joined, '/');
  *slash = '\0';
  char parent[PATH_MAX];
  if (realpath(joined[0] == '\0' ? "/" : joined, parent) == NULL) strcpy(parent, joined);
  const char *middle = strcmp(parent, "/") == 0 ? "" : parent;
  return snprintf(whole, PATH_MAX, "%s/%s", middle, slash + 1) < PATH_MAX ? 0 : -1;
}

static enum verdict judge_at(const char *call, int folder, const char *path) {
  const int saved = errno;
  pthread_once(&once, start);
  char whole[PATH_MAX];
  enum verdict verdict = PASS;
  if (root[0] != '\0' && path != NULL && whole_path(folder, path, whole) == 0)
    verdict = judge_path(call, whole, 0, 0);
  errno = saved;
  return verdict;
}

static int refuse(void) {
  errno = fault_errno;
  return -1;
}

static int answer(enum verdict verdict, int result) {
  return verdict == FAIL_AFTER ? refuse() : result;
}

static int answer_fd(enum verdict verdict, int fd) {
  if (verdict == FAIL_AFTER && fd >= 0) syscall(SYS_close, fd);
  return answer(verdict, fd);
}

static ssize_t answer_size(enum verdict verdict, ssize_t result) {
  if (verdict == CUT_AND_DIE) die();
  return verdict == FAIL_AFTER ? refuse() : result;
}

static size_t cut(enum verdict verdict, size_t bytes) {
  return verdict == CUT || verdict == CUT_AND_DIE ? bytes / 2 : bytes;
}

/* ---- the record ---- */

static void record(const char *call, uint64_t inode, uint64_t offset, const char *path,
                   const char *second, const void *bytes, size_t size) {
  char head[2 * PATH_MAX + 128];
  const int length = snprintf(head, sizeof head, "%s %llu %llu %zu %s%s%s\n", call,
                              (unsigned long long)inode, (unsigned long long)offset, size, path,
                              second == NULL ? "" : "\t", second == NULL ? "" : second);
  const struct iovec pieces[] = {{head, (size_t)length}, {(void *)bytes, bytes == NULL ? 0 : size}};
  const ssize_t whole = (ssize_t)(pieces[0].iov_len + pieces[1].iov_len);
  if (syscall(SYS_writev, record_fd, pieces, 2) != whole) complain("WEIR_SHIM_RECORD is full");
}

/* Whether the descriptor's file is one that counts; its path and inode. */
static int find_file(int fd, char *path, struct stat *found) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, PATH_MAX - 1);
  if (size <= 0 || path[0] != '/') return 0;
  path[size] = '\0';
  return is_counted(path) && fstat(fd, found) == 0;
}

/* Bytes that were written at `offset`, or, where that is negative, up to the file's position. */
static void record_write(int fd, const void *bytes, size_t size, int64_t offset) {
  char path[PATH_MAX];
  struct stat found;
  if (!find_file(fd, path, &found)) return;
  if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - (int64_t)size;
  record("write", found.st_ino, (uint64_t)offset, path, NULL, bytes, size);
}

static void record_pieces(int fd, const struct iovec *pieces, ssize_t size, int64_t offset) {
  if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - size;
  for (; size > 0; ++pieces) {
    const ssize_t part = (ssize_t)pieces->iov_len < size ? (ssize_t)pieces->iov_len : size;
    record_write(fd, pieces->iov_base, (size_t)part, offset);
    offset += part;
    size -= part;
  }
}

/* A change of a file that has no bytes to it: a sync, a new size. Of standard output: how much of it
 * was said so far. */
static void record_call(const char *call, int fd, uint64_t size) {
  char path[PATH_MAX];
  struct stat found;
  if (fd == STDOUT_FILENO && fstat(fd, &found) == 0)
    record("said", 0, (uint64_t)found.st_size, "", NULL, NULL, 0);
  else if (find_file(fd, path, &found))
    record(call, found.st_ino, size, path, NULL, NULL, 0);
}

/* Of what was written where it cannot be seen: the whole file. */
static void record_content(int fd) {
  char path[PATH_MAX];
  struct stat found;
  if (fd == STDOUT_FILENO) record_call("said", fd, 0);
  if (fd == STDOUT_FILENO || !find_file(fd, path, &found)) return;
  const int again = open_file(path, O_RDONLY);
  char *bytes = malloc((size_t)found.st_size + 1);
  if (again < 0 || bytes == NULL || pread(again, bytes, (size_t)found.st_size, 0) != found.st_size)
    complain("a file that is written cannot be read");
  record("content", found.st_ino, 0, path, NULL, bytes, (size_t)found.st_size);
  free(bytes);
  syscall(SYS_close, again);
}

static void record_path(const char *call, int folder, const char *path) {
  char whole[PATH_MAX];
  if (whole_path(folder, path, whole) == 0 && is_counted(whole))
    record(call, 0, 0, whole, NULL, NULL, 0);
}

static void record_pair(const char *call, int a, const char *from, int b, const char *to) {
  char whole_from[PATH_MAX], whole_to[PATH_MAX];
  if (whole_path(a, from, whole_from) == 0 && whole_path(b, to, whole_to) == 0 &&
      (is_counted(whole_from) || is_counted(whole_to)))
    record(call, 0, 0, whole_from, whole_to, NULL, 0);
}

static void record_open(int fd, int is_new, int flags) {
  char path[PATH_MAX];
  struct stat found;
  if ((!is_new && (flags & O_TRUNC) == 0) || !find_file(fd, path, &found)) return;
  record(is_new ? "create" : "ftruncate", found.st_ino, 0, path, NULL, NULL, 0);
}

static int is_there(int folder, const char *path) {
  struct stat found;
  return fstatat(folder, path, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

static void hold(void) {
  if (record_fd >= 0) pthread_mutex_lock(&recording);
}

static void let_go(void) {
  if (record_fd >= 0) pthread_mutex_unlock(&recording);
}

/* A call, and where it succeeded (its result is `done`) the note of it, with nothing in between. */
#define RECORDED(call, note)                       \
  ({                                               \
    hold();                                        \
    const __typeof__(call) done = (call);          \
    const int error_number = errno;                \
    if (record_fd >= 0 && done >= 0) { note; }     \
    let_go();                                      \
    errno = error_number;                          \
    done;                                          \
  })

/* ---- opens ---- */

static int may_change(int flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN_MODE(flags)                                                        \
  mode_t mode = 0;                                                              \
  if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) {         \
    va_list arguments;                                                          \
    va_start(arguments, flags);                                                 \
    mode = va_arg(arguments, mode_t);                                           \
    va_end(arguments);                                                          \
  }

static int open_any(int folder, const char *path, int flags, mode_t mode) {
  const enum verdict verdict = may_change(flags) ? judge_at("open", folder, path) : PASS;
  if (verdict == FAIL_BEFORE) return refuse();
  if (record_fd < 0 || !may_change(flags))
    return answer_fd(verdict, REAL(openat)(folder, path, flags, mode));
  const int fd = ({
    hold();
    const int is_new = !is_there(folder, path);
    const int opened = REAL(openat)(folder, path, flags, mode);
    const int error_number = errno;
    if (opened >= 0) record_open(opened, is_new, flags);
    let_go();
    errno = error_number;
    opened;
  });
  return answer_fd(verdict, fd);
}

int open(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_any(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_any(folder, path, flags | O_LARGEFILE, mode);
}
int creat(const char *path, mode_t mode) {
  return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* What open becomes in programs built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);
int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return open_any(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) {
  return open_any(folder, path, flags, 0);
}

#define TEMPORARY_FILE(name, parameters, arguments)                        \
  int name parameters {                                                    \
    const enum verdict verdict = judge_at(#name, AT_FDCWD, path);          \
    if (verdict == FAIL_BEFORE) return refuse();                           \
    return answer_fd(verdict, RECORDED(REAL(name) arguments, record_open(done, 1, 0))); \
  }
TEMPORARY_FILE(mkstemp, (char *path), (path))
TEMPORARY_FILE(mkstemp64, (char *path), (path))
TEMPORARY_FILE(mkostemp, (char *path, int flags), (path, flags))
TEMPORARY_FILE(mkostemp64, (char *path, int flags), (path, flags))
TEMPORARY_FILE(mkstemps, (char *path, int suffix), (path, suffix))
TEMPORARY_FILE(mkostemps, (char *path, int suffix, int flags), (path, suffix, flags))

/* ---- FILE ---- */

static int is_writable_mode(const char *mode) { return strpbrk(mode, "wax+") != NULL; }

#define FILE_OPEN(name)                                                               \
  FILE *name(const char *path, const char *mode) {                                    \
    enum verdict verdict = PASS;                                                      \
    if (is_writable_mode(mode)) verdict = judge_at("fopen", AT_FDCWD, path);          \
    hold();                                                                           \
    const int is_new = record_fd >= 0 && !is_there(AT_FDCWD, path);                   \
    FILE *file = verdict == FAIL_BEFORE ? NULL : REAL(name)(path, mode);              \
    if (record_fd >= 0 && file != NULL && is_writable_mode(mode))                     \
      record_open(fileno(file), is_new, mode[0] == 'w' ? O_TRUNC : 0);                \
    let_go();                                                                         \
    if (verdict == FAIL_AFTER && file != NULL) REAL(fclose)(file), file = NULL;       \
    if (verdict == FAIL_BEFORE || verdict == FAIL_AFTER) errno = fault_errno;         \
    return file;                                                                      \
  }
FILE_OPEN(fopen)
FILE_OPEN(fopen64)

static int is_writable(FILE *file) {
  const int flags = fileno(file) < 0 ? O_RDONLY : fcntl(fileno(file), F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

int fflush(FILE *file) {
  enum verdict verdict = PASS;
  if (file != NULL && is_writable(file)) verdict = judge_fd("fflush", fileno(file), 0, 0);
  if (verdict == FAIL_BEFORE) return refuse();
  if (file == NULL) return answer(verdict, REAL(fflush)(file));
  return answer(verdict, RECORDED(REAL(fflush)(file), if (is_writable(file)) record_content(fileno(file))));
}

int fclose(FILE *file) {
  enum verdict verdict = PASS;
  if (is_writable(file)) verdict = judge_fd("fclose", fileno(file), 0, 0);
  if (record_fd >= 0 && is_writable(file))
    (void)RECORDED(REAL(fflush)(file), record_content(fileno(file)));
  /* The stream is gone after fclose, whatever it says. */
  const int result = REAL(fclose)(file);
  return verdict == FAIL_BEFORE || verdict == FAIL_AFTER ? refuse() : result;
}

/* ---- writes ---- */

ssize_t write(int fd, const void *bytes, size_t size) {
  const enum verdict verdict = judge_fd("write", fd, size, 1);
  if (verdict == FAIL_BEFORE) return refuse();
  return answer_size(verdict, 
      RECORDED(REAL(write)(fd, bytes, cut(verdict, size)),
               if (fd == STDOUT_FILENO) record_call("said", fd, 0);
               else record_write(fd, bytes, (size_t)done, -1)));
}

#define POSITIONED_WRITE(name, offset_type)                                                 \
  ssize_t name(int fd, const void *bytes, size_t size, offset_type offset) {                \
    const enum verdict verdict = judge_fd("pwrite", fd, size, 1);                           \
    if (verdict == FAIL_BEFORE) return refuse();                                            \
    return answer_size(verdict, RECORDED(REAL(name)(fd, bytes, cut(verdict, size), offset), \
                                         record_write(fd, bytes, (size_t)done, offset)));   \
  }
POSITIONED_WRITE(pwrite, off_t)
POSITIONED_WRITE(pwrite64, off64_t)

static size_t total(const struct iovec *pieces, int count) {
  size_t sum = 0;
  for (int i = 0; i < count; ++i) sum += pieces[i].iov_len;
  return sum;
}

/* Half of gathered bytes: one piece of them, cut, is as true an answer as any. */
static struct iovec first_half(const struct iovec *pieces, int count) {
  struct iovec half = {NULL, 0};
  const size_t most = total(pieces, count) / 2;
  for (int i = 0; i < count && half.iov_len == 0; ++i)
    half = (struct iovec){pieces[i].iov_base, pieces[i].iov_len < most ? pieces[i].iov_len : most};
  return half;
}

#define GATHERED_WRITE(name, call, parameters, arguments, at_offset)                  \
  ssize_t name parameters {                                                           \
    const enum verdict verdict = judge_fd(call, fd, total(pieces, count), 1);         \
    if (verdict == FAIL_BEFORE) return refuse();                                      \
    const struct iovec half = first_half(pieces, count);                              \
    if (verdict == CUT || verdict == CUT_AND_DIE) pieces = &half, count = 1;          \
    return answer_size(verdict, RECORDED(REAL(name) arguments,                        \
                                         record_pieces(fd, pieces, done, at_offset))); \
  }
GATHERED_WRITE(writev, "writev", (int fd, const struct iovec *pieces, int count),
               (fd, pieces, count), -1)
GATHERED_WRITE(pwritev, "pwritev", (int fd, const struct iovec *pieces, int count, off_t offset),
               (fd, pieces, count, offset), offset)
GATHERED_WRITE(pwritev64, "pwritev",
               (int fd, const struct iovec *pieces, int count, off64_t offset),
               (fd, pieces, count, offset), offset)
GATHERED_WRITE(pwritev2, "pwritev",
               (int fd, const struct iovec *pieces, int count, off_t offset, int flags),
               (fd, pieces, count, offset, flags), offset)

#define COPIED_WRITE(name, parameters, arguments)                     \
  ssize_t name parameters {                                           \
    const enum verdict verdict = judge_fd(#name, to, size, 1);        \
    if (verdict == FAIL_BEFORE) return refuse();                      \
    size = cut(verdict, size);                                        \
    return answer_size(verdict, RECORDED(REAL(name) arguments, record_content(to))); \
  }
COPIED_WRITE(sendfile, (int to, int from, off_t *offset, size_t size), (to, from, offset, size))
COPIED_WRITE(sendfile64, (int to, int from, off64_t *offset, size_t size), (to, from, offset, size))
COPIED_WRITE(copy_file_range,
             (int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags),
             (from, from_at, to, to_at, size, flags))

/* A message is sent whole or not at all: half of one would be another fault than a lost connection. */
ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  const int saved = errno;
  pthread_once(&once, start);
  errno = saved;
  const enum verdict verdict =
      counts_sends && root[0] != '\0' ? judge("send", "socket", size, 0) : PASS;
  // A connection on which a send fails is broken both ways: whoever waits for an answer is told.
  if (verdict == FAIL_BEFORE) {
    shutdown(fd, SHUT_RDWR);
    return refuse();
  }
  const ssize_t sent = REAL(send)(fd, bytes, size, flags);
  if (verdict == FAIL_AFTER) shutdown(fd, SHUT_RDWR);
  return answer_size(verdict, sent);
}

/* ---- the rest ---- */

#define ON_FD(name, parameters, arguments, size)                 \
  int name parameters {                                          \
    const enum verdict verdict = judge_fd(#name, fd, 0, 0);      \
    if (verdict == FAIL_BEFORE) return refuse();                 \
    return answer(verdict, RECORDED(REAL(name) arguments, record_call(#name, fd, size))); \
  }
ON_FD(fsync, (int fd), (fd), 0)
ON_FD(fdatasync, (int fd), (fd), 0)
ON_FD(ftruncate, (int fd, off_t size), (fd, size), (uint64_t)size)
ON_FD(ftruncate64, (int fd, off64_t size), (fd, size), (uint64_t)size)
ON_FD(fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length),
      (uint64_t)(offset + length))
ON_FD(fallocate64, (int fd, int mode, off64_t offset, off64_t length), (fd, mode, offset, length),
      (uint64_t)(offset + length))

/* These two answer with the error's number. */
#define ALLOCATION(name, offset_type)                                             \
  int name(int fd, offset_type offset, offset_type size) {                        \
    const enum verdict verdict = judge_fd("posix_fallocate", fd, 0, 0);           \
    if (verdict == FAIL_BEFORE) return fault_errno;                               \
    hold();                                                                       \
    const int result = REAL(name)(fd, offset, size);                              \
    if (record_fd >= 0 && result == 0)                                            \
      record_call("fallocate", fd, (uint64_t)(offset + size));                    \
    let_go();                                                                     \
    return verdict == FAIL_AFTER ? fault_errno : result;                          \
  }
ALLOCATION(posix_fallocate, off_t)
ALLOCATION(posix_fallocate64, off64_t)

/* A call with two paths counts where it lands; judged by its target, or else by its source. */
static enum verdict judge_pair(const char *call, int from_folder, const char *from, int to_folder,
                               const char *to) {
  char whole[PATH_MAX];
  pthread_once(&once, start);
  const int lands_inside = whole_path(to_folder, to, whole) == 0 && is_counted(whole);
  return lands_inside ? judge_at(call, to_folder, to) : judge_at(call, from_folder, from);
}

#define ON_PATH(name, folder, parameters, arguments)                  \
  int name parameters {                                               \
    const enum verdict verdict = judge_at(#name, folder, path);       \
    if (verdict == FAIL_BEFORE) return refuse();                      \
    return answer(verdict, RECORDED(REAL(name) arguments, record_path(#name, folder, path))); \
  }
ON_PATH(unlink, AT_FDCWD, (const char *path), (path))
ON_PATH(unlinkat, folder, (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH(remove, AT_FDCWD, (const char *path), (path))
ON_PATH(rmdir, AT_FDCWD, (const char *path), (path))
ON_PATH(mkdir, AT_FDCWD, (const char *path, mode_t mode), (path, mode))
ON_PATH(mkdirat, folder, (int folder, const char *path, mode_t mode), (folder, path, mode))
ON_PATH(truncate, AT_FDCWD, (const char *path, off_t size), (path, size))
ON_PATH(truncate64, AT_FDCWD, (const char *path, off64_t size), (path, size))
ON_PATH(symlink, AT_FDCWD, (const char *to, const char *path), (to, path))
ON_PATH(symlinkat, folder, (const char *to, int folder, const char *path), (to, folder, path))

char *mkdtemp(char *path) {
  const enum verdict verdict = judge_at("mkdtemp", AT_FDCWD, path);
  hold();
  char *made = verdict == FAIL_BEFORE ? NULL : REAL(mkdtemp)(path);
  if (record_fd >= 0 && made != NULL) record_path("mkdir", AT_FDCWD, path);
  let_go();
  if (verdict == PASS) return made;
  errno = fault_errno;
  return NULL;
}

#define ON_PAIR(name, from_folder, to_folder, parameters, arguments)                       \
  int name parameters {                                                                    \
    const enum verdict verdict = judge_pair(#name, from_folder, from, to_folder, to);      \
    if (verdict == FAIL_BEFORE) return refuse();                                           \
    return answer(verdict, RECORDED(REAL(name) arguments,                                  \
                                    record_pair(#name, from_folder, from, to_folder, to))); \
  }
ON_PAIR(rename, AT_FDCWD, AT_FDCWD, (const char *from, const char *to), (from, to))
ON_PAIR(renameat, a, b, (int a, const char *from, int b, const char *to), (a, from, b, to))
ON_PAIR(renameat2, a, b, (int a, const char *from, int b, const char *to, unsigned int flags),
        (a, from, b, to, flags))
ON_PAIR(link, AT_FDCWD, AT_FDCWD, (const char *from, const char *to), (from, to))
ON_PAIR(linkat, a, b, (int a, const char *from, int b, const char *to, int flags),
        (a, from, b, to, flags))
