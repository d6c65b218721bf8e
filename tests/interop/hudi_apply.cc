#include "hudi_apply.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "sql/session.h"
#include "storage/storage.h"
#include "table/hudi.h"
#include "table/hudi/bucket_hash.h"
#include "table/relations.h"
#include "table/services.h"
#include "table/write_rows.h"

namespace weir {
namespace {

using model::Column;
using model::DataType;
using model::Schema;
using model::TypeKind;

std::vector<std::string> names_in(const Json& line, const char* key) {
  return line.value(key, std::vector<std::string>());
}

/// A value as JSON: what JSON cannot hold exactly is text, also within lists, structs and maps.
/// `depth` keeps the names of lambdas inside each other apart.
std::string value_sql(const DataType& type, const std::string& value, int depth = 0) {
  const std::string each = fmt::format("e{}", depth);
  switch (type.kind) {
    case TypeKind::kDecimal:
    case TypeKind::kHugeint:
    case TypeKind::kDate:
    case TypeKind::kTime: return fmt::format("CAST({} AS VARCHAR)", value);
    case TypeKind::kTimestamp:
      return fmt::format("strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')", value);
    case TypeKind::kBlob: return fmt::format("to_base64({})", value);
    case TypeKind::kList:
      return fmt::format("list_transform({}, lambda {}: {})", value, each,
                         value_sql(type.children[0].type, each, depth + 1));
    case TypeKind::kStruct: {
      std::string fields;
      for (const Column& field : type.children) {
        const std::string name = model::quote_name(field.name);
        fields += fmt::format("{}{} := {}", fields.empty() ? "" : ", ", name,
                              value_sql(field.type, fmt::format("({}).{}", value, name), depth));
      }
      return fmt::format("CASE WHEN {} IS NOT NULL THEN struct_pack({}) END", value, fields);
    }
    case TypeKind::kMap:
      return fmt::format(
          "map_from_entries(list_transform(map_entries({}), lambda {}: "
          "struct_pack(k := {}.key, v := {})))",
          value, each, each, value_sql(type.children[1].type, each + ".value", depth + 1));
    default: return value;
  }
}

/// Dies within a commit: at `half` where its second data file begins (or, of one file, as at
/// `all`), at `all` before it is decided, at `decided` before it is completed.
class DyingStore final : public storage::Storage {
 public:
  DyingStore(std::unique_ptr<storage::Storage> below, std::string stage, void (*die)())
      : below_(std::move(below)), stage_(std::move(stage)), die_(die) {}
  storage::Capabilities capabilities() const override { return below_->capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    return below_->read(name, range);
  }
  Result<storage::Entry> stat(std::string_view name) override { return below_->stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    if (name.ends_with(".parquet") && ++files_ == 2 && stage_ == "half") die_();
    // What a commit puts once it has its files; the empty one that begins a table has none.
    if (name.starts_with(".hoodie/.aux/weir/") && files_ > 0) {
      if (stage_ != "decided") die_();
      is_decided_ = true;
    } else if (is_decided_) {
      die_();
    }
    return below_->create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return below_->list(prefix, after);
  }
  Status remove(std::string_view name) override { return below_->remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return below_->engine_uri(name);
  }
  const std::string& uri() const override { return below_->uri(); }

 private:
  std::unique_ptr<storage::Storage> below_;
  std::string stage_;
  void (*die_)();
  int files_ = 0;
  bool is_decided_ = false;
};

class Applier {
 public:
  explicit Applier(const std::string& folder)
      : folder_(folder), store_(storage::make_local_storage(folder, folder)) {
    context_.store = store_.get();
    context_.clock = clock_.get();
    context_.random = random_.get();
  }

  Json answer(const std::string& line) {
    const auto json = parse_json(line);
    const auto done = json ? run(*json) : json;
    if (done) return *done;
    const Error& error = done.error();
    return {{"ok", false},
            {"error",
             {{"code", to_text(error.code)}, {"message", to_line(error)}, {"hint", error.hint}}}};
  }

 private:
  Result<Json> run(const Json& line) {
    const std::string op = line.value("op", "");
    if (op == "create") return create(line);
    if (op == "hash") return hash(line);
    WEIR_ASSIGN(table_, table::open_table(context_));
    if (op == "insert") return write(line, table::RowOperation::kInsert);
    if (op == "upsert") return write(line, table::RowOperation::kUpsert);
    if (op == "delete") return write(line, table::RowOperation::kDelete);
    if (op == "insert_overwrite") return write(line, table::RowOperation::kOverwritePartitions);
    if (op == "insert_overwrite_table") return write(line, table::RowOperation::kOverwriteTable);
    if (op == "crash") return crash(line);
    if (op == "read") return read(line);
    if (op == "changes") return changes(line);
    if (op == "info") return info();
    return serve(op, line);
  }

