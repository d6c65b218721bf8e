#include "storage/s3/writer.h"

#include <algorithm>

#include "base/ids.h"
#include "net/url.h"
#include "net/xml.h"
#include "storage/s3/body_digest.h"

namespace weir::storage::s3 {
namespace {

constexpr size_t kMostParts = 10'000;

bool is_good(const Outcome& outcome) {
  return outcome.response && outcome.response->status >= 200 && outcome.response->status < 300 &&
         read_refusal(*outcome.response).code.empty();
}

}  // namespace

S3Writer::S3Writer(Client& client, IfMatch& if_match, std::string key, std::string where)
    : client_(client),
      if_match_(if_match),
      key_(std::move(key)),
      where_(std::move(where)),
      mark_(make_uuid4(*client.ground().random)),
      uploads_(static_cast<size_t>(client.options().parts_in_flight)) {}

Status S3Writer::append(std::string_view bytes) {
  WEIR_CHECK(!is_finished_);
  if (failure_) return std::unexpected(*failure_);
  digest_.update(bytes);
  size_bytes_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, part_bytes() - buffer_.size());
    buffer_ += piece;
    bytes.remove_prefix(piece.size());
    // A part is sent when more is known to come: the last one goes with commit(), and an object of
    // exactly one part is one PUT.
    if (buffer_.size() < part_bytes() || bytes.empty()) continue;
    Status sent = send_part();
    if (!sent) {
      failure_ = sent.error();
      return sent;
    }
  }
  return {};
}

size_t S3Writer::part_bytes() const {
  // Ten steps of a thousand parts, each twice as large as before.
  return static_cast<size_t>(client_.options().part_bytes) << (parts_begun() / 1000);
}

net::Headers S3Writer::object_headers() const {
  const auto& options = client_.options();
  net::Headers headers = {{"Content-Type", "application/octet-stream"},
                          {std::string(kMark), mark_}};
  if (!options.storage_class.empty())
    headers.push_back({"x-amz-storage-class", options.storage_class});
  if (options.encryption == Encryption::kS3)
    headers.push_back({"x-amz-server-side-encryption", "AES256"});
  if (options.encryption == Encryption::kKms)
    headers.push_back({"x-amz-server-side-encryption", "aws:kms"});
  if (!options.kms_key_id.empty())
    headers.push_back({"x-amz-server-side-encryption-aws-kms-key-id", options.kms_key_id});
  return headers;
}

Status S3Writer::start_upload(bool has_digests) {
  Call call{.method = "POST", .key = key_, .query = "uploads=", .headers = object_headers()};
  if (has_digests) call.headers.push_back({"x-amz-checksum-algorithm", "SHA256"});
  call.what = what("begin");
  auto response = client_.demand(call);
  if (!response) {
    // At worst an empty upload is left, which nobody sees as an object.
    if (response.error().code == ErrorCode::kOutcomeUnknown)
      response.error().code = ErrorCode::kUnavailable;
    return std::unexpected(std::move(response).error());
  }
  WEIR_ASSIGN(const auto root, while_doing(net::parse_xml(response->body), call.what));
  upload_id_ = root.text_of("UploadId");
  if (upload_id_.empty())
    return fail(ErrorCode::kInternal, "cannot {}: the answer names no upload", call.what);
  return {};
}

Status S3Writer::send_part() {
  if (upload_id_.empty()) WEIR_TRY(start_upload(true));
  if (uploads_.is_full()) WEIR_TRY(take_part());
  const size_t number = parts_begun() + 1;
  if (number > kMostParts)
    return fail(ErrorCode::kResourceExhausted, "{} has more than {} parts", where_, kMostParts);
  uploads_.start(
      [this, number, bytes = std::exchange(buffer_, {})] { return upload_part(number, bytes); });
  return {};
}

Status S3Writer::take_part() {
  WEIR_ASSIGN(Part part, uploads_.next());
  parts_.push_back(std::move(part));
  return {};
}

Result<S3Writer::Part> S3Writer::upload_part(size_t number, std::string_view bytes) {
  const BodyDigest digest(bytes);
  Call call{.method = "PUT",
            .key = key_,
            .query = net::encode_query(
                {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}}),
            .headers = {{"x-amz-checksum-sha256", digest.base64_text}},
            .body = bytes,
            .body_sha256 = digest.hex,
            .what = what(fmt::format("write part {} of", number))};
  WEIR_ASSIGN(const auto response, demand_part(call));
  const auto* etag = net::find_header(response.headers, "etag");
  if (etag == nullptr)
    return fail(ErrorCode::kInternal, "cannot {}: the answer has no ETag", call.what);
  return Part{*etag, digest.base64_text};
}

