# SPDX-License-Identifier: Apache-2.0
"""Writes the text that quality is measured on: Debian 12's licence texts and documentation of its essential packages.

    python tests/bench/quality_text.py FILE

The same bytes on every Debian 12 (the digest is printed, and another one is said to be another). Images without
/usr/share/doc lack the files: the one that is missing is named.
"""

import gzip
import hashlib
import pathlib
import sys

LICENCES = ("GPL-3", "MPL-2.0", "Apache-2.0", "GFDL-1.3", "Artistic", "CC0-1.0")
DOCUMENTS = (
    "base-files/README",
    "base-passwd/users-and-groups.txt.gz",
    "bash/INTRO.gz",
    "bash/POSIX.gz",
    "dpkg/spec/triggers.txt",
    "dpkg/spec/rootless-builds.txt",
    "mawk/README",
    "sed/sedfaq.txt.gz",
    "util-linux/parse-date.txt.gz",
    "util-linux/poeigl.txt.gz",
)
MOST = 48_000  # bytes of one file, to the end of a line: none shall outweigh the rest
DIGEST = "9e77f36a1bcc5def839b567ed824c751b8c16d77c90278ca8e15ad875f458cd2"


def read(path):
    try:
        data = path.read_bytes()
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}: part of every Debian 12, but of no image without documentation")
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    text = data.decode("utf-8", "replace").replace("\f", "")
    return text if len(text) <= MOST else text[: text.rindex("\n", 0, MOST) + 1]


def make():
    """The text as bytes."""
    share = pathlib.Path("/usr/share")
    files = [share / "common-licenses" / name for name in LICENCES] + [share / "doc" / name for name in DOCUMENTS]
    return "\n".join(read(path) for path in files).encode()


def digest(text):
    return hashlib.sha256(text).hexdigest()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = make()
    pathlib.Path(sys.argv[1]).write_bytes(text)
    same = "" if digest(text) == DIGEST else " (another text than the one of docs/quality.md)"
    print(f"{len(text)} bytes, sha256 {digest(text)}{same}")


if __name__ == "__main__":
    main()
