// Two processes and a pair of Boost.Interprocess message queues.
#pragma once
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <memory>
#include <string>

#include "forked_workers.hpp"

namespace bench {

class boost_queue_link {
 public:
  static constexpr std::size_t window = 64;
  static constexpr const char* version = BOOST_LIB_VERSION;
  boost_queue_link() : there_(open("there")), back_(open("back")) {}
  void as_parent() {}
  void as_child() { std::swap(there_, back_); }
  void send(message m) { there_->send(&m, sizeof m, 0); }
  [[nodiscard]] message receive() {
    message m = leave;
    boost::interprocess::message_queue::size_type size = 0;
    unsigned priority = 0;
    back_->receive(&m, sizeof m, size, priority);
    return m;
  }

 private:
  using queue = boost::interprocess::message_queue;
  static std::unique_ptr<queue> open(const char* way) {
    const std::string name = "centimane-bench-" + std::to_string(::getpid()) + way;
    auto q = std::make_unique<queue>(boost::interprocess::create_only, name.c_str(), window, sizeof(message));
    queue::remove(name.c_str());  // its memory is inherited
    return q;
  }
  std::unique_ptr<queue> there_, back_;
};

}  // namespace bench
