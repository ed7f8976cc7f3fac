#include <taskflow/algorithm/for_each.hpp>
#include <taskflow/taskflow.hpp>

#include "tiny_items.hpp"

namespace {

struct work {
  void operator()(const int* in, int* out, std::size_t n) {
    tf::Taskflow flow;
    flow.for_each_index(std::size_t{0}, n, std::size_t{1}, [=](std::size_t i) { out[i] = bench::tiny(in[i]); });
    executor_.run(flow).wait();
  }

 private:
  tf::Executor executor_{bench::workers};
};

const bench::entry here("Taskflow", tf::version(), bench::make<bench::onto_warm<work>>);

}  // namespace
