#include "lake/chain.h"

#include <algorithm>
#include <map>

#include "inputs/discover.h"
#include "inputs/locations.h"
#include "parquet/parquet.h"
#include "table/hudi.h"

namespace weir::lake {
namespace {

using model::DatasetName;
using model::Publication;

struct Collector {
  const Lake& lake;
  catalog::Catalog& catalog;
  std::vector<reconcile::Hop> chain;

  Result<storage::Storage*> open(const DatasetName& name) const {
    WEIR_ASSIGN(const std::string uri,
                inputs::dataset_uri(*lake.configuration, lake.base_folder, name));
    return lake.stores->open(uri);
  }

  /// What is there of one object now.
  static reconcile::Found look(storage::Storage& store, const std::string& name) {
    reconcile::Found found;
    auto digest = storage::digest_of(store, name);
    if (!digest) {
      found.is_there = digest.error().code != ErrorCode::kNotFound;
      if (found.is_there) found.fault = digest.error().message;
      return found;
    }
    found.size_bytes = digest->size_bytes;
    found.sha256 = digest->sha256;
    auto info = parquet::read_info(store, name);
    if (!info)
      found.fault = info.error().message;
    else
      found.rows = info->rows;
    return found;
  }

  static reconcile::Record recorded(const Publication& publication) {
    return {"the catalog", publication.size_bytes, publication.sha256, publication.rows};
  }

  /// The hops into a raw dataset: one an object, as the catalog or the footers know them.
  Status add_raw(const DatasetName& name, storage::Storage& store) {
    WEIR_ASSIGN(const auto known, catalog.publications(name));
    WEIR_ASSIGN(const auto known_rejected, catalog.publications(name.rejected()));
    std::map<std::string, Publication> by_name;
    WEIR_ASSIGN(const auto entries, storage::list_all(store, ""));
    for (const auto& entry : entries) {
      if (!entry.name.ends_with(".parquet")) continue;
      auto footers = inputs::read_object(store, entry, name);
      if (footers && *footers) by_name[entry.name] = **footers;
    }
    for (const auto& publication : known) by_name.try_emplace(publication.object_name, publication);
    WEIR_ASSIGN(storage::Storage * rejected_store, open(name.rejected()));
    for (const auto& [object_name, publication] : by_name) {
      WEIR_TRY(lake.cancel->check());
      reconcile::Hop hop;
      hop.name = fmt::format(
          "{} → {}", publication.source_name.empty() ? object_name : publication.source_name,
          name.text());
      hop.counts = publication.counts;
      hop.rows_published = publication.counts.inserted;
      reconcile::Object object{object_name, {}, look(store, object_name)};
      const auto in_catalog = std::ranges::find(known, object_name, &Publication::object_name);
      if (in_catalog != known.end()) object.records.push_back(recorded(*in_catalog));
      hop.objects.push_back(std::move(object));
      if (publication.counts.rejected > 0) {
        reconcile::Object reject{object_name, {}, look(*rejected_store, object_name)};
        reject.records.push_back(
            {"the footer of " + object_name, -1, "", publication.counts.rejected});
        const auto in_rejected =
            std::ranges::find(known_rejected, object_name, &Publication::object_name);
        if (in_rejected != known_rejected.end()) reject.records.push_back(recorded(*in_rejected));
        hop.rejected.push_back(std::move(reject));
      }
      chain.push_back(std::move(hop));
    }
    return {};
  }

  /// The hop into a Hudi dataset: its newest version, whole.
  Status add_hudi(const DatasetName& name, storage::Storage& store,
                  const inputs::HudiState& state) {
    if (state.publications.empty()) return {};
    const Publication& newest = state.publications.back();
    WEIR_ASSIGN(const auto input, inputs::pin_latest(store, name, *lake.clock, *lake.random));
    reconcile::Hop hop;
    hop.name = fmt::format("→ {} at {}", name.text(), newest.instant);
    hop.counts = newest.counts;
    hop.rows_published = newest.counts.out;
    for (const auto& slice : input.objects) {
      WEIR_TRY(lake.cancel->check());
      reconcile::Object object{slice.name, {}, look(store, slice.name)};
      object.records.push_back({"its commit", slice.size_bytes, "", slice.rows});
      hop.objects.push_back(std::move(object));
    }
    chain.push_back(std::move(hop));
    return {};
  }
};

}  // namespace

Result<std::vector<reconcile::Hop>> collect_chain(const Lake& lake, catalog::Catalog& catalog) {
  Collector collector{lake, catalog, {}};
  for (const auto& name : known_datasets(*lake.configuration)) {
    WEIR_ASSIGN(storage::Storage * store, collector.open(name));
    WEIR_ASSIGN(const auto state, inputs::read_hudi(*store, name, *lake.clock, *lake.random));
    WEIR_TRY(state.exists ? collector.add_hudi(name, *store, state)
                          : collector.add_raw(name, *store));
  }
  return std::move(collector.chain);
}

Result<int64_t> heal_catalog(const Lake& lake, catalog::Catalog& catalog) {
  std::vector<Publication> publications;
  std::vector<catalog::LedgerEntry> ledger;
  std::vector<catalog::Watermark> watermarks;
  for (const auto& name : known_datasets(*lake.configuration)) {
    WEIR_ASSIGN(const auto found, table_commits(lake, name));
    for (const auto& publication : found) {
      publications.push_back(publication);
      if (publication.object_name.empty() || publication.input_identities.empty()) continue;
      catalog::LedgerEntry entry;
      entry.target = name;
      entry.identity = publication.input_identities.front();
      entry.source_name = publication.source_name;
      entry.source_sha256 = publication.source_sha256;
      entry.as_of_us = publication.as_of_us;
      entry.token = publication.token;
      ledger.push_back(std::move(entry));
    }
    WEIR_ASSIGN(storage::Storage * rejected_store, [&]() -> Result<storage::Storage*> {
      WEIR_ASSIGN(const std::string uri,
                  inputs::dataset_uri(*lake.configuration, lake.base_folder, name.rejected()));
      return lake.stores->open(uri);
    }());
    WEIR_ASSIGN(const auto rejected, inputs::read_raw(*rejected_store, name.rejected(), {}));
    publications.insert(publications.end(), rejected.begin(), rejected.end());
  }
  WEIR_TRY(catalog.heal(publications, ledger, watermarks));
  return static_cast<int64_t>(publications.size());
}

}  // namespace weir::lake
