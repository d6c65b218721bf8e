#include <fstream>
#include <sstream>

#include "base/environment.h"
#include "catalog/config_rows.h"
#include "catalog/conformance.h"

// docs/format/catalog.md is written by hand; these tests hold it to the databases.

namespace weir::catalog {
namespace {

struct DocumentedColumn {
  std::string name;
  std::string type;
  std::string otherwise;
};
using Page = std::map<std::string, std::vector<DocumentedColumn>>;

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::ifstream open_page() {
  const auto source = make_process_environment()->get("WEIR_SOURCE").value_or(".");
  std::ifstream file(source + "/docs/format/catalog.md");
  EXPECT_TRUE(file.good()) << "run in the repository, or set WEIR_SOURCE";
  return file;
}

/// The tables of the page: a heading "### `name`", then rows "| `column` | type | default | meaning
/// |".
Page read_page() {
  std::ifstream file = open_page();
  Page page;
  std::string table;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("### `")) table = line.substr(5, line.size() - 6);
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream text(line.substr(1));
    for (std::string cell; std::getline(text, cell, '|');) cells.push_back(trimmed(cell));
    EXPECT_GE(cells.size(), 4u) << line;
    EXPECT_FALSE(cells[3].empty()) << line << " says nothing";
    page[table].push_back({cells[0].substr(1, cells[0].size() - 2), cells[1], cells[2]});
  }
  return page;
}

std::vector<std::string> names(const std::vector<DocumentedColumn>& columns) {
  std::vector<std::string> result;
  for (const auto& column : columns) result.push_back(column.name);
  return result;
}

TEST_P(Conformance, FormatPageNamesEveryTableAndColumn) {
  const Page page = read_page();
  std::vector<std::string> documented;
  for (const auto& [table, columns] : page) documented.push_back(table);
  EXPECT_THAT(documented, ::testing::UnorderedElementsAreArray(place_->tables()));
  for (const auto& [table, columns] : page) {
    SCOPED_TRACE(table);
    EXPECT_THAT(names(columns), ::testing::ElementsAreArray(place_->columns_of(table)));
  }
}

/// The statements of the page's example.
std::vector<std::string> read_example() {
  std::ifstream file = open_page();
  std::vector<std::string> statements;
  std::string statement;
  bool is_inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) is_inside = line == "```sql";
    if (!is_inside || line.starts_with("```") || line.starts_with("PRAGMA")) continue;
    statement += line + "\n";
    if (!line.ends_with(';')) continue;
    statements.push_back(statement.substr(0, statement.size() - 2));
    statement.clear();
  }
  return statements;
}

TEST_P(Conformance, ExampleOfTheFormatPageMakesAProject) {
  const auto statements = read_example();
  ASSERT_EQ(statements.size(), 6u);
  for (const std::string& statement : statements) ASSERT_OK(place_->run_sql(statement));
  const auto loaded = catalog_->load_configuration();
  ASSERT_OK(loaded);
  EXPECT_EQ(loaded->project, "airports");
  const auto* flow = loaded->find_flow("airports");
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(flow->tasks.at(0).params["as_of"], "airports-(?<as_of>\\d{8})");
  EXPECT_EQ(loaded->find_dataset({"raw", "airports"})->identity, model::Identity::kAsOfAndContent);
}

TEST(FormatPage, SaysTheTypeAndDefaultOfEachConfigurationColumn) {
  const Page page = read_page();
  for (const ConfigTable& table : config_tables()) {
    const auto& columns = page.at(table.name);
    for (const auto& column : table.columns) {
      const auto found = std::ranges::find(columns, column.name, &DocumentedColumn::name);
      ASSERT_NE(found, columns.end());
      SCOPED_TRACE(table.name + "." + column.name);
      EXPECT_EQ(found->otherwise == "required", column.is_required);
      EXPECT_EQ(found->otherwise == "NULL", !column.is_required && column.otherwise.is_null());
      EXPECT_EQ(found->type == "JSON", column.kind == ColumnKind::kJson);
      EXPECT_EQ(found->type == "BIGINT", column.kind == ColumnKind::kInteger);
      EXPECT_EQ(found->type == "BOOLEAN", column.kind == ColumnKind::kBoolean);
    }
  }
}

TEST_P(Conformance, DefaultsOfTheTablesAreThoseOfTheRows) {
  // The same row by SQL with its key and what is required alone, and by normal_form.
  const std::vector<std::string> inserts = {
      "INSERT INTO layer (name, uri) VALUES ('raw', 'x')",
      "INSERT INTO dataset (layer, name) VALUES ('raw', 'd')",
      "INSERT INTO connection (connection_id, kind) VALUES ('c', 'x')",
      "INSERT INTO template (template_id, kind) VALUES ('t', 'sql')",
      "INSERT INTO pool (name) VALUES ('p')",
      "INSERT INTO flow (flow_id) VALUES ('f')",
      "INSERT INTO task (flow_id, task_id, template_id) VALUES ('f', 'a', 'x'), ('f', 'b', 'x')",
      "INSERT INTO task_dependency (flow_id, task_id, needs_task_id) VALUES ('f', 'b', 'a')",
      "INSERT INTO schedule (flow_id, cron) VALUES ('f', 'x')",
      "INSERT INTO file_trigger (flow_id, pattern) VALUES ('f', 'x')",
      "INSERT INTO notification_rule (notification_rule_id, channel) VALUES ('n', 'log')",
  };
  for (const std::string& insert : inserts) ASSERT_OK(place_->run_sql(insert));
  const auto rows = catalog_->config_rows();
  ASSERT_OK(rows);
  EXPECT_EQ(rows->size(), inserts.size() + 1);
  for (const ConfigRow& row : *rows) {
    ConfigRow bare{.table = row.table, .key = row.key, .values = {}, .managed_by = ""};
    for (const auto& column : find_config_table(row.table)->columns) {
      const bool is_said = column.is_required || column.name == "cron" || column.name == "pattern";
      if (is_said) bare.values[column.name] = row.values.at(column.name);
    }
    const auto normal = normal_form(bare);
    ASSERT_OK(normal);
    EXPECT_EQ(Json(normal->values), Json(row.values)) << describe(row);
  }
}

}  // namespace
}  // namespace weir::catalog
