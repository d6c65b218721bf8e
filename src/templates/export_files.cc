#include "base/pattern.h"
#include "storage/moving.h"
#include "storage/object_name.h"
#include "task/define.h"
#include "task/markers.h"
#include "task/receipts.h"
#include "task/tidied.h"

// Receivers take files away, so what is at the target says nothing of what was sent: receipts do,
// in our own layer, by content. Between a file's arrival and its receipt a kill may fall; then the
// next run finds the same bytes there and writes the receipt alone.

namespace weir::templates {
namespace {

using model::Outcome;
using storage::Entry;
using storage::Written;

struct Params {
  std::string from;
  std::string to;
  std::string pattern = "*";
  std::string on_conflict = "fail";
  std::string marker;
  task::Duration settle;
};

constexpr std::string_view kMarkerIsDue = "the marker is due";

class Export {
 public:
  Export(const Params& params, const task::Context& context, storage::Storage& source,
         storage::Storage& target, task::Receipts& receipts)
      : params_(params), context_(context), source_(source), target_(target), receipts_(receipts) {}

  Status take(const Entry& entry, const std::string& name) {
    counts.in += 1;
    const std::string proof = task::Receipts::proof_of(entry, context_.engine.clock->now_us());
    if (receipts_.has(name, proof)) {
      counts.unchanged += 1;
      return {};
    }
    WEIR_ASSIGN(const auto ours, while_doing(send(entry, name), fmt::format("sending '{}'", name)));
    const Json about = {{"name", name}, {"size_bytes", ours.size_bytes}, {"sha256", ours.sha256}};
    WEIR_TRY(receipts_.write(name, ours.sha256, about));
    return receipts_.write(name, proof, about);
  }

  /// One for the folder, once all files of this run are there.
  Status mark_folder(const std::string& any_name) {
    if (!receipts_.has(params_.marker, kMarkerIsDue)) return {};
    WEIR_TRY(mark(any_name));
    return receipts_.forget(params_.marker, kMarkerIsDue);
  }

  model::Counts counts;
  Json sent = Json::array();

 private:
  /// What is at the other side, or was: sent now or before.
  Result<Written> send(const Entry& entry, const std::string& name) {
    const auto there = target_.stat(name);
    if (!there && there.error().code != ErrorCode::kNotFound) return std::unexpected(there.error());
    // Most files are new and their names free: those are read once.
    if (!there && !storage::may_copy_itself(source_, target_)) return send_new(entry, name);
    WEIR_ASSIGN(Written ours, storage::digest_of(source_, entry.name));
    if (receipts_.has(name, ours.sha256)) {
      counts.unchanged += 1;
      return ours;
    }
    WEIR_TRY(announce());
    WEIR_ASSIGN(const bool is_there, there ? has_same(*there, ours) : Result<bool>(false));
    if (is_there) {
      counts.unchanged += 1;
      WEIR_TRY(mark_file(name));
      return ours;
    }
    WEIR_ASSIGN(const auto written, storage::copy_object(source_, entry, target_, name, mode(),
                                                         *context_.engine.cancel));
    // A store that copied by itself took the version that was listed, and says no digest.
    if (!written.sha256.empty() && written.sha256 != ours.sha256)
      return fail(ErrorCode::kConflict, "'{}' changed between two reads", entry.name);
    WEIR_TRY(arrived(name, ours));
    return ours;
  }

  Result<Written> send_new(const Entry& entry, const std::string& name) {
    Written ours;
    const auto is_wanted = [&](const Written& read) -> Result<bool> {
      ours = read;
      if (receipts_.has(name, ours.sha256)) return false;
      WEIR_TRY(announce());
      return true;
    };
    WEIR_ASSIGN(const auto written, storage::copy_if(source_, entry, target_, name, mode(),
                                                     *context_.engine.cancel, is_wanted));
    if (!written) {
      counts.unchanged += 1;
    } else {
      WEIR_TRY(arrived(name, ours));
    }
    return ours;
  }

  storage::Put mode() const {
    return params_.on_conflict == "replace" ? storage::Put::kReplace : storage::Put::kIfAbsent;
  }

  /// Before anything arrives: a kill after the last file must not leave it without its marker.
  Status announce() {
    if (params_.marker.empty() || task::is_marker_of_each(params_.marker)) return {};
    return receipts_.write(params_.marker, kMarkerIsDue, {{"marker", params_.marker}});
  }

  /// Whether a run before this one, which was killed, or somebody else brought these bytes there.
  Result<bool> has_same(const Entry& there, const Written& ours) {
    if (there.size_bytes == ours.size_bytes) {
      WEIR_ASSIGN(const auto theirs, storage::digest_of(target_, there.name));
      if (theirs.sha256 == ours.sha256) return true;
    }
    if (params_.on_conflict == "replace") return false;
    return fail_with_hint(
        ErrorCode::kAlreadyExists,
        fmt::format("'{}' is in '{}' with other content", there.name, target_.uri()),
        "set `on_conflict: replace` to put the new one in its place, or give each its own name");
  }

