#include "engine/embedded/pinned.h"

#include <algorithm>

#include "base/digest.h"
#include "parquet/parquet.h"

namespace weir::engine::embedded {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
/// What the process takes beside DuckDB's memory limit, measured; see the design's small print.
constexpr int64_t kBesideDuckdbBytes = 220 * kMiB;
constexpr int64_t kLeastDuckdbBytes = 128 * kMiB;

bool is_hudi_column(std::string_view name) { return name.starts_with("_hoodie_"); }

std::unexpected<Error> differs(const model::PinnedObject& object, std::string_view what,
                               const std::string& expected, const std::string& actual) {
  return fail_with_hint(
      ErrorCode::kCorrupt,
      fmt::format("object '{}' of {} has {} {}; pinned was {}", object.name, object.uri, what,
                  actual, expected),
      "it was changed after it was published: bring it back from a copy, or remove it and run the "
      "hop that writes it again");
}

/// Adds what the view lacks of a file's columns.
Status add_columns(const parquet::FileInfo& info, model::Schema& schema) {
  WEIR_ASSIGN(const auto columns, parquet::from_arrow(*info.schema));
  for (const auto& column : columns)
    if (!is_hudi_column(column.name) && model::find_column(schema, column.name) == nullptr)
      schema.push_back(column);
  return {};
}

}  // namespace

Status verify_object(const model::PinnedObject& object, storage::Stores& stores) {
  WEIR_ASSIGN(auto* store, stores.open(object.uri));
  WEIR_ASSIGN(const auto entry,
              while_doing(store->stat(object.name), fmt::format("verifying '{}'", object.name)));
  if (entry.size_bytes != object.size_bytes)
    return differs(object, "size", fmt::format("{}", object.size_bytes),
                   fmt::format("{}", entry.size_bytes));
  if (object.sha256.empty()) return {};
  WEIR_ASSIGN(const auto digest, storage::digest_of(*store, object.name));
  if (digest.sha256 != object.sha256)
    return differs(object, "sha256", object.sha256, digest.sha256);
  return {};
}

Status verify_objects(const model::PinnedInput& input, const Context& context) {
  for (const auto& object : input.objects) {
    WEIR_TRY(context.cancel->check());
    WEIR_TRY(verify_object(object, *context.stores));
  }
  return {};
}

Result<Reading> open_reading(const model::PinnedInput& input, const Context& context,
                             sql::ObjectFiles& objects) {
  WEIR_TRY(verify_objects(input, context));
  Reading reading{.view = {.dataset = input.dataset, .files = {}, .schema = {}}};
  for (const auto& column : input.schema)
    if (!is_hudi_column(column.name)) reading.view.schema.push_back(column);

  for (const auto& object : input.objects) {
    WEIR_TRY(context.cancel->check());
    WEIR_ASSIGN(auto* store, context.stores->open(object.uri));
    WEIR_ASSIGN(const auto info, parquet::read_info(*store, object.name));
    if (object.rows >= 0 && info.rows != object.rows)
      return differs(object, "rows", fmt::format("{}", object.rows), fmt::format("{}", info.rows));
    reading.rows += info.rows;
    WEIR_TRY(add_columns(info, reading.view.schema));
    WEIR_ASSIGN(reading.view.files.emplace_back(), objects.path_of(*store, object.name));
  }
  return reading;
}

int64_t Readings::rows() const {
  int64_t rows = 0;
  for (const auto& input : inputs) rows += input.rows;
  return rows;
}

Result<Readings> open_readings(const model::Operation& operation, const Context& context) {
  Readings readings;
  auto options = session_options(operation.limits);
  options.objects = std::make_shared<sql::ObjectFiles>();
  std::vector<sql::ViewSource> views;
  for (const auto& input : operation.inputs) {
    WEIR_ASSIGN(auto reading, while_doing(open_reading(input, context, *options.objects),
                                          fmt::format("reading {}", input.dataset.text())));
    views.push_back(reading.view);
    readings.inputs.push_back(std::move(reading));
  }
  if (operation.origin.logical_time_us != 0) options.now_us = operation.origin.logical_time_us;
  WEIR_ASSIGN(readings.session, sql::open_user_session(options, views, *context.cancel));
  return readings;
}

sql::SessionOptions session_options(const model::Limits& limits) {
  sql::SessionOptions options;
  options.threads = limits.threads;
  options.temp_folder = limits.temp_folder;
  if (limits.memory_bytes > 0)
    options.memory_bytes = std::max(limits.memory_bytes - kBesideDuckdbBytes, kLeastDuckdbBytes);
  return options;
}

std::vector<std::string> identities_of(const std::vector<model::PinnedInput>& inputs) {
  std::vector<std::string> identities;
  for (const auto& input : inputs) {
    if (!input.instant.empty()) {
      identities.push_back(sha256_hex(input.dataset.text() + "\n" + input.instant));
      continue;
    }
    for (const auto& object : input.objects)
      identities.push_back(object.sha256.empty() ? sha256_hex(object.name) : object.sha256);
  }
  return identities;
}

}  // namespace weir::engine::embedded
