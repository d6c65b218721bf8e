#include "catalog/accounts.h"
#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

UserAccount ann() {
  UserAccount user;
  user.user_name = "ann";
  user.password_hash = "$argon2id$ann";
  user.grants = {{"*", "viewer"}, {"sales_*", "operator"}};
  return user;
}

ApiToken nightly() {
  ApiToken token;
  token.api_token_id = "token-1";
  token.user_name = "ann";
  token.name = "nightly";
  token.prefix = "weir_pat_abc";
  token.token_hash = std::string(64, '1');
  token.limit = {"sales_*", "operator"};
  token.expires_at_us = 5;
  return token;
}

TEST_P(Conformance, AccountsComeAndGoWithAllThatIsTheirs) {
  Accounts& accounts = catalog_->accounts();
  EXPECT_EQ(*accounts.count_users(), 0);
  ASSERT_OK(accounts.add_user(ann(), "root"));
  EXPECT_FAILS(ErrorCode::kAlreadyExists, accounts.add_user(ann(), "root"));
  const auto found = accounts.find_user("ann");
  ASSERT_OK(found);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->password_hash, "$argon2id$ann");
  EXPECT_THAT((*found)->grants, ElementsAre(Grant{"*", "viewer"}, Grant{"sales_*", "operator"}));
  EXPECT_TRUE((*found)->is_enabled);
  ASSERT_OK(accounts.add_token(nightly(), "root"));
  ASSERT_OK(accounts.add_session({.session_hash = "s",
                                  .user_name = "ann",
                                  .created_at_us = clock_.now_us(),
                                  .expires_at_us = clock_.now_us() + 1}));
  ASSERT_OK(accounts.set_grants("ann", {{"shop", "admin"}}, "root"));
  EXPECT_THAT((*accounts.find_user("ann"))->grants, ElementsAre(Grant{"shop", "admin"}));
  ASSERT_OK(accounts.remove_user("ann", "root"));
  EXPECT_FALSE(accounts.find_user("ann")->has_value());
  EXPECT_FALSE(accounts.find_token(std::string(64, '1'))->has_value());
  EXPECT_FALSE(accounts.find_session("s")->has_value());
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM user_grant"), "0");
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.remove_user("ann", "root"));
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.set_grants("ann", {}, "root"));
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.set_password("ann", "x", "root"));
}

TEST_P(Conformance, ANewPasswordEndsTheSessionsOfItsUserAlone) {
  Accounts& accounts = catalog_->accounts();
  UserAccount bob = ann();
  bob.user_name = "bob";
  ASSERT_OK(accounts.add_user(ann(), "root"));
  ASSERT_OK(accounts.add_user(bob, "root"));
  for (const std::string name : {"ann", "bob"})
    ASSERT_OK(accounts.add_session({.session_hash = "of " + name,
                                    .user_name = name,
                                    .created_at_us = clock_.now_us(),
                                    .expires_at_us = clock_.now_us() + 1000}));
  ASSERT_OK(accounts.set_password("ann", "$other", "root"));
  EXPECT_FALSE(accounts.find_session("of ann")->has_value());
  EXPECT_TRUE(accounts.find_session("of bob")->has_value());
  EXPECT_EQ((*accounts.find_user("ann"))->password_hash, "$other");
  // Ended ones go with the next.
  clock_.advance_ms(2);
  ASSERT_OK(accounts.add_session({.session_hash = "new",
                                  .user_name = "ann",
                                  .created_at_us = clock_.now_us(),
                                  .expires_at_us = clock_.now_us() + 1000}));
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM web_session"), "1");
}

TEST_P(Conformance, TokensAreFoundByTheirHashAndNotedOnceAMinute) {
  Accounts& accounts = catalog_->accounts();
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.add_token(nightly(), "root"));
  ASSERT_OK(accounts.add_user(ann(), "root"));
  ASSERT_OK(accounts.add_token(nightly(), "root"));
  EXPECT_FAILS(ErrorCode::kAlreadyExists, accounts.add_token(nightly(), "root"));
  auto token = **accounts.find_token(std::string(64, '1'));
  EXPECT_EQ(token.limit, (Grant{"sales_*", "operator"}));
  EXPECT_EQ(token.expires_at_us, 5);
  EXPECT_EQ(token.last_used_at_us, 0);
  const int64_t noon_us = clock_.now_us();
  ASSERT_OK(accounts.note_use(token, noon_us));
  token = **accounts.find_token(std::string(64, '1'));
  EXPECT_EQ(token.last_used_at_us, noon_us);
  ASSERT_OK(accounts.note_use(token, noon_us + 59'000'000));
  EXPECT_EQ((*accounts.find_token(std::string(64, '1')))->last_used_at_us, noon_us);
  ASSERT_OK(accounts.note_use(token, noon_us + 60'000'000));
  EXPECT_EQ((*accounts.find_token(std::string(64, '1')))->last_used_at_us, noon_us + 60'000'000);
  ASSERT_OK(accounts.revoke_token("token-1", "root"));
  EXPECT_FALSE(accounts.find_token(std::string(64, '1'))->has_value());
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.revoke_token("token-1", "root"));
}

