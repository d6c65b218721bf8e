#pragma once

/// What every store must do: the suite is in conformance_suite_test.cc. Each store's test
/// instantiates it; a store that differs says so in its Capabilities, and the suite then checks
/// that. For tests only.

#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "storage/storage.h"

namespace weir::storage {

class Conformance : public ::testing::TestWithParam<std::function<std::unique_ptr<Storage>()>> {
 protected:
  /// The bytes of an object; the error's text where it cannot be read.
  std::string bytes_of(std::string_view name) {
    const auto bytes = storage_->read(name, Range::all());
    return bytes ? *bytes : to_line(bytes.error());
  }
  Result<Written> write(std::string_view name, std::string_view bytes, Put mode = Put::kReplace) {
    return put(*storage_, name, bytes, mode);
  }
  /// Of an object that is there.
  std::string version_of(std::string_view name) {
    const auto entry = storage_->stat(name);
    EXPECT_TRUE(entry) << to_line(entry.error());
    return entry ? entry->version : std::string();
  }
  std::vector<std::string> names(std::string_view prefix) {
    std::vector<std::string> found;
    const auto entries = list_all(*storage_, prefix);
    if (!entries) {
      ADD_FAILURE() << to_line(entries.error());
      return found;
    }
    for (const auto& entry : *entries) found.push_back(entry.name);
    return found;
  }
  ErrorCode read_failure(std::string_view name) {
    const auto bytes = storage_->read(name, Range::all());
    EXPECT_FALSE(bytes) << name;
    return bytes ? ErrorCode::kInternal : bytes.error().code;
  }

  void SetUp() override {
    if (storage_ == nullptr) GTEST_SKIP() << "the store cannot be had here";
  }

  /// Empty at the start of each test. Nothing where what it stands on is not installed.
  std::unique_ptr<Storage> storage_ = GetParam()();
};

}  // namespace weir::storage
