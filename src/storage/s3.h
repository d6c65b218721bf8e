#pragma once

/// A store in a bucket of Amazon S3, or of a server that speaks its API (REST, version 2006-03-01).
/// It signs each request, tries again what may be tried again, and proves by a mark in the object's
/// metadata whether a write whose answer was lost was its own. It knows nothing of where keys come
/// from.

#include <memory>
#include <string>

#include "net/credentials.h"
#include "net/http.h"
#include "net/retry.h"
#include "storage/storage.h"

namespace weir::storage {

/// Where the bucket stands in a URL.
enum class Addressing {
  kAutomatic,    ///< In the host for AWS, unless it has a dot; in the path for an endpoint.
  kVirtualHost,  ///< https://bucket.host/key
  kPath,         ///< https://host/bucket/key
};

enum class Encryption {
  kOfBucket,  ///< What the bucket does by itself.
  kS3,        ///< SSE-S3: `x-amz-server-side-encryption: AES256`
  kKms,       ///< SSE-KMS: `aws:kms`, with a key where one is named.
};

struct S3Options {
  std::string endpoint;  ///< `https://host[:port]`; empty: AWS's of the region.
  std::string region;    ///< Empty: us-east-1. A bucket elsewhere is found by what S3 answers.
  Addressing addressing = Addressing::kAutomatic;
  Encryption encryption = Encryption::kOfBucket;
  std::string kms_key_id;     ///< Id, alias or ARN; with kKms only. Empty: AWS's own key.
  std::string storage_class;  ///< `STANDARD_IA`, …; empty: the bucket's.
  bool is_requester_pays = false;
  int max_tries = 8;                  ///< Of each request, at least 1.
  int64_t deadline_ms = 300'000;      ///< Of each request with all its tries and waits.
  int64_t stall_timeout_ms = 30'000;  ///< For so long less than a byte a second went by.
  net::Backoff backoff;
  /// Longer objects go in parts of this size, at least 5 MiB (S3's least), so many of them at once
  /// and another one in memory that is being filled.
  int64_t part_bytes = int64_t{16} << 20;
  int64_t parts_in_flight = 4;
  /// Longer objects of the same S3 are copied in parts of this size, up to 5 GiB (S3's most).
  int64_t copy_part_bytes = int64_t{512} << 20;
  /// Longer reads are made of pieces of this size, all of one version of the object.
  int64_t read_piece_bytes = int64_t{64} << 20;
};

/// What a store works with. Everything outlives it.
struct S3Ground {
  net::Http* http = nullptr;
  net::CredentialSource* credentials = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  net::Wait wait;
  const Cancel* cancel = nullptr;
};

/// The store at `s3://bucket[/prefix]`; nothing is asked of the server yet. Its names are the keys
/// below `prefix/`; keys that are no names (`a//b`, `folder/`) are not listed. An entry's version
/// is its ETag, its time that of the last change in whole seconds.
///
/// kInvalidConfig for another URI, a name that no bucket has, or options that contradict each
/// other. Later, beside what Storage says: kInvalidConfig where there is no such bucket, kDenied
/// where keys or rights are missing, kUnavailable after `max_tries` or the deadline where nothing
/// happened, kOutcomeUnknown where a write may have happened and reading back did not decide,
/// kConflict where S3 saw another write to the name at the same time, or an object changed while it
/// was read.
Result<std::unique_ptr<Storage>> make_s3_storage(const std::string& uri, S3Options options,
                                                 S3Ground ground);

}  // namespace weir::storage
