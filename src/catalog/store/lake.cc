#include "catalog/store/lake.h"

#include <algorithm>
#include <set>

#include "catalog/store/json_rows.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

constexpr std::string_view kPublicationColumns =
    "dataset, token, object_name, instant, row_count, size_bytes, sha256, as_of_us, "
    "input_identities, source_name, source_sha256, counts, schema, run_id";

Result<model::Publication> read_publication(const Row& row, const model::DatasetName& dataset) {
  RowReader reader("publication", row,
                   fmt::format("{}/{}", dataset.text(), row.at("token").value_or("")));
  model::Publication publication;
  publication.dataset = dataset;
  publication.token = reader.text("token");
  publication.object_name = reader.text("object_name");
  publication.instant = reader.text("instant");
  publication.rows = reader.integer("row_count");
  publication.size_bytes = reader.integer("size_bytes");
  publication.sha256 = reader.text("sha256");
  publication.as_of_us = reader.maybe_integer("as_of_us");
  for (const Json& identity : reader.json("input_identities"))
    publication.input_identities.push_back(identity.is_string() ? identity.get<std::string>() : "");
  publication.source_name = reader.text("source_name");
  publication.source_sha256 = reader.text("source_sha256");
  publication.counts = reader.take("counts", model::counts_from_json(reader.json("counts")));
  publication.schema = reader.json("schema");
  publication.run_id = reader.text("run_id");
  WEIR_TRY(reader.status());
  return publication;
}

/// `ON CONFLICT (…) DO NOTHING`, or an update of every other column.
std::string on_conflict(const std::string& key, const Binds& values, IfThere if_there) {
  if (if_there == IfThere::kKeep) return fmt::format("ON CONFLICT ({}) DO NOTHING", key);
  std::string sets;
  for (const Bind& bind : values)
    sets += fmt::format("{}{} = excluded.{}", sets.empty() ? "" : ", ", bind.name, bind.name);
  return fmt::format("ON CONFLICT ({}) DO UPDATE SET {}", key, sets);
}

struct NewestSchema {
  int64_t version = 0;  ///< 0: there is none.
  Json columns;
};

Result<NewestSchema> newest_schema(Session& session, const std::string& dataset) {
  WEIR_ASSIGN(
      const auto rows,
      session.select("version, columns",
                     "FROM schema_history WHERE dataset = :dataset ORDER BY version DESC LIMIT 1",
                     {{"dataset", dataset}}));
  if (rows.empty()) return NewestSchema{};
  RowReader reader("schema_history", rows.front(), dataset);
  NewestSchema newest{.version = reader.integer("version"), .columns = reader.json("columns")};
  WEIR_TRY(reader.status());
  return newest;
}

}  // namespace

Result<bool> write_publication(Session& session, const model::Publication& publication,
                               const std::string& run_id, int64_t at_us, IfThere if_there) {
  const Binds values = {{"dataset", publication.dataset.text()},
                        {"token", publication.token},
                        {"object_name", publication.object_name},
                        {"instant", publication.instant},
                        {"row_count", publication.rows},
                        {"size_bytes", publication.size_bytes},
                        {"sha256", publication.sha256},
                        {"as_of_us", or_null(publication.as_of_us)},
                        {"input_identities", json_value(publication.input_identities)},
                        {"source_name", publication.source_name},
                        {"source_sha256", publication.source_sha256},
                        {"counts", json_value(model::to_json(publication.counts))},
                        {"schema", json_value(publication.schema)},
                        {"run_id", publication.run_id.empty() ? run_id : publication.run_id},
                        {"recorded_at_us", at_us}};
  WEIR_ASSIGN(const int64_t rows, session.insert("publication", values,
                                                 on_conflict("dataset, token, object_name, instant",
                                                             values, if_there)));
  return rows == 1;
}

Status write_ledger(Session& session, const LedgerEntry& entry, int64_t at_us, IfThere if_there) {
  const Binds values = {{"target", entry.target.text()},
                        {"identity", entry.identity},
                        {"source_name", entry.source_name},
                        {"source_sha256", entry.source_sha256},
                        {"size_bytes", entry.size_bytes},
                        {"as_of_us", or_null(entry.as_of_us)},
                        {"token", entry.token},
                        {"recorded_at_us", at_us}};
  WEIR_TRY(
      session.insert("file_ledger", values, on_conflict("target, identity", values, if_there)));
  return {};
}

Status write_watermark(Session& session, const Watermark& watermark, int64_t at_us,
                       IfThere if_there) {
  const Binds values = {{"target", watermark.target.text()},
                        {"source", watermark.source.text()},
                        {"as_of_us", or_null(watermark.as_of_us)},
                        {"instant", watermark.instant},
                        {"token", watermark.token},
                        {"recorded_at_us", at_us}};
  std::string suffix = on_conflict("target, source", values, IfThere::kReplace);
  if (if_there == IfThere::kKeep) {
    suffix +=
        " WHERE (watermark.as_of_us IS NULL OR excluded.as_of_us >= watermark.as_of_us)"
        " AND excluded.instant >= watermark.instant";
  }
  WEIR_TRY(session.insert("watermark", values, suffix));
  return {};
}

