#include "base/json_path.h"

#include <algorithm>
#include <charconv>

namespace weir {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<JsonPath::Step>> read() {
    if (text_.starts_with('/') || text_.empty()) return read_pointer();
    if (!text_.starts_with('$')) return refuse("it starts with neither '$' nor '/'");
    at_ = 1;
    while (at_ < text_.size()) {
      if (text_[at_] == '.') {
        WEIR_TRY(read_name());
      } else if (text_[at_] == '[') {
        WEIR_TRY(read_bracket());
      } else {
        return refuse(fmt::format("'.' or '[' is expected at character {}", at_ + 1));
      }
    }
    return std::move(steps_);
  }

 private:
  std::unexpected<Error> refuse(std::string_view why) const {
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is no JSON path: {}", text_, why),
                          "write $.data.items, $.rows[*].id, $[\"odd name\"] or /data/items");
  }

  /// A name after its dot, up to the next '.' or '['.
  Status read_name() {
    const size_t end = std::min(text_.find_first_of(".[", at_ + 1), text_.size());
    const auto name = text_.substr(at_ + 1, end - at_ - 1);
    if (name.empty()) return refuse(fmt::format("no name follows at character {}", at_ + 1));
    if (name == "*") return refuse("'.*' is not served; '[*]' takes each element of an array");
    steps_.emplace_back(std::string(name));
    at_ = end;
    return {};
  }

  Status read_bracket() {
    const char quote = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (quote == '"' || quote == '\'') {
      const size_t end = text_.find(quote, at_ + 2);
      if (end == std::string_view::npos || end + 1 >= text_.size() || text_[end + 1] != ']')
        return refuse("a quoted name does not end");
      steps_.emplace_back(std::string(text_.substr(at_ + 2, end - at_ - 2)));
      at_ = end + 2;
      return {};
    }
    const size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) return refuse("a '[' does not close");
    const auto inner = text_.substr(at_ + 1, end - at_ - 1);
    int64_t index = 0;
    const auto [stop, error] = std::from_chars(inner.data(), inner.data() + inner.size(), index);
    if (inner == "*") {
      steps_.emplace_back(JsonPath::Every{});
    } else if (error == std::errc() && stop == inner.data() + inner.size()) {
      steps_.emplace_back(index);
    } else {
      return refuse(fmt::format("'[{}]' holds no number, '*' or quoted name", inner));
    }
    at_ = end + 1;
    return {};
  }

  Result<std::vector<JsonPath::Step>> read_pointer() {
    while (at_ < text_.size()) {
      const size_t end = std::min(text_.find('/', at_ + 1), text_.size());
      std::string name;
      for (size_t i = at_ + 1; i < end; ++i) {
        const auto pair = text_.substr(i, 2);
        if (pair == "~0" || pair == "~1") {
          name += pair == "~0" ? '~' : '/';
          ++i;
        } else {
          name += text_[i];
        }
      }
      steps_.emplace_back(std::move(name));
      at_ = end;
    }
    return std::move(steps_);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<JsonPath::Step> steps_;
};

/// The element of that place; from the end where it is below 0.
const Json* element(const Json& array, int64_t index) {
  const auto size = static_cast<int64_t>(array.size());
  if (index < 0) index += size;
  return index < 0 || index >= size ? nullptr : &array[static_cast<size_t>(index)];
}

const Json* member(const Json& value, const std::string& name) {
  if (value.is_object()) {
    const auto found = value.find(name);
    return found == value.end() ? nullptr : &*found;
  }
  // A pointer does not tell names from places.
  int64_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool is_place = error == std::errc() && end == name.data() + name.size() && index >= 0;
  return value.is_array() && is_place ? element(value, index) : nullptr;
}

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) {
  JsonPath path;
  path.text_ = text;
  WEIR_ASSIGN(path.steps_, Reader(text).read());
  return path;
}

bool JsonPath::has_every() const {
  return std::ranges::any_of(steps_,
                             [](const Step& step) { return std::holds_alternative<Every>(step); });
}

std::vector<const Json*> JsonPath::find_all(const Json& root) const {
  std::vector<const Json*> values = {&root};
  for (const Step& step : steps_) {
    std::vector<const Json*> next;
    for (const Json* value : values) {
      if (const auto* name = std::get_if<std::string>(&step)) {
        if (const Json* found = member(*value, *name)) next.push_back(found);
      } else if (const auto* index = std::get_if<int64_t>(&step)) {
        const Json* found = value->is_array() ? element(*value, *index) : nullptr;
        if (found != nullptr) next.push_back(found);
      } else if (value->is_array()) {
        for (const Json& each : *value) next.push_back(&each);
      }
    }
    values = std::move(next);
  }
  return values;
}

const Json* JsonPath::find(const Json& root) const {
  const auto values = find_all(root);
  return values.empty() ? nullptr : values.front();
}

}  // namespace weir
