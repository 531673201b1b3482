// SPDX-License-Identifier: Apache-2.0
// A module without sources of its own yet still needs one file to make a library of.
