#include "custody/chain.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/instant.h"
#include "inputs/discover.h"
#include "model/control_sums.h"
#include "parquet/column_sums.h"
#include "parquet/parquet.h"
#include "warehouse/warehouse.h"

namespace weir::custody {
namespace {

using model::DatasetName;
using model::PinnedInput;
using model::Publication;
using reconcile::Hop;
using reconcile::Object;

constexpr std::string_view kCatalog = "the catalog";

/// Where a hop reads: an object of a dataset, or a dataset at an instant.
using Version = std::pair<DatasetName, std::string>;

/// What is there of one object now. Only a store that does not answer is an error.
Result<reconcile::Found> look(storage::Storage& store, const std::string& name) {
  reconcile::Found found;
  const auto digest = storage::digest_of(store, name);
  if (!digest && digest.error().code == ErrorCode::kNotFound) {
    found.is_there = false;
    return found;
  }
  if (!digest) return std::unexpected(digest.error());
  found.size_bytes = digest->size_bytes;
  found.sha256 = digest->sha256;
  const auto info = parquet::read_info(store, name);
  if (info)
    found.rows = info->rows;
  else
    found.fault = info.error().message;
  return found;
}

reconcile::Record record_of(std::string by, const Publication& publication) {
  return {std::move(by), publication.size_bytes, publication.sha256, publication.rows};
}

std::string to_text(const model::ExactSum& sum) {
  return fmt::format("{} ({} values)", sum.text(), sum.values());
}

/// What a hop recorded of its control columns, and what they hold now where `now` says so.
Result<model::HopSums> add_controls(const Json& recorded, const parquet::ColumnSums* now,
                                    Hop& hop) {
  WEIR_ASSIGN(auto sums, model::hop_sums_from_json(recorded));
  for (const auto& [column, parts] : sums.columns) {
    WEIR_ASSIGN(const auto accounted, parts.accounted());
    hop.controls.push_back(
        {fmt::format("sum({})", column), to_text(parts.in), to_text(accounted), true});
    if (now == nullptr) continue;
    const auto found = now->find(column);
    if (found != now->end())
      hop.controls.push_back({fmt::format("sum({}) when it is read again", column),
                              to_text(parts.out), to_text(found->second)});
  }
  if (!sums.keys_in.empty()) hop.controls.push_back({"keys", sums.keys_in, sums.keys_out});
  return sums;
}

std::vector<std::string> columns_in(const Json& recorded) {
  std::vector<std::string> columns;
  const auto sums = model::hop_sums_from_json(recorded);
  if (!sums) return columns;
  for (const auto& [column, parts] : sums->columns) columns.push_back(column);
  return columns;
}

const Publication* find_object(const std::vector<Publication>& publications,
                               const std::string& name) {
  const auto found = std::ranges::find(publications, name, &Publication::object_name);
  return found == publications.end() ? nullptr : &*found;
}

/// When a run began, as an instant of a timeline: ids of runs are UUIDv7. For another id the
/// earliest.
std::string instant_of_run(const std::string& run_id) {
  std::string digits;
  for (const char c : run_id.substr(0, 13))
    if (c != '-') digits += c;
  const bool is_hex =
      digits.size() == 12 && digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex || run_id.size() != 36 || run_id[14] != '7') return {};
  const int64_t at_us = std::stoll(digits, nullptr, 16) * 1000;
  std::string instant;
  for (const char c : format_instant(at_us))
    if (c >= '0' && c <= '9') instant += c;
  instant.resize(17, '0');
  return instant;
}

class Collector {
 public:
  Collector(const Chain& chain, const Places& places) : chain_(chain), places_(places) {}

  Result<std::vector<Hop>> run() {
    for (const auto& link : chain_.datasets) {
      WEIR_TRY(places_.cancel->check());
      WEIR_TRY(while_doing(add_dataset(link), fmt::format("looking at {}", link.dataset.text())));
    }
    WEIR_TRY(add_tables());
    connect();
    return std::move(hops_);
  }

 private:
  /// What a hop read, kept until every hop of the chain is known.
  struct Reading {
    size_t hop = 0;
    std::vector<PinnedInput> inputs;
    std::string at = {};  ///< The instant of its commit; empty where it has none.
  };

