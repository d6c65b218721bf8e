#include "base/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"

namespace weir {
namespace {

constexpr size_t kShortest = 4;

bool is_unreserved(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

std::string url_encoded(std::string_view text, const char* hex) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(c))
      encoded += c;
    else
      (encoded += '%').append({hex[byte >> 4], hex[byte & 15]});
  }
  return encoded;
}

/// What every Base64 text has in common that holds the value behind `before` other bytes: without
/// the digits into which its neighbours' bits come.
std::string base64_core(std::string_view value, size_t before) {
  const std::string text = base64(std::string(before, '\0') + std::string(value));
  const size_t first = before == 0 ? 0 : before + 1;
  const size_t whole = (before + value.size()) * 4 / 3;
  return whole > first ? text.substr(first, whole - first) : std::string();
}

std::string lower(std::string_view text) {
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return folded;
}

// Ends of names whose values are secrets. `token` alone is none: operations have tokens, and those
// are what a person looks for.
constexpr std::array<std::string_view, 16> kSecretNames = {
    "password",     "passwd",        "pwd",           "passphrase",
    "secret",       "secret_key",    "api_key",       "apikey",
    "access_token", "refresh_token", "client_secret", "private_key",
    "bearer",       "session_token", "authorization", "secret_access_key"};

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

/// Where the value of `name` ends that begins at `at`.
size_t end_of_value(std::string_view text, size_t at) {
  if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
    const char quote = text[at];
    size_t end = at + 1;
    while (end < text.size() && text[end] != quote) end += text[end] == '\\' ? 2 : 1;
    return std::min(end, text.size());
  }
  constexpr std::string_view kEnds = " \t\r\n,;&)}]\"'";
  const size_t end = text.find_first_of(kEnds, at);
  return end == std::string_view::npos ? text.size() : end;
}

/// `Authorization: Bearer xyz`: the scheme is no secret, what follows it is.
size_t after_scheme(std::string_view text, size_t at) {
  const std::string rest = lower(text.substr(at, 8));
  for (const std::string_view scheme : {"bearer ", "basic ", "digest "})
    if (rest.starts_with(scheme)) return at + scheme.size();
  return at;
}

std::string without_named(std::string_view text) {
  std::string cleaned;
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    if (!is_name_character(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_name_character(text[end])) ++end;
    const std::string_view name = text.substr(i, end - i);
    i = end;
    if (!names_secret(name)) continue;
    size_t at = end;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) ++at;
    while (at < text.size() && text[at] == ' ') ++at;
    if (at >= text.size() || (text[at] != '=' && text[at] != ':')) continue;
    // `secret://id` is a reference, and meant to be seen.
    if (text.substr(at).starts_with("://")) continue;
    ++at;
    while (at < text.size() && text[at] == ' ') ++at;
    at = after_scheme(text, at);
    const bool is_quoted = at < text.size() && (text[at] == '"' || text[at] == '\'');
    const size_t value = is_quoted ? at + 1 : at;
    const size_t stop = end_of_value(text, at);
    if (stop <= value || refers_to_secret(text.substr(value))) continue;
    cleaned += text.substr(done, value - done);
    cleaned += kRedacted;
    done = i = stop;
  }
  return cleaned += text.substr(done);
}

}  // namespace

bool names_secret(std::string_view name) {
  std::string folded = lower(name);
  std::ranges::replace(folded, '-', '_');
  return std::ranges::any_of(kSecretNames, [&](std::string_view each) {
    return folded.ends_with(each) &&
           (folded.size() == each.size() || folded[folded.size() - each.size() - 1] == '_');
  });
}

void Redactor::remember(std::string_view value) {
  if (value.size() < kShortest) return;
  std::vector<std::string> forms = {std::string(value), url_encoded(value, "0123456789abcdef"),
                                    url_encoded(value, "0123456789ABCDEF"), to_hex(value)};
  const std::string json = dump_json(Json(std::string(value)));
  forms.push_back(json.substr(1, json.size() - 2));
  for (size_t before = 0; before < 3; ++before) {
    std::string core = base64_core(value, before);
    if (core.size() < kShortest) continue;
    std::string other = core;
    std::ranges::replace(other, '+', '-');
    std::ranges::replace(other, '/', '_');
    forms.push_back(std::move(core));
    forms.push_back(std::move(other));
  }
  const std::lock_guard lock(mutex_);
  for (auto& form : forms)
    if (std::ranges::find(forms_, form) == forms_.end()) forms_.push_back(std::move(form));
  std::ranges::stable_sort(forms_, std::greater{}, &std::string::size);
}

std::string Redactor::without_values(std::string_view text) const {
  std::string cleaned(text);
  const std::lock_guard lock(mutex_);
  for (const auto& form : forms_)
    for (size_t at = cleaned.find(form); at != std::string::npos;
         at = cleaned.find(form, at + kRedacted.size()))
      cleaned.replace(at, form.size(), kRedacted);
  return cleaned;
}

std::string Redactor::clean(std::string_view text) const {
  return without_named(without_values(text));
}

Redactor& process_redactor() {
  static Redactor redactor;
  return redactor;
}

Error without_secrets(Error error) {
  const Redactor& redactor = process_redactor();
  error.message = redactor.clean(error.message);
  error.hint = redactor.clean(error.hint);
  for (auto& step : error.trail) step = redactor.clean(step);
  if (error.place) error.place->text = redactor.clean(error.place->text);
  return error;
}

}  // namespace weir
