// Columns of an operator stand one after the other, as in DuckDB: those of the left side, then
// those of the right; references count them. Each operator here says which columns it gives and
// which fields decide on its rows.
//
// A correlated subquery is a join by then ("delim join"): the distinct values of the columns that
// the subquery asks of the query around it are handed in on its right side, wherever a DELIM_GET
// stands, and joined back with IS NOT DISTINCT FROM. Those joins, and groups over handed-in
// columns, nobody wrote, so they are no edges. (A user's own in just that form is then missing.)

#include "sql/lineage/plan.h"

#include <algorithm>
#include <array>
#include <map>

#include "sql/lineage/expression.h"

namespace weir::sql::lineage {
namespace {

constexpr int kMostDepth = 1000;   // of operators; DuckDB's own limit for expressions
constexpr int kMostRounds = 1000;  // of a recursive CTE: each adds an edge

std::unexpected<Error> unknown(std::string_view what) {
  return fail(ErrorCode::kUnsupported, "columns are not followed through {}", what);
}

class Tracer {
 public:
  std::vector<Field> fields;

  Result<Relation> trace(const Json& operation) {
    if (depth_ >= kMostDepth) return unknown("a plan as deep as this");
    ++depth_;
    auto relation = dispatch(operation);
    --depth_;
    return relation;
  }

 private:
  using Step = Result<Relation> (Tracer::*)(const Json&);
  struct Known {
    std::string_view type;
    Step step;
  };

  Result<Relation> dispatch(const Json& operation) {
    static constexpr std::array<Known, 25> kKnown = {{
        {"LOGICAL_AGGREGATE_AND_GROUP_BY", &Tracer::aggregate},
        {"LOGICAL_ANY_JOIN", &Tracer::join},
        {"LOGICAL_ASOF_JOIN", &Tracer::join},
        {"LOGICAL_COMPARISON_JOIN", &Tracer::join},
        {"LOGICAL_CROSS_PRODUCT", &Tracer::product},
        {"LOGICAL_CTE_REF", &Tracer::cte_reference},
        {"LOGICAL_DELIM_GET", &Tracer::handed_in},
        {"LOGICAL_DELIM_JOIN", &Tracer::join},
        {"LOGICAL_DISTINCT", &Tracer::distinct},
        {"LOGICAL_DUMMY_SCAN", &Tracer::one_row},
        {"LOGICAL_EXCEPT", &Tracer::set_operation},
        {"LOGICAL_EXPRESSION_GET", &Tracer::values},
        {"LOGICAL_FILTER", &Tracer::filter},
        {"LOGICAL_GET", &Tracer::get},
        {"LOGICAL_INTERSECT", &Tracer::set_operation},
        {"LOGICAL_LIMIT", &Tracer::limit},
        {"LOGICAL_MATERIALIZED_CTE", &Tracer::cte},
        {"LOGICAL_ORDER_BY", &Tracer::order},
        {"LOGICAL_POSITIONAL_JOIN", &Tracer::product},
        {"LOGICAL_PROJECTION", &Tracer::projection},
        {"LOGICAL_RECURSIVE_CTE", &Tracer::recursive_cte},
        {"LOGICAL_SAMPLE", &Tracer::only_child},
        {"LOGICAL_UNION", &Tracer::set_operation},
        {"LOGICAL_UNNEST", &Tracer::beside},
        {"LOGICAL_WINDOW", &Tracer::beside},
    }};
    const std::string type = text_of(operation, "type");
    const auto known = std::ranges::find(kKnown, type, &Known::type);
    if (known == kKnown.end()) return unknown(type);
    return (this->*known->step)(operation);
  }

  Result<Relation> child(const Json& operation, size_t which, size_t of) {
    const Json& children = list_of(operation, "children");
    if (children.size() != of)
      return unknown(fmt::format("{} with {} inputs", text_of(operation, "type"), children.size()));
    return trace(children[which]);
  }
  Result<Relation> only_child(const Json& operation) { return child(operation, 0, 1); }

  // ---- What others do with rows

  static Status add_rows(const Json& expression, const Relation& over, ColumnUse use, Edges& to) {
    if (expression.is_null()) return {};
    WEIR_ASSIGN(const Value value, value_of(expression, over));
    if (value.is_known && !(use == ColumnUse::kGroupBy && value.is_handed_in))
      add(to, used(value.from, use));
    return {};
  }

