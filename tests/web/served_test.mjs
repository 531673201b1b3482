// SPDX-License-Identifier: Apache-2.0
// The page as `gemma4 serve` gives it, with real models: the default one, and a tiny random one that sees and hears.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { headersOf } from '../../web/policy.mjs';
import {
  answers,
  ask,
  chooser,
  drawnPicture,
  lastAnswer,
  openPage,
  settled,
  source,
  until,
  useBrowser,
} from './support.mjs';

const program = process.env.GEMMA4_PROGRAM;
const folder = mkdtempSync(join(tmpdir(), 'gemma4-page-'));
let language; // where the default model answers
let senses; // where the random one does
const running = [];

/** Its address, once it is ready. */
async function serve(...options) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GEMMA4|XDG)_/.test(name)));
  const server = spawn(program, ['serve', ...options, '--port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...env, HOME: folder },
  });
  running.push(server);
  let said = '';
  for await (const line of createInterface(server.stderr)) {
    said += `${line}\n`;
    const port = /served at http:\/\/\S+:(\d+)/.exec(line)?.[1];
    if (port) return `http://127.0.0.1:${port}/`;
  }
  throw new Error(`it did not start: ${said}`);
}

before(async () => {
  const make = "import sys, tiny_model, pathlib; tiny_model.make('mixed', pathlib.Path(sys.argv[1]))";
  execFileSync('python3', ['-B', '-c', make, join(folder, 'mixed')], {
    cwd: join(source, 'tests/e2e'),
    env: { ...process.env, GEMMA4_SOURCE: source, GEMMA4_PROGRAM: program },
  });
  language = await serve(join(source, 'models/gemma-3-270m-q4_k_m.gguf'), '--context', '2048');
  senses = await serve(join(folder, 'mixed'));
});
after(async () => {
  for (const server of running) {
    server.kill();
    if (server.exitCode === null) await once(server, 'exit');
  }
  rmSync(folder, { recursive: true });
});
useBrowser();

/** { status, headers, bytes } of a request without what fetch does by itself. */
function get(path, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(path, language), { headers, method }, async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(parts) });
    });
    request.on('error', reject);
    request.end();
  });
}

test('files: policy, packing, tags, how long they may be kept', async () => {
  const plain = await get('/');
  assert.equal(plain.status, 200);
  assert.equal(plain.headers['content-type'], 'text/html; charset=utf-8');
  for (const path of ['/', '/preview', '/licences']) {
    const { headers } = await get(path);
    for (const [name, value] of Object.entries(headersOf(path))) assert.equal(headers[name], value, path);
    assert.equal(headers['cache-control'], 'no-cache');
  }
  const scripts = [...plain.bytes.toString().matchAll(/(?:src|href)="(assets[^"]+)"/g)].map((match) => match[1]);
  assert.equal(scripts.length, 3);
  for (const path of scripts) {
    const whole = await get(path);
    const packed = await get(path, { 'accept-encoding': 'gzip, br' });
    assert.match(whole.headers['cache-control'], /immutable/);
    assert.equal(whole.headers['content-encoding'], undefined);
    if (packed.headers['content-encoding']) assert.deepEqual(gunzipSync(packed.bytes), whole.bytes, path);
    const again = await get(path, { 'if-none-match': whole.headers.etag });
    assert.deepEqual([again.status, again.bytes.length], [304, 0]);
    const head = await get(path, {}, 'HEAD');
    assert.deepEqual([head.status, head.bytes.length], [200, 0]);
    assert.equal(head.headers['content-length'], String(whole.bytes.length));
  }
  assert.equal((await get('/assets/nothing.js')).status, 404);
  assert.equal((await get('/', {}, 'POST')).status, 405);
});

test('a conversation with the default model', async (t) => {
  const { page } = await openPage(t, { at: language });
  await page.getByText('gemma-3-270m').first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Take a picture' }).count(), 0, 'it only reads');
  await ask(page, 'What is the capital of France? Answer with one word.');
  assert.match(await lastAnswer(page), /Paris/);
  await ask(page, 'And of Italy?');
  const stats = await answers(page).last().locator('.stats').innerText();
  assert.match(stats, /tokens · prompt \d+, \d+ cached · first after/);
  assert.match(await page.getByRole('meter').getAttribute('aria-valuetext'), /of 2,048 tokens/);
});

test('an answer is stopped, another one given at once', async (t) => {
  const { page } = await openPage(t, { at: language });
  await page.fill('#message-box', 'Write a very long story about a whale.');
  await page.keyboard.press('Enter');
  await until(
    async () =>
      (
        await answers(page)
          .locator('.prose')
          .innerText()
          .catch(() => '')
      ).length > 20,
    'a beginning',
  );
  await page.keyboard.press('Escape');
  await settled(page);
  await page.getByRole('button', { name: 'Answer again' }).click();
  await page.getByRole('button', { name: /^Stop/ }).click();
  await settled(page);
});

test('every setting is one that the server takes; what it refuses is shown', async (t) => {
  const { page } = await openPage(t, { at: language });
  await page.getByRole('button', { name: 'Settings' }).click();
  for (const [name, value] of [
    ['Temperature', '0.5'],
    ['Top p', '0.9'],
    ['Top k', '20'],
    ['Min p', '0.05'],
    ['Repetition penalty', '1.1'],
    ['Presence penalty', '0.1'],
    ['Frequency penalty', '0.1'],
    ['Seed', '7'],
    ['Most tokens', '12'],
    ['Stop at', 'END'],
    ['System prompt', 'Be brief.'],
  ]) {
    await page.getByLabel(name).fill(value);
  }
  await page.keyboard.press('Escape');
  await ask(page, 'Say something');
  assert.equal(await answers(page).locator('.failure').count(), 0);
  await ask(page, 'word '.repeat(4000));
  assert.match(await answers(page).last().locator('.failure').innerText(), /tokens/);
});

test('pictures, sound and thinking, with a model that has all three', async (t) => {
  const { page } = await openPage(t, { at: senses });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Most tokens').fill('8');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Think' }).click();
  await page.setInputFiles(chooser, await drawnPicture(page));
  await page.locator('.chip').waitFor();
  await page.getByRole('button', { name: 'Record sound' }).click();
  await page.waitForTimeout(700);
  await page.getByRole('button', { name: 'Attach', exact: true }).click();
  await page.locator('.chip').nth(1).waitFor();
  await ask(page, 'hi');
  assert.equal(await answers(page).locator('.failure').count(), 0, await answers(page).innerText());
  assert.match(await answers(page).locator('.stats').innerText(), /prompt \d{2,}/);
});

test('with keys, the page comes to everybody and asks for one', async (t) => {
  const keys = join(folder, 'keys.txt');
  const key = execFileSync(program, ['serve', '--keys', keys, '--new-key', 'alice'], { encoding: 'utf8' }).trim();
  const { page } = await openPage(t, { at: await serve(join(folder, 'mixed'), '--keys', keys) });
  await page.getByRole('button', { name: 'Enter a key' }).click();
  await page.getByLabel('Key, where').fill('wrong');
  await page.keyboard.press('Tab');
  await until(async () => /key/.test(await page.locator('.empty .failure').innerText()), 'a wrong one is refused');
  await page.getByLabel('Key, where').fill(key);
  await page.getByLabel('Most tokens').fill('8');
  await page.keyboard.press('Escape');
  await page.locator('.empty .failure').waitFor({ state: 'detached' });
  await ask(page, 'hi');
  assert.equal(await answers(page).locator('.failure').count(), 0);
});