  Status add_dataset(const Link& link) {
    WEIR_ASSIGN(storage::Storage * store, places_.stores->open(link.uri));
    WEIR_ASSIGN(storage::Storage * rejected, places_.stores->open(link.rejected_uri));
    WEIR_ASSIGN(const auto state,
                inputs::read_hudi(*store, link.dataset, *places_.clock, *places_.random));
    const bool was_hudi =
        std::ranges::any_of(link.recorded, [](const auto& each) { return !each.instant.empty(); });
    if (state.exists || was_hudi) return add_hudi(link, *store, *rejected, state);
    return add_raw(link, *store, *rejected);
  }

  // ---- raw: one hop an object

  Status add_raw(const Link& link, storage::Storage& store, storage::Storage& rejected) {
    std::set<std::string> names;
    WEIR_ASSIGN(const auto entries, storage::list_all(store, ""));
    for (const auto& entry : entries) {
      if (!entry.name.ends_with(".parquet") || entry.name.starts_with("_weir/")) continue;
      WEIR_TRY(places_.cancel->check());
      names.insert(entry.name);
      auto published = inputs::read_object(store, entry, link.dataset);
      if (!published && published.error().code != ErrorCode::kCorrupt)
        return std::unexpected(published.error());
      const Publication* recorded = find_object(link.recorded, entry.name);
      const bool is_foreign = published && !*published && recorded == nullptr;
      if (is_foreign) continue;  // weir did not write it
      const bool speaks = published && *published;
      if (speaks && (recorded == nullptr || recorded->token == (*published)->main.token))
        WEIR_TRY(add_object(link, store, rejected, **published));
      else
        WEIR_TRY(add_silent(
            link, store, rejected, entry.name,
            speaks ? "it is another object than was published" : "its footer is none of weir's"));
    }
    for (const auto& recorded : link.recorded) {
      if (!names.contains(recorded.object_name))
        WEIR_TRY(add_silent(link, store, rejected, recorded.object_name, ""));
    }
    return {};
  }

  /// An object whose footer reads: it tells of its hop itself.
  Status add_object(const Link& link, storage::Storage& store, storage::Storage& rejected,
                    const model::Published& published) {
    const Publication& main = published.main;
    Object object{main.object_name, {}, {}};
    object.found = {.size_bytes = main.size_bytes, .sha256 = main.sha256, .rows = main.rows};
    if (const Publication* recorded = find_object(link.recorded, main.object_name))
      object.records.push_back(record_of(std::string(kCatalog), *recorded));
    // Names derive from what was loaded: one that does not is another object in its place.
    if (!main.object_name.contains(main.input_identities.at(0).substr(0, 16)))
      object.found.fault = "it is another object than its name says";
    Hop hop;
    hop.name = inputs::hop_name(main);
    if (published.has_counts) hop.counts = main.counts;
    hop.rows_published = published.has_counts ? main.counts.inserted : -1;
    hop.objects.push_back(std::move(object));
    if (published.rejected)
      WEIR_TRY(add_rejected(link, rejected, *published.rejected,
                            "the footer of " + main.object_name, hop));
    parquet::ColumnSums now;
    const auto read = parquet::add_columns(store, main.object_name, columns_in(main.sums), "",
                                           *places_.cancel, now);
    if (!read && read.error().code != ErrorCode::kCorrupt) return read;
    WEIR_ASSIGN(sums_[hops_.size()], add_controls(main.sums, read ? &now : nullptr, hop));
    runs_[hops_.size()] = main.run_id;
    add(std::move(hop), {link.dataset, main.object_name});
    return {};
  }

