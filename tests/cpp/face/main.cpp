// init() before anything else, as in any program that uses worker processes.
#include <gtest/gtest.h>

#include "centimane/init.hpp"

int main(int argc, char** argv) {
  centimane::init(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
