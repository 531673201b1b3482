// SPDX-License-Identifier: Apache-2.0
// The parts of the page that need no browser.
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { answers, longText } from './answers.mjs';

globalThis.crypto ??= webcrypto; // node 18
const web = join(process.env.GEMMA4_SOURCE, 'web');
const modules = createRequire(join(process.env.GEMMA4_WEB_MODULES, 'x.js'));
const { build } = modules('esbuild');

/** A module of web/src, as it is. */
async function load(name) {
  const { outputFiles } = await build({
    absWorkingDir: web,
    entryPoints: [`src/${name}.ts`],
    bundle: true,
    write: false,
    format: 'esm',
    tsconfigRaw: {},
    nodePaths: [process.env.GEMMA4_WEB_MODULES],
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

const boxes = await load('boxes');
const tree = await load('tree');
const { EventReader } = await load('sse');
const { wavOf } = await load('wav');
const { isChat } = await load('check');
const format = await load('format');
const { lengthOfBeginning } = await load('fold');
const { GrowingText, wholeOf } = await load('markdown');

test('events: whatever the pieces and the line ends', () => {
  const text = 'data: {"a":1}\r\n\r\n: comment\n\ndata: one\ndata: two\n\nevent: x\ndata:three\r\rdata: never ended';
  for (let size = 1; size < 12; ++size) {
    const reader = new EventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...reader.push(text.slice(at, at + size)));
    assert.deepEqual(found, ['{"a":1}', 'one\ntwo', 'three'], `pieces of ${size}`);
  }
});

test('boxes: fenced, bare, nested, cut, in prose, damaged', () => {
  const one = '{"box_2d": [10, 20, 30, 40], "label": "a } b"}';
  const labels = (text) => boxes.marksOf(text).map((each) => each.label);
  assert.deepEqual(labels('```json\n[' + one + ']\n```'), ['a } b']);
  assert.deepEqual(labels(`Here: ${one}, and ${one} too`), ['a } b', 'a } b']);
  assert.deepEqual(labels(`{"objects": [${one}]}`), ['a } b']);
  assert.deepEqual(labels(`[${one}, {"box_2d": [1, 2`), ['a } b'], 'as far as it is written');
  assert.deepEqual(labels(`{"objects": [${one}, {"box`), ['a } b']);
  for (const bad of ['[1,2,3]', '[1,2,3,1001]', '[-1,2,3,4]', '["1",2,3,4]', '[5,5,5,9]', 'null']) {
    assert.deepEqual(boxes.marksOf(`{"box_2d": ${bad}}`), [], bad);
  }
  assert.deepEqual(boxes.marksOf('{"box_2d": [30, 40, 10, 20]}')[0], {
    label: '',
    x: 20,
    y: 10,
    width: 20,
    height: 20,
    point: false,
  });
  assert.deepEqual(boxes.marksOf('{"point": [30, 40], "label": "p"}')[0], {
    label: 'p',
    x: 40,
    y: 30,
    width: 0,
    height: 0,
    point: true,
  });
  assert.equal(boxes.onlyMarks('```json\n[' + one + ']\n```'), true);
  assert.equal(boxes.onlyMarks(`See ${one}`), false);
  assert.deepEqual(boxes.marksOf('{'.repeat(3000) + '"point"'), [], 'ends soon');
});

test('the tree: versions, choices, rings', () => {
  const say = (chat, id, parent, role, at) => tree.withMessage(chat, { id, parent, role, text: id, at });
  let chat = tree.newChat('');
  chat = say(chat, 'q1', '', 'user', 1);
  chat = say(chat, 'a1', 'q1', 'assistant', 2);
  chat = say(chat, 'a2', 'q1', 'assistant', 3);
  const path = () => tree.pathOf(chat).map((each) => each.id);
  assert.deepEqual(path(), ['q1', 'a2']);
  chat = tree.withChoice(chat, 'a1');
  chat = say(chat, 'q2', 'a1', 'user', 4);
  assert.deepEqual(path(), ['q1', 'a1', 'q2']);
  assert.deepEqual(
    tree.pathTo(chat, 'a2').map((each) => each.id),
    ['q1', 'a2'],
  );
  assert.deepEqual(
    tree.siblingsOf(chat, chat.messages.a2).map((each) => each.id),
    ['a1', 'a2'],
  );
  // Another window has begun a3, and has all of a2, which has only begun here; q2 it does not know.
  const { q2, ...earlier } = chat.messages;
  const begun = (id, more) => ({ ...chat.messages.a2, id, ...more });
  const said = { ...earlier, a2: begun('a2', { finish: 'stop', text: '' }), a3: begun('a3') };
  const theirs = { ...chat, chosen: {}, messages: said };
  const both = tree.merged(theirs, chat);
  assert.deepEqual(Object.keys(both.messages).sort(), ['a1', 'a2', 'a3', 'q1', 'q2']);
  assert.equal(both.messages.a2.finish, 'stop');
  assert.equal(both.messages.q2, q2);
  assert.deepEqual(both.chosen, chat.chosen);
  chat = { ...chat, chosen: { ...chat.chosen, q2: 'q1' } };
  assert.equal(path().length, 3, 'a ring in a damaged file ends');
});

test('titles', () => {
  assert.equal(tree.titleOf('  # What is\n this?', 'x'), 'What is');
  assert.equal(tree.titleOf(' \n', 'photo.jpg'), 'photo.jpg');
  assert.equal(tree.titleOf('word '.repeat(30), 'x').length <= 61, true);
});

test('WAV: clipped, rounded, sized', async () => {
  const bytes = new DataView(await wavOf(Float32Array.of(0, 1, -1, 2, 0.5), 16000).arrayBuffer());
  assert.equal(bytes.byteLength, 54);
  assert.equal(bytes.getUint32(4, true), 46);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((i) => bytes.getInt16(44 + 2 * i, true)),
    [0, 32767, -32767, 32767, 16384],
  );
});

test('numbers as people read them', () => {
  assert.deepEqual([999, 1300, 9949, 131072, 2000000].map(format.short), ['999', '1.3k', '9.9k', '131k', '2.0M']);
  assert.deepEqual([12, 1500, 2345678].map(format.bytes), ['12 B', '2 kB', '2.3 MB']);
  const durations = [40, 1234, 59700, 61000, 119800].map(format.duration);
  assert.deepEqual(durations, ['40 ms', '1.2 s', '1 min 0 s', '1 min 1 s', '2 min 0 s']);
  const speeds = [[11, 100], [11, 2], [1, 100], [1, 0]].map(([tokens, writeMs]) => ({ tokens, writeMs }));
  assert.deepEqual(speeds.map(format.tokensPerSecond), [100, 0, 0, 0]);
  assert.equal(format.clock(83.4), '1:23');
  const now = new Date(2026, 4, 20, 12).getTime();
  const days = [0, 1, 3, 40].map((ago) => format.dayOf(now - ago * 86400000, now));
  assert.deepEqual(days, ['Today', 'Yesterday', 'This week', 'April 2026']);
});

test('the lock names no registry and pins what package.json wants', () => {
  const lock = readFileSync(join(web, 'package-lock.json'), 'utf8');
  assert.doesNotMatch(lock, /"resolved"/);
  const wanted = JSON.parse(readFileSync(join(web, 'package.json'), 'utf8'));
  for (const [name, version] of Object.entries({ ...wanted.dependencies, ...wanted.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.equal(JSON.parse(lock).packages[`node_modules/${name}`].version, version);
    assert.ok(JSON.parse(lock).packages[`node_modules/${name}`].integrity, name);
  }
});

test('the beginning of a long text ends with a line, a word, a whole character', () => {
  const shown = (text) => text.slice(0, lengthOfBeginning(text));
  for (const short of ['', 'a', 'line\n'.repeat(21), 'x'.repeat(1800)]) assert.equal(shown(short), short);
  assert.equal(shown('line\n'.repeat(1000)), 'line\n'.repeat(15).trimEnd());
  assert.match(shown('some words '.repeat(1000)), /^some words [^]* (some|words)$/);
  assert.equal(lengthOfBeginning('x'.repeat(200_000)), 1200);
  assert.equal(lengthOfBeginning('x' + '😀'.repeat(1000)), 1199);
  assert.ok(lengthOfBeginning('\n'.repeat(1000)) < 20);
});

/** Where blocks could be cut wrongly. */
const tricky = [
  '1. one\n\n2. two\n\n2 is a number\n\n- a\n\n- b\n\n--- \n\nx\n\n* a\n\n  b\n\n**c**\n\n      code\n\n\tmore\n',
  'a [link], a [b][c] and\n\nmore\n\nof it\n\n[link]: https://example.com\n\n[c]: https://x.org "t"\n\nend\n\n[link]\n\nend',
  '# a\n# b\np\n\n    code\n\n    more\n\np\n===\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\nend\n\n> q\nlazy\n\n> r\n\nx',
  'p\n$$\nx\n$$\n\n$$\n\nnot closed\n\n$$y$$\n\n$$a$$ and $$b$$\n\n- $$x\n# h\n\np\n\ny$$\n\n\\[\nz\n\\]\n',
  '$$x\n# h\np\n# h\ny$$\n',
  '```\na\n\nb\n~~~\n\n```\n\n~~~js\nlet x;\n\n\n```\n\n~~~\n\n- a\n\n  ```\n  b\n\n  ```\n\nx\n',
  '```\nopen\n\nend',
  'o\rl\rd\n\n1\n\n2\n\n3\n\n4\n\nd\r\n\r\nlines\r\n \t\r\nmore\r\rold\r \u00a0\rends\n\u00a0\n\nx\n\0\n\n\u2028\n\nz',
];

test('Markdown that grows is the same at every length as when it is read whole', () => {
  const scripted = ['markdown', 'odd', 'evil', 'page'].map((each) => answers(each, { messages: [{}] }).text);
  for (const text of [...tricky, ...scripted, tricky.join('\n\n')]) {
    const growing = new GrowingText();
    for (let end = 0; end <= text.length; ++end) {
      const given = text.slice(0, end);
      assert.deepEqual(growing.blocksOf(given), new GrowingText().blocksOf(given), JSON.stringify(given));
    }
    assert.deepEqual(growing.blocksOf(text), new GrowingText().blocksOf(text));
  }
  const growing = new GrowingText();
  growing.blocksOf('a\n\nb\n\nc');
  assert.deepEqual(growing.blocksOf('b\n\nc').map(wholeOf), ['<p>b</p>\n', '<p>c</p>\n'], 'another text');
});

test('formulas on lines of their own end before an empty line; one that a line goes on behind stands in it', () => {
  const html = (text) => new GrowingText().blocksOf(text).map(wholeOf).join('');
  const found = (text) => [...html(text).matchAll(/class="math"[^>]*>([^<]*)/g)].map((each) => each[1]);
  assert.deepEqual(found('$$\na\n$$\n\n\\[b\n\\]\n'), ['\na\n', 'b\n']);
  assert.deepEqual(found('$$a$$ and $$b$$\n\nx\n\n$$c$$'), ['a', 'b', 'c']);
  assert.deepEqual(found('$$\na\n\nb\n$$'), []);
  assert.deepEqual(found('> \\[a\n>\n> \\[b\n> \\]\n\n- $$c\n\n  d$$\n'), ['b\n']);
  assert.deepEqual(found('\\[a\n\\[b\nc\\] d'), ['a\n\\[b\nc'], 'in a paragraph');
  assert.deepEqual(found('\\(a \\(b\\) [\\(c](x) \\(d\\) \\(e'), ['a \\(b', 'c](x) \\(d']);
  assert.deepEqual(found('$a\\$b$ \\\\$c \\\\$d$'), ['a\\$b', 'c \\\\$d']);
});

test('marks of formulas that nothing closes are read in linear time', () => {
  const time = (unit, length) => {
    const text = unit.repeat(length / unit.length);
    const times = Array.from({ length: 3 }, () => {
      const begun = performance.now();
      new GrowingText().blocksOf(text);
      return performance.now() - begun;
    });
    return Math.min(...times);
  };
  for (const unit of ['\\(a ', '\\[a ', '\\\\$a', '\\[a\n', '$$a\n', '\\(![\\(a](b)']) {
    time(unit, 10_000); // compiles it
    const times = time(unit, 160_000) / time(unit, 10_000); // 16, were it exact; where each looks for its end: 256
    assert.ok(times < 64, `${JSON.stringify(unit)}: 16 times as much takes ${times} times as long`);
  }
});

/** A block of code of many lines, without its last line. */
const listing = (language, line, count) => '```' + language + '\n' + Array.from({ length: count }, line).join('');

test('code is coloured in parts of whole lines, which stay as they are while it grows', () => {
  const text = listing('python', (_, i) => `value_${i} = compute(${i}, "text")  # a remark\n\n`, 1000);
  const plain = (html) => html.replace(/<[^>]*>/g, '').replaceAll('&quot;', '"');
  let before = [];
  for (let end = 10_000; end < text.length; end += 1111) {
    const [{ parts }] = new GrowingText().blocksOf(text.slice(0, end));
    assert.equal(parts.map(plain).join(''), text.slice('```python\n'.length, end));
    before.slice(0, -1).forEach((each, i) => assert.equal(parts[i], each, 'it is left alone'));
    assert.ok(parts.every((each) => plain(each).length < 4096 + 100));
    assert.ok(parts.slice(0, -1).every((each) => plain(each).endsWith('\n')));
    assert.ok(parts.every((each, i) => i === parts.length - 1 || each.match(/hljs-comment/g).length > 50));
    before = parts;
  }
});

test('parts of code have the colours that all of it has', () => {
  const { highlight } = modules('highlight.js/lib/common');
  for (const [language, ...lines] of [
    ['python', 'class A(B):', '    """Says', '    what."""', '    def f(a: int = 1):', '        return f"{a}"  # one'],
    ['cpp', '#include <a>', 'int f(const T& x) {', "  return g('c', 1.f);  /* two", '  lines */', '}'],
    ['javascript', 'class A extends B {', '  #p = `a ${b}', '  c`;', '  get v() {', '    return /r/; // x', '  }', '}'],
    ['css', '.a > b:hover {', '  color: #fff;', '}', '@media (width < 4em) {', '  .a {', '    margin: 0', '  }', '}'],
    ['html', '<div class="a">', '  <p>text</p><script>', '    f("x");', '  </script>', '</div>'],
  ]) {
    const unit = lines.join('\n') + '\n';
    const code = unit.repeat(20_000 / unit.length);
    const [{ parts }] = new GrowingText().blocksOf('```' + language + '\n' + code + '```\n');
    assert.ok(parts.length > 2, `${language}: ${parts.length} parts`);
    const inParts = parts.map((each) => each.slice('<span class="part">'.length, -'</span>'.length)).join('');
    assert.equal(inParts, highlight(code, { language }).value, language);
  }
});

test('in a string without end, what grows is coloured where it has been tried, and when it ends', () => {
  const line = (_, i) => `line ${i} of a string\n`;
  const text = listing('python', line, 1).replace('line 0 of a string', 'x = """') + listing('', line, 2000).slice(4);
  const remarks = (given) => new GrowingText().blocksOf(given)[0].parts.map((each) => /hljs-string/.test(each));
  assert.deepEqual(remarks(text), [true]);
  const [grown] = new GrowingText().blocksOf(text)[0].parts;
  const [, inString, behind] = /hljs-string">([^<]*)<\/span>([^<]*)/.exec(grown);
  assert.ok(inString.length > behind.length && behind.length > 100, `${inString.length} of it`);
  const ended = text + '"""\ny = 1\n';
  const [closed] = new GrowingText().blocksOf(ended + '```\n')[0].parts;
  assert.match(closed, /line 1999 of a string\n&quot;&quot;&quot;<\/span>\ny = <span class="hljs-number">1/);
  const more = listing('', (_, i) => `z = ${i}\n`, 2000).slice(4);
  assert.ok(remarks(ended + more + more).length > 2, 'behind it are parts again');
});

test('of Markdown that grows only the end is read again', () => {
  const text = longText(60_000);
  const growing = new GrowingText();
  const time = (reader, given) => {
    const begun = performance.now();
    reader.blocksOf(given);
    return performance.now() - begun;
  };
  growing.blocksOf(text);
  const pairs = Array.from({ length: 7 }, (_, i) => {
    const given = text + 'word '.repeat(i);
    return time(growing, given) / time(new GrowingText(), given);
  });
  assert.ok(pairs.sort((a, b) => a - b)[3] < 0.5, `shares of the time: ${pairs}`);
});

test('a conversation of a file is whole, or it is not taken', () => {
  const stats = { promptTokens: 1, cachedTokens: 0, tokens: 1, thoughtTokens: 0, firstMs: 1, writeMs: 1 };
  const file = { id: 'f1', kind: 'video', name: 'f', type: 'video/webm', size: 1, seconds: null };
  const question = { id: 'q1', parent: '', role: 'user', text: 'q', at: 1, attachments: [file] };
  const call = { id: 'c', name: 'n', args: '{}' };
  const answer = { id: 'a1', parent: 'q1', role: 'assistant', text: 'a', at: 2, finish: 'stop', stats, calls: [call] };
  const result = { id: 'r1', parent: 'a1', role: 'tool', text: '', at: 3, results: [{ id: 'c', content: '' }] };
  const head = { id: 'c1', title: 't', created: 1, changed: 1, system: '', chosen: { '': 'q1' } };
  const chat = (...messages) => ({ ...head, messages: Object.fromEntries(messages.map((each) => [each.id, each])) });
  assert.equal(isChat(chat(question, answer, result)), true);
  assert.equal(isChat(JSON.parse(JSON.stringify(tree.newChat('')))), true);
  for (const [what, bad] of Object.entries({
    nothing: null,
    list: [],
    id: { ...chat(question), id: '"]' },
    title: { ...chat(question), title: 1 },
    messages: { ...head, messages: [question] },
    'a key': { ...head, messages: { q2: question } },
    chosen: { ...chat(question), chosen: { '': 1 } },
    message: chat({ ...question, text: null }),
    role: chat({ ...question, role: 'system' }),
    attachment: chat({ ...question, attachments: [null] }),
    kind: chat({ ...question, attachments: [{ ...file, kind: 'x' }] }),
    thumb: chat({ ...question, attachments: [{ ...file, thumb: 'https://example.com/a.png' }] }),
    stats: chat({ ...answer, stats: {} }),
    calls: chat({ ...answer, calls: [{}] }),
    results: chat({ ...result, results: {} }),
  })) {
    assert.equal(isChat(bad), false, what);
  }
});
