#include "net/xml.h"

#include <algorithm>

#include <pugixml.hpp>

namespace weir::net {
namespace {

constexpr int kDeepest = 64;

std::string_view without_prefix(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

Result<XmlNode> copy(const pugi::xml_node& from, int depth) {
  if (depth > kDeepest) return fail(ErrorCode::kInvalidData, "XML nests deeper than {}", kDeepest);
  XmlNode node;
  node.name = without_prefix(from.name());
  for (const auto& child : from.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
      node.text += child.value();
    if (child.type() != pugi::node_element) continue;
    WEIR_ASSIGN(XmlNode copied, copy(child, depth + 1));
    node.children.push_back(std::move(copied));
  }
  return node;
}

}  // namespace

const XmlNode* XmlNode::find(std::string_view child) const {
  const auto found = std::ranges::find(children, child, &XmlNode::name);
  return found == children.end() ? nullptr : &*found;
}

std::string XmlNode::text_of(std::string_view child) const {
  const XmlNode* found = find(child);
  return found == nullptr ? std::string() : found->text;
}

Result<XmlNode> parse_xml(std::string_view text) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(
      text.data(), text.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
  if (!parsed)
    return fail(ErrorCode::kInvalidData, "no XML: {} at byte {}", parsed.description(),
                parsed.offset);
  for (const auto& child : document.children())
    if (child.type() == pugi::node_doctype)
      return fail(ErrorCode::kInvalidData, "the XML has a document type, which no answer needs");
  if (!document.document_element())
    return fail(ErrorCode::kInvalidData, "no XML: it has no element");
  return copy(document.document_element(), 1);
}

std::string xml_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&apos;"; break;
      // Would be read back as line ends and blanks of another kind.
      case '\r': escaped += "&#13;"; break;
      case '\n': escaped += "&#10;"; break;
      case '\t': escaped += "&#9;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace weir::net
