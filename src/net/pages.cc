#include "net/pages.h"

#include <algorithm>
#include <cctype>

#include "base/nearest.h"
#include "base/printable.h"
#include "base/redact.h"

namespace weir::net {
namespace {

using By = PageRules::By;

const std::vector<std::pair<std::string, By>>& words() {
  static const std::vector<std::pair<std::string, By>> kWords = {
      {"none", By::kNone},     {"page", By::kPage}, {"offset", By::kOffset},
      {"cursor", By::kCursor}, {"link", By::kLink}, {"next_url", By::kNextUrl}};
  return kWords;
}

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, "parameter 'pagination' " + std::move(message),
                        std::move(hint));
}

Result<By> by_of(const std::string& word) {
  std::vector<std::string> names;
  for (const auto& [name, by] : words()) {
    if (name == word) return by;
    names.push_back(name);
  }
  return refuse(fmt::format("is by '{}'", word),
                did_you_mean(word, names) + fmt::format("it is by {}", fmt::join(names, ", ")));
}

Result<std::optional<JsonPath>> path_of(const Json& said, const char* key) {
  WEIR_ASSIGN(const auto text, json_field_or<std::string>(said, key, ""));
  if (text.empty()) return std::nullopt;
  WEIR_ASSIGN(auto path, JsonPath::parse(text));
  return path;
}

Status check_known(const Json& said) {
  static const std::vector<std::string> kKnown = {"by",    "parameter", "first", "size_parameter",
                                                  "size",  "cursor",    "next",  "more",
                                                  "total", "pages"};
  for (const auto& [name, value] : said.items())
    if (std::ranges::find(kKnown, name) == kKnown.end())
      return refuse(fmt::format("has no '{}'", name),
                    did_you_mean(name, kKnown) + fmt::format("it has {}", fmt::join(kKnown, ", ")));
  return {};
}

Status check_whole(const PageRules& rules) {
  const bool counts = rules.by == By::kPage || rules.by == By::kOffset;
  if ((counts || rules.by == By::kCursor) && rules.parameter.empty())
    return refuse("lacks 'parameter'", "name the parameter that asks for a page");
  if (rules.by == By::kCursor && !rules.next)
    return refuse("lacks 'cursor'", "say where an answer has it: cursor: $.meta.next_cursor");
  if (rules.by == By::kNextUrl && !rules.next)
    return refuse("lacks 'next'", "say where an answer has it: next: $.links.next");
  // Without it nobody would see the end, or an error that comes as 200.
  if ((counts || rules.total) && !rules.records)
    return refuse("counts records, and 'records' does not say where they are",
                  "write records: $.data");
  if (rules.size_parameter.empty() != (rules.size == 0))
    return refuse("has only one of 'size' and 'size_parameter'", "");
  return {};
}

/// The value of a cursor or address as text; empty where there is none.
Result<std::string> text_of(const Json* value, const JsonPath& path) {
  if (value == nullptr || value->is_null()) return std::string();
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return dump_json(*value);
  if (*value == false) return std::string();
  return fail(ErrorCode::kInvalidData, "what stands at {} is neither text nor a whole number: {}",
              path.text(), printable(dump_json(*value).substr(0, 100)));
}

Result<int64_t> number_of(const PageAnswer& page, const JsonPath& path) {
  const Json* value = path.find(*page.body);
  if (value != nullptr && value->is_number_integer()) return value->get<int64_t>();
  return fail(ErrorCode::kInvalidData, "the answer has no whole number at {}", path.text());
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Whether one of the words of a parameter `rel` is next.
bool is_next(std::string_view relation) {
  std::string folded;
  for (const char c : relation)
    folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return (" " + folded + " ").find(" next ") != std::string::npos;
}

}  // namespace

