// SPDX-License-Identifier: Apache-2.0
// Conversations: streaming, stopping, other versions, the history, what is sent to the server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { manyConversations } from './answers.mjs';
import { answers, ask, lastAnswer, openPage, settled, startServer, until, useBrowser } from './support.mjs';

useBrowser();

test('an answer streams, can be stopped, and what came stays', async (t) => {
  const { page, mock } = await openPage(t);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  const length = async () => (await answers(page).innerText()).length;
  await until(async () => (await length()) > 40, 'the first words');
  const before = await length();
  await until(async () => (await length()) > before, 'more words while it runs');
  await page.keyboard.press('Escape');
  await settled(page);
  await until(() => mock.state.left === 1, 'the server has seen the client leave');
  assert.match(await answers(page).innerText(), /word word[^]*You stopped the answer here/);
  await page.reload();
  await until(async () => /word word/.test(await answers(page).innerText()), 'the piece of it after a reload');
});

test('the button stops too, and does not ask anew', async (t) => {
  const { page, mock } = await openPage(t);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await page.locator('.send[aria-label^="Stop"]').click();
  await settled(page);
  assert.equal(mock.requests.length, 1);
});

test('the request holds the conversation, and nothing that is not set', async (t) => {
  const { page, mock } = await openPage(t);
  await ask(page, 'Hello');
  await ask(page, 'And then?');
  assert.deepEqual(mock.requests[1], {
    messages: [
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'You said: Hello' },
      { role: 'user', content: 'And then?' },
    ],
    stream: true,
    stream_options: { include_usage: true },
    chat_template_kwargs: { enable_thinking: false },
  });
});

test('speed, tokens, cached tokens and the context are shown', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'steady');
  await ask(page, 'steady');
  const stats = await answers(page).last().locator('.stats').innerText();
  assert.match(stats, /^\d+\.\d tokens\/s · \d+ tokens · prompt \d+, \d+ cached · first after \d+/);
  const meter = page.getByRole('meter', { name: 'Context used' });
  const used = await meter.getAttribute('aria-valuetext');
  assert.match(used, /^\d+ of 131,072 tokens/);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await until(async () => /word word/.test(await lastAnswer(page)), 'an answer that is being written');
  assert.equal(await meter.getAttribute('aria-valuetext'), used, 'until the server has said more');
  await page.keyboard.press('Escape');
  await settled(page);
  assert.equal(await meter.getAttribute('aria-valuetext'), used);
});

test('an answer with nothing to show says its tokens, too', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'nothing');
  assert.match(await answers(page).last().locator('.stats').innerText(), /\b7 tokens · prompt \d+/);
  await ask(page, 'one');
  assert.match(await answers(page).last().locator('.stats').innerText(), /\b1 token · prompt \d+/);
});

test('a question asked otherwise, an answer given again: versions side by side', async (t) => {
  const { page, mock } = await openPage(t);
  await ask(page, 'again');
  const first = await lastAnswer(page);
  const button = page.getByRole('button', { name: 'Answer again' });
  const place = await button.boundingBox();
  await button.click();
  await until(async () => (await page.locator('.assistant .branches').innerText()).includes('2/2'), 'a second version');
  await settled(page);
  assert.deepEqual(await button.boundingBox(), place, 'it can be pressed again where it was');
  assert.notEqual(await lastAnswer(page), first);
  await page.locator('.assistant').getByRole('button', { name: 'Version before' }).click();
  assert.equal(await lastAnswer(page), first);

  await page.locator('.message.user').hover();
  await page.getByRole('button', { name: 'Edit and ask again' }).click();
  await page.getByLabel('Your message').fill('Something else');
  await page.getByLabel('Your message').press('Enter');
  await until(async () => (await lastAnswer(page)) === 'You said: Something else', 'the other answer');
  assert.equal(mock.requests.at(-1).messages.length, 1);
  await page.locator('.message.user').getByRole('button', { name: 'Version before' }).click();
  assert.equal(await lastAnswer(page), first);
  await page.reload();
  await until(
    async () => (await answers(page).count()) === 1 && (await lastAnswer(page)) === first,
    'the choice is kept',
  );
});