TEST_P(Conformance, EachChangeOfAnAccountIsInTheAuditLog) {
  Accounts& accounts = catalog_->accounts();
  ASSERT_OK(accounts.add_user(ann(), "root"));
  ASSERT_OK(accounts.add_token(nightly(), "root"));
  ASSERT_OK(accounts.set_password("ann", "x", "root"));
  ASSERT_OK(accounts.set_grants("ann", {}, "root"));
  ASSERT_OK(accounts.revoke_token("token-1", "root"));
  ASSERT_OK(accounts.remove_user("ann", "root"));
  EXPECT_FAILS(ErrorCode::kNotFound, accounts.remove_user("ann", "root"));
  const auto rows = catalog_->audit_trail().audit_rows(0, 100);
  ASSERT_OK(rows);
  std::vector<std::string> actions;
  for (const auto& row : *rows) actions.push_back(row.action);
  EXPECT_THAT(actions, ElementsAre("user.remove", "token.revoke", "user.grants", "user.password",
                                   "token.create", "user.add"));
}

// ---- the audit log as a chain --------------------------------------------------------------

std::vector<int64_t> faults(Catalog& catalog) {
  std::vector<int64_t> positions;
  const auto verdict = catalog.audit_trail().verify_audit("");
  if (!verdict) ADD_FAILURE() << to_line(verdict.error());
  for (const auto& fault : verdict->faults) positions.push_back(fault.position);
  return positions;
}

TEST_P(Conformance, AuditLogThatNobodyTouchedHasNoFault) {
  EXPECT_THAT(faults(*catalog_), IsEmpty());
  for (int i = 0; i < 5; ++i) ASSERT_OK(catalog_->audit("ann", "x", {{"number", i}}));
  EXPECT_THAT(faults(*catalog_), IsEmpty());
  ASSERT_OK(place_->run_sql("UPDATE audit_log SET author = 'bob' WHERE position = 2"));
  EXPECT_THAT(faults(*catalog_), ElementsAre(2));
  ASSERT_OK(place_->run_sql("UPDATE audit_log SET author = 'ann' WHERE position = 2"));
  EXPECT_THAT(faults(*catalog_), IsEmpty());
  ASSERT_OK(place_->run_sql("DELETE FROM audit_log WHERE position = 5"));
  EXPECT_THAT(faults(*catalog_), ElementsAre(5));
}

TEST_P(Conformance, ProcessesThatTellAtOnceMakeOneChain) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i)
    children.push_back(in_child([](Catalog& catalog) {
      for (int number = 0; number < 20; ++number)
        if (!catalog.audit("child", "x", {{"number", number}})) return 1;
      return 0;
    }));
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_THAT(faults(*catalog_), IsEmpty());
  EXPECT_EQ(catalog_->audit_trail().verify_audit("")->row_count, 80);
}

TEST_P(Conformance, AChangeThatIsRolledBackLeavesTheChainAsItWas) {
  ASSERT_OK(catalog_->audit("ann", "before", {}));
  const std::string head = catalog_->audit_trail().verify_audit("")->head_hash;
  // The second row refers to a layer that is not there, so neither is told of.
  const std::vector<RowChange> changes = {
      {RowChange::Kind::kInsert, {"pool", {"small"}, {{"slots", 2}}, ""}},
      {RowChange::Kind::kInsert, {"dataset", {"nowhere", "x"}, {}, ""}}};
  EXPECT_FALSE(catalog_->apply_changes(changes, "ann").has_value());
  const auto verdict = catalog_->audit_trail().verify_audit(head);
  ASSERT_OK(verdict);
  EXPECT_EQ(verdict->head_hash, head);
  EXPECT_TRUE(verdict->has_hash);
  EXPECT_FALSE(catalog_->audit_trail().verify_audit(std::string(64, '0'))->has_hash);
}

}  // namespace
}  // namespace weir::catalog
