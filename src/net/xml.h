#pragma once

/// Answers in XML as a small tree. Document types are refused, so nothing in an answer can name a
/// file, an address or an entity of its own.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::net {

struct XmlNode {
  std::string name;  ///< Without its prefix.
  std::string text;  ///< Its own text, with what `&amp;` and the like stand for.
  std::vector<XmlNode> children;

  /// The first child of that name, or nullptr.
  const XmlNode* find(std::string_view child) const;
  /// The text of that child; empty where there is none.
  std::string text_of(std::string_view child) const;
};

/// The root. kInvalidData for what is no XML, has a document type or nests deeper than 64.
Result<XmlNode> parse_xml(std::string_view text);

/// The text with `&`, `<`, `>` and quotes written so that XML carries it.
std::string xml_escape(std::string_view text);

}  // namespace weir::net
