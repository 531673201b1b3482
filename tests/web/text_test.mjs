// SPDX-License-Identifier: Apache-2.0
// The text of answers: Markdown, formulas, code, and what an answer must not be able to do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longConversation } from './answers.mjs';
import { answers, ask, openPage, settled, until, useBrowser } from './support.mjs';

useBrowser();

test('Markdown, tables, formulas, code', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'markdown');
  const prose = answers(page).locator('.prose');
  assert.equal(await prose.locator('h2').innerText(), 'A short tour');
  assert.equal(await prose.locator('ol > li').count(), 2);
  assert.equal(await prose.locator('.katex').count(), 3);
  assert.equal(await prose.locator('.math-raw').count(), 0);
  assert.match(await prose.innerText(), /It costs \$5 and not \$6\./);
  assert.equal(
    await prose
      .locator('td')
      .nth(1)
      .evaluate((cell) => getComputedStyle(cell).textAlign),
    'end',
  );
  assert.ok((await prose.locator('.code .hljs-keyword').count()) > 3);
  const height = await prose.locator('.katex-display').evaluate((it) => it.getBoundingClientRect().height);
  assert.ok(height > 30, 'the styles of the formula are in force');
  const font = await page.evaluate(async () => (await document.fonts.ready, document.fonts.check('16px KaTeX_Main')));
  assert.ok(font);
});

test('words without end, wide tables, what KaTeX cannot read, letters from right to left: on a phone', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 360, height: 740 } } });
  await ask(page, `odd ${'question'.repeat(60)}`);
  const wider = await page.locator('.scroller').evaluate((it) => {
    const { right } = it.getBoundingClientRect();
    const scrolls = (each) => each.parentElement.closest('.table, pre, .math');
    const out = [...it.querySelectorAll('.message *')].filter((each) => !scrolls(each) && !each.closest('.sr'));
    const wide = out.filter((each) => each.getBoundingClientRect().right > right + 1);
    return wide.map((each) => each.outerHTML.slice(0, 200));
  });
  assert.deepEqual(wider, []);
  assert.equal(await page.locator('.scroller').evaluate((it) => it.scrollWidth > it.clientWidth), false);
  assert.equal(await page.locator('.math-raw').count(), 2);
  const style = (selector, name) =>
    page.locator(selector).first().evaluate((it, what) => getComputedStyle(it)[what], name);
  const arabic = '.block:has(ul):has(.code)';
  assert.equal(await style(arabic, 'direction'), 'rtl');
  assert.equal(await style(`${arabic} pre`, 'direction'), 'ltr');
  assert.equal(await style(`${arabic} ul`, 'paddingRight'), '24px');
});

test('code and answers are copied', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'markdown');
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.locator('.code').getByRole('button', { name: 'Copy' }).click();
  await until(async () => (await clipboard()).startsWith('def fib(n: int) -> int:\n    """The'), 'the code');
  await page.locator('.message.assistant .message-foot').getByRole('button', { name: 'Copy' }).click();
  await until(async () => (await clipboard()).startsWith('## A short tour'), 'the Markdown');
});

test('an answer runs nothing and fetches nothing', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'evil');
  assert.equal(await page.evaluate(() => window.evil), undefined);
  const prose = answers(page).locator('.prose');
  assert.match(await prose.innerText(), /<script>window\.evil/, 'HTML is text');
  assert.equal(await prose.locator('img, script, [onclick], [onerror]').count(), 0);
  for (const link of await prose.locator('a').all()) {
    assert.match(await link.getAttribute('href'), /^https:/);
    assert.match(await link.getAttribute('rel'), /noopener noreferrer/);
  }
});

test('the page has a policy under which no inline script and no other place is possible', async (t) => {
  const { page, mock } = await openPage(t);
  const policy = (await fetch(mock.url)).headers.get('content-security-policy');
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  const html = await (await fetch(mock.url)).text();
  assert.doesNotMatch(html, /<script(?![^>]* src=)[^>]*>|\sstyle=|\son\w+=/);
  assert.equal(await page.locator('script:not([src])').count(), 0);
});

test('HTML is previewed in a frame that reaches neither the page nor the network', async (t) => {
  const { page, trouble } = await openPage(t);
  await ask(page, 'page');
  await page.getByRole('button', { name: 'Preview' }).click();
  const frame = page.frameLocator('iframe.preview');
  await until(async () => (await frame.locator('#out').innerText()) === 'ran', 'the script of the answer');
  assert.equal(await frame.locator('title').textContent(), 'closed', 'the page around it');
  await until(async () => (await frame.locator('body').getAttribute('data-net')) === 'closed', 'the network');
  const inside = page.frames().find((each) => each !== page.mainFrame());
  assert.equal(await inside.evaluate(() => self.origin), 'null');
  await inside.evaluate(() => (location.href = 'https://example.com/')).catch(() => {});
  await until(() => trouble.length > 0, 'the way out is closed');
  assert.match(trouble.pop(), /^policy: frame-src https:\/\/example\.com/);
  assert.ok(!page.frames().some((each) => each.url().includes('example.com')), 'it leads itself nowhere');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Preview' }).waitFor();
  await until(async () => (await page.locator('iframe').count()) === 0, 'closed');
});

