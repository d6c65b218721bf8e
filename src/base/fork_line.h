#pragma once

/// What a fork server and the one that started it say to each other. For base alone.

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/child_process.h"
#include "base/result.h"

namespace weir::internal {

/// Two ends of a socket that keeps messages apart. Whoever waits for an answer on the first end
/// waits no longer than a few seconds: the other may be stopped.
Result<std::pair<Handle, Handle>> make_line();

/// Over the control socket.
struct ForkRequest {
  std::vector<std::string> words;
  std::map<std::string, std::string> environment;
  std::string folder;
};
/// Input, output, error, and the end of a line for this child.
using ForkHandles = std::array<int, 4>;
/// False: nothing was sent, because the other end is gone or the message is too long.
bool send_request(int control, const ForkRequest& request, const ForkHandles& handles);
/// False where there will be no more.
bool receive_request(int control, ForkRequest& request, std::array<Handle, 4>& handles);

/// The first that is said on the line of a child: by a number and by a pidfd.
struct Forked {
  pid_t pid = 0;
  Handle watch;
};
bool send_forked(int line, const Forked& forked);
bool receive_forked(int line, Forked& forked);

/// Then the number of a signal for its group, any number of them, and in the end kReap.
constexpr int kReap = 0;
bool send_wish(int line, int wish);
bool receive_wish(int line, int& wish);

/// The answer to kReap.
struct ForkEnd {
  int exit_status = 0;
  int signal = 0;
  Usage usage;
};
bool send_end(int line, const ForkEnd& end);
bool receive_end(int line, ForkEnd& end);

}  // namespace weir::internal
