#include "run/watch.hpp"

#include <exception>

namespace centimane::engine {

watch::watch(wishes what) : hook_(std::move(what.hook)) {
  if (what.trace.empty()) return;
  file_ = std::make_unique<platform::new_file>(what.trace);
  trace_.emplace(platform::this_process(), [file = file_.get()](std::string_view text) { file->write(text); });
}

template <class Write>
void watch::trace(Write write) {
  if (!trace_) return;
  try {
    write();
  } catch (const std::exception& e) {
    trouble_ = e.what();
    trace_.reset();
    file_.reset();
  }
}

bool watch::tell(const happening& what) {
  trace([&] { trace_->tell(what); });
  if (what.what == happening::run_ended) {
    trace([&] {
      trace_->end();
      file_->finish();
      trace_.reset();
      file_.reset();
    });
  }
  return !hook_ || hook_(what);
}

void watch::spent(const char* doing, nanos from, nanos to, index items) {
  trace([&] { trace_->driver(doing, from, to, items); });
}

}  // namespace centimane::engine
