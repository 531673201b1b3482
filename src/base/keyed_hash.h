// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein, 2012): a 64-bit hash under a secret of 128 bits. Who does not know the secret
// cannot make two inputs of one hash, nor learn from the hash what was hashed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gemma {

using HashKey = std::array<uint64_t, 2>;

/** One that this process has drawn, and nobody else knows; or what use_hash_key has put in its place. */
const HashKey& process_hash_key();

/** Another one, kept from before, so that hashes stay what they were. Before anything is hashed; one thread. */
void use_hash_key(const HashKey& key);

uint64_t keyed_hash(std::span<const std::byte> bytes, const HashKey& key);

}  // namespace gemma
