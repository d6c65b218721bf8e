#include <algorithm>
#include <deque>

#include "base/in_flight.h"
#include "base/pattern.h"
#include "storage/moving.h"
#include "storage/object_name.h"
#include "task/define.h"
#include "task/markers.h"
#include "task/receipts.h"
#include "task/tidied.h"

// What makes a kill harmless: a file is published whole in the landing zone before its receipt is
// written, and its source is touched last. Whatever of this is missing is done by the next run,
// which finds the same bytes landed. A marker goes after its file, and what says so is written
// before: a marker that was left alone must not speak for the next file of that name.

namespace weir::templates {
namespace {

using model::Outcome;
using storage::Entry;

struct Params {
  std::string from;
  std::string pattern = "*";
  std::string to;
  std::string on_change = "keep_both";
  std::string after = "leave";
  std::string move_to = "done";
  std::string marker;
  task::Duration settle;
};

/// `a/b.csv` with other content becomes `a/b.<8 hex of its hash>.csv`.
std::string beside(const std::string& name, const std::string& sha256) {
  const auto slash = name.rfind('/');
  const auto dot = name.rfind('.');
  const bool has_end = dot != std::string::npos && (slash == std::string::npos || dot > slash + 1);
  const auto cut = has_end ? dot : name.size();
  return name.substr(0, cut) + "." + sha256.substr(0, 8) + name.substr(cut);
}

std::string as_folder(std::string text) {
  if (!text.empty() && !text.ends_with('/')) text += '/';
  return text;
}

/// A marker as it was when its file was taken away, or is about to be.
std::string spent(const Entry& marker) {
  return fmt::format("spent: version {} of {} bytes at {}", marker.version, marker.size_bytes,
                     marker.modified_at_us);
}

/// The file that a marker was spent on.
std::string version_of(const Entry& file) {
  return fmt::format("{} {} {}", file.version, file.size_bytes, file.modified_at_us);
}

/// What happens with one source file that is new to the landing zone, or changed.
class Fetch {
 public:
  Fetch(const Params& params, const task::Context& context, storage::Storage& source,
        storage::Storage& target, std::optional<task::Receipts>& spent_markers)
      : params_(params),
        context_(context),
        source_(source),
        target_(target),
        spent_markers_(spent_markers),
        copies_(static_cast<size_t>(std::max(source.capabilities().requests_at_once,
                                             target.capabilities().requests_at_once))) {}

  /// A file of this machine is quickly read again, and needs no receipt.
  Status remember() {
    if (source_.capabilities().readable_by_engine) return {};
    WEIR_ASSIGN(receipts_, task::Receipts::open(target_, "fetch_files", params_.from, params_.to));
    return {};
  }

  Status take(const Entry& entry, const std::string& name) {
    counts.in += 1;
    const std::string proof = task::Receipts::proof_of(entry, context_.engine.clock->now_us());
    const bool is_known = receipts_ && receipts_->has(entry.name, proof);
    WEIR_ASSIGN(const bool is_there, is_known ? Result<bool>(true) : has_same(entry, name));
    if (!is_there)
      return while_doing(start(entry, name, proof), fmt::format("fetching '{}'", entry.name));
    counts.unchanged += 1;
    return settle(entry, proof);
  }

  /// Of all that are on their way. Without it some may have landed, and nothing says so yet.
  Status finish() {
    while (!copies_.is_empty()) WEIR_TRY(finish_oldest());
    return {};
  }

  model::Counts counts;
  Json names = Json::array();

 private:
  /// The copy is safe: what has to be done with its source.
  Status settle(const Entry& entry, const std::string& proof) {
    if (params_.after != "leave")
      return while_doing(take_away(entry), fmt::format("taking '{}' away", entry.name));
    if (!receipts_) return {};
    return receipts_->write(entry.name, proof,
                            {{"name", entry.name}, {"size_bytes", entry.size_bytes}});
  }

