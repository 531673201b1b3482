// SPDX-License-Identifier: Apache-2.0
// A browser with the page in it, and what tests do with it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { startMock } from './mock_server.mjs';

const folder = process.env.GEMMA4_PAGE; // what web/build.mjs has made
export const source = process.env.GEMMA4_SOURCE;
const modules = createRequire(join(process.env.GEMMA4_WEB_MODULES, 'x.js'));
const PATIENCE = 30000;
const CLIPBOARD = ['clipboard-read', 'clipboard-write'];

let browser;

/** To be called once by each file of tests. */
export function useBrowser() {
  before(async () => {
    browser = await modules('playwright-core').chromium.launch({
      executablePath: process.env.GEMMA4_CHROMIUM,
      // A microphone that beeps and a camera that ticks, lent to those who may.
      args: ['--no-sandbox', '--use-fake-device-for-media-stream'],
    });
  });
  after(() => browser.close());
}

/**
 * A page of its own with a server of its own, or `at` one that is there: { page, context, mock, trouble }. It may use
 * `devices`. What the page's policy forbids and every error that nobody caught is trouble, which fails the test when it
 * ends.
 */
export async function openPage(t, { server = {}, context: wanted = {}, devices = ['camera', 'microphone'], at } = {}) {
  const mock = at ? { url: at, close() {} } : await startMock(folder, server);
  const permissions = [...CLIPBOARD, ...devices];
  const context = await browser.newContext({ permissions, ...wanted });
  context.setDefaultTimeout(PATIENCE);
  const trouble = [];
  await context.exposeFunction('tellTrouble', (text) => trouble.push(text));
  await context.addInitScript(() => {
    if (window.top !== window) return; // the preview's own policy is meant to be met
    document.addEventListener('securitypolicyviolation', (event) => {
      window.tellTrouble(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
  });
  const elsewhere = [];
  context.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(mock.url)) elsewhere.push(request.url());
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => trouble.push(`error: ${error.stack}`));
  t.after(async () => {
    await context.close();
    mock.close();
    assert.deepEqual(trouble, []);
    assert.deepEqual(elsewhere, [], 'nothing is fetched from elsewhere');
  });
  await page.goto(mock.url);
  await page.locator('#message-box').waitFor();
  return { page, context, mock, trouble };
}

/** Another server with the page in it, such as one that takes the place of one that has ended. */
export function startServer(options) {
  return startMock(folder, options);
}

/** Asks, and waits for the answer's end. */
export async function ask(page, text) {
  await page.fill('#message-box', text);
  await page.locator('#message-box').press('Enter');
  await settled(page);
}

export async function settled(page) {
  await page.locator('.composer .send[aria-label="Send"]').waitFor();
}

export function answers(page) {
  return page.locator('.message.assistant');
}

/** The text of the answer that is shown last. */
export function lastAnswer(page) {
  return page.locator('.message.assistant').last().locator('.prose').last().innerText();
}

export async function until(check, what) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A PNG that the browser itself draws: a red and a blue square on green. */
export async function drawnPicture(page) {
  const base64 = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 800, height: 500 });
    const context = canvas.getContext('2d');
    for (const [colour, ...box] of [
      ['#cfe3d5', 0, 0, 800, 500],
      ['#dd3333', 96, 90, 288, 220],
      ['#3366cc', 448, 250, 336, 160],
    ]) {
      context.fillStyle = colour;
      context.fillRect(...box);
    }
    return canvas.toDataURL('image/png').split(',')[1];
  });
  return { name: 'squares.png', mimeType: 'image/png', buffer: Buffer.from(base64, 'base64') };
}

export const chooser = 'input[type=file]:not([capture])';

/** Fails on what axe-core finds wrong, by its own words. */
export async function checkAccess(page, what) {
  // What still slides or fades in has neither its place nor its colours.
  await page.evaluate(() => {
    const ending = document.getAnimations().filter((each) => each.effect.getTiming().iterations !== Infinity);
    return Promise.allSettled(ending.map((each) => each.finished));
  });
  await page.evaluate(readFileSync(modules.resolve('axe-core'), 'utf8'));
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const said = found.violations.map(
    ({ id, help, nodes }) => `${what}: ${id}: ${help}: ${nodes.map((each) => each.html)}`,
  );
  assert.deepEqual(said, []);
}
