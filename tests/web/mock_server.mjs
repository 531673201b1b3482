// SPDX-License-Identifier: Apache-2.0
// Serves a built page, and answers as `gemma4 serve` does: the same paths, the same shapes, scripted texts. What it was
// asked is kept in `requests`.
//
//   node tests/web/mock_server.mjs build/release/web [PORT]      to work on the page
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { answers } from './answers.mjs';

const MODEL = 'gemma-4-E2B-it';
const CONTEXT = 131072;

function sse(response, data) {
  response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
}

function refuse(response, status, message) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

function lastText(body) {
  const last = body.messages.at(-1);
  if (last.role === 'tool') return `tool ${last.content}`;
  if (typeof last.content === 'string') return last.content;
  return last.content.findLast((part) => part.type === 'text')?.text ?? '';
}

/** Words with the blanks before them, about as long as tokens; or `head` characters at once and then `size` each. */
export function pieces(text, { head = 0, size } = {}) {
  if (!size) return text.match(/\s*\S{1,8}|\s+$/g) ?? [];
  const count = Math.ceil((text.length - head) / size);
  const rest = Array.from({ length: count }, (_, i) => text.slice(head + i * size, head + (i + 1) * size));
  return head ? [text.slice(0, head), ...rest] : rest;
}

async function stream(response, body, state) {
  const script = answers(lastText(body), body);
  if (script.status) return refuse(response, script.status, script.message);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: MODEL };
  const say = (delta, finish = null) => {
    sse(response, { ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null });
  };
  say({ role: 'assistant', content: '' });
  response.write(': keep-alive\n\n');
  let gone = false;
  response.on('close', () => ((gone = true), (state.left += response.writableEnded ? 0 : 1)));
  const thought = body.chat_template_kwargs?.enable_thinking ? (script.thought ?? '') : '';
  let tokens = script.unseen ?? 0;
  for (const [key, text] of [
    ['reasoning_content', thought],
    ['content', script.text ?? ''],
  ]) {
    for (const piece of pieces(text, script)) {
      if (gone) return;
      say({ [key]: piece });
      ++tokens;
      if (script.delay) await sleep(script.delay);
    }
  }
  if (script.broken) return setTimeout(() => response.destroy(), 300);
  if (script.fails) return (sse(response, { error: { message: script.fails, type: 'server_error' } }), response.end());
  for (const [index, call] of (script.calls ?? []).entries()) {
    const spoken = { name: call.name, arguments: JSON.stringify(call.args) };
    say({ tool_calls: [{ index, id: `call_${index}`, type: 'function', function: spoken }] });
  }
  say({}, script.finish ?? (script.calls ? 'tool_calls' : 'stop'));
  const prompt = JSON.stringify(body.messages).length >> 2;
  sse(response, {
    ...head,
    choices: [],
    usage: {
      prompt_tokens: prompt,
      completion_tokens: tokens,
      total_tokens: prompt + tokens,
      prompt_tokens_details: { cached_tokens: body.messages.length > 1 ? prompt >> 1 : 0 },
      completion_tokens_details: { reasoning_tokens: pieces(thought).length },
    },
  });
  sse(response, '[DONE]');
  response.end();
  state.ended = Date.now();
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

/**
 * `key`: what has to be sent; `models`: their names; `modalities`: what they read. Resolves to
 * { url, requests, state, close }.
 */
export async function startMock(folder, { key = '', models = [MODEL], modalities, port = 0 } = {}) {
  const files = new Map();
  for (const each of JSON.parse(readFileSync(join(folder, 'files.json'), 'utf8'))) {
    files.set(each.path, { ...each, bytes: readFileSync(join(folder, 'files', each.name)) });
  }
  const requests = [];
  const state = { left: 0, ended: 0 };
  const server = createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    const file = files.get(path);
    if (file) {
      response.writeHead(200, { 'content-type': file.type, ...file.headers });
      return response.end(file.bytes);
    }
    if (key && request.headers.authorization !== `Bearer ${key}`) return refuse(response, 401, 'a key is needed');
    const json = (value) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (path === '/v1/models')
      return json({ object: 'list', data: models.map((id) => ({ id, object: 'model', modalities })) });
    if (path === '/tokenize') return json({ tokens: [], count: 0, max_model_len: CONTEXT });
    if (path !== '/v1/chat/completions') return refuse(response, 404, `there is no ${path} here`);
    const body = await bodyOf(request);
    if (body.model && !models.includes(body.model)) return refuse(response, 404, `there is no model ${body.model}`);
    requests.push(body);
    return stream(response, body, state);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => (server.closeAllConnections(), server.close());
  return { url: `http://127.0.0.1:${server.address().port}/`, requests, state, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock(process.argv[2], { port: Number(process.argv[3] ?? 8099) });
  console.log(url);
}
