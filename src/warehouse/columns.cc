#include "warehouse/columns.h"

#include <algorithm>
#include <cctype>

namespace weir::warehouse {
namespace {

bool equal_folded(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  });
}

}  // namespace

const model::Column* find_folded(const model::Schema& schema, std::string_view name) {
  const auto found = std::ranges::find_if(
      schema, [&](const model::Column& column) { return equal_folded(column.name, name); });
  return found == schema.end() ? nullptr : &*found;
}

Result<ColumnChanges> changes_for(const model::Schema& table, const model::Schema& rows) {
  ColumnChanges changes;
  for (const auto& column : rows) {
    const auto* existing = find_folded(table, column.name);
    if (existing == nullptr) {
      changes.added.push_back(column);
    } else if (model::widens(column.type, existing->type)) {
      continue;  // equal, or the table's type already holds every value
    } else if (model::widens(existing->type, column.type)) {
      changes.widened.push_back({existing->name, column.type, existing->is_nullable});
    } else {
      return fail_with_hint(
          ErrorCode::kSchemaDrift,
          fmt::format("column '{}' is {} in the warehouse and {} in the rows", column.name,
                      model::to_text(existing->type), model::to_text(column.type)),
          "load with mode replace, or change the column's type in the warehouse");
    }
  }
  return changes;
}

}  // namespace weir::warehouse
