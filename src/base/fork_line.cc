#include "base/fork_line.h"

#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/check.h"

namespace weir::internal {
namespace {

constexpr size_t kLongestMessage = size_t{128} << 10;
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

bool send_message(int socket, std::string_view bytes, std::span<const int> handles = {}) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!handles.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(handles.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(handles.size_bytes());
    std::memcpy(CMSG_DATA(header), handles.data(), handles.size_bytes());
  }
  ssize_t sent = -1;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(bytes.size());
}

/// How much came; 0 or less: the other end is gone, or too slow. `handles` are those that came with
/// it, in their order.
ssize_t receive_message(int socket, std::span<char> bytes, std::span<Handle> handles = {}) {
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t received = -1;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  const cmsghdr* const header = received > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return received;
  std::array<int, 4> numbers{};
  const size_t size = std::min(header->cmsg_len - CMSG_LEN(0), sizeof(numbers));
  std::memcpy(numbers.data(), CMSG_DATA(header), size);
  for (size_t i = 0; i < size / sizeof(int); ++i) {
    Handle handle(numbers[i]);
    if (i < handles.size()) handles[i] = std::move(handle);
  }
  return received;
}

template <typename Value>
bool send_value(int socket, const Value& value, std::span<const int> handles = {}) {
  return send_message(socket, {reinterpret_cast<const char*>(&value), sizeof(value)}, handles);
}

template <typename Value>
bool receive_value(int socket, Value& value, std::span<Handle> handles = {}) {
  return receive_message(socket, {reinterpret_cast<char*>(&value), sizeof(value)}, handles) ==
         static_cast<ssize_t>(sizeof(value));
}

}  // namespace

Result<std::pair<Handle, Handle>> make_line() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return system_failure("make a socket", errno);
  std::pair<Handle, Handle> line{Handle(ends[0]), Handle(ends[1])};
  (void)setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  return line;
}

bool send_request(int control, const ForkRequest& request, const ForkHandles& handles) {
  std::string bytes = request.folder + '\0' + std::to_string(request.words.size()) + '\0';
  for (const auto& word : request.words) bytes += word + '\0';
  for (const auto& [name, value] : request.environment) bytes += name + '=' + value + '\0';
  return bytes.size() <= kLongestMessage && send_message(control, bytes, handles);
}

bool receive_request(int control, ForkRequest& request, std::array<Handle, 4>& handles) {
  std::string bytes(kLongestMessage, '\0');
  const ssize_t size = receive_message(control, bytes, handles);
  if (size <= 0) return false;
  std::vector<std::string> texts;
  for (size_t at = 0; at < static_cast<size_t>(size); at += texts.back().size() + 1)
    texts.emplace_back(bytes.c_str() + at);
  WEIR_CHECK(texts.size() >= 2);
  const size_t words = 2 + std::stoul(texts[1]);
  WEIR_CHECK(words <= texts.size());
  request.folder = texts[0];
  request.words.assign(texts.begin() + 2, texts.begin() + static_cast<ptrdiff_t>(words));
  for (size_t i = words; i < texts.size(); ++i) {
    const size_t equals = texts[i].find('=');
    request.environment[texts[i].substr(0, equals)] = texts[i].substr(equals + 1);
  }
  return handles[3].is_open();
}

bool send_forked(int line, const Forked& forked) {
  return send_value(line, forked.pid, std::array{forked.watch.get()});
}
bool receive_forked(int line, Forked& forked) {
  return receive_value(line, forked.pid, {&forked.watch, 1}) && forked.watch.is_open();
}

bool send_wish(int line, int wish) { return send_value(line, wish); }
bool receive_wish(int line, int& wish) { return receive_value(line, wish); }

bool send_end(int line, const ForkEnd& end) { return send_value(line, end); }
bool receive_end(int line, ForkEnd& end) { return receive_value(line, end); }

}  // namespace weir::internal
