#include "storage/sftp/session.h"

#include <algorithm>
#include <deque>

#include "base/printable.h"

namespace weir::storage::sftp {
namespace {

constexpr uint32_t kVersion = 3;
/// What every server takes and gives in one packet.
constexpr size_t kPieceBytes = size_t{32} << 10;
constexpr size_t kMostUnderWay = 32;
constexpr size_t kLongestPacket = size_t{1} << 20;
constexpr size_t kMostInFolder = 1'000'000;
/// Answers to a listing that hold no name; a server that gives nothing else would never end.
constexpr int kMostEmptyAnswers = 1000;

ErrorCode code_of(Fx status) {
  switch (status) {
    case Fx::kNoSuchFile:
    case Fx::kNoSuchPath: return ErrorCode::kNotFound;
    case Fx::kPermissionDenied:
    case Fx::kWriteProtected: return ErrorCode::kDenied;
    case Fx::kBadMessage: return ErrorCode::kInvalidConfig;
    case Fx::kUnsupported: return ErrorCode::kUnsupported;
    case Fx::kFileExists: return ErrorCode::kAlreadyExists;
    case Fx::kNoSpace:
    case Fx::kQuota: return ErrorCode::kResourceExhausted;
    case Fx::kNoConnection:
    case Fx::kConnectionLost: return ErrorCode::kUnavailable;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

/// Of what ends the session: a packet that was read or written in part leaves nothing to go on
/// with. A cancel does not come within one.
template <typename T>
Result<T> Session::broken(Result<T> result) {
  if (result || result.error().code == ErrorCode::kCancelled) return result;
  is_broken_ = true;
  // Of a packet that makes no sense: another session may be understood.
  if (result.error().code == ErrorCode::kCorrupt) result.error().code = ErrorCode::kUnavailable;
  return result;
}

std::unexpected<Error> Session::wrong_answer() {
  is_broken_ = true;
  return fail(ErrorCode::kUnavailable, "the server gave an answer of another kind than asked for");
}

Result<std::unique_ptr<Session>> Session::start(std::unique_ptr<Channel> channel) {
  auto session = std::unique_ptr<Session>(new Session(std::move(channel)));
  WEIR_TRY(while_doing(session->greet(), "beginning SFTP"));
  return session;
}

Status Session::greet() {
  WEIR_TRY(send(std::move(PacketWriter(Type::kInit).u32(kVersion))));
  WEIR_ASSIGN(const std::string packet, receive_packet());
  PacketReader reader(packet);
  WEIR_ASSIGN(const uint8_t type, reader.u8());
  if (type != static_cast<uint8_t>(Type::kVersion)) return wrong_answer();
  WEIR_ASSIGN(const uint32_t version, reader.u32());
  if (version < kVersion)
    return fail(ErrorCode::kUnsupported, "the server speaks version {} of SFTP, not {}", version,
                kVersion);
  while (!reader.is_at_end()) {
    WEIR_ASSIGN(const auto name, reader.text());
    WEIR_ASSIGN(const auto value, reader.text());
    if (name == "posix-rename@openssh.com") extensions_.posix_rename = value == "1";
    if (name == "hardlink@openssh.com") extensions_.hardlink = value == "1";
    if (name == "fsync@openssh.com") extensions_.fsync = value == "1";
  }
  return {};
}

PacketWriter Session::request(Type type, uint32_t& id) {
  id = next_id_++;
  awaited_.insert(id);
  PacketWriter packet(type);
  packet.u32(id);
  return packet;
}

Status Session::send(PacketWriter&& packet) {
  if (is_broken_) return fail(ErrorCode::kUnavailable, "the connection is broken");
  return broken(channel_->send(std::move(packet).finish()));
}

Result<std::string> Session::receive_packet() {
  if (is_broken_) return fail(ErrorCode::kUnavailable, "the connection is broken");
  constexpr size_t kLengthBytes = 4;
  for (;;) {
    if (inbox_.size() >= kLengthBytes) {
      const size_t size = *PacketReader(inbox_).u32();
      if (size == 0 || size > kLongestPacket) return wrong_answer();
      if (inbox_.size() >= kLengthBytes + size) {
        std::string packet = inbox_.substr(kLengthBytes, size);
        inbox_.erase(0, kLengthBytes + size);
        return packet;
      }
    }
    WEIR_ASSIGN(const std::string more, broken(channel_->receive()));
    inbox_ += more;
  }
}

Result<Session::Reply> Session::reply_to(uint32_t id) {
  constexpr size_t kHeaderBytes = 5;
  for (;;) {
    if (auto found = arrived_.extract(id)) return std::move(found.mapped());
    WEIR_ASSIGN(std::string packet, receive_packet());
    PacketReader reader(packet);
    WEIR_ASSIGN(const uint8_t type, broken(reader.u8()));
    WEIR_ASSIGN(const uint32_t of, broken(reader.u32()));
    // One that nobody asked for, or a second one: whoever sends those might never stop.
    if (awaited_.erase(of) == 0) return wrong_answer();
    arrived_[of] = {static_cast<Type>(type), packet.substr(kHeaderBytes)};
  }
}

Result<Session::Reply> Session::ask(PacketWriter&& packet, uint32_t id) {
  WEIR_TRY(send(std::move(packet)));
  return reply_to(id);
}

Status Session::outcome(const Reply& reply) {
  if (reply.type != Type::kStatus) return wrong_answer();
  PacketReader reader(reply.body);
  WEIR_ASSIGN(const uint32_t number, broken(reader.u32()));
  const auto status = static_cast<Fx>(number);
  if (status == Fx::kOk) return {};
  const auto text = reader.text();
  if (status == Fx::kNoConnection || status == Fx::kConnectionLost) is_broken_ = true;
  constexpr size_t kShownBytes = 200;
  return fail(code_of(status), "the server says '{}' (status {})",
              printable(text ? text->substr(0, kShownBytes) : ""), number);
}

Status Session::simple(Type type, std::string_view path) {
  uint32_t id = 0;
  PacketWriter packet = request(type, id);
  packet.text(path);
  if (type == Type::kMkdir) packet.attributes({});
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  return outcome(reply);
}

Status Session::pair(std::string_view extension, std::string_view from, std::string_view to) {
  uint32_t id = 0;
  PacketWriter packet = request(extension.empty() ? Type::kRename : Type::kExtended, id);
  if (!extension.empty()) packet.text(extension);
  packet.text(from).text(to);
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  return outcome(reply);
}

Result<Attributes> Session::attributes_by(Type type, std::string_view path) {
  uint32_t id = 0;
  PacketWriter packet = request(type, id);
  packet.text(path);
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  if (reply.type != Type::kAttributes) {
    WEIR_TRY(outcome(reply));
    return wrong_answer();
  }
  return broken(PacketReader(reply.body).attributes());
}

Result<std::string> Session::real_path(std::string_view path) {
  uint32_t id = 0;
  PacketWriter packet = request(Type::kRealpath, id);
  packet.text(path);
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  if (reply.type != Type::kName) {
    WEIR_TRY(outcome(reply));
    return wrong_answer();
  }
  PacketReader reader(reply.body);
  WEIR_ASSIGN(const uint32_t count, broken(reader.u32()));
  if (count != 1) return wrong_answer();
  WEIR_ASSIGN(const auto found, broken(reader.text()));
  return std::string(found);
}

Result<Attributes> Session::stat(std::string_view path) { return attributes_by(Type::kStat, path); }
Result<Attributes> Session::lstat(std::string_view path) {
  return attributes_by(Type::kLstat, path);
}
Result<Attributes> Session::stat_of(std::string_view handle) {
  return attributes_by(Type::kFstat, handle);
}

Status Session::set_attributes(std::string_view path, const Attributes& attributes) {
  uint32_t id = 0;
  PacketWriter packet = request(Type::kSetstat, id);
  packet.text(path).attributes(attributes);
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  return outcome(reply);
}

Result<std::string> Session::open(std::string_view path, Open how) {
  uint32_t id = 0;
  PacketWriter packet = request(Type::kOpen, id);
  packet.text(path).u32(static_cast<uint32_t>(how)).attributes({});
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  if (reply.type != Type::kHandle) {
    WEIR_TRY(outcome(reply));
    return wrong_answer();
  }
  PacketReader reader(reply.body);
  WEIR_ASSIGN(const auto handle, broken(reader.text()));
  return std::string(handle);
}

Status Session::close(std::string_view handle) { return simple(Type::kClose, handle); }
Status Session::make_folder(std::string_view path) { return simple(Type::kMkdir, path); }
Status Session::remove(std::string_view path) { return simple(Type::kRemove, path); }

Status Session::rename(std::string_view from, std::string_view to) { return pair("", from, to); }
Status Session::posix_rename(std::string_view from, std::string_view to) {
  return pair("posix-rename@openssh.com", from, to);
}
Status Session::hardlink(std::string_view from, std::string_view to) {
  return pair("hardlink@openssh.com", from, to);
}

Status Session::sync(std::string_view handle) {
  uint32_t id = 0;
  PacketWriter packet = request(Type::kExtended, id);
  packet.text("fsync@openssh.com").text(handle);
  WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
  return outcome(reply);
}

Status Session::read(std::string_view handle, uint64_t offset_bytes, size_t size_bytes,
                     std::string& bytes) {
  struct Asked {
    uint32_t id;
    uint64_t end_bytes;
  };
  std::deque<Asked> under_way;
  const uint64_t end_bytes = offset_bytes + size_bytes;
  uint64_t asked_to = offset_bytes;  // the next to be asked for
  uint64_t at = offset_bytes;        // the next to be appended
  std::optional<Error> failure;
  bool is_at_end = false;
  while (!under_way.empty() || (asked_to < end_bytes && !is_at_end && !failure)) {
    while (asked_to < end_bytes && under_way.size() < kMostUnderWay && !is_at_end && !failure) {
      const auto size = std::min<uint64_t>(kPieceBytes, end_bytes - asked_to);
      Asked asked{0, asked_to + size};
      PacketWriter packet = request(Type::kRead, asked.id);
      packet.text(handle).u64(asked_to).u32(static_cast<uint32_t>(size));
      WEIR_TRY(send(std::move(packet)));
      under_way.push_back(asked);
      asked_to += size;
    }
    const Asked next = under_way.front();
    under_way.pop_front();
    WEIR_ASSIGN(const Reply reply, reply_to(next.id));
    if (failure || is_at_end) continue;  // every answer is taken off the stream
    if (reply.type != Type::kData) {
      PacketReader reader(reply.body);
      const auto status = reply.type == Type::kStatus ? reader.u32() : Result<uint32_t>(0);
      is_at_end = status && *status == static_cast<uint32_t>(Fx::kEof);
      if (is_at_end) continue;
      auto refused = outcome(reply);
      if (refused) return wrong_answer();
      failure = std::move(refused).error();
      continue;
    }
    WEIR_ASSIGN(const auto piece, broken(PacketReader(reply.body).text()));
    if (piece.empty() || piece.size() > next.end_bytes - at) return wrong_answer();
    bytes += piece;
    at += piece.size();
    // A server may give less than asked: the rest is asked for before the next piece is taken.
    if (at < next.end_bytes) {
      const size_t missing = next.end_bytes - at;
      const size_t before = bytes.size();
      WEIR_TRY(read_one_by_one(handle, at, missing, bytes));
      is_at_end = bytes.size() - before < missing;
      at = next.end_bytes;
    }
  }
  if (failure) return std::unexpected(std::move(*failure));
  return {};
}

Status Session::read_one_by_one(std::string_view handle, uint64_t offset_bytes, size_t size_bytes,
                                std::string& bytes) {
  while (size_bytes > 0) {
    uint32_t id = 0;
    PacketWriter packet = request(Type::kRead, id);
    packet.text(handle).u64(offset_bytes).u32(static_cast<uint32_t>(size_bytes));
    WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
    PacketReader reader(reply.body);
    if (reply.type != Type::kData) {
      const auto status = reader.u32();
      if (status && *status == static_cast<uint32_t>(Fx::kEof)) return {};
      WEIR_TRY(outcome(reply));
      return wrong_answer();
    }
    WEIR_ASSIGN(const auto piece, broken(reader.text()));
    if (piece.empty() || piece.size() > size_bytes) return wrong_answer();
    bytes += piece;
    offset_bytes += piece.size();
    size_bytes -= piece.size();
  }
  return {};
}

Status Session::write(std::string_view handle, uint64_t offset_bytes, std::string_view bytes) {
  std::deque<uint32_t> under_way;
  std::optional<Error> failure;
  while (!bytes.empty() || !under_way.empty()) {
    while (!bytes.empty() && under_way.size() < kMostUnderWay && !failure) {
      const auto piece = bytes.substr(0, kPieceBytes);
      uint32_t id = 0;
      PacketWriter packet = request(Type::kWrite, id);
      packet.text(handle).u64(offset_bytes).text(piece);
      WEIR_TRY(send(std::move(packet)));
      under_way.push_back(id);
      offset_bytes += piece.size();
      bytes.remove_prefix(piece.size());
    }
    if (under_way.empty()) break;
    WEIR_ASSIGN(const Reply reply, reply_to(under_way.front()));
    under_way.pop_front();
    auto done = outcome(reply);
    if (!done && !failure) failure = std::move(done).error();
  }
  if (failure) return std::unexpected(std::move(*failure));
  return {};
}

Result<std::vector<Named>> Session::list(std::string_view path) {
  uint32_t id = 0;
  PacketWriter opening = request(Type::kOpendir, id);
  opening.text(path);
  WEIR_ASSIGN(const Reply opened, ask(std::move(opening), id));
  if (opened.type != Type::kHandle) {
    WEIR_TRY(outcome(opened));
    return wrong_answer();
  }
  WEIR_ASSIGN(const auto text, broken(PacketReader(opened.body).text()));
  const std::string handle(text);
  std::vector<Named> found;
  for (int empty_answers = 0; empty_answers < kMostEmptyAnswers;) {
    const size_t before = found.size();
    PacketWriter packet = request(Type::kReaddir, id);
    packet.text(handle);
    WEIR_ASSIGN(const Reply reply, ask(std::move(packet), id));
    PacketReader reader(reply.body);
    WEIR_ASSIGN(const uint32_t number, broken(reader.u32()));
    if (reply.type == Type::kStatus) {
      WEIR_TRY(close(handle));
      if (number == static_cast<uint32_t>(Fx::kEof)) return found;
      WEIR_TRY(outcome(reply));
      return wrong_answer();
    }
    if (reply.type != Type::kName) return wrong_answer();
    for (uint32_t i = 0; i < number; ++i) {
      WEIR_ASSIGN(const auto leaf, broken(reader.text()));
      WEIR_TRY(broken(reader.text()));  // the line of `ls -l`: every server's own
      WEIR_ASSIGN(const Attributes attributes, broken(reader.attributes()));
      if (leaf != "." && leaf != "..") found.push_back({std::string(leaf), attributes});
    }
    if (found.size() > kMostInFolder) {
      WEIR_TRY(close(handle));
      return fail_with_hint(ErrorCode::kResourceExhausted,
                            fmt::format("the folder holds more than {} files", kMostInFolder),
                            "let the sender use a folder a day");
    }
    if (found.size() == before) ++empty_answers;
  }
  return wrong_answer();
}

}  // namespace weir::storage::sftp
