#pragma once

/// A table's schema as Avro text, which Hudi keeps in commits, footers and properties, and back.

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/schema.h"
#include "table/hudi.h"

namespace weir::table {

/// The record `<table>_record` in the namespace `hoodie.<table>`. Every column is a union with null
/// and null by default; decimals are fixed. kInvalidConfig for names that Avro cannot hold and for
/// those of Hudi's own columns, kUnsupported for maps whose keys are no text.
Result<std::string> avro_schema_text(std::string_view table_name, const model::Schema& schema,
                                     MetaColumns meta);

/// The columns of such a text, without Hudi's own. kCorrupt where it is no record of known types.
Result<model::Schema> schema_from_avro(std::string_view text);

}  // namespace weir::table
