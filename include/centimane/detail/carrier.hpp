// The compiled half of a run: finds the executor, makes its port, drives policy::run through it.
#pragma once
#include <memory>

#include "centimane/detail/map_core.hpp"
#include "centimane/detail/run_request.hpp"
#include "centimane/insights.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

class carrier {
 public:
  /// Throws what the executor throws when it cannot be had: start_failed, pool_closed, payload_error, resource_limit.
  carrier(map_core& work, const run_request& how);
  ~carrier();  ///< of a run that has not ended: takes back what has not begun, waits for tasks that run in this process
  carrier(const carrier&) = delete;
  carrier& operator=(const carrier&) = delete;

  policy::status finish();
  struct stretch {
    index first = 0, count = 0;
  };
  /// A stream's next outcomes; count 0: it has ended.
  stretch next();
  void consumed(index n, std::uint64_t bytes);
  void stop();
  [[nodiscard]] policy::status status() const;
  [[nodiscard]] index known() const;
  [[nodiscard]] index not_started() const;
  [[nodiscard]] centimane::insights insights() const;

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace detail
}  // namespace v0
}  // namespace centimane
