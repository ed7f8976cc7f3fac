// What came back for one run: results as the workers wrote them and the engine's own accounts of what did not come
// back. Filled under the pool's lock by whoever drains, emptied in one piece by the run's driver, who decodes without
// any lock.
//
// Results of one worker mostly come in a row: what they have in common is written once a stretch, so that a result
// costs a word and a copy of its bytes.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "centimane/bytes.hpp"
#include "centimane/detail/payload.hpp"
#include "process/channel_layout.hpp"
#include "run/port.hpp"

namespace centimane::engine {

/// A result with blocks beside it, as it is handed to the face.
struct freight {
  std::vector<std::byte> record;  ///< empty if it is in the first block
  std::vector<annexed> blocks;
  bool apart = false;
  bool kept = false;  ///< its task still looks into its arguments
  phase_times times;  ///< if the result is timed
};

class inbox {
 public:
  void result(index item, std::uint32_t attempt, int worker, const result_header& head,
              std::span<const std::byte> body) {
    std::byte* at = begin(item, attempt, worker, head, body.size());
    if (!body.empty()) std::memcpy(at, body.data(), body.size());
  }
  /// head.kind != 0: what came with the result instead of its body.
  void heavy(index item, std::uint32_t attempt, int worker, const result_header& head, freight&& what) {
    const auto number = static_cast<std::uint32_t>(heavy_.size());
    heavy_.push_back(std::move(what));
    std::memcpy(begin(item, attempt, worker, head, sizeof number), &number, sizeof number);
  }
  void lost(index item, index count, std::uint32_t attempt, std::shared_ptr<const trouble> why) {
    losses_.push_back({item, count, attempt, std::move(why)});
  }
  /// What a task has said; beyond what can be kept for a driver that is busy it is dropped, and counted.
  void heard(const word& what);
  void noticed(const happening& what) { notices_.push_back(what); }
  [[nodiscard]] bool empty() const noexcept {
    return stretches_.empty() && losses_.empty() && notices_.empty() && words_.empty();
  }

  /// Tells everything to `to`, then forgets it.
  void tell(events& to);
  /// Tells the next of it; false: it was all, and is forgotten. What is told may come back here.
  bool tell_one(events& to);

 private:
  struct stretch {
    index first, count;
    std::uint32_t attempt;
    std::int32_t worker;
  };
  struct loss {
    index item, count;
    std::uint32_t attempt;
    std::shared_ptr<const trouble> why;
  };
  /// Opens the record of the next result; answers where its body goes.
  std::byte* begin(index item, std::uint32_t attempt, int worker, const result_header& head, std::size_t length) {
    stretch* last = stretches_.empty() ? nullptr : &stretches_.back();
    if (last != nullptr && item == last->first + last->count && attempt == last->attempt && worker == last->worker) {
      ++last->count;
    } else {
      stretches_.push_back({item, 1, attempt, worker});
    }
    const std::uint32_t word = layout::flags_of(head) | static_cast<std::uint32_t>(length);
    const std::size_t wait = head.server_wait != 0 ? sizeof head.server_wait : 0;
    std::byte* at = bytes_.extend(sizeof word + wait + length);
    std::memcpy(at, &word, sizeof word);
    if (wait != 0) std::memcpy(at + sizeof word, &head.server_wait, wait);
    return at + sizeof word + wait;
  }
  void tell_result(events& to, reader& in, index item, const stretch& of);
  void tell_words(events& to);
  void tell_heavy(events& to, index item, const stretch& of, const verdict& v, std::uint32_t number);
  void clear();

  writer bytes_;
  std::vector<stretch> stretches_;
  std::vector<freight> heavy_;
  std::vector<loss> losses_;
  // How far tell_one has come.
  std::size_t read_ = 0, stretch_ = 0, loss_ = 0;
  index in_it_ = 0;
  std::vector<happening> notices_;
  std::vector<std::pair<word, std::size_t>> words_;  ///< and how long its text is, which lies in spoken_
  std::vector<std::byte> spoken_;
  std::uint64_t dropped_ = 0;
};

}  // namespace centimane::engine