test('a long question is folded; all of it is shown by keys, and found by the browser', async (t) => {
  const { page, mock } = await openPage(t);
  const text = 'A line of a long text that somebody pastes.\n'.repeat(4500) + 'The end of it.';
  await page.evaluate((it) => navigator.clipboard.writeText(it), text);
  await page.locator('#message-box').press('Control+V');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(mock.requests[0].messages[0].content, text, 'all of it is sent');
  const bubble = page.locator('.bubble');
  const height = async () => (await bubble.boundingBox()).height;
  const folded = await height();
  assert.ok(folded < 500, `it is ${folded} high`);
  assert.match(await bubble.textContent(), /The end of it\./, 'there to be found');
  const more = page.getByRole('button', { name: `Show all ${text.length.toLocaleString('en-GB')} characters` });
  assert.equal(await more.getAttribute('aria-expanded'), 'false');
  await more.focus();
  const { y } = await bubble.boundingBox();
  await page.keyboard.press('Enter');
  assert.ok((await height()) > 50_000);
  assert.equal((await bubble.boundingBox()).y, y, 'where it begins stays where it was');
  const less = page.getByRole('button', { name: 'Show less', expanded: true });
  await less.focus();
  await page.keyboard.press('Enter');
  assert.equal(await height(), folded);
  const around = await page.getByRole('region', { name: 'Conversation' }).boundingBox();
  const at = await more.boundingBox();
  assert.ok(at.y >= around.y && at.y + at.height <= around.y + around.height, 'the button is in sight');
  await bubble.locator('.rest').evaluate((it) => it.dispatchEvent(new Event('beforematch', { bubbles: true })));
  await less.waitFor();
});

test('Escape leaves an edit as it was; ArrowUp begins one', async (t) => {
  const { page, mock } = await openPage(t);
  await ask(page, 'Hello');
  await page.locator('#message-box').press('ArrowUp');
  await page.getByLabel('Your message').fill('gone');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.bubble').innerText(), 'Hello');
  assert.equal(mock.requests.length, 1);
});

test('thinking is asked for, folded, and timed', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Think' }).click();
  await ask(page, 'think');
  assert.equal(mock.requests[0].chat_template_kwargs.enable_thinking, true);
  const thought = page.locator('details.thought');
  assert.equal(await thought.evaluate((it) => it.open), false);
  assert.match(await thought.locator('summary').innerText(), /^Thought for \d/);
  await thought.locator('summary').click();
  assert.match(await thought.innerText(), /Two and two make four/);
  assert.equal(await lastAnswer(page), 'It is four.');
  await ask(page, 'Hello');
  assert.equal(mock.requests[1].messages[1].content, 'It is **four**.', 'thoughts are not sent back');
});

test('system prompt and sampling go with the request, and stay', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('System prompt').fill('Answer in verse.');
  await page.getByLabel('Temperature').pressSequentially('0.3');
  await page.getByLabel('Top k').fill('40');
  await page.getByLabel('Seed').fill('7');
  await page.getByLabel('Most tokens').fill('99');
  await page.getByLabel('Stop at').pressSequentially('END\n###');
  await page.getByLabel('Top p').fill('7');
  assert.equal(await page.getByLabel('Top p').getAttribute('aria-invalid'), 'true');
  await page.keyboard.press('Escape');
  await ask(page, 'Hello');
  const { temperature, top_k: topK, seed, max_completion_tokens: most, stop, top_p: topP, messages } = mock.requests[0];
  assert.deepEqual([temperature, topK, seed, most, stop, topP], [0.3, 40, 7, 99, ['END', '###'], undefined]);
  assert.deepEqual(messages[0], { role: 'system', content: 'Answer in verse.' });
  await page.reload();
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.equal(await page.getByLabel('Temperature').inputValue(), '0.3');
  await page.keyboard.press('Escape');
  await ask(page, 'Again, please');
  assert.equal(mock.requests[1].temperature, 0.3);
  assert.equal(mock.requests[1].messages[0].content, 'Answer in verse.');
  await page.keyboard.press('Control+Shift+O');
  await ask(page, 'Hello');
  assert.equal(mock.requests[2].messages[0].role, 'user', 'the prompt was for that conversation alone');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'As the model wants it' }).click();
  assert.equal(await page.getByLabel('Temperature').inputValue(), '');
  await page.keyboard.press('Escape');
  await ask(page, 'Hello');
  assert.equal(mock.requests[3].temperature, undefined);
});

