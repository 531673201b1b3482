// SPDX-License-Identifier: Apache-2.0
// Loaded before a program's libraries: what GEMMA4_OTHER_WORKER names is started in the place of its media worker, so
// that tests can have a worker that lies.
#include <dlfcn.h>
#include <spawn.h>

#include <cstdlib>

using Spawn = int (*)(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, char* const*,
                      char* const*);

extern "C" int posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                           const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
  const char* other = std::getenv("GEMMA4_OTHER_WORKER");
  const auto spawn = reinterpret_cast<Spawn>(dlsym(RTLD_NEXT, "posix_spawn"));
  return spawn(child, other != nullptr ? other : path, actions, attributes, arguments, environment);
}
