// SPDX-License-Identifier: Apache-2.0
// npm openai: an answer, a stream, a tool. Arguments: the server's address, and what the model says.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [url, said, sunny] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
const hi = [{ role: 'user', content: 'Hi!' }];

const whole = await client.chat.completions.create({ model: 'hello', messages: hi });
assert.equal(whole.choices[0].message.content, said);

let text = '';
for await (const chunk of await client.chat.completions.create({ model: 'hello', messages: hi, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? '';
}
assert.equal(text, said);

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const asked = [];
const weather = ({ city }) => asked.push(city) && 'sunny';
for (const stream of [false, true]) {
  const runner = client.chat.completions.runTools({
    model: 'agent',
    messages: [{ role: 'user', content: 'Weather in Paris?' }],
    stream,
    tools: [{ type: 'function', function: { name: 'weather', parameters, parse: JSON.parse, function: weather } }],
  });
  assert.equal(await runner.finalContent(), sunny);
}
assert.deepEqual(asked, ['Paris', 'Paris']);

const response = await client.responses.create({ model: 'hello', input: 'Hi!' });
assert.equal(response.output_text, said);
const streamed = client.responses.stream({ model: 'hello', input: 'Hi!' });
assert.equal((await streamed.finalResponse()).output_text, said);

await assert.rejects(client.chat.completions.create({ model: 'hello', messages: hi, temperature: 9 }), (error) => {
  assert.equal(error.param, 'temperature');
  return error instanceof OpenAI.BadRequestError;
});
