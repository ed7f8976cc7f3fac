// Programs that must not compile; each is chosen by a definition. CASE_NONE must, so that a broken include shows.
#include <memory>
#include <vector>

#include "centimane/centimane.hpp"

namespace cm = centimane;

class closed_type {
  int a_ = 1;

 public:
  int get() const { return a_; }
};

int main() {
  std::vector<int> items{1, 2, 3};
#if defined(CASE_MUTABLE_LAMBDA)
  auto r = cm::parallel_map([n = 0](int i) mutable { return n += i; }, items);
#elif defined(CASE_WRITES_TO_ITEM)
  auto r = cm::parallel_map([](int& i) { return ++i; }, items);
#elif defined(CASE_ARGUMENT_WITHOUT_CODEC)
  cm::process_pool pool;
  auto r = pool.submit([](closed_type c) { return c.get(); }, closed_type());
#elif defined(CASE_RESULT_WITHOUT_CODEC)
  cm::process_pool pool;
  auto r = pool.submit([] { return std::make_unique<int>(1); });
#elif defined(CASE_CAPTURE_CANNOT_TRAVEL)
  cm::process_pool pool;
  auto r = pool.submit([items] { return items.size(); });
#elif defined(CASE_THEN_OF_ANOTHER_TYPE)
  cm::thread_pool pool;
  auto r = pool.submit([] { return 1; }).then(pool, [](const std::vector<int>& v) { return v.size(); });
#elif defined(CASE_WHEN_ALL_OF_WHAT_IS_KEPT)
  std::vector<cm::future<int> > futures;
  auto r = cm::when_all(futures);
#elif defined(CASE_AS_COMPLETED_OF_TEMPORARIES)
  cm::thread_pool pool;
  auto& r = cm::as_completed(std::tuple(pool.submit([] { return 1; }), 2));
#elif defined(CASE_QUEUE_OF_WHAT_BORROWS)
  cm::queue<std::string_view> r;
#else
  auto r = cm::parallel_map([](int i) { return i; }, items);
#endif
  (void)r;
}
