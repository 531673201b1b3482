// SPDX-License-Identifier: Apache-2.0
// Pictures, sound and film: how they come in, how they are sent, what answers draw over them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { answers, ask, chooser, drawnPicture, lastAnswer, openPage, settled, until, useBrowser } from './support.mjs';

useBrowser();

/** A file given to the page by an event that people's hands would make. */
async function hand(page, how, { name, mimeType, buffer }) {
  await page.evaluate(
    ([event, file, type, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], file, { type }));
      const box = document.getElementById('message-box');
      if (event === 'paste')
        box.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
      for (const each of event === 'drop' ? ['dragover', 'drop'] : []) {
        box.dispatchEvent(new DragEvent(each, { dataTransfer: data, bubbles: true, cancelable: true }));
      }
    },
    [how, name, mimeType, buffer.toString('base64')],
  );
}

const chips = (page) => page.locator('.composer .chip');

test('a picture by the chooser, by paste and by drop; removed by its button', async (t) => {
  const { page, mock } = await openPage(t);
  const picture = await drawnPicture(page);
  await page.setInputFiles(chooser, picture);
  await chips(page).first().waitFor();
  await hand(page, 'paste', { ...picture, name: 'pasted.png' });
  await until(async () => (await chips(page).count()) === 2, 'the pasted one');
  await hand(page, 'drop', { ...picture, name: 'dropped.png' });
  await until(async () => (await chips(page).count()) === 3, 'the dropped one');
  assert.equal(await page.locator('.drop').count(), 0);
  assert.match(await chips(page).first().locator('img').getAttribute('src'), /^data:image\/jpeg/);
  await page.getByRole('button', { name: 'Remove pasted.png' }).click();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message-box');
  await ask(page, 'What is this?');
  const parts = mock.requests[0].messages[0].content;
  assert.deepEqual(
    parts.map((part) => part.type),
    ['image_url', 'image_url', 'text'],
  );
  assert.deepEqual(parts[0].image_url, { url: `data:image/png;base64,${picture.buffer.toString('base64')}` });
  await page.getByRole('button', { name: 'Enlarge squares.png' }).click();
  await page.locator('dialog img').waitFor();
});

test('of a folder and a file that are dropped together the folder is refused by its name', async (t) => {
  const { page, context } = await openPage(t);
  const folder = mkdtempSync(join(tmpdir(), 'page-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'holiday'));
  writeFileSync(join(folder, 'holiday', 'inside.txt'), 'inside');
  writeFileSync(join(folder, 'beside.txt'), 'beside');
  const files = ['holiday', 'beside.txt'].map((name) => join(folder, name));
  // A drag as the system reports it: scripts cannot make folders.
  const browser = await context.newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    const data = { items: [], files, dragOperationsMask: 1 };
    await browser.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
    if (type === 'dragOver') await page.locator('.drop').waitFor();
  }
  await page.locator('.toast[data-bad=true]', { hasText: 'holiday is a folder' }).waitFor();
  const names = () => chips(page).locator('.chip-name').allInnerTexts();
  await until(async () => (await names()).join() === 'beside.txt', 'the file alone');
  assert.equal(await page.locator('.drop').count(), 0);
});

test('a picture alone is a question; its detail can be set; it is there after a reload', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Detail of pictures').selectOption('1120');
  await page.keyboard.press('Escape');
  await page.setInputFiles(chooser, await drawnPicture(page));
  await chips(page).waitFor();
  await ask(page, '');
  assert.equal(mock.requests[0].messages[0].content[0].image_url.budget, 1120);
  await page.reload();
  await until(
    () =>
      page
        .locator('.picture img')
        .evaluate((it) => it.naturalWidth === 800)
        .catch(() => false),
    'the picture',
  );
  await ask(page, 'And now?');
  assert.equal(mock.requests[1].messages[0].content[0].type, 'image_url');
});

test('a window that opens meanwhile does not sweep out what is attached and not sent yet', async (t) => {
  const { page, context, mock } = await openPage(t);
  await page.setInputFiles(chooser, await drawnPicture(page));
  await chips(page).waitFor();
  const other = await context.newPage();
  await other.goto(mock.url);
  await other.locator('#message-box').waitFor();
  await other.waitForTimeout(500); // it sweeps
  await ask(page, 'What is this?');
  await page.reload();
  const width = () => page.locator('.picture img').evaluate((it) => it.naturalWidth);
  await until(async () => (await width().catch(() => 0)) === 800, 'the whole picture');
});

