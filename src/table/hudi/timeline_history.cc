#include "table/hudi/timeline_history.h"

#include <arrow/array.h>

#include "base/json.h"
#include "parquet/parquet.h"

namespace weir::table {
namespace {

using Completions = std::map<std::string, std::string, std::less<>>;

/// The names of the files that make the history now; none where there is none.
Result<std::vector<std::string>> history_files(storage::Storage& store,
                                               const TimelineLayout& layout) {
  const auto version = store.read(layout.history + "_version_", storage::Range::all());
  if (!version && version.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!version) return std::unexpected(version.error());
  if (version->empty() || version->find_first_not_of("0123456789") != std::string::npos)
    return fail(ErrorCode::kCorrupt, "{}_version_ holds '{}', which is no number", layout.history,
                *version);
  const std::string manifest = layout.history + "manifest_" + *version;
  WEIR_ASSIGN(const std::string text, store.read(manifest, storage::Range::all()));
  const auto json = parse_json(text);
  if (!json || !json->is_object() || !json->contains("files") || !json->at("files").is_array())
    return fail(ErrorCode::kCorrupt, "{} is no manifest of files", manifest);
  std::vector<std::string> names;
  for (const auto& file : json->at("files")) {
    auto name = json_field<std::string>(file, "fileName");
    if (!name) return fail(ErrorCode::kCorrupt, "{} has a file without a name", manifest);
    names.push_back(layout.history + *name);
  }
  return names;
}

Status add_completions(storage::Storage& store, const std::string& name, Completions& out) {
  WEIR_ASSIGN(const auto reader, parquet::open_file(store, name));
  for (int64_t group = 0; group < reader->info().row_groups; ++group) {
    WEIR_ASSIGN(const auto rows, reader->read_row_group(group, {"instantTime", "completionTime"}));
    const auto times = rows->GetColumnByName("instantTime");
    const auto completions = rows->GetColumnByName("completionTime");
    if (times->type_id() != arrow::Type::STRING || completions->type_id() != arrow::Type::STRING)
      return fail(ErrorCode::kCorrupt, "{} has times that are no text", name);
    const auto& time = static_cast<const arrow::StringArray&>(*times);
    const auto& completion = static_cast<const arrow::StringArray&>(*completions);
    for (int64_t row = 0; row < rows->num_rows(); ++row) {
      if (time.IsNull(row) || completion.IsNull(row)) continue;
      out.insert_or_assign(time.GetString(row), completion.GetString(row));
    }
  }
  return {};
}

}  // namespace

Result<Completions> archived_completions(storage::Storage& store, const TimelineLayout& layout) {
  Completions completions;
  if (layout.version != 2) return completions;
  WEIR_ASSIGN(const std::vector<std::string> names, history_files(store, layout));
  for (const auto& name : names)
    WEIR_TRY(while_doing(add_completions(store, name, completions),
                         "reading the history of the timeline"));
  return completions;
}

}  // namespace weir::table
