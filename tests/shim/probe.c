/* Makes one change after another below the folder of its argument and says how each ended:
 * `name ok`, `name short` or `name EIO`. What shim_test.py watches the shim with. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *name, int is_good) {
  char line[128];
  const int size =
      snprintf(line, sizeof line, "%s %s\n", name, is_good ? "ok" : strerrorname_np(errno));
  if (write(1, line, (size_t)size) != size) _exit(2);
}

static void say_size(const char *name, ssize_t done, ssize_t asked) {
  if (done >= 0 && done < asked) dprintf(1, "%s short\n", name);
  else say(name, done == asked);
}

int main(int count, char **arguments) {
  if (count != 2 || chdir(arguments[1]) != 0) return 2;
  char text[] = "0123456789";
  struct iovec pieces[] = {{text, 6}, {text + 6, 4}};

  say("mkdir", mkdir("folder", 0755) == 0);
  const int folder = open("folder", O_RDONLY | O_DIRECTORY);
  const int fd = openat(folder, "new", O_RDWR | O_CREAT, 0644);
  say("openat", fd >= 0);
  say_size("write", write(fd, text, 10), 10);
  say_size("pwrite", pwrite(fd, text, 10, 20), 10);
  say_size("writev", writev(fd, pieces, 2), 10);
  say_size("pwritev", pwritev(fd, pieces, 2, 30), 10);
  say("ftruncate", ftruncate(fd, 25) == 0);
  say("fsync", fsync(fd) == 0);
  say("fdatasync", fdatasync(fd) == 0);
  close(fd);
  say("link", linkat(folder, "new", folder, "second", 0) == 0);
  say("rename", renameat(folder, "new", AT_FDCWD, "./folder/../folder/third") == 0);
  say("unlinkat", unlinkat(folder, "second", 0) == 0);
  say("fsync_folder", fsync(folder) == 0);
  FILE *file = fopen("file", "w");
  say("fopen", file != NULL);
  if (file != NULL) {
    fputs(text, file);
    say("fclose", fclose(file) == 0);
  }
  say("remove", remove("file") == 0);

  /* Nothing of this changes anything below the folder. */
  close(open("folder/third", O_RDONLY));
  struct stat found;
  stat("folder/third", &found);
  char outside[] = "/tmp/weir-probe-XXXXXX";
  const int other = mkostemp(outside, O_CLOEXEC);
  if (write(other, text, 10) != 10 || fsync(other) != 0 || unlink(outside) != 0) return 2;
  return 0;
}
