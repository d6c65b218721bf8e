#pragma once

/// How a secret reaches whoever opens a connection: options hold references (`secret://…`), and
/// app/ hands in what follows them. So values are neither in the configuration nor in an operation,
/// and are asked for at the last moment.

#include <functional>

#include "base/cancel.h"
#include "base/json.h"
#include "base/result.h"

namespace weir {

/// The options with each reference in them replaced by its value; kNotFound names who was asked.
/// Safe to call from many threads at once. Empty where nobody keeps secrets.
using ResolveSecrets = std::function<Result<Json>(const Json& options, const Cancel& cancel)>;

}  // namespace weir
