// Two processes, a page and two words to sleep on: what Linux takes for two wake-ups and nothing else. No queue, so one
// message at a time.
#pragma once
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>
#include <system_error>

#include "forked_workers.hpp"

namespace bench {

class futex_link {
 public:
  static constexpr std::size_t window = 1;
  static constexpr const char* version = "Linux";
  futex_link() {
    void* at = ::mmap(nullptr, sizeof(page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    page_ = ::new (at) page;
    there_ = &page_->there;
    back_ = &page_->back;
  }
  futex_link(const futex_link&) = delete;
  futex_link& operator=(const futex_link&) = delete;
  ~futex_link() { ::munmap(page_, sizeof(page)); }
  void as_parent() {}
  void as_child() { std::swap(there_, back_); }
  void send(message m) {
    there_->value = m;
    there_->full.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &there_->full, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  [[nodiscard]] message receive() {
    while (back_->full.load(std::memory_order_acquire) == 0) {
      ::syscall(SYS_futex, &back_->full, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    }
    back_->full.store(0, std::memory_order_relaxed);
    return back_->value;
  }

 private:
  struct alignas(64) way {
    std::atomic<std::uint32_t> full{0};
    message value = 0;
  };
  struct page {
    way there, back;
  };
  page* page_;
  way *there_, *back_;
};

}  // namespace bench
