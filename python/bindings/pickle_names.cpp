// See pickle_names.hpp.
#include "pickle_names.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

namespace centimane::python {
namespace {

/// How an opcode's argument is laid out.
enum class argument : std::uint8_t { none, one, two, four, eight, counted_1, counted_4, counted_8, unknown };

constexpr std::uint8_t op_frame = 0x95, op_memoize = 0x94, op_stack_global = 0x93, op_short_unicode = 0x8c,
                       op_unicode = 'X', op_unicode_8 = 0x8d, op_get = 'h', op_long_get = 'j', op_stop = '.';

constexpr argument argument_of(std::uint8_t op) {
  switch (op) {
    case '(':   // MARK
    case '.':   // STOP
    case '0':   // POP
    case '1':   // POP_MARK
    case '2':   // DUP
    case 'N':   // NONE
    case 'R':   // REDUCE
    case 'b':   // BUILD
    case 'o':   // OBJ
    case 't':   // TUPLE
    case ')':   // EMPTY_TUPLE
    case 'l':   // LIST
    case ']':   // EMPTY_LIST
    case 'a':   // APPEND
    case 'e':   // APPENDS
    case 'd':   // DICT
    case '}':   // EMPTY_DICT
    case 's':   // SETITEM
    case 'u':   // SETITEMS
    case 'Q':   // BINPERSID
    case 0x81:  // NEWOBJ
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
    case 0x8f:  // EMPTY_SET
    case 0x90:  // ADDITEMS
    case 0x91:  // FROZENSET
    case 0x92:  // NEWOBJ_EX
    case op_stack_global:
    case op_memoize:
    case 0x97:  // NEXT_BUFFER
    case 0x98:  // READONLY_BUFFER
      return argument::none;
    case 0x80:  // PROTO
    case 'K':   // BININT1
    case op_get:
    case 0x82:  // EXT1
      return argument::one;
    case 'M':   // BININT2
    case 0x83:  // EXT2
      return argument::two;
    case 'J':  // BININT
    case op_long_get:
    case 0x84:  // EXT4
      return argument::four;
    case 'G':  // BINFLOAT
    case op_frame:
      return argument::eight;
    case 'U':  // SHORT_BINSTRING
    case 'C':  // SHORT_BINBYTES
    case op_short_unicode:
    case 0x8a:  // LONG1
      return argument::counted_1;
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
    case op_unicode:
    case 0x8b:  // LONG4
      return argument::counted_4;
    case op_unicode_8:
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      return argument::counted_8;
    default:
      return argument::unknown;
  }
}

/// How many bytes stand in front of the text, and of these how many tell its length.
constexpr std::size_t width_of(argument a) {
  switch (a) {
    case argument::one:
    case argument::counted_1:
      return 1;
    case argument::two:
      return 2;
    case argument::four:
    case argument::counted_4:
      return 4;
    case argument::eight:
    case argument::counted_8:
      return 8;
    default:
      return 0;
  }
}

constexpr bool counted(argument a) { return a >= argument::counted_1 && a <= argument::counted_8; }

}  // namespace

bool main_names_in::read(std::span<const std::byte> pickle) {
  names_.clear();
  memo_.clear();
  const char* at = reinterpret_cast<const char*>(pickle.data());
  const char* const end = at + pickle.size();
  std::string_view last, before;  // the two values pushed last, where they are strings
  while (at < end) {
    const auto op = static_cast<std::uint8_t>(*at++);
    const argument a = argument_of(op);
    const std::size_t width = width_of(a);
    if (a == argument::unknown || static_cast<std::size_t>(end - at) < width) return false;
    std::uint64_t number = 0;  // little-endian, as this machine is
    std::memcpy(&number, at, width);
    at += width;
    std::string_view text;
    if (counted(a)) {
      if (static_cast<std::uint64_t>(end - at) < number) return false;
      text = {at, static_cast<std::size_t>(number)};
      at += number;
    }
    switch (op) {
      case op_frame:
        continue;
      case op_memoize:
        memo_.push_back(last);
        continue;
      case op_short_unicode:
      case op_unicode:
      case op_unicode_8:
        before = std::exchange(last, text);
        continue;
      case op_get:
      case op_long_get:
        if (number >= memo_.size()) return false;
        before = std::exchange(last, memo_[static_cast<std::size_t>(number)]);
        continue;
      case op_stack_global:
        if (before.data() == nullptr || last.data() == nullptr) return false;
        if (before == "__main__") names_.push_back(last.substr(0, last.find('.')));
        break;
      case op_stop:
        return at == end;
      default:
        break;
    }
    before = last = {};
  }
  return false;
}

}  // namespace centimane::python
