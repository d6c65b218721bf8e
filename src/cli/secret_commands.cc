#include <algorithm>
#include <filesystem>
#include <ostream>

#include "base/redact.h"
#include "cli/commands.h"
#include "cli/hidden_input.h"
#include "cli/table_text.h"
#include "secrets/sealed_file.h"

namespace weir::cli {
namespace {

using secrets::SealedFile;
using secrets::SealKey;

constexpr size_t kMostBytes = 64 << 10;  // of Secrets Manager

Result<std::string> read_value(Session& session, const std::string& id) {
  std::string value = read_hidden(session, fmt::format("value of '{}'", id));
  if (value.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("secret '{}' would be empty", id),
                          fmt::format("pipe the value: `… | weir secret set {}`", id));
  if (value.size() > kMostBytes)
    return fail(ErrorCode::kInvalidConfig, "secret '{}' has {} bytes; {} at most", id, value.size(),
                kMostBytes);
  return value;
}

/// The key to a file, made where nothing was sealed yet and there is none.
Result<SealKey> key_for(const SealedFile& sealed, const std::string& key_file, Session& session) {
  auto key = secrets::read_key(key_file);
  std::error_code ignored;
  if (key || !sealed.ids().empty() || std::filesystem::exists(key_file, ignored)) return key;
  WEIR_ASSIGN(auto made, secrets::write_new_key(key_file));
  session.say(
      fmt::format("made a key: {} (keep a copy: without it nothing can be opened)", key_file));
  return made;
}

/// The object that the secret is, with the field set.
Result<std::string> with_field(const SealedFile& sealed, const std::string& id,
                               const std::string& field, const std::string& value,
                               const SealKey& key) {
  Json object = Json::object();
  if (const auto ids = sealed.ids(); std::ranges::find(ids, id) != ids.end()) {
    WEIR_ASSIGN(const std::string text, sealed.open(id, key));
    const auto json = parse_json(text);
    if (!json || !json->is_object())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("secret '{}' is no JSON object, so it has no fields", id),
                            "set it as a whole, or under another id");
    object = *json;
  }
  object[field] = value;
  return dump_json(object);
}

Result<int> set_secret(Session& session, const std::string& id, const std::string& field) {
  WEIR_TRY(secrets::parse_secret_id(id));
  const std::string file = session.wiring().secrets_file(session.folder());
  WEIR_ASSIGN(SealedFile sealed, secrets::read_sealed(file));
  WEIR_ASSIGN(const SealKey key, key_for(sealed, session.wiring().secrets_key_file, session));
  WEIR_ASSIGN(std::string value, read_value(session, id));
  if (!field.empty()) {
    WEIR_ASSIGN(value, with_field(sealed, id, field, value, key));
  }
  WEIR_TRY(sealed.seal(id, value, key));
  WEIR_TRY(secrets::write_sealed(file, sealed));
  session.say(fmt::format("sealed '{}' in {}", id, file));
  session.give({{"secret", id}, {"file", file}});
  return 0;
}

Result<int> remove_secret(Session& session, const std::string& id) {
  const std::string file = session.wiring().secrets_file(session.folder());
  WEIR_ASSIGN(SealedFile sealed, secrets::read_sealed(file));
  if (!sealed.remove(id))
    return fail_with_hint(ErrorCode::kNotFound, fmt::format("{} holds no secret '{}'", file, id),
                          "`weir secret list` shows them");
  WEIR_TRY(secrets::write_sealed(file, sealed));
  session.say(fmt::format("removed '{}' from {}", id, file));
  session.give({{"secret", id}, {"file", file}});
  return 0;
}

/// Every secret sealed anew with another key: after somebody left, or a key was seen.
Result<int> seal_anew(Session& session, const std::string& new_key_file) {
  const std::string file = session.wiring().secrets_file(session.folder());
  WEIR_ASSIGN(const SealedFile sealed, secrets::read_sealed(file));
  WEIR_ASSIGN(const SealKey key, secrets::read_key(session.wiring().secrets_key_file));
  WEIR_ASSIGN(const SealKey fresh, secrets::write_new_key(new_key_file));
  SealedFile anew;
  for (const auto& id : sealed.ids()) {
    WEIR_ASSIGN(const std::string text, sealed.open(id, key));
    process_redactor().remember(text);
    WEIR_TRY(anew.seal(id, text, fresh));
  }
  WEIR_TRY(secrets::write_sealed(file, anew));
  session.say(
      fmt::format("sealed {} secrets in {} with the key in {}; it is used from now on with "
                  "WEIR_SECRETS_KEY_FILE, or in place of {}",
                  sealed.ids().size(), file, new_key_file, session.wiring().secrets_key_file));
  session.give({{"secrets", sealed.ids().size()}, {"file", file}, {"key_file", new_key_file}});
  return 0;
}

Result<int> list_secrets(Session& session) {
  WEIR_ASSIGN(const auto secrets, session.secrets());
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& keeper : secrets->keepers()) {
    const auto ids = keeper->list(*session.wiring().cancel);
    if (!ids)
      return std::unexpected(
          Error(ids.error()).while_doing(fmt::format("asking {}", keeper->name())));
    if (!ids->has_value()) continue;
    for (const auto& id : **ids) {
      rows.push_back({id, keeper->name()});
      list.push_back({{"secret", id}, {"kept_by", keeper->name()}});
    }
  }
  if (session.wants_json())
    session.give({{"secrets", std::move(list)}});
  else
    *session.wiring().out << table_text({"secret", "kept by"}, rows);
  return 0;
}

}  // namespace

void add_secret_commands(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("secret", "Passwords and keys, outside of the configuration");
  group->require_subcommand(1);
  group->add_subcommand("list", "List them, without their values")->callback([&chosen] {
    chosen.action = list_secrets;
  });
  auto id = std::make_shared<std::string>();
  auto field = std::make_shared<std::string>();
  auto* set = group->add_subcommand("set",
                                    "Seal one in the project's file; its value is read from "
                                    "standard input");
  set->add_option("id", *id, "Id, as in secret://id")->required();
  set->add_option("--field", *field,
                  "Field of a secret that is a JSON object, as in secret://id#field");
  set->callback([&chosen, id, field] {
    chosen.action = [=](Session& session) { return set_secret(session, *id, *field); };
  });
  auto* remove = group->add_subcommand("remove", "Take one out of the project's file");
  remove->add_option("id", *id, "Id")->required();
  remove->callback([&chosen, id] {
    chosen.action = [=](Session& session) { return remove_secret(session, *id); };
  });
  auto key_file = std::make_shared<std::string>();
  auto* seal = group->add_subcommand("seal", "Seal all of the project's file anew, with a new key");
  seal->add_option("--new-key-file", *key_file, "Where the new key is written")->required();
  seal->callback([&chosen, key_file] {
    chosen.action = [=](Session& session) { return seal_anew(session, *key_file); };
  });
}

}  // namespace weir::cli