Result<net::Response> S3Writer::demand_part(const Call& call) {
  auto response = client_.demand(call);
  // A part that may be there is written over by its next try, and nobody sees it.
  if (!response && response.error().code == ErrorCode::kOutcomeUnknown)
    response.error().code = ErrorCode::kUnavailable;
  return response;
}

Status S3Writer::take(const Source& source) {
  WEIR_CHECK(!is_finished_ && parts_.empty() && size_bytes_ == 0 && source.size_bytes > 0);
  is_copy_ = true;
  size_bytes_ = source.size_bytes;
  WEIR_TRY(start_upload(false));
  const int64_t step = client_.options().copy_part_bytes;
  for (int64_t at = 0; at < source.size_bytes; at += step) {
    Call call{.method = "PUT",
              .key = key_,
              .query = net::encode_query(
                  {{"partNumber", std::to_string(parts_.size() + 1)}, {"uploadId", upload_id_}}),
              .headers = {{"x-amz-copy-source",
                           fmt::format("/{}/{}", source.bucket,
                                       net::percent_encode(source.key, net::Slash::kKeep))},
                          {"x-amz-copy-source-if-match", '"' + source.version + '"'}},
              .what = what(fmt::format("copy part {} of", parts_.size() + 1))};
    // S3 takes no range of an object that is small.
    if (source.size_bytes > step)
      call.headers.push_back(
          {"x-amz-copy-source-range",
           fmt::format("bytes={}-{}", at, std::min(at + step, source.size_bytes) - 1)});
    WEIR_ASSIGN(const auto response, demand_part(call));
    WEIR_ASSIGN(const auto root, while_doing(net::parse_xml(response.body), call.what));
    std::string etag = root.text_of("ETag");
    if (etag.empty())
      return fail(ErrorCode::kInternal, "cannot {}: the answer has no ETag", call.what);
    parts_.push_back({std::move(etag), ""});
  }
  return {};
}

void S3Writer::Condition::add_to(net::Headers& headers) const {
  if (kind == Kind::kNothing) headers.push_back({"If-None-Match", "*"});
  if (kind == Kind::kVersion) headers.push_back({"If-Match", '"' + version + '"'});
}

Result<Written> S3Writer::commit(Put mode) {
  return publish({mode == Put::kIfAbsent ? Condition::Kind::kNothing : Condition::Kind::kAnything});
}

Result<Written> S3Writer::commit_if_version(const std::string& version) {
  WEIR_CHECK(!version.empty());
  WEIR_TRY(if_match_.check(client_));
  return publish({Condition::Kind::kVersion, version});
}

Result<Written> S3Writer::publish(const Condition& condition) {
  WEIR_CHECK(!is_finished_);
  if (failure_) {
    abort();
    return std::unexpected(*failure_);
  }
  Written written{size_bytes_, is_copy_ ? "" : digest_.finish_hex()};
  Status done;
  if (is_copy_) {
    done = complete(condition);
  } else if (parts_begun() == 0) {
    done = put_whole(condition, written.sha256);
  } else {
    done = send_part();
    while (done && !uploads_.is_empty()) done = take_part();
    if (done) done = complete(condition);
  }
  // Where the end is open, the upload may be about to become the object: it is left alone.
  const bool is_open = !done && done.error().code == ErrorCode::kOutcomeUnknown;
  if (done || is_open) upload_id_.clear();
  abort();
  if (!done) return std::unexpected(std::move(done).error());
  return written;
}

Status S3Writer::put_whole(const Condition& condition, std::string_view sha256) {
  Call call{.method = "PUT",
            .key = key_,
            .headers = object_headers(),
            .body = buffer_,
            .body_sha256 = std::string(sha256),
            .what = what("write"),
            .on_conflict = Call::OnConflict::kTryAgain};
  call.headers.push_back({"x-amz-checksum-sha256", BodyDigest(buffer_).base64_text});
  condition.add_to(call.headers);
  return settle(condition, call, client_.send(call));
}

