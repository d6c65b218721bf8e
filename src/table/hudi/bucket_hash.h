#pragma once

/// Which bucket a row of a table with hoodie.index.type BUCKET belongs to: Java's hash of the list
/// of its key's fields, modulo the number of buckets (hudi-client-common:
/// index/bucket/BucketIdentifier.java). Spark hashes what it takes out of the record key's text,
/// and 0.15 and 1.x take a key with ':' or ',' in its values apart differently. No I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::table {

/// Java's String.hashCode: over the UTF-16 units of the text. Bytes that are no UTF-8 count as
/// U+FFFD each.
int32_t java_hash(std::string_view utf8);

/// Values of a key's fields, in their order; nothing for a null.
using KeyFields = std::vector<std::optional<std::string_view>>;

/// Java's List.hashCode of texts.
int32_t java_hash(const KeyFields& values);

/// What Hudi 1.x and 0.15 hash of a record key, `fields` being the columns that the index goes by.
KeyFields hashed_fields(std::string_view record_key, const std::vector<std::string>& fields);
KeyFields hashed_fields_of_0_15(std::string_view record_key,
                                const std::vector<std::string>& fields);

/// `buckets` must be positive.
inline int32_t bucket_of(int32_t hash, int32_t buckets) { return (hash & INT32_MAX) % buckets; }

}  // namespace weir::table
