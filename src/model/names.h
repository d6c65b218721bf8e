#pragma once

/// Names that users give, each checked once where it comes in.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::model {

/// `layer.name`. Also names a table of the lake, so it must survive as a folder name.
struct DatasetName {
  std::string layer;
  std::string name;

  std::string text() const { return layer + "." + name; }
  bool empty() const { return name.empty(); }
  /// The dataset that keeps this one's rejected rows: `<layer>.<name>__rejected`.
  DatasetName rejected() const { return {layer, name + "__rejected"}; }
  auto operator<=>(const DatasetName&) const = default;
};

/// Splits at the first '.'. kInvalidConfig where either part breaks check_name.
Result<DatasetName> parse_dataset_name(std::string_view text);

/// Whether every kind of table can hold a column of that name. Hudi makes Avro schemas of its
/// columns: letters, digits and '_' of ASCII, no digit first (Avro 1.11 specification, "Names").
bool is_column_name(std::string_view name);

/// Such a name that reads like the text, for a person to mend: `Order ID` → `order_id`,
/// `2nd` → `column_2nd`; `column` where nothing of it is left.
std::string plain_column_name(std::string_view text);

/// 1–200 bytes of UTF-8 without control characters, '/', '\\', and not `.`, `..`; `what` names the
/// thing in the message. Dots are refused in layers only. kInvalidConfig.
Status check_name(std::string_view name, std::string_view what);

}  // namespace weir::model
