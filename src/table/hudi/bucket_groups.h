#pragma once

/// Tables that Spark writes with hoodie.index.type BUCKET: a row lies in the file group that the
/// hash of its key names. Their properties do not say so, only the ids of their file groups do
/// (hudi-client-common: index/bucket/BucketIdentifier.java). No I/O.

#include <vector>

#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

/// kUnsupported, naming the index, where these files of a table are those of buckets.
Status check_no_buckets(const std::vector<FileSlice>& slices);

}  // namespace weir::table