Status S3Writer::complete(const Condition& condition) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < parts_.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", i + 1,
                        net::xml_escape(parts_[i].etag));
    if (!is_copy_)
      body += fmt::format("<ChecksumSHA256>{}</ChecksumSHA256>", parts_[i].sha256_base64);
    body += "</Part>";
  }
  body += "</CompleteMultipartUpload>";
  Call call{.method = "POST",
            .key = key_,
            .query = net::encode_query({{"uploadId", upload_id_}}),
            .headers = {{"Content-Type", "application/xml"}},
            .body = body,
            .what = what("complete")};
  // After a 409 the parts are gone, so it is not tried again here.
  condition.add_to(call.headers);
  return settle(condition, call, client_.send(call));
}

Status S3Writer::settle(const Condition& condition, const Call& call, Outcome outcome) {
  if (is_good(outcome)) return {};
  if (!outcome.response) {
    if (!outcome.may_have_acted) return std::unexpected(std::move(outcome.error));
    outcome.error.code = ErrorCode::kOutcomeUnknown;
    return decide_by_mark(condition, std::move(outcome.error));
  }
  const Refusal refusal = read_refusal(*outcome.response);
  Error failure = to_error(refusal, call.what);
  if (refusal.status == 412) {
    // Perhaps by a try of our own whose answer was lost, here or in curl on a kept connection.
    failure.code = outcome.may_have_acted ? ErrorCode::kOutcomeUnknown : ErrorCode::kConflict;
    return decide_by_mark(condition, std::move(failure));
  }
  if (!outcome.may_have_acted) {
    // Of a version that is to be there S3 says so where there is none at all.
    if (condition.kind == Condition::Kind::kVersion && failure.code == ErrorCode::kNotFound)
      return not_as_wished(condition);
    return std::unexpected(std::move(failure));
  }
  // Also NoSuchUpload after a lost answer: a try before may have completed it.
  failure.code = ErrorCode::kOutcomeUnknown;
  return decide_by_mark(condition, std::move(failure));
}

Status S3Writer::decide_by_mark(const Condition& condition, Error failure) {
  const auto whose = whose_is_there();
  if (whose && *whose == Whose::kOurs) return {};
  const bool is_certain = failure.code == ErrorCode::kConflict;
  // What is there may have replaced ours already, where a try of ours may have acted.
  if (condition.kind == Condition::Kind::kVersion && is_certain) return not_as_wished(condition);
  const bool is_taken = (whose && *whose == Whose::kOthers) ||
                        // Who may not read may still learn from a plain 412.
                        (!whose && is_certain);
  if (condition.kind == Condition::Kind::kNothing && is_taken) return not_as_wished(condition);
  if (!whose) failure.trail.push_back(fmt::format("reading back: {}", whose.error().message));
  if (is_certain)
    failure.message = fmt::format("{} was there when it was written, and then not", where_);
  return std::unexpected(std::move(failure));
}

Status S3Writer::not_as_wished(const Condition& condition) const {
  if (condition.kind == Condition::Kind::kNothing)
    return fail(ErrorCode::kAlreadyExists, "{} exists already", where_);
  return fail(ErrorCode::kConflict, "{} is not of version '{}' any more", where_,
              condition.version);
}

Result<S3Writer::Whose> S3Writer::whose_is_there() const {
  Call call{.method = "HEAD", .key = key_, .what = what("read back")};
  const auto response = client_.demand(call);
  if (!response && response.error().code == ErrorCode::kNotFound) return Whose::kNobodys;
  if (!response) return std::unexpected(response.error());
  const auto* mark = net::find_header(response->headers, kMark);
  return mark != nullptr && *mark == mark_ ? Whose::kOurs : Whose::kOthers;
}

void S3Writer::abort() noexcept {
  is_finished_ = true;
  buffer_.clear();
  uploads_.drop();  // else a part would come after the upload's end, and be paid for
  if (upload_id_.empty()) return;
  Call call{.method = "DELETE",
            .key = key_,
            .query = net::encode_query({{"uploadId", std::exchange(upload_id_, {})}}),
            .what = what("abort the upload of"),
            .purpose = Call::Purpose::kCleanUp};
  // What is left where this fails is for the bucket's lifecycle rule; see docs/guide/s3.md.
  static_cast<void>(client_.send(call));
}

}  // namespace weir::storage::s3
