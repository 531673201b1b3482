// SPDX-License-Identifier: Apache-2.0
// A media worker whose decoder has been taken over: confined like the true one, then it does what its first argument
// says. It ends with status 0 only when it got what it wanted.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "media/confine.h"
#include "media/worker.h"
#include "media/worker_wire.h"

namespace {

/** Far behind the end of a row, as a wrong length would have it. */
void write_out_of_bounds() {
  std::vector<uint8_t> row(64);
  volatile uint8_t* data = row.data();
  for (int64_t i = 0; i < int64_t{1} << 40; i += 4096) data[i] = 1;
}

/** A few bytes behind a row, over what the heap keeps there; it sees that when the row is given back. */
int write_into_the_heap() {
  const volatile size_t bytes = 4000;  // a compiler that knew it would refuse the rest
  std::vector<uint8_t> row(bytes);
  volatile uint8_t* data = row.data();
  for (size_t i = 0; i < 64; ++i) data[bytes + i] = 0xff;
  return 0;
}

int spin() {
  volatile bool on = true;
  while (on) {
  }
  return 0;
}

int spin_deaf() {
  signal(SIGXCPU, SIG_IGN);
  return spin();
}

int open_a_file() {
  const int fd = open("/etc/passwd", O_RDONLY);
  return fd < 0 && errno == EPERM ? 7 : 0;
}

int take_memory() {
  for (int64_t bytes = 0; bytes < int64_t{1} << 36; bytes += 1 << 28) {
    volatile uint8_t* block = new uint8_t[1 << 28];
    block[bytes % 4096] = 1;
  }
  return 0;
}

/** Memory that is no address space. */
int grow_arrays() { return ftruncate(gemma::media::kArraysDescriptor, int64_t{1} << 40) == 0 ? 0 : 7; }

int write_arrays_far_out() { return pwrite(gemma::media::kArraysDescriptor, "x", 1, int64_t{1} << 40) == 1 ? 0 : 7; }

int run_memory() {
  void* block = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? 7 : 0;
}

int answer(std::string_view text) { return write(STDOUT_FILENO, text.data(), text.size()) > 0 ? 0 : 7; }

/** A thousand times the same bytes, which would be as many copies. */
int answer_with_copies() {
  if (ftruncate(gemma::media::kArraysDescriptor, 4096) != 0) return 7;
  std::string text = R"({"facts": {}, "arrays": [)";
  for (int i = 0; i < 1000; ++i) {
    text += std::string(i == 0 ? "" : ",") + R"({"name": "x", "dtype": "u8", "shape": [4096], "offset": 0})";
  }
  return answer(text + "]}");
}

/** As the library of C++ does. */
int tell_of_memory() {
  constexpr std::string_view kText = "gemma4: std::bad_alloc\n";
  return write(STDERR_FILENO, kText.data(), kText.size()) > 0 ? 3 : 4;
}

int misbehave(std::string_view what) {
  if (what == "write") write_out_of_bounds();
  if (what == "write near") return write_into_the_heap();
  if (what == "spin") return spin();
  if (what == "spin deaf") return spin_deaf();
  if (what == "kill") return raise(SIGKILL);
  if (what == "interrupt") return raise(SIGINT);
  if (what == "tell memory") return tell_of_memory();
  if (what == "grow") return grow_arrays();
  if (what == "write far") return write_arrays_far_out();
  if (what == "copies") return answer_with_copies();
  if (what == "open") return open_a_file();
  if (what == "socket") return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 7 : 0;
  if (what == "fork") return fork() < 0 ? 7 : 0;
  if (what == "exec") return execl("/bin/true", "true", nullptr);
  if (what == "memory") return take_memory();
  if (what == "code") return run_memory();
  if (what == "sleep") return pause();
  if (what == "nonsense") return answer("{\"facts\": {}, \"arrays\": [3]}");
  if (what == "outside") {
    return answer(
        R"({"facts": {}, "arrays": [{"name": "x", "dtype": "u8", "shape": [9], "offset": 9000000000000000000}]})");
  }
  if (what == "overflow") {
    return answer(R"({"facts": {}, "arrays": [{"name": "x", "dtype": "f32", "shape": [4294967296, 4294967296],)"
                  R"( "offset": 0}]})");
  }
  return 9;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  gemma::media::confine({int64_t{1} << 30, 1, gemma::media::kArraysDescriptor});
  const int status = misbehave(what);
  if (status == 7) {
    constexpr std::string_view kRefused = "gemma4: x: refused\n";
    if (write(STDERR_FILENO, kRefused.data(), kRefused.size()) < 0) return 8;
    return 1;
  }
  return status;
}