  /// One that is gone, broken or another one: only what is recorded elsewhere tells of it. `why`
  /// where it reads all the same.
  Status add_silent(const Link& link, storage::Storage& store, storage::Storage& rejected,
                    const std::string& name, std::string_view why) {
    Object object{name, {}, {}};
    WEIR_ASSIGN(object.found, look(store, name));
    Hop hop;
    hop.must_have_counts = false;
    hop.name = fmt::format("landing → {}", link.dataset.text());
    if (const Publication* recorded = find_object(link.recorded, name)) {
      object.records.push_back(record_of(std::string(kCatalog), *recorded));
      hop.name = inputs::hop_name(*recorded);
      hop.counts = recorded->counts;
      hop.rows_published = recorded->counts.inserted;
      if (const Publication* beside = find_object(link.recorded_rejected, name))
        WEIR_TRY(add_rejected(link, rejected, *beside, std::string(kCatalog), hop));
    }
    if (object.found.is_there && object.found.fault.empty()) object.found.fault = why;
    hop.objects.push_back(std::move(object));
    add(std::move(hop), {link.dataset, name});
    return {};
  }

  Status add_rejected(const Link& link, storage::Storage& store, const Publication& said,
                      std::string by, Hop& hop) const {
    Object object{said.object_name, {}, {}};
    WEIR_ASSIGN(object.found, look(store, said.object_name));
    object.records.push_back(record_of(std::move(by), said));
    if (const Publication* recorded = find_object(link.recorded_rejected, said.object_name))
      object.records.push_back(record_of(std::string(kCatalog), *recorded));
    hop.rejected.push_back(std::move(object));
    return {};
  }

  // ---- Hudi: one hop a commit; the newest has the objects

  Status add_hudi(const Link& link, storage::Storage& store, storage::Storage& rejected,
                  const inputs::HudiState& state) {
    for (size_t i = 0; i < state.commits.size(); ++i) {
      const auto& commit = state.commits[i];
      const bool is_newest = i + 1 == state.commits.size();
      // Another writer's commit says nothing of custody; the table's files are looked at all the
      // same.
      const bool is_weirs = !commit.main.token.empty();
      if (!is_weirs && !is_newest) continue;
      Hop hop;
      hop.name = fmt::format("{} at {}", inputs::hop_name(commit), commit.main.instant);
      hop.must_have_counts = is_weirs;
      const bool is_history = commit.kind == "merge_history";
      hop.takes_every_row = is_history || commit.kind == "merge_latest";
      if (commit.has_counts) hop.counts = commit.main.counts;
      if (commit.rejected)
        WEIR_TRY(
            add_rejected(link, rejected, *commit.rejected, "commit " + commit.main.instant, hop));
      if (is_newest) {
        if (commit.has_counts) hop.rows_published = commit.main.counts.out;
        WEIR_TRY(add_slices(store, state, hop));
      }
      parquet::ColumnSums now;
      const bool is_read = is_newest && read_slices(store, state, columns_in(commit.main.sums),
                                                    is_history ? "is_current" : "", now);
      WEIR_ASSIGN(sums_[hops_.size()],
                  add_controls(commit.main.sums, is_read ? &now : nullptr, hop));
      // Of older commits the versions that they read may have been archived since.
      if (is_newest || hop.takes_every_row)
        readings_.push_back({hops_.size(), commit.inputs, commit.main.instant});
      add(std::move(hop), {link.dataset, commit.main.instant});
    }
    WEIR_ASSIGN(const auto missing, inputs::lost_instants(store, state, link.recorded));
    for (const auto& instant : missing) add_lost_commit(link, state, instant);
    return {};
  }

  /// False where a file does not read: that is told of the file.
  bool read_slices(storage::Storage& store, const inputs::HudiState& state,
                   const std::vector<std::string>& columns, const std::string& only,
                   parquet::ColumnSums& sums) const {
    if (columns.empty() || !state.missing.empty()) return false;
    return std::ranges::all_of(state.objects, [&](const auto& slice) {
      return parquet::add_columns(store, slice.name, columns, only, *places_.cancel, sums)
          .has_value();
    });
  }

  Status add_slices(storage::Storage& store, const inputs::HudiState& state, Hop& hop) const {
    for (const auto& slice : state.objects) {
      WEIR_TRY(places_.cancel->check());
      Object object{slice.name, {}, {}};
      WEIR_ASSIGN(object.found, look(store, slice.name));
      object.records.push_back({"its commit", slice.size_bytes, slice.sha256, slice.rows});
      hop.objects.push_back(std::move(object));
    }
    for (const auto& name : state.missing) {
      Object object{name, {}, {}};
      object.found.is_there = false;
      hop.objects.push_back(std::move(object));
    }
    return {};
  }

