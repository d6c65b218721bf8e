#include <algorithm>

#include "catalog/config_rows.h"
#include "catalog/store/audit.h"
#include "catalog/store/config_reading.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

std::string column_list(const ConfigTable& table) {
  std::string list;
  for (const auto& column : table.key) list += column + ", ";
  for (const auto& column : table.columns) list += column.name + ", ";
  return list + "managed_by";
}

/// The value of a column as the kind says; the text itself where normal_form reads it further.
Json raw_value(RowReader& reader, const Row& row, const ConfigColumn& column) {
  if (!row.at(column.name)) return {};
  switch (column.kind) {
    case ColumnKind::kInteger: return reader.integer(column.name);
    case ColumnKind::kBoolean: return reader.boolean(column.name);
    case ColumnKind::kJson: return reader.json(column.name);
    case ColumnKind::kText:
    case ColumnKind::kDuration:
    case ColumnKind::kSchema:
    case ColumnKind::kNames: break;
  }
  return reader.text(column.name);
}

Result<ConfigRow> read_row(const ConfigTable& table, const Row& row) {
  ConfigRow result{.table = table.name, .key = {}, .values = {}, .managed_by = ""};
  for (const auto& column : table.key) result.key.push_back(row.at(column).value_or(""));
  RowReader reader(table.name, row, fmt::format("{}", fmt::join(result.key, "/")));
  result.managed_by = reader.text("managed_by");
  for (const ConfigColumn& column : table.columns)
    result.values[column.name] = raw_value(reader, row, column);
  if (auto status = reader.status(); !status) {
    Error error = std::move(status).error();
    error.code = ErrorCode::kInvalidConfig;
    return std::unexpected(std::move(error));
  }
  // The defaults of a project are one JSON text: the same value has the same text.
  if (table.name == "project" && result.key.front() == "defaults") {
    if (const auto json = parse_json(reader.text("value")))
      result.values["value"] = dump_json(*json);
  }
  return normal_form(std::move(result));
}

enum class Tasks { kToo, kNot };

Result<std::vector<ConfigRow>> read_rows(Session& session, Tasks tasks) {
  std::vector<ConfigRow> all;
  for (const ConfigTable& table : config_tables()) {
    if (tasks == Tasks::kNot && table.name.starts_with("task")) continue;
    WEIR_ASSIGN(auto rows, config_rows_where(session, table, "", {}));
    std::ranges::move(rows, std::back_inserter(all));
  }
  return all;
}

Value sql_value(const Json& value, ColumnKind kind) {
  switch (kind) {
    case ColumnKind::kInteger: return value.get<int64_t>();
    case ColumnKind::kBoolean: return value.get<bool>();
    case ColumnKind::kText:
    case ColumnKind::kDuration: return value.get<std::string>();
    case ColumnKind::kJson:
    case ColumnKind::kSchema:
    case ColumnKind::kNames: break;
  }
  return dump_json(value);
}

/// Every column of the row but the key; `row` is in normal form.
Binds values_of(const ConfigTable& table, const ConfigRow& row) {
  Binds binds;
  for (const ConfigColumn& column : table.columns) {
    const auto found = row.values.find(column.name);
    binds.push_back({column.name, found == row.values.end()
                                      ? Value(nullptr)
                                      : sql_value(found->second, column.kind)});
  }
  binds.push_back({"managed_by", row.managed_by});
  return binds;
}

Binds key_of(const ConfigTable& table, const ConfigRow& row) {
  Binds binds;
  for (size_t i = 0; i < table.key.size(); ++i) binds.push_back({table.key[i], row.key[i]});
  return binds;
}

std::string where_key(const ConfigTable& table) {
  std::string where;
  for (const auto& column : table.key)
    where += fmt::format("{} {} = :{}", where.empty() ? "WHERE" : " AND", column, column);
  return where;
}

Status expect_one(const ConfigRow& row, int64_t rows) {
  if (rows == 1) return {};
  return fail_with_hint(ErrorCode::kConflict, describe(row) + " is not there any more",
                        "somebody else changed the configuration: plan again");
}

