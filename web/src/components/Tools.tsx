// SPDX-License-Identifier: Apache-2.0
// Calls of tools. The page runs none: it shows what is asked for, and a person says what came of it.
import { useState } from 'preact/hooks';
import { giveResults } from '../generate';
import type { Message, ToolCall } from '../types';
import { Icon } from './Icon';

export function ToolCalls({ message, open }: { message: Message; open: boolean }) {
  const calls = message.calls!;
  const [results, setResults] = useState<string[]>(calls.map(() => ''));
  const give = (event: Event) => {
    event.preventDefault();
    giveResults(
      message,
      calls.map(({ id }, i) => ({ id, content: results[i] ?? '' })),
    );
  };
  const change = (at: number, text: string) => setResults(calls.map((_, i) => (i === at ? text : (results[i] ?? ''))));
  return (
    <form class="tools" onSubmit={give}>
      {calls.map((call, i) => (
        <div class="tool" key={call.id || i}>
          <Call call={call} />
          {open && (
            <label>
              Its result
              <textarea rows={2} value={results[i] ?? ''} onInput={(event) => change(i, event.currentTarget.value)} />
            </label>
          )}
        </div>
      ))}
      {open && (
        <button type="submit" class="button primary">
          Give back
        </button>
      )}
    </form>
  );
}

function Call({ call }: { call: ToolCall }) {
  return (
    <>
      <p class="tool-name">
        <Icon name="code" /> Call of <code>{call.name}</code>
      </p>
      <pre tabIndex={0}>{pretty(call.args)}</pre>
    </>
  );
}

export function ToolResults({ message }: { message: Message }) {
  return (
    <article class="message assistant" aria-label="Results of tools">
      {message.results?.map((each) => (
        <details class="fold" key={each.id}>
          <summary>Result of a tool</summary>
          <pre tabIndex={0}>{pretty(each.content)}</pre>
        </details>
      ))}
    </article>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
