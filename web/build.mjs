// SPDX-License-Identifier: Apache-2.0
// Makes the page: bundles, pages with the bundles' names in them, the list of licences, and, for the program, all of
// that as one C++ file.
//
//   node web/build.mjs --modules third_party/web/node_modules --out build/web [--cc build/web/page_assets.cc]
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { cplusplus } from './embed.mjs';
import { headersOf } from './policy.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: given } = parseArgs({
  options: {
    modules: { type: 'string', default: join(here, '../third_party/web/node_modules') },
    out: { type: 'string' },
    cc: { type: 'string' },
  },
});
if (!given.out) {
  console.error('usage: node web/build.mjs --out FOLDER [--modules NODE_MODULES] [--cc FILE]');
  process.exit(2);
}
const modules = resolve(given.modules);
const out = resolve(given.out);

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

/** Bundles of src and styles, in memory: [{ name, bytes }], and what went into them. */
async function bundle() {
  const { build } = createRequire(join(modules, 'x.js'))('esbuild');
  const result = await build({
    absWorkingDir: here,
    entryPoints: ['src/main.tsx', 'src/theme.ts', 'styles/main.css'],
    nodePaths: [modules],
    outdir: join(out, 'assets'),
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022'],
    tsconfigRaw: {}, // the paths of tsconfig.json lead to declarations
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.woff2': 'file', '.woff': 'empty', '.ttf': 'empty' },
    legalComments: 'none', // they are all on the page of licences
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const files = result.outputFiles.map((file) => ({ name: basename(file.path), bytes: Buffer.from(file.contents) }));
  return { files, inputs: Object.keys(result.metafile.inputs) };
}

/** "main.js" → "assets/main-ABC.js". */
function names(files) {
  return Object.fromEntries(files.map(({ name }) => [name.replace(/-[A-Z0-9]{8}(?=\.)/, ''), `assets/${name}`]));
}

function escape(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

/** A paragraph and the licence's text of each package that has gone into the bundles. */
function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const match = input.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (match) packages.add(match[1]);
  }
  return [...packages]
    .sort()
    .map((name) => {
      const folder = join(modules, name);
      const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      if (!file) throw new Error(`${name}: no text of its licence`);
      const text = readFileSync(join(folder, file), 'utf8');
      const title = `<h2>${escape(name)} ${about.version}</h2>\n<p>${escape(String(about.license))}</p>`;
      return `${title}\n<pre>${escape(text)}</pre>`;
    })
    .join('\n');
}

/** Everything that is served: { path, type, bytes, gzip?, headers, immutable, tag }. */
async function assets() {
  const { files, inputs } = await bundle();
  const words = { ...names(files), licences: licences(inputs) };
  const served = files.map(({ name, bytes }) => ({ path: `/assets/${name}`, name, bytes, immutable: true }));
  for (const name of readdirSync(join(here, 'pages'))) {
    const text = readFileSync(join(here, 'pages', name), 'utf8').replace(/^<!-- SPDX.*-->\n/, '');
    const filled = extname(name) === '.html' ? text.replace(/\{([a-z.]+)\}/g, (all, word) => words[word] ?? all) : text;
    // Pages go by their name alone, the first of them by none.
    const path = `/${name.replace(/^index\.html$/, '').replace(/\.html$/, '')}`;
    served.push({ path, name, bytes: Buffer.from(filled), immutable: false });
  }
  return served.map((each) => {
    const gzip = gzipSync(each.bytes, { level: 9 });
    return {
      ...each,
      type: types[extname(each.name)],
      headers: headersOf(each.path),
      gzip: gzip.length < each.bytes.length * 0.95 ? gzip : undefined,
      tag: createHash('sha256').update(each.bytes).digest('hex').slice(0, 20),
    };
  });
}

const served = await assets();
rmSync(join(out, 'files'), { recursive: true, force: true });
mkdirSync(join(out, 'files'), { recursive: true });
for (const { name, bytes } of served) writeFileSync(join(out, 'files', name), bytes);
const list = served.map(({ path, name, type, headers, immutable }) => ({ path, name, type, headers, immutable }));
writeFileSync(join(out, 'files.json'), JSON.stringify(list, null, 1) + '\n');
if (given.cc) writeFileSync(given.cc, cplusplus(served));
const sum = (key) => served.reduce((total, each) => total + (each[key] ?? each.bytes).length, 0);
console.log(
  `page: ${served.length} files, ${Math.round(sum('bytes') / 1000)} kB, packed ${Math.round(sum('gzip') / 1000)} kB`,
);