test('history: listed, opened, searched, renamed, deleted, brought back', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'About whales');
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'About owls');
  const list = page.getByRole('navigation');
  const titles = () => list.locator('.entry a').allInnerTexts();
  assert.deepEqual(await titles(), ['About owls', 'About whales']);
  await list.getByRole('link', { name: 'About whales' }).click();
  await until(async () => (await lastAnswer(page)) === 'You said: About whales', 'the other conversation');
  await page.goBack();
  await until(async () => (await lastAnswer(page)) === 'You said: About owls', 'the way back');
  await page.getByLabel('Search conversations').fill('whale');
  assert.deepEqual(await titles(), ['About whales']);
  await page.getByLabel('Search conversations').fill('you said owl');
  await until(async () => (await titles()).join() === 'About owls', 'what was said in it');
  await page.getByLabel('Search conversations').fill('');
  await page.getByRole('button', { name: 'Rename About whales' }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Name of the conversation').fill('Large animals');
  await page.keyboard.press('Enter');
  await until(async () => (await titles()).includes('Large animals'), 'the new name');
  await page.getByRole('link', { name: 'Large animals' }).hover();
  await page.getByRole('button', { name: 'Delete Large animals' }).click();
  await until(async () => (await titles()).length === 1, 'one is gone');
  await page.getByRole('button', { name: 'Undo' }).click();
  await until(async () => (await titles()).length === 2, 'it is back');
  await page.reload();
  await until(async () => (await titles()).length === 2, 'both after a reload');
});

test('the list is had without reading what was said; other windows read what has changed alone', async (t) => {
  const { page, context } = await openPage(t);
  const buffer = manyConversations(30);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.setInputFiles('dialog input[type=file]', { name: 'x.json', mimeType: 'application/json', buffer });
  await page.getByText('30 conversations came in').waitFor();
  await page.keyboard.press('Escape');
  await context.addInitScript(() => {
    window.read = [];
    const note = (type, name, whatOf) => {
      const old = type.prototype[name];
      type.prototype[name] = function (...given) {
        window.read.push(whatOf(given));
        return old.apply(this, given);
      };
    };
    note(IDBObjectStore, 'getAll', () => 'all');
    note(IDBObjectStore, 'openCursor', () => 'each');
    note(IDBObjectStore, 'get', ([id]) => id);
  });
  await page.reload();
  const other = await context.newPage();
  await other.goto(page.url());
  const titles = (from) => from.locator('.entry a').allInnerTexts();
  for (const each of [page, other]) await until(async () => (await titles(each)).length === 30, 'the list');
  await ask(page, 'Hello');
  await until(async () => (await titles(other))[0] === 'Hello', 'the new one');
  assert.equal((await titles(other)).length, 31);
  const id = new URL(page.url()).hash.slice(1);
  for (const each of [page, other]) {
    assert.deepEqual((await each.evaluate(() => window.read)).filter((it) => it !== id), []);
  }
  await other.getByLabel('Search conversations').pressSequentially('fibonacci', { delay: 300 });
  await until(async () => (await titles(other)).length === 30, 'those in which it is said');
  assert.equal((await other.evaluate(() => window.read)).filter((it) => it === 'each').length, 1, 'read once');
});

test('what an older page has kept is there', async (t) => {
  const { page, mock } = await openPage(t);
  await ask(page, 'Hello');
  await page.goto(`${mock.url}licences`);
  await page.evaluate(async () => {
    const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const chats = await new Promise((resolve) => {
      indexedDB.open('gemma4').onsuccess = ({ target: { result } }) => {
        done(result.transaction('chats').objectStore('chats').getAll()).then((all) => (result.close(), resolve(all)));
      };
    });
    await done(indexedDB.deleteDatabase('gemma4'));
    const request = indexedDB.open('gemma4', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('chats', { keyPath: 'id' });
      request.result.createObjectStore('files');
    };
    const db = await done(request);
    await done(db.transaction('chats', 'readwrite').objectStore('chats').put(chats[0]));
    db.close();
  });
  await page.goto(mock.url);
  await page.getByRole('link', { name: 'Hello' }).click();
  await until(async () => (await lastAnswer(page)) === 'You said: Hello', 'the conversation');
});

test('an answer goes on while another conversation is looked at', async (t) => {
  const { page } = await openPage(t);
  await page.fill('#message-box', 'steady');
  await page.keyboard.press('Enter');
  await until(() => answers(page).count(), 'the answer begins');
  await page.keyboard.press('Control+Shift+O');
  await page.getByRole('img', { name: 'being answered' }).waitFor();
  await ask(page, 'Hello');
  await page.getByRole('img', { name: 'being answered' }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'steady' }).click();
  await until(async () => (await lastAnswer(page)).match(/A sentence comes\./g)?.length === 30, 'all of it');
});

