// Reads lines of {"row": …, "sql": …} and writes, for each, the hash by CanonicalWriter and the one
// by DuckDB's canonical_hash. compare.py gives it random rows and compares with its own.

#include <iostream>
#include <string>

#include "base/json.h"
#include "sql/session.h"
#include "typed_row.h"

namespace {

weir::Result<std::string> hash_line(weir::sql::Session& session, const std::string& line) {
  WEIR_ASSIGN(const weir::Json example, weir::parse_json(line));
  const std::string statement = "SELECT canonical_hash(" + example["sql"].get<std::string>() + ")";
  WEIR_ASSIGN(const auto result, session.query(statement));
  return weir::model::canonical_hash(weir::testing::write_typed_row(example["row"])) + " " +
         result.rows[0][0].value_or("NULL");
}

}  // namespace

int main() {
  const weir::Cancel cancel;
  auto session = weir::sql::open_session({.threads = 1}, cancel);
  if (!session) return std::cerr << weir::to_line(session.error()) << "\n", 1;
  for (std::string line; std::getline(std::cin, line);) {
    const auto hashes = hash_line(**session, line);
    if (!hashes) return std::cerr << weir::to_line(hashes.error()) << "\n" << line << "\n", 1;
    std::cout << *hashes << "\n";
  }
  return 0;
}