test('files that are not sent yet outlive a reload, and the start of another window before it', async (t) => {
  const { page, context, mock } = await openPage(t);
  const picture = await drawnPicture(page);
  await page.setInputFiles(chooser, [picture, { ...picture, name: 'removed.png' }]);
  await until(async () => (await chips(page).count()) === 2, 'both');
  await page.getByRole('button', { name: 'Remove removed.png' }).click();
  const other = await context.newPage();
  await other.goto(mock.url);
  await other.locator('#message-box').waitFor();
  await other.waitForTimeout(500); // it sweeps
  assert.equal(await chips(other).count(), 0, 'each window has its own');
  await page.reload();
  await chips(page).waitFor();
  assert.match(await chips(page).innerText(), /squares\.png/);
  await page.waitForTimeout(500); // and so does this one
  await page.reload();
  await chips(page).locator('img').waitFor();
  await ask(page, 'What is this?');
  const sent = mock.requests[0].messages[0].content[0].image_url.url;
  assert.equal(sent, `data:image/png;base64,${picture.buffer.toString('base64')}`);
  await page.reload();
  await page.locator('.message.user .picture').waitFor();
  assert.equal(await chips(page).count(), 0);
  const kept = () =>
    page.evaluate(async () => {
      const open = indexedDB.open('gemma4');
      await new Promise((resolve) => (open.onsuccess = resolve));
      const keys = open.result.transaction('files').objectStore('files').getAllKeys();
      await new Promise((resolve) => (keys.onsuccess = resolve));
      return keys.result.length;
    });
  await until(async () => (await kept()) === 1, 'what was removed is gone');
});

/** Pictures take long to be read from now on, as large ones do. */
function slowPictures(page) {
  return page.evaluate(() => {
    const decode = HTMLImageElement.prototype.decode;
    HTMLImageElement.prototype.decode = async function () {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return decode.call(this);
    };
  });
}

test('what is sent at once takes along all that was given before', async (t) => {
  const { page, mock } = await openPage(t);
  const picture = await drawnPicture(page);
  await slowPictures(page);
  await page.setInputFiles(chooser, [picture, { ...picture, name: 'second.png' }]);
  await page.fill('#message-box', 'What are these?');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await answers(page).waitFor();
  await settled(page);
  assert.deepEqual(
    mock.requests.map(({ messages }) => messages[0].content.map((part) => part.type)),
    [['image_url', 'image_url', 'text']],
  );
  assert.equal(await chips(page).count(), 0);
});

test('files go to the conversation that they were given to, whatever is looked at meanwhile', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'Hello');
  const picture = await drawnPicture(page);
  await slowPictures(page);
  await page.setInputFiles(chooser, picture);
  await page.keyboard.press('Control+Shift+O');
  await page.locator('.empty').waitFor();
  await page.waitForTimeout(1000);
  assert.equal(await chips(page).count(), 0);
  await page.getByRole('link', { name: 'Hello' }).click();
  await chips(page).waitFor();
});

test('the camera takes a picture', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Take a picture' }).click();
  await page.getByRole('button', { name: 'Take it' }).click();
  await chips(page).waitFor();
  assert.match(await chips(page).innerText(), /photo .*\.jpg/);
  await ask(page, 'What do you see?');
  assert.match(mock.requests[0].messages[0].content[0].image_url.url, /^data:image\/jpeg;base64,\/9j/);
});

test('the microphone records a WAV of 16 kHz; a recording can be discarded', async (t) => {
  const { page, mock } = await openPage(t);
  await page.getByRole('button', { name: 'Record sound' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();
  await page.getByRole('button', { name: 'Record sound' }).click();
  await page.waitForTimeout(1500);
  await page.getByRole('button', { name: 'Attach', exact: true }).click();
  await chips(page).waitFor();
  assert.equal(await chips(page).count(), 1);
  await ask(page, 'Write it down');
  const { input_audio: audio } = mock.requests[0].messages[0].content[0];
  assert.equal(audio.format, 'wav');
  const wav = Buffer.from(audio.data, 'base64');
  assert.equal(wav.toString('latin1', 0, 4) + wav.toString('latin1', 8, 16), 'RIFFWAVEfmt ');
  assert.deepEqual(
    [wav.readUInt16LE(20), wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt16LE(34)],
    [1, 1, 16000, 16],
  );
  assert.equal(wav.readUInt32LE(40), wav.length - 44);
  assert.ok(wav.length > 16000, 'at least half a second');
  const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length));
  assert.ok(Math.max(...samples) > 1000, 'the beep is in it');
  await answers(page).waitFor();
  await page.locator('.media audio').waitFor();
});