test('long answers stay at their end, unless somebody reads further up', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 700, height: 400 } } });
  const gap = () => page.locator('.scroller').evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  await ask(page, 'markdown');
  assert.ok((await gap()) < 5);
  await page.fill('#message-box', 'steady');
  await page.keyboard.press('Enter');
  await until(async () => (await answers(page).count()) === 2, 'the second answer');
  await page.locator('.scroller').evaluate((it) => {
    it.querySelector('.message-foot').style.display = 'none'; // what goes at the same time is no excuse
    it.scrollTo(0, 0);
  });
  await page.getByRole('button', { name: 'To the end' }).waitFor();
  await page.waitForTimeout(300);
  assert.ok((await gap()) > 200, 'left alone while reading');
  await page.getByRole('button', { name: 'To the end' }).click();
  await page.waitForTimeout(300);
  assert.ok((await gap()) < 5);
});

/** A page with a conversation of so many answers in its list. */
async function withLong(t, count) {
  const { page } = await openPage(t);
  await page.getByRole('button', { name: 'Settings' }).click();
  const buffer = longConversation(count);
  await page.setInputFiles('dialog input[type=file]', { name: 'x.json', mimeType: 'application/json', buffer });
  await page.keyboard.press('Escape');
  return { page, link: page.getByRole('link', { name: 'A long one' }) };
}

test('a long conversation shows its end at once; what is above is drawn where it is seen or printed', async (t) => {
  const { page, link } = await withLong(t, 200);
  const gap = () => page.locator('.scroller').evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  const first = await link.evaluate(async (it) => {
    it.click();
    await new Promise((resolve) => setTimeout(resolve)); // one draws before that
    return [...document.querySelectorAll('.message')].map((each) => each.querySelectorAll('.raw').length);
  });
  assert.deepEqual(first, Array(8).fill(0));
  await until(async () => (await page.locator('.message').count()) === 400, 'those above');
  const all = await page.locator('.assistant .prose').evaluateAll((them) => {
    return them.map((each) => [each.matches('.raw'), each.textContent]);
  });
  assert.ok(all.slice(-4).every(([raw]) => !raw));
  assert.equal(all[100][0], true);
  assert.match(all[100][1], /A short tour[^]*\| Earth \|/, 'what is not drawn can be found');
  assert.ok((await gap()) < 1, 'its end');

  await page.locator('.scroller').evaluate((it) => it.scrollTo(0, it.scrollHeight / 2));
  const middle = () =>
    page.locator('.scroller').evaluate((it) => {
      const all = [...it.querySelectorAll('.message')];
      const at = all.findIndex((each) => each.getBoundingClientRect().top > 100);
      return { at, y: all[at].getBoundingClientRect().top, raw: all[at].querySelectorAll('.raw').length };
    });
  await until(async () => (await middle()).raw === 0, 'what is seen');
  await page.waitForTimeout(200); // so is what is near to it
  const before = await middle();
  assert.ok((await page.locator('.raw').count()) > 150, 'the rest is not');
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await page.locator('.raw').count(), 0, 'all of it');
  await page.waitForTimeout(300);
  const { at, y } = await middle();
  assert.equal(at, before.at);
  assert.ok(Math.abs(y - before.y) < 2, `what is read stays at ${before.y}: ${y}`);
});

/** Goes up 20 times; by how much each time what is seen has moved. */
function goneUp(page) {
  return page.locator('.scroller').evaluate(async (it) => {
    const frames = async (n) => {
      while (n-- > 0) await new Promise(requestAnimationFrame);
    };
    await frames(10);
    const moves = [];
    for (let i = 0; i < 20; ++i) {
      const seen = document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('.block, .message') ?? it;
      const before = seen.getBoundingClientRect().top;
      it.scrollBy(0, -250);
      await frames(4);
      moves.push(Math.round(seen.getBoundingClientRect().top - before));
    }
    return moves;
  });
}

test('in a long conversation one goes up evenly, and finds what is far out of sight', async (t) => {
  const { page, link } = await withLong(t, 200);
  await link.click();
  await answers(page).last().waitFor();
  const moved = await goneUp(page);
  assert.ok(moved.every((each) => Math.abs(each - 250) <= 2), `each time by ${moved}`);
  await until(async () => (await page.locator('.message').count()) === 400, 'all of it');
  const found = () => page.evaluate(() => window.find('Question 42', true, false, true) && getSelection().toString());
  assert.equal(await found(), 'Question 42');
  const top = () => page.evaluate(() => getSelection().focusNode.parentElement.getBoundingClientRect().top);
  await page.evaluate(() => getSelection().focusNode.parentElement.scrollIntoView({ block: 'center' }));
  await page.waitForTimeout(500); // what is near is drawn
  const at = await top();
  assert.ok(at > 100 && at < 600, `what was found is in sight, at ${at}`);
});

