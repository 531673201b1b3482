// SPDX-License-Identifier: Apache-2.0
// npm ai with @ai-sdk/openai-compatible: an answer, a stream, a loop with a tool, an object. Arguments: the server's
// address, and what the model says.
import assert from 'node:assert/strict';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';

const [url, said, sunny, hm] = process.argv.slice(2);
const gemma = createOpenAICompatible({
  name: 'gemma4', baseURL: `${url}/v1`, apiKey: 'any', includeUsage: true, supportsStructuredOutputs: true,
});

const whole = await generateText({ model: gemma('hello'), prompt: 'Hi!', maxRetries: 0 });
assert.equal(whole.text, said);
assert.ok(whole.usage.outputTokens > 0);
assert.equal(await streamText({ model: gemma('hello'), prompt: 'Hi!' }).text, said);

const thoughtful = await generateText({ model: gemma('thoughtful'), prompt: 'Hi!', maxRetries: 0 });
assert.deepEqual([thoughtful.reasoningText, thoughtful.text], [hm, said]);

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const asked = [];
const weather = tool({
  description: 'Looks.',
  inputSchema: jsonSchema(parameters),
  execute: async ({ city }) => asked.push(city) && 'sunny',
});
const loop = { model: gemma('agent'), prompt: 'Weather in Paris?', tools: { weather }, stopWhen: stepCountIs(3) };
assert.equal((await generateText(loop)).text, sunny);
const streamed = streamText(loop);
await streamed.consumeStream();
assert.equal((await streamed.steps).at(-1).text, sunny);
assert.deepEqual(asked, ['Paris', 'Paris']);

const person = jsonSchema({
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
});
const { object } = await generateObject({ model: gemma('person'), schema: person, prompt: 'Who?', maxRetries: 0 });
assert.deepEqual(object, { name: 'Ada', age: 36 });
