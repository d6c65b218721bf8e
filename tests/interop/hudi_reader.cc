/// Reads a Hudi table that anybody wrote, through the public header, for a test to compare with
/// what other readers make of it. Rows go to stdout as an Arrow stream, everything else as JSON.
///
///   hudi_reader info FOLDER               columns, files and commits of the table there
///   hudi_reader snapshot FOLDER [AT]      its rows with Hudi's columns, now or as of an instant
///   hudi_reader changes FOLDER FROM TO    rows that changed in (FROM, TO]; `-` leaves one open
///   hudi_reader write FOLDER              tries to begin a commit, which other versions refuse

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir {
namespace {

void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_line(result.error()));
  return *std::move(result);
}

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

void write_rows(table::RowReader& rows) {
  const auto buffer = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(buffer, rows.schema()).ValueOrDie();
  while (const auto batch = must(rows.next())) {
    check(batch->ValidateFull());
    check(writer->WriteRecordBatch(*batch));
  }
  check(writer->Close());
  const auto bytes = buffer->Finish().ValueOrDie();
  std::cout.write(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

void write_info(table::HudiTable& table) {
  const auto snapshot = must(table.snapshot());
  Json slices = Json::array();
  for (const auto& slice : snapshot.slices)
    slices.push_back({{"name", slice.name}, {"partition", slice.partition}, {"rows", slice.rows}});
  Json commits = Json::array();
  const auto infos = must(table.commits());
  for (const auto& commit : infos)
    commits.push_back({{"time", commit.time},
                       {"action", commit.action},
                       {"operation", commit.operation_type},
                       {"bound", commit.completion.empty() ? commit.time : commit.completion}});
  std::cout << dump_json({{"instant", snapshot.instant},
                          {"bound", snapshot.bound},
                          {"schema", model::to_json(snapshot.schema)},
                          {"slices", std::move(slices)},
                          {"missing", must(table.missing_files())},
                          {"commits", std::move(commits)}})
            << "\n";
}

std::string bound(const std::string& argument) { return argument == "-" ? "" : argument; }

int run(const std::vector<std::string>& arguments) {
  const std::string& command = arguments.at(0);
  const Opened opened(arguments.at(1));
  table::HudiTable& table = *opened.table;
  table::ReadOptions options;
  options.meta = table::MetaColumns::kFirst;
  if (command == "info") {
    write_info(table);
  } else if (command == "snapshot") {
    const auto snapshot = must(table.snapshot(arguments.size() > 2 ? arguments[2] : ""));
    write_rows(*must(table.read(snapshot, options)));
  } else if (command == "changes") {
    const auto changes = must(table.changes(bound(arguments.at(2)), bound(arguments.at(3))));
    write_rows(*must(table.read(changes, options)));
  } else if (command == "write") {
    table::BeginOptions begin;
    begin.schema = must(table.snapshot()).schema;
    begin.token = "interop";
    (void)must(table.begin(begin));
  } else {
    throw std::out_of_range(command);
  }
  return 0;
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  try {
    return weir::run({argv + 1, argv + argc});
  } catch (const std::out_of_range&) {
    std::cerr << "usage: hudi_reader info|snapshot|changes|write FOLDER [AT | FROM TO]\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "hudi_reader: " << error.what() << "\n";
    return 1;
  }
}
