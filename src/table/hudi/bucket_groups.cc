#include "table/hudi/bucket_groups.h"

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/format.h>

namespace weir::table {

// `00000003-…`: the first eight digits of a UUID are replaced by the number of the bucket. Of more
// than 10,000 buckets nothing is known here.
std::optional<int32_t> named_bucket(const FileSlice& slice) {
  constexpr size_t kDigits = 8;
  const std::string_view id = slice.file_group_id;
  if (!slice.sha256.empty() || id.size() <= kDigits || !id.starts_with("0000") ||
      id[kDigits] != '-')
    return std::nullopt;
  int32_t bucket = 0;
  for (const char c : id.substr(0, kDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    bucket = bucket * 10 + (c - '0');
  }
  return bucket;
}

std::set<std::string> bucket_partitions(const std::vector<FileSlice>& slices) {
  struct Counted {
    size_t groups = 0;
    size_t buckets = 0;
  };
  std::map<std::string, Counted> partitions;
  for (const auto& slice : slices) {
    Counted& counted = partitions[slice.partition];
    ++counted.groups;
    if (named_bucket(slice)) ++counted.buckets;
  }
  std::set<std::string> in_buckets;
  size_t buckets = 0;
  for (const auto& [partition, counted] : partitions) {
    if (counted.buckets < counted.groups) continue;
    in_buckets.insert(partition);
    buckets += counted.buckets;
  }
  if (buckets == 1 && slices.size() > 1) in_buckets.clear();
  return in_buckets;
}

Status check_no_buckets(const std::vector<FileSlice>& slices) {
  const auto partitions = bucket_partitions(slices);
  if (partitions.empty()) return {};
  const auto first = std::ranges::find_if(
      slices, [&](const FileSlice& slice) { return partitions.contains(slice.partition); });
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("file groups like '{}' are those of hoodie.index.type BUCKET; rows of a bucket "
                  "table must lie where its hash says, which weir does not do",
                  first->name.empty() ? first->file_group_id : first->name),
      "write this table with Spark, or copy it into a table without that index");
}

}  // namespace weir::table
