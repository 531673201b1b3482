// SPDX-License-Identifier: Apache-2.0
// How busy the page is. By hand, on a quiet machine: a built page, or several in turn.
//
//   node tests/bench/page.mjs build/release/web [OTHER_BUILD/web …] [--rounds 3] [--only long --only opening …]
//
// long:      an answer of 180 kB of all that Markdown has streams within some ten seconds: the longest task, the share
//            of the time that tasks of more than 50 ms take, and how long after its last byte all of it is shown.
// late:      the last 10 kB of such an answer, with 500 characters a second, when what is above them has been drawn.
// listing:   the same as `long` of one block of code; paragraph: of one paragraph.
// opening:   a conversation of 600 messages is opened: until its end is shown, and the longest task.
// marks:     an answer of 100 kB of "\(a " is read and drawn.
// history:   500 conversations: a window starts, asks, is searched, while another one looks on: longest tasks.
//
// Medians of the rounds. Needs what tests/web needs; GEMMA4_CHROMIUM and GEMMA4_WEB_MODULES name other places of it.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { longConversation, manyConversations } from '../web/answers.mjs';
import { startMock } from '../web/mock_server.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = process.env.GEMMA4_WEB_MODULES ?? join(root, 'third_party/web/node_modules');
const { chromium } = createRequire(join(resolve(modules), 'x.js'))('playwright-core');
const { values: given, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    only: {
      type: 'string',
      multiple: true,
      default: ['long', 'late', 'listing', 'paragraph', 'marks', 'opening', 'history'],
    },
  },
});

function watchTasks() {
  window.tasks = [];
  const note = (list) => window.tasks.push(...list.getEntries().map((each) => each.duration));
  new PerformanceObserver(note).observe({ type: 'longtask', buffered: true });
}

/** The longest task since the last look. */
async function longest(page) {
  await page.waitForTimeout(1500);
  return page.evaluate(() => Math.max(0, ...window.tasks.splice(0)));
}

/** A fresh page, and what its tasks of more than 50 ms are as long as. */
async function withPage(folder, work) {
  const mock = await startMock(folder);
  const executablePath = process.env.GEMMA4_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(mock.url);
    await page.locator('.empty').waitFor();
    await page.evaluate(watchTasks);
    return await work(page, mock);
  } finally {
    await browser.close();
    mock.close();
  }
}

function streamed(folder, script) {
  return withPage(folder, async (page, mock) => {
    await page.fill('#message-box', script);
    await page.locator('#message-box').press('Enter');
    await page.locator('.send[aria-label^="Stop"]').waitFor();
    if (script === 'late') {
      await page.locator('.block').nth(2000).waitFor({ state: 'attached' });
      await page.waitForTimeout(1000);
      await page.evaluate(() => (window.tasks.length = 0));
    }
    const begun = performance.now();
    await page.locator('.send[aria-label="Send"]').waitFor();
    const shown = Date.now();
    const tasks = await page.evaluate(() => window.tasks);
    const busy = tasks.reduce((sum, each) => sum + each, 0) / (performance.now() - begun);
    return {
      'longest task, ms': Math.max(0, ...tasks),
      'busy, %': 100 * busy,
      'shown after, ms': shown - mock.state.ended,
    };
  });
}

async function imported(page, buffer) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.setInputFiles('dialog input[type=file]', { name: 'x.json', mimeType: 'application/json', buffer });
  await page.locator('.toast').first().waitFor();
  await page.keyboard.press('Escape');
}

function opened(folder) {
  return withPage(folder, async (page) => {
    await imported(page, longConversation(300));
    const link = page.getByRole('link', { name: 'A long one' });
    await link.waitFor();
    await page.evaluate(() => (window.tasks.length = 0));
    const shown = await link.evaluate(async (it) => {
      const begun = performance.now();
      it.click();
      const last = () => [...document.querySelectorAll('.message')].at(-1);
      while (!last()?.querySelector('.katex')) await new Promise(requestAnimationFrame);
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - begun;
    });
    while ((await page.locator('.message').count()) < 600) await page.waitForTimeout(100);
    return { 'shown after, ms': shown, 'longest task, ms': await longest(page) };
  });
}

function listed(folder) {
  return withPage(folder, async (page) => {
    await imported(page, manyConversations(500));
    await page.reload();
    const other = await page.context().newPage();
    await other.goto(page.url());
    for (const each of [page, other]) await each.locator('.entry').nth(499).waitFor();
    await page.waitForTimeout(2000);
    await page.reload();
    await page.evaluate(watchTasks);
    const began = performance.now();
    await page.locator('.entry').nth(499).waitFor();
    const shown = performance.now() - began;
    const found = { 'list after, ms': shown, 'start, ms': await longest(page) };
    await other.evaluate(watchTasks);
    await longest(other);
    await page.fill('#message-box', 'one');
    await page.locator('#message-box').press('Enter');
    await page.locator('.message.assistant .stats').waitFor();
    Object.assign(found, { 'asking, ms': await longest(page), 'looking on, ms': await longest(other) });
    await page.getByLabel('Search conversations').pressSequentially('tour moons', { delay: 200 });
    return Object.assign(found, { 'searching, ms': await longest(page) });
  });
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

for (const what of given.only) {
  const found = folders.map(() => []);
  for (let round = 0; round < Number(given.rounds); ++round) {
    for (const [i, folder] of folders.entries()) {
      const measure = { opening: opened, history: listed }[what] ?? ((it) => streamed(it, what));
      found[i].push(await measure(folder));
    }
  }
  for (const [i, folder] of folders.entries()) {
    const medians = Object.keys(found[i][0]).map(
      (name) => `${name}: ${Math.round(median(found[i].map((each) => each[name])))}`,
    );
    console.log(`${what.padEnd(9)}  ${folder}  ${medians.join('  ')}`);
  }
}
