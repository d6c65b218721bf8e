/// Makes Hudi tables through the public header, for readers that are not weir's, and reads tables
/// that are not weir's. It says on stdout, as JSON, which rows each instant must show.
///
///   hudi_tool write FOLDER    tables `flat`, `nested`, `crashed`
///   hudi_tool read FOLDER     files, columns and instants of the table there
///   hudi_tool apply FOLDER    what lines of JSON on stdin ask for (hudi_apply.h)
///   hudi_tool rewrite FOLDER  a commit that writes every file of that table anew, row by row
///   hudi_tool split FOLDER    the table with a file a row, as if it had come in so

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <arrow/api.h>

#include "hudi_apply.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir {
namespace {

using table::Role;

/// Version of each row by id: every value of a row follows from the two, here and in the reader.
using Rows = std::map<int64_t, int64_t>;

model::DataType type(const char* text) { return model::parse_type(text).value(); }

model::Schema flat_schema() {
  return {{"id", type("bigint"), true},          {"version", type("integer"), true},
          {"name", type("varchar"), true},       {"price", type("decimal(10,2)"), true},
          {"huge", type("decimal(38,0)"), true}, {"day", type("date"), true},
          {"at", type("timestamp"), true},       {"is_even", type("boolean"), true},
          {"ratio", type("double"), true},       {"small", type("float"), true},
          {"bytes", type("blob"), true}};
}

model::Schema nested_schema() {
  return {{"id", type("bigint"), true},
          {"version", type("integer"), true},
          {"tags", type("varchar[]"), true},
          {"place", type("struct(city varchar, spot struct(lat double, lon double))"), true},
          {"prices", type("map(varchar, decimal(6,2))"), true}};
}

void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_line(result.error()));
  return *std::move(result);
}
void must(const Status& status) {
  if (!status) throw std::runtime_error(to_line(status.error()));
}

/// Every fifth row has nulls wherever a column may have one.
bool has_nulls(int64_t id) { return id % 5 == 0; }

void append_flat(arrow::RecordBatchBuilder& rows, int64_t id, int64_t version) {
  check(rows.GetFieldAs<arrow::Int64Builder>(0)->Append(id));
  check(rows.GetFieldAs<arrow::Int32Builder>(1)->Append(static_cast<int32_t>(version)));
  if (has_nulls(id)) {
    for (int i = 2; i < rows.num_fields(); ++i) check(rows.GetField(i)->AppendNull());
    return;
  }
  const std::string name = fmt::format("næme {} of version {}", id, version);
  check(rows.GetFieldAs<arrow::StringBuilder>(2)->Append(name));
  check(rows.GetFieldAs<arrow::Decimal128Builder>(3)->Append(
      arrow::Decimal128(id * 100 + version - 500)));
  check(rows.GetFieldAs<arrow::Decimal128Builder>(4)->Append(
      arrow::Decimal128(version, static_cast<uint64_t>(id))));
  check(rows.GetFieldAs<arrow::Date32Builder>(5)->Append(static_cast<int32_t>(id - 100)));
  check(rows.GetFieldAs<arrow::TimestampBuilder>(6)->Append(id * 1'000'003 - version));
  check(rows.GetFieldAs<arrow::BooleanBuilder>(7)->Append(id % 2 == 0));
  check(rows.GetFieldAs<arrow::DoubleBuilder>(8)->Append(static_cast<double>(id) / 8.0));
  check(rows.GetFieldAs<arrow::FloatBuilder>(9)->Append(static_cast<float>(version) / 4.0F));
  check(rows.GetFieldAs<arrow::BinaryBuilder>(10)->Append(
      std::string(1, static_cast<char>(id % 256)) + name));
}

