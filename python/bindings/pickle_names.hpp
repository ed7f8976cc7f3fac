// Which names of __main__ a pickle refers to, read off its opcodes. To ask Python (a second pickling that records what
// it meets) costs more than the pickle itself, and nearly always finds what the items before have shown.
//
// Promises: reads the pickle once, never outside it, calls nothing of it. Knows what pickle writes by protocol 4 and 5;
// anything else is answered by "cannot tell".
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace centimane::python {

/// The globals of __main__ that a pickle names, by their first component ("Point" for Point.Inner), each as often as it
/// is named. The views look into the pickle.
class main_names_in {
 public:
  /// False: it holds an opcode that this reader does not know, or it is damaged.
  bool read(std::span<const std::byte> pickle);
  [[nodiscard]] const std::vector<std::string_view>& names() const noexcept { return names_; }

 private:
  std::vector<std::string_view> names_, memo_;  ///< memo_: strings; of anything else the null view
};

}  // namespace centimane::python