test('what has come of an answer outlives a reload, and so does a text that is not sent yet', async (t) => {
  const { page } = await openPage(t);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await until(async () => /(word ){120}/.test(await answers(page).innerText()), 'more than two seconds of it');
  await page.fill('#message-box', 'Not sent yet');
  await page.reload();
  await page.getByText('This answer is not finished.').waitFor();
  assert.match(await lastAnswer(page), /^(word ){40}/);
  assert.equal(await page.locator('#message-box').inputValue(), 'Not sent yet');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(await lastAnswer(page), 'You said: Not sent yet');
});

/** Another window with the conversation that `page` shows. */
async function otherWindow(page) {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await answers(other).first().waitFor();
  return other;
}

test('two windows may ask in one conversation at once: nothing is lost', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'Hello');
  const other = await otherWindow(page);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await until(async () => (await answers(other).count()) === 2, 'the question, in the other window');
  await other.fill('#message-box', 'steady');
  await other.keyboard.press('Enter');
  await settled(other);
  await page.keyboard.press('Escape');
  await settled(page);
  for (const each of [page, other]) {
    await until(async () => (await answers(each).count()) === 3, 'all answers');
    await each.reload();
    await until(async () => (await answers(each).count()) === 3, 'all answers after a reload');
    assert.match(await answers(each).nth(1).innerText(), /word word[^]*You stopped the answer here/);
    assert.equal((await lastAnswer(each)).match(/A sentence comes\./g).length, 30);
  }
});

test('a conversation that is deleted is gone in other windows, and while it is being answered', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'Hello');
  const other = await otherWindow(page);
  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await page.locator('.send[aria-label^="Stop"]').waitFor();
  await page.getByRole('link', { name: 'Hello' }).hover();
  await page.getByRole('button', { name: 'Delete Hello' }).click();
  for (const each of [page, other]) await each.locator('.empty').waitFor();
  await other.getByText('deleted in another window').waitFor();
  await page.waitForTimeout(500); // for an answer's end to write what it should not
  await page.reload();
  await page.getByText('No conversations yet').waitFor();
});

test('export and import: all of it comes back, damaged files are refused', async (t) => {
  const { page } = await openPage(t);
  await page.setInputFiles('input[type=file]:not([capture])', {
    name: 'n.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('one'),
  });
  await page.locator('.chip').waitFor();
  await ask(page, 'Hello');
  const settings = page.getByRole('button', { name: 'Settings' });
  await settings.click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export all' }).click(),
  ]);
  const file = await download.path();
  const written = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(written.chats.length, 1);
  assert.equal(Object.values(written.files)[0], 'data:text/plain;base64,b25l');
  page.once('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Delete all' }).click();
  await until(async () => (await page.locator('.entry').count()) === 0, 'nothing left');
  const give = (text) =>
    page.setInputFiles('dialog input[type=file]', {
      name: 'x.json',
      mimeType: 'application/json',
      buffer: Buffer.from(text),
    });
  for (const bad of [
    '{',
    '{}',
    '[]',
    JSON.stringify({ ...written, chats: [{ id: 1 }] }),
    JSON.stringify({ ...written, files: { a: 'http://x' } }),
    JSON.stringify({ ...written, files: { a: 'data:text/plain;base64,%' } }),
    JSON.stringify(written).slice(0, -9),
  ]) {
    await give(bad);
    await page.locator('.toast[data-bad=true]').first().waitFor();
    await page.locator('.toast').last().getByRole('button', { name: 'Dismiss' }).click();
  }
  assert.equal(await page.locator('.entry').count(), 0);
  await give(JSON.stringify(written));
  await until(async () => (await page.locator('.entry').count()) === 1, 'the conversation is back');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Hello' }).click();
  await until(async () => /You said: Hello/.test(await answers(page).innerText()), 'its text');
  assert.equal(await page.locator('.media .chip-name').innerText(), 'n.txt');
  await settings.click();
  const [text] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'This one as Markdown' }).click(),
  ]);
  assert.match(
    readFileSync(await text.path(), 'utf8'),
    /^# Hello\n\n## You\n\n\*n\.txt\*\n\nHello\n\n## gemma-4-E2B-it\n\nYou said: Hello/,
  );
});