void append_nested(arrow::RecordBatchBuilder& rows, int64_t id, int64_t version) {
  check(rows.GetFieldAs<arrow::Int64Builder>(0)->Append(id));
  check(rows.GetFieldAs<arrow::Int32Builder>(1)->Append(static_cast<int32_t>(version)));
  if (has_nulls(id)) {
    for (int i = 2; i < rows.num_fields(); ++i) check(rows.GetField(i)->AppendNull());
    return;
  }
  auto* tags = rows.GetFieldAs<arrow::ListBuilder>(2);
  check(tags->Append());
  for (int64_t i = 0; i < id % 4; ++i)
    check(static_cast<arrow::StringBuilder*>(tags->value_builder())
              ->Append(fmt::format("t{}.{}", i, version)));
  auto* place = rows.GetFieldAs<arrow::StructBuilder>(3);
  check(place->Append());
  check(static_cast<arrow::StringBuilder*>(place->field_builder(0))
            ->Append(fmt::format("city {}", id)));
  auto* spot = static_cast<arrow::StructBuilder*>(place->field_builder(1));
  check(spot->Append());
  check(static_cast<arrow::DoubleBuilder*>(spot->field_builder(0))
            ->Append(static_cast<double>(id) / 2.0));
  check(static_cast<arrow::DoubleBuilder*>(spot->field_builder(1))
            ->Append(static_cast<double>(version)));
  auto* prices = rows.GetFieldAs<arrow::MapBuilder>(4);
  check(prices->Append());
  check(static_cast<arrow::StringBuilder*>(prices->key_builder())->Append("net"));
  check(static_cast<arrow::Decimal128Builder*>(prices->item_builder())
            ->Append(arrow::Decimal128(id)));
}

/// One table in the making, and what its readers must see.
class Story {
 public:
  Story(const std::string& root, const std::string& name, model::Schema schema)
      : store_(storage::make_local_storage(root + "/" + name, root + "/" + name)),
        name_(name),
        schema_(std::move(schema)) {
    context_.store = store_.get();
    context_.clock = clock_.get();
    context_.random = random_.get();
    table::TableOptions options;
    options.name = name;
    options.record_key = {"id"};
    options.ordering_field = "version";
    options.schema = schema_;
    table_ = must(table::create_table(context_, options));
  }

  /// `changed` gets its version, null of it leaves; rows that are in no group yet go to a new one.
  struct Change {
    Rows put;
    std::set<int64_t> removed;
  };

  void upsert(const Change& change) {
    auto commit = begin(table::Action::kCommit, "UPSERT");
    Rows added = change.put;
    const auto before = must(table_->snapshot());
    for (const auto& slice : before.slices) rewrite(*commit, slice, change, added);
    if (!added.empty()) add_group(*commit, added);
    finish(*commit);
    for (const auto& [id, version] : change.put) rows_[id] = version;
    for (const int64_t id : change.removed) rows_.erase(id);
    note(commit->instant());
  }

  void replace_all(const Rows& rows) {
    auto commit = begin(table::Action::kReplaceCommit, "INSERT_OVERWRITE_TABLE");
    const auto before = must(table_->snapshot());
    for (const auto& slice : before.slices) commit->replace(slice);
    add_group(*commit, rows);
    finish(*commit);
    rows_ = rows;
    note(commit->instant());
  }

  /// A commit whose process dies when all its files stand and nothing says that they count.
  void die_before_completing(const Rows& rows) {
    auto commit = begin(table::Action::kCommit, "UPSERT");
    add_group(*commit, rows);
    const auto before = must(table_->snapshot());
    Rows none;
    for (const auto& slice : before.slices) rewrite(*commit, slice, {}, none);
    dead_.push_back(std::move(commit));
  }
  /// Dead processes run no destructors.
  void bury() {
    for (auto& commit : dead_) (void)commit.release();
  }

  Json expectation() const {
    Json slices = Json::array();
    const auto snapshot = must(table_->snapshot());
    for (const auto& slice : snapshot.slices) slices.push_back(slice.name);
    return {{"table", name_}, {"instants", instants_}, {"slices", std::move(slices)}};
  }

