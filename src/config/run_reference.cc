#include "config/run_reference.h"

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/time_format.h"
#include "config/sql_walker.h"
#include "model/names.h"
#include "model/schema.h"

namespace weir::config {
namespace {

constexpr std::array<std::string_view, 4> kGroups = {"params.", "trigger.", "schedule.", "run."};
/// Of these the last step is the user's own.
constexpr std::array<std::string_view, 3> kOpenGroups = {"params.", "trigger.key.", "trigger.set."};

bool begins_reference(std::string_view text) {
  return text.starts_with("${") && is_run_reference(text.substr(2));
}

/// A stretch of a text: literal, or a reference.
struct Piece {
  std::string literal = {};
  std::optional<RunReference> reference = {};
};

Result<std::vector<Piece>> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) pieces.push_back({.literal = std::move(literal), .reference = {}});
    literal.clear();
  };
  while (!text.empty()) {
    const auto at = text.find("${");
    literal += text.substr(0, at);
    if (at == std::string_view::npos) break;
    const bool is_escaped = at > 0 && text[at - 1] == '$';
    const bool is_reference = begins_reference(text.substr(at));
    if (!is_reference || is_escaped) {
      if (is_reference) literal.pop_back();
      literal += "${";
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'{}' has no '}}'", text.substr(at, 40)),
                            "write $${ for a text that has ${ in it");
    end_literal();
    WEIR_ASSIGN(auto reference, read_run_reference(text.substr(at + 2, end - at - 2)));
    pieces.push_back({.literal = {}, .reference = std::move(reference)});
    text.remove_prefix(end + 1);
  }
  end_literal();
  return pieces;
}

/// A value in the middle of a text.
Result<std::string> words_of(const RunReference& reference, const Json& value) {
  if (value.is_structured())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' is {}, which no text can hold", reference.words,
                                      value.is_array() ? "a list" : "a map"),
                          "let it stand alone, as the whole value");
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : dump_json(value);
}

Result<Json> put_in_text(std::string_view text, const ValueOf& value_of) {
  WEIR_ASSIGN(const auto pieces, pieces_of(text));
  if (pieces.size() == 1 && pieces.front().reference) return value_of(*pieces.front().reference);
  std::string out;
  for (const auto& piece : pieces) {
    out += piece.literal;
    if (!piece.reference) continue;
    WEIR_ASSIGN(const Json value, value_of(*piece.reference));
    WEIR_ASSIGN(const std::string words, words_of(*piece.reference, value));
    out += words;
  }
  return Json(std::move(out));
}

Status add_references(const Json& value, std::vector<RunReference>& found) {
  if (value.is_string()) {
    WEIR_ASSIGN(const auto pieces, pieces_of(value.get_ref<const std::string&>()));
    for (const auto& piece : pieces)
      if (piece.reference) found.push_back(*piece.reference);
  } else if (value.is_structured()) {
    for (const auto& item : value) WEIR_TRY(add_references(item, found));
  }
  return {};
}

// ---- SQL -----------------------------------------------------------------------------------

Result<std::string> sql_of(const Json& value) {
  if (value.is_null()) return "NULL";
  if (value.is_number() || value.is_boolean()) return dump_json(value);
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (text.contains('\0'))
      return fail(ErrorCode::kInvalidConfig, "a value for SQL holds a NUL character");
    return model::quote_text(text);
  }
  if (value.is_object()) return fail(ErrorCode::kInvalidConfig, "a map, which SQL cannot take");
  std::string list;
  for (const auto& item : value) {
    WEIR_ASSIGN(const std::string one, sql_of(item));
    list += (list.empty() ? "" : ", ") + one;
  }
  return list.empty() ? "NULL" : list;
}

std::unexpected<Error> misplaced(std::string_view words, std::string_view where) {
  return fail_with_hint(
      ErrorCode::kInvalidConfig,
      fmt::format("'{}' stands {} in SQL", words.substr(0, words.find('}') + 1), where),
      "a value stands within a quoted text of its own: '${params.day}'");
}

bool has_reference(std::string_view text) {
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2))
    if (begins_reference(text.substr(at))) return true;
  return false;
}

/// A text in '…', with all its doubled quotes.
size_t text_length(std::string_view rest) {
  size_t i = 1;
  for (; i < rest.size(); ++i) {
    if (rest[i] != '\'') continue;
    if (i + 1 == rest.size() || rest[i + 1] != '\'') return i + 1;
    ++i;
  }
  return rest.size();
}

std::string unquoted(std::string_view quoted) {
  std::string text;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    text += quoted[i];
    if (quoted[i] == '\'') ++i;
  }
  return text;
}

/// What each quoted text with references becomes; the rest of the SQL as it is.
using Rewrite = std::function<Result<std::string>(const std::string& text)>;

