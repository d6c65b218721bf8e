#include "sql/duckdb/canonical_function.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/digest.h"
#include "model/canonical.h"
#include "sql/duckdb/types.h"
#include "sql/duckdb/values.h"

// Bound once a statement: a tree of encoders, fields already in the order of their names. Run for
// each chunk: the tree is laid over the chunk's vectors, then every row is written by itself and
// hashed. Nothing is allocated per row but DuckDB's own string.

namespace weir::sql {
namespace {

using model::CanonicalWriter;

/// How values of one type are written; children of a struct are sorted by name.
struct Encoder {
  duckdb_type type = DUCKDB_TYPE_INVALID;
  duckdb_type stored_as = DUCKDB_TYPE_INVALID;  ///< Of decimals and enums.
  int scale = 0;
  idx_t array_size = 0;
  idx_t child_index = 0;  ///< Place in the parent's vector.
  std::string name;       ///< Length and bytes, ready to be written.
  std::vector<std::string> enum_values;
  std::vector<Encoder> children;
};

/// An encoder over the vector of one chunk.
struct Column {
  const Encoder* encoder = nullptr;
  const void* data = nullptr;
  const uint64_t* validity = nullptr;
  std::vector<Column> children;

  template <typename T>
  const T& value(idx_t row) const {
    return static_cast<const T*>(data)[row];
  }
};

Result<Encoder> make_encoder(duckdb_logical_type type);

Status add_child(Encoder& parent, LogicalType type, idx_t index, const std::string& name) {
  WEIR_ASSIGN(Encoder child, make_encoder(type.get()));
  child.child_index = index;
  CanonicalWriter writer;
  writer.name(name);
  child.name = writer.bytes();
  parent.children.push_back(std::move(child));
  return {};
}

/// Sorts by the bytes of the names; `name` has the length before them, so that goes first.
Status add_fields(Encoder& parent, duckdb_logical_type type) {
  std::vector<std::pair<std::string, idx_t>> fields;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i)
    fields.emplace_back(take_text(duckdb_struct_type_child_name(type, i)), i);
  std::ranges::sort(fields);
  for (const auto& [name, index] : fields) {
    WEIR_TRY(while_doing(
        add_child(parent, LogicalType(duckdb_struct_type_child_type(type, index)), index, name),
        fmt::format("hashing field '{}'", name)));
  }
  return {};
}

Result<Encoder> make_encoder(duckdb_logical_type type) {
  Encoder encoder;
  encoder.type = duckdb_get_type_id(type);
  switch (encoder.type) {
    case DUCKDB_TYPE_LIST:
      WEIR_TRY(add_child(encoder, LogicalType(duckdb_list_type_child_type(type)), 0, ""));
      break;
    case DUCKDB_TYPE_ARRAY:
      encoder.array_size = duckdb_array_type_array_size(type);
      WEIR_TRY(add_child(encoder, LogicalType(duckdb_array_type_child_type(type)), 0, ""));
      break;
    case DUCKDB_TYPE_MAP:
      WEIR_TRY(add_child(encoder, LogicalType(duckdb_map_type_key_type(type)), 0, ""));
      WEIR_TRY(add_child(encoder, LogicalType(duckdb_map_type_value_type(type)), 1, ""));
      break;
    case DUCKDB_TYPE_STRUCT: WEIR_TRY(add_fields(encoder, type)); break;
    case DUCKDB_TYPE_DECIMAL:
      encoder.scale = duckdb_decimal_scale(type);
      encoder.stored_as = duckdb_decimal_internal_type(type);
      break;
    case DUCKDB_TYPE_ENUM:
      encoder.stored_as = duckdb_enum_internal_type(type);
      encoder.enum_values = enum_values(type);
      break;
    default:
      // What weir cannot keep, it cannot hash either.
      WEIR_TRY(type_of(type));
  }
  return encoder;
}

Column lay_over(const Encoder& encoder, duckdb_vector vector) {
  Column column;
  column.encoder = &encoder;
  column.data = duckdb_vector_get_data(vector);
  column.validity = duckdb_vector_get_validity(vector);
  if (encoder.type == DUCKDB_TYPE_LIST) {
    column.children.push_back(lay_over(encoder.children[0], duckdb_list_vector_get_child(vector)));
  } else if (encoder.type == DUCKDB_TYPE_ARRAY) {
    column.children.push_back(lay_over(encoder.children[0], duckdb_array_vector_get_child(vector)));
  } else {
    // A map is a list of structs of key and value.
    duckdb_vector parent =
        encoder.type == DUCKDB_TYPE_MAP ? duckdb_list_vector_get_child(vector) : vector;
    for (const Encoder& child : encoder.children)
      column.children.push_back(
          lay_over(child, duckdb_struct_vector_get_child(parent, child.child_index)));
  }
  return column;
}

/// False: the value does not fit the form.
bool write_timestamp(CanonicalWriter& out, int64_t value, int64_t microseconds) {
  constexpr int64_t kInfinite = std::numeric_limits<int64_t>::max();
  if (value == kInfinite || value == -kInfinite) return false;
  int64_t at_us = 0;
  if (__builtin_mul_overflow(value, microseconds, &at_us)) return false;
  out.timestamp(at_us);
  return true;
}

bool write_date(CanonicalWriter& out, int32_t days) {
  constexpr int32_t kInfinite = std::numeric_limits<int32_t>::max();
  if (days == kInfinite || days == -kInfinite) return false;
  out.date(days);
  return true;
}

bool write_decimal(CanonicalWriter& out, const Column& column, idx_t row) {
  const int scale = column.encoder->scale;
  switch (column.encoder->stored_as) {
    case DUCKDB_TYPE_SMALLINT: out.decimal(column.value<int16_t>(row), scale); break;
    case DUCKDB_TYPE_INTEGER: out.decimal(column.value<int32_t>(row), scale); break;
    case DUCKDB_TYPE_BIGINT: out.decimal(column.value<int64_t>(row), scale); break;
    default: out.decimal(to_int128(column.value<duckdb_hugeint>(row)), scale);
  }
  return true;
}

bool write_enum(CanonicalWriter& out, const Column& column, idx_t row) {
  idx_t index = 0;
  switch (column.encoder->stored_as) {
    case DUCKDB_TYPE_UTINYINT: index = column.value<uint8_t>(row); break;
    case DUCKDB_TYPE_USMALLINT: index = column.value<uint16_t>(row); break;
    default: index = column.value<uint32_t>(row);
  }
  out.text(column.encoder->enum_values[index]);
  return true;
}

bool write_uuid(CanonicalWriter& out, const duckdb_hugeint& value) {
  const UInt128 bits = uuid_bits(value);
  char bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<char>(bits >> (8 * (15 - i)));
  out.uuid({bytes, sizeof(bytes)});
  return true;
}

bool write_uhugeint(CanonicalWriter& out, const duckdb_uhugeint& value) {
  if (value.upper >> 63 != 0) return false;
  out.decimal(to_int128({value.lower, static_cast<int64_t>(value.upper)}), 0);
  return true;
}

bool write_value(CanonicalWriter& out, const Column& column, idx_t row);

bool write_or_null(CanonicalWriter& out, const Column& column, idx_t row) {
  if (is_valid(column.validity, row)) return write_value(out, column, row);
  out.null();
  return true;
}

bool write_fields(CanonicalWriter& out, const std::vector<Column>& fields, idx_t row) {
  for (const Column& field : fields) {
    if (!is_valid(field.validity, row)) continue;
    out.raw(field.encoder->name);
    if (!write_value(out, field, row)) return false;
  }
  return true;
}

bool write_struct(CanonicalWriter& out, const Column& column, idx_t row) {
  out.structure(static_cast<uint64_t>(std::ranges::count_if(
      column.children, [&](const Column& field) { return is_valid(field.validity, row); })));
  return write_fields(out, column.children, row);
}

bool write_elements(CanonicalWriter& out, const Column& child, idx_t from, idx_t count) {
  out.list(count);
  for (idx_t i = from; i < from + count; ++i)
    if (!write_or_null(out, child, i)) return false;
  return true;
}

bool write_map(CanonicalWriter& out, const Column& column, idx_t row) {
  const auto& entry = column.value<duckdb_list_entry>(row);
  std::vector<std::pair<std::string, std::string>> pairs;
  CanonicalWriter one;
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    one.clear();
    if (!write_or_null(one, column.children[0], i)) return false;
    std::string key = one.bytes();
    one.clear();
    if (!write_or_null(one, column.children[1], i)) return false;
    pairs.emplace_back(std::move(key), one.bytes());
  }
  std::ranges::sort(pairs);
  out.map(entry.length);
  for (const auto& [key, value] : pairs) {
    out.raw(key);
    out.raw(value);
  }
  return true;
}

