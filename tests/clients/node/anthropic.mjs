// SPDX-License-Identifier: Apache-2.0
// npm @anthropic-ai/sdk: an answer, a stream, a tool. Arguments: the server's address, and what the model says.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';

const [url, said, sunny] = process.argv.slice(2);
const client = new Anthropic({ baseURL: url, apiKey: 'any', maxRetries: 0 });
const hi = { model: 'hello', max_tokens: 200, messages: [{ role: 'user', content: 'Hi!' }] };

assert.equal((await client.messages.create(hi)).content[0].text, said);
assert.equal(await client.messages.stream(hi).finalText(), said);

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ name: 'weather', description: 'Looks.', input_schema: parameters }];
const messages = [{ role: 'user', content: 'Weather in Paris?' }];
for (const ask of [(body) => client.messages.create(body), (body) => client.messages.stream(body).finalMessage()]) {
  const first = await ask({ model: 'agent', max_tokens: 200, tools, messages });
  const call = first.content.at(-1);
  assert.deepEqual([call.type, call.name, call.input], ['tool_use', 'weather', { city: 'Paris' }]);
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }] };
  const turns = [...messages, { role: 'assistant', content: first.content }, result];
  const second = await ask({ model: 'agent', max_tokens: 200, tools, messages: turns });
  assert.equal(second.content[0].text, sunny);
}

const { input_tokens: tokens } = await client.messages.countTokens({ model: 'hello', messages });
assert.ok(tokens > 10);
await assert.rejects(client.messages.create({ ...hi, temperature: 9 }), Anthropic.BadRequestError);
