#include "process/freight_worker.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>

#include "centimane/errors.hpp"
#include "platform/copy.hpp"
#include "platform/fault.hpp"

namespace centimane::engine {

bool freight_worker::take(control_message& message, bool& answered) {
  const auto segment = static_cast<memory::segment_number>(message.id);
  switch (message.kind) {
    case control::map_arguments:
    case control::map_results:
      try {
        tenancy_.map(segment, message.kind == control::map_results ? memory::use::results : memory::use::arguments,
                     message.body_file, message.length);
      } catch (const std::system_error&) {
        // No addresses left (RLIMIT_AS): what needs the segment says so.
      }
      return true;
    case control::unmap:
      tenancy_.unmap(segment);
      return true;
    case control::tidy:
      for (const memory::lease l : tenancy_.give_up()) returned_.push_back(l);
      return true;
    case control::granted: {
      const std::vector<std::byte> body = message.take_body();
      const auto what = reader(body).raw<granted_block>();
      if (message.id != 0 && !tenancy_.granted(message.id, what.segment, what.offset, what.size)) {
        returned_.push_back(message.id);
      }
      if (what.asked != 0) {
        refused_ = what;
        answered = true;
      }
      CENTIMANE_FAULT("worker.after_grant");
      return true;
    }
    default:
      return false;
  }
}

// ---- a task

std::span<const std::byte> freight_worker::open(std::span<const std::byte> record) {
  reader in(record);
  const auto head = in.raw<freight_head>();
  lent_.clear();
  for (std::uint32_t k = 0; k < head.count; ++k) {
    const auto block = in.raw<lent_block>();
    lent_.push_back(block.lease);
    views_.push_back(tenancy_.view(block.lease, block.segment, block.offset, block.length));
  }
  apart_ = (head.flags & freight_apart) != 0;
  return apart_ ? std::span<const std::byte>(views_[0].data, views_[0].size) : in.rest();
}

bool freight_worker::close() {
  views_.clear();
  apart_ = false;
  if (lent_.empty()) return false;
  tenancy_.collect(returned_);
  const auto back = [&](memory::lease l) {
    return std::find(returned_.begin(), returned_.end(), l) != returned_.end();
  };
  const bool kept = !std::all_of(lent_.begin(), lent_.end(), back);
  if (!kept) {  // the result itself says so
    std::erase_if(returned_, [&](memory::lease l) { return std::find(lent_.begin(), lent_.end(), l) != lent_.end(); });
  }
  lent_.clear();
  return kept;
}

std::vector<memory::lease> freight_worker::to_give_back() {
  tenancy_.collect(returned_);
  return std::exchange(returned_, {});
}

// ---- its result

memory::tenancy::room freight_worker::room_for(std::uint64_t bytes) {
  if (auto warm = tenancy_.take(bytes)) return *warm;
  ask_(bytes);
  if (auto fresh = tenancy_.take(bytes)) return *fresh;
  throw resource_limit("centimane: " + std::to_string(bytes) + " bytes are needed for a result, and " +
                           std::to_string(refused_.have) + " are left before this process's memory limit",
                       bytes, refused_.have);
}

std::uint32_t freight_worker::write(std::span<const part> parts) {
  std::size_t length = 0;
  for (const part& p : parts) length = aligned(length) + p.size();
  const memory::tenancy::room room = room_for(length);
  std::size_t at = 0;
  for (const part& p : parts) {
    at = aligned(at);
    const std::size_t half = p.size() / 2;
    platform::copy_bytes(room.at + at, p.first(half));
    CENTIMANE_FAULT("worker.half_copied");
    platform::copy_bytes(room.at + at + half, p.subspan(half));
    at += p.size();
  }
  written_.push_back({room.number, length});
  return static_cast<std::uint32_t>(written_.size() - 1);
}

std::uint32_t freight_worker::put(std::span<const part> parts) {
  return written_.size() == most_blocks ? none : write(parts);
}

std::span<const std::byte> freight_worker::pack(std::span<const std::byte> bytes, std::size_t largest, bool kept) {
  const std::size_t table = sizeof(freight_head) + (written_.size() + 1) * sizeof(written_block);
  const bool apart = bytes.size() + table > largest;
  if (apart) {
    const part whole = bytes;
    write({&whole, 1});
    std::rotate(written_.begin(), written_.end() - 1, written_.end());
  }
  record_.clear();
  record_.raw(freight_head{static_cast<std::uint32_t>(written_.size()),
                           (apart ? freight_apart : 0U) | (kept ? freight_kept : 0U)});
  for (const written_block& b : written_) record_.raw(b);
  if (!apart) record_.bytes(bytes.data(), bytes.size());
  return record_.view();
}

void freight_worker::drop() noexcept {
  for (const written_block& b : written_) returned_.push_back(b.lease);
  written_.clear();
}

}  // namespace centimane::engine
