#include "cli/table_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace weir::cli {
namespace {

/// Characters as a terminal counts them: bytes that do not continue a UTF-8 sequence.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string cut(std::string text, size_t widest) {
  std::ranges::replace(text, '\n', ' ');
  if (width_of(text) <= widest) return text;
  size_t end = 0;
  for (size_t count = 0; end < text.size() && count < widest - 1; ++count) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  }
  return text.substr(0, end) + "…";
}

}  // namespace

std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows, size_t widest) {
  std::vector<std::vector<std::string>> cells = {header};
  for (const auto& row : rows) {
    std::vector<std::string> line;
    for (const auto& cell : row) line.push_back(cut(cell, widest));
    cells.push_back(std::move(line));
  }
  std::vector<size_t> widths(header.size(), 0);
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      line += row[i];
      if (i + 1 < widths.size()) line += std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string with_commas(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    const bool follows_digit = i > 0 && digits[i - 1] != '-';
    if (follows_digit && left % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string megabytes(int64_t bytes) {
  return fmt::format("{}.{} MB", bytes / 1'000'000, bytes / 100'000 % 10);
}

}  // namespace weir::cli
