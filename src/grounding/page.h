// SPDX-License-Identifier: Apache-2.0
// A page within a model's answer.
#pragma once

#include <string>
#include <string_view>

namespace gemma::grounding {

/** What stands in the answer's fence of HTML, else in its longest fence, else from the document's beginning to its end;
 *  all of the answer where there is none of these. Of an answer that was cut, up to there. */
std::string page_of(std::string_view answer);

}  // namespace gemma::grounding