  /// Of record keys, as either Hudi hashes them.
  static Result<Json> hash(const Json& line) {
    const auto fields = names_in(line, "fields");
    Json newer = Json::array();
    Json older = Json::array();
    for (const auto& key : names_in(line, "keys")) {
      newer.push_back(table::java_hash(table::hashed_fields(key, fields)) & INT32_MAX);
      older.push_back(table::java_hash(table::hashed_fields_of_0_15(key, fields)) & INT32_MAX);
    }
    return Json{{"ok", true}, {"1.2.0", std::move(newer)}, {"0.15.0", std::move(older)}};
  }

  Result<Json> serve(const std::string& op, const Json& line) {
    if (op == "clean") {
      WEIR_ASSIGN(
          const auto cleaned,
          table::clean(context_, *table_, {.retain_commits = line.value("retain_commits", 10)}));
      return Json{{"ok", true}, {"instant", cleaned.instant}, {"deleted", cleaned.files}};
    }
    if (op == "trim") {
      WEIR_ASSIGN(
          const auto trimmed,
          table::trim(context_, *table_,
                      {.keep_commits = line.value("keep_commits", 2), .keep_days = 0}, cancel_));
      return Json{{"ok", true},
                  {"commits", trimmed.commits},
                  {"earliest", trimmed.earliest},
                  {"held_by", trimmed.held_by}};
    }
    if (op == "rollback") {
      WEIR_ASSIGN(const auto instant,
                  table::roll_back(context_, *table_, line.value("instant", "")));
      return Json{{"ok", true}, {"instant", instant}};
    }
    if (op == "compact") {
      table::CompactOptions options;
      options.small_file_bytes = line.value("small_file_bytes", int64_t{1} << 20);
      WEIR_ASSIGN(const auto compacted, table::compact(context_, *table_, options, cancel_));
      return Json{
          {"ok", true}, {"instant", compacted.instant}, {"groups", compacted.groups_before}};
    }
    if (op == "drop_metadata_table") {
      WEIR_TRY(table::drop_metadata_table(context_));
      return Json{{"ok", true}};
    }
    return fail(ErrorCode::kInvalidConfig, "there is no op '{}'", op);
  }

  Result<Json> create(const Json& line) {
    table::TableOptions options;
    options.name = line.value("name", "");
    options.record_key = names_in(line, "record_key");
    options.partition_by = names_in(line, "partition_by");
    options.ordering_field = line.value("ordering_field", "");
    WEIR_ASSIGN(options.schema, model::schema_from_json(line.value("schema", Json::array())));
    options.extra_properties = line.value("properties", std::map<std::string, std::string>());
    WEIR_ASSIGN(table_, table::create_table(context_, options));
    return Json{{"ok", true}};
  }

  Result<std::unique_ptr<sql::Session>> session() {
    return sql::open_session({.preserves_order = false}, cancel_);
  }

  /// The rows of the line become a table `given`; its columns are those that any row has.
  Result<Schema> take_rows(sql::Session& session, const Json& line, const Schema& table) {
    Schema all = table;
    if (line.contains("schema")) {
      WEIR_ASSIGN(all, model::schema_from_json(line["schema"]));
    }
    const Json rows = line.value("rows", Json::array());
    Schema own;
    for (const Column& column : all) {
      const bool is_given =
          std::ranges::any_of(rows, [&](const Json& row) { return row.contains(column.name); });
      if (is_given || rows.empty()) own.push_back(column);
    }
    const std::string file = folder_ + "/../rows-" + std::to_string(getpid()) + ".json";
    {
      std::ofstream out(file);
      for (const Json& row : rows) out << dump_json(row) << "\n";
    }
    std::string columns;
    std::string values;
    for (const Column& column : own) {
      const bool is_blob = column.type.kind == TypeKind::kBlob;
      columns +=
          fmt::format("{}{}: {}", columns.empty() ? "" : ", ", model::quote_text(column.name),
                      model::quote_text(is_blob ? "VARCHAR" : model::to_duckdb(column.type)));
      values += fmt::format(
          "{}{}", values.empty() ? "" : ", ",
          is_blob ? fmt::format("from_base64({0}) AS {0}", model::quote_name(column.name))
                  : model::quote_name(column.name));
    }
    const Status made = session.run(
        fmt::format("CREATE OR REPLACE TEMP TABLE given AS SELECT {} FROM read_json({}, "
                    "format='newline_delimited', columns={{{}}})",
                    values, model::quote_text(file), columns));
    std::filesystem::remove(file);
    if (!made) return std::unexpected(made.error());
    return own;
  }

