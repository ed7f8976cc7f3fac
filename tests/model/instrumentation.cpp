// What the compiler calls when it compiles with -fsanitize=thread: before each plain access, and instead of each atomic
// one. Sanitized programs have ThreadSanitizer's library behind these names; here it is the machine. So the sources
// under test are those of the library, to the letter, with the orders that they ask for. memcpy is wrapped by the
// linker
// (--wrap), for compilers do not instrument it.
//
// Accesses to anything but the modelled memory are none of the model's business.
#include <cstddef>
#include <cstdint>

#include "model/machine.hpp"

using centimane::model::memory;
using centimane::model::order;
using centimane::model::the_machine;

namespace {

bool ours(const volatile void* p) { return memory::holds(const_cast<const void*>(p)) && the_machine().running(); }
void* bare(const volatile void* p) { return const_cast<void*>(p); }
order as_order(int o) { return static_cast<order>(o & 7); }

void reads(const void* p, std::size_t n) {
  if (ours(p)) the_machine().read(p, n);
}
void writes(void* p, std::size_t n) {
  if (ours(p)) the_machine().write(p, n);
}

template <class T>
T load(const volatile T* p, int o, const void* from) {
  if (!ours(p)) return __atomic_load_n(p, __ATOMIC_SEQ_CST);
  return static_cast<T>(the_machine().load(bare(p), sizeof(T), as_order(o), from));
}
template <class T>
void store(volatile T* p, T value, int o, const void* from) {
  if (!ours(p)) return __atomic_store_n(p, value, __ATOMIC_SEQ_CST);
  the_machine().store(bare(p), sizeof(T), value, as_order(o), from);
}
template <class T>
bool exchange_if(volatile T* p, T* expected, T desired, bool weak, int success, int failure, const void* from) {
  if (!ours(p)) return __atomic_compare_exchange_n(p, expected, desired, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  std::uint64_t wide = *expected;
  const bool done =
      the_machine().exchange_if(bare(p), sizeof(T), wide, desired, as_order(success), as_order(failure), weak, from);
  *expected = static_cast<T>(wide);
  return done;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) { return a + b; }
std::uint64_t difference(std::uint64_t a, std::uint64_t b) { return a - b; }
std::uint64_t second(std::uint64_t, std::uint64_t b) { return b; }

}  // namespace

#define FROM __builtin_return_address(0)

extern "C" {

void* __real_memcpy(void* to, const void* from, std::size_t n);
void* __wrap_memcpy(void* to, const void* from, std::size_t n) {
  reads(from, n);
  writes(to, n);
  return __real_memcpy(to, from, n);
}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_read_range(void* p, std::size_t n) { reads(p, n); }
void __tsan_write_range(void* p, std::size_t n) { writes(p, n); }

#define CENTIMANE_PLAIN(bytes)                                    \
  void __tsan_read##bytes(void* p) { reads(p, bytes); }           \
  void __tsan_write##bytes(void* p) { writes(p, bytes); }         \
  void __tsan_unaligned_read##bytes(void* p) { reads(p, bytes); } \
  void __tsan_unaligned_write##bytes(void* p) { writes(p, bytes); }
CENTIMANE_PLAIN(1)
CENTIMANE_PLAIN(2)
CENTIMANE_PLAIN(4)
CENTIMANE_PLAIN(8)
CENTIMANE_PLAIN(16)

#define CENTIMANE_UPDATE(T, bits, name, how, builtin)                                              \
  T __tsan_atomic##bits##_##name(volatile T* p, T with, int o) {                                   \
    if (!ours(p)) return builtin(p, with, __ATOMIC_SEQ_CST);                                       \
    return static_cast<T>(the_machine().update(bare(p), sizeof(T), as_order(o), FROM, how, with)); \
  }
#define CENTIMANE_ATOMIC(T, bits)                                                               \
  T __tsan_atomic##bits##_load(const volatile T* p, int o) { return load(p, o, FROM); }         \
  void __tsan_atomic##bits##_store(volatile T* p, T value, int o) { store(p, value, o, FROM); } \
  CENTIMANE_UPDATE(T, bits, exchange, second, __atomic_exchange_n)                              \
  CENTIMANE_UPDATE(T, bits, fetch_add, sum, __atomic_fetch_add)                                 \
  CENTIMANE_UPDATE(T, bits, fetch_sub, difference, __atomic_fetch_sub)                          \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T d, int o, int f) {   \
    return exchange_if(p, e, d, false, o, f, FROM);                                             \
  }                                                                                             \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T d, int o, int f) {     \
    return exchange_if(p, e, d, true, o, f, FROM);                                              \
  }                                                                                             \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T e, T d, int o, int f) {         \
    exchange_if(p, &e, d, false, o, f, FROM); /* clang's form: what it read */                  \
    return e;                                                                                   \
  }
CENTIMANE_ATOMIC(std::uint8_t, 8)
CENTIMANE_ATOMIC(std::uint32_t, 32)
CENTIMANE_ATOMIC(std::uint64_t, 64)

void __tsan_atomic_thread_fence(int) { the_machine().fail("a fence: the model has none, nor has the project"); }
}
