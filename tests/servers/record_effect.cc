// weir with one more template, whose effect has no token: each attempt that comes to it writes its
// own line, so a second one shows. For tests alone.

#include <array>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "app/program.h"
#include "base/process.h"
#include "task/define.h"

namespace weir {
namespace {

struct Params {
  std::string journal;
  int64_t pause_ms = 0;
};

/// One write, so that lines of many processes do not mix.
Status write_line(const std::string& file, const std::string& line) {
  const int journal = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (journal < 0) return fail(ErrorCode::kUnavailable, "cannot open '{}'", file);
  const ssize_t written = write(journal, line.data(), line.size());
  close(journal);
  if (written != static_cast<ssize_t>(line.size()))
    return fail(ErrorCode::kUnavailable, "cannot write '{}'", file);
  return {};
}

Result<model::Outcome> record(const Params& params, const task::Context& context) {
  const auto note = [&](std::string_view what) {
    return write_line(
        params.journal,
        fmt::format("{} {} {} {} {} {}\n", what, context.origin.run_id, context.origin.task_id,
                    context.origin.attempt, getpid(), context.engine.clock->monotonic_us()));
  };
  WEIR_TRY(note("begin"));
  const int64_t until_us = context.engine.clock->monotonic_us() + params.pause_ms * 1000;
  while (context.engine.clock->monotonic_us() < until_us) {
    if (const Status asked = context.engine.cancel->check(); !asked) {
      WEIR_TRY(note("stop"));
      return std::unexpected(asked.error());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  WEIR_TRY(note("end"));
  return model::Outcome();
}

task::Template record_effect() {
  return task::Define<Params>("record_effect", "Writes a line when it begins and one when it ends.")
      .required("journal", &Params::journal, "File that the lines are appended to.")
      .optional("pause_ms", &Params::pause_ms, "Milliseconds from one to the other.")
      .example("One task of a test.", {{"journal", "/tmp/journal"}, {"pause_ms", 100}})
      .run(record);
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  const std::array own = {weir::record_effect()};
  return weir::app::run_program(argc, argv, own);
}
