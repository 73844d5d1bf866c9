#define _GNU_SOURCE
#include "CallCounter.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern char *swift_demangle(const char *, size_t, char *, size_t *, uint32_t);

/* The program's own symbols, hidden ones included, which the dynamic linker does not know. */
static const Elf64_Sym *symbols;
static size_t symbol_count;
static const char *symbol_names;
static uintptr_t load_base;

static int note_base(struct dl_phdr_info *info, size_t size, void *result) {
  (void)size;
  *(uintptr_t *)result = info->dlpi_addr;
  return 1; /* The program itself comes first. */
}

static void read_symbols(void) {
  static int is_read;
  if (is_read) return;
  is_read = 1;
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return;
  const char *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (image == MAP_FAILED) return;
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
  const Elf64_Shdr *sections = (const Elf64_Shdr *)(image + header->e_shoff);
  for (int i = 0; i < header->e_shnum; i++) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    symbols = (const Elf64_Sym *)(image + sections[i].sh_offset);
    symbol_count = sections[i].sh_size / sizeof(Elf64_Sym);
    symbol_names = image + sections[sections[i].sh_link].sh_offset;
  }
  dl_iterate_phdr(note_base, &load_base);
}

char *call_counter_name(const void *address) {
  read_symbols();
  const char *found = NULL;
  uintptr_t offset = (uintptr_t)address - load_base;
  for (size_t i = 0; i < symbol_count && found == NULL; i++) {
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC) continue;
    if (offset >= symbols[i].st_value && offset - symbols[i].st_value < symbols[i].st_size)
      found = symbol_names + symbols[i].st_name;
  }
  Dl_info info;
  if (found == NULL && dladdr(address, &info) != 0) found = info.dli_sname;
  if (found == NULL) return NULL;
  char *demangled = swift_demangle(found, strlen(found), NULL, NULL, 0);
  return demangled != NULL ? demangled : strdup(found);
}
