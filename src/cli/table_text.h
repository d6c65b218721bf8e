#pragma once

/// Rows in aligned columns, for people.

#include <string>
#include <vector>

namespace weir::cli {

/// Columns are as wide as their widest cell; numbers are the caller's text. Cells longer than
/// `widest` are cut with `…`; line breaks become spaces.
std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows, size_t widest = 60);

/// `12,345`
std::string with_commas(int64_t number);
/// `12.3 MB`, of a million bytes each.
std::string megabytes(int64_t bytes);

}  // namespace weir::cli
