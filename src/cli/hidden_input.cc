#include "cli/hidden_input.h"

#include <istream>
#include <iterator>
#include <ostream>

#include <termios.h>
#include <unistd.h>

#include "base/redact.h"

namespace weir::cli {
namespace {

/// Nothing is shown of what is typed meanwhile.
class NoEcho {
 public:
  NoEcho() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    is_on_ = true;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~NoEcho() {
    if (is_on_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool is_on_ = false;
};

}  // namespace

std::string read_hidden(Session& session, const std::string& what) {
  const Wiring& wiring = session.wiring();
  std::string value;
  if (isatty(STDIN_FILENO) == 1) {
    const NoEcho quiet;
    *wiring.err << fmt::format("{} (it is not shown): ", what) << std::flush;
    std::getline(*wiring.in, value);
    *wiring.err << "\n";
  } else {
    value.assign(std::istreambuf_iterator<char>(*wiring.in), {});
    if (value.ends_with('\n')) value.pop_back();
    if (value.ends_with('\r')) value.pop_back();
  }
  process_redactor().remember(value);
  return value;
}

}  // namespace weir::cli