  Result<bool> has_same(const Entry& entry, const std::string& name) {
    auto there = target_.stat(name);
    if (!there && there.error().code == ErrorCode::kNotFound) return false;
    if (!there) return std::unexpected(std::move(there).error());
    WEIR_ASSIGN(const auto theirs, storage::digest_of(target_, name));
    WEIR_ASSIGN(const auto ours, storage::digest_of(source_, entry.name));
    if (theirs.sha256 == ours.sha256) return true;
    if (params_.on_change == "fail")
      return fail_with_hint(ErrorCode::kAlreadyExists,
                            fmt::format("'{}' is in the landing zone with other content", name),
                            "set `on_change: keep_both` to take both");
    if (params_.on_change == "keep_both") {
      auto twin = target_.stat(beside(name, ours.sha256));
      return twin.has_value();
    }
    WEIR_TRY(target_.remove(name));  // on_change: replace
    return false;
  }

  /// Bytes of several files go over a far line at once; large ones have several requests of their
  /// own, and as much memory as is right.
  Status start(const Entry& entry, std::string name, std::string proof) {
    constexpr int64_t kLargeBytes = int64_t{32} << 20;
    if (target_.stat(name)) {
      WEIR_ASSIGN(const auto digest, storage::digest_of(source_, entry.name));
      name = beside(name, digest.sha256);
    }
    const bool is_large = entry.size_bytes > kLargeBytes;
    if (is_large) WEIR_TRY(finish());
    under_way_.push_back({entry, name, std::move(proof)});
    copies_.start([this, entry, name] {
      return storage::copy_object(source_, entry, target_, name, storage::Put::kIfAbsent,
                                  *context_.engine.cancel);
    });
    return is_large || copies_.is_full() ? finish_oldest() : Status();
  }

  Status finish_oldest() {
    const UnderWay oldest = std::move(under_way_.front());
    under_way_.pop_front();
    const auto written = copies_.next();
    const Status landed = written ? check_landed(oldest.entry, oldest.name, *written)
                                  : Status(std::unexpected(written.error()));
    WEIR_TRY(while_doing(landed, fmt::format("fetching '{}'", oldest.entry.name)));
    return settle(oldest.entry, oldest.proof);
  }

  Status check_landed(const Entry& entry, const std::string& name,
                      const storage::Written& written) {
    WEIR_ASSIGN(const auto landed, target_.stat(name));
    if (landed.size_bytes != entry.size_bytes || written.size_bytes != entry.size_bytes)
      return fail(ErrorCode::kCorrupt, "'{}' has {} bytes and landed with {}", entry.name,
                  entry.size_bytes, landed.size_bytes);
    counts.inserted += 1;
    names.push_back(name);
    return {};
  }

  /// The copy is safe. A source that is another one by now is left for the next run.
  Status take_away(const Entry& entry) {
    const auto now = source_.stat(entry.name);
    if (!now && now.error().code == ErrorCode::kNotFound) return {};
    if (!now) return std::unexpected(now.error());
    if (*now != entry) return {};
    if (!spent_markers_) return take_away_itself(entry);
    const std::string marker = task::marker_of(params_.marker, entry.name);
    const auto mark = source_.stat(marker);
    if (!mark && mark.error().code != ErrorCode::kNotFound) return std::unexpected(mark.error());
    if (mark)
      WEIR_TRY(spent_markers_->write(marker, spent(*mark),
                                     {{"name", entry.name},
                                      {"version", version_of(entry)},
                                      {"marker", marker},
                                      {"spent", spent(*mark)}}));
    WEIR_TRY(take_away_itself(entry));
    if (!mark) return {};
    // Last: without its marker a file that is still there would never be looked at again.
    WEIR_TRY(source_.remove(marker));
    return spent_markers_->forget(marker, spent(*mark));
  }

  Status take_away_itself(const Entry& entry) {
    return params_.after == "delete" ? source_.remove(entry.name) : move_away(entry);
  }

