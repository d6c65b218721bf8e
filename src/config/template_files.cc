#include "config/template_files.h"

#include "base/digest.h"
#include "config/declarations.h"

namespace weir::config {
namespace {

/// The tasks of a composite's file.
Json composite_body(const std::string& file, const std::string& text, Faults& faults) {
  auto documents = parse_yaml(text, file);
  if (!documents) {
    faults.insert(faults.end(), documents.error().begin(), documents.error().end());
    return {};
  }
  CompositeBody body;
  Reader reader;
  if (documents->size() != 1)
    faults.push_back(Error{ErrorCode::kInvalidConfig,
                           "a composite is one document with 'tasks'",
                           {},
                           {},
                           Place{file, 1, 1, {}, 1}});
  else
    composite_keys().read(reader, documents->front(), body);
  faults.insert(faults.end(), reader.faults.begin(), reader.faults.end());
  return body.tasks;
}

void read_template(model::TemplateRow& row, storage::Storage& folder, const Places& places,
                   Faults& faults) {
  const Subject subject{"template", {row.template_id}, {"location"}};
  const auto text = folder.read(row.location, storage::Range::all());
  if (!text) {
    const bool is_missing = text.error().code == ErrorCode::kNotFound;
    Error fault =
        fault_of(places, subject,
                 is_missing ? fmt::format("no file '{}'", row.location) : text.error().message,
                 is_missing ? "locations count from the project folder" : text.error().hint);
    fault.code = is_missing ? ErrorCode::kInvalidConfig : text.error().code;
    faults.push_back(std::move(fault));
    return;
  }
  const std::string sha256 = sha256_hex(*text);
  if (!row.sha256.empty() && row.sha256 != sha256)
    faults.push_back(fault_of(
        places, subject, fmt::format("file '{}' is not the one that was applied", row.location),
        "`weir apply` takes the new one"));
  row.sha256 = sha256;
  if (row.kind == "composite")
    row.body = composite_body(row.location, *text, faults);
  else
    row.body = Json{{"text", *text}};
}

}  // namespace

Checked<model::Configuration> read_templates(model::Configuration configuration,
                                             storage::Storage& folder, const Places& places) {
  Faults faults;
  for (auto& row : configuration.templates)
    if (!row.location.empty()) read_template(row, folder, places, faults);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return configuration;
}

model::Configuration without_file_bodies(model::Configuration configuration) {
  for (auto& row : configuration.templates)
    if (!row.location.empty()) row.body = Json();
  return configuration;
}

}  // namespace weir::config
