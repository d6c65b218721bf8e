#include <algorithm>
#include <ostream>

#include "base/digest.h"
#include "base/instant.h"
#include "base/printable.h"
#include "catalog/accounts.h"
#include "catalog/audit_trail.h"
#include "cli/commands.h"
#include "cli/hidden_input.h"
#include "cli/table_text.h"
#include "model/names.h"
#include "server/account_rules.h"
#include "server/password.h"
#include "server/role.h"

namespace weir::cli {
namespace {

struct UserFlags {
  std::string name;
  std::string role;
  std::string flows = "*";
  bool has_no_password = false;
};

std::string author_of(Session& session) {
  return session.wiring().environment->get("USER").value_or("");
}

std::string grants_text(const std::vector<catalog::Grant>& grants) {
  std::string text;
  for (const auto& grant : grants)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", grant.flow_pattern, grant.role);
  return text.empty() ? "nothing" : text;
}

Result<std::string> read_password(Session& session, const std::string& name) {
  std::string password = read_hidden(session, fmt::format("password of '{}'", name));
  if (password.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "there is no password on standard input",
                          fmt::format("type it, or pipe it: `… | weir user password {}`", name));
  WEIR_TRY(server::check_password(name, password));
  return server::hash_password(password);
}

Result<int> add_user(Session& session, const UserFlags& flags) {
  WEIR_TRY(model::check_name(flags.name, "user"));
  WEIR_ASSIGN(const auto grant, server::make_grant(flags.flows, flags.role));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  catalog::UserAccount user;
  user.user_name = flags.name;
  user.grants = {grant};
  // Known before somebody has typed a password.
  WEIR_ASSIGN(const auto there, catalog->accounts().find_user(flags.name));
  if (!there && !flags.has_no_password) {
    WEIR_ASSIGN(user.password_hash, read_password(session, flags.name));
  }
  WEIR_TRY(catalog->accounts().add_user(user, author_of(session)));
  session.say(fmt::format("user {} may: {}", flags.name, grants_text(user.grants)));
  session.give({{"user", flags.name}});
  return 0;
}

Result<int> list_users(Session& session) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto users, catalog->accounts().users());
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const auto& user : users) {
    rows.push_back({user.user_name, grants_text(user.grants),
                    user.password_hash.empty() ? "tokens alone" : "password",
                    user.is_enabled ? "" : "switched off"});
    Json grants = Json::array();
    for (const auto& grant : user.grants)
      grants.push_back({{"flows", grant.flow_pattern}, {"role", grant.role}});
    json.push_back({{"user", user.user_name},
                    {"grants", std::move(grants)},
                    {"has_password", !user.password_hash.empty()},
                    {"is_enabled", user.is_enabled},
                    {"created_at", format_instant(user.created_at_us)}});
  }
  if (session.wants_json())
    session.give({{"users", std::move(json)}});
  else
    *session.wiring().out << printable(table_text({"user", "may", "signs in by", ""}, rows));
  return 0;
}

Result<int> remove_user(Session& session, const std::string& name) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_TRY(catalog->accounts().remove_user(name, author_of(session)));
  session.say(fmt::format("user {} is gone, with its tokens and sessions", name));
  return 0;
}

Result<int> switch_user(Session& session, const std::string& name, bool is_enabled) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_TRY(catalog->accounts().set_enabled(name, is_enabled, author_of(session)));
  session.say(fmt::format("user {} is switched {}", name,
                          is_enabled ? "on" : "off; its sessions have ended, its tokens rest"));
  return 0;
}
Result<int> disable_user(Session& session, const std::string& name) {
  return switch_user(session, name, false);
}
Result<int> enable_user(Session& session, const std::string& name) {
  return switch_user(session, name, true);
}

Result<int> set_password(Session& session, const std::string& name) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const std::string hash, read_password(session, name));
  WEIR_TRY(catalog->accounts().set_password(name, hash, author_of(session)));
  session.say(fmt::format("user {} has another password; its sessions have ended", name));
  return 0;
}