  static Status add_orders(const Json& orders, const Relation& over, Edges& to) {
    for (const Json& each : orders)
      WEIR_TRY(add_rows(part_of(each, "expression"), over, ColumnUse::kSort, to));
    return {};
  }

  /// The columns that the operator keeps of its child's, where it says which.
  static Result<Relation> keep(Relation relation, const Json& kept) {
    if (kept.empty()) return relation;
    std::vector<PlanColumn> columns;
    for (const Json& each : kept) {
      const uint64_t index = each.is_number_unsigned() ? each.get<uint64_t>() : kNoIndex;
      if (index >= relation.columns.size()) return unknown("columns that are not there");
      columns.push_back(relation.columns[index]);
    }
    relation.columns = std::move(columns);
    return relation;
  }

  static Status add_values(const Json& expressions, const Relation& over, uint64_t table,
                           Relation& to) {
    for (const Json& each : expressions) {
      WEIR_ASSIGN(Value value, value_of(each, over));
      to.add(std::move(value), table);
    }
    return {};
  }

  // ---- Sources

  Result<Relation> get(const Json& operation) {
    if (!list_of(part_of(operation, "table_filters"), "filters").empty())
      return unknown("filters within a scan");
    if (text_of(operation, "name") == "seq_scan") return scan(operation);
    return table_function(operation);
  }

  Result<Relation> scan(const Json& operation) {
    const Json& table = part_of(operation, "function_data");
    const model::DatasetName dataset = {text_of(table, "schema"), text_of(table, "table")};
    const Json& names = list_of(operation, "names");
    const Json& types = list_of(operation, "returned_types");
    if (dataset.layer.empty() || dataset.empty() || names.size() != types.size())
      return unknown("a scan of no table");
    Relation relation;
    for (const Json& each : list_of(operation, "column_indexes")) {
      const uint64_t index = index_of(each, "index");
      Value value;
      if (index < names.size() && names[index].is_string()) {
        value.from = {{number_of(dataset, names[index].get<std::string>()), ColumnUse::kIdentity}};
        value.type = types[index];
      }  // else the row's number, where only rows are counted
      relation.add(std::move(value), index_of(operation, "table_index"));
    }
    if (relation.columns.empty()) relation.add({}, index_of(operation, "table_index"));
    return keep(std::move(relation), list_of(operation, "projection_ids"));
  }

  int number_of(const model::DatasetName& dataset, const std::string& column) {
    const auto [at, is_new] =
        numbers_.try_emplace({dataset, column}, static_cast<int>(fields.size()));
    if (is_new) fields.push_back({dataset, column});
    return at->second;
  }

  /// range, unnest, json_each: of arguments that are constants, or columns of what stands before.
  /// The child gives the arguments, then what is carried past the function.
  Result<Relation> table_function(const Json& operation) {
    Relation input;
    size_t arguments = 0;
    if (!list_of(operation, "children").empty()) {
      WEIR_ASSIGN(input, only_child(operation));
      arguments = list_of(operation, "input_table_types").size();
    }
    Value made;
    if (arguments > input.columns.size()) return unknown("a table function without its arguments");
    for (size_t i = 0; i < arguments; ++i) {
      made.is_known = made.is_known && input.columns[i].value.is_known;
      add(made.from, used(input.columns[i].value.from, ColumnUse::kTransformation));
    }
    Relation relation;
    relation.rows = input.rows;
    const Json& types = list_of(operation, "returned_types");
    const uint64_t table = index_of(operation, "table_index");
    for (const Json& each : list_of(operation, "column_indexes")) {
      const uint64_t index = index_of(each, "index");
      made.type = index < types.size() ? types[index] : Json();
      relation.add(made, table);
    }
    WEIR_ASSIGN(relation, keep(std::move(relation), list_of(operation, "projection_ids")));
    for (const Json& each : list_of(operation, "projected_input")) {
      const uint64_t index = each.is_number_unsigned() ? each.get<uint64_t>() : kNoIndex;
      if (index >= input.columns.size()) return unknown("columns that are not there");
      relation.columns.push_back(input.columns[index]);
    }
    return relation;
  }

