#include "cli/result_view.h"

#include <ostream>

#include "base/instant.h"
#include "cli/table_text.h"
#include "lake/tables.h"

namespace weir::cli {

void give_result(Session& session, const sql::TextResult& result) {
  auto& out = *session.wiring().out;
  if (session.wants_json()) {
    out << dump_json(lake::rows_as_json(result)) << "\n";
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : result.rows) {
    std::vector<std::string> cells;
    for (size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i].value_or("");
      if (row[i] && result.types[i].kind == model::TypeKind::kTimestamp) {
        if (const auto at_us = parse_instant(*row[i])) cell = format_instant(*at_us);
      }
      cells.push_back(std::move(cell));
    }
    rows.push_back(std::move(cells));
  }
  out << table_text(result.names, rows, 40);
  if (!session.flags().is_quiet)
    *session.wiring().err << fmt::format("({} row{})\n", result.rows.size(),
                                         result.rows.size() == 1 ? "" : "s");
}

}  // namespace weir::cli