Status write_schema(Session& session, const model::DatasetName& dataset,
                    const model::Schema& schema, const std::string& token, int64_t at_us) {
  WEIR_TRY(session.lock("weir schema of " + dataset.text()));
  WEIR_ASSIGN(const NewestSchema newest, newest_schema(session, dataset.text()));
  const Json columns = model::to_json(schema);
  if (newest.version > 0 && newest.columns == columns) return {};
  WEIR_TRY(session.insert("schema_history", {{"dataset", dataset.text()},
                                             {"version", newest.version + 1},
                                             {"columns", json_value(columns)},
                                             {"token", token},
                                             {"recorded_at_us", at_us}}));
  return {};
}

Result<std::vector<model::Publication>> SqlCatalog::publications(
    const model::DatasetName& dataset) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kPublicationColumns, "FROM publication WHERE dataset = :dataset",
                          {{"dataset", dataset.text()}});
  }));
  WEIR_ASSIGN(auto publications,
              read_all(rows, [&](const Row& row) { return read_publication(row, dataset); }));
  std::ranges::sort(publications, [](const auto& a, const auto& b) {
    return std::tie(a.as_of_us, a.instant, a.object_name, a.token) <
           std::tie(b.as_of_us, b.instant, b.object_name, b.token);
  });
  return publications;
}

Result<std::vector<LedgerEntry>> SqlCatalog::ledger(const model::DatasetName& target) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("identity, source_name, source_sha256, size_bytes, as_of_us, token",
                          "FROM file_ledger WHERE target = :target", {{"target", target.text()}});
  }));
  WEIR_ASSIGN(auto entries, read_all(rows, [&](const Row& row) -> Result<LedgerEntry> {
                RowReader reader("file_ledger", row, target.text());
                LedgerEntry entry{.target = target,
                                  .identity = reader.text("identity"),
                                  .source_name = reader.text("source_name"),
                                  .source_sha256 = reader.text("source_sha256"),
                                  .size_bytes = reader.integer("size_bytes"),
                                  .as_of_us = reader.maybe_integer("as_of_us"),
                                  .token = reader.text("token")};
                WEIR_TRY(reader.status());
                return entry;
              }));
  std::ranges::sort(entries, {}, &LedgerEntry::identity);
  return entries;
}

Result<std::vector<HashedFile>> SqlCatalog::hashed_files(const std::string& uri) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("name, size_bytes, version, sha256", "FROM landing_file WHERE uri = :uri",
                          {{"uri", storable(uri)}});
  }));
  WEIR_ASSIGN(auto files, read_all(rows, [](const Row& row) -> Result<HashedFile> {
                RowReader reader("landing_file", row, row.at("name").value_or(""));
                HashedFile file{.name = reader.text("name"),
                                .size_bytes = reader.integer("size_bytes"),
                                .version = reader.text("version"),
                                .sha256 = reader.text("sha256")};
                WEIR_TRY(reader.status());
                return file;
              }));
  std::ranges::sort(files, {}, &HashedFile::name);
  return files;
}

Status SqlCatalog::remember_files(const std::string& uri, const std::vector<HashedFile>& files) {
  if (files.empty()) return {};
  return database_->write([&](Session& session) -> Status {
    const std::string sql = fmt::format(
        "INSERT INTO landing_file (uri, name, size_bytes, version, sha256, recorded_at_us) "
        "SELECT :uri, value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, :now_us "
        "FROM {} WHERE true ON CONFLICT (uri, name) DO UPDATE SET size_bytes = "
        "excluded.size_bytes, version = excluded.version, sha256 = excluded.sha256, "
        "recorded_at_us = excluded.recorded_at_us",
        session.words().json_rows);
    const auto row_of = [](const HashedFile& file) {
      return Json::array({storable(file.name), file.size_bytes, file.version, file.sha256});
    };
    return in_parts(files, row_of, [&](std::string rows) -> Status {
      WEIR_TRY(session.execute(
          sql, {{"uri", storable(uri)}, {"now_us", clock_.now_us()}, {"rows", std::move(rows)}}));
      return {};
    });
  });
}

Result<std::vector<Watermark>> SqlCatalog::watermarks(const model::DatasetName& target) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("source, as_of_us, instant, token",
                          "FROM watermark WHERE target = :target", {{"target", target.text()}});
  }));
  WEIR_ASSIGN(auto watermarks, read_all(rows, [&](const Row& row) -> Result<Watermark> {
                RowReader reader("watermark", row, target.text());
                Watermark watermark{.target = target,
                                    .source = reader.take(
                                        "source", model::parse_dataset_name(reader.text("source"))),
                                    .as_of_us = reader.maybe_integer("as_of_us"),
                                    .instant = reader.text("instant"),
                                    .token = reader.text("token")};
                WEIR_TRY(reader.status());
                return watermark;
              }));
  std::ranges::sort(watermarks, {}, &Watermark::source);
  return watermarks;
}

