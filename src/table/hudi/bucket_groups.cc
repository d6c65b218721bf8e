#include "table/hudi/bucket_groups.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace weir::table {
namespace {

/// `00000003-…`: the first eight digits of a UUID are replaced by the number of the bucket. The ids
/// of others begin so by chance, but one in 400,000 does with a number below 10,000, and a table is
/// asked for all of its groups. What weir itself wrote is none.
bool is_bucket(const FileSlice& slice) {
  const std::string_view id = slice.file_group_id;
  return slice.sha256.empty() && id.size() > 8 && id.starts_with("0000") && id[8] == '-' &&
         std::ranges::all_of(id.substr(0, 8), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Status check_no_buckets(const std::vector<FileSlice>& slices) {
  if (slices.empty() || !std::ranges::all_of(slices, is_bucket)) return {};
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("file groups like '{}' are those of hoodie.index.type BUCKET; rows of a bucket "
                  "table must lie where its hash says, which weir does not do",
                  slices.front().file_group_id),
      "write this table with Spark, or copy it into a table without that index");
}

}  // namespace weir::table