  Result<Relation> one_row(const Json& operation) {
    Relation relation;
    relation.add({}, index_of(operation, "table_index"));
    return relation;
  }

  /// VALUES: a list of expressions a row.
  Result<Relation> values(const Json& operation) {
    WEIR_ASSIGN(const Relation input, only_child(operation));
    Relation relation;
    relation.rows = input.rows;
    const uint64_t table = index_of(operation, "table_index");
    for (const Json& row : list_of(operation, "expressions")) {
      Relation values;
      WEIR_TRY(add_values(row, input, table, values));
      if (relation.columns.empty()) relation.columns = values.columns;
      WEIR_TRY(merge_columns(values, relation));
    }
    return relation;
  }

  /// Rows of either: a column's values come from both.
  static Status merge_columns(const Relation& from, Relation& to) {
    if (from.columns.size() != to.columns.size()) return unknown("rows of different lengths");
    for (size_t i = 0; i < to.columns.size(); ++i) {
      const Value& added = from.columns[i].value;
      Value& value = to.columns[i].value;
      add(value.from, added.from);
      value.is_known = value.is_known && added.is_known;
      value.is_handed_in = value.is_handed_in && added.is_handed_in;
    }
    return {};
  }

  // ---- One input

  Result<Relation> projection(const Json& operation) {
    WEIR_ASSIGN(const Relation input, only_child(operation));
    Relation relation;
    relation.rows = input.rows;
    WEIR_TRY(add_values(list_of(operation, "expressions"), input,
                        index_of(operation, "table_index"), relation));
    return relation;
  }

  Result<Relation> filter(const Json& operation) {
    WEIR_ASSIGN(Relation relation, only_child(operation));
    for (const Json& each : list_of(operation, "expressions"))
      WEIR_TRY(add_rows(each, relation, ColumnUse::kFilter, relation.rows));
    return keep(std::move(relation), list_of(operation, "projection_map"));
  }

  Result<Relation> order(const Json& operation) {
    WEIR_ASSIGN(Relation relation, only_child(operation));
    WEIR_TRY(add_orders(list_of(operation, "orders"), relation, relation.rows));
    return keep(std::move(relation), list_of(operation, "projections"));
  }

  Result<Relation> limit(const Json& operation) {
    WEIR_ASSIGN(Relation relation, only_child(operation));
    for (const char* name : {"limit_val", "offset_val"})
      WEIR_TRY(add_rows(part_of(part_of(operation, name), "expression"), relation,
                        ColumnUse::kFilter, relation.rows));
    return relation;
  }

  Result<Relation> distinct(const Json& operation) {
    WEIR_ASSIGN(Relation relation, only_child(operation));
    for (const Json& each : list_of(operation, "distinct_targets"))
      WEIR_TRY(add_rows(each, relation, ColumnUse::kGroupBy, relation.rows));
    WEIR_TRY(
        add_orders(list_of(part_of(operation, "order_by"), "orders"), relation, relation.rows));
    return relation;
  }

  /// What a window or an UNNEST computes, beside the columns of its input.
  Result<Relation> beside(const Json& operation) {
    const bool is_window = text_of(operation, "type") == "LOGICAL_WINDOW";
    WEIR_ASSIGN(const Relation input, only_child(operation));
    Relation relation = input;
    WEIR_TRY(add_values(list_of(operation, "expressions"), input,
                        index_of(operation, is_window ? "window_index" : "unnest_index"),
                        relation));
    return relation;
  }

  Result<Relation> aggregate(const Json& operation) {
    WEIR_ASSIGN(const Relation input, only_child(operation));
    Relation relation;
    bool is_one_row = true;  // for each row around it, where it is within a subquery
    for (const Json& group : list_of(operation, "groups")) {
      WEIR_ASSIGN(Value value, value_of(group, input));
      is_one_row = is_one_row && value.is_handed_in;
      if (value.is_known && !value.is_handed_in)
        add(relation.rows, used(value.from, ColumnUse::kGroupBy));
      relation.add(std::move(value), index_of(operation, "group_index"));
    }
    if (!is_one_row) add(relation.rows, input.rows);
    for (const Json& each : list_of(operation, "expressions")) {
      const bool is_plain = takes_the_one_row(each, operation);
      const Json& children = list_of(each, "children");
      const Json& what = is_plain && children.size() == 1 ? children[0] : each;
      WEIR_ASSIGN(Value value, value_of(what, input));
      value.is_handed_in = false;
      // There is a row in any case; what is in it depends on those that were taken.
      if (is_one_row) add(value.from, input.rows);
      relation.add(std::move(value), index_of(operation, "aggregate_index"));
    }
    for (size_t i = 0; i < list_of(operation, "grouping_functions").size(); ++i)
      relation.add({}, index_of(operation, "groupings_index"));
    return relation;
  }