/// Changes what the user may; an empty role takes the pattern away.
Result<int> change_grant(Session& session, const UserFlags& flags) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto user, catalog->accounts().find_user(flags.name));
  auto grants = user ? user->grants : std::vector<catalog::Grant>{};
  const auto before = grants.size();
  std::erase_if(grants, [&](const auto& grant) { return grant.flow_pattern == flags.flows; });
  if (flags.role.empty() && user && grants.size() == before)
    return fail(ErrorCode::kNotFound, "user '{}' has no grant for '{}'", flags.name, flags.flows);
  if (!flags.role.empty()) {
    WEIR_ASSIGN(auto grant, server::make_grant(flags.flows, flags.role));
    grants.push_back(std::move(grant));
  }
  WEIR_TRY(server::check_grants(grants));
  WEIR_TRY(catalog->accounts().set_grants(flags.name, grants, author_of(session)));
  session.say(fmt::format("user {} may: {}", flags.name, grants_text(grants)));
  return 0;
}

Result<int> create_token(Session& session, const server::TokenWish& wish) {
  const Wiring& wiring = session.wiring();
  WEIR_ASSIGN(const auto made, server::make_token(wish, *wiring.clock, *wiring.random));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_TRY(catalog->accounts().add_token(made.row, author_of(session)));
  const std::string& text = made.text;
  if (session.wants_json()) {
    session.give({{"token", text}, {"token_id", made.row.api_token_id}});
    return 0;
  }
  // Alone on its line, so that a script can take it; the words around it go the other way.
  *wiring.out << text << "\n";
  *wiring.err << fmt::format("token {} of {}; it is shown this once: keep it where secrets are\n",
                             made.row.api_token_id, wish.user_name);
  return 0;
}

Result<int> list_tokens(Session& session) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto tokens, catalog->accounts().tokens());
  const auto instant = [](int64_t at_us, const std::string& never) {
    return at_us == 0 ? never : format_instant(at_us);
  };
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const auto& token : tokens) {
    rows.push_back({token.api_token_id, token.user_name, token.name, token.prefix + "…",
                    fmt::format("{}: {}", token.limit.flow_pattern, token.limit.role),
                    instant(token.expires_at_us, "never"),
                    instant(token.last_used_at_us, "never")});
    json.push_back({{"token_id", token.api_token_id},
                    {"user", token.user_name},
                    {"name", token.name},
                    {"prefix", token.prefix},
                    {"flows", token.limit.flow_pattern},
                    {"role", token.limit.role},
                    {"expires_at", instant(token.expires_at_us, "")},
                    {"last_used_at", instant(token.last_used_at_us, "")}});
  }
  if (session.wants_json())
    session.give({{"tokens", std::move(json)}});
  else
    *session.wiring().out << printable(
        table_text({"token", "user", "name", "begins", "may at most", "ends", "last used"}, rows));
  return 0;
}

Result<int> revoke_token(Session& session, const std::string& id) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_TRY(catalog->accounts().revoke_token(id, author_of(session)));
  session.say(fmt::format("token {} is gone", id));
  return 0;
}

Result<int> list_audit(Session& session, int64_t limit) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto lines, catalog->audit_trail().audit_rows(0, limit));
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const auto& line : lines) {
    rows.push_back({std::to_string(line.position), format_instant(line.at_us), line.author,
                    line.action, dump_json(line.details)});
    json.push_back({{"position", line.position},
                    {"at", format_instant(line.at_us)},
                    {"author", line.author},
                    {"action", line.action},
                    {"details", line.details},
                    {"row_hash", line.row_hash}});
  }
  if (session.wants_json())
    session.give({{"rows", std::move(json)}});
  else
    *session.wiring().out << printable(
        table_text({"row", "at", "who", "what", "on what"}, rows, 100));
  return 0;
}

Result<int> verify_audit(Session& session, const std::string& hash) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto verdict, catalog->audit_trail().verify_audit(hash));
  Json faults = Json::array();
  for (const auto& fault : verdict.faults) {
    faults.push_back({{"position", fault.position}, {"what", fault.what}});
    session.say(fault.what);
  }
  session.give({{"rows", verdict.row_count},
                {"older_rows", verdict.older_rows},
                {"head", verdict.head_hash},
                {"has_hash", verdict.has_hash},
                {"faults", std::move(faults)}});
  if (!verdict.faults.empty())
    return fail_with_hint(ErrorCode::kCorrupt, "somebody changed the audit log",
                          "a backup of the catalog has it as it was");
  if (!verdict.has_hash)
    return fail_with_hint(ErrorCode::kCorrupt, fmt::format("the audit log has no row {}", hash),
                          "rows at its end were removed, or it was written anew");
  session.say(
      fmt::format("{} rows, none changed; the newest is {}", verdict.row_count, verdict.head_hash));
  return 0;
}

