#include "net/xml.h"

#include <gtest/gtest.h>

namespace weir::net {
namespace {

TEST(Xml, IsATreeOfNamesAndTexts) {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?><s:List xmlns:s=\"urn:x\"><Key>a &amp; b&#10;</Key><Key>c</Key>"
      "<Empty/></s:List>");
  ASSERT_TRUE(root) << to_line(root.error());
  EXPECT_EQ(root->name, "List");
  ASSERT_EQ(root->children.size(), 3U);
  EXPECT_EQ(root->text_of("Key"), "a & b\n");
  EXPECT_EQ(root->children[1].text, "c");
  EXPECT_EQ(root->text_of("Empty"), "");
  EXPECT_EQ(root->find("None"), nullptr);
}

TEST(Xml, DocumentTypesAreRefused) {
  const auto root = parse_xml("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>");
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, ErrorCode::kInvalidData);
}

TEST(Xml, WhatIsNoneIsRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  for (const std::string& text : {std::string(), std::string("hello"), std::string("<a><b></a>"),
                                  std::string("<a>"), std::string("{}"), deep}) {
    const auto root = parse_xml(text);
    ASSERT_FALSE(root) << text.substr(0, 20);
    EXPECT_EQ(root.error().code, ErrorCode::kInvalidData);
  }
}

TEST(Xml, EscapedTextIsReadBack) {
  const std::string text = "<&>\"'\r\n\t é";
  EXPECT_EQ(parse_xml("<a>" + xml_escape(text) + "</a>")->text, text);
}

}  // namespace
}  // namespace weir::net
