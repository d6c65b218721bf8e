#include <algorithm>
#include <charconv>

#include "net/http.h"
#include "storage/moving.h"
#include "storage/object_name.h"
#include "storage/read_through.h"
#include "storage/s3.h"
#include "storage/s3/batch_delete.h"
#include "storage/s3/client.h"
#include "storage/s3/entry.h"
#include "storage/s3/if_match.h"
#include "storage/s3/listing.h"
#include "storage/s3/writer.h"

namespace weir::storage {
namespace s3 {
namespace {

constexpr size_t kLongestKey = 1024;
constexpr int64_t kLeastPartBytes = int64_t{5} << 20;

/// A number that is the whole text, from 0; or nothing.
std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string header_of(const net::Response& response, std::string_view name) {
  const auto* value = net::find_header(response.headers, name);
  return value == nullptr ? std::string() : *value;
}

/// `Content-Range: bytes 0-9/443` (RFC 9110 section 14.4).
struct ContentRange {
  int64_t first = 0;
  int64_t last = 0;
  int64_t whole = 0;
};
std::optional<ContentRange> read_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
    return std::nullopt;
  const auto first = number_of(text.substr(0, dash));
  const auto last = number_of(text.substr(dash + 1, slash - dash - 1));
  const auto whole = number_of(text.substr(slash + 1));
  if (!first || !last || !whole || *last < *first || *last >= *whole) return std::nullopt;
  return ContentRange{*first, *last, *whole};
}

net::Header range_header(Range range) {
  return {"Range", fmt::format("bytes={}-{}", range.offset_bytes,
                               range.offset_bytes + range.size_bytes - 1)};
}

class S3Storage final : public Storage, public Copier, public Streamer {
 public:
  S3Storage(std::string uri, Address address, S3Options options, S3Ground ground)
      : uri_(std::move(uri)), client_(std::move(address), std::move(options), std::move(ground)) {}

  Capabilities capabilities() const override {
    return {.readable_by_engine = false, .requests_at_once = 4};
  }
  const std::string& uri() const override { return uri_; }

  Result<std::string> read(std::string_view name, Range range) override {
    WEIR_CHECK(range.offset_bytes >= 0 && range.size_bytes >= 0);
    WEIR_ASSIGN(const std::string key, key_of(name));
    if (range.size_bytes == 0) {
      WEIR_TRY(stat(name));
      return std::string();
    }
    // Replaced while its pieces were read, an object is read from the front again: the pieces of
    // two objects make none.
    for (int failed = 1;; ++failed) {
      auto bytes = read_pieces(name, key, range);
      const bool has_changed = !bytes && bytes.error().code == ErrorCode::kConflict;
      if (!has_changed || failed >= client_.options().max_tries) return bytes;
    }
  }

  Status stream(const Entry& entry, Range range,
                const std::function<Status(std::string_view)>& take) override {
    WEIR_ASSIGN(const std::string key, key_of(entry.name));
    const bool is_whole = range.size_bytes == entry.size_bytes;
    Call call{.key = key, .what = what("read", entry.name)};
    call.headers = {{"If-Match", '"' + entry.version + '"'}};
    // Without a range a server may hand its file to the kernel.
    if (!is_whole) call.headers.push_back(range_header(range));
    call.answer_limit_bytes = std::numeric_limits<int64_t>::max();
    int64_t taken_bytes = 0;  // over all tries: a version has the same bytes each time
    std::optional<Error> refused;
    const auto refuse = [&](std::unexpected<Error> error) -> Status {
      refused = std::move(error).error();
      return fail(ErrorCode::kInvalidData, "not taken");  // a code for which nobody tries again
    };
    call.sink = [&](int64_t at, std::string_view bytes) -> Status {
      const int64_t end = at + std::ssize(bytes);
      if (end > range.size_bytes)
        return refuse(is_whole ? replaced(entry.name) : without_ranges(entry.name));
      if (end <= taken_bytes) return {};
      bytes.remove_prefix(static_cast<size_t>(taken_bytes - at));
      if (Status taken = take(bytes); !taken) return refuse(std::unexpected(taken.error()));
      taken_bytes = end;
      return {};
    };
    const Outcome outcome = client_.send(call);
    if (refused) return std::unexpected(*std::move(refused));
    if (!outcome.response) return std::unexpected(outcome.error);
    const net::Response& response = *outcome.response;
    if (response.status == 412 || response.status == 416) return replaced(entry.name);
    if (response.status / 100 != 2)
      WEIR_TRY(not_found(entry.name, std::unexpected(to_error(read_refusal(response), call.what))));
    // A server may know no conditions.
    if (version_of(header_of(response, "etag")) != entry.version || taken_bytes != range.size_bytes)
      return replaced(entry.name);
    return {};
  }

