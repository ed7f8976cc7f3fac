#include "process/inbox.hpp"

namespace centimane::engine {

namespace {

/// What is kept of words for a driver that is busy with something else.
constexpr std::size_t most_words = 16 * 1024 * 1024;

}  // namespace

void inbox::heard(const word& what) {
  if (spoken_.size() + what.text.size() + 64 * words_.size() > most_words) {
    ++dropped_;
    return;
  }
  words_.emplace_back(what, what.text.size());
  spoken_.insert(spoken_.end(), what.text.begin(), what.text.end());
}

void inbox::tell_words(events& to) {
  std::size_t at = 0;
  for (auto& [what, length] : words_) {
    what.text = std::span(spoken_).subspan(at, length);
    at += length;
    to.heard(what);
  }
  if (dropped_ != 0) {
    word lost;
    lost.text = std::as_bytes(std::span(&dropped_, 1));
    to.heard(lost);
  }
  words_.clear();
  spoken_.clear();
  dropped_ = 0;
}

void inbox::tell(events& to) {
  tell_words(to);
  for (const happening& what : notices_) to.noticed(what);
  notices_.clear();
  reader in(bytes_.view());
  for (const stretch& s : stretches_) {
    for (index k = 0; k < s.count; ++k) tell_result(to, in, s.first + k, s);
  }
  for (const loss& l : losses_) {
    for (index k = 0; k < l.count; ++k) to.lost(l.item + k, l.attempt, *l.why);
  }
  clear();
}

void inbox::tell_result(events& to, reader& in, index item, const stretch& s) {
  const auto word = in.raw<std::uint32_t>();
  const result_header head = layout::header_of(word);
  const verdict v{head.ok != 0, head.retryable != 0, (word & layout::flag_wait) != 0 ? in.raw<nanos>() : 0};
  const std::uint32_t length = word & layout::length_mask;
  reader body({in.bytes(length), length});
  read_ = bytes_.size() - in.remaining();  // before it is told: that may come back here
  if (head.timed != 0 && head.kind == 0) to.timed(body.raw<phase_times>());
  if (head.kind == 0) {
    to.returned(item, s.attempt, s.worker, v.ok, v, body);
  } else {
    tell_heavy(to, item, s, v, body.raw<std::uint32_t>());
  }
}

bool inbox::tell_one(events& to) {
  if (stretch_ < stretches_.size()) {
    const stretch s = stretches_[stretch_];
    const index item = s.first + in_it_;
    if (++in_it_ == s.count) {
      ++stretch_;
      in_it_ = 0;
    }
    reader in(bytes_.view().subspan(read_));
    tell_result(to, in, item, s);
    return true;
  }
  if (loss_ < losses_.size()) {
    const loss l = losses_[loss_];
    const index item = l.item + in_it_;
    if (++in_it_ == l.count) {
      ++loss_;
      in_it_ = 0;
    }
    to.lost(item, l.attempt, *l.why);
    return true;
  }
  clear();
  return false;
}

void inbox::clear() {
  bytes_.clear();
  stretches_.clear();
  heavy_.clear();
  losses_.clear();
  read_ = stretch_ = loss_ = 0;
  in_it_ = 0;
}

void inbox::tell_heavy(events& to, index item, const stretch& of, const verdict& v, std::uint32_t number) {
  const freight what = std::move(heavy_[number]);  // let go as soon as the face has had it
  if (what.times.written != 0) to.timed(what.times);
  const std::span<const annexed> blocks(what.blocks);
  const std::span<const std::byte> record =
      what.apart ? std::span<const std::byte>(blocks[0].data, blocks[0].size) : std::span(what.record);
  to.returned(item, of.attempt, of.worker, v.ok, v, reader(record, blocks.subspan(what.apart ? 1 : 0)));
}

}  // namespace centimane::engine
