#pragma once

/// A warehouse of a test's own, and what another program sees in it and does to it.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "warehouse/warehouse.h"

namespace weir::warehouse {

class House {
 public:
  virtual ~House() = default;
  virtual Json connection() = 0;
  /// Rows as text, `1|Ulm`. No warehouse is open meanwhile.
  virtual std::vector<std::string> see(const std::string& query) = 0;
  /// Tables of weir's and of others, those that nobody else sees included.
  virtual std::vector<std::string> tables() = 0;
  /// Names and types of a table's columns, in weir's words.
  virtual std::vector<std::string> columns(const std::string& table) = 0;
};

/// In that folder.
std::unique_ptr<House> make_duckdb_house(const std::string& folder);
/// A database of the server that the tests of this program share; nullptr where PostgreSQL is not
/// installed.
std::unique_ptr<House> make_postgres_house(const std::string& folder);

/// Loads into a house, each under a token of its own.
class Loading : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  /// nullptr: the test is skipped.
  virtual std::unique_ptr<House> make_house() = 0;

  /// A Parquet file with the rows of that query.
  std::string file(const std::string& query);
  Warehouse& warehouse();
  std::vector<std::string> see(const std::string& query) {
    warehouse_.reset();
    return house_->see(query);
  }

  Load load(model::WriteMode mode, const std::string& query, int64_t rows);
  Load replace(const std::string& query, int64_t rows) {
    return load(model::WriteMode::kReplace, query, rows);
  }
  Load append(const std::string& query, int64_t rows) {
    return load(model::WriteMode::kAppend, query, rows);
  }
  Load merge(const std::string& query, int64_t rows) {
    return load(model::WriteMode::kMerge, query, rows);
  }
  /// With one column of that type.
  Load of_type(const std::string& query, int64_t rows, const std::string& type);

  std::string folder_;
  const std::unique_ptr<Clock> clock_ = make_system_clock();
  Cancel cancel_;
  OpenOptions options_;
  std::unique_ptr<House> house_;
  std::unique_ptr<Warehouse> warehouse_;
  int files_ = 0;
  int loads_ = 0;
};

constexpr auto kAnnAndBob = "SELECT 1 AS id, 'Ulm' AS city UNION ALL SELECT 2, 'Rom'";

}  // namespace weir::warehouse