Result<std::string> rewrite_sql(std::string_view sql, const Rewrite& rewrite) {
  if (!has_reference(sql)) return std::string(sql);
  std::string out;
  SqlWalker walker(sql);
  const auto copy = [&](size_t length) {
    out += sql.substr(walker.at, length);
    walker.at += length;
  };
  while (!walker.is_done()) {
    const std::string_view rest = sql.substr(walker.at);
    if (const size_t comment = walker.comment_length(); comment > 0) {
      copy(comment);
      continue;
    }
    const size_t quoted = rest.front() == '\'' ? text_length(rest) : walker.quoted_length();
    if (quoted == 0) {
      if (begins_reference(rest)) return misplaced(rest, "outside of quotes");
      copy(1);
      continue;
    }
    const std::string_view text = rest.substr(0, quoted);
    if (!has_reference(text)) {
      copy(quoted);
      continue;
    }
    const char before = walker.at == 0 ? ' ' : sql[walker.at - 1];
    const std::string_view words = text.substr(text.find("${"));
    if (text.front() != '\'' || text.size() < 2 || text.back() != '\'')
      return misplaced(words, "in quotes of another kind");
    // e'…' and the like read their text in a way of their own.
    if (SqlWalker::is_letter(before) || before == '&')
      return misplaced(words, fmt::format("in a quoted text with '{}' in front", before));
    WEIR_ASSIGN(const std::string made, rewrite(unquoted(text)));
    out += made;
    walker.at += quoted;
  }
  return out;
}

}  // namespace

bool is_run_reference(std::string_view words) {
  return std::ranges::any_of(kGroups,
                             [&](std::string_view group) { return words.starts_with(group); });
}

Result<RunReference> read_run_reference(std::string_view words) {
  RunReference reference;
  reference.words = std::string(words);
  const auto mark = words.find(":-");
  if (mark != std::string_view::npos) {
    reference.otherwise = std::string(words.substr(mark + 2));
    if (reference.otherwise->contains("${"))
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'${{{}}}' has another one within", words),
                            "what stands in is a plain text");
  }
  const std::string_view front = words.substr(0, mark);
  const auto bar = front.find('|');
  reference.name = std::string(front.substr(0, bar));
  static const std::vector<std::string> kNames = {
      "trigger.file",          "trigger.files", "trigger.manifest",      "trigger.control",
      "trigger.key.…",         "trigger.set.…", "schedule.logical_time", "schedule.interval_start",
      "schedule.interval_end", "run.run_id",    "run.logical_time"};
  const std::string& name = reference.name;
  const bool is_open = std::ranges::any_of(kOpenGroups, [&](std::string_view group) {
    return name.starts_with(group) && name.size() > group.size();
  });
  if (!is_open && std::ranges::find(kNames, name) == kNames.end()) {
    const std::string guess = did_you_mean(name, kNames);
    return fail_with_hint(
        ErrorCode::kInvalidConfig, fmt::format("'${{{}}}' is nothing that a run has", name),
        guess.empty() ? fmt::format("params.…, {}", fmt::join(kNames, ", ")) : guess);
  }
  if (bar == std::string_view::npos) return reference;
  if (reference.group() == "trigger" || name == "run.run_id")
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'${{{}}}' has a format, and is no time", words),
                          "leave out what stands behind the '|'");
  reference.format = std::string(front.substr(bar + 1));
  WEIR_TRY(check_time_format(reference.format));
  return reference;
}

std::string keep_literal(std::string text) {
  for (auto at = text.find("${"); at != std::string::npos; at = text.find("${", at + 2)) {
    if (!begins_reference(std::string_view(text).substr(at))) continue;
    text.insert(at, 1, '$');
    ++at;
  }
  return text;
}

Result<std::vector<RunReference>> run_references(const Json& value) {
  std::vector<RunReference> found;
  WEIR_TRY(add_references(value, found));
  return found;
}

Result<std::vector<RunReference>> run_references_of_sql(std::string_view sql) {
  std::vector<RunReference> found;
  const Rewrite collect = [&](const std::string& text) -> Result<std::string> {
    WEIR_TRY(add_references(Json(text), found));
    return std::string();
  };
  WEIR_TRY(rewrite_sql(sql, collect));
  return found;
}

Result<Json> put_in(const Json& value, const ValueOf& value_of) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return has_reference(text) ? put_in_text(text, value_of) : Result<Json>(value);
  }
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& item : out) {
    WEIR_ASSIGN(item, put_in(item, value_of));
  }
  return out;
}

Result<std::string> put_in_sql(std::string_view sql, const ValueOf& value_of) {
  const Rewrite replace = [&](const std::string& text) -> Result<std::string> {
    WEIR_ASSIGN(const Json value, put_in_text(text, value_of));
    return sql_of(value);
  };
  return rewrite_sql(sql, replace);
}

}  // namespace weir::config
