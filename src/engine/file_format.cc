#include "engine/file_format.h"

namespace weir::engine {

Result<files::Dialect> read_file_format(const Json& format) {
  if (!format.is_object() || format.size() > 1)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("parameter 'format' is {}, expected one format", dump_json(format)),
        "write {csv: {header: true}}");
  if (format.empty()) return files::Dialect{};
  if (!format.contains("csv"))
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("format '{}' is not read yet", format.begin().key()),
                          "write {csv: {header: true}}; other formats come later");
  return files::dialect_from_json(format.at("csv"));
}

}  // namespace weir::engine
