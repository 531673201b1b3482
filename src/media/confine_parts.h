// SPDX-License-Identifier: Apache-2.0
// What both confinements begin with.
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <memory>

#include "media/confine.h"

namespace gemma::media {

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

/** A call that this system does not know needs no rule. */
void add_rule(const Filter& filter, uint32_t action, int call, const char* where);
void add_rule(const Filter& filter, uint32_t action, int call, const scmp_arg_cmp& argument, const char* where);

/** Closes what it should not have, sets the limits, gives up privileges. `taken`: bytes of address space that do not
 *  count. */
void give_up(const Confinement& confinement, int64_t taken, const char* where);

/** For good. */
void load(const Filter& filter, const char* where);

}  // namespace gemma::media