Status apply_one(Session& session, const RowChange& change) {
  const ConfigTable* table = find_config_table(change.row.table);
  if (table == nullptr || change.row.key.size() != table->key.size())
    return std::unexpected(normal_form(change.row).error());
  const Binds key = key_of(*table, change.row);
  if (change.kind == RowChange::Kind::kDelete) {
    WEIR_ASSIGN(
        const int64_t rows,
        session.execute(fmt::format("DELETE FROM {} {}", table->name, where_key(*table)), key));
    return expect_one(change.row, rows);
  }
  WEIR_ASSIGN(const ConfigRow row, normal_form(change.row));
  Binds values = values_of(*table, row);
  if (change.kind == RowChange::Kind::kUpdate) {
    WEIR_ASSIGN(const int64_t rows, session.update(table->name, values, where_key(*table), key));
    return expect_one(row, rows);
  }
  values.insert(values.begin(), key.begin(), key.end());
  WEIR_TRY(while_doing(session.insert(table->name, values), "inserting " + describe(row)));
  return {};
}

std::string_view word(RowChange::Kind kind) {
  switch (kind) {
    case RowChange::Kind::kInsert: return "insert";
    case RowChange::Kind::kUpdate: return "update";
    case RowChange::Kind::kDelete: break;
  }
  return "delete";
}

/// Children go before their parents and come after them.
std::vector<RowChange> in_safe_order(std::vector<RowChange> changes) {
  const auto rank = [](const RowChange& change) {
    const ConfigTable* table = find_config_table(change.row.table);
    const auto position = table == nullptr ? 0 : table - config_tables().data();
    return change.kind == RowChange::Kind::kDelete ? -1 - position : position;
  };
  // A delete of a parent takes its children along (ON DELETE CASCADE), so children first.
  std::ranges::stable_sort(changes, {}, rank);
  return changes;
}

Result<int64_t> read_revision(Session& session) {
  WEIR_ASSIGN(const auto rows, session.select("max(revision) AS revision", "FROM config_revision"));
  RowReader reader("config_revision", rows.front(), "newest");
  const int64_t revision = reader.integer("revision");
  WEIR_TRY(reader.status());
  return revision;
}

/// A version that is pinned again and again is noted once in so long.
constexpr int64_t kFreshUs = 3'600'000'000;

constexpr std::string_view kVersionColumns = "hash, flow_id, created_at_us, author, reason";

Result<ConfigVersion> version_of(const Row& row, bool has_content) {
  RowReader reader("config_version", row, row.at("hash").value_or(""));
  ConfigVersion version{.hash = reader.text("hash"),
                        .flow_id = reader.text("flow_id"),
                        .created_at_us = reader.integer("created_at_us"),
                        .author = reader.text("author"),
                        .reason = reader.text("reason"),
                        .content = Json()};
  if (has_content) version.content = reader.json("content");
  WEIR_TRY(reader.status());
  return version;
}

}  // namespace

Result<std::vector<ConfigRow>> config_rows_where(Session& session, const ConfigTable& table,
                                                 const std::string& where, const Binds& binds) {
  WEIR_ASSIGN(
      const auto found,
      session.select(column_list(table), fmt::format("FROM {} {}", table.name, where), binds));
  WEIR_ASSIGN(auto rows, read_all(found, [&](const Row& row) { return read_row(table, row); }));
  // By bytes, as in all of weir; a database may sort otherwise.
  std::ranges::sort(rows, {}, &ConfigRow::key);
  return rows;
}

Result<std::vector<ConfigRow>> rows_of_flow(Session& session, const std::string& flow_id) {
  std::vector<ConfigRow> all;
  for (const ConfigTable& table : config_tables()) {
    if (table.key.front() != "flow_id") continue;
    WEIR_ASSIGN(auto rows, config_rows_where(session, table, "WHERE flow_id = :flow_id",
                                             {{"flow_id", flow_id}}));
    std::ranges::move(rows, std::back_inserter(all));
  }
  return all;
}

