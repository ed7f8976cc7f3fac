#include "centimane/init.hpp"

#include "face/ancestor.hpp"

namespace centimane {
inline namespace v0 {

void init() { engine::need_ancestor(true); }
void init(int&, char**&) { init(); }

}  // namespace v0
}  // namespace centimane
