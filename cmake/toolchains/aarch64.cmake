# SPDX-License-Identifier: Apache-2.0
# For 64-bit Arm from another machine; tests run under qemu. Debian: g++-aarch64-linux-gnu, qemu-user, and the libraries
# of bootstrap for arm64, installed or unpacked in a folder that CMAKE_FIND_ROOT_PATH names.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