test('what goes wrong is said where it happened, and can be tried again', async (t) => {
  const { page, mock } = await openPage(t);
  for (const [text, said] of [
    ['full', /140000 tokens, the context holds 131072/],
    ['busy', /the queue is full/],
    ['fails', /This begins[^]*out of memory/],
    ['broken', /This begins[^]*(connection|network|answer)/i],
    ['length', /This goes on and[^]*limit of tokens/],
  ]) {
    await ask(page, text);
    assert.match(await answers(page).last().innerText(), said);
  }
  await ask(page, 'Hello');
  const sent = mock.requests.at(-1).messages.map((each) => each.content);
  assert.deepEqual(sent, ['fails', 'This begins', 'broken', 'This begins', 'length', 'This goes on and', 'Hello']);
  const before = mock.requests.length;
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await until(() => mock.requests.length === before + 1, 'another try');
});

test('a server that is not there', async (t) => {
  const { page, mock } = await openPage(t);
  mock.close();
  await ask(page, 'Hello');
  assert.match(await answers(page).innerText(), /server does not answer/);
});

test('a server that is started again in the middle of an answer, with another model', async (t) => {
  const { page, mock } = await openPage(t, { server: { models: ['first', 'second'] } });
  await page.getByLabel('Model').selectOption('second');
  await page.fill('#message-box', 'steady');
  await page.keyboard.press('Enter');
  await until(async () => (await lastAnswer(page)).length > 40, 'the first words');
  mock.close();
  const failure = page.locator('.failure');
  await failure.getByText('The connection ended before the answer did.').waitFor();
  await page.getByRole('button', { name: 'Try again' }).click();
  await failure.getByText('The server does not answer.').waitFor();
  const next = await startServer({ models: ['third'], port: Number(new URL(mock.url).port) });
  t.after(next.close);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('third').waitFor();
  await settled(page);
  assert.equal((await lastAnswer(page)).match(/A sentence comes\./g).length, 30);
  assert.equal(next.requests.at(-1).model, undefined, 'the one that it serves now');
});

test('a key that is wanted in the middle of a conversation is asked for there', async (t) => {
  const { page, mock } = await openPage(t);
  await ask(page, 'Hello');
  mock.close();
  const next = await startServer({ key: 'sesame', port: Number(new URL(mock.url).port) });
  t.after(next.close);
  await ask(page, 'Hello again');
  await page.getByRole('button', { name: 'Enter a key' }).click();
  await page.getByLabel('Key, where').fill('sesame');
  await page.keyboard.press('Tab');
  await page.locator('dialog [role=alert]').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Try again' }).click();
  await until(async () => (await lastAnswer(page)) === 'You said: Hello again', 'the answer');
});

test('a key is asked for, kept, and sent', async (t) => {
  const { page } = await openPage(t, { server: { key: 'sesame' } });
  await page.getByRole('button', { name: 'Enter a key' }).click();
  await until(() => page.evaluate(() => document.activeElement.type === 'password'), 'the focus, where the key goes');
  await page.keyboard.type('poppy');
  await page.keyboard.press('Tab');
  await page.locator('dialog [role=alert]', { hasText: 'a key is needed' }).waitFor();
  await page.getByLabel('Key, where').fill('sesame');
  await page.keyboard.press('Tab');
  await page.locator('dialog [role=alert]').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await until(async () => (await page.locator('.empty').innerText()).includes('gemma-4-E2B-it'), 'the model');
  await page.reload();
  await ask(page, 'Hello');
  assert.equal(await lastAnswer(page), 'You said: Hello');
});

test('one of several models is chosen', async (t) => {
  const { page, mock } = await openPage(t, { server: { models: ['small', 'large'] } });
  await page.getByLabel('Model').selectOption('large');
  await ask(page, 'Hello');
  assert.equal(mock.requests[0].model, 'large');
});

test('tools: a call is shown, its result given back', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Settings' }).click();
  const field = page.getByLabel('Tools that the model may call');
  await field.fill('{');
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  await field.fill('[{"type": "function", "function": {"name": "get_weather"}}]');
  await page.keyboard.press('Escape');
  await ask(page, 'weather');
  assert.equal(mock.requests[0].tools[0].function.name, 'get_weather');
  assert.match(await page.locator('.tool').innerText(), /get_weather[^]*"city": "Paris"/);
  await page.getByLabel('Its result').fill('{"sky": "clear"}');
  await page.getByRole('button', { name: 'Give back' }).click();
  await until(async () => (await lastAnswer(page)) === 'It is sunny in Paris.', 'the answer');
  assert.deepEqual(mock.requests[1].messages.slice(1), [
    {
      role: 'assistant',
      content: '',
      tool_calls: [
        { id: 'call_0', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_0', content: '{"sky": "clear"}' },
  ]);
});
