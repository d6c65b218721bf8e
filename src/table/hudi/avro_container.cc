#include "table/hudi/avro_container.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <avro.h>

namespace weir::table {
namespace {

Error at_fault(std::string_view what) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", what, avro_strerror()), {}, {}, std::nullopt};
}

Status checked(int error, std::string_view what) {
  if (error == 0) return {};
  return std::unexpected(at_fault(what));
}

bool fits(avro_schema_t schema, const Json& json) {
  switch (avro_typeof(schema)) {
    case AVRO_NULL: return json.is_null();
    case AVRO_STRING: return json.is_string();
    case AVRO_BOOLEAN: return json.is_boolean();
    case AVRO_INT32:
    case AVRO_INT64: return json.is_number_integer();
    case AVRO_ARRAY: return json.is_array();
    case AVRO_MAP:
    case AVRO_RECORD: return json.is_object();
    case AVRO_LINK: return fits(avro_schema_link_target(schema), json);
    default: return false;
  }
}

Status set(avro_value_t& value, const Json& json);

Status set_union(avro_value_t& value, const Json& json) {
  avro_schema_t schema = avro_value_get_schema(&value);
  const auto branches = static_cast<int>(avro_schema_union_size(schema));
  for (int i = 0; i < branches; ++i) {
    if (!fits(avro_schema_union_branch(schema, i), json)) continue;
    avro_value_t branch;
    WEIR_TRY(checked(avro_value_set_branch(&value, i, &branch), "choosing a branch"));
    return set(branch, json);
  }
  return fail(ErrorCode::kInternal, "{} fits no branch of an Avro union", dump_json(json));
}

Status set_record(avro_value_t& value, const Json& json) {
  size_t fields = 0;
  WEIR_TRY(checked(avro_value_get_size(&value, &fields), "reading an Avro record"));
  for (size_t i = 0; i < fields; ++i) {
    avro_value_t field;
    const char* name = nullptr;
    WEIR_TRY(checked(avro_value_get_by_index(&value, i, &field, &name), "reading an Avro record"));
    const auto found = json.find(name);
    WEIR_TRY(while_doing(set(field, found == json.end() ? Json() : *found),
                         fmt::format("setting '{}'", name)));
  }
  return {};
}

Status set_elements(avro_value_t& value, const Json& json) {
  for (const auto& [key, element] : json.items()) {
    avro_value_t child;
    const int error = json.is_array()
                          ? avro_value_append(&value, &child, nullptr)
                          : avro_value_add(&value, key.c_str(), &child, nullptr, nullptr);
    WEIR_TRY(checked(error, "adding to an Avro value"));
    WEIR_TRY(set(child, element));
  }
  return {};
}

Status set(avro_value_t& value, const Json& json) {
  const avro_type_t type = avro_value_get_type(&value);
  if (type == AVRO_UNION) return set_union(value, json);
  if (!fits(avro_value_get_schema(&value), json))
    return fail(ErrorCode::kInternal, "{} is no value of its Avro schema", dump_json(json));
  switch (type) {
    case AVRO_RECORD: return set_record(value, json);
    case AVRO_ARRAY:
    case AVRO_MAP: return set_elements(value, json);
    case AVRO_STRING: {
      const auto& text = json.get_ref<const std::string&>();
      return checked(avro_value_set_string_len(&value, text.c_str(), text.size() + 1),
                     "setting a text");
    }
    case AVRO_BOOLEAN:
      return checked(avro_value_set_boolean(&value, json.get<bool>() ? 1 : 0), "setting a boolean");
    case AVRO_INT32:
      return checked(avro_value_set_int(&value, json.get<int32_t>()), "setting a number");
    case AVRO_INT64:
      return checked(avro_value_set_long(&value, json.get<int64_t>()), "setting a number");
    default: return checked(avro_value_set_null(&value), "setting null");
  }
}

struct SchemaGone {
  void operator()(avro_schema_t schema) const { avro_schema_decref(schema); }
};
using Schema = std::unique_ptr<std::remove_pointer_t<avro_schema_t>, SchemaGone>;

struct ClassGone {
  void operator()(avro_value_iface_t* iface) const { avro_value_iface_decref(iface); }
};

/// A value of a schema, freed with it.
class Value {
 public:
  explicit Value(avro_schema_t schema) : iface_(avro_generic_class_from_schema(schema)) {
    if (iface_) is_made_ = avro_generic_value_new(iface_.get(), &value_) == 0;
  }
  ~Value() {
    if (is_made_) avro_value_decref(&value_);
  }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;
  bool is_made() const { return is_made_; }
  avro_value_t& get() { return value_; }

 private:
  std::unique_ptr<avro_value_iface_t, ClassGone> iface_;
  avro_value_t value_ = {};
  bool is_made_ = false;
};

Status write_one(FILE* file, avro_schema_t schema, avro_value_t& value) {
  // A record must fit into one block, whose size is 16 KiB where nobody says another: the plan of a
  // clean names each file.
  size_t size = 0;
  WEIR_TRY(checked(avro_value_sizeof(&value, &size), "measuring an Avro record"));
  avro_file_writer_t writer = nullptr;
  // Closing the writer leaves the stream open: its owner reads what it holds.
  WEIR_TRY(checked(avro_file_writer_create_with_codec_fp(file, "memory", 0, schema, &writer, "null",
                                                         std::max<size_t>(size, 1024)),
                   "beginning an Avro file"));
  const Status appended =
      checked(avro_file_writer_append_value(writer, &value), "writing an Avro record");
  const int closed = avro_file_writer_close(writer);
  if (!appended) return appended;
  return checked(closed, "ending an Avro file");
}

}  // namespace

Result<std::string> avro_container(std::string_view schema_text, const Json& record) {
  avro_schema_t parsed = nullptr;
  WEIR_TRY(checked(avro_schema_from_json_length(schema_text.data(), schema_text.size(), &parsed),
                   "reading an Avro schema"));
  const Schema schema(parsed);
  Value value(schema.get());
  if (!value.is_made()) return std::unexpected(at_fault("making an Avro record"));
  WEIR_TRY(set(value.get(), record));
  char* bytes = nullptr;
  size_t size = 0;
  FILE* file = open_memstream(&bytes, &size);
  if (file == nullptr) return fail(ErrorCode::kResourceExhausted, "no memory for an Avro file");
  const Status written = write_one(file, schema.get(), value.get());
  std::fclose(file);
  std::string out(bytes, size);
  std::free(bytes);  // NOLINT(cppcoreguidelines-no-malloc): open_memstream's
  if (!written) return std::unexpected(written.error());
  return out;
}

}  // namespace weir::table