  Status arrived(const std::string& name, const Written& ours) {
    WEIR_ASSIGN(const auto there, target_.stat(name));
    if (there.size_bytes != ours.size_bytes)
      return fail(ErrorCode::kCorrupt, "'{}' of {} bytes arrived in '{}' with {} bytes", name,
                  ours.size_bytes, target_.uri(), there.size_bytes);
    counts.inserted += 1;
    sent.push_back({{"name", name}, {"size_bytes", ours.size_bytes}, {"sha256", ours.sha256}});
    return mark_file(name);
  }

  Status mark_file(const std::string& name) {
    return task::is_marker_of_each(params_.marker) ? mark(name) : Status();
  }

  Status mark(const std::string& name) {
    const std::string marker = task::marker_of(params_.marker, name);
    WEIR_TRY(while_doing(storage::put(target_, marker, "", storage::Put::kReplace),
                         fmt::format("writing the marker '{}'", marker)));
    return {};
  }

  const Params& params_;
  const task::Context& context_;
  storage::Storage& source_;
  storage::Storage& target_;
  task::Receipts& receipts_;
};

/// A Hudi table's folder holds files of older versions beside the newest: they are no export.
Status refuse_table(storage::Storage& source, const Params& params, const std::string& folder) {
  WEIR_ASSIGN(const auto page, source.list(folder + ".hoodie/", ""));
  if (page.entries.empty()) return {};
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("'{}' is a Hudi table: its files are not its rows", params.from),
      "export a layer of files, or a dataset of format parquet");
}

Result<std::vector<Entry>> files_of(const Params& params, const task::Context& context,
                                    storage::Storage& source, const std::string& folder) {
  WEIR_ASSIGN(const auto entries, storage::list_all(source, folder + glob_prefix(params.pattern)));
  std::vector<Entry> files;
  for (const auto& entry : entries) {
    if (entry.name.starts_with(storage::kOwnFolder)) continue;
    WEIR_ASSIGN(const bool fits,
                glob_matches(params.pattern, std::string_view(entry.name).substr(folder.size())));
    const bool rests =
        entry.modified_at_us + params.settle.ms * 1000 <= context.engine.clock->now_us();
    if (fits && rests) files.push_back(entry);
  }
  return files;
}

Result<Outcome> run(const Params& params, const task::Context& context) {
  // `raw.sales` lies in the layer's folder of that name.
  const auto cut = params.from.find_first_of("/.");
  std::string folder = cut == std::string::npos ? "" : params.from.substr(cut + 1);
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  WEIR_ASSIGN(const std::string source_uri, context.layer_uri(params.from.substr(0, cut)));
  WEIR_ASSIGN(storage::Storage * source, context.engine.stores->open(source_uri));
  WEIR_ASSIGN(storage::Storage * target, context.engine.stores->open(params.to));
  WEIR_TRY(refuse_table(*source, params, folder));
  WEIR_ASSIGN(const auto files, files_of(params, context, *source, folder));
  WEIR_ASSIGN(auto receipts, task::Receipts::open(*source, "export_files", params.from, params.to));
  WEIR_ASSIGN(auto tidied,
              task::Tidied::open(*target, *source, "export_files", params.from, params.to));
  Export work(params, context, *source, tidied.store(), receipts);
  for (const auto& entry : files) {
    WEIR_TRY(context.engine.cancel->check());
    WEIR_TRY(work.take(entry, entry.name.substr(folder.size())));
  }
  if (!files.empty()) WEIR_TRY(work.mark_folder(files.front().name.substr(folder.size())));
  Outcome outcome;
  outcome.counts = work.counts;
  outcome.warnings = tidied.warnings();
  outcome.details["hop"] = fmt::format("{} → {}", params.from, params.to);
  outcome.details["sent"] = std::move(work.sent);
  return outcome;
}

Status check(const Params& params) { return task::check_marker(params.marker); }

}  // namespace

task::Template export_files() {
  return task::Define<Params>("export_files", "Sends files of a layer to a place of others.")
      .required("from", &Params::from,
                "Layer, with a folder where wanted (exports/sales), or a Parquet dataset "
                "(raw.sales).",
                task::moves(task::Use::kReadsFolder))
      .required("to", &Params::to,
                "Folder to fill: a path, `s3://…` or `sftp://…` (with a connection).",
                task::moves(task::Use::kFillsPlace))
      .optional("pattern", &Params::pattern, "Glob over the names of files below `from`.")
      .optional("on_conflict", &Params::on_conflict,
                "What happens when the target has the name with other content.",
                task::choice({"fail", "replace"}))
      .optional("marker", &Params::marker,
                "Empty file that is written last: `{name}.done`, `{stem}.ok`, or one name for all.")
      .optional("settle", &Params::settle, "How long a file must rest before it is sent.")
      .check(check)
      .example("Files for a partner's SFTP server, each with its marker.",
               {{"from", "exports/partner"},
                {"to", "sftp://sftp.partner.example/in"},
                {"pattern", "*.csv"},
                {"marker", "{name}.done"}})
      .run(run);
}

}  // namespace weir::templates