Result<model::Configuration> SqlCatalog::load_configuration() {
  WEIR_ASSIGN(const auto rows, config_rows());
  return configuration_of(rows);
}

Result<ConfigurationHead> SqlCatalog::load_head() {
  return database_->read([](Session& session) -> Result<ConfigurationHead> {
    ConfigurationHead head;
    WEIR_ASSIGN(head.revision, read_revision(session));
    WEIR_ASSIGN(const auto rows, read_rows(session, Tasks::kNot));
    WEIR_ASSIGN(head.configuration, configuration_of(rows));
    return head;
  });
}

Result<FlowOfHead> SqlCatalog::load_flow(const std::string& flow_id) {
  return database_->read([&](Session& session) -> Result<FlowOfHead> {
    FlowOfHead found;
    WEIR_ASSIGN(found.revision, read_revision(session));
    WEIR_ASSIGN(const auto rows, catalog::rows_of_flow(session, flow_id));
    WEIR_ASSIGN(auto configuration, configuration_of(rows, RowsOf::kOneFlow));
    if (!configuration.flows.empty()) found.flow = std::move(configuration.flows.front());
    return found;
  });
}

Result<std::vector<ConfigRow>> SqlCatalog::config_rows() {
  return database_->read([](Session& session) { return read_rows(session, Tasks::kToo); });
}

Status SqlCatalog::apply_changes(const std::vector<RowChange>& changes, const std::string& author) {
  const std::vector<RowChange> ordered = in_safe_order(changes);
  return database_->write([&](Session& session) -> Status {
    if (!ordered.empty()) WEIR_TRY(lock_audit(session));
    for (const RowChange& change : ordered) {
      WEIR_TRY(apply_one(session, change));
      const Json details = {{"table", change.row.table}, {"key", change.row.key}};
      WEIR_TRY(write_audit(session, clock_.now_us(), author,
                           fmt::format("config.{}", word(change.kind)), details));
    }
    return {};
  });
}

Result<int64_t> SqlCatalog::configuration_revision() { return database_->read(read_revision); }

Result<bool> SqlCatalog::add_config_version(const ConfigVersion& version) {
  return database_->write([&](Session& session) -> Result<bool> {
    const int64_t at_us = version.created_at_us != 0 ? version.created_at_us : clock_.now_us();
    WEIR_ASSIGN(const int64_t rows, session.insert("config_version",
                                                   {{"hash", version.hash},
                                                    {"flow_id", version.flow_id},
                                                    {"created_at_us", at_us},
                                                    {"author", storable(version.author)},
                                                    {"reason", version.reason},
                                                    {"content", dump_json(version.content)}},
                                                   "ON CONFLICT (hash) DO NOTHING"));
    if (rows == 1) return true;
    WEIR_TRY(session.execute(
        "UPDATE config_version SET pinned_at_us = :now_us WHERE hash = :hash AND "
        "coalesce(pinned_at_us, created_at_us) < :stale_us",
        {{"now_us", at_us}, {"hash", version.hash}, {"stale_us", at_us - kFreshUs}}));
    return false;
  });
}

Result<ConfigVersion> SqlCatalog::config_version(const std::string& hash) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(fmt::format("{}, content", kVersionColumns),
                          "FROM config_version WHERE hash = :hash", {{"hash", hash}});
  }));
  if (rows.empty())
    return fail(ErrorCode::kNotFound, "the catalog has no configuration version '{}'", hash);
  return version_of(rows.front(), true);
}

Result<std::vector<ConfigVersion>> SqlCatalog::config_versions(const std::string& flow_id,
                                                               int64_t limit) {
  Binds binds = {{"limit", limit}};
  std::string where;
  if (!flow_id.empty()) {
    where = "WHERE flow_id IN (:flow_id, '') ";
    binds.push_back({"flow_id", flow_id});
  }
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        kVersionColumns,
        fmt::format("FROM config_version {}ORDER BY created_at_us DESC, hash LIMIT :limit", where),
        binds);
  }));
  return read_all(rows, [](const Row& row) { return version_of(row, false); });
}

}  // namespace weir::catalog
