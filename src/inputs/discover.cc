#include "inputs/discover.h"

#include <algorithm>

#include "base/instant.h"
#include "parquet/parquet.h"
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

/// The content of a JSON footer value, or null where it does not read.
Json footer_json(const std::map<std::string, std::string>& footer, const std::string& key) {
  const auto found = footer.find(key);
  if (found == footer.end()) return Json();
  auto json = parse_json(found->second);
  return json ? *json : Json();
}

std::string footer_text(const std::map<std::string, std::string>& footer, const std::string& key) {
  const auto found = footer.find(key);
  return found == footer.end() ? "" : found->second;
}

}  // namespace

Result<std::vector<LandingFile>> find_landing_files(storage::Storage& store,
                                                    const LandingQuery& query,
                                                    const Cancel& cancel) {
  WEIR_ASSIGN(const auto entries, storage::list_all(store, glob_prefix(query.glob)));
  std::vector<LandingFile> files;
  for (const auto& entry : entries) {
    WEIR_ASSIGN(const bool fits, glob_matches(query.glob, entry.name));
    if (!fits) continue;
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

Result<std::optional<Publication>> read_object(storage::Storage& store, const storage::Entry& entry,
                                               const model::DatasetName& dataset) {
  auto info = parquet::read_info(store, entry.name);
  if (!info)
    return std::unexpected(
        std::move(info).error().while_doing(fmt::format("reading what {} holds", dataset.text())));
  Publication publication;
  publication.token = footer_text(info->footer, "weir.token");
  if (publication.token.empty()) return std::nullopt;
  publication.dataset = dataset;
  publication.object_name = entry.name;
  publication.rows = info->rows;
  publication.size_bytes = entry.size_bytes;
  WEIR_ASSIGN(const auto digest, storage::digest_of(store, entry.name));
  publication.sha256 = digest.sha256;
  publication.source_name = footer_text(info->footer, "weir.source_name");
  publication.source_sha256 = footer_text(info->footer, "weir.source_sha256");
  publication.input_identities = {footer_text(info->footer, "weir.identity")};
  if (const std::string as_of = footer_text(info->footer, "weir.as_of"); !as_of.empty()) {
    WEIR_ASSIGN(publication.as_of_us, parse_instant(as_of));
  }
  WEIR_ASSIGN(publication.counts,
              model::counts_from_json(footer_json(info->footer, "weir.counts")));
  publication.schema = footer_json(info->footer, "weir.schema");
  return publication;
}

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
    WEIR_ASSIGN(auto publication, read_object(store, entry, dataset));
    if (publication) publications.push_back(*std::move(publication));
  }
  std::ranges::sort(publications, [](const Publication& a, const Publication& b) {
    return std::pair(a.as_of_us.value_or(0), a.object_name) <
           std::pair(b.as_of_us.value_or(0), b.object_name);
  });
  return publications;
}

Status verify_presence(storage::Storage& store, const std::vector<Publication>& known) {
  for (const auto& publication : known) {
    if (publication.object_name.empty()) continue;
    auto entry = store.stat(publication.object_name);
    const std::string hop = fmt::format(
        "{} → {}",
        publication.source_name.empty() ? std::string("landing") : publication.source_name,
        publication.dataset.text());
    const std::string hint =
        "restore the object from a copy; `weir reconcile` shows every hop that does not close";
    if (!entry && entry.error().code == ErrorCode::kNotFound)
      return fail_with_hint(
          ErrorCode::kCorrupt,
          fmt::format("hop {}: object '{}' is gone", hop, publication.object_name), hint);
    if (!entry) return std::unexpected(std::move(entry).error());
    if (entry->size_bytes != publication.size_bytes)
      return fail_with_hint(
          ErrorCode::kCorrupt,
          fmt::format("hop {}: object '{}' has {} bytes, {} were published", hop,
                      publication.object_name, entry->size_bytes, publication.size_bytes),
          hint);
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
    const Json identities = footer_json(commit.extra, "weir.identities");
    Publication publication;
    publication.dataset = dataset;
    publication.token = footer_text(commit.extra, "weir.token");
    publication.instant = commit.time;
    if (identities.is_array()) {
      for (const auto& identity : identities) {
        if (identity.is_string())
          publication.input_identities.push_back(identity.get<std::string>());
      }
    }
    if (const std::string as_of = footer_text(commit.extra, "weir.as_of"); !as_of.empty()) {
      WEIR_ASSIGN(publication.as_of_us, parse_instant(as_of));
    }
    WEIR_ASSIGN(publication.counts,
                model::counts_from_json(footer_json(commit.extra, "weir.counts")));
    publication.rows = publication.counts.out;
    publication.schema = footer_json(commit.extra, "weir.schema");
    state.publications.push_back(std::move(publication));
  }
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
  model::PinnedInput input;
  input.dataset = dataset;
  input.format = "hudi";
  input.uri = uri;
  input.instant = snapshot.instant;
  input.schema = snapshot.schema;
  for (const auto& slice : snapshot.slices) {
    PinnedObject object;
    object.uri = uri;
    object.name = slice.name;
    object.size_bytes = slice.size_bytes;
    object.rows = slice.rows;
    input.objects.push_back(std::move(object));
  }
  std::ranges::sort(input.objects, {}, &PinnedObject::name);
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