  // ---- Several inputs

  Result<Relation> product(const Json& operation) {
    WEIR_ASSIGN(Relation relation, child(operation, 0, 2));
    WEIR_ASSIGN(const Relation right, child(operation, 1, 2));
    append(right.columns, relation);
    add(relation.rows, right.rows);
    return relation;
  }

  static void append(const std::vector<PlanColumn>& columns, Relation& to) {
    to.columns.insert(to.columns.end(), columns.begin(), columns.end());
  }

  Result<Relation> join(const Json& operation) {
    if (part_of(operation, "delim_flipped") == true ||
        !list_of(operation, "left_projection_map").empty() ||
        !list_of(operation, "right_projection_map").empty())
      return unknown("a join that was optimized");
    WEIR_ASSIGN(Relation left, child(operation, 0, 2));
    const bool hands_in = text_of(operation, "type") == "LOGICAL_DELIM_JOIN";
    if (hands_in) {
      Relation handed;
      WEIR_TRY(add_values(list_of(operation, "duplicate_eliminated_columns"), left, 0, handed));
      for (auto& column : handed.columns) column.value.is_handed_in = true;
      handed_in_.push_back(std::move(handed));
    }
    auto right = child(operation, 1, 2);
    if (hands_in) handed_in_.pop_back();
    if (!right) return std::unexpected(right.error());
    WEIR_ASSIGN(const Value condition, condition_of(operation, left, *right));
    return joined(operation, std::move(left), *right, condition);
  }

  /// What the condition is computed from, as a value.
  static Result<Value> condition_of(const Json& operation, const Relation& left,
                                    const Relation& right) {
    Value all;
    const auto take = [&](const Value& value) {
      all.is_known = all.is_known && value.is_known;
      add(all.from, used(value.from, ColumnUse::kTransformation));
    };
    for (const Json& each : list_of(operation, "conditions")) {
      const Json& left_part = part_of(each, "left");
      const Json& right_part = part_of(each, "right");
      if (left_part.is_null() || right_part.is_null()) return unknown("a join on an expression");
      WEIR_ASSIGN(const Value of_left, value_of(left_part, left));
      WEIR_ASSIGN(const Value of_right, value_of(right_part, right));
      if (text_of(each, "comparison") == "COMPARE_NOT_DISTINCT_FROM" &&
          (of_left.is_handed_in || of_right.is_handed_in))
        continue;
      take(of_left);
      take(of_right);
    }
    Relation both = left;
    append(right.columns, both);
    for (const char* name : {"condition", "predicate"}) {
      const Json& expression = part_of(operation, name);
      if (expression.is_null()) continue;
      WEIR_ASSIGN(const Value value, value_of(expression, both));
      take(value);
    }
    return all;
  }

  static Result<Relation> joined(const Json& operation, Relation left, const Relation& right,
                                 const Value& condition) {
    const std::string type = text_of(operation, "join_type");
    const Edges on = condition.is_known ? used(condition.from, ColumnUse::kJoin) : Edges();
    if (type == "MARK") {  // whether a row has a partner, as a column
      Value mark = condition;
      add(mark.from, right.rows);
      left.columns.push_back({std::move(mark), index_of(operation, "mark_index"), 0});
      return left;
    }
    if (type == "SINGLE") {  // the value of a subquery: no row comes of it or goes
      const size_t before = left.columns.size();
      append(right.columns, left);
      for (size_t i = before; i < left.columns.size(); ++i) {
        add(left.columns[i].value.from, right.rows);
        add(left.columns[i].value.from, on);
      }
      return left;
    }
    add(left.rows, right.rows);
    add(left.rows, on);
    if (type == "SEMI" || type == "ANTI") return left;
    if (type != "INNER" && type != "LEFT" && type != "RIGHT" && type != "FULL" && type != "OUTER")
      return unknown("a join of type " + type);
    append(right.columns, left);
    return left;
  }

