#include "base/this_machine.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ThisMachine, IsNamedByFewWords) {
  for (const char* host : {"localhost", "127.0.0.1", "127.255.3.4", "::1", "[::1]"})
    EXPECT_TRUE(names_this_machine(host)) << host;
  for (const char* host : {"", "127.example.org", "127.0.0.1.example.org", "127.1", "128.0.0.1",
                           "localhost.example.org", "0.0.0.0", "::2"})
    EXPECT_FALSE(names_this_machine(host)) << host;
}

}  // namespace
}  // namespace weir