std::optional<std::string> next_link(std::string_view header) {
  size_t at = 0;
  while ((at = header.find('<', at)) != std::string_view::npos) {
    const size_t end = header.find('>', at);
    if (end == std::string_view::npos) return std::nullopt;
    const auto target = header.substr(at + 1, end - at - 1);
    // Parameters up to the ',' that no quotes hold.
    std::string_view rest = header.substr(end + 1);
    bool is_quoted = false;
    size_t stop = 0;
    std::vector<std::string> parameters(1);
    for (; stop < rest.size(); ++stop) {
      const char c = rest[stop];
      if (c == '"') is_quoted = !is_quoted;
      if (!is_quoted && c == ',') break;
      if (!is_quoted && c == ';')
        parameters.emplace_back();
      else
        parameters.back() += c;
    }
    for (const std::string& parameter : parameters) {
      const size_t equals = std::min(parameter.find('='), parameter.size());
      std::string name(trimmed(parameter.substr(0, equals)));
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      std::string_view value =
          trimmed(std::string_view(parameter).substr(std::min(equals + 1, parameter.size())));
      if (value.size() > 1 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      if (name == "rel" && is_next(value)) return std::string(target);
    }
    at = end + 1 + stop;
  }
  return std::nullopt;
}

Result<PageRules> read_page_rules(const Json& pagination, const std::string& records) {
  PageRules rules;
  if (!records.empty()) {
    WEIR_ASSIGN(rules.records,
                while_doing(JsonPath::parse(records), "reading parameter 'records'"));
  }
  if (pagination.is_null() || pagination == "none") return rules;
  if (!pagination.is_object()) {
    if (!pagination.is_string()) return refuse("is neither a word nor an object", "");
    WEIR_ASSIGN(rules.by, by_of(pagination.get<std::string>()));
  } else {
    WEIR_TRY(check_known(pagination));
    WEIR_ASSIGN(const auto word, json_field_or<std::string>(pagination, "by", ""));
    WEIR_ASSIGN(rules.by, by_of(word));
    WEIR_ASSIGN(rules.parameter, json_field_or<std::string>(pagination, "parameter", ""));
    const int64_t first = rules.by == By::kOffset ? 0 : 1;
    WEIR_ASSIGN(rules.first, json_field_or<int64_t>(pagination, "first", first));
    WEIR_ASSIGN(rules.size_parameter, json_field_or<std::string>(pagination, "size_parameter", ""));
    WEIR_ASSIGN(rules.size, json_field_or<int64_t>(pagination, "size", 0));
    const char* const next = rules.by == By::kCursor ? "cursor" : "next";
    WEIR_ASSIGN(rules.next, path_of(pagination, next));
    WEIR_ASSIGN(rules.more, path_of(pagination, "more"));
    WEIR_ASSIGN(rules.total, path_of(pagination, "total"));
    WEIR_ASSIGN(rules.pages, path_of(pagination, "pages"));
  }
  WEIR_TRY(check_whole(rules));
  return rules;
}

PageRequest Pages::numbered(int64_t number) const {
  PageRequest request;
  if (rules_.by == By::kPage || rules_.by == By::kOffset)
    request.parameters.emplace_back(rules_.parameter, fmt::format("{}", number));
  if (rules_.size > 0)
    request.parameters.emplace_back(rules_.size_parameter, fmt::format("{}", rules_.size));
  return request;
}

PageRequest Pages::first() {
  PageRequest request = numbered(rules_.first);
  static_cast<void>(remember(request));
  return request;
}

Status Pages::remember(const PageRequest& request) {
  std::string key = request.url;
  for (const auto& [name, value] : request.parameters) key += fmt::format("\n{}={}", name, value);
  if (asked_.insert(key).second) return {};
  const std::string what = request.url.empty() ? request.parameters.front().second : request.url;
  return fail_with_hint(ErrorCode::kInvalidData,
                        fmt::format("the service leads in a circle: after page {} comes '{}' again",
                                    pages_, printable(what.substr(0, what.find('?')))),
                        "does `pagination` name the right place in the answer?");
}

Status Pages::count_records(const PageAnswer& page) {
  last_records_.reset();
  if (!rules_.records) return {};
  const Json* found = rules_.records->find(*page.body);
  if (rules_.records->has_every()) {
    last_records_ = static_cast<int64_t>(rules_.records->find_all(*page.body).size());
  } else if (found == nullptr) {
    return fail_with_hint(
        ErrorCode::kInvalidData,
        fmt::format("the answer has nothing at {}: {}", rules_.records->text(),
                    printable(process_redactor().clean(dump_json(*page.body)).substr(0, 200))),
        "is it an error that comes as 200? `records` says where records are");
  } else if (found->is_array()) {
    last_records_ = static_cast<int64_t>(found->size());
  } else {
    last_records_ = found->is_null() ? 0 : 1;
  }
  records_ += *last_records_;
  return {};
}

/// What the answer says of more to come.
Result<bool> Pages::is_last(const PageAnswer& page) {
  says_more_ = false;
  if (rules_.more) {
    const Json* more = rules_.more->find(*page.body);
    if (more == nullptr || !more->is_boolean())
      return fail(ErrorCode::kInvalidData, "the answer has neither true nor false at {}",
                  rules_.more->text());
    if (*more == false) return true;
    says_more_ = true;
  }
  if (rules_.pages) {
    WEIR_ASSIGN(const int64_t pages, number_of(page, *rules_.pages));
    if (pages_ >= pages) return true;
  }
  if (!rules_.total) return false;
  WEIR_ASSIGN(const int64_t total, number_of(page, *rules_.total));
  if (records_ >= total) return true;
  if (last_records_ == 0 && (rules_.by == By::kPage || rules_.by == By::kOffset))
    warnings_.push_back(
        fmt::format("the service says there are {} records, and gave {}", total, records_));
  return false;
}

Result<std::optional<PageRequest>> Pages::next_of(const PageAnswer& page) {
  switch (rules_.by) {
    case By::kNone: return std::nullopt;
    case By::kPage:
    case By::kOffset:
      if (last_records_ == 0) return std::nullopt;
      return numbered(rules_.by == By::kPage ? rules_.first + pages_ : rules_.first + records_);
    case By::kCursor: {
      WEIR_ASSIGN(const auto cursor, text_of(rules_.next->find(*page.body), *rules_.next));
      if (cursor.empty()) return std::nullopt;
      PageRequest request = numbered(0);
      request.parameters.emplace_back(rules_.parameter, cursor);
      return request;
    }
    case By::kLink:
    case By::kNextUrl: break;
  }
  std::string reference = next_link(page.link).value_or("");
  if (rules_.by == By::kNextUrl) {
    WEIR_ASSIGN(reference, text_of(rules_.next->find(*page.body), *rules_.next));
  }
  if (reference.empty()) return std::nullopt;
  WEIR_ASSIGN(const Url here, parse_url(page.url));
  PageRequest request;
  WEIR_ASSIGN(request.url, resolve_url(here, reference));
  return request;
}

Result<std::optional<PageRequest>> Pages::after(const PageAnswer& page) {
  ++pages_;
  WEIR_TRY(count_records(page));
  WEIR_ASSIGN(const bool ends_here, is_last(page));
  if (ends_here) return std::nullopt;
  // The same bytes again, with records in them: the service does not look at what is asked.
  if (last_records_.value_or(1) > 0 && rules_.by != By::kNone && !seen_.insert(page.sha256).second)
    return fail_with_hint(ErrorCode::kInvalidData,
                          fmt::format("page {} is one that came before, byte by byte", pages_),
                          "does the service take the parameter that `pagination` names?");
  WEIR_ASSIGN(auto next, next_of(page));
  if (!next && says_more_ && last_records_ != 0)
    return fail(ErrorCode::kInvalidData, "the answer says at {} that more follows, and not where",
                rules_.more->text());
  if (next) WEIR_TRY(remember(*next));
  return next;
}

}  // namespace weir::net
