#include <algorithm>
#include <map>
#include <ranges>

#include <arrow/array.h>

#include "table/hudi/bucket_groups.h"
#include "table/hudi/bucket_hash.h"
#include "table/hudi/properties.h"
#include "table/services.h"

namespace weir::table {
namespace {

constexpr const char* kKeyColumn = "_hoodie_record_key";
/// So many rows tell the number of buckets: another fits each of them by chance.
constexpr int64_t kSampledRows = 20'000;
constexpr int32_t kMostBuckets = 10'000;

/// A row's hash by either Hudi; mostly the same.
struct Hashes {
  int32_t newer = 0;
  int32_t older = 0;
  bool fits(int32_t bucket, int32_t buckets) const {
    return bucket_of(newer, buckets) == bucket || bucket_of(older, buckets) == bucket;
  }
};

class BucketLook {
 public:
  BucketLook(HudiTable& table, const Cancel& cancel) : table_(table), cancel_(cancel) {
    fields_ = split(property_or(table.properties(), "hoodie.bucket.index.hash.field", ""));
    if (fields_.empty())
      fields_ = split(property_or(table.properties(), "hoodie.table.recordkey.fields", ""));
  }

  Status look_at(const std::vector<const FileSlice*>& partition, Buckets& out) {
    WEIR_ASSIGN(const int32_t buckets, count_buckets(partition));
    for (const FileSlice* slice : partition) {
      Misplaced misplaced;
      misplaced.file = slice->name;
      misplaced.bucket = *named_bucket(*slice);
      WEIR_TRY(each_key(*slice, [&](std::string_view key) {
        ++out.rows;
        const Hashes hashes = hashes_of(key);
        if (hashes.fits(static_cast<int32_t>(misplaced.bucket), buckets)) return true;
        if (misplaced.rows++ == 0) {
          misplaced.key = key;
          misplaced.belongs = bucket_of(hashes.newer, buckets);
        }
        return true;
      }));
      if (misplaced.rows > 0) out.misplaced.push_back(std::move(misplaced));
    }
    return {};
  }

 private:
  static std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> names;
    for (const auto name : list | std::views::split(',')) {
      if (!name.empty()) names.emplace_back(name.begin(), name.end());
    }
    return names;
  }

  Hashes hashes_of(std::string_view key) const {
    return {java_hash(hashed_fields(key, fields_)), java_hash(hashed_fields_of_0_15(key, fields_))};
  }

  /// Until `take` says that it has enough.
  template <typename Take>
  Status each_key(const FileSlice& slice, Take take) {
    WEIR_ASSIGN(const auto reader, table_.open(slice));
    for (int64_t group = 0; group < reader->info().row_groups; ++group) {
      WEIR_TRY(cancel_.check());
      WEIR_ASSIGN(const auto batch, reader->read_row_group(group, {kKeyColumn}));
      if (batch->column(0)->type_id() != arrow::Type::STRING)
        return fail(ErrorCode::kCorrupt, "{} of {} is no text", kKeyColumn, slice.name);
      const auto& keys = static_cast<const arrow::StringArray&>(*batch->column(0));
      for (int64_t row = 0; row < keys.length(); ++row) {
        if (!take(keys.IsNull(row) ? std::string_view() : keys.GetView(row))) return {};
      }
    }
    return {};
  }

  /// The number that the properties name, or that most of the partition's rows agree with; of equal
  /// ones the least.
  Result<int32_t> count_buckets(const std::vector<const FileSlice*>& partition) {
    int32_t least = 1;
    for (const FileSlice* slice : partition) least = std::max(least, *named_bucket(*slice) + 1);
    const std::string told =
        property_or(table_.properties(), "hoodie.bucket.index.num.buckets", "");
    if (!told.empty() && told.size() < 9 &&
        told.find_first_not_of("0123456789") == std::string::npos && std::stoi(told) > 0)
      return std::stoi(told);
    const int64_t of_each =
        std::max<int64_t>(1, kSampledRows / static_cast<int64_t>(partition.size()));
    std::vector<std::pair<int32_t, Hashes>> sample;
    for (const FileSlice* slice : partition) {
      int64_t taken = 0;
      WEIR_TRY(each_key(*slice, [&](std::string_view key) {
        sample.emplace_back(*named_bucket(*slice), hashes_of(key));
        return ++taken < of_each;
      }));
    }
    int32_t best = least;
    int64_t most = -1;
    for (int32_t buckets = least; buckets <= kMostBuckets; ++buckets) {
      const int64_t fit = std::ranges::count_if(
          sample, [&](const auto& row) { return row.second.fits(row.first, buckets); });
      if (fit > most) {
        best = buckets;
        most = fit;
      }
      if (most == std::ssize(sample)) break;
    }
    return best;
  }

  HudiTable& table_;
  const Cancel& cancel_;
  std::vector<std::string> fields_;
};

}  // namespace

Result<Buckets> check_buckets(HudiTable& table, const Snapshot& snapshot, const Cancel& cancel) {
  const auto partitions = bucket_partitions(snapshot.slices);
  std::map<std::string, std::vector<const FileSlice*>> slices;
  for (const auto& slice : snapshot.slices) {
    if (partitions.contains(slice.partition)) slices[slice.partition].push_back(&slice);
  }
  Buckets buckets;
  BucketLook look(table, cancel);
  for (const auto& [partition, files] : slices) {
    buckets.partitions.push_back(partition);
    WEIR_TRY(look.look_at(files, buckets));
  }
  return buckets;
}

}  // namespace weir::table