  Result<Entry> stat(std::string_view name) override {
    WEIR_ASSIGN(const std::string key, key_of(name));
    const Call call{.method = "HEAD", .key = key, .what = what("look at", name)};
    auto answer = not_found(name, client_.demand(call));
    if (!answer && answer.error().code == ErrorCode::kDenied) {
      // An answer to HEAD has no words; one to GET says what is wrong with keys or rights.
      const auto first_byte = read(name, {0, 1});
      if (!first_byte) return std::unexpected(first_byte.error());
    }
    WEIR_ASSIGN(const auto response, std::move(answer));
    const auto size = number_of(header_of(response, "content-length"));
    const auto modified = net::parse_http_date(header_of(response, "last-modified"));
    if (!size || !modified)
      return fail(ErrorCode::kInvalidData, "the answer about {} says no size or no time",
                  where(name));
    return Entry{std::string(name), *size, *modified, version_of(header_of(response, "etag"))};
  }

  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    WEIR_ASSIGN(std::string key, key_of(name));
    return std::make_unique<S3Writer>(client_, if_match_, std::move(key), where(name));
  }

  Result<std::optional<Written>> copy_here(Storage& source, const Entry& entry, std::string_view to,
                                           Put mode) override {
    auto* const beside = dynamic_cast<S3Storage*>(&source);
    const bool is_ours =
        beside != nullptr && client_.address().is_beside(beside->client_.address());
    // S3 makes no part of nothing.
    if (!is_ours || entry.version.empty() || entry.size_bytes == 0) return std::nullopt;
    WEIR_ASSIGN(const std::string key, key_of(to));
    WEIR_ASSIGN(const std::string from, beside->key_of(entry.name));
    S3Writer writer(client_, if_match_, key, where(to));
    Status taken = writer.take({.bucket = beside->client_.address().bucket(),
                                .key = from,
                                .version = entry.version,
                                .size_bytes = entry.size_bytes});
    if (!taken && taken.error().code == ErrorCode::kConflict) return changed(*beside, entry);
    // Keys may not read there, or the server knows no copies: who reads and writes finds out.
    const bool is_passing = !taken && is_retried(taken.error().code);
    if (!taken && !is_passing && taken.error().code != ErrorCode::kCancelled) return std::nullopt;
    WEIR_TRY(taken);
    // A server that takes no condition of a source may have taken another version.
    WEIR_ASSIGN(const Entry after, beside->stat(entry.name));
    if (after != entry) return changed(*beside, entry);
    return writer.commit(mode);
  }

  Result<Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_TRY(check_prefix(prefix));
    return list_objects(client_, prefix, after, uri_);
  }

  Status remove(std::string_view name) override {
    WEIR_ASSIGN(const std::string key, key_of(name));
    const auto response =
        client_.demand({.method = "DELETE", .key = key, .what = what("remove", name)});
    if (response || response.error().code == ErrorCode::kNotFound) return {};
    return std::unexpected(response.error());
  }

  Status remove_all(std::span<const std::string> names) override {
    std::vector<std::string> keys;
    for (const auto& name : names) {
      WEIR_ASSIGN(std::string key, key_of(name));
      keys.push_back(std::move(key));
    }
    const auto others = std::ranges::stable_partition(keys, fits_batch_delete);
    const std::span batched(keys.begin(), others.begin());
    for (size_t at = 0; at < batched.size(); at += kMostKeysOfADelete)
      WEIR_TRY(
          remove_batch(batched.subspan(at, std::min(kMostKeysOfADelete, batched.size() - at))));
    for (const auto& key : others) WEIR_TRY(remove(name_of(key)));
    return {};
  }

  Result<std::string> engine_uri(std::string_view name) const override {
    WEIR_TRY(check_object_name(name));
    return fail(ErrorCode::kUnsupported, "the engine cannot open {}", where(name));
  }

