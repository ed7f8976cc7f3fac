// Runs the tests of a program of this folder. The machines are pure: nothing to set up, nothing to leave behind.
#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
