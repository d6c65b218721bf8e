// The two functions of a C library newer than 2.34 that Debian's libstdc++ (arc4random, glibc 2.36) and
// libgcc_s (_dl_find_object, glibc 2.35) call, so that the folder of ./dev dist runs where they are not.
// Both libraries find them here because lower_glibc.py takes the version off their references.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

__attribute__((visibility("default"))) __uint32_t arc4random(void) {
  __uint32_t value;
  // Up to 256 bytes come whole once the kernel has its entropy; it is waited for.
  if (getrandom(&value, sizeof value, 0) != sizeof value) abort();
  return value;
}

struct wanted {
  ElfW(Addr) address;
  struct dl_find_object* result;
};

static int visit(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size;
  const struct wanted* wanted = data;
  const ElfW(Phdr)* frames = NULL;
  ElfW(Addr) first = ~(ElfW(Addr))0, last = 0;
  int is_inside = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* part = &info->dlpi_phdr[i];
    if (part->p_type == PT_GNU_EH_FRAME) frames = part;
    if (part->p_type != PT_LOAD) continue;
    const ElfW(Addr) begin = info->dlpi_addr + part->p_vaddr;
    const ElfW(Addr) end = begin + part->p_memsz;
    is_inside |= begin <= wanted->address && wanted->address < end;
    if (begin < first) first = begin;
    if (end > last) last = end;
  }
  if (!is_inside || frames == NULL) return 0;
  memset(wanted->result, 0, sizeof *wanted->result);
  wanted->result->dlfo_map_start = (void*)first;
  wanted->result->dlfo_map_end = (void*)last;
  wanted->result->dlfo_eh_frame = (void*)(info->dlpi_addr + frames->p_vaddr);
  return 1;
}

// What the unwinder asks for each frame: the object of an address and its table of frames. It reads
// no more than that table; before glibc 2.35 it went through dl_iterate_phdr itself, as here.
__attribute__((visibility("default"))) int _dl_find_object(void* address, struct dl_find_object* result) {
  struct wanted wanted = {(ElfW(Addr))address, result};
  return dl_iterate_phdr(visit, &wanted) == 1 ? 0 : -1;
}
