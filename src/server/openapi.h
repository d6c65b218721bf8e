#pragma once

/// The OpenAPI 3.1 document and the reference page, both made of the table of routes.

#include <string>

#include "base/json.h"

namespace weir::server {

Json openapi_document(const std::string& version);

/// Markdown: each route with who may call it.
std::string routes_page();

}  // namespace weir::server