namespace {

/// Rows of that dataset that `keeps` does not name are removed; gives how many.
Result<int64_t> forget(Session& session, const std::string& table, const Binds& where,
                       const std::vector<std::string>& key,
                       const std::set<std::vector<std::string>>& keeps) {
  std::string condition;
  for (const Bind& bind : where)
    condition += fmt::format("{}{} = :{}", condition.empty() ? "" : " AND ", bind.name, bind.name);
  WEIR_ASSIGN(const auto rows,
              session.select(fmt::format("{}", fmt::join(key, ", ")),
                             fmt::format("FROM {} WHERE {}", table, condition), where));
  int64_t forgotten = 0;
  for (const Row& row : rows) {
    std::vector<std::string> values;
    for (const auto& column : key) values.push_back(row.at(column).value_or(""));
    if (keeps.contains(values)) continue;
    Binds binds = where;
    std::string same = condition;
    for (size_t i = 0; i < key.size(); ++i) {
      binds.push_back({key[i], values[i]});
      same += fmt::format(" AND {} = :{}", key[i], key[i]);
    }
    WEIR_TRY(session.execute(fmt::format("DELETE FROM {} WHERE {}", table, same), binds));
    ++forgotten;
  }
  return forgotten;
}

Result<int64_t> forget_others(Session& session, const LakeRows& rows,
                              const model::DatasetName& target) {
  std::set<std::vector<std::string>> publications;
  for (const auto& each : rows.publications) {
    if (each.dataset == target) publications.insert({each.token, each.object_name, each.instant});
  }
  std::set<std::vector<std::string>> ledger;
  for (const auto& each : rows.ledger)
    if (each.target == target) ledger.insert({each.identity});
  std::set<std::vector<std::string>> watermarks;
  for (const auto& each : rows.watermarks)
    if (each.target == target) watermarks.insert({each.source.text()});
  WEIR_TRY(forget(session, "file_ledger", {{"target", target.text()}}, {"identity"}, ledger));
  WEIR_TRY(forget(session, "watermark", {{"target", target.text()}}, {"source"}, watermarks));
  return forget(session, "publication", {{"dataset", target.text()}},
                {"token", "object_name", "instant"}, publications);
}

/// Where the newest schema recorded is the lake's newest, its history is as it was.
Status heal_schema(Session& session, const LakeRows& rows, const model::DatasetName& target,
                   int64_t at_us) {
  std::vector<const model::Publication*> with_schema;
  for (const auto& each : rows.publications) {
    if (each.dataset == target && each.schema.is_array() && !each.schema.empty())
      with_schema.push_back(&each);
  }
  if (with_schema.empty()) return {};
  WEIR_ASSIGN(const NewestSchema newest, newest_schema(session, target.text()));
  if (newest.version > 0) with_schema = {with_schema.back()};
  for (const auto* each : with_schema) {
    WEIR_ASSIGN(const auto schema, model::schema_from_json(each->schema));
    WEIR_TRY(write_schema(session, target, schema, each->token, at_us));
  }
  return {};
}

}  // namespace

Result<int64_t> SqlCatalog::heal(const LakeRows& rows) {
  int64_t forgotten = 0;
  const Status written = database_->write([&](Session& session) -> Status {
    const int64_t at_us = clock_.now_us();
    forgotten = 0;
    for (const auto& target : rows.targets) {
      WEIR_ASSIGN(const int64_t gone, forget_others(session, rows, target));
      forgotten += gone;
    }
    for (const auto& publication : rows.publications)
      WEIR_TRY(write_publication(session, publication, "", at_us, IfThere::kReplace));
    for (const auto& entry : rows.ledger)
      WEIR_TRY(write_ledger(session, entry, at_us, IfThere::kReplace));
    for (const auto& watermark : rows.watermarks)
      WEIR_TRY(write_watermark(session, watermark, at_us, IfThere::kReplace));
    for (const auto& target : rows.targets) WEIR_TRY(heal_schema(session, rows, target, at_us));
    return {};
  });
  if (!written) return std::unexpected(written.error());
  return forgotten;
}

Result<std::optional<model::Schema>> SqlCatalog::recorded_schema(
    const model::DatasetName& dataset) {
  WEIR_ASSIGN(const NewestSchema newest, database_->read([&](Session& session) {
    return newest_schema(session, dataset.text());
  }));
  if (newest.version == 0) return std::nullopt;
  auto schema = model::schema_from_json(newest.columns);
  if (schema) return *std::move(schema);
  Error error = std::move(schema).error();
  error.code = ErrorCode::kCorrupt;
  return std::unexpected(
      std::move(error).while_doing("reading schema_history of dataset " + dataset.text()));
}

Status SqlCatalog::record_schema(const model::DatasetName& dataset, const model::Schema& schema,
                                 const std::string& token) {
  return database_->write([&](Session& session) {
    return write_schema(session, dataset, schema, token, clock_.now_us());
  });
}

}  // namespace weir::catalog
