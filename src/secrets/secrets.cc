#include "secrets/secrets.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/process.h"
#include "base/redact.h"

namespace weir::secrets {
namespace {

constexpr int64_t kKeptUs = int64_t{5} * 60 * 1'000'000;
constexpr size_t kLongestId = 512;  // of Secrets Manager

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kLongestId && std::ranges::all_of(id, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/_+=.@-").find(c) != std::string_view::npos;
  });
}

/// The field of a secret that is a JSON object; a number or a truth as its text.
Result<std::string> field_of(const std::string& text, const Reference& reference) {
  const auto refuse = [&](std::string_view why) {
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("secret '{}' has no field '{}': {}", reference.id, reference.field, why),
        fmt::format("keep it as a JSON object with that field, or refer to the whole: secret://{}",
                    reference.id));
  };
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return refuse("it is no JSON object");
  const auto found = json->find(reference.field);
  if (found == json->end()) return refuse("the object has others");
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number() || found->is_boolean()) return dump_json(*found);
  return refuse("what it holds is no plain value");
}

/// Every plain value that a secret holds.
void remember_all(const std::string& text) {
  process_redactor().remember(text);
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return;
  // Host names and ports stand beside the passwords, and people must be able to read them.
  static constexpr std::string_view kPlain[] = {"host",   "hostname", "port",     "engine",
                                                "user",   "username", "database", "dbname",
                                                "region", "endpoint", "schema"};
  for (const auto& [name, value] : json->items())
    if (value.is_string() && std::ranges::find(kPlain, name) == std::end(kPlain))
      process_redactor().remember(value.get_ref<const std::string&>());
}

}  // namespace

struct Secrets::Kept {
  struct Value {
    std::string text;
    int64_t until_us = 0;  ///< By the monotonic clock.
  };
  std::mutex mutex;
  std::map<std::string, Value> values WEIR_GUARDED_BY(mutex);
};

Result<Reference> parse_reference(std::string_view text) {
  const std::string_view rest = refers_to_secret(text) ? text.substr(kSecretScheme.size()) : "";
  const size_t hash = rest.find('#');
  Reference reference;
  reference.id = rest.substr(0, hash);
  if (hash != std::string_view::npos) reference.field = rest.substr(hash + 1);
  const bool has_empty_field = hash != std::string_view::npos && reference.field.empty();
  if (!is_id(reference.id) || has_empty_field)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' refers to no secret", text),
                          "write secret://id or secret://id#field; an id has letters, digits and "
                          "/ _ + = . @ -");
  return reference;
}

Result<Reference> parse_secret_id(std::string_view text) {
  WEIR_ASSIGN(
      Reference reference,
      parse_reference(refers_to_secret(text) ? std::string(text)
                                             : std::string(kSecretScheme) + std::string(text)));
  if (reference.field.empty()) return reference;
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'{}' is part of a secret; the whole is needed here", text),
                        fmt::format("write {}", reference.id));
}

Secrets::Secrets(std::vector<std::unique_ptr<Keeper>> keepers, Clock& clock)
    : keepers_(std::move(keepers)), clock_(clock), kept_(std::make_shared<Kept>()) {}

Result<std::string> Secrets::text_of(const std::string& id, const Cancel& cancel) {
  {
    const std::lock_guard lock(kept_->mutex);
    const auto found = kept_->values.find(id);
    if (found != kept_->values.end() && clock_.monotonic_us() < found->second.until_us)
      return found->second.text;
  }
  std::string asked;
  for (const auto& keeper : keepers_) {
    auto text = keeper->fetch(id, cancel);
    if (!text && text.error().code == ErrorCode::kNotFound) {
      asked += (asked.empty() ? "" : ", ") + keeper->name();
      continue;
    }
    if (!text)
      return std::unexpected(std::move(text).error().while_doing(
          fmt::format("asking {} for secret '{}'", keeper->name(), id)));
    keep_memory_private();
    remember_all(*text);
    const std::lock_guard lock(kept_->mutex);
    kept_->values[id] = {*text, clock_.monotonic_us() + kKeptUs};
    return text;
  }
  return fail_with_hint(
      ErrorCode::kNotFound,
      fmt::format("there is no secret '{}'; asked: {}", id, asked.empty() ? "nobody" : asked),
      fmt::format("`weir secret set {}` keeps one", id));
}

Result<std::string> Secrets::value(const Reference& reference, const Cancel& cancel) {
  WEIR_ASSIGN(std::string text, text_of(reference.id, cancel));
  if (reference.field.empty()) return text;
  WEIR_ASSIGN(std::string value, field_of(text, reference));
  // Also what looks like a plain field, where somebody refers to it.
  process_redactor().remember(value);
  return value;
}

void Secrets::forget(const std::string& id) {
  const std::lock_guard lock(kept_->mutex);
  kept_->values.erase(id);
}

void Secrets::forget_all(const Json& options) {
  if (options.is_string()) {
    const auto reference = parse_reference(options.get_ref<const std::string&>());
    if (reference) forget(reference->id);
  }
  if (!options.is_structured()) return;
  for (const auto& each : options) forget_all(each);
}

Result<Json> Secrets::resolved(const Json& options, const Cancel& cancel) {
  if (options.is_string() && refers_to_secret(options.get_ref<const std::string&>())) {
    WEIR_ASSIGN(const Reference reference, parse_reference(options.get_ref<const std::string&>()));
    WEIR_ASSIGN(std::string text, value(reference, cancel));
    return Json(std::move(text));
  }
  if (!options.is_structured()) return options;
  Json with_values = options;
  for (auto& each : with_values) {
    WEIR_ASSIGN(each, resolved(each, cancel));
  }
  return with_values;
}

}  // namespace weir::secrets
