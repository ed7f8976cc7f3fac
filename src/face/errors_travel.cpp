// Exceptions between processes: standard types and centimane's own arrive as themselves, others described as
// remote_error.
#include <cxxabi.h>

#include <functional>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>

#include "centimane/detail/map_payload.hpp"
#include "centimane/detail/remote_task.hpp"
#include "centimane/process_barrier.hpp"

namespace centimane {
inline namespace v0 {
namespace detail {
namespace {

using maker = std::exception_ptr (*)(std::string what);

template <class E>
std::exception_ptr make(std::string what) {
  return std::make_exception_ptr(E(std::move(what)));
}
/// std::exception itself holds no message: one derived from it that does would be another type, so what() is that of
/// the class.
template <class E>
std::exception_ptr make_plain(std::string) {  // NOLINT(performance-unnecessary-value-param): a maker's signature
  return std::make_exception_ptr(E());
}

/// By mangled name: the same program on both sides.
const std::map<std::string, maker, std::less<>>& makers() {
  static const auto& all = *new std::map<std::string, maker, std::less<>>{
      {typeid(std::exception).name(), make_plain<std::exception>},
      {typeid(std::bad_alloc).name(), make_plain<std::bad_alloc>},
      {typeid(std::bad_array_new_length).name(), make_plain<std::bad_array_new_length>},
      {typeid(std::bad_cast).name(), make_plain<std::bad_cast>},
      {typeid(std::bad_typeid).name(), make_plain<std::bad_typeid>},
      {typeid(std::bad_function_call).name(), make_plain<std::bad_function_call>},
      {typeid(std::bad_optional_access).name(), make_plain<std::bad_optional_access>},
      {typeid(std::bad_variant_access).name(), make_plain<std::bad_variant_access>},
      {typeid(std::logic_error).name(), make<std::logic_error>},
      {typeid(std::invalid_argument).name(), make<std::invalid_argument>},
      {typeid(std::domain_error).name(), make<std::domain_error>},
      {typeid(std::length_error).name(), make<std::length_error>},
      {typeid(std::out_of_range).name(), make<std::out_of_range>},
      {typeid(std::runtime_error).name(), make<std::runtime_error>},
      {typeid(std::range_error).name(), make<std::range_error>},
      {typeid(std::overflow_error).name(), make<std::overflow_error>},
      {typeid(std::underflow_error).name(), make<std::underflow_error>},
      {typeid(error).name(), make<error>},
      {typeid(worker_died).name(), [](std::string w) { return std::make_exception_ptr(worker_died(std::move(w))); }},
      {typeid(task_timeout).name(), [](std::string w) { return std::make_exception_ptr(task_timeout(std::move(w))); }},
      {typeid(cancelled).name(), make<cancelled>},
      {typeid(aborted).name(), make<aborted>},
      {typeid(timed_out).name(), make<timed_out>},
      {typeid(start_failed).name(), make<start_failed>},
      {typeid(resource_limit).name(),
       [](std::string w) { return std::make_exception_ptr(resource_limit(std::move(w))); }},
      {typeid(pool_closed).name(), make<pool_closed>},
      {typeid(pool_forked).name(), make<pool_forked>},
      {typeid(owner_died).name(), make<owner_died>},
      {typeid(queue_closed).name(), make<queue_closed>},
      {typeid(broken_barrier).name(), make<broken_barrier>},
      {typeid(nesting_error).name(), make<nesting_error>},
      {typeid(checkpoint_error).name(), make<checkpoint_error>},
      {typeid(exception_group).name(),
       [](std::string w) { return std::make_exception_ptr(exception_group(std::move(w))); }},
  };
  return all;
}

enum class shape : std::uint8_t { plain, system, described, payload };

/// A user's what() may throw for all we know, and its text may be a gigabyte.
std::string what_of(const std::exception& e) {
  constexpr std::size_t most = 1 << 20;
  const char* text = e.what();
  if (text == nullptr) return {};
  return std::string(text, strnlen(text, most));
}

void write(writer& out, bool retried, shape how, std::string_view type, std::string_view what) {
  out.raw(static_cast<std::uint8_t>(retried));
  out.raw(how);
  codec<std::string_view>::write(out, type);
  codec<std::string_view>::write(out, what);
}

}  // namespace

void write_error(writer& out, const std::exception_ptr& e, bool retried) {
  try {
    std::rethrow_exception(e);
  } catch (const std::system_error& s) {
    const bool generic = s.code().category() == std::generic_category();
    if (typeid(s) == typeid(std::system_error) && (generic || s.code().category() == std::system_category())) {
      std::string what = what_of(s), ending = ": " + s.code().message();
      if (what.ends_with(ending)) what.resize(what.size() - ending.size());
      write(out, retried, shape::system, "", what);
      out.raw(static_cast<std::int32_t>(s.code().value()));
      out.raw(static_cast<std::uint8_t>(generic));
    } else {
      write(out, retried, shape::described, demangled(typeid(s).name()), what_of(s));
    }
  } catch (const payload_error& p) {
    write(out, retried, shape::payload, p.stage(), what_of(p));
  } catch (const remote_error& r) {
    write(out, retried, shape::described, r.type_name(), what_of(r));
  } catch (const std::exception& x) {
    const char* type = typeid(x).name();
    if (makers().contains(std::string_view(type))) {
      write(out, retried, shape::plain, type, what_of(x));
    } else {
      write(out, retried, shape::described, demangled(type), what_of(x));
    }
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    std::string_view name = type == nullptr ? "(foreign exception)" : demangled(type->name());
    write(out, retried, shape::described, name, "an exception of type " + std::string(name));
  }
}

std::exception_ptr read_error(reader& in, bool& retried) {
  try {
    retried = in.raw<std::uint8_t>() != 0;
    auto how = in.raw<shape>();
    std::string type = codec<std::string>::read(in), what = codec<std::string>::read(in);
    switch (how) {
      case shape::plain:
        if (auto at = makers().find(type); at != makers().end()) return at->second(std::move(what));
        break;
      case shape::system: {
        auto value = in.raw<std::int32_t>();
        bool generic = in.raw<std::uint8_t>() != 0;
        std::error_code code(value, generic ? std::generic_category() : std::system_category());
        return std::make_exception_ptr(what.empty() ? std::system_error(code) : std::system_error(code, what));
      }
      case shape::payload:
        return std::make_exception_ptr(payload_error(std::move(what), type));
      case shape::described:
        break;
    }
    return std::make_exception_ptr(remote_error(std::move(what), std::move(type)));
  } catch (...) {
    retried = false;
    return std::current_exception();
  }
}

std::exception_ptr describe_payload_error(const char* stage, const char* doing, const char* mangled_type) {
  std::string text = "centimane: " + std::string(doing) + " (" + std::string(demangled(mangled_type)) + ")";
  try {
    throw;
  } catch (const resource_limit&) {
    return std::current_exception();  // nothing is wrong with the type
  } catch (const std::exception& e) {
    text += ": " + std::string(e.what());
  } catch (...) {
    text += ": its codec threw what is no std::exception";
  }
  return std::make_exception_ptr(payload_error(std::move(text), stage));
}

void throw_payload_error(const char* stage, const char* doing, const char* mangled_type) {
  std::rethrow_exception(describe_payload_error(stage, doing, mangled_type));
}

void throw_cannot_travel(const char* what, const char* mangled_type, const char* advice) {
  throw payload_error("centimane: " + std::string(what) + " of type " + std::string(demangled(mangled_type)) +
                      " cannot travel to a worker process: " + advice + ", or run on centimane::thread");
}

}  // namespace detail
}  // namespace v0
}  // namespace centimane
