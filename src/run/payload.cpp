// The part of `payload` that is the same for every face.
#include "centimane/detail/payload.hpp"

namespace centimane::engine {

index payload::invoke_range(index first, index n, int worker, verdict& last) {
  index done = 0;
  last = verdict{};
  while (done < n && last.ok) last = invoke(first + done++, 1, worker);
  return done;
}

}  // namespace centimane::engine