 private:
  static std::unexpected<Error> changed(const S3Storage& source, const Entry& entry) {
    return fail_with_hint(ErrorCode::kUnavailable,
                          fmt::format("{} changed while it was copied", source.where(entry.name)),
                          "it is still being written; give `settle` to wait until it rests");
  }
  std::unexpected<Error> replaced(std::string_view name) const {
    return fail_with_hint(ErrorCode::kConflict,
                          fmt::format("{} changed while it was read", where(name)),
                          "write files under another name and rename them when they are whole");
  }
  std::unexpected<Error> without_ranges(std::string_view name) const {
    return fail(ErrorCode::kUnsupported, "{} came whole when a range was asked for", where(name));
  }
  std::string where(std::string_view name) const { return fmt::format("'{}' in '{}'", name, uri_); }
  std::string what(std::string_view verb, std::string_view name) const {
    return fmt::format("{} {}", verb, where(name));
  }
  Result<std::string> key_of(std::string_view name) const {
    WEIR_TRY(check_object_name(name));
    std::string key = client_.address().prefix() + std::string(name);
    if (key.size() > kLongestKey)
      return fail(ErrorCode::kInvalidConfig, "{} has a key of {} bytes; S3 takes {}", where(name),
                  key.size(), kLongestKey);
    return key;
  }
  std::string_view name_of(std::string_view key) const {
    return key.substr(client_.address().prefix().size());
  }

  /// Keys that S3 refused for now are asked for again, as a request would be.
  Status remove_batch(std::span<const std::string> keys) {
    const auto& ground = client_.ground();
    std::vector<std::string> open(keys.begin(), keys.end());
    for (int failed = 1;; ++failed) {
      auto kept = delete_keys(client_, open, what_of_batch(open));
      if (!kept && kept.error().code == ErrorCode::kUnsupported) {
        for (const auto& key : open) WEIR_TRY(remove(name_of(key)));
        return {};
      }
      if (!kept) return std::unexpected(std::move(kept).error());
      if (kept->empty()) return {};
      const bool may_help =
          std::ranges::all_of(*kept, [](const KeptKey& each) { return is_passing(each.refusal); });
      if (!may_help || failed >= client_.options().max_tries)
        return std::unexpected(refusal(*kept));
      WEIR_TRY(
          ground.wait(client_.options().backoff.wait_ms(failed, *ground.random), *ground.cancel));
      open.clear();
      for (auto& each : *kept) open.push_back(std::move(each.key));
    }
  }
  std::string what_of_batch(std::span<const std::string> keys) const {
    std::string text = what("remove", name_of(keys.front()));
    if (keys.size() > 1) text += fmt::format(" and {} more", keys.size() - 1);
    return text;
  }
  /// The words of the first that another try would not help, or of the first; the names of some.
  Error refusal(const std::vector<KeptKey>& kept) const {
    auto told =
        std::ranges::find_if(kept, [](const KeptKey& each) { return !is_passing(each.refusal); });
    if (told == kept.end()) told = kept.begin();
    Error error = to_error(told->refusal, what("remove", name_of(told->key)));
    if (error.code == ErrorCode::kUnavailable && may_have_acted(told->refusal))
      error.code = ErrorCode::kOutcomeUnknown;
    std::vector<std::string> others;
    for (const auto& each : kept)
      if (each.key != told->key) others.push_back(fmt::format("'{}'", name_of(each.key)));
    if (others.empty()) return error;
    constexpr size_t kMostNames = 5;
    const size_t untold = others.size() - std::min(others.size(), kMostNames);
    others.resize(others.size() - untold);
    error.message += fmt::format("; nor {}", fmt::join(others, ", "));
    if (untold > 0) error.message += fmt::format(" and {} more", untold);
    return error;
  }

  /// The same words for what is not there as every other store has.
  Result<net::Response> not_found(std::string_view name, Result<net::Response> response) const {
    if (!response && response.error().code == ErrorCode::kNotFound)
      return fail(ErrorCode::kNotFound, "no object {}", where(name));
    return response;
  }

  /// kConflict where the object was replaced meanwhile.
  Result<std::string> read_pieces(std::string_view name, const std::string& key, Range range) {
    std::string bytes;
    std::string version;  // of the first piece
    for (;;) {
      const auto done = static_cast<int64_t>(bytes.size());
      const int64_t at = range.offset_bytes + done;
      const Range piece{at, std::min({client_.options().read_piece_bytes, range.size_bytes - done,
                                      std::numeric_limits<int64_t>::max() - at})};
      WEIR_ASSIGN(const bool is_last, read_piece(name, key, piece, version, bytes));
      if (is_last || static_cast<int64_t>(bytes.size()) >= range.size_bytes) return bytes;
    }
  }

