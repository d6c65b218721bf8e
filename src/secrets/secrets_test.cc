#include "secrets/secrets.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/redact.h"
#include "secrets/sealed_file.h"

namespace weir::secrets {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class StandingClock final : public Clock {
 public:
  int64_t now_us() override { return time_us; }
  int64_t monotonic_us() override { return time_us; }
  int64_t time_us = 0;
};

class FixedKeeper final : public Keeper {
 public:
  std::string name() const override { return "the test"; }
  Result<std::string> fetch(const std::string& id, const Cancel& /*cancel*/) override {
    ++asked;
    if (refusal) return fail(*refusal, "no");
    const auto found = values.find(id);
    if (found == values.end()) return fail(ErrorCode::kNotFound, "no");
    return found->second;
  }
  Result<std::optional<std::vector<std::string>>> list(const Cancel& /*cancel*/) override {
    return std::nullopt;
  }
  std::map<std::string, std::string> values;
  std::optional<ErrorCode> refusal;
  int asked = 0;
};

struct World {
  World() {
    std::vector<std::unique_ptr<Keeper>> keepers;
    for (auto* each : {&first, &second}) {
      auto keeper = std::make_unique<FixedKeeper>();
      *each = keeper.get();
      keepers.push_back(std::move(keeper));
    }
    secrets = std::make_unique<Secrets>(std::move(keepers), clock);
  }
  Result<std::string> value(std::string_view text) {
    WEIR_ASSIGN(const auto reference, parse_reference(text));
    return secrets->value(reference, cancel);
  }
  StandingClock clock;
  Cancel cancel;
  FixedKeeper* first = nullptr;
  FixedKeeper* second = nullptr;
  std::unique_ptr<Secrets> secrets;
};

TEST(Reference, IsReadFromText) {
  EXPECT_EQ(*parse_reference("secret://prod/shop-db#password"),
            (Reference{"prod/shop-db", "password"}));
  EXPECT_EQ(*parse_reference("secret://x"), (Reference{"x", ""}));
  for (const char* text : {"secret://", "secret://#a", "secret://a#", "secret://a b", "x"})
    EXPECT_EQ(parse_reference(text).error().code, ErrorCode::kInvalidConfig) << text;
}

TEST(Secrets, AsksTheKeepersInOrder) {
  World world;
  world.second->values = {{"a", "of the second"}, {"b", "of the second"}};
  world.first->values = {{"a", "of the first"}};
  EXPECT_EQ(*world.value("secret://a"), "of the first");
  EXPECT_EQ(*world.value("secret://b"), "of the second");
  const auto none = world.value("secret://c");
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("asked: the test, the test"));
}

TEST(Secrets, DoesNotPassOverAKeeperThatFails) {
  World world;
  world.first->refusal = ErrorCode::kUnavailable;
  world.second->values = {{"a", "another value"}};
  EXPECT_EQ(world.value("secret://a").error().code, ErrorCode::kUnavailable);
}

TEST(Secrets, GivesTheFieldOfAnObject) {
  World world;
  world.first->values = {
      {"db", R"({"user": "weir", "password": "hunter22", "port": 5432, "x": []})"},
      {"text", "no object"}};
  EXPECT_EQ(*world.value("secret://db#password"), "hunter22");
  EXPECT_EQ(*world.value("secret://db#port"), "5432");
  for (const char* text : {"secret://db#passwort", "secret://db#x", "secret://text#a"}) {
    const auto refused = world.value(text);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidConfig) << text;
    EXPECT_THAT(refused.error().message, Not(HasSubstr("hunter22")));
  }
}

TEST(Secrets, KeepsAValueForFiveMinutesUnlessItIsForgotten) {
  World world;
  world.first->values = {{"a", "first value"}};
  EXPECT_EQ(*world.value("secret://a"), "first value");
  world.first->values = {{"a", "rotated value"}};
  world.clock.time_us = int64_t{299} * 1'000'000;
  EXPECT_EQ(*world.value("secret://a"), "first value");
  EXPECT_EQ(world.first->asked, 1);
  world.secrets->forget("a");
  EXPECT_EQ(*world.value("secret://a"), "rotated value");
  world.first->values = {{"a", "third value"}};
  world.clock.time_us += int64_t{301} * 1'000'000;
  EXPECT_EQ(*world.value("secret://a"), "third value");
  world.first->values = {{"a", "fourth value"}};
  world.secrets->forget_all({{"user", "ann"}, {"keys", {"secret://b", "secret://a#field"}}});
  EXPECT_EQ(*world.value("secret://a"), "fourth value");
}

TEST(Secrets, AreRedactedOnceTheyWereFetched) {
  World world;
  world.first->values = {{"canary", R"({"host": "db.example.org", "password": "c4nary-0001"})"}};
  ASSERT_TRUE(world.value("secret://canary#host"));
  EXPECT_EQ(process_redactor().clean("c4nary-0001 at db.example.net"),
            "[secret] at db.example.net");
}