  void add_lost_commit(const Link& link, const inputs::HudiState& state,
                       const std::string& instant) {
    Hop hop;
    const std::string name = state.commits.empty() ? fmt::format("→ {}", link.dataset.text())
                                                   : inputs::hop_name(state.commits.back());
    hop.name = fmt::format("{} at {}", name, instant);
    hop.must_have_counts = false;
    Object object{fmt::format(".hoodie/{}.commit", instant), {}, {}};
    object.found.is_there = false;
    hop.objects.push_back(std::move(object));
    add(std::move(hop), {link.dataset, instant});
  }

  // ---- warehouse: one hop a table, its newest load

  Status add_tables() {
    std::unique_ptr<warehouse::Warehouse> open;
    std::string open_id;
    for (const auto& table : chain_.tables) {
      WEIR_TRY(places_.cancel->check());
      WEIR_ASSIGN(const bool exists, warehouse::warehouse_exists(table.connection_options));
      if (exists && (open == nullptr || open_id != table.connection_id)) {
        open.reset();
        warehouse::OpenOptions options;
        options.connection = table.connection_options;
        options.session = places_.session;
        options.clock = places_.clock;
        options.cancel = places_.cancel;
        options.resolve_secrets = places_.resolve_secrets;
        WEIR_ASSIGN(open, warehouse::open_warehouse(options));
        open_id = table.connection_id;
      }
      WEIR_TRY(while_doing(add_table(table, exists ? open.get() : nullptr),
                           fmt::format("looking at {}", table.text())));
    }
    return {};
  }

  Status add_table(const LoadedTable& table, warehouse::Warehouse* open) {
    WEIR_ASSIGN(const auto name, warehouse::parse_table_name(table.table));
    std::vector<warehouse::Receipt> receipts;
    if (open != nullptr) {
      WEIR_ASSIGN(receipts, open->receipts(name));
    }
    const bool has_newest =
        table.token.empty() || std::ranges::any_of(receipts, [&](const auto& receipt) {
          return receipt.token == table.token;
        });
    if (receipts.empty() && table.token.empty()) return {};  // never loaded
    Hop hop;
    hop.must_have_counts = false;
    Object object{"table " + table.table, {}, {}};
    if (!receipts.empty()) {
      const auto& newest = receipts.back();
      WEIR_ASSIGN(const auto state, open->state(name, newest.columns));
      object.found.is_there = state.has_value();
      object.records.push_back({"its receipt", -1, newest.state.digest(), newest.state.rows});
      if (state) object.found = {.sha256 = state->digest(), .rows = state->rows};
      hop.counts = newest.counts;
      hop.rows_published = newest.rows;
      WEIR_ASSIGN(sums_[hops_.size()], add_controls(newest.sums, nullptr, hop));
      WEIR_ASSIGN(auto inputs, model::inputs_from_lineage(newest.inputs));
      hop.name = fmt::format("{} → {}", sources_of(inputs), table.text());
      readings_.push_back({hops_.size(), std::move(inputs)});
    } else {
      hop.name = "→ " + table.text();
      object.found.is_there = false;
    }
    hop.objects.push_back(std::move(object));
    if (!has_newest) {
      Object receipt{fmt::format("receipt {}… in _weir_load", table.token.substr(0, 12)), {}, {}};
      receipt.found.is_there = false;
      hop.objects.push_back(std::move(receipt));
    }
    add(std::move(hop), {{"connection:" + table.connection_id, table.table}, ""});
    return {};
  }

  static std::string sources_of(const std::vector<PinnedInput>& inputs) {
    std::vector<std::string> names;
    for (const auto& input : inputs) {
      if (!input.dataset.empty()) names.push_back(input.dataset.text());
    }
    return fmt::format("{}", fmt::join(names, " + "));
  }

  // ---- the links between the hops

  void add(Hop hop, Version version) {
    const auto has_name = [&](const Hop& each) { return each.name == hop.name; };
    // Two files of one name with different content, for one.
    if (std::ranges::any_of(hops_, has_name)) hop.name += fmt::format(" ({})", version.second);
    by_version_[std::move(version)] = hops_.size();
    hops_.push_back(std::move(hop));
  }

