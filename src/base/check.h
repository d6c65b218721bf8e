#pragma once

/// Programmer errors end the process: state is in the catalog and in the lake, so a restart is
/// cheap and a wrong answer is not. Never for input, network or disk.

namespace weir::internal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define WEIR_CHECK(condition)                                                         \
  do {                                                                                \
    if (!(condition)) ::weir::internal::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

/// Members that a mutex guards; clang's thread-safety analysis reads it, GCC does not.
#if defined(__clang__)
#define WEIR_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#else
#define WEIR_GUARDED_BY(mutex)
#endif
