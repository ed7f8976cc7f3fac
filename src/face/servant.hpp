// The C++ face's side of a worker process: rebuilds functions from their names and captures, runs tasks, describes what
// they throw.
#pragma once
#include <exception>
#include <memory>
#include <unordered_map>

#include "centimane/detail/remote_task.hpp"

namespace centimane::engine {

class cpp_servant final : public servant {
 public:
  void set_up(reader how) override;
  void define(std::uint64_t id, reader blob) override;
  void forget(std::uint64_t id) override;
  verdict run(std::uint64_t definition, std::uint32_t attempt, reader item, writer& out, phase_marker& mark) override;
  verdict not_sent(std::exception_ptr why, writer& out) override;

 private:
  struct known {
    const detail::task_table* table = nullptr;
    std::shared_ptr<const void> function;
    error_filter retried;
    std::exception_ptr broken;  ///< it could not be rebuilt: the outcome of each task that names it
  };
  std::unordered_map<std::uint64_t, known> definitions_;
  std::uint64_t last_id_ = 0;
  const known* last_ = nullptr;  ///< most tasks name the same function as the one before
};

}  // namespace centimane::engine
