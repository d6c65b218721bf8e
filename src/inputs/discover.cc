#include "inputs/discover.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/instant.h"
#include "base/printable.h"
#include "parquet/parquet.h"
#include "storage/object_name.h"
#include "table/hudi.h"

namespace weir::inputs {
namespace {

using model::PinnedObject;
using model::Publication;

/// The last segment of an object name.
std::string_view base_name(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

Result<std::optional<int64_t>> as_of_from_name(const LandingQuery& query, const std::string& name) {
  if (!query.as_of) return std::nullopt;
  WEIR_ASSIGN(const auto groups, query.as_of->find(name));
  const std::string hint =
      "the name must fit the task's as_of pattern; move the file away or mend the pattern";
  if (!groups || !groups->contains("as_of"))
    return fail_with_hint(ErrorCode::kInvalidData,
                          fmt::format("the name of landing file '{}' has no as-of", name), hint);
  auto at_us = parse_instant(groups->at("as_of"));
  if (!at_us)
    return fail_with_hint(ErrorCode::kInvalidData,
                          fmt::format("the as-of of landing file '{}' does not read: {}", name,
                                      at_us.error().message),
                          hint);
  return *at_us;
}

/// Longer than one tick of any file system's clock.
constexpr int64_t kRestsAfterUs = 2'000'000;

/// The SHA-256 of a landing file: the one that is known while its bytes are the same, or from them.
Result<std::string> content_hash(storage::Storage& store, const storage::Entry& entry,
                                 const LandingQuery& query) {
  const auto known = query.known.find(entry.name);
  if (known != query.known.end() && !entry.version.empty() &&
      known->second.version == entry.version && known->second.size_bytes == entry.size_bytes)
    return known->second.sha256;
  WEIR_ASSIGN(const auto digest, storage::digest_of(store, entry.name));
  WEIR_ASSIGN(const auto after, store.stat(entry.name));
  if (digest.size_bytes != entry.size_bytes || after != entry)
    return fail_with_hint(ErrorCode::kUnavailable,
                          fmt::format("landing file '{}' changed while it was read", entry.name),
                          "it is still being written; it is taken once it rests");
  return digest.sha256;
}

bool by_as_of_and_name(const PinnedObject& a, const PinnedObject& b) {
  return std::pair(a.as_of_us.value_or(0), std::string_view(a.name)) <
         std::pair(b.as_of_us.value_or(0), std::string_view(b.name));
}

std::vector<PinnedObject> objects_of(const std::string& uri, const table::Snapshot& snapshot) {
  std::vector<PinnedObject> objects;
  for (const auto& slice : snapshot.slices) {
    PinnedObject object;
    object.uri = uri;
    object.name = slice.name;
    object.size_bytes = slice.size_bytes;
    object.sha256 = slice.sha256;
    object.rows = slice.rows;
    objects.push_back(std::move(object));
  }
  std::ranges::sort(objects, {}, &PinnedObject::name);
  return objects;
}

constexpr std::string_view kLossHint =
    "bring it back from a copy; or accept what the lake has now with `weir doctor --heal`, and run "
    "the flow again. `weir reconcile` shows every hop that does not close";

}  // namespace

Result<std::vector<LandingFile>> find_landing_files(storage::Storage& store,
                                                    const LandingQuery& query,
                                                    const Cancel& cancel) {
  WEIR_ASSIGN(const auto entries, storage::list_all(store, glob_prefix(query.glob)));
  std::vector<LandingFile> files;
  for (const auto& entry : entries) {
    if (entry.name.starts_with(storage::kOwnFolder)) continue;
    // A name that is no text fits as what is shown of it, so that nobody wonders where it is.
    const bool is_name = storage::check_object_name(entry.name).has_value();
    const std::string shown = is_name ? entry.name : printable(entry.name);
    WEIR_ASSIGN(const bool fits, glob_matches(query.glob, shown));
    if (!fits) continue;
    if (!is_name)
      return fail_with_hint(ErrorCode::kInvalidData,
                            fmt::format("the name of landing file '{}' is not UTF-8", shown),
                            "rename the file, or move it away");
    WEIR_TRY(cancel.check());
    LandingFile file;
    file.object.uri = query.uri;
    file.object.name = entry.name;
    file.object.modified_at_us = entry.modified_at_us;
    file.object.size_bytes = entry.size_bytes;
    WEIR_ASSIGN(file.object.as_of_us, as_of_from_name(query, std::string(base_name(entry.name))));
    WEIR_ASSIGN(file.object.sha256, content_hash(store, entry, query));
    file.identity = model::identity_of(query.identity, file.object.sha256, file.object.as_of_us);
    if (entry.modified_at_us + kRestsAfterUs < query.now_us) file.version = entry.version;
    files.push_back(std::move(file));
  }
  std::ranges::sort(files, by_as_of_and_name, &LandingFile::object);
  return files;
}

Result<std::optional<model::Published>> read_object(storage::Storage& store,
                                                    const storage::Entry& entry,
                                                    const model::DatasetName& dataset) {
  const auto doing = fmt::format("reading what {} holds", dataset.text());
  auto info = parquet::read_info(store, entry.name);
  if (!info) return std::unexpected(std::move(info).error().while_doing(doing));
  auto read = model::published_object(dataset, entry.name, info->footer);
  if (!read) return std::unexpected(std::move(read).error().while_doing(doing));
  if (!*read) return std::nullopt;
  model::Published published = **std::move(read);
  WEIR_ASSIGN(const auto digest, storage::digest_of(store, entry.name));
  published.main.rows = info->rows;
  published.main.size_bytes = entry.size_bytes;
  published.main.sha256 = digest.sha256;
  return published;
}

namespace {

/// An object and its footer belong together: whoever rewrites one keeps the counts of the other.
Status check_rows(const model::Published& published) {
  const Publication& publication = published.main;
  const bool is_rejected = publication.dataset.name.ends_with("__rejected");
  const int64_t counted = is_rejected ? publication.counts.rejected : publication.counts.inserted;
  if (!published.has_counts || counted == publication.rows) return {};
  return fail_with_hint(
      ErrorCode::kCorrupt,
      fmt::format("hop {}: object '{}' has {} rows, {} were published", hop_name(publication),
                  publication.object_name, publication.rows, counted),
      std::string(kLossHint));
}

}  // namespace

Result<std::vector<Publication>> read_raw(storage::Storage& store,
                                          const model::DatasetName& dataset,
                                          const std::vector<Publication>& known) {
  std::map<std::string_view, const Publication*> by_name;
  for (const auto& publication : known) by_name[publication.object_name] = &publication;
  WEIR_ASSIGN(const auto entries, storage::list_all(store, ""));
  std::vector<Publication> publications;
  for (const auto& entry : entries) {
    if (!entry.name.ends_with(".parquet") || entry.name.starts_with("_weir/")) continue;
    const auto found = by_name.find(entry.name);
    if (found != by_name.end() && found->second->size_bytes == entry.size_bytes) {
      publications.push_back(*found->second);
      continue;
    }
    WEIR_ASSIGN(auto published, read_object(store, entry, dataset));
    if (!published) continue;
    WEIR_TRY(check_rows(*published));
    publications.push_back(std::move(published->main));
  }
  std::ranges::sort(publications, [](const Publication& a, const Publication& b) {
    return std::pair(a.as_of_us.value_or(0), a.object_name) <
           std::pair(b.as_of_us.value_or(0), b.object_name);
  });
  return publications;
}

std::string hop_name(const Publication& publication) {
  const std::string from = !publication.source_name.empty() ? publication.source_name
                           : publication.instant.empty()    ? std::string("landing")
                                                            : std::string();
  return fmt::format("{}{}→ {}", from, from.empty() ? "" : " ", publication.dataset.text());
}

std::string hop_name(const model::Published& commit) {
  if (commit.main.instant.empty()) return hop_name(commit.main);
  std::vector<std::string> from;
  for (const auto& input : commit.inputs) {
    if (input.dataset.empty() || input.dataset.name.ends_with("__rejected")) continue;
    if (std::ranges::find(from, input.dataset.text()) == from.end())
      from.push_back(input.dataset.text());
  }
  return fmt::format("{}{}→ {}", fmt::join(from, " + "), from.empty() ? "" : " ",
                     commit.main.dataset.text());
}

namespace {

std::unexpected<Error> lost(const std::string& hop, const std::string& what) {
  return fail_with_hint(ErrorCode::kCorrupt, fmt::format("hop {}: {}", hop, what),
                        std::string(kLossHint));
}

/// That an object is there in its size.
Status verify_size(storage::Storage& store, const std::string& hop, const PinnedObject& object) {
  const auto entry = store.stat(object.name);
  if (!entry && entry.error().code == ErrorCode::kNotFound)
    return lost(hop, fmt::format("object '{}' is gone", object.name));
  if (!entry) return std::unexpected(entry.error());
  if (object.size_bytes >= 0 && entry->size_bytes != object.size_bytes)
    return lost(hop, fmt::format("object '{}' has {} bytes, {} were published", object.name,
                                 entry->size_bytes, object.size_bytes));
  return {};
}

/// What can be told of an object without reading all of it. An empty token is not compared.
Status verify_whole(storage::Storage& store, const std::string& hop, const PinnedObject& object,
                    const std::string& token) {
  WEIR_TRY(verify_size(store, hop, object));
  const auto info = parquet::read_info(store, object.name);
  if (!info && info.error().code == ErrorCode::kCorrupt)
    return lost(hop,
                fmt::format("object '{}' cannot be read: {}", object.name, info.error().message));
  if (!info) return std::unexpected(info.error());
  if (object.rows >= 0 && info->rows != object.rows)
    return lost(hop, fmt::format("object '{}' has {} rows, {} were published", object.name,
                                 info->rows, object.rows));
  const auto found = info->footer.find("weir.token");
  if (!token.empty() && (found == info->footer.end() || found->second != token))
    return lost(hop, fmt::format("object '{}' is another one than was published", object.name));
  return {};
}

}  // namespace

Status verify_presence(storage::Storage& store, const std::vector<Publication>& known) {
  for (const auto& publication : known) {
    if (publication.object_name.empty()) continue;
    WEIR_TRY(verify_whole(store, hop_name(publication), pinned_object("", publication),
                          publication.token));
  }
  return {};
}

Result<std::vector<std::string>> lost_instants(storage::Storage& store, const HudiState& state,
                                               const std::vector<Publication>& known) {
  std::set<std::string> on_timeline;
  for (const auto& publication : state.publications) on_timeline.insert(publication.instant);
  std::set<std::string> missing;
  for (const auto& publication : known) {
    if (!publication.instant.empty() && !on_timeline.contains(publication.instant))
      missing.insert(publication.instant);
  }
  if (missing.empty()) return std::vector<std::string>{};
  // Another writer may have moved the beginning of the timeline into its archive.
  WEIR_ASSIGN(const auto archive, store.list(".hoodie/archived/", ""));
  if (!archive.entries.empty() && !on_timeline.empty())
    std::erase_if(missing, [&](const auto& instant) { return instant < *on_timeline.begin(); });
  return std::vector<std::string>(missing.begin(), missing.end());
}

Status verify_hudi(storage::Storage& store, const model::DatasetName& dataset,
                   const HudiState& state, const std::vector<Publication>& known) {
  WEIR_ASSIGN(const auto missing, lost_instants(store, state, known));
  const std::string hop =
      state.commits.empty() ? fmt::format("→ {}", dataset.text()) : hop_name(state.commits.back());
  if (!missing.empty())
    return lost(hop, fmt::format("commit {} is gone from the timeline", missing.front()));
  if (!state.missing.empty())
    return lost(hop, fmt::format("object '{}' is gone", state.missing.front()));
  // The size by its commit is enough for each run: with a filter over all of its keys the footer of
  // a data file is megabytes. Who reads a file compares more, and `weir reconcile` its hash.
  for (const auto& object : state.objects) {
    const bool is_known = object.size_bytes >= 0 && !object.sha256.empty();
    WEIR_TRY(is_known ? verify_size(store, hop, object) : verify_whole(store, hop, object, ""));
  }
  return {};
}

Result<HudiState> read_hudi(storage::Storage& store, const model::DatasetName& dataset,
                            Clock& clock, Random& random) {
  HudiState state;
  table::TableContext context;
  context.store = &store;
  context.clock = &clock;
  context.random = &random;
  auto table = table::open_table(context);
  if (!table && table.error().code == ErrorCode::kNotFound) return state;
  if (!table) return std::unexpected(std::move(table).error());
  state.exists = true;
  WEIR_ASSIGN(const auto snapshot, (*table)->snapshot());
  state.instant = snapshot.instant;
  state.schema = snapshot.schema;
  WEIR_ASSIGN(const auto commits, (*table)->commits());
  for (const auto& commit : commits) {
    if (commit.brings_no_data) continue;
    WEIR_ASSIGN(auto published,
                model::published_commit(dataset, commit.time, commit.bytes_written, commit.extra));
    state.publications.push_back(published.main);
    state.commits.push_back(std::move(published));
  }
  state.objects = objects_of(store.uri(), snapshot);
  WEIR_ASSIGN(state.missing, (*table)->missing_files());
  return state;
}

PinnedObject pinned_object(const std::string& uri, const Publication& publication) {
  PinnedObject object;
  object.uri = uri;
  object.name = publication.object_name;
  object.size_bytes = publication.size_bytes;
  object.sha256 = publication.sha256;
  object.as_of_us = publication.as_of_us;
  object.rows = publication.rows;
  return object;
}

namespace {

Result<model::PinnedInput> pin_hudi(table::HudiTable& table, const model::DatasetName& dataset,
                                    const std::string& uri, const std::string& instant) {
  WEIR_ASSIGN(const auto snapshot, table.snapshot(instant));
  if (snapshot.instant.empty())
    return fail(ErrorCode::kNotFound, "dataset {} has no commit yet", dataset.text());
  // The engine opens the files by itself, and would find nulls there.
  if (!snapshot.path_columns.empty())
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("dataset {}: the table's files leave out its partition columns ({})",
                    dataset.text(), fmt::join(snapshot.path_columns, ", ")),
        "write it with hoodie.datasource.write.drop.partition.columns=false");
  model::PinnedInput input;
  input.dataset = dataset;
  input.format = "hudi";
  input.uri = uri;
  input.instant = snapshot.instant;
  input.schema = snapshot.schema;
  input.objects = objects_of(uri, snapshot);
  return input;
}

/// The union of the schemas of raw objects by name, later ones behind.
Result<model::Schema> union_schema(const std::vector<Publication>& publications) {
  model::Schema schema;
  for (const auto& publication : publications) {
    if (!publication.schema.is_array()) continue;  // rejected rows have a shape of their own
    WEIR_ASSIGN(const auto columns, model::schema_from_json(publication.schema));
    for (const auto& column : columns) {
      const auto found = std::ranges::find(schema, column.name, &model::Column::name);
      if (found == schema.end())
        schema.push_back(column);
      else if (model::widens(found->type, column.type))
        found->type = column.type;
    }
  }
  return schema;
}

}  // namespace

std::string source_key(const Json& params) {
  Json said = Json::object();
  for (const char* name : {"connection", "table", "query", "where", "cursor"})
    said[name] = params.value(name, Json());
  if (said["cursor"].is_string()) said["cursor"] = Json::array({said["cursor"]});
  return sha256_hex(dump_json(said));
}

Result<Json> newest_watermark(storage::Storage& store, const std::vector<Publication>& publications,
                              const std::string& key) {
  for (auto each = publications.rbegin(); each != publications.rend(); ++each) {
    WEIR_ASSIGN(const auto info, parquet::read_info(store, each->object_name));
    const auto found = info.footer.find("weir.source_key");
    if (found == info.footer.end() || found->second != key) continue;
    const auto details = info.footer.find("weir.details");
    if (details == info.footer.end()) continue;
    WEIR_ASSIGN(const Json json, parse_json(details->second));
    const Json source = json.value("source", Json::object());
    Json to = source.value("cursor", Json::object()).value("to", Json());
    if (!to.is_null()) return to;
  }
  return Json();
}

Result<model::PinnedInput> pin_latest(storage::Storage& store, const model::DatasetName& dataset,
                                      Clock& clock, Random& random, const std::string& instant,
                                      const std::vector<Publication>& known) {
  table::TableContext context;
  context.store = &store;
  context.clock = &clock;
  context.random = &random;
  auto table = table::open_table(context);
  if (table) return pin_hudi(**table, dataset, store.uri(), instant);
  if (table.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(table).error());
  WEIR_ASSIGN(const auto publications, read_raw(store, dataset, known));
  if (publications.empty())
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("dataset {} is empty: nothing was published at {}",
                                      dataset.text(), store.uri()),
                          "run the task that produces it first");
  model::PinnedInput input;
  input.dataset = dataset;
  input.format = "parquet";
  input.uri = store.uri();
  WEIR_ASSIGN(input.schema, union_schema(publications));
  for (const auto& publication : publications)
    input.objects.push_back(pinned_object(store.uri(), publication));
  std::ranges::sort(input.objects, {}, &PinnedObject::name);
  return input;
}

}  // namespace weir::inputs
