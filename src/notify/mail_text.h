#pragma once

/// A message as the bytes of a mail (RFC 5322): headers that no field can break out of, and a text
/// of UTF-8. Pure.

#include <string>

#include "notify/channel.h"

namespace weir::notify {

/// Lines end with CRLF; none is longer than 998 bytes.
std::string mail_text(const Message& message, const SmtpSettings& settings);

}  // namespace weir::notify
