#pragma once

/// Walks SQL so far as to know what is code, what is quoted and what is a comment.

#include <algorithm>
#include <string_view>

namespace weir::config {

class SqlWalker {
 public:
  explicit SqlWalker(std::string_view sql) : sql_(sql) {}
  size_t at = 0;
  bool is_done() const { return at >= sql_.size(); }

  /// The length of a comment that begins here, or 0. Comments in /* */ hold others.
  size_t comment_length() const {
    const std::string_view rest = sql_.substr(at);
    if (rest.starts_with("--")) return std::min(rest.find('\n'), rest.size());
    if (!rest.starts_with("/*")) return 0;
    size_t depth = 1;
    for (size_t i = 2; i + 1 < rest.size(); ++i) {
      const std::string_view two = rest.substr(i, 2);
      if (two != "/*" && two != "*/") continue;
      depth = two == "/*" ? depth + 1 : depth - 1;
      ++i;
      if (depth == 0) return i + 1;
    }
    return rest.size();
  }
  /// The length of a quoted text or name that begins here ('…', "…", $$…$$, $tag$…$tag$), or 0. A
  /// doubled quote ends one and begins the next.
  size_t quoted_length() const {
    const std::string_view rest = sql_.substr(at);
    if (rest.front() == '$') return dollar_length(rest);
    if (rest.front() != '\'' && rest.front() != '"') return 0;
    for (size_t i = 1; i < rest.size(); ++i)
      if (rest[i] == rest.front()) return i + 1;
    return rest.size();
  }

  static bool is_letter(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80U;
  }

 private:
  size_t dollar_length(std::string_view rest) const {
    if (at > 0 && is_letter(sql_[at - 1])) return 0;  // Within a name.
    size_t end = 1;
    while (end < rest.size() && is_letter(rest[end])) ++end;
    const bool is_tag =
        end < rest.size() && rest[end] == '$' && !(rest[1] >= '0' && rest[1] <= '9');
    if (!is_tag) return 0;
    const std::string_view tag = rest.substr(0, end + 1);
    const size_t closing = rest.find(tag, tag.size());
    return closing == std::string_view::npos ? rest.size() : closing + tag.size();
  }

  std::string_view sql_;
};

}  // namespace weir::config