test('camera and microphone that are denied: it is said, and one goes on', async (t) => {
  const { page, mock } = await openPage(t, { devices: [] });
  const camera = page.getByRole('button', { name: 'Take a picture' });
  await camera.click();
  await page.locator('.toast[data-bad=true]', { hasText: /^No camera: .*(denied|allowed)/i }).waitFor();
  await until(async () => (await page.locator('dialog').count()) === 0, 'the dialog is gone');
  await until(() => camera.evaluate((it) => it === document.activeElement), 'the focus is where it was');
  await page.getByRole('button', { name: 'Record sound' }).click();
  await page.locator('.toast[data-bad=true]', { hasText: /^No microphone: .*(denied|allowed)/i }).waitFor();
  assert.equal(await page.locator('.recorder').count(), 0);
  await ask(page, 'Hello');
  assert.deepEqual(mock.requests[0].messages, [{ role: 'user', content: 'Hello' }]);
});

test('film: a still as thumbnail, the whole file sent', async (t) => {
  const { page, mock } = await openPage(t);
  // The browser makes the film itself: half a second of a canvas.
  const film = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
    const context = canvas.getContext('2d');
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm' });
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.start();
    for (let i = 0; i < 10; ++i) {
      context.fillStyle = `hsl(${i * 36}, 80%, 50%)`;
      context.fillRect(0, 0, 64, 48);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    recorder.stop();
    await new Promise((resolve) => (recorder.onstop = resolve));
    return btoa(String.fromCharCode(...new Uint8Array(await new Blob(parts).arrayBuffer())));
  });
  await page.setInputFiles(chooser, { name: 'film.webm', mimeType: 'video/webm', buffer: Buffer.from(film, 'base64') });
  await chips(page).locator('img').waitFor();
  await ask(page, 'What happens?');
  assert.deepEqual(mock.requests[0].messages[0].content[0], {
    type: 'video_url',
    video_url: { url: `data:video/webm;base64,${film}` },
  });
  await page.locator('.media video').waitFor();
});

test('text goes along as text, other files are refused', async (t) => {
  const { page, mock } = await openPage(t);
  await page.setInputFiles(chooser, [
    { name: 'notes.md', mimeType: '', buffer: Buffer.from('A ``` fence\n') },
    { name: 'blob.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 255, 254, 1]) },
  ]);
  await page.locator('.toast[data-bad=true]', { hasText: 'blob.bin' }).waitFor();
  assert.equal(await chips(page).count(), 1);
  await ask(page, 'Sum it up');
  assert.equal(mock.requests[0].messages[0].content[0].text, 'notes.md\n````\nA ``` fence\n````');
});

test('boxes and points are drawn where the answer says', async (t) => {
  const { page } = await openPage(t);
  await page.setInputFiles(chooser, await drawnPicture(page));
  await chips(page).waitFor();
  await ask(page, 'detect');
  const picture = page.locator('.marks-picture img');
  await until(() => picture.evaluate((it) => it.naturalWidth === 800), 'the picture');
  const around = await picture.boundingBox();
  const share = async (place) => {
    const box = await place.boundingBox();
    return [
      (box.x - around.x) / around.width,
      (box.y - around.y) / around.height,
      box.width / around.width,
      box.height / around.height,
    ];
  };
  const near = (found, wanted) =>
    found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 0.01, `${found} for ${wanted}`));
  const marks = page.locator('.mark');
  assert.equal(await marks.count(), 3, 'what is out of range is left out');
  near(await share(marks.nth(0)), [0.12, 0.18, 0.36, 0.44]);
  near(await share(marks.nth(1)), [0.56, 0.5, 0.42, 0.32]);
  near((await share(marks.nth(2))).slice(0, 2), [0.8, 0.25]);
  assert.deepEqual(
    await page
      .locator('.marks-list li')
      .allInnerTexts()
      .then((all) => all.map((each) => each.split(/[\n,]/)[0])),
    ['red square', 'blue square', 'dot'],
  );
  assert.equal(await page.locator('details.fold', { hasText: 'JSON' }).evaluate((it) => it.open), false);
  await ask(page, 'mixed');
  const second = answers(page).last();
  assert.equal(await second.locator('.mark').count(), 1, 'a later question about the same picture');
  assert.match(await second.locator('.prose').innerText(), /^I see this:/);
});