  /// Appends one piece; true where the object ends with it.
  Result<bool> read_piece(std::string_view name, const std::string& key, Range piece,
                          std::string& version, std::string& bytes) {
    Call call{.key = key, .what = what("read", name)};
    call.headers = {range_header(piece)};
    if (!version.empty()) call.headers.push_back({"If-Match", '"' + version + '"'});
    // A server that knows no ranges sends the whole.
    call.answer_limit_bytes = std::numeric_limits<int64_t>::max();
    call.check = [&](const net::Response& response) { return check_piece(response, piece, name); };
    Outcome outcome = client_.send(call);
    if (!outcome.response) return std::unexpected(std::move(outcome.error));
    auto& response = *outcome.response;
    if (response.status == 416) return true;  // it ends before the piece begins
    if (response.status == 412) return replaced(name);
    if (response.status == 200) {
      const auto from =
          std::min<size_t>(static_cast<size_t>(piece.offset_bytes), response.body.size());
      bytes.append(response.body, from, static_cast<size_t>(piece.size_bytes));
      return true;
    }
    if (response.status != 206) {
      WEIR_TRY(not_found(name, std::unexpected(to_error(read_refusal(response), call.what))));
    }
    version = version_of(header_of(response, "etag"));
    const auto range = read_content_range(header_of(response, "content-range"));
    if (bytes.empty())
      bytes = std::move(response.body);
    else
      bytes += response.body;
    return range->last + 1 == range->whole;
  }

  /// kUnavailable for an answer that is not what was asked for: it is asked again.
  Status check_piece(const net::Response& response, Range piece, std::string_view name) const {
    const auto size = static_cast<int64_t>(response.body.size());
    if (response.status == 200) {
      const auto said = number_of(header_of(response, "content-length"));
      if (said && *said == size) return {};
      return fail(ErrorCode::kUnavailable, "cannot {}: {} of {} bytes came", what("read", name),
                  size, said.value_or(-1));
    }
    const auto text = header_of(response, "content-range");
    const auto range = read_content_range(text);
    const int64_t end = piece.offset_bytes + piece.size_bytes;
    const bool is_as_asked = range && range->first == piece.offset_bytes &&
                             range->last + 1 == std::min(range->whole, end) &&
                             size == range->last - range->first + 1;
    if (is_as_asked) return {};
    return fail(ErrorCode::kUnavailable, "cannot {}: asked for {} bytes from {}, {} came as '{}'",
                what("read", name), piece.size_bytes, piece.offset_bytes, size, text);
  }

  const std::string uri_;
  Client client_;
  IfMatch if_match_;
};

Status check_options(const S3Options& options) {
  const auto refuse = [](std::string_view why, std::string hint) {
    return fail_with_hint(ErrorCode::kInvalidConfig, std::string(why), std::move(hint));
  };
  if (options.part_bytes < kLeastPartBytes)
    return refuse(fmt::format("parts of {} bytes are too small for S3", options.part_bytes),
                  "parts have 5 MiB (5242880 bytes) at least");
  if (!options.kms_key_id.empty() && options.encryption != Encryption::kKms)
    return refuse("a KMS key is named, and encryption is not by KMS", "ask for KMS encryption");
  if (options.max_tries < 1 || options.deadline_ms < 1 || options.read_piece_bytes < 1 ||
      options.copy_part_bytes < 1 || options.parts_in_flight < 1)
    return refuse("tries, deadline, sizes and parts at once of S3 are at least 1", "");
  return {};
}

}  // namespace
}  // namespace s3

Result<std::unique_ptr<Storage>> make_s3_storage(const std::string& uri, S3Options options,
                                                 S3Ground ground) {
  WEIR_CHECK(ground.http != nullptr && ground.credentials != nullptr && ground.clock != nullptr &&
             ground.random != nullptr && ground.wait != nullptr && ground.cancel != nullptr);
  WEIR_TRY(s3::check_options(options));
  WEIR_ASSIGN(auto address, s3::Address::parse(uri, options));
  return std::make_unique<s3::S3Storage>(uri, std::move(address), std::move(options),
                                         std::move(ground));
}

}  // namespace weir::storage
