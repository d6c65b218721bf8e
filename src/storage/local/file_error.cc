#include "storage/local/file_error.h"

#include <cerrno>
#include <system_error>

namespace weir::storage::local {
namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT: return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
    case EXDEV:
    case ELOOP: return ErrorCode::kDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK: return ErrorCode::kResourceExhausted;
    case EIO:
    case ENXIO:
    case EBUSY:
    case EAGAIN:
    case EINTR:
    case ESTALE:
    case ETIMEDOUT: return ErrorCode::kUnavailable;
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case EILSEQ:
    case EINVAL: return ErrorCode::kInvalidConfig;
    default: return ErrorCode::kInternal;
  }
}

std::string_view hint_for(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM: return "give this user the rights to the file and its folders";
    case EROFS: return "the file system is mounted read-only";
    case EXDEV:
    case ELOOP: return "only relative links that stay below the root are followed: copy the file";
    case ENOSPC:
    case EDQUOT: return "make room, then run again: nothing half-written is visible";
    case EMFILE:
    case ENFILE: return "raise the limit of open files (ulimit -n)";
    case ENAMETOOLONG: return "the file system takes 255 bytes a segment";
    case ENOTDIR: return "an object is in the way where a folder is needed";
    case EISDIR: return "a folder of that name is in the way";
    default: return "";
  }
}

}  // namespace

std::unexpected<Error> file_failure(int error_number, std::string_view action,
                                    std::string_view path) {
  // strerror is not safe with threads; the category's message is.
  const std::string why = error_number == EXDEV ? "it leads out of the store's folder"
                                                : std::generic_category().message(error_number);
  return fail_with_hint(code_of(error_number), fmt::format("cannot {} '{}': {}", action, path, why),
                        std::string(hint_for(error_number)));
}

bool may_have_acted(int error_number) {
  return error_number == EIO || error_number == ETIMEDOUT || error_number == EINTR;
}

}  // namespace weir::storage::local