 private:
  std::unique_ptr<table::Commit> begin(table::Action action, const std::string& operation) {
    table::BeginOptions options;
    options.action = action;
    options.operation_type = operation;
    options.schema = schema_;
    options.token = fmt::format("token {}", instants_.size());
    options.write_token = fmt::format("{}-0-1", instants_.size());
    return must(table_->begin(options));
  }

  std::shared_ptr<arrow::RecordBatch> batch_of(const Rows& rows) const {
    const auto arrow_schema = must(parquet::to_arrow(schema_));
    auto builder =
        arrow::RecordBatchBuilder::Make(arrow_schema, arrow::default_memory_pool()).ValueOrDie();
    for (const auto& [id, version] : rows)
      name_ == "nested" ? append_nested(*builder, id, version) : append_flat(*builder, id, version);
    return builder->Flush().ValueOrDie();
  }

  void write_changed(table::GroupWriter& writer, const Rows& rows) {
    arrow::StringBuilder keys;
    for (const auto& [id, version] : rows) check(keys.Append(std::to_string(id)));
    must(writer.write_changed(*batch_of(rows), *keys.Finish().ValueOrDie()));
  }

  void add_group(table::Commit& commit, const Rows& rows) {
    const auto writer = must(commit.new_group(Role::kCurrent, ""));
    write_changed(*writer, rows);
    must(writer->finish(0, 0));
  }

  void rewrite(table::Commit& commit, const table::FileSlice& slice, const Change& change,
               Rows& added) {
    const auto reader = must(table_->open(slice));
    const auto writer = must(commit.next_version(slice, slice.role));
    Rows updated;
    int64_t deleted = 0;
    for (int64_t group = 0; group < reader->info().row_groups; ++group) {
      const auto batch = must(reader->read_row_group(group, {}));
      const auto ids = std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName("id"));
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        const int64_t id = ids->Value(row);
        if (const auto put = change.put.find(id); put != change.put.end()) {
          updated.insert(*put);
          added.erase(id);
        } else if (change.removed.contains(id)) {
          ++deleted;
        } else {
          must(writer->write_copied(*batch->Slice(row, 1)));
        }
      }
    }
    if (!updated.empty()) write_changed(*writer, updated);
    must(writer->finish(static_cast<int64_t>(updated.size()), deleted));
  }

  void finish(table::Commit& commit) { must(commit.complete({{"weir.identities", "[\"ä\"]"}})); }

  void note(const std::string& instant) {
    Json rows = Json::array();
    for (const auto& [id, version] : rows_) rows.push_back({id, version});
    instants_.push_back({{"instant", instant}, {"rows", std::move(rows)}});
  }

  std::unique_ptr<storage::Storage> store_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  std::string name_;
  model::Schema schema_;
  table::TableContext context_;
  std::unique_ptr<table::HudiTable> table_;
  std::vector<std::unique_ptr<table::Commit>> dead_;
  Rows rows_;
  Json instants_ = Json::array();
};

Rows range(int64_t from, int64_t to, int64_t version) {
  Rows rows;
  for (int64_t id = from; id < to; ++id) rows[id] = version;
  return rows;
}

std::set<int64_t> ids(int64_t from, int64_t to) {
  std::set<int64_t> all;
  for (int64_t id = from; id < to; ++id) all.insert(id);
  return all;
}

int write_tables(const std::string& folder) {
  Json tables = Json::array();
  Story flat(folder, "flat", flat_schema());
  flat.upsert({range(0, 500, 1), {}});
  flat.upsert({range(500, 900, 1), {}});
  flat.upsert({range(490, 520, 2), {3, 4, 890}});
  flat.upsert({{}, ids(500, 900)});  // leaves a file without rows
  flat.upsert({{{3, 7}}, {}});
  flat.replace_all(range(0, 50, 9));
  flat.upsert({range(40, 60, 10), {0}});
  flat.replace_all(range(100, 110, 11));
  tables.push_back(flat.expectation());
  Story nested(folder, "nested", nested_schema());
  nested.upsert({range(0, 20, 1), {}});
  nested.upsert({range(10, 30, 2), {1}});
  tables.push_back(nested.expectation());
  Story crashed(folder, "crashed", flat_schema());
  crashed.upsert({range(0, 20, 1), {}});
  crashed.die_before_completing(range(100, 200, 5));
  tables.push_back(crashed.expectation());
  crashed.bury();
  std::cout << dump_json_pretty(tables) << "\n";
  return 0;
}

