#include "sql/lineage/expression.h"

#include <algorithm>
#include <array>

namespace weir::sql::lineage {
namespace {

const Json kNothing = nullptr;
const Json kEmptyList = Json::array();

/// Kinds of expressions and where those stand that they are computed from, each used directly.
struct Shape {
  std::string_view kind;
  std::array<const char*, 3> parts;
};
constexpr std::array<Shape, 8> kShapes = {{
    {"BOUND_BETWEEN", {"input", "lower", "upper"}},
    {"BOUND_CAST", {"child", "", ""}},
    {"BOUND_COMPARISON", {"left", "right", ""}},
    {"BOUND_CONJUNCTION", {"children", "", ""}},
    // What a lambda captures stands among the children; its body counts columns of its own.
    {"BOUND_FUNCTION", {"children", "", ""}},
    {"BOUND_OPERATOR", {"children", "", ""}},
    {"BOUND_CONSTANT", {"", "", ""}},
    {"BOUND_UNNEST", {"child", "", ""}},
}};

class Reader {
 public:
  explicit Reader(const Relation& over) : over_(over) {}

  Result<Value> read(const Json& expression) {
    const std::string kind = text_of(expression, "expression_class");
    if (kind == "BOUND_REF" || kind == "BOUND_COLUMN_REF") return reference(expression, kind);
    Value value;
    value.type = part_of(expression, "return_type");
    if (kind == "BOUND_CASE") {
      WEIR_TRY(take_case(expression, value));
      return value;
    }
    if (kind == "BOUND_AGGREGATE") {
      WEIR_TRY(take_aggregate(expression, value));
      return value;
    }
    if (kind == "BOUND_WINDOW") {
      WEIR_TRY(take_window(expression, value));
      return value;
    }
    const auto shape = std::ranges::find(kShapes, kind, &Shape::kind);
    if (shape == kShapes.end()) {
      value.is_known = false;
      return value;
    }
    for (const char* name : shape->parts)
      WEIR_TRY(take(part_of(expression, name), ColumnUse::kTransformation, value));
    return value;
  }

 private:
  /// Adds an expression, or a list of them, as it is used. What is not understood spoils a value
  /// that is made of it; where it only decides on it, an edge is missing.
  Status take(const Json& part, ColumnUse use, Value& value) {
    if (part.is_null()) return {};
    if (part.is_array()) {
      for (const Json& each : part) WEIR_TRY(take(each, use, value));
      return {};
    }
    WEIR_ASSIGN(const Value inner, read(part));
    if (model::is_direct(use)) value.is_known = value.is_known && inner.is_known;
    if (inner.is_known) add(value.from, used(inner.from, use));
    return {};
  }

  Status take_orders(const Json& orders, ColumnUse use, Value& value) {
    for (const Json& order : orders) WEIR_TRY(take(part_of(order, "expression"), use, value));
    return {};
  }

  Result<Value> reference(const Json& expression, const std::string& kind) const {
    const PlanColumn* found = nullptr;
    if (kind == "BOUND_REF") {
      const uint64_t index = index_of(expression, "index");
      if (index < over_.columns.size()) found = &over_.columns[index];
    } else if (part_of(expression, "depth") == 0) {
      const Json& binding = part_of(expression, "binding");
      const uint64_t table = index_of(binding, "table_index");
      const uint64_t column = index_of(binding, "column_index");
      const auto at = std::ranges::find_if(over_.columns, [&](const PlanColumn& each) {
        return each.table == table && each.column == column;
      });
      if (at != over_.columns.end()) found = &*at;
    }
    if (found == nullptr)
      return fail(ErrorCode::kUnsupported, "column '{}' is not where the plan says",
                  text_of(expression, "alias"));
    const Json& type = part_of(expression, "return_type");
    if (!found->value.type.is_null() && !type.is_null() && found->value.type != type)
      return fail(ErrorCode::kUnsupported, "column '{}' is of another type than the plan says",
                  text_of(expression, "alias"));
    return found->value;
  }

  Status take_case(const Json& expression, Value& value) {
    bool has_branch = false;
    for (const Json& check : list_of(expression, "case_checks")) {
      const Json& then = part_of(check, "then_expr");
      // A check of the binder, or of the user: it gives an error or changes nothing.
      if (text_of(then, "name") == "error") continue;
      has_branch = true;
      WEIR_TRY(take(part_of(check, "when_expr"), ColumnUse::kConditional, value));
      WEIR_TRY(take(then, ColumnUse::kTransformation, value));
    }
    return take(part_of(expression, "else_expr"),
                has_branch ? ColumnUse::kTransformation : ColumnUse::kIdentity, value);
  }

  Status take_aggregate(const Json& expression, Value& value) {
    WEIR_TRY(take(list_of(expression, "children"), ColumnUse::kAggregation, value));
    WEIR_TRY(take(part_of(expression, "filter"), ColumnUse::kFilter, value));
    return take_orders(list_of(part_of(expression, "order_bys"), "orders"), ColumnUse::kSort,
                       value);
  }

  Status take_window(const Json& expression, Value& value) {
    const bool is_aggregate = text_of(expression, "type") == "WINDOW_AGGREGATE";
    const auto use = is_aggregate ? ColumnUse::kAggregation : ColumnUse::kTransformation;
    WEIR_TRY(take(list_of(expression, "children"), use, value));
    WEIR_TRY(take(part_of(expression, "default_expr"), ColumnUse::kTransformation, value));
    WEIR_TRY(take(part_of(expression, "filters"), ColumnUse::kFilter, value));
    for (const char* name : {"partitions", "start_expr", "end_expr", "offset_expr"})
      WEIR_TRY(take(part_of(expression, name), ColumnUse::kWindow, value));
    for (const char* name : {"orders", "arg_orders"})
      WEIR_TRY(take_orders(list_of(expression, name), ColumnUse::kWindow, value));
    return {};
  }

  const Relation& over_;
};

}  // namespace

Result<Value> value_of(const Json& expression, const Relation& over) {
  return Reader(over).read(expression);
}

bool takes_the_one_row(const Json& aggregate, const Json& operation) {
  return text_of(aggregate, "name") == "first" && list_of(operation, "groups").empty() &&
         index_of(operation, "groupings_index") == kNoIndex;
}

std::string text_of(const Json& object, const char* key) {
  const Json& part = part_of(object, key);
  return part.is_string() ? part.get<std::string>() : std::string();
}

const Json& list_of(const Json& object, const char* key) {
  const Json& part = part_of(object, key);
  return part.is_array() ? part : kEmptyList;
}

uint64_t index_of(const Json& object, const char* key) {
  const Json& part = part_of(object, key);
  return part.is_number_unsigned() ? part.get<uint64_t>() : kNoIndex;
}

const Json& part_of(const Json& object, const char* key) {
  const auto found = object.find(key);  // the end of what is no object, too
  return object.is_object() && found != object.end() ? *found : kNothing;
}

}  // namespace weir::sql::lineage
