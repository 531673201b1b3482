// SPDX-License-Identifier: Apache-2.0
// Files as a C++ source, in the form that src/serve/page_assets.h declares: string literals, which every compiler reads
// quickly, and no assembler has to know.

const LINE = 96; // bytes a line

/** Bytes as adjacent string literals. */
function literal(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    let line = '';
    for (const byte of bytes.subarray(at, at + LINE)) line += ESCAPES[byte];
    lines.push(`    "${line}"`);
  }
  return lines.length > 0 ? lines.join('\n') : '    ""';
}

// Octal, always three digits: what follows cannot be taken for a part of it. '?' could begin a trigraph.
const ESCAPES = Array.from({ length: 256 }, (_, byte) => {
  const c = String.fromCharCode(byte);
  return /[A-Za-z0-9 !#-&(->@[\]-~]/.test(c) ? c : `\\${byte.toString(8).padStart(3, '0')}`;
});

function text(value) {
  return `"${[...Buffer.from(value)].map((byte) => ESCAPES[byte]).join('')}"`;
}

function headers(all) {
  return Object.entries(all)
    .map(([name, value]) => `{${text(name)}, ${text(value)}}`)
    .join(', ');
}

export function cplusplus(assets) {
  const out = [
    '// SPDX-License-Identifier: Apache-2.0',
    '// Made by web/build.mjs.',
    '#include "serve/page_assets.h"',
    '',
    'namespace gemma::serve {',
    'namespace {',
    '',
  ];
  assets.forEach(({ bytes, gzip }, i) => {
    out.push(`constexpr char kBytes${i}[] =\n${literal(bytes)};`);
    if (gzip) out.push(`constexpr char kGzip${i}[] =\n${literal(gzip)};`);
  });
  out.push('', '}  // namespace', '', 'const std::vector<PageAsset>& page_assets() {');
  out.push('  static const std::vector<PageAsset> all = {');
  assets.forEach(({ path, type, bytes, gzip, headers: some, immutable, tag }, i) => {
    const packed = gzip ? `{kGzip${i}, ${gzip.length}}` : '{}';
    out.push(
      `      {${text(path)}, ${text(type)}, {kBytes${i}, ${bytes.length}}, ${packed}, ${text(tag)}, ${immutable},`,
    );
    out.push(`       {${headers(some)}}},`);
  });
  out.push('  };', '  return all;', '}', '', '}  // namespace gemma::serve', '');
  return out.join('\n');
}
