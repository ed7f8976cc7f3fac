// Two processes and a pair of POSIX message queues.
#pragma once
#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "forked_workers.hpp"

namespace bench {

class posix_queue_link {
 public:
  static constexpr std::size_t window = 10;  // what an unprivileged process may have (fs.mqueue.msg_max)
  static constexpr const char* version = "Linux";
  posix_queue_link() : there_(open("there")), back_(open("back")) {}
  posix_queue_link(const posix_queue_link&) = delete;
  posix_queue_link& operator=(const posix_queue_link&) = delete;
  ~posix_queue_link() {
    ::mq_close(there_);
    ::mq_close(back_);
  }
  void as_parent() {}
  void as_child() { std::swap(there_, back_); }
  void send(message m) {
    if (::mq_send(there_, reinterpret_cast<const char*>(&m), sizeof m, 0) != 0) fail("mq_send");
  }
  [[nodiscard]] message receive() {
    message m = leave;
    if (::mq_receive(back_, reinterpret_cast<char*>(&m), sizeof m, nullptr) < 0) fail("mq_receive");
    return m;
  }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }
  static mqd_t open(const char* way) {
    const std::string name = "/centimane-bench-" + std::to_string(::getpid()) + way;
    mq_attr how{};
    how.mq_maxmsg = static_cast<long>(window);
    how.mq_msgsize = sizeof(message);
    const mqd_t q = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &how);
    if (q == -1) fail("mq_open");
    ::mq_unlink(name.c_str());  // the descriptor is inherited
    return q;
  }
  mqd_t there_, back_;
};

}  // namespace bench
