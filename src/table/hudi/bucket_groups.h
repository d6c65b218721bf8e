#pragma once

/// Tables that Spark writes with hoodie.index.type BUCKET: a row lies in the file group that the
/// hash of its key names. Their properties do not say so, only the ids of their file groups do
/// (hudi-client-common: index/bucket/BucketIdentifier.java). No I/O.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

/// The bucket that the id of a file's group names. Nothing where it names none, or where weir wrote
/// the file.
std::optional<int32_t> named_bucket(const FileSlice& slice);

/// Partitions that are kept in buckets: those whose groups all name one. A table may have others
/// beside them, from before it had the index or from another writer. The id of any group names a
/// bucket by chance once in 400,000, so one group alone says it only where it is all that there is.
std::set<std::string> bucket_partitions(const std::vector<FileSlice>& slices);

/// kUnsupported, naming the index, where these files of a table are those of buckets.
Status check_no_buckets(const std::vector<FileSlice>& slices);

}  // namespace weir::table
