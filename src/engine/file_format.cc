#include "engine/file_format.h"

namespace weir::engine {

Result<FileFormat> read_file_format(const Json& format) {
  if (!format.is_object() || format.size() > 1)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("parameter 'format' is {}, expected one format", dump_json(format)),
        "write {csv: {header: true}}");
  if (format.empty()) return files::Dialect{};
  if (format.contains("json")) {
    auto json = files::json_format_from_json(format.at("json"));
    if (json) return *std::move(json);
    // An option of the wrong type is the configuration's fault, not the data's.
    json.error().code = ErrorCode::kInvalidConfig;
    return std::unexpected(std::move(json).error());
  }
  if (!format.contains("csv"))
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("format '{}' is not read yet", format.begin().key()),
                          "write {csv: {header: true}} or {json: {records: $.data}}; other formats "
                          "come later");
  WEIR_ASSIGN(auto dialect, files::dialect_from_json(format.at("csv")));
  return dialect;
}

}  // namespace weir::engine