bool write_nested(CanonicalWriter& out, const Column& column, idx_t row) {
  switch (column.encoder->type) {
    case DUCKDB_TYPE_STRUCT: return write_struct(out, column, row);
    case DUCKDB_TYPE_MAP: return write_map(out, column, row);
    case DUCKDB_TYPE_ARRAY: {
      const idx_t size = column.encoder->array_size;
      return write_elements(out, column.children[0], row * size, size);
    }
    case DUCKDB_TYPE_LIST: {
      const auto& entry = column.value<duckdb_list_entry>(row);
      return write_elements(out, column.children[0], entry.offset, entry.length);
    }
    default: return false;
  }
}

bool write_value(CanonicalWriter& out, const Column& column, idx_t row) {
  switch (column.encoder->type) {
    case DUCKDB_TYPE_BOOLEAN: out.boolean(column.value<uint8_t>(row) != 0); return true;
    case DUCKDB_TYPE_TINYINT: out.integer(column.value<int8_t>(row)); return true;
    case DUCKDB_TYPE_SMALLINT: out.integer(column.value<int16_t>(row)); return true;
    case DUCKDB_TYPE_INTEGER: out.integer(column.value<int32_t>(row)); return true;
    case DUCKDB_TYPE_BIGINT: out.integer(column.value<int64_t>(row)); return true;
    case DUCKDB_TYPE_UTINYINT: out.integer(column.value<uint8_t>(row)); return true;
    case DUCKDB_TYPE_USMALLINT: out.integer(column.value<uint16_t>(row)); return true;
    case DUCKDB_TYPE_UINTEGER: out.integer(column.value<uint32_t>(row)); return true;
    case DUCKDB_TYPE_UBIGINT: out.decimal(column.value<uint64_t>(row), 0); return true;
    case DUCKDB_TYPE_HUGEINT:
      out.decimal(to_int128(column.value<duckdb_hugeint>(row)), 0);
      return true;
    case DUCKDB_TYPE_UHUGEINT: return write_uhugeint(out, column.value<duckdb_uhugeint>(row));
    case DUCKDB_TYPE_FLOAT:
      out.floating(static_cast<double>(column.value<float>(row)));
      return true;
    case DUCKDB_TYPE_DOUBLE: out.floating(column.value<double>(row)); return true;
    case DUCKDB_TYPE_DECIMAL: return write_decimal(out, column, row);
    case DUCKDB_TYPE_VARCHAR: out.text(to_view(column.value<duckdb_string_t>(row))); return true;
    case DUCKDB_TYPE_BLOB: out.blob(to_view(column.value<duckdb_string_t>(row))); return true;
    case DUCKDB_TYPE_ENUM: return write_enum(out, column, row);
    case DUCKDB_TYPE_DATE: return write_date(out, column.value<int32_t>(row));
    case DUCKDB_TYPE_TIME: out.time(column.value<int64_t>(row)); return true;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return write_timestamp(out, column.value<int64_t>(row), 1);
    case DUCKDB_TYPE_TIMESTAMP_MS: return write_timestamp(out, column.value<int64_t>(row), 1'000);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return write_timestamp(out, column.value<int64_t>(row), 1'000'000);
    case DUCKDB_TYPE_UUID: return write_uuid(out, column.value<duckdb_hugeint>(row));
    case DUCKDB_TYPE_SQLNULL: out.null(); return true;
    default: return write_nested(out, column, row);
  }
}

void bind(duckdb_bind_info info) {
  const Expression argument(duckdb_scalar_function_bind_get_argument(info, 0));
  const LogicalType type(duckdb_expression_return_type(argument.get()));
  if (duckdb_get_type_id(type.get()) != DUCKDB_TYPE_STRUCT) {
    duckdb_scalar_function_bind_set_error(
        info, "canonical_hash takes one struct: canonical_hash(struct_pack(a := a, b := b))");
    return;
  }
  auto encoder = make_encoder(type.get());
  if (!encoder) {
    const Error& error = encoder.error();
    std::string message = fmt::format("canonical_hash refuses {}", error.message);
    for (const std::string& step : error.trail) message += fmt::format(" while {}", step);
    if (!error.hint.empty()) message += fmt::format(": {}", error.hint);
    duckdb_scalar_function_bind_set_error(info, message.c_str());
    return;
  }
  duckdb_scalar_function_set_bind_data(info,
                                       std::make_unique<Encoder>(*std::move(encoder)).release(),
                                       [](void* data) { delete static_cast<Encoder*>(data); });
  duckdb_scalar_function_set_bind_data_copy(info, [](void* data) -> void* {
    return std::make_unique<Encoder>(*static_cast<Encoder*>(data)).release();
  });
}

using HashText = std::array<char, 32>;

/// The first 128 bits as hex digits, without a string of its own.
HashText first_half_hex(const std::array<uint8_t, 32>& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  HashText text;
  for (size_t i = 0; i < 16; ++i) {
    text[2 * i] = kDigits[digest[i] >> 4];
    text[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return text;
}

void hash_rows(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const auto& encoder = *static_cast<const Encoder*>(duckdb_scalar_function_get_bind_data(info));
  const Column row_struct = lay_over(encoder, duckdb_data_chunk_get_vector(input, 0));
  const idx_t rows = duckdb_data_chunk_get_size(input);
  CanonicalWriter writer;
  Sha256 digest;
  for (idx_t row = 0; row < rows; ++row) {
    if (!is_valid(row_struct.validity, row)) {
      duckdb_vector_ensure_validity_writable(output);
      duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
      continue;
    }
    writer.clear();
    writer.row();
    if (!write_fields(writer, row_struct.children, row)) {
      duckdb_scalar_function_set_error(
          info,
          "canonical_hash refuses an infinite date or timestamp, or a number beyond 128 bits");
      return;
    }
    digest.update(writer.bytes());
    const HashText hash = first_half_hex(digest.finish_bytes());
    duckdb_vector_assign_string_element_len(output, row, hash.data(), hash.size());
  }
}

}  // namespace

Status register_canonical_hash(duckdb_connection connection) {
  ScalarFunction function(duckdb_create_scalar_function());
  const LogicalType any(duckdb_create_logical_type(DUCKDB_TYPE_ANY));
  const LogicalType text(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
  duckdb_scalar_function_set_name(function.get(), "canonical_hash");
  duckdb_scalar_function_add_parameter(function.get(), any.get());
  duckdb_scalar_function_set_return_type(function.get(), text.get());
  duckdb_scalar_function_set_special_handling(function.get());  // NULL fields are ours to see
  duckdb_scalar_function_set_bind(function.get(), bind);
  duckdb_scalar_function_set_function(function.get(), hash_rows);
  if (duckdb_register_scalar_function(connection, function.get()) == DuckDBError)
    return fail(ErrorCode::kInternal, "DuckDB did not take the function canonical_hash");
  return {};
}

}  // namespace weir::sql
