#pragma once

/// "Did you mean": the known word nearest to one that is not known.

#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The candidate with the smallest edit distance (Damerau, adjacent swaps count one), if that is at
/// most a third of the word's length (at least 1, at most 3); otherwise empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// `did you mean 'x'? ` or empty: ready to be a hint.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace weir
