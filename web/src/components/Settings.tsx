// SPDX-License-Identifier: Apache-2.0
// What can be set: for this conversation, for all of them, and what becomes of them.
import { useState } from 'preact/hooks';
import { options, serverKey, setOptions } from '../options';
import { chat, connect, draftSystem, keyWanted, panel, removeEverything, serverTrouble, setSystem } from '../state';
import { complain, toast } from '../toasts';
import { exportAll, exportMarkdown, importFile } from '../transfer';
import type { Budget, Options, Theme } from '../types';
import { Dialog } from './Dialog';
import { Check, Choice, NumberField, Section } from './fields';

export function Settings() {
  return (
    <Dialog title="Settings" class="drawer" onClose={() => (panel.value = '')}>
      <div class="dialog-body">
        <System />
        <SamplingSection />
        <MediaAndTools />
        <Appearance />
        <Access />
        <Data />
      </div>
    </Dialog>
  );
}

function System() {
  const text = chat.value ? chat.value.system : (draftSystem.value ?? options.value.system);
  const isDefault = text === options.value.system;
  return (
    <Section title="System prompt" note="For this conversation. It says how answers should be.">
      <textarea
        rows={4}
        aria-label="System prompt"
        placeholder="You are a patient teacher…"
        value={text}
        onInput={(event) => setSystem(event.currentTarget.value)}
      />
      {!isDefault && (
        <button
          type="button"
          class="button"
          onClick={() => (setOptions({ system: text }), toast('New conversations begin with it.'))}
        >
          Use for new conversations
        </button>
      )}
    </Section>
  );
}

type NumberKey = { [K in keyof Options]-?: Options[K] extends number | undefined ? K : never }[keyof Options];

/** Which numbers there are, with their ranges; those in steps of one are whole. */
const numbers: { key: NumberKey; label: string; min: number; max: number; whole?: boolean }[] = [
  { key: 'temperature', label: 'Temperature', min: 0, max: 2 },
  { key: 'topP', label: 'Top p', min: 0, max: 1 },
  { key: 'topK', label: 'Top k', min: 0, max: 1000, whole: true },
  { key: 'minP', label: 'Min p', min: 0, max: 1 },
  { key: 'repetition', label: 'Repetition penalty', min: 0.01, max: 10 },
  { key: 'presence', label: 'Presence penalty', min: -2, max: 2 },
  { key: 'frequency', label: 'Frequency penalty', min: -2, max: 2 },
  { key: 'seed', label: 'Seed', min: 0, max: 2 ** 53 - 1, whole: true },
  { key: 'maxTokens', label: 'Most tokens', min: 1, max: 1e6, whole: true },
];
const MOST_STOPS = 16;

function SamplingSection() {
  const [round, setRound] = useState(0); // the fields hold what was typed: another round begins from what is set
  const reset = () => {
    setOptions({ ...Object.fromEntries(numbers.map(({ key }) => [key, undefined])), stop: [] });
    setRound(round + 1);
  };
  const stop = (text: string) => setOptions({ stop: text.split('\n').filter(Boolean).slice(0, MOST_STOPS) });
  return (
    <Section title="Sampling" note="For all conversations. What is left empty is as the model wants it.">
      <div class="grid" key={round}>
        {numbers.map(({ key, ...rest }) => (
          <NumberField
            key={key}
            {...rest}
            value={options.value[key]}
            onChange={(value) => setOptions({ [key]: value })}
          />
        ))}
      </div>
      <label class="field" key={-1 - round}>
        Stop at (one a line)
        <textarea
          rows={2}
          defaultValue={options.value.stop.join('\n')}
          onInput={(event) => stop(event.currentTarget.value)}
        />
      </label>
      <button type="button" class="button" onClick={reset}>
        As the model wants it
      </button>
    </Section>
  );
}