/// A table that is there, with what it needs.
struct Opened {
  explicit Opened(const std::string& folder) : store(storage::make_local_storage(folder, folder)) {
    table::TableContext context;
    context.store = store.get();
    context.clock = clock.get();
    context.random = random.get();
    table = must(table::open_table(context));
  }
  std::unique_ptr<storage::Storage> store;
  std::unique_ptr<Clock> clock = make_system_clock();
  std::unique_ptr<Random> random = make_system_random();
  std::unique_ptr<table::HudiTable> table;
};

int rewrite_table(const std::string& folder) {
  const Opened opened(folder);
  const auto snapshot = must(opened.table->snapshot());
  table::BeginOptions options;
  options.schema = snapshot.schema;
  options.token = "rewrite";
  const auto commit = must(opened.table->begin(options));
  for (const auto& slice : snapshot.slices) {
    const auto reader = must(opened.table->open(slice));
    const auto writer = must(commit->next_version(slice, slice.role));
    for (int64_t group = 0; group < reader->info().row_groups; ++group)
      must(writer->write_copied(*must(reader->read_row_group(group, {}))));
    must(writer->finish(0, 0));
  }
  std::cout << must(commit->complete({})).time << "\n";
  return 0;
}

int split_table(const std::string& folder) {
  const Opened opened(folder);
  const auto snapshot = must(opened.table->snapshot());
  table::BeginOptions options;
  options.action = table::Action::kReplaceCommit;
  options.operation_type = "CLUSTER";
  options.schema = snapshot.schema;
  options.token = "split";
  const auto commit = must(opened.table->begin(options));
  for (const auto& slice : snapshot.slices) {
    const auto reader = must(opened.table->open(slice));
    for (int64_t group = 0; group < reader->info().row_groups; ++group) {
      const auto rows = must(reader->read_row_group(group, {}));
      for (int64_t row = 0; row < rows->num_rows(); ++row) {
        const auto writer = must(commit->new_group(slice.role, slice.partition));
        must(writer->write_copied(*rows->Slice(row, 1)));
        must(writer->finish(0, 0));
      }
    }
    commit->replace(slice);
  }
  std::cout << must(commit->complete({{"weir.service", "split"}})).time << "\n";
  return 0;
}

int read_table(const std::string& folder) {
  const Opened opened(folder);
  const auto snapshot = must(opened.table->snapshot());
  Json slices = Json::array();
  for (const auto& slice : snapshot.slices) {
    const auto reader = must(opened.table->open(slice));
    slices.push_back({{"name", slice.name}, {"rows", slice.rows}, {"stored", reader->info().rows}});
  }
  Json commits = Json::array();
  const auto infos = must(opened.table->commits());
  for (const auto& commit : infos) commits.push_back(commit.time);
  std::cout << dump_json_pretty({{"instant", snapshot.instant},
                                 {"schema", model::to_json(snapshot.schema)},
                                 {"slices", std::move(slices)},
                                 {"commits", std::move(commits)}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  const std::string command = argc == 3 ? argv[1] : "";
  try {
    if (command == "apply") return weir::apply_lines(argv[2]);
    if (command == "write") return weir::write_tables(argv[2]);
    if (command == "read") return weir::read_table(argv[2]);
    if (command == "rewrite") return weir::rewrite_table(argv[2]);
    if (command == "split") return weir::split_table(argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "hudi_tool: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: hudi_tool write|read|rewrite|split|apply FOLDER\n";
  return 2;
}