  Status move_away(const Entry& entry) {
    const std::string to = as_folder(params_.move_to) + entry.name;
    Status moved = storage::move_object(source_, entry.name, to);
    if (moved || moved.error().code != ErrorCode::kAlreadyExists) return moved;
    // The name came before, with other content.
    WEIR_ASSIGN(const auto digest, storage::digest_of(source_, entry.name));
    return storage::move_object(source_, entry.name, beside(to, digest.sha256));
  }

  const Params& params_;
  const task::Context& context_;
  storage::Storage& source_;
  storage::Storage& target_;
  struct UnderWay {
    Entry entry;
    std::string name;
    std::string proof;
  };

  std::optional<task::Receipts>& spent_markers_;
  std::optional<task::Receipts> receipts_;
  std::deque<UnderWay> under_way_;
  InFlight<storage::Written> copies_;  // last: they use the others
};

/// Which of the source's files are to be taken now.
class Choice {
 public:
  Choice(const Params& params, const task::Context& context, storage::Storage& source,
         std::optional<task::Receipts>& spent_markers)
      : params_(params), context_(context), source_(source), spent_markers_(spent_markers) {}

  Result<std::vector<Entry>> files() {
    WEIR_ASSIGN(auto entries, storage::list_all(source_, glob_prefix(params_.pattern)));
    for (const auto& entry : entries) there_.emplace(entry.name, entry);
    if (spent_markers_) WEIR_TRY(remove_spent_markers());
    std::vector<Entry> chosen;
    for (auto& entry : entries) {
      WEIR_ASSIGN(const bool is_due, is_chosen(entry));
      if (is_due) chosen.push_back(std::move(entry));
    }
    // One that marks others is none of them, though the pattern fits.
    std::set<std::string> markers;
    if (!params_.marker.empty())
      for (const auto& [name, _] : there_) markers.insert(task::marker_of(params_.marker, name));
    std::erase_if(chosen, [&](const Entry& entry) { return markers.contains(entry.name); });
    return chosen;
  }

 private:
  Result<bool> is_chosen(const Entry& entry) {
    if (entry.name.starts_with(storage::kOwnFolder)) return false;
    if (params_.after == "move" && entry.name.starts_with(as_folder(params_.move_to))) return false;
    WEIR_ASSIGN(const bool fits, glob_matches(params_.pattern, entry.name));
    if (!fits) return false;
    const bool rests =
        entry.modified_at_us + params_.settle.ms * 1000 <= context_.engine.clock->now_us();
    if (!rests || params_.marker.empty()) return rests;
    const std::string marker = task::marker_of(params_.marker, entry.name);
    WEIR_ASSIGN(const auto mark, find(marker));
    return mark.has_value();
  }

  /// It may lie outside of what was listed.
  Result<std::optional<Entry>> find(const std::string& name) {
    if (const auto listed = there_.find(name); listed != there_.end()) return listed->second;
    auto found = source_.stat(name);
    if (!found && found.error().code == ErrorCode::kNotFound) return std::nullopt;
    if (!found) return std::unexpected(std::move(found).error());
    return std::move(*found);
  }

  /// Of files that were taken away, where a kill came before the marker went, too.
  Status remove_spent_markers() {
    WEIR_ASSIGN(const auto spent_ones, spent_markers_->read_all());
    for (const Json& about : spent_ones) {
      const std::string marker = about.value("marker", "");
      const std::string how = about.value("spent", "");
      WEIR_ASSIGN(const auto mark, find(marker));
      if (mark && spent(*mark) == how) {
        WEIR_ASSIGN(const auto file, find(about.value("name", "")));
        // Its file is there still: it is taken away with it.
        if (file && version_of(*file) == about.value("version", "")) continue;
        WEIR_TRY(while_doing(source_.remove(marker),
                             fmt::format("taking the marker '{}' away", marker)));
        there_.erase(marker);
      }
      WEIR_TRY(spent_markers_->forget(marker, how));
    }
    return {};
  }