  bool is_in_chain(const DatasetName& dataset) const {
    return std::ranges::find(chain_.datasets, dataset, &Link::dataset) != chain_.datasets.end();
  }

  /// What each hop says that it read, against what is said there.
  void connect() {
    for (const auto& reading : readings_) {
      Hop& hop = hops_[reading.hop];
      for (const auto& input : reading.inputs) {
        if (input.dataset.empty() || input.dataset.name.ends_with("__rejected")) continue;
        if (!is_in_chain(input.dataset)) {
          hop.takes_every_row = false;  // nobody looked there
          continue;
        }
        if (input.instant.empty()) {
          for (const auto& object : input.objects) connect_object(reading, input, object);
        } else {
          connect_version(hop, input);
        }
        if (hop.takes_every_row) connect_sums(reading.hop, input);
      }
    }
  }

  void connect_object(const Reading& reading, const PinnedInput& input,
                      const model::PinnedObject& object) {
    Hop& hop = hops_[reading.hop];
    const auto found = by_version_.find({input.dataset, object.name});
    if (found == by_version_.end()) {
      hop.inputs.push_back({fmt::format("{} of {}", object.name, input.dataset.text()), -1});
      return;
    }
    Hop& before = hops_[found->second];
    hop.inputs.push_back({before.name, object.rows});
    // Who read it knew its bytes: that holds where a footer was rewritten and no catalog tells.
    // An object that was loaded again since, after a loss, has the same rows in other bytes.
    const bool is_older = !reading.at.empty() && instant_of_run(runs_[found->second]) < reading.at;
    for (auto& published : before.objects) {
      if (published.name != object.name) continue;
      const std::string by = fmt::format("'{}', which read it,", hop.name);
      if (is_older)
        published.records.push_back({by, object.size_bytes, object.sha256, object.rows});
      else
        published.records.push_back({by, -1, "", object.rows});
    }
  }

  void connect_version(Hop& hop, const PinnedInput& input) {
    int64_t rows = 0;
    for (const auto& object : input.objects)
      rows = object.rows < 0 || rows < 0 ? -1 : rows + object.rows;
    const auto found = by_version_.find({input.dataset, input.instant});
    if (found == by_version_.end()) {
      hop.inputs.push_back({fmt::format("{} at {}", input.dataset.text(), input.instant), -1});
      return;
    }
    const Hop& before = hops_[found->second];
    hop.inputs.push_back({before.name, rows});
  }

  /// What came in is what went out before, where both hops add the column up.
  void connect_sums(size_t number, const PinnedInput& input) {
    for (const auto& [column, parts] : sums_[number].columns) {
      model::ExactSum before;
      bool is_known = true;
      const auto add_from = [&](const Version& version,
                                model::ExactSum model::ControlSums::* part) {
        const auto hop = by_version_.find(version);
        if (hop == by_version_.end()) return false;
        const auto& columns = sums_[hop->second].columns;
        const auto found = columns.find(column);
        return found != columns.end() && before.add(found->second.*part).has_value();
      };
      if (input.instant.empty()) {
        for (const auto& object : input.objects)
          is_known =
              is_known && add_from({input.dataset, object.name}, &model::ControlSums::inserted);
      } else {
        is_known = add_from({input.dataset, input.instant}, &model::ControlSums::out);
      }
      if (is_known)
        hops_[number].controls.push_back(
            {fmt::format("sum({}) of {}", column, input.dataset.text()), to_text(before),
             to_text(parts.in)});
    }
  }

  const Chain& chain_;
  const Places& places_;
  std::map<size_t, model::HopSums> sums_;  ///< By place in hops_.
  std::map<size_t, std::string> runs_;     ///< Likewise: of raw objects.
  std::vector<Hop> hops_;
  std::map<Version, size_t> by_version_;
  std::vector<Reading> readings_;
};

}  // namespace

Result<std::vector<Hop>> collect(const Chain& chain, const Places& places) {
  return Collector(chain, places).run();
}

}  // namespace weir::custody
