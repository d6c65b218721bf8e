#pragma once

/// Engines that are to read a Hudi dataset, as it declares them: `options: {reader: athena}`, or a
/// list, or `any` for all of them. A query engine does not refuse what it cannot read: it shows
/// nulls, no rows, or fails at somebody else's. So weir refuses to write it. The layout on disk is
/// one that all of them read (docs/format/hudi.md); what differs is names and types.

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/schema.h"

namespace weir::model {

enum class Reader {
  kSpectrum,  ///< `spectrum`: Amazon Redshift's external tables.
  kAthena,    ///< `athena`: engine version 3.
  kSpark015,  ///< `spark-0.15`: Spark 3 with Hudi 0.15.
  kSpark1,    ///< `spark-1.x`: Spark 3 with Hudi 1.
};
std::string_view to_text(Reader reader);

/// Of a dataset's options; none where `reader` is not among them. kInvalidConfig for another word.
Result<std::vector<Reader>> readers_of(const Json& options);

/// kUnsupported, naming reader, column and the way out, for the first column that one of them
/// cannot read. The sources of the rules stand with them.
Status check_readable_by(const std::vector<Reader>& readers, const Schema& columns);

}  // namespace weir::model