test('while what is above comes, what is read at the top of what is there stays; it is printed whole', async (t) => {
  const { page, link } = await withLong(t, 200);
  const places = await link.evaluate(async (it) => {
    it.click();
    await new Promise((resolve) => setTimeout(resolve));
    const scroller = document.querySelector('.scroller');
    scroller.scrollTo(0, 0);
    const count = () => document.querySelectorAll('.message').length;
    const [read] = document.querySelectorAll('.message');
    const before = { count: count(), top: read.getBoundingClientRect().top };
    const tops = [];
    while (count() < 100) {
      await new Promise(requestAnimationFrame);
      tops.push(read.getBoundingClientRect().top - before.top);
    }
    dispatchEvent(new Event('beforeprint'));
    await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve));
    return { early: before.count, tops, printed: count(), raw: document.querySelectorAll('.raw').length };
  });
  assert.equal(places.early, 8);
  assert.ok(places.tops.every((each) => Math.abs(each) < 2), `it moved by ${places.tops}`);
  assert.deepEqual([places.printed, places.raw], [400, 0]);
});

test('an answer of 180 kB becomes what it is when drawn at once; what is above its end is left alone', async (t) => {
  const { page } = await openPage(t);
  const prose = answers(page).locator('.prose');
  await page.fill('#message-box', 'long');
  await page.keyboard.press('Enter');
  await until(async () => (await prose.locator('.block').count()) > 100, 'the first blocks');
  const early = await prose.locator('.block h2').first().elementHandle();
  await settled(page);
  assert.equal(await early.evaluate((it) => it.isConnected), true);
  const drawn = await prose.innerHTML();
  await page.reload();
  await answers(page).first().waitFor();
  const again = await prose.innerHTML();
  const moved = await goneUp(page);
  assert.ok(moved.every((each) => Math.abs(each - 250) <= 2), `each time by ${moved}`);
  assert.ok(drawn === again, `${drawn.length} and ${again.length} characters`); // too long to be shown
  assert.equal(await prose.locator('h2').last().innerText(), `Tour ${(await prose.locator('h2').count()) - 1}`);
});

test('of code that grows the lines that are there stay, and so does where somebody is in it', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 360, height: 740 } } });
  await page.fill('#message-box', 'listing');
  await page.keyboard.press('Enter');
  const code = answers(page).locator('.code code');
  await until(async () => (await code.locator('.part').count()) > 2, 'the first parts');
  const early = await code.locator('.part').nth(1).elementHandle();
  const frame = answers(page).locator('.code pre');
  await frame.evaluate((it) => (it.scrollTo(40, 0), it.focus({ preventScroll: true })));
  await early.evaluate((it) => getSelection().selectAllChildren(it));
  const selected = () => page.evaluate(() => getSelection().toString());
  const lines = await selected();
  await settled(page);
  assert.equal(await early.evaluate((it) => it.isConnected), true);
  assert.equal(await frame.evaluate((it) => it.scrollLeft), 40);
  assert.equal(await frame.evaluate((it) => it === document.activeElement), true);
  assert.equal(await selected(), lines);
  const text = await code.evaluate((it) => it.textContent);
  assert.match(text, /^ {4}value_0 =[^]*\n {4}value_3599 = compute\(3599, "text 3599"\)  # a remark\n$/);
  await code.evaluate((it) => getSelection().selectAllChildren(it));
  assert.ok((await selected()).trim() === text.trim(), 'what is selected is copied without lines between the parts');
  const drawn = await code.innerHTML();
  await page.reload();
  await code.waitFor();
  assert.ok(drawn === (await code.innerHTML()), 'as when drawn at once');
});

test('an answer that takes long to be drawn is drawn less often', async (t) => {
  const { page } = await openPage(t);
  await page.evaluate(() => {
    const append = Element.prototype.append;
    window.fills = [];
    Element.prototype.append = function (...nodes) {
      const begun = performance.now();
      while (this.matches('.prose') && performance.now() < begun + 100);
      if (this.matches('.prose')) window.fills.push(begun);
      return append.apply(this, nodes);
    };
  });
  await ask(page, 'steady');
  const fills = await page.evaluate(() => window.fills);
  const between = (fills.at(-2) - fills[0]) / (fills.length - 2); // the last one does not wait
  assert.ok(between > 200, `every ${between} ms`);
});

test('licences of what is inside are shown', async (t) => {
  const { page, mock } = await openPage(t);
  await page.goto(`${mock.url}licences`, { waitUntil: 'load' });
  const text = await page.locator('main').innerText();
  for (const name of ['preact', 'markdown-it', 'dompurify', 'highlight.js', 'katex', 'inter']) {
    assert.ok(text.includes(name), name);
  }
  await page.goto(mock.url);
});
