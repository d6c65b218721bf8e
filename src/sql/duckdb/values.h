#pragma once

/// How values lie in DuckDB's vectors.

#include <bit>
#include <cstdint>
#include <string_view>

#include "sql/duckdb/handles.h"

namespace weir::sql {

/// Hugeints, UUIDs and wide decimals: `upper` × 2^64 + `lower`, as the C API says.
__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

inline Int128 to_int128(duckdb_hugeint value) {
  return static_cast<Int128>((static_cast<UInt128>(static_cast<uint64_t>(value.upper)) << 64) |
                             value.lower);
}

inline std::string_view to_view(const duckdb_string_t& value) {
  constexpr uint32_t kInlined = 12;
  const uint32_t length = value.value.inlined.length;
  return {length <= kInlined ? value.value.inlined.inlined : value.value.pointer.ptr, length};
}

/// DuckDB keeps the first bit of a UUID flipped, so that it sorts as a signed number.
inline UInt128 uuid_bits(duckdb_hugeint value) {
  return (static_cast<UInt128>(static_cast<uint64_t>(value.upper) ^ (uint64_t{1} << 63)) << 64) |
         value.lower;
}

/// No mask means that all rows are valid.
inline bool is_valid(const uint64_t* mask, idx_t row) {
  return mask == nullptr || ((mask[row / 64] >> (row % 64)) & 1) != 0;
}

}  // namespace weir::sql
