// SPDX-License-Identifier: Apache-2.0
// The page without a mouse, without sight, on a phone, in the dark.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answers,
  ask,
  checkAccess,
  chooser,
  drawnPicture,
  lastAnswer,
  openPage,
  settled,
  until,
  useBrowser,
} from './support.mjs';

useBrowser();

const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

for (const [name, context] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', phone],
]) {
  test(`axe-core finds nothing: ${name}`, async (t) => {
    const { page } = await openPage(t, { context });
    await checkAccess(page, 'empty');
    await page.getByRole('button', { name: 'Think' }).click();
    await page.setInputFiles(chooser, await drawnPicture(page));
    await page.locator('.chip').waitFor();
    await checkAccess(page, 'attached');
    for (const text of ['detect', 'markdown', 'think', 'full', 'weather']) await ask(page, text);
    await page.locator('.thought summary').last().click();
    await checkAccess(page, 'conversation');
    await page.locator('.message.user').last().hover();
    await page.getByRole('button', { name: 'Edit and ask again' }).last().click();
    await checkAccess(page, 'editing');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Settings' }).click();
    await checkAccess(page, 'settings');
    await page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await checkAccess(page, 'shortcuts');
    await page.keyboard.press('Escape');
    if (name === 'phone') await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.locator('.entry').waitFor();
    await checkAccess(page, 'list');
  });
}

test('everything by keyboard alone', async (t) => {
  const { page, mock } = await openPage(t);
  const focused = () =>
    page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  assert.equal(await focused(), 'Message', 'one can write at once');
  await page.keyboard.type('Line one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('line two');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(mock.requests[0].messages[0].content, 'Line one\nline two');
  assert.equal(await focused(), 'Message');
  const seen = [];
  for (let i = 0; i < 40 && !seen.includes('Settings'); ++i) {
    await page.keyboard.press('Shift+Tab');
    seen.push(await focused());
  }
  for (const name of ['Copy', 'Answer again', 'Edit and ask again', 'Settings']) assert.ok(seen.includes(name), name);
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor();
  for (let i = 0; i < 40; ++i) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(
      () => document.activeElement === document.body || !!document.activeElement.closest('dialog'),
    );
    assert.ok(inside, 'the focus stays in the window');
  }
  await page.keyboard.press('Escape');
  await until(async () => (await focused()) === 'Settings', 'the focus is back where it was');
  await page.keyboard.press('/');
  assert.equal(await focused(), 'Message');
  await page.keyboard.press('Control+Shift+F');
  await until(async () => (await focused()) === 'Search conversations', 'the search');
  await page.keyboard.press('Control+Shift+O');
  await until(async () => (await focused()) === 'Message', 'a new conversation');
  assert.equal(await answers(page).count(), 0);
  await page.locator('#message-box').evaluate((it) => it.blur());
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
});

test('what is focused can be seen', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'Hello');
  for (let i = 0; i < 12; ++i) {
    await page.keyboard.press('Tab');
    const visible = await page.evaluate(() => {
      const it = document.activeElement;
      const style = getComputedStyle(it);
      const shown =
        it === document.body || (style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2);
      let opacity = 1;
      for (let each = it; each instanceof Element; each = each.parentElement)
        opacity *= Number(getComputedStyle(each).opacity);
      return (shown || it.id === 'message-box') && opacity > 0.3;
    });
    assert.ok(visible, await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200)));
  }
});

test('screen readers hear whole sentences, once each, and the end', async (t) => {
  const { page } = await openPage(t);
  const log = page.getByRole('log');
  assert.equal(await log.getAttribute('aria-live'), 'polite');
  await page.evaluate(() => {
    window.heard = [];
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) window.heard.push(node.textContent);
    }).observe(document.querySelector('[role=log]'), { childList: true });
  });
  await ask(page, 'steady');
  const heard = await until(async () => {
    const all = (await page.evaluate(() => window.heard)).join(' ');
    return all.includes('End of the answer') && all;
  }, 'the end');
  assert.equal(heard.match(/A sentence comes\./g).length, 30);
  assert.equal(await answers(page).getAttribute('aria-busy'), 'false');
});

test('Enter can be made to write a new line', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Enter sends').uncheck();
  await page.keyboard.press('Escape');
  await page.fill('#message-box', 'one');
  await page.locator('#message-box').press('Enter');
  await page.keyboard.type('two');
  await page.keyboard.press('Control+Enter');
  await settled(page);
  assert.equal(mock.requests[0].messages[0].content, 'one\ntwo');
});

test('a phone: nothing is wider than the screen, the list lies over the page', async (t) => {
  const { page } = await openPage(t, { context: phone });
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await wide(), false);
  await ask(page, 'markdown');
  assert.equal(await wide(), false);
  const small = await page.locator('.composer button, .head button').evaluateAll((all) => {
    return all.filter((each) => each.getBoundingClientRect().height < 32).map((each) => each.outerHTML);
  });
  assert.deepEqual(small, [], 'large enough for fingers');
  await page.getByRole('button', { name: 'Show conversations' }).tap();
  assert.equal(await page.locator('main').evaluate((it) => it.inert), true);
  await page.keyboard.press('Escape');
  await until(async () => (await page.getByRole('navigation').count()) === 0, 'closed');
  await page.getByRole('button', { name: 'Show conversations' }).tap();
  await page.getByRole('button', { name: 'New conversation' }).tap();
  await until(async () => (await page.getByRole('navigation').count()) === 0, 'closed by choosing');
  assert.equal(await page.locator('.empty').count(), 1);
});

test('colours follow the system, or what is chosen, from the first paint on', async (t) => {
  const { page } = await openPage(t, { context: { colorScheme: 'dark' } });
  const dark = () =>
    page.evaluate(() => {
      const [red] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g);
      return Number(red) < 60;
    });
  assert.equal(await dark(), true);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Colours').selectOption('light');
  assert.equal(await dark(), false);
  await page.reload({ waitUntil: 'commit' });
  await page.locator('#app').waitFor({ state: 'attached' });
  assert.equal(await dark(), false);
});

test('a second window sees what the first has said', async (t) => {
  const { page, context, mock } = await openPage(t);
  const other = await context.newPage();
  await other.goto(mock.url);
  await other.locator('#message-box').waitFor();
  await ask(page, 'Hello');
  await other.getByRole('link', { name: 'Hello' }).click();
  await until(
    async () => (await answers(other).count()) === 1 && (await lastAnswer(other)) === 'You said: Hello',
    'it',
  );
});