  /// Rows of EXCEPT and INTERSECT are the left side's; the right one decides which.
  Result<Relation> set_operation(const Json& operation) {
    const bool is_union = text_of(operation, "type") == "LOGICAL_UNION";
    const Json& children = list_of(operation, "children");
    if (children.empty() || (!is_union && children.size() != 2)) return unknown("a set operation");
    Relation relation;
    for (size_t i = 0; i < children.size(); ++i) {
      WEIR_ASSIGN(const Relation side, trace(children[i]));
      add(relation.rows, side.rows);
      if (i == 0) {
        const uint64_t table = index_of(operation, "table_index");
        for (const PlanColumn& column : side.columns) relation.add(column.value, table);
      } else if (is_union) {
        WEIR_TRY(merge_columns(side, relation));
      } else {
        for (const PlanColumn& column : side.columns)
          if (column.value.is_known)
            add(relation.rows, used(column.value.from, ColumnUse::kFilter));
      }
    }
    if (relation.columns.size() != index_of(operation, "column_count"))
      return unknown("a set operation over other columns than it says");
    return relation;
  }

  // ---- Named ones

  Result<Relation> cte(const Json& operation) {
    WEIR_ASSIGN(ctes_[index_of(operation, "table_index")], child(operation, 0, 2));
    return child(operation, 1, 2);
  }

  Result<Relation> cte_reference(const Json& operation) {
    const auto found = ctes_.find(index_of(operation, "cte_index"));
    if (found == ctes_.end() ||
        list_of(operation, "chunk_types").size() != found->second.columns.size())
      return unknown("a CTE that is not there");
    return renamed(found->second, operation);
  }

  Result<Relation> handed_in(const Json& operation) {
    if (handed_in_.empty() ||
        list_of(operation, "chunk_types").size() != handed_in_.back().columns.size())
      return unknown("columns that nobody hands in");
    return renamed(handed_in_.back(), operation);
  }

  /// The same columns under the operator's own number.
  static Relation renamed(const Relation& from, const Json& operation) {
    Relation relation;
    relation.rows = from.rows;
    for (const PlanColumn& column : from.columns)
      relation.add(column.value, index_of(operation, "table_index"));
    return relation;
  }

  /// Its second half reads what came before, so it is followed until nothing is added.
  Result<Relation> recursive_cte(const Json& operation) {
    if (!list_of(operation, "key_targets").empty()) return unknown("a recursive CTE USING KEY");
    const uint64_t table = index_of(operation, "table_index");
    WEIR_ASSIGN(const Relation first, child(operation, 0, 2));
    ctes_[table] = renamed(first, operation);
    for (int round = 0; round < kMostRounds; ++round) {
      WEIR_ASSIGN(const Relation next, child(operation, 1, 2));
      Relation all = ctes_[table];
      WEIR_TRY(merge_columns(next, all));
      add(all.rows, next.rows);
      if (part_of(operation, "union_all") != true)
        for (const PlanColumn& column : all.columns)
          if (column.value.is_known) add(all.rows, used(column.value.from, ColumnUse::kGroupBy));
      const bool is_stable = is_same(all, ctes_[table]);
      ctes_[table] = std::move(all);
      if (is_stable) return ctes_[table];
    }
    return unknown("a recursive CTE that goes on for ever");
  }

  static bool is_same(const Relation& one, const Relation& other) {
    return one.rows == other.rows &&
           std::ranges::equal(
               one.columns, other.columns, [](const PlanColumn& a, const PlanColumn& b) {
                 return a.value.from == b.value.from && a.value.is_known == b.value.is_known;
               });
  }

  int depth_ = 0;
  std::map<std::pair<model::DatasetName, std::string>, int> numbers_;
  std::map<uint64_t, Relation> ctes_;
  std::vector<Relation> handed_in_;  ///< Of the delim joins on whose right side we are.
};

}  // namespace

Result<Traced> trace(const Json& plan) {
  Tracer tracer;
  WEIR_ASSIGN(Relation result, tracer.trace(plan));
  return Traced{std::move(result), std::move(tracer.fields)};
}

}  // namespace weir::sql::lineage
