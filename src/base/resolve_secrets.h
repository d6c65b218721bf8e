#pragma once

/// How a secret reaches whoever opens a connection: options hold references (`secret://…`), and
/// app/ hands in what follows them. So values are neither in the configuration nor in an operation,
/// and are asked for at the last moment.

#include <functional>
#include <type_traits>
#include <utility>

#include "base/cancel.h"
#include "base/json.h"
#include "base/result.h"

namespace weir {

/// Safe to call from many threads at once. Empty where nobody keeps secrets.
class ResolveSecrets {
 public:
  using Resolve = std::function<Result<Json>(const Json& options, const Cancel& cancel)>;
  using Forget = std::function<void(const Json& options)>;

  ResolveSecrets() = default;
  /// Without `forget` values are asked for anew each time.
  ResolveSecrets(Resolve resolve, Forget forget)
      : resolve_(std::move(resolve)), forget_(std::move(forget)) {}

  explicit operator bool() const { return resolve_ != nullptr; }
  /// The options with each reference in them replaced by its value; kNotFound names who was asked.
  Result<Json> operator()(const Json& options, const Cancel& cancel) const {
    return resolve_(options, cancel);
  }
  /// Their values are asked for anew the next time.
  void forget(const Json& options) const {
    if (forget_) forget_(options);
  }

 private:
  Resolve resolve_;
  Forget forget_;
};

/// `open(options)` with references followed. Where the other side denies it the values may have
/// been rotated since they were asked for: then once more with newer ones, if there are any.
template <typename Open>
auto open_with_secrets(const ResolveSecrets& secrets, const Json& options, const Cancel& cancel,
                       Open&& open) -> std::invoke_result_t<Open&, const Json&> {
  if (!secrets) return open(options);
  WEIR_ASSIGN(const Json given, secrets(options, cancel));
  auto opened = open(given);
  if (opened || opened.error().code != ErrorCode::kDenied) return opened;
  secrets.forget(options);
  WEIR_ASSIGN(const Json newer, secrets(options, cancel));
  if (newer == given) return opened;
  return open(newer);
}

}  // namespace weir