test('the view stays at the end behind pictures and a box that grows, and where a reader has gone up', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 1000, height: 700 } } });
  const scroller = page.getByRole('region', { name: 'Conversation' });
  const gap = () => scroller.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  const atEnd = (what) => until(async () => (await gap()) < 1, `the end, ${what}`);
  await ask(page, 'markdown');
  await page.setInputFiles(chooser, await drawnPicture(page));
  await chips(page).waitFor();
  await atEnd('with a picture in the message box');
  await page.fill('#message-box', 'line\n'.repeat(12));
  await atEnd('with many lines in it');
  await ask(page, 'detect');
  await until(() => page.locator('.marks-picture img').evaluate((it) => it.naturalWidth === 800), 'the picture');
  await atEnd('below the marked picture');
  assert.equal(await page.getByRole('button', { name: 'To the end' }).count(), 0);

  await page.fill('#message-box', 'slow');
  await page.keyboard.press('Enter');
  await until(async () => /(word ){40}/.test(await lastAnswer(page)), 'an answer that grows');
  await scroller.hover();
  await page.mouse.wheel(0, -60); // less than what still counts as the end for those who come down
  await until(async () => (await gap()) > 20, 'a little further up');
  const place = () => scroller.evaluate((it) => it.scrollTop);
  await page.waitForTimeout(300); // the wheel's own movement
  const before = await place();
  await until(async () => (await gap()) > 120, 'more lines below');
  assert.equal(await place(), before, 'what is read does not move');
  await page.getByRole('button', { name: 'To the end' }).click();
  await atEnd('by the button');
  await page.keyboard.press('Escape');
});

test('what is opened or edited at the end stays in sight; an answer given again is followed', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 360, height: 640 } } });
  const scroller = page.getByRole('region', { name: 'Conversation' });
  const gap = () => scroller.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  await page.setInputFiles(chooser, await drawnPicture(page));
  await chips(page).waitFor();
  await ask(page, 'detect');
  await until(() => page.locator('.marks-picture img').evaluate((it) => it.naturalWidth === 800), 'the picture');
  await until(async () => (await gap()) < 1, 'the end');
  const fold = page.locator('summary', { hasText: 'JSON' });
  const before = await fold.boundingBox();
  await fold.click();
  await page.waitForTimeout(300);
  assert.equal((await fold.boundingBox()).y, before.y, 'what was clicked does not move');
  await page.getByRole('button', { name: 'Answer again' }).click();
  await page.locator('.branches').waitFor();
  await settled(page);
  await until(async () => (await gap()) < 1, 'the end of the new answer');
  await page.fill('#message-box', '');
  await page.locator('#message-box').press('ArrowUp');
  await page.waitForTimeout(300);
  await isInSight(page, 'begun');
});

async function isInSight(page, when) {
  const around = await page.getByRole('region', { name: 'Conversation' }).boundingBox();
  for (const it of [page.getByLabel('Your message'), page.getByRole('button', { name: 'Ask', exact: true })]) {
    const { y, height } = await it.boundingBox();
    assert.ok(y >= around.y && y + height <= around.y + around.height, `${when}: at ${y} of ${JSON.stringify(around)}`);
  }
}

test('what is being edited near the end stays in sight, whatever becomes of what is below', async (t) => {
  const { page } = await openPage(t, { context: { viewport: { width: 360, height: 640 } } });
  for (let i = 0; i < 6; ++i) await ask(page, 'Hello');
  await page.locator('#message-box').press('ArrowUp');
  await isInSight(page, 'begun');
  const scroller = page.getByRole('region', { name: 'Conversation' });
  await scroller.evaluate((it) => it.scrollBy(0, 1));
  await scroller.evaluate((it) => it.scrollBy(0, 1000));
  await page.waitForTimeout(100); // for the page to hear of it
  await answers(page).last().evaluate((it) => (it.style.minHeight = '900px')); // as by a picture that comes late
  await page.waitForTimeout(300);
  await isInSight(page, 'with more below it');
});

test('without a picture, boxes are the text that they are', async (t) => {
  const { page } = await openPage(t);
  await ask(page, 'detect');
  assert.equal(await page.locator('.mark').count(), 0);
  assert.match(await answers(page).innerText(), /box_2d/);
});

test('a model that only reads is offered no camera, and no picture', async (t) => {
  const { page } = await openPage(t, { server: { modalities: ['text'] } });
  await page.getByText('gemma-4-E2B-it, on').waitFor();
  assert.equal(await page.getByRole('button', { name: /Take a picture|Record sound/ }).count(), 0);
  assert.equal(await page.locator('.examples li').count(), 4);
  assert.equal(await page.getByText('Find things in a picture').count(), 0);
  await page.setInputFiles(chooser, [
    await drawnPicture(page),
    { name: 'n.txt', mimeType: 'text/plain', buffer: Buffer.from('one') },
  ]);
  await page.locator('.toast', { hasText: 'gemma-4-E2B-it does not read pictures' }).waitFor();
  await chips(page).waitFor();
  assert.equal(await chips(page).count(), 1);
});