  Result<Json> write(const Json& line, table::RowOperation operation) {
    WEIR_ASSIGN(const auto snapshot, table_->snapshot());
    WEIR_ASSIGN(const auto engine, session());
    table::RowWrite write;
    write.operation = operation;
    WEIR_ASSIGN(write.schema, take_rows(*engine, line, snapshot.schema));
    write.rows = "given";
    write.scope = line.value("scope", "table") == "partition" ? table::KeyScope::kPartition
                                                              : table::KeyScope::kTable;
    write.token = line.value("token", fmt::format("token {}", clock_->now_us()));
    write.target_file_bytes = line.value("target_file_bytes", int64_t{120} << 20);
    WEIR_ASSIGN(const auto written, table::write_rows(*engine, *table_, write, cancel_));
    return Json{{"ok", true},
                {"instant", written.commit.time},
                {"inserts", written.inserted},
                {"updates", written.updated},
                {"deletes", written.deleted},
                {"stale", written.stale},
                {"deduplicated", written.deduplicated},
                {"passed_over", written.passed_over}};
  }

  /// An upsert whose process dies at that stage; nothing is tidied up.
  Result<Json> crash(const Json& line) {
    const std::string stage = line.value("stage", "requested");
    if (stage == "requested") {
      WEIR_ASSIGN(const auto turn, table_->prepare(table::Action::kCommit));
      die();
    }
    if (stage == "inflight") {
      WEIR_ASSIGN(const auto snapshot, table_->snapshot());
      table::BeginOptions options;
      options.schema = snapshot.schema;
      options.token = "crash";
      WEIR_ASSIGN(auto commit, table_->begin(options));
      die();
    }
    store_ = std::make_unique<DyingStore>(std::move(store_), stage, &Applier::die);
    context_.store = store_.get();
    WEIR_ASSIGN(table_, table::open_table(context_));
    return write(line, table::RowOperation::kUpsert);
  }

  [[noreturn]] static void die() {
    std::cout << R"({"ok": true, "crashed": true})" << std::endl;
    _exit(0);
  }

  Result<Json> read(const Json& line) {
    WEIR_ASSIGN(const auto snapshot, table_->snapshot(line.value("at", "")));
    WEIR_ASSIGN(const auto engine, session());
    std::vector<std::string> paths;
    for (const auto& slice : snapshot.slices) {
      WEIR_ASSIGN(auto path, engine->objects().path_of(*store_, slice.name));
      paths.push_back(std::move(path));
    }
    WEIR_ASSIGN(Json rows,
                rows_of(*engine, snapshot.schema, table::relation(paths, snapshot.schema)));
    return Json{{"ok", true}, {"instant", snapshot.instant}, {"rows", std::move(rows)}};
  }

  Result<Json> changes(const Json& line) {
    WEIR_ASSIGN(const auto changes, table_->changes(line.value("from", ""), line.value("to", "")));
    WEIR_ASSIGN(const auto reader, table_->read(changes, {}));
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    while (true) {
      WEIR_ASSIGN(auto batch, reader->next());
      if (batch == nullptr) break;
      batches.push_back(std::move(batch));
    }
    WEIR_ASSIGN(const auto engine, session());
    WEIR_TRY(engine->add_arrow_table("changes", reader->schema(), std::move(batches)));
    WEIR_ASSIGN(Json rows, rows_of(*engine, changes.schema, "changes"));
    return Json{{"ok", true}, {"to", changes.to}, {"rows", std::move(rows)}};
  }

  static Result<Json> rows_of(sql::Session& engine, const Schema& schema, const std::string& from) {
    std::string fields;
    for (const Column& column : schema) {
      const std::string name = model::quote_name(column.name);
      fields +=
          fmt::format("{}{} := {}", fields.empty() ? "" : ", ", name, value_sql(column.type, name));
    }
    WEIR_ASSIGN(const auto found,
                engine.query(fmt::format("SELECT to_json(struct_pack({})) FROM {}", fields, from),
                             10'000'000));
    Json rows = Json::array();
    for (const auto& row : found.rows) {
      WEIR_ASSIGN(auto json, parse_json(row[0].value_or("{}")));
      rows.push_back(std::move(json));
    }
    return rows;
  }

  Result<Json> info() {
    WEIR_ASSIGN(const auto snapshot, table_->snapshot());
    WEIR_ASSIGN(const auto commits, table_->commits());
    Json instants = Json::array();
    for (const auto& commit : commits) instants.push_back(commit.time);
    Json files = Json::array();
    for (const auto& slice : snapshot.slices)
      files.push_back({{"name", slice.name}, {"partition", slice.partition}, {"rows", slice.rows}});
    return Json{{"ok", true},
                {"properties", table_->properties()},
                {"instants", std::move(instants)},
                {"schema", model::to_json(snapshot.schema)},
                {"files", std::move(files)}};
  }

  std::string folder_;
  std::unique_ptr<storage::Storage> store_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  table::TableContext context_;
  std::unique_ptr<table::HudiTable> table_;
  Cancel cancel_;
};

}  // namespace

int apply_lines(const std::string& folder) {
  Applier applier(folder);
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) std::cout << dump_json(applier.answer(line)) << std::endl;
  }
  return 0;
}

}  // namespace weir
