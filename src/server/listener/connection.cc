#include "server/listener/connection.h"

#include <algorithm>
#include <cctype>

namespace weir::server {

RequestHead head_of(const Parser& parser, std::string remote_address, bool is_tls) {
  const auto& request = parser.get();
  RequestHead head;
  head.method = std::string(request.method_string());
  head.target = std::string(request.target());
  head.remote_address = std::move(remote_address);
  head.is_tls = is_tls;
  for (const auto& field : request) {
    std::string name(field.name_string());
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    head.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return head;
}

std::optional<Answer> answer_to(const beast::error_code& error, Gate& gate, bool is_tls) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return gate.refuse(ErrorCode::kInvalidData, 431, "the head of the request is too large",
                       fmt::format("{} bytes are enough", kMaxHeadBytes), is_tls);
  if (error == http::error::body_limit)
    return gate.refuse(ErrorCode::kInvalidData, 413, "the body of the request is too large",
                       fmt::format("{} bytes are enough", kMaxBodyBytes), is_tls);
  const bool is_of_http =
      error.category() == http::make_error_code(http::error::bad_target).category();
  const bool is_gone = error == http::error::end_of_stream || error == http::error::partial_message;
  if (!is_of_http || is_gone) return std::nullopt;
  return gate.refuse(ErrorCode::kInvalidData, 400, "the request is no HTTP", "", is_tls);
}

http::response_header<> header_of(const Answer& answer, unsigned version) {
  http::response_header<> header;
  header.version(version);
  header.result(static_cast<unsigned>(answer.status));
  if (answer.status != 204) header.set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) header.insert(name, value);
  return header;
}

}  // namespace weir::server
