// Places in the program's text, named so that a worker finds them: the module's path and build id, and an offset.
// Driver and worker are forked from one image, so most names resolve without a look; libraries that were loaded after
// init() are loaded here.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstring>
#include <string>
#include <vector>

#include "centimane/detail/function_travel.hpp"
#include "centimane/errors.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

struct module_seen {
  std::uintptr_t base = 0;
  std::string path;
  std::vector<std::byte> build_id;
  bool found = false;
};

/// The descriptor of the GNU build id among a module's notes; empty if it was linked without.
std::vector<std::byte> build_id_of(const dl_phdr_info& info) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const std::byte*>(info.dlpi_addr + segment.p_vaddr);
    const auto* end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      auto aligned = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
      const auto* name = at + sizeof note;
      const auto* body = name + aligned(note.n_namesz);
      if (body + note.n_descsz > end) break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        return {body, body + note.n_descsz};
      }
      at = body + aligned(note.n_descsz);
    }
  }
  return {};
}

bool covers(const dl_phdr_info& info, std::uintptr_t address) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    std::uintptr_t begin = info.dlpi_addr + segment.p_vaddr;
    if (address >= begin && address < begin + segment.p_memsz) return true;
  }
  return false;
}

module_seen seen(const dl_phdr_info& info) {
  return {info.dlpi_addr, info.dlpi_name == nullptr ? "" : info.dlpi_name, build_id_of(info), true};
}

module_seen module_at(std::uintptr_t address) {
  struct search {
    std::uintptr_t address;
    module_seen result;
  } s{address, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* p) {
        auto& my = *static_cast<search*>(p);
        if (!covers(*info, my.address)) return 0;
        my.result = seen(*info);
        return 1;
      },
      &s);
  return std::move(s.result);
}

module_seen module_named(const std::string& path, const std::vector<std::byte>& build_id) {
  struct search {
    const std::string& path;
    const std::vector<std::byte>& build_id;
    module_seen result;
  } s{path, build_id, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* p) {
        auto& my = *static_cast<search*>(p);
        if (my.path != (info->dlpi_name == nullptr ? "" : info->dlpi_name)) return 0;
        my.result = seen(*info);
        return 1;
      },
      &s);
  return std::move(s.result);
}

}  // namespace

void write_code_address(writer& out, const void* address) {
  module_seen home = module_at(reinterpret_cast<std::uintptr_t>(address));
  if (!home.found) {
    throw payload_error("centimane: a function lies in no loaded module (generated code?) and cannot travel");
  }
  codec<std::string>::write(out, home.path);
  codec<std::vector<std::byte>>::write(out, home.build_id);
  out.raw(static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address) - home.base));
}

const void* read_code_address(reader& in) {
  auto path = codec<std::string>::read(in);
  auto build_id = codec<std::vector<std::byte>>::read(in);
  auto offset = in.raw<std::uint64_t>();
  module_seen home = module_named(path, build_id);
  if (!home.found && !path.empty()) {
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
      const char* why = dlerror();
      throw payload_error("centimane: a worker cannot load " + path +
                          ", where the function lies: " + (why == nullptr ? "unknown error" : why));
    }
    home = module_named(path, build_id);
  }
  if (!home.found) throw payload_error("centimane: a worker does not find the module " + path);
  if (home.build_id != build_id) {
    throw payload_error("centimane: " + (path.empty() ? std::string("the program") : path) +
                        " has changed since it was loaded: its build id in the worker is another");
  }
  return reinterpret_cast<const void*>(home.base + offset);
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
