#pragma once

/// What connections ask of the machine that they begin at.

#include <string>
#include <string_view>

namespace weir {

/// Whether a host is this machine by what is written alone: `localhost`, 127.0.0.0/8 as four
/// numbers, `::1` or `[::1]`. A name such as 127.example.org is none.
bool names_this_machine(std::string_view host);

/// The PEM file of the authorities that this system trusts, where distributions keep it: libraries
/// that came along from another one look in the wrong place. Empty where there is none.
std::string system_ca_file();

}  // namespace weir