function MediaAndTools() {
  const budgets: [Budget, string][] = [
    ['', 'As the model wants it'],
    ['auto', 'As much as text in it needs'],
    ['70', '70 tokens, fastest'],
    ['140', '140 tokens'],
    ['280', '280 tokens'],
    ['560', '560 tokens'],
    ['1120', '1120 tokens, finest'],
  ];
  return (
    <Section title="Pictures and tools">
      <Choice
        label="Detail of pictures"
        value={options.value.budget}
        choices={budgets}
        onChange={(budget) => setOptions({ budget })}
      />
      <ToolsField />
    </Section>
  );
}

/** Kept only while it is a JSON array: anything else would spoil every request. */
function ToolsField() {
  const [text, setText] = useState(options.value.tools);
  const trouble = troubleOf(text);
  return (
    <label class="field">
      Tools that the model may call (JSON)
      <textarea
        rows={3}
        class="mono"
        value={text}
        placeholder={'[{"type": "function", "function": {…}}]'}
        aria-invalid={trouble !== ''}
        aria-describedby="tools-note"
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (!troubleOf(event.currentTarget.value)) setOptions({ tools: event.currentTarget.value.trim() });
        }}
      />
      <span id="tools-note" class="field-note">
        {trouble || 'You are shown each call, and say what came of it.'}
      </span>
    </label>
  );
}

function troubleOf(text: string): string {
  if (!text.trim()) return '';
  try {
    return Array.isArray(JSON.parse(text)) ? '' : 'Expected an array: [ … ]';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function Appearance() {
  const themes: [Theme, string][] = [
    ['system', 'As the system'],
    ['light', 'Light'],
    ['dark', 'Dark'],
  ];
  const it = options.value;
  return (
    <Section title="Page">
      <Choice label="Colours" value={it.theme} choices={themes} onChange={(theme) => setOptions({ theme })} />
      <Check
        label="Enter sends (else Ctrl+Enter)"
        value={it.enterSends}
        onChange={(enterSends) => setOptions({ enterSends })}
      />
      <Check
        label="Screen readers read answers as they come"
        value={it.announce}
        onChange={(announce) => setOptions({ announce })}
      />
      <button type="button" class="button" onClick={() => (panel.value = 'shortcuts')}>
        Keyboard shortcuts
      </button>
    </Section>
  );
}

function Access() {
  const wanted = keyWanted.value;
  return (
    <Section title="Server">
      <label class="field">
        Key, where the server asks for one
        <input
          type="password"
          autocomplete="off"
          autofocus={wanted}
          aria-invalid={wanted}
          value={serverKey.value}
          onChange={(event) => ((serverKey.value = event.currentTarget.value.trim()), void connect())}
        />
        {wanted && (
          <span class="field-note" role="alert">
            {serverTrouble.value}
          </span>
        )}
      </label>
    </Section>
  );
}

function Data() {
  const take = async (event: Event) => {
    const from = event.currentTarget as HTMLInputElement;
    try {
      const came = await importFile(from.files![0]!);
      toast(came === 1 ? 'One conversation came in.' : `${came} conversations came in.`);
    } catch (error) {
      complain('Nothing is imported', error);
    }
    from.value = '';
  };
  const removeAll = () => {
    if (confirm('Delete all conversations of this browser? This cannot be undone.')) void removeEverything();
  };
  return (
    <Section title="Conversations" note="They are kept in this browser and nowhere else.">
      <div class="row">
        <button
          type="button"
          class="button"
          onClick={() => void exportAll().catch((e: unknown) => complain('Export', e))}
        >
          Export all
        </button>
        <label class="button">
          Import
          <input type="file" class="sr" accept="application/json,.json" onChange={(event) => void take(event)} />
        </label>
        {chat.value && (
          <button type="button" class="button" onClick={() => exportMarkdown(chat.value!)}>
            This one as Markdown
          </button>
        )}
        <button type="button" class="button danger" onClick={removeAll}>
          Delete all
        </button>
      </div>
      <p class="licences">
        Made with free software:{' '}
        <a href="licences" target="_blank" rel="noopener">
          licences
        </a>
      </p>
    </Section>
  );
}
