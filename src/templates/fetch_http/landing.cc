#include "templates/fetch_http/landing.h"

#include "base/digest.h"
#include "base/instant.h"

namespace weir::templates {
namespace {

constexpr std::string_view kCommit = ".commit";

std::string page_digits(int64_t page) { return fmt::format("{:06}", page); }

}  // namespace

std::string stamp_of(int64_t logical_time_us) {
  const int64_t micros = ((logical_time_us % 1'000'000) + 1'000'000) % 1'000'000;
  std::string stamp;
  for (const char c : format_instant(logical_time_us - micros))
    if (c != '-' && c != ':' && c != 'Z') stamp += c;
  return fmt::format("{}.{:06}Z", stamp, micros);
}

Landing::Landing(storage::Storage& store, std::string folder, std::string task, std::string stamp,
                 std::string extension)
    : store_(store),
      folder_(std::move(folder)),
      task_(std::move(task)),
      stamp_(std::move(stamp)),
      extension_(std::move(extension)) {}

std::string Landing::visible_name(int64_t page) const {
  return fmt::format("{}{}-{}-{}.{}", folder_, task_, stamp_, page_digits(page), extension_);
}

std::string Landing::staged_name(const std::string& stamp, int64_t page,
                                 std::string_view end) const {
  return fmt::format("{}{}/{}.{}", base(), stamp, page_digits(page), end);
}

Status Landing::look() {
  commits_.clear();
  staged_.clear();
  const std::string prefix = base();
  WEIR_ASSIGN(const auto entries, storage::list_all(store_, prefix));
  for (const auto& entry : entries) {
    const std::string rest = entry.name.substr(prefix.size());
    const auto slash = rest.find('/');
    if (slash != std::string::npos)
      staged_[rest.substr(0, slash)].push_back(entry.name);
    else if (rest.ends_with(kCommit))
      commits_.insert(rest.substr(0, rest.size() - kCommit.size()));
  }
  return {};
}

Status Landing::open() {
  WEIR_TRY(look());
  const auto left = staged_;
  for (const auto& [stamp, names] : left) {
    if (!commits_.contains(stamp)) continue;
    WEIR_ASSIGN(const Json commit, read_commit(stamp));
    WEIR_TRY(publish(stamp, commit));
  }
  return {};
}

Result<Json> Landing::read_commit(const std::string& stamp) {
  const std::string name = base() + stamp + std::string(kCommit);
  WEIR_ASSIGN(const std::string text, store_.read(name, storage::Range::all()));
  auto commit = while_doing(parse_json(text), fmt::format("reading '{}'", name));
  if (commit &&
      !(commit->is_object() && commit->contains("pages") && commit->at("pages").is_array()))
    return fail(ErrorCode::kCorrupt, "'{}' is no commit of a fetch", name);
  return commit;
}

Result<std::optional<Json>> Landing::own_commit() {
  if (!commits_.contains(stamp_)) return std::nullopt;
  return read_commit(stamp_);
}

Result<std::optional<Json>> Landing::commit_before() {
  const auto here = commits_.lower_bound(stamp_);
  if (here == commits_.begin()) return std::nullopt;
  return read_commit(*std::prev(here));
}

std::optional<std::string> Landing::later_commit() const {
  if (commits_.empty() || *commits_.rbegin() <= stamp_) return std::nullopt;
  return *commits_.rbegin();
}

Result<std::optional<StagedPage>> Landing::staged(int64_t page, const std::string& request_hash) {
  auto text = store_.read(staged_name(stamp_, page, "request"), storage::Range::all());
  if (!text && text.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!text) return std::unexpected(std::move(text).error());
  auto record = parse_json(*text);
  if (!record || json_field_or<std::string>(*record, "request_hash", "") != request_hash)
    return std::nullopt;
  auto body = store_.read(staged_name(stamp_, page, "body"), storage::Range::all());
  if (!body && body.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!body) return std::unexpected(std::move(body).error());
  if (json_field_or<std::string>(*record, "sha256", "") != sha256_hex(*body)) return std::nullopt;
  return StagedPage{*std::move(record), *std::move(body)};
}

Status Landing::stage(int64_t page, const StagedPage& staged) {
  WEIR_TRY(
      storage::put(store_, staged_name(stamp_, page, "body"), staged.body, storage::Put::kReplace));
  WEIR_TRY(storage::put(store_, staged_name(stamp_, page, "request"), dump_json(staged.record),
                        storage::Put::kReplace));
  return {};
}

Status Landing::commit(const Json& commit) {
  const auto known = commits_;
  WEIR_TRY(look());
  const auto conflict = [&] {
    return fail_with_hint(
        ErrorCode::kConflict, fmt::format("another run of '{}' committed meanwhile", task_),
        "nothing of this one was published; the next try begins where that ended");
  };
  if (commits_ != known) return conflict();
  const auto written = storage::put(store_, base() + stamp_ + std::string(kCommit),
                                    dump_json_pretty(commit), storage::Put::kIfAbsent);
  if (!written && written.error().code == ErrorCode::kAlreadyExists) return conflict();
  if (!written) return std::unexpected(written.error());
  commits_.insert(stamp_);
  return {};
}

Status Landing::publish(const std::string& stamp, const Json& commit) {
  // Also pages that an earlier attempt got and the last one did not.
  const auto& known = staged_[stamp];
  std::set<std::string> done(known.begin(), known.end());
  int64_t number = 0;
  for (const Json& page : commit.at("pages")) {
    const std::string body_name = staged_name(stamp, ++number, "body");
    done.insert(body_name);
    done.insert(staged_name(stamp, number, "request"));
    WEIR_ASSIGN(const auto name, json_field_or<std::string>(page, "object", ""));
    if (name.empty()) continue;
    const auto body = store_.read(body_name, storage::Range::all());
    // Cleared already: then it was published before.
    if (!body && body.error().code == ErrorCode::kNotFound) continue;
    if (!body) return std::unexpected(body.error());
    WEIR_ASSIGN(const auto sha256, json_field<std::string>(page, "sha256"));
    if (sha256_hex(*body) != sha256)
      return fail(ErrorCode::kCorrupt, "'{}' holds other bytes than the commit says", body_name);
    const auto written = storage::put(store_, name, *body, storage::Put::kIfAbsent);
    if (written || written.error().code != ErrorCode::kAlreadyExists) {
      if (!written) return std::unexpected(written.error());
      continue;
    }
    WEIR_ASSIGN(const auto there, storage::digest_of(store_, name));
    if (there.sha256 != sha256)
      return fail_with_hint(ErrorCode::kAlreadyExists,
                            fmt::format("'{}' is in the landing zone with other content", name),
                            "names of that form belong to the task; move the file away");
  }
  staged_.erase(stamp);
  // Only now: until here a crash finds every page again.
  return store_.remove_all(std::vector<std::string>(done.begin(), done.end()));
}

Status Landing::clear_abandoned() {
  std::vector<std::string> old;
  for (const auto& [stamp, names] : staged_)
    if (stamp < stamp_ && !commits_.contains(stamp))
      old.insert(old.end(), names.begin(), names.end());
  return old.empty() ? Status() : store_.remove_all(old);
}

}  // namespace weir::templates
