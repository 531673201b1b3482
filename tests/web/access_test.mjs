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
    for (const text of ['detect', 'markdown', 'think', 'full', 'markdown', 'weather']) await ask(page, text);
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

/** Everything that lies over the page or takes a control's place, one after the other. */
async function overlays(page, look) {
  await page.getByRole('button', { name: 'Preview' }).last().click();
  await page.frameLocator('iframe.preview').getByText('Hello').waitFor();
  await look('preview');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Take a picture' }).click();
  await page.locator('dialog .primary:enabled').waitFor();
  await look('camera');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Record sound' }).click();
  await page.getByRole('group', { name: 'Recording' }).waitFor();
  await look('recorder');
  await page.getByRole('button', { name: 'Discard' }).click();
  await page.getByRole('button', { name: 'Enlarge squares.png' }).click();
  await page.locator('dialog img').waitFor();
  await look('enlarged');
  await page.keyboard.press('Escape');
}

for (const [name, context] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', phone],
]) {
  test(`axe-core finds nothing over the page, nor where things went wrong: ${name}`, async (t) => {
    const { page } = await openPage(t, { context });
    const look = (what) => checkAccess(page, what);
    await page.setInputFiles(chooser, await drawnPicture(page));
    await page.locator('.chip').waitFor();
    await ask(page, 'page');
    await overlays(page, look);
    await ask(page, 'weather');
    await page.getByLabel('Its result').fill('{"sky": "clear"}');
    await look('the form of a result');
    await page.getByRole('button', { name: 'Give back' }).click();
    await until(async () => (await lastAnswer(page)) === 'It is sunny in Paris.', 'the answer');
    await settled(page);
    await page.getByText('Result of a tool').click();
    await look('a result given');
    await ask(page, 'fails');
    await page.getByRole('button', { name: 'Try again' }).click();
    await settled(page);
    await look('versions of a failure');
    const file = { name: 'blob.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 255]) };
    await page.setInputFiles(chooser, file);
    await page.locator('.toast[data-bad=true]').waitFor();
    await look('toast');
    await page.fill('#message-box', 'slow');
    await page.locator('#message-box').press('Enter');
    await page.locator('.send[aria-label^="Stop"]').waitFor();
    await look('being written');
    await page.keyboard.press('Escape');
    await settled(page);
    await look('stopped');
    await ask(page, 'A line of a long text.\n'.repeat(100));
    await look('a long question');
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.setInputFiles('dialog input[type=file]', { ...file, name: 'x.json', mimeType: 'application/json' });
    await page.locator('dialog .toast[data-bad=true]', { hasText: 'Nothing is imported' }).waitFor();
    await page.getByLabel('Top p').fill('7');
    await look('a file and a number refused');
    await page.keyboard.press('Escape');
    if (name === 'phone') await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.locator('.entry a').focus();
    await page.getByRole('button', { name: 'Rename page' }).click();
    await look('renaming');
    await page.keyboard.press('Escape');
    await page.getByLabel('Search conversations').fill('nothing like this');
    await page.getByText('Nothing found').waitFor();
    await look('nothing found');
  });

  test(`axe-core finds nothing where a key is wanted: ${name}`, async (t) => {
    const { page } = await openPage(t, { context, server: { key: 'sesame' } });
    await page.getByRole('button', { name: 'Enter a key' }).waitFor();
    await checkAccess(page, 'empty');
    await ask(page, 'Hello');
    await page.getByRole('button', { name: 'Enter a key' }).click();
    await page.locator('dialog [role=alert]').waitFor();
    await checkAccess(page, 'settings');
    await page.keyboard.press('Escape');
    await checkAccess(page, 'conversation');
  });
}

/** A function that waits until the focus is at the control of this name. */
function focusOf(page) {
  const name = () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim();
  return (wanted, what) =>
    until(async () => (await page.evaluate(name)) === wanted, `${what}: the focus at ${wanted}`);
}

test('what is opened by a key gives the focus back; what goes away leaves it where one writes', async (t) => {
  const { page } = await openPage(t);
  const button = (name) => page.getByRole('button', { name, exact: true }).last();
  const press = async (control, key = 'Enter') => {
    await control.focus();
    await page.keyboard.press(key);
  };
  const goesTo = focusOf(page);
  await page.setInputFiles(chooser, await drawnPicture(page));
  await page.locator('.chip').waitFor();
  await ask(page, 'page');
  for (const opener of ['Preview', 'Take a picture', 'Enlarge squares.png', 'Settings']) {
    for (const close of [() => page.keyboard.press('Escape'), () => press(button('Close'))]) {
      await press(button(opener));
      await page.locator('dialog[open]').waitFor();
      await close();
      await page.locator('dialog').waitFor({ state: 'detached' });
      await goesTo(opener, 'closed');
    }
  }
  await press(button('Take a picture'));
  await page.locator('dialog .primary:enabled').waitFor();
  await press(button('Take it'));
  await page.locator('.composer .chip').waitFor();
  await goesTo('Take a picture', 'taken');
  for (const end of ['Discard', 'Attach']) {
    await press(button('Record sound'));
    await goesTo('Attach', 'recording');
    await page.waitForTimeout(300);
    await press(button(end));
    await goesTo('Message', end);
  }
  await ask(page, 'weather');
  await page.getByLabel('Its result').focus();
  await page.keyboard.type('{}');
  await press(button('Give back'));
  await goesTo('Message', 'given back');
  await settled(page);
  await press(button('Answer again'));
  await goesTo('Message', 'asked again');
  await settled(page);
  for (const version of ['Version before', 'Version before', 'Version after']) {
    await press(button(version));
    await goesTo(version, 'another version');
  }
  await press(button('Edit and ask again'));
  await goesTo('Your message', 'editing');
  await page.keyboard.press('Escape');
  await goesTo('Message', 'left');
});

test('a key counts from the moment on when a window has given the focus back', async (t) => {
  const { page } = await openPage(t);
  for (const close of ['Escape', 'Enter']) {
    await page.getByRole('button', { name: 'Settings' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    // Sooner than any hand: before the page has heard that the browser closed the window.
    await page.evaluate(() => {
      const key = new KeyboardEvent('keydown', { key: '/', bubbles: true });
      const press = () => document.activeElement.dispatchEvent(key);
      addEventListener('focusin', () => queueMicrotask(press), { once: true });
    });
    if (close === 'Enter') await page.evaluate(() => document.querySelector('dialog [aria-label=Close]').click());
    else await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    await page.waitForTimeout(300); // for whatever might still move it
    assert.equal(await page.evaluate(() => document.activeElement.id), 'message-box', close);
  }
});

test('renaming and deleting by keys keep the focus in the list; Escape over a picture stops no answer', async (t) => {
  const { page } = await openPage(t);
  const goesTo = focusOf(page);
  await ask(page, 'one');
  await page.keyboard.press('Control+Shift+O');
  await page.setInputFiles(chooser, await drawnPicture(page));
  await page.locator('.chip').waitFor();
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Enlarge squares.png' }).click();
  await page.locator('dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  await goesTo('Enlarge squares.png', 'closed');
  assert.equal(await page.locator('.send[aria-label^="Stop"]').count(), 1, 'the answer goes on');
  await page.keyboard.press('Escape');
  await settled(page);
  for (const [key, name] of [
    ['Escape', 'one'],
    ['Enter', 'another'],
  ]) {
    await page.getByRole('link', { name: 'one' }).focus();
    await page.keyboard.press('Tab');
    await goesTo('Rename one', 'the next control');
    await page.keyboard.press('Enter');
    await goesTo('Name of the conversation', 'renaming');
    await page.keyboard.type('another');
    await page.keyboard.press(key);
    await goesTo(name, key);
  }
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await goesTo('New conversation', 'deleted');
  await page.getByRole('button', { name: 'Undo' }).focus();
  await page.keyboard.press('Enter');
  await goesTo('Message', 'undone');
});

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

test('a phone: nothing is wider or higher than the screen, the list lies over the page', async (t) => {
  const { page } = await openPage(t, { context: phone });
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await wide(), false);
  await ask(page, 'markdown');
  assert.equal(await wide(), false);
  await ask(page, 'steady');
  const high = await page.evaluate(() => document.documentElement.scrollHeight > innerHeight);
  assert.equal(high, false, 'a long conversation scrolls in its place, not the page around it');
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

test('many pictures with long names leave a phone its screen', async (t) => {
  const { page } = await openPage(t, { context: phone });
  const picture = await drawnPicture(page);
  const name = (i) => `${i} of the pictures that were taken with another phone on a rainy day.png`;
  const many = Array.from({ length: 12 }, (_, i) => ({ ...picture, name: name(i) }));
  await page.setInputFiles(chooser, many);
  await until(async () => (await page.locator('.chip').count()) === many.length, 'all of them');
  const { y: top, height } = await page.locator('.composer').boundingBox();
  assert.ok(height < 0.6 * phone.viewport.height, `the message box is ${height} high`);
  await page.setInputFiles(chooser, { name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) });
  const notice = page.locator('.toast', { hasText: 'empty.png' });
  await notice.waitFor();
  const { y, height: low } = await notice.boundingBox();
  assert.ok(y + low < top, `a notice at ${y} leaves free what is attached at ${top}`);
  await ask(page, 'detect');
  await page.locator('.marks-choice select').waitFor();
  const wide = await page.locator('.scroller').evaluate((it) => it.scrollWidth > it.clientWidth);
  assert.equal(wide, false);
});

test('in a low window the page begins with what it has to say', async (t) => {
  const { page } = await openPage(t, { server: { key: 'sesame' }, context: { viewport: { width: 360, height: 400 } } });
  const { y } = await page.getByRole('button', { name: 'Enter a key' }).boundingBox();
  const top = await page.locator('.scroller').evaluate((it) => it.getBoundingClientRect().top);
  assert.ok(y > top, `the button is at ${y}, what is seen begins at ${top}`);
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
