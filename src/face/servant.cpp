#include "face/servant.hpp"

#include "centimane/detail/map_payload.hpp"
#include "centimane/worker_init.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {

void run_initializer(reader packed) {
  auto* run = read_function<void(reader&)>(packed);
  run(packed);
}

}  // namespace detail
}  // namespace v0

namespace engine {

void cpp_servant::set_up(reader how) {
  if (how.remaining() != 0) detail::run_initializer(how);
}

void cpp_servant::define(std::uint64_t id, reader blob) {
  known k;
  try {
    k.table = detail::read_function<detail::table_of_task>(blob)();
    if (blob.raw<std::uint8_t>() != 0) {
      k.retried = error_filter(detail::read_function<bool(const std::exception_ptr&) noexcept>(blob));
    }
    k.function = k.table->make(blob);
  } catch (...) {
    k.broken = detail::describe_payload_error("read_args", "a function could not be rebuilt in the worker",
                                              k.table == nullptr ? "its type is unknown" : "captures");
  }
  last_ = nullptr;
  definitions_.insert_or_assign(id, std::move(k));
}

void cpp_servant::forget(std::uint64_t id) {
  last_ = nullptr;
  definitions_.erase(id);
}

verdict cpp_servant::run(std::uint64_t definition, std::uint32_t, reader item, writer& out, phase_marker& mark) {
  const std::size_t begin = out.size();
  if (last_ == nullptr || last_id_ != definition) {
    auto at = definitions_.find(definition);
    if (at == definitions_.end()) {
      detail::write_error(
          out, std::make_exception_ptr(payload_error("centimane: a task names an unknown function", "read_args")),
          false);
      return {false, false, 0};
    }
    last_ = &at->second;
    last_id_ = definition;
  }
  std::exception_ptr thrown = last_->broken;
  if (!thrown) {
    try {
      last_->table->run(last_->function.get(), item, out, mark);
      detail::end_loans();
      return {};
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  mark.writing();
  detail::end_loans();
  out.rewrite(begin);  // a result that was written halfway
  try {
    detail::write_error(out, thrown, last_->retried(thrown));
  } catch (...) {  // no memory for the description
    out.rewrite(begin);
    detail::write_error(out, std::make_exception_ptr(std::bad_alloc()), false);
  }
  // The filter's answer travels in the record: the driver adds its own conditions before it says "again".
  return {false, false, 0};
}

verdict cpp_servant::not_sent(std::exception_ptr why, writer& out) {
  detail::write_error(out, why, last_ != nullptr && last_->retried(why));
  return {false, false, 0};
}

}  // namespace engine
}  // namespace centimane
