#pragma once

/// Bytes on their way into one object: in one PUT where they fit into a part, else as a multipart
/// upload that becomes the object when it is completed.

#include <vector>

#include "base/digest.h"
#include "base/in_flight.h"
#include "storage/s3/client.h"
#include "storage/s3/if_match.h"

namespace weir::storage::s3 {

/// The mark that each write leaves in the metadata of its object: a number drawn for this write.
/// Where an answer was lost it tells whether the object that is there is the one that was written.
inline constexpr std::string_view kMark = "x-amz-meta-weir-write";

class S3Writer final : public Writer {
 public:
  /// `where` is like "'a/b' in 's3://bucket'"; the others outlive the writer.
  S3Writer(Client& client, IfMatch& if_match, std::string key, std::string where);
  ~S3Writer() override { abort(); }

  Status append(std::string_view bytes) override;
  Result<Written> commit(Put mode) override;
  Result<Written> commit_if_version(const std::string& version) override;
  void abort() noexcept override;

  /// In place of appending: the parts are made by S3 of an object that it has, of that version
  /// (AWS: "UploadPartCopy"). Written has no digest then. kConflict where it is of another version.
  struct Source {
    std::string bucket;
    std::string key;
    std::string version;
    int64_t size_bytes = 0;  ///< At least 1.
  };
  Status take(const Source& source);

 private:
  struct Part {
    std::string etag;
    std::string sha256_base64;
  };
  enum class Whose { kNobodys, kOurs, kOthers };
  /// What must be under the name for the write to happen.
  struct Condition {
    enum class Kind { kAnything, kNothing, kVersion } kind = Kind::kAnything;
    std::string version = {};
    void add_to(net::Headers& headers) const;
  };

  net::Headers object_headers() const;
  std::string what(std::string_view verb) const { return fmt::format("{} {}", verb, where_); }
  /// Grows with the number of parts, so that 10,000 are enough for the largest object of S3.
  size_t part_bytes() const;
  /// Of parts that are there or on their way.
  size_t parts_begun() const { return parts_.size() + uploads_.size(); }
  Status start_upload(bool has_digests);
  Result<net::Response> demand_part(const Call& call);
  /// What is buffered goes on its way.
  Status send_part();
  Result<Part> upload_part(size_t number, std::string_view bytes);
  /// The oldest that is on its way, once it is there.
  Status take_part();
  Result<Written> publish(const Condition& condition);
  Status complete(const Condition& condition);
  Status put_whole(const Condition& condition, std::string_view sha256);
  /// What the outcome of a PUT or a completion means: reads back where that is open.
  Status settle(const Condition& condition, const Call& call, Outcome outcome);
  Result<Whose> whose_is_there() const;
  Status decide_by_mark(const Condition& condition, Error failure);
  Status not_as_wished(const Condition& condition) const;

  Client& client_;
  IfMatch& if_match_;
  const std::string key_;
  const std::string where_;
  const std::string mark_;
  std::string buffer_;
  Sha256 digest_;
  int64_t size_bytes_ = 0;
  std::string upload_id_;  ///< Empty: no multipart upload is open.
  std::vector<Part> parts_;
  InFlight<Part> uploads_;        ///< They follow `parts_`.
  std::optional<Error> failure_;  ///< Of an append: the writer is of no use any more.
  bool is_copy_ = false;
  bool is_finished_ = false;
};

}  // namespace weir::storage::s3
