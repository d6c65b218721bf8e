#include "base/pattern.h"
#include "storage/storage.h"
#include "task/define.h"

namespace weir::templates {
namespace {

using model::Outcome;

struct Params {
  std::string from;
  std::string pattern = "*";
  std::string to;
  std::string on_change = "keep_both";
  std::string after = "leave";
  task::Duration settle;
};

constexpr int64_t kPieceBytes = int64_t{4} << 20;

/// Copies one object and gives its digest. kUnavailable where the source changed meanwhile.
Result<storage::Written> copy(storage::Storage& source, const storage::Entry& entry,
                              storage::Storage& target, const std::string& name,
                              const Cancel& cancel) {
  WEIR_ASSIGN(auto writer, target.create(name));
  for (int64_t at = 0; at < entry.size_bytes; at += kPieceBytes) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const std::string piece, source.read(entry.name, {at, kPieceBytes}));
    WEIR_TRY(writer->append(piece));
  }
  WEIR_ASSIGN(const auto after, source.stat(entry.name));
  if (after != entry)
    return fail_with_hint(ErrorCode::kUnavailable,
                          fmt::format("source file '{}' changed while it was fetched", entry.name),
                          "it is still being written; give `settle` to wait until it rests");
  return writer->commit(storage::Put::kIfAbsent);
}

/// `a/b.csv` with other content becomes `a/b.<8 hex of its hash>.csv`.
std::string beside(const std::string& name, const std::string& sha256) {
  const auto slash = name.rfind('/');
  const auto dot = name.rfind('.');
  const bool has_end = dot != std::string::npos && (slash == std::string::npos || dot > slash + 1);
  const auto cut = has_end ? dot : name.size();
  return name.substr(0, cut) + "." + sha256.substr(0, 8) + name.substr(cut);
}

/// What happens with one source file that is new to the landing zone, or changed.
class Fetch {
 public:
  Fetch(const Params& params, const task::Context& context, storage::Storage& source,
        storage::Storage& target)
      : params_(params), context_(context), source_(source), target_(target) {}

  Status take(const storage::Entry& entry, const std::string& name) {
    counts.in += 1;
    WEIR_ASSIGN(const bool is_there, has_same(entry, name));
    if (is_there) {
      counts.unchanged += 1;
    } else {
      WEIR_TRY(while_doing(fetch(entry, name), fmt::format("fetching '{}'", entry.name)));
    }
    if (params_.after == "delete") return source_.remove(entry.name);
    return {};
  }

  model::Counts counts;
  Json names = Json::array();

 private:
  Result<bool> has_same(const storage::Entry& entry, const std::string& name) {
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

  Status fetch(const storage::Entry& entry, std::string name) {
    if (target_.stat(name)) {
      WEIR_ASSIGN(const auto digest, storage::digest_of(source_, entry.name));
      name = beside(name, digest.sha256);
    }
    WEIR_TRY(copy(source_, entry, target_, name, *context_.engine.cancel));
    counts.inserted += 1;
    names.push_back(name);
    return {};
  }

  const Params& params_;
  const task::Context& context_;
  storage::Storage& source_;
  storage::Storage& target_;
};

Result<Outcome> run(const Params& params, const task::Context& context) {
  const auto slash = params.to.find('/');
  const std::string layer = params.to.substr(0, slash);
  std::string folder = slash == std::string::npos ? "" : params.to.substr(slash + 1);
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  WEIR_ASSIGN(const std::string target_uri, context.layer_uri(layer));
  WEIR_ASSIGN(storage::Storage * source, context.engine.stores->open(params.from));
  WEIR_ASSIGN(storage::Storage * target, context.engine.stores->open(target_uri));
  WEIR_ASSIGN(const auto entries, storage::list_all(*source, glob_prefix(params.pattern)));
  Fetch fetch(params, context, *source, *target);
  for (const auto& entry : entries) {
    WEIR_ASSIGN(const bool fits, glob_matches(params.pattern, entry.name));
    if (!fits) continue;
    const bool rests =
        entry.modified_at_us + params.settle.ms * 1000 <= context.engine.clock->now_us();
    if (!rests) continue;
    WEIR_TRY(fetch.take(entry, folder + entry.name));
  }
  Outcome outcome;
  outcome.counts = fetch.counts;
  outcome.details["hop"] = fmt::format("{} → {}", params.from, params.to);
  outcome.details["fetched"] = std::move(fetch.names);
  return outcome;
}

}  // namespace

task::Template fetch_files() {
  return task::Define<Params>("fetch_files", "Copies files from a source into the landing zone.")
      .required("from", &Params::from, "Folder (or URI) that others fill.")
      .required("to", &Params::to, "Landing layer, with a folder where wanted: landing/sales.")
      .optional("pattern", &Params::pattern, "Glob over the names of files below `from`.")
      .optional("on_change", &Params::on_change,
                "What happens when a name comes again with other content.",
                task::choice({"keep_both", "replace", "fail"}))
      .optional("after", &Params::after, "What happens to a source file once it is safe.",
                task::choice({"leave", "delete"}))
      .optional("settle", &Params::settle, "How long a file must rest before it is taken.")
      .example("Files that a partner uploads.",
               {{"from", "/srv/upload"}, {"to", "landing"}, {"pattern", "sales-*.csv"}})
      .run(run);
}

}  // namespace weir::templates
