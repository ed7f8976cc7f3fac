// See loop_port.hpp.
#include "loop_port.hpp"

#include "ticks.hpp"

namespace centimane::python {

void loop_port::start(index first, index n, std::uint32_t attempt) {
  for (index item = first; item < first + n; ++item) {
    int slot = used_;
    if (free_.empty()) {
      ++used_;
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    under_way_[item] = {attempt, ticks(), monotonic_now(), slot};
    const ref argument = work_.item(item);
    const ref made = argument ? ref::steal(user_call([&] {
      return PyObject_CallFunction(spawn_.get(), "OKI", argument.get(), static_cast<unsigned long long>(item),
                                   static_cast<unsigned int>(attempt));
    }))
                              : ref();
    if (!made) ended(item, end::error, take_error());
  }
}

void loop_port::ended(index item, end how, ref what) {
  const auto found = under_way_.find(item);
  if (found == under_way_.end()) return;
  const begun was = found->second;
  under_way_.erase(found);
  free_.push_back(was.slot);
  over o{item, was.attempt, how, was.from, monotonic_now(), was.slot, {}, {}};
  if (how == end::value || how == end::error) {
    o.verdict = work_.take_outcome(item, how == end::value, std::move(what), seconds_between(was.tick, ticks()));
  } else if (how == end::overtime) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_AsUTF8AndSize(what.get(), &length);
    if (text != nullptr) o.stack.assign(text, static_cast<std::size_t>(length));
    PyErr_Clear();
  }
  ended_.push_back(std::move(o));
}

void loop_port::recall(bool hard) {
  if (!hard || under_way_.empty()) return;
  if (!ref::steal(user_call([&] { return PyObject_CallNoArgs(cancel_.get()); }))) work_.give_up(take_error());
}

bool loop_port::collect(engine::events& to) {
  if (ended_.empty()) return false;
  for (const over& o : std::exchange(ended_, {})) {
    if (o.how == end::value || o.how == end::error) {
      to.timed({o.from, o.from, o.to, o.to});
      to.invoked(o.item, o.attempt, o.slot, o.verdict);
      continue;
    }
    engine::trouble why;
    why.how = o.how == end::overtime ? policy::outcome::overtime : policy::outcome::cancelled;
    why.where = engine::stage::run;
    why.limit = limit_;
    why.stack = o.stack;
    why.began = o.from;
    to.lost(o.item, o.attempt, why);
  }
  return true;
}

}  // namespace centimane::python