  const Params& params_;
  const task::Context& context_;
  storage::Storage& source_;
  std::optional<task::Receipts>& spent_markers_;
  std::map<std::string, Entry, std::less<>> there_;
};

Result<std::optional<task::Receipts>> spent_markers_of(const Params& params,
                                                       storage::Storage& target) {
  if (params.after == "leave" || !task::is_marker_of_each(params.marker)) return std::nullopt;
  WEIR_ASSIGN(auto found,
              task::Receipts::open(target, "fetch_files markers", params.from, params.to));
  return found;
}

Result<Outcome> run(const Params& params, const task::Context& context) {
  const auto slash = params.to.find('/');
  const std::string layer = params.to.substr(0, slash);
  const std::string folder =
      as_folder(slash == std::string::npos ? "" : params.to.substr(slash + 1));
  WEIR_ASSIGN(const std::string target_uri, context.layer_uri(layer));
  WEIR_ASSIGN(storage::Storage * source, context.engine.stores->open(params.from));
  WEIR_ASSIGN(storage::Storage * target, context.engine.stores->open(target_uri));
  // A move may write there, too.
  WEIR_ASSIGN(auto tidied,
              task::Tidied::open(*source, *target, "fetch_files", params.from, params.to));
  source = &tidied.store();
  WEIR_ASSIGN(auto spent_markers, spent_markers_of(params, *target));
  WEIR_ASSIGN(const auto entries, Choice(params, context, *source, spent_markers).files());
  Fetch fetch(params, context, *source, *target, spent_markers);
  if (!entries.empty()) WEIR_TRY(fetch.remember());
  for (const auto& entry : entries) {
    WEIR_TRY(context.engine.cancel->check());
    WEIR_TRY(fetch.take(entry, folder + entry.name));
  }
  WEIR_TRY(fetch.finish());
  Outcome outcome;
  outcome.counts = fetch.counts;
  outcome.warnings = tidied.warnings();
  outcome.details["hop"] = fmt::format("{} → {}", params.from, params.to);
  outcome.details["fetched"] = std::move(fetch.names);
  return outcome;
}

Status check(const Params& params) {
  WEIR_TRY(task::check_marker(params.marker));
  if (params.after != "move") return {};
  std::string folder = params.move_to;
  while (folder.ends_with('/')) folder.pop_back();
  if (!folder.empty() && storage::check_object_name(folder)) return {};
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("'move_to' is '{}', which is no folder below `from`", params.move_to),
      "write a name like done");
}

}  // namespace

task::Template fetch_files() {
  return task::Define<Params>("fetch_files", "Copies files from a source into the landing zone.")
      .required("from", &Params::from,
                "Folder that others fill: a path, `s3://…` or `sftp://…` (with a connection).",
                task::moves(task::Use::kReadsPlace))
      .required("to", &Params::to, "Landing layer, with a folder where wanted: landing/sales.",
                task::moves(task::Use::kFillsFolder))
      .optional("pattern", &Params::pattern, "Glob over the names of files below `from`.")
      .optional("on_change", &Params::on_change,
                "What happens when a name comes again with other content.",
                task::choice({"keep_both", "replace", "fail"}))
      .optional("after", &Params::after, "What happens to a source file once it is safe.",
                task::choice({"leave", "move", "delete"}))
      .optional("move_to", &Params::move_to,
                "Folder below `from` for `after: move`; nothing is fetched from it.")
      .optional("marker", &Params::marker,
                "Takes a file only where its marker is there: `{name}.done`, `{stem}.ok`, or one "
                "name for a folder.")
      .optional("settle", &Params::settle, "How long a file must rest before it is taken.")
      .check(check)
      .example("Files that a partner uploads.",
               {{"from", "/srv/upload"}, {"to", "landing"}, {"pattern", "sales-*.csv"}})
      .example("Files of a partner's SFTP server, each whole once its marker is there.",
               {{"from", "sftp://sftp.partner.example/out"},
                {"to", "landing/partner"},
                {"pattern", "**/*.csv"},
                {"marker", "{name}.done"},
                {"after", "move"}})
      .run(run);
}

}  // namespace weir::templates
