#include "notify/message.h"

#include <algorithm>

#include "base/nearest.h"

namespace weir::notify {
namespace {

constexpr size_t kLongestSubject = 120;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// Calls `literal` and `field` with the parts of the text, in order; false where a field does not
/// end.
template <typename Literal, typename OnField>
bool walk(std::string_view text, const Literal& literal, const OnField& field) {
  while (true) {
    const auto at = text.find("{{");
    literal(text.substr(0, at));
    if (at == std::string_view::npos) return true;
    const auto end = text.find("}}", at);
    if (end == std::string_view::npos) return false;
    field(trimmed(text.substr(at + 2, end - at - 2)));
    text.remove_prefix(end + 2);
  }
}

std::string text_of(const Json& fields, std::string_view name) {
  const auto found = fields.find(std::string(name));
  if (found == fields.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : dump_json(*found);
}

std::string in_capitals(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '_' ? ' ' : c;
  });
  return text;
}

/// Not within a character of UTF-8.
std::string shortened(std::string text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string first_sentence(const Json& fields) {
  const auto field = [&](std::string_view name) { return text_of(fields, name); };
  const std::string event = field("event");
  std::string text = fmt::format("Flow '{}' of project '{}' ", field("flow"), field("project"));
  if (event == "test") return "This is a test: notifications of weir arrive here.";
  if (event == "slow") return text + fmt::format("has run for {}, and goes on.", field("duration"));
  if (event == "late" && field("run_id").empty())
    return text + "waits for files that should be there.";
  if (event == "late")
    return text +
           fmt::format("is late: it is {} and has not ended by its deadline.", field("state"));
  if (event == "failed" && field("run_id").empty())
    return text +
           fmt::format("cannot start, and is tried again by itself: {}", field("error_code"));
  if (event == "recovered") return text + "succeeded again, after it had failed.";
  if (event == "held")
    return text + fmt::format("is held at task '{}': {}", field("task"), field("held_reason"));
  text += field("state");
  if (!field("task").empty()) text += fmt::format(" at task '{}'", field("task"));
  const std::string attempt = field("attempt");
  if (!attempt.empty() && attempt != "0" && attempt != "1")
    text += fmt::format(" (attempt {})", attempt);
  if (!field("error_code").empty()) text += fmt::format(": {}", field("error_code"));
  return text;
}

}  // namespace

const std::vector<Field>& message_fields() {
  static const std::vector<Field> kFields = {
      {"event",
       "failed, schema_drift, held, cancelled, slow, late, recovered, succeeded, or test."},
      {"severity", "error, warning or info."},
      {"project", "Name of the project."},
      {"flow", "The flow."},
      {"run_id", "The run; empty where it could not start."},
      {"state", "Of the run: failed, succeeded, cannot start, …"},
      {"task", "The task, where it is about one."},
      {"attempt", "The attempt of the task that was the last."},
      {"error_code", "What kind of error: docs/reference/errors.md."},
      {"message", "The error's message."},
      {"hint", "What can be done about it."},
      {"trail", "What was done meanwhile, innermost first, a line each."},
      {"held_reason", "Why a task is held."},
      {"also_failed", "Other tasks that failed."},
      {"command", "The command that goes on."},
      {"link", "The rule's link."},
      {"at", "When it happened, UTC."},
      {"started_at", "When the run started, UTC."},
      {"duration", "How long the run took."},
      {"rule", "The rule that told."},
      {"key", "The same for every try of this message."},
      {"subject", "The message's subject; for bodies of webhooks."},
      {"body", "The message's body; for bodies of webhooks."},
  };
  return kFields;
}

Status check_template(std::string_view text) {
  std::string unknown;
  const bool is_whole = walk(
      text, [](std::string_view) {},
      [&](std::string_view name) {
        if (std::ranges::find(message_fields(), name, &Field::name) == message_fields().end() &&
            unknown.empty())
          unknown = name.empty() ? "(nothing)" : std::string(name);
      });
  if (!is_whole) return fail(ErrorCode::kInvalidConfig, "a '{{{{' has no '}}}}'");
  if (unknown.empty()) return {};
  std::vector<std::string> names;
  for (const auto& each : message_fields()) names.emplace_back(each.name);
  const std::string guess = did_you_mean(unknown, names);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("unknown field '{}'", unknown),
                        guess.empty() ? fmt::format("fields: {}", fmt::join(names, ", ")) : guess);
}

std::string render(std::string_view text, const Json& fields, Escape escape) {
  std::string out;
  const auto add = [&](std::string_view name) {
    std::string value = text_of(fields, name);
    if (escape == Escape::kJson) {
      value = dump_json(Json(std::move(value)));
      value = value.substr(1, value.size() - 2);
    }
    out += value;
  };
  walk(text, [&](std::string_view literal) { out += literal; }, add);
  return out;
}

std::string usual_subject(const Json& fields) {
  const auto field = [&](std::string_view name) { return text_of(fields, name); };
  std::string text =
      fmt::format("weir {}: {}/{}", in_capitals(field("event")), field("project"), field("flow"));
  if (!field("task").empty()) text += fmt::format(", task {}", field("task"));
  const std::string why = field("error_code").empty() ? field("held_reason") : field("error_code");
  if (!why.empty()) text += fmt::format(" ({})", why);
  return shortened(std::move(text), kLongestSubject);
}

std::string usual_body(const Json& fields) {
  const auto field = [&](std::string_view name) { return text_of(fields, name); };
  std::string text = first_sentence(fields) + "\n";
  if (!field("message").empty()) text += field("message") + "\n";
  if (!field("hint").empty()) text += "Help: " + field("hint") + "\n";
  if (!field("command").empty()) text += "To go on: " + field("command") + "\n";
  if (!field("link").empty()) text += "See: " + field("link") + "\n";
  if (!field("also_failed").empty()) text += "Failed, too: " + field("also_failed") + "\n";
  const std::string steps = field("trail");
  for (std::string_view rest = steps; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    text += fmt::format("  while {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (field("run_id").empty()) return text;
  text += fmt::format("\nRun {}\n", field("run_id"));
  if (!field("started_at").empty()) text += fmt::format("Started {}", field("started_at"));
  if (!field("duration").empty()) text += fmt::format(", took {}", field("duration"));
  return text + fmt::format("\nLog: weir logs {}\n", field("run_id"));
}

}  // namespace weir::notify
