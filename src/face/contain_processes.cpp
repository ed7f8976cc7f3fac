#include "centimane/contain_processes.hpp"

#include "process/containment.hpp"

namespace centimane {
inline namespace v0 {

void contain_processes() { engine::contain_processes(); }

}  // namespace v0
}  // namespace centimane
