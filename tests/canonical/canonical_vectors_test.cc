// The test vectors of docs/format/canonical.md, on both implementations in C++; and whole tables of
// every type, where DuckDB's vectors are sliced, filtered and constant.

#include <cstdio>
#include <fstream>
#include <sstream>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/environment.h"
#include "base/json.h"
#include "model/canonical.h"
#include "sql/session.h"
#include "typed_row.h"

namespace weir {
namespace {

Json vectors() {
  const std::string source = make_process_environment()->get("WEIR_SOURCE").value_or(".");
  std::ostringstream text;
  text << std::ifstream(source + "/tests/canonical/vectors.json").rdbuf();
  return parse_json(text.str()).value();
}

TEST(CanonicalVectors, WriterMakesTheirBytesAndHashes) {
  const Json all = vectors();
  ASSERT_GT(all.size(), 60U);
  for (const Json& vector : all) {
    const std::string bytes = testing::write_typed_row(vector["row"]);
    EXPECT_EQ(to_hex(bytes), vector["bytes"].get<std::string>()) << vector["about"];
    EXPECT_EQ(model::canonical_hash(bytes), vector["hash"].get<std::string>()) << vector["about"];
  }
}

TEST(CanonicalVectors, DuckDBMakesTheirHashes) {
  const Cancel cancel;
  const auto session = sql::open_session({.threads = 1}, cancel).value();
  for (const Json& vector : vectors()) {
    const auto result =
        session->query("SELECT canonical_hash(" + vector["sql"].get<std::string>() + ")");
    ASSERT_TRUE(result) << vector["about"] << to_line(result.error());
    EXPECT_EQ(*result->rows[0][0], vector["hash"].get<std::string>()) << vector["about"];
  }
}

/// The reference for whole tables: rows of Arrow, as the session hands them out.
void write_arrow(model::CanonicalWriter& out, const arrow::Array& array, int64_t row);

int write_arrow_fields(model::CanonicalWriter& out, const arrow::FieldVector& fields,
                       const arrow::ArrayVector& arrays, int64_t row) {
  std::map<std::string, const arrow::Array*> sorted;
  for (size_t i = 0; i < fields.size(); ++i)
    if (arrays[i]->IsValid(row)) sorted[fields[i]->name()] = arrays[i].get();
  for (const auto& [name, array] : sorted) {
    out.name(name);
    write_arrow(out, *array, row);
  }
  return static_cast<int>(sorted.size());
}

void write_arrow_map(model::CanonicalWriter& out, const arrow::MapArray& map, int64_t row) {
  std::map<std::string, std::string> pairs;
  for (int64_t i = map.value_offset(row); i < map.value_offset(row) + map.value_length(row); ++i) {
    model::CanonicalWriter key;
    model::CanonicalWriter value;
    write_arrow(key, *map.keys(), i);
    write_arrow(value, *map.items(), i);
    pairs[key.bytes()] = value.bytes();
  }
  out.map(pairs.size());
  for (const auto& [key, value] : pairs) {
    out.raw(key);
    out.raw(value);
  }
}

void write_arrow_nested(model::CanonicalWriter& out, const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::MAP) {
    write_arrow_map(out, static_cast<const arrow::MapArray&>(array), row);
  } else if (array.type_id() == arrow::Type::STRUCT) {
    const auto& structs = static_cast<const arrow::StructArray&>(array);
    model::CanonicalWriter inside;
    arrow::ArrayVector children;
    for (int i = 0; i < structs.num_fields(); ++i) children.push_back(structs.field(i));
    const int count = write_arrow_fields(inside, structs.type()->fields(), children, row);
    out.structure(static_cast<uint64_t>(count));
    out.raw(inside.bytes());
  } else {
    const auto& list = static_cast<const arrow::ListArray&>(array);
    out.list(static_cast<uint64_t>(list.value_length(row)));
    for (int64_t i = 0; i < list.value_length(row); ++i)
      write_arrow(out, *list.values(), list.value_offset(row) + i);
  }
}

void write_arrow(model::CanonicalWriter& out, const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return out.null();
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return out.boolean(static_cast<const arrow::BooleanArray&>(array).Value(row));
    case arrow::Type::INT32:
      return out.integer(static_cast<const arrow::Int32Array&>(array).Value(row));
    case arrow::Type::INT64:
      return out.integer(static_cast<const arrow::Int64Array&>(array).Value(row));
    case arrow::Type::FLOAT:
      return out.floating(static_cast<const arrow::FloatArray&>(array).Value(row));
    case arrow::Type::DOUBLE:
      return out.floating(static_cast<const arrow::DoubleArray&>(array).Value(row));
    case arrow::Type::DECIMAL128: {
      const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
      const arrow::Decimal128 value(decimals.GetValue(row));
      __extension__ const __int128 unscaled =
          (static_cast<__int128>(value.high_bits()) << 64) | value.low_bits();
      return out.decimal(unscaled,
                         static_cast<const arrow::Decimal128Type&>(*array.type()).scale());
    }
    case arrow::Type::STRING:
      return out.text(static_cast<const arrow::StringArray&>(array).GetView(row));
    case arrow::Type::BINARY:
      return out.blob(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    case arrow::Type::DATE32:
      return out.date(static_cast<const arrow::Date32Array&>(array).Value(row));
    case arrow::Type::TIME64:
      return out.time(static_cast<const arrow::Time64Array&>(array).Value(row));
    case arrow::Type::TIMESTAMP:
      return out.timestamp(static_cast<const arrow::TimestampArray&>(array).Value(row));
    default: return write_arrow_nested(out, array, row);
  }
}

// UUIDs are text in Arrow and 16 bytes in the form: the vectors cover them.
constexpr const char* kColumns =
    "CASE WHEN i % 7 = 3 THEN NULL ELSE i % 2 = 0 END AS b, (i % 100)::tinyint AS i8, "
    "(i - 5000)::smallint AS i16, (i * 77777)::integer AS i32, i * 1234567890123 AS i64, "
    "(i % 200)::utinyint AS u8, i::usmallint AS u16, i::uinteger AS u32, i::ubigint AS u64, "
    "i::hugeint * 100000000000000000 * (1 - 2 * (i % 2)) AS h, (i / 7)::float AS f, "
    "CASE WHEN i % 11 = 0 THEN 'nan'::double WHEN i % 13 = 0 THEN -0.0 ELSE sqrt(i) END AS d, "
    "(i / 10)::decimal(4,1) AS m4, (i / 100)::decimal(9,3) AS m9, (i * -1.25)::decimal(18,6) AS "
    "m18, "
    "(i * 3)::decimal(38,12) AS m38, CASE WHEN i % 5 = 0 THEN NULL ELSE repeat('ö', i % 20) END AS "
    "t, "
    "encode(i::varchar) AS x, ['s','m','l'][1 + i % 3]::enum('s','m','l') AS e, "
    "DATE '1970-01-01' + (i::integer - 5000) AS day, TIME '00:00:00' + to_microseconds(i * 777777) "
    "AS clock, "
    "make_timestamp(i * -777777777) AS ts, make_timestamp(i * 777777777)::timestamptz AS \"at\", "
    "make_timestamp(i * 1000000)::timestamp_s AS at_s, make_timestamp(i * 1000)::timestamp_ms AS "
    "at_ms, "
    "CASE WHEN i % 5 = 4 THEN NULL ELSE list_transform(range(i % 4), lambda v: CASE WHEN v = 1 "
    "THEN NULL ELSE v * i END) END AS l, "
    "[i, NULL]::integer[2] AS a, [[i::varchar], [], NULL, ['z', NULL]] AS ll, "
    "CASE WHEN i % 3 = 1 THEN NULL ELSE {'q': CASE WHEN i % 2 = 0 THEN [i::varchar] END, 'p': CASE "
    "WHEN i % 4 = 0 THEN i END} END AS s, "
    "[{'k': i, 'j': 1.5}, NULL, {'k': NULL, 'j': i / 10}] AS ls, "
    "CASE WHEN i % 4 = 1 THEN NULL ELSE map(['z' || i, 'k', 'kk'], [i, NULL, 3]) END AS mp, "
    "'the same in all rows' AS c, NULL::integer AS none";

constexpr const char* kStruct =
    "struct_pack(b := b, i8 := i8, i16 := i16, i32 := i32, i64 := i64, u8 := u8, u16 := u16, "
    "u32 := u32, u64 := u64, h := h, f := f, d := d, m4 := m4, m9 := m9, m18 := m18, m38 := m38, "
    "t := t, x := x, e := e, day := day, clock := clock, ts := ts, \"at\" := \"at\", at_s := at_s, "
    "at_ms := at_ms, l := l, a := a, ll := ll, s := s, ls := ls, mp := mp, c := c, \"none\" := "
    "\"none\")";

TEST(CanonicalTables, EveryRowOfEveryTypeHashesAsItsArrowRow) {
  const Cancel cancel;
  for (const std::string rows :
       {"range(7000) t(i)", "range(7000) t(i) WHERE i % 3 = 0", "range(7000) t(i) ORDER BY hash(i)",
        "(SELECT i FROM range(500) t(i), range(9)) u", "(SELECT 17::bigint AS i) u"}) {
    const auto session = sql::open_session({.threads = 2}, cancel).value();
    const std::string source = std::string("(SELECT ") + kColumns + " FROM " + rows + ")";
    auto reader = session->stream(std::string("SELECT canonical_hash(") + kStruct +
                                  ") AS hash, * FROM " + source);
    ASSERT_TRUE(reader) << to_line(reader.error());
    int64_t seen = 0;
    while (true) {
      const auto batch = (*reader)->next();
      ASSERT_TRUE(batch) << to_line(batch.error());
      if (!*batch) break;
      const auto& hashes = static_cast<const arrow::StringArray&>(*(*batch)->column(0));
      const auto data = (*batch)->RemoveColumn(0).ValueOrDie();
      for (int64_t row = 0; row < data->num_rows(); ++row, ++seen) {
        model::CanonicalWriter out;
        out.row();
        write_arrow_fields(out, data->schema()->fields(), data->columns(), row);
        ASSERT_EQ(hashes.GetString(row), model::canonical_hash(out.bytes())) << rows << row;
      }
    }
    EXPECT_GT(seen, 0);
  }
}

}  // namespace
}  // namespace weir
