#pragma once

/// Secrets stand nowhere in the configuration: it holds references, `secret://id` or
/// `secret://id#field`, and their values are asked for where a connection is opened. Who keeps them
/// is asked in order; the same reference works with the environment on a laptop and with AWS
/// Secrets Manager where it counts. Every value that was fetched is redacted from then on
/// (base/redact.h), and the process leaves no core dump.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/json.h"
#include "base/result.h"

namespace weir::secrets {

struct Reference {
  std::string id;     ///< Letters, digits and `/ _ + = . @ -`, as Secrets Manager takes them.
  std::string field;  ///< Of a secret that is a JSON object; empty: the whole text.
  bool operator==(const Reference&) const = default;
};

/// kInvalidConfig where it is none that can be followed.
Result<Reference> parse_reference(std::string_view text);
/// The `secret_id` of a row: an id by itself, or `secret://id`; a whole secret.
Result<Reference> parse_secret_id(std::string_view text);

/// One place where secrets are kept. Safe to use from many threads at once.
class Keeper {
 public:
  virtual ~Keeper() = default;
  /// For messages: `the environment`, `secrets.sealed`.
  virtual std::string name() const = 0;
  /// The newest text of a secret. kNotFound where it is not kept here; kDenied, kUnavailable where
  /// it cannot be had.
  virtual Result<std::string> fetch(const std::string& id, const Cancel& cancel) = 0;
  /// The ids that are kept here; none where the keeper cannot tell.
  virtual Result<std::optional<std::vector<std::string>>> list(const Cancel& cancel) = 0;
};

/// `WEIR_SECRET_<ID>`, the id in capitals, other characters as `_`: `shop-db` is
/// `WEIR_SECRET_SHOP_DB`.
std::unique_ptr<Keeper> make_environment_keeper(const Environment& environment);

/// Safe to use from many threads at once.
class Secrets {
 public:
  /// Keepers in the order in which they are asked.
  Secrets(std::vector<std::unique_ptr<Keeper>> keepers, Clock& clock);

  /// The value, kept for five minutes. kNotFound names who was asked; kInvalidConfig where the
  /// secret has no such field. No message holds a value.
  Result<std::string> value(const Reference& reference, const Cancel& cancel);

  /// A service did not take the value: the next value() asks anew, since it may have been rotated.
  void forget(const std::string& id);
  /// The same for each reference in the options.
  void forget_all(const Json& options);

  /// The options with each reference in them, at any depth, replaced by its value.
  Result<Json> resolved(const Json& options, const Cancel& cancel);

  const std::vector<std::unique_ptr<Keeper>>& keepers() const { return keepers_; }

 private:
  struct Kept;
  Result<std::string> text_of(const std::string& id, const Cancel& cancel);

  const std::vector<std::unique_ptr<Keeper>> keepers_;
  Clock& clock_;
  std::shared_ptr<Kept> kept_;
};

}  // namespace weir::secrets