TEST(Secrets, StandInOptionsAtAnyDepth) {
  World world;
  world.first->values = {{"a", "value of a"}};
  const auto options = world.secrets->resolved(
      Json{{"list", {"secret://a", 1}}, {"deep", {{"x", "secret://a"}}}, {"y", "plain"}},
      world.cancel);
  EXPECT_EQ(*options,
            (Json{{"list", {"value of a", 1}}, {"deep", {{"x", "value of a"}}}, {"y", "plain"}}));
  EXPECT_EQ(world.secrets->resolved(Json{{"x", "secret://none"}}, world.cancel).error().code,
            ErrorCode::kNotFound);
}

TEST(EnvironmentKeeper, FindsItsVariable) {
  const auto environment = make_fixed_environment({{"WEIR_SECRET_PROD_SHOP_DB", "abc"}});
  const auto keeper = make_environment_keeper(*environment);
  const Cancel cancel;
  EXPECT_EQ(*keeper->fetch("prod/shop-db", cancel), "abc");
  EXPECT_EQ(keeper->fetch("other", cancel).error().code, ErrorCode::kNotFound);
}

TEST(SealedFile, OpensWithItsKeyOnly) {
  const SealKey key = *SealKey::generate();
  SealedFile file;
  ASSERT_TRUE(file.seal("a", "text of a", key));
  ASSERT_TRUE(file.seal("b", "", key));
  EXPECT_THAT(file.text(), Not(HasSubstr("text of a")));
  EXPECT_THAT(file.text(), Not(HasSubstr(key.text())));
  const SealedFile read = *SealedFile::parse(file.text());
  EXPECT_THAT(read.ids(), ElementsAre("a", "b"));
  EXPECT_EQ(*read.open("a", key), "text of a");
  EXPECT_EQ(*read.open("b", *SealKey::parse(" " + key.text() + "\n")), "");
  EXPECT_EQ(read.open("c", key).error().code, ErrorCode::kNotFound);
  const SealKey other = *SealKey::generate();
  EXPECT_EQ(read.open("a", other).error().code, ErrorCode::kDenied);
  EXPECT_EQ(file.seal("c", "x", other).error().code, ErrorCode::kDenied);
}

TEST(SealedFile, NoticesWhatWasChangedOrMoved) {
  const SealKey key = *SealKey::generate();
  SealedFile file;
  ASSERT_TRUE(file.seal("a", "text of a", key));
  ASSERT_TRUE(file.seal("b", "text of b", key));
  Json json = *parse_json(file.text());
  std::swap(json["secrets"]["a"], json["secrets"]["b"]);
  const SealedFile swapped = *SealedFile::parse(dump_json(json));
  EXPECT_EQ(swapped.open("a", key).error().code, ErrorCode::kCorrupt);
  for (const char* sealed : {"", "AAAA", "no base64"}) {
    json["secrets"]["a"] = sealed;
    EXPECT_EQ(SealedFile::parse(dump_json(json))->open("a", key).error().code, ErrorCode::kCorrupt);
  }
  for (const char* text :
       {"", "[]", R"({"format": 1})", R"({"format":1,"key":"","secrets":{"a":1}})"})
    EXPECT_FALSE(SealedFile::parse(text)) << text;
  EXPECT_EQ(SealedFile::parse(R"({"format": 2})").error().code, ErrorCode::kUnsupported);
}

RC_GTEST_PROP(SealedFile, GivesBackWhatWasSealed,
              (const std::string& id, const std::string& text)) {
  const SealKey key = *SealKey::generate();
  SealedFile file;
  RC_ASSERT(file.seal(id, text, key).has_value());
  RC_ASSERT(*file.open(id, key) == text);
}

class Sealed : public ::testing::Test {
 protected:
  Sealed() { fs::create_directories(folder); }
  ~Sealed() override { fs::remove_all(folder); }
  const fs::path folder =
      fs::path(::testing::TempDir()) /
      ("weir sealed " + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const SealedPlaces places{(folder / "secrets.sealed").string(),
                            (folder / "keys/weir.key").string()};
  const Cancel cancel;
};

TEST_F(Sealed, AFileThatIsNotThereHoldsNone) {
  const auto keeper = make_sealed_keeper(places);
  EXPECT_EQ(keeper->fetch("a", cancel).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE((*keeper->list(cancel))->empty());
}

TEST_F(Sealed, WhatIsSetMeanwhileIsThere) {
  const auto keeper = make_sealed_keeper(places);
  const SealKey key = *write_new_key(places.key_file);
  for (const char* text : {"one", "two"}) {
    SealedFile file = *read_sealed(places.file);
    ASSERT_TRUE(file.seal("a", text, key));
    ASSERT_TRUE(write_sealed(places.file, file));
    EXPECT_EQ(*keeper->fetch("a", cancel), text);
  }
}

TEST_F(Sealed, AKeyIsForItsOwnerAndNeverWrittenOver) {
  const SealKey key = *write_new_key(places.key_file);
  EXPECT_EQ(fs::status(places.key_file).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(write_new_key(places.key_file).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(read_key(places.key_file)->text(), key.text());
  fs::permissions(places.key_file, fs::perms::group_read, fs::perm_options::add);
  const auto refused = read_key(places.key_file);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().hint, HasSubstr("chmod 600"));
  std::ofstream(places.key_file) << "no key";
  fs::permissions(places.key_file, fs::perms::owner_read);
  EXPECT_EQ(read_key(places.key_file).error().code, ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace weir::secrets
