#include "base/json.h"

#include <algorithm>

namespace weir {
namespace {

constexpr int kMaxDepth = 256;

/// Builds a value while it refuses what nlohmann would take: too deep, a key said twice.
class StrictReader : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool item) override { return add(item); }
  bool number_integer(number_integer_t item) override { return add(item); }
  bool number_unsigned(number_unsigned_t item) override { return add(item); }
  bool number_float(number_float_t item, const string_t& /*text*/) override { return add(item); }
  bool string(string_t& text) override { return add(std::move(text)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (stack_.back()->contains(name)) return refuse(fmt::format("key '{}' stands twice", name));
    key_ = name;
    return true;
  }
  bool parse_error(std::size_t at, const std::string& /*token*/,
                   const nlohmann::detail::exception& fault) override {
    position = at;
    return refuse(fault.what());
  }

  Json value;
  std::string problem;
  std::size_t position = 0;

 private:
  bool refuse(std::string text) {
    if (problem.empty()) problem = std::move(text);
    return false;
  }
  Json* place(Json item) {
    if (stack_.empty()) {
      value = std::move(item);
      return &value;
    }
    if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(item));
      return &stack_.back()->back();
    }
    return &((*stack_.back())[key_] = std::move(item));
  }
  bool add(Json item) {
    place(std::move(item));
    return true;
  }
  bool open(Json item) {
    if (stack_.size() >= kMaxDepth) return refuse(fmt::format("deeper than {} levels", kMaxDepth));
    stack_.push_back(place(std::move(item)));
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  std::vector<Json*> stack_;
  std::string key_;
};

std::string_view type_name(const Json& value) { return value.type_name(); }

template <typename T>
std::optional<T> get_as(const Json& value) {
  if constexpr (std::is_same_v<T, Json>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::is_same_v<T, int64_t>) {
    if (value.is_number_integer()) return value.get<int64_t>();
  } else if constexpr (std::is_same_v<T, double>) {
    if (value.is_number()) return value.get<double>();
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    const auto is_text = [](const Json& item) { return item.is_string(); };
    if (value.is_array() && std::ranges::all_of(value, is_text)) return value.get<T>();
  } else {
    if (value.is_string()) return value.get<std::string>();
  }
  return std::nullopt;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  StrictReader reader;
  bool is_whole = false;
  try {
    is_whole = Json::sax_parse(text, &reader);
  } catch (const std::exception& problem) {
    reader.problem = problem.what();
  }
  if (is_whole) return std::move(reader.value);
  const auto until = text.substr(0, std::min(reader.position, text.size()));
  const auto line = 1 + std::count(until.begin(), until.end(), '\n');
  const auto last_break = until.rfind('\n');
  const auto column =
      last_break == std::string_view::npos ? until.size() : until.size() - last_break - 1;
  return fail(ErrorCode::kInvalidData, "no valid JSON at line {}, column {}: {}", line, column,
              reader.problem);
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

template <typename T>
Result<T> json_field(const Json& object, std::string_view key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) return fail(ErrorCode::kInvalidData, "field '{}' is missing", key);
  auto value = get_as<T>(*found);
  if (!value)
    return fail(ErrorCode::kInvalidData, "field '{}' has the wrong type ({})", key,
                type_name(*found));
  return *std::move(value);
}

template <typename T>
Result<T> json_field_or(const Json& object, std::string_view key, T otherwise) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || found->is_null()) return otherwise;
  return json_field<T>(object, key);
}

template Result<bool> json_field<bool>(const Json&, std::string_view);
template Result<int64_t> json_field<int64_t>(const Json&, std::string_view);
template Result<double> json_field<double>(const Json&, std::string_view);
template Result<std::string> json_field<std::string>(const Json&, std::string_view);
template Result<Json> json_field<Json>(const Json&, std::string_view);
template Result<std::vector<std::string>> json_field<std::vector<std::string>>(const Json&,
                                                                               std::string_view);
template Result<bool> json_field_or<bool>(const Json&, std::string_view, bool);
template Result<int64_t> json_field_or<int64_t>(const Json&, std::string_view, int64_t);
template Result<double> json_field_or<double>(const Json&, std::string_view, double);
template Result<std::string> json_field_or<std::string>(const Json&, std::string_view, std::string);
template Result<Json> json_field_or<Json>(const Json&, std::string_view, Json);
template Result<std::vector<std::string>> json_field_or<std::vector<std::string>>(
    const Json&, std::string_view, std::vector<std::string>);

}  // namespace weir