using OneWord = Result<int> (*)(Session&, const std::string&);

void add_word(CLI::App& group, Chosen& chosen, const std::string& name, const std::string& about,
              const std::pair<std::string, std::string>& word, OneWord action) {
  auto* command = group.add_subcommand(name, about);
  auto value = std::make_shared<std::string>();
  command->add_option(word.first, *value, word.second)->required();
  command->callback([&chosen, value, action] {
    chosen.action = [=](Session& session) { return action(session, *value); };
  });
}

void add_user_command(CLI::App& group, Chosen& chosen, const std::string& name,
                      const std::string& about, Result<int> (*action)(Session&, const UserFlags&)) {
  auto* command = group.add_subcommand(name, about);
  auto flags = std::make_shared<UserFlags>();
  command->add_option("name", flags->name, "User")->required();
  if (name != "revoke")
    command->add_option("--role", flags->role, "viewer, operator, developer or admin")->required();
  command->add_option("--flows", flags->flows,
                      "For which flows: a name, or the beginning of names and * (default: all)");
  if (name == "add")
    command->add_flag("--no-password", flags->has_no_password, "It signs in by tokens alone");
  command->callback([&chosen, flags, action] {
    chosen.action = [=](Session& session) { return action(session, *flags); };
  });
}

void add_tokens(CLI::App& app, Chosen& chosen) {
  auto* token = app.add_subcommand("token", "Tokens by which programs use a server");
  token->require_subcommand(1);
  auto* create = token->add_subcommand("create", "Make a token and show it, this once");
  auto flags = std::make_shared<server::TokenWish>();
  create->add_option("user", flags->user_name, "User whose token it is")->required();
  create->add_option("--name", flags->name, "What it is for")->required();
  create->add_option("--role", flags->role, "No more than this role (default: viewer)");
  create->add_option("--flows", flags->flows, "For no other flows than these (default: all)");
  create->add_option("--lasts", flags->lasts, "30d, 12h, …, or never (default: 90d)");
  create->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return create_token(session, *flags); };
  });
  token->add_subcommand("list", "Tokens: whose, for what, used when")->callback([&chosen] {
    chosen.action = list_tokens;
  });
  add_word(*token, chosen, "revoke", "Take a token away", {"token", "Id of the token"},
           revoke_token);
}

void add_audit(CLI::App& app, Chosen& chosen) {
  auto* audit = app.add_subcommand("audit", "Who did what");
  audit->require_subcommand(1);
  auto limit = std::make_shared<int64_t>(50);
  auto* list = audit->add_subcommand("list", "The newest rows of the audit log");
  list->add_option("--limit", *limit, "How many")->check(CLI::Range(1, 10'000));
  list->callback([&chosen, limit] {
    chosen.action = [limit](Session& session) { return list_audit(session, *limit); };
  });
  auto hash = std::make_shared<std::string>();
  auto* verify = audit->add_subcommand("verify", "Whether somebody changed the audit log");
  verify->add_option("--hash", *hash, "A hash that was noted earlier: the log must still have it");
  verify->callback([&chosen, hash] {
    chosen.action = [hash](Session& session) { return verify_audit(session, *hash); };
  });
}

}  // namespace

void add_account_commands(CLI::App& app, Chosen& chosen) {
  auto* user = app.add_subcommand("user", "Who may use a server");
  user->require_subcommand(1);
  add_user_command(*user, chosen, "add", "Make an account; its password comes on standard input",
                   add_user);
  user->add_subcommand("list", "Accounts, and what each may do")->callback([&chosen] {
    chosen.action = list_users;
  });
  add_word(*user, chosen, "remove", "Take an account away, with its tokens and sessions",
           {"name", "User"}, remove_user);
  add_word(*user, chosen, "disable", "Switch an account off: nothing lets it in", {"name", "User"},
           disable_user);
  add_word(*user, chosen, "enable", "Switch an account on again", {"name", "User"}, enable_user);
  add_word(*user, chosen, "password", "Set another password, from standard input", {"name", "User"},
           set_password);
  add_user_command(*user, chosen, "grant",
                   "Let a user do more, or less, for the flows of a pattern", change_grant);
  add_user_command(*user, chosen, "revoke", "Take the role for a pattern away", change_grant);
  add_tokens(app, chosen);
  add_audit(app, chosen);
}

}  // namespace weir::cli
