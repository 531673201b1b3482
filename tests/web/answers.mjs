// SPDX-License-Identifier: Apache-2.0
// What the tests' server says: the first word of the last message chooses.

const markdown = `## A short tour

Text with **strong**, *emphasised* and \`inline code\`, a [link](https://example.com/a) and a picture ![of a cat](https://example.com/cat.png).

1. First, with $a^2 + b^2 = c^2$
2. Second
   - nested

| planet | moons | day |
| --- | ---: | ---: |
| Earth | 1 | 24 h |
| Mars | 2 | 24 h 37 min |

$$\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}$$

It costs $5 and not $6. And \\(\\frac{1}{2}\\) is a half.

\`\`\`python
def fib(n: int) -> int:
    """The n-th number of Fibonacci."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a  # not the fastest way
\`\`\`

> A quotation at the end.
`;

const odd = `${'Donaudampfschifffahrt'.repeat(20)} and \`${'inline_'.repeat(40)}\` and https://example.com/${'path/'.repeat(40)}

| ${Array.from({ length: 12 }, (_, i) => `column number ${i}`).join(' | ')} |
|${' --- |'.repeat(12)}
| ${Array.from({ length: 12 }, (_, i) => `cell_${i}_${'x'.repeat(30)}`).join(' | ')} |

$$\\frac{1}{2$$

Text with $\\undefined{x}$ in it, and $$${'x_{1} + '.repeat(60)} y$$

مرحبا بالعالم، هذا نص من اليمين إلى اليسار مع كلمة English و $a+b$ فيه.

- عنصر أول
- عنصر ثان

  \`\`\`python
  x = [1, 2]  # one
  \`\`\`

> اقتباس قصير

${'>'.repeat(30)} deep

${Array.from({ length: 12 }, (_, i) => `${'  '.repeat(i)}- level ${i}`).join('\n')}
`;

const evil = `<script>window.evil = 1</script>

<img src=x onerror="window.evil = 2">

[click](javascript:window.evil=3) and ![x](https://example.com/x.png)

<div data-act="copy" onclick="window.evil = 4">x</div>`;

const page = `<!doctype html><title>t</title><h1>Hello</h1><p id="out"></p>
<script>
document.getElementById('out').textContent = 'ran';
let reach = 'none';
try { reach = parent.document.title; } catch { reach = 'closed'; }
document.title = reach;
fetch('/v1/models').then(() => (document.body.dataset.net = 'open'), () => (document.body.dataset.net = 'closed'));
</script>`;

const boxes = [
  { box_2d: [180, 120, 620, 480], label: 'red square' },
  { box_2d: [820, 980, 500, 560], label: 'blue square' },
  { point: [250, 800], label: 'dot' },
  { box_2d: [0, 0, 2000, 10], label: 'out of range' },
];

/** Sections of all that Markdown has, no two alike, of about `length` characters. */
export function longText(length) {
  const count = Math.ceil(length / markdown.length);
  const sections = Array.from({ length: count }, (_, i) =>
    markdown.replace('A short tour', `Tour ${i}`).replaceAll('fib', `fib_${i}`).replace('b^2', `b_{${i}}^2`),
  );
  return sections.join('\n');
}

/** A file of one conversation: `count` questions, each answered with all that Markdown has. */
export function longConversation(count) {
  return fileOf([conversation('long', 'A long one', count)]);
}

/** A file of many conversations, of four such questions each. */
export function manyConversations(count) {
  return fileOf(Array.from({ length: count }, (_, i) => conversation(`c${i}`, `Conversation ${i}`, 4)));
}

function fileOf(chats) {
  return Buffer.from(JSON.stringify({ format: 'gemma4-chats', version: 1, chats, files: {} }));
}

function conversation(chatId, title, count) {
  const messages = {};
  const chosen = {};
  let parent = '';
  for (let i = 0; i < 2 * count; ++i) {
    const id = `m${i}`;
    const isAnswer = i % 2 === 1;
    const said = isAnswer
      ? { role: 'assistant', text: markdown, finish: 'stop' }
      : { role: 'user', text: `Question ${i}` };
    messages[id] = { id, parent, at: i, ...said };
    chosen[parent] = id;
    parent = id;
  }
  return { id: chatId, title, created: 1, changed: 1, system: '', messages, chosen };
}

const LONG = 180_000;
const line = (_, i) => `    value_${i} = compute(${i}, "text ${i}")  # a remark\n`;

const scripts = {
  markdown: { text: markdown },
  evil: { text: evil },
  odd: { text: odd },
  slow: { text: 'word '.repeat(400), delay: 25 },
  steady: { text: 'A sentence comes. '.repeat(30), delay: 15 },
  think: { thought: 'Let me see. Two and two make four.', text: 'It is **four**.', delay: 5 },
  page: { text: 'Here it is:\n\n```html\n' + page + '\n```\n' },
  detect: { text: '```json\n' + JSON.stringify(boxes) + '\n```' },
  mixed: { text: 'I see this:\n' + JSON.stringify(boxes.slice(0, 1)) },
  one: { text: 'Yes.' },
  long: { text: longText(LONG), size: 400, delay: 20 },
  late: { text: longText(LONG), head: LONG - 10_000, size: 50, delay: 100 },
  paragraph: { text: 'Words that go on and on. '.repeat(LONG / 25), size: 400, delay: 20 },
  listing: { text: '```python\n' + Array.from({ length: LONG / 50 }, line).join('') + '```\n', size: 400, delay: 20 },
  marks: { text: '\\(a '.repeat(25_000), size: 400, delay: 5 },
  nothing: { unseen: 7 }, // control tokens, which no client is sent
  length: { text: 'This goes on and', finish: 'length' },
  full: { status: 400, message: 'messages: 140000 tokens, the context holds 131072' },
  busy: { status: 429, message: 'the queue is full' },
  fails: { text: 'This begins', fails: 'out of memory' },
  broken: { text: 'This begins', broken: true },
  weather: { calls: [{ name: 'get_weather', args: { city: 'Paris' } }] },
  tool: { text: 'It is sunny in Paris.' },
};

let count = 0;

export function answers(text, body) {
  const first = text
    .trim()
    .split(/[\s.:,?]/, 1)[0]
    .toLowerCase();
  if (first === 'again') return { text: `Answer number ${++count}.` };
  if (scripts[first]) return scripts[first];
  const system = body.messages[0].role === 'system' ? ` (${body.messages[0].content})` : '';
  return { text: `You said: ${text.slice(0, 300)}${system}` }; // drawing more takes a slow machine long
}
