// SPDX-License-Identifier: Apache-2.0
// Earlier conversations. Beside the page where there is room, over it on phones.
import { computed, effect, signal, useComputed } from '@preact/signals';
import { memo } from 'preact/compat';
import { useEffect, useRef, useState } from 'preact/hooks';
import { focusBox } from '../focus';
import { dayOf } from '../format';
import { currentId, goTo, open, remove, rename, running, sidebarOpen, summaries } from '../state';
import { eachChat } from '../storage';
import type { Summary } from '../types';
import { Icon, IconButton } from './Icon';

export const SEARCH = 'search-box';
const wanted = signal('');
/** Whether the list lies over the page. */
const narrowQuery = window.matchMedia('(max-width: 59.99rem)');
export const narrow = signal(narrowQuery.matches);
narrowQuery.onchange = () => {
  narrow.value = narrowQuery.matches;
  sidebarOpen.value = !narrowQuery.matches;
};

const words = computed(() => wanted.value.toLowerCase().split(/\s+/).filter(Boolean));
/** Those in whose messages all words are. */
const said = signal(new Set<string>());

const holds = (text: string) => words.value.every((word) => text.includes(word)); // in small letters
const days = computed(() =>
  grouped(summaries.value.filter(({ id, title }) => holds(title.toLowerCase()) || said.value.has(id))),
);

/** What was said in each, in small letters: while somebody searches, and nothing else is said. */
let texts: Promise<Map<string, string>> | undefined;
const SEARCH_MS = 150; // since the last letter
let waiting = 0;
effect(() => {
  clearTimeout(waiting);
  if (words.value.length > 0) waiting = window.setTimeout(() => void search(), SEARCH_MS);
  else {
    said.value = new Set();
    texts = undefined;
  }
});
summaries.subscribe(() => (texts = undefined));

async function readTexts(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await eachChat(({ id, messages }) => {
    const texts = Object.values(messages).map(({ text }) => text.toLowerCase());
    found.set(id, texts.join('\n'));
  });
  return found;
}

async function search(): Promise<void> {
  texts ??= readTexts();
  const found = await texts.catch(() => new Map<string, string>());
  if (words.value.length > 0) said.value = new Set([...found].filter(([, text]) => holds(text)).map(([id]) => id));
}

function grouped(all: Summary[]): [string, Summary[]][] {
  const days = new Map<string, Summary[]>();
  for (const each of all) days.set(dayOf(each.changed), [...(days.get(dayOf(each.changed)) ?? []), each]);
  return [...days];
}

/** On phones the list goes away once something has been chosen from it. */
function leave(): void {
  if (narrow.value) sidebarOpen.value = false;
}

export function beginNew(): void {
  goTo('');
  leave();
  setTimeout(focusBox);
}

export function Sidebar() {
  const list = useRef<HTMLElement>(null);
  const over = narrow.value && sidebarOpen.value;
  useEffect(() => {
    if (over) list.current?.querySelector('button')?.focus();
  }, [over]);
  if (!sidebarOpen.value) return null;
  const close = () => {
    leave();
    setTimeout(() => document.querySelector<HTMLElement>('.sidebar-toggle')?.focus());
  };
  return (
    <>
      {over && <div class="shade" onClick={close} />}
      <nav
        class="sidebar"
        ref={list}
        aria-label="Conversations"
        onKeyDown={(event) => over && event.key === 'Escape' && close()}
      >
        <div class="sidebar-head">
          <button type="button" class="button new" onClick={beginNew}>
            <Icon name="plus" /> New conversation
          </button>
          {over && <IconButton icon="close" label="Close the list" onClick={close} />}
        </div>
        <div class="search">
          <Icon name="search" />
          <input
            id={SEARCH}
            type="search"
            aria-label="Search conversations"
            placeholder="Search"
            value={wanted.value}
            onInput={(event) => (wanted.value = event.currentTarget.value)}
          />
        </div>
        <div class="sidebar-list">
          {days.value.map(([day, some]) => (
            <section key={day} aria-label={day}>
              <h2>{day}</h2>
              <ul>
                {some.map((each) => (
                  <Entry key={each.id} entry={each} />
                ))}
              </ul>
            </section>
          ))}
          {days.value.length === 0 && (
            <p class="sidebar-none">{wanted.value ? 'Nothing found' : 'No conversations yet'}</p>
          )}
        </div>
      </nav>
    </>
  );
}

/** Drawn anew only when something about it is new: there may be hundreds. */
const Entry = memo(function Entry({ entry }: { entry: Summary }) {
  const [renaming, setRenaming] = useState(false);
  const current = useComputed(() => currentId.value === entry.id);
  const busy = useComputed(() => running.value.has(entry.id));
  const renamed = () => {
    setRenaming(false);
    focusWhenLost(`.sidebar a[href="#${entry.id}"]`);
  };
  if (renaming)
    return (
      <li>
        <Rename entry={entry} onDone={renamed} />
      </li>
    );
  const removed = async () => {
    await remove(entry.id);
    focusWhenLost('.sidebar button');
  };
  const visit = (event: Event) => {
    event.preventDefault();
    void open(entry.id);
    leave();
  };
  return (
    <li class="entry">
      <a href={`#${entry.id}`} aria-current={current.value ? 'page' : undefined} onClick={visit} title={entry.title}>
        {busy.value && <span class="busy" role="img" aria-label="being answered" />}
        {entry.title}
      </a>
      <span class="entry-actions">
        <IconButton icon="edit" label={`Rename ${entry.title}`} onClick={() => setRenaming(true)} />
        <IconButton icon="bin" label={`Delete ${entry.title}`} onClick={() => void removed()} />
      </span>
    </li>
  );
});

/** Once the page is drawn anew, gives the focus to this where what had it has gone. */
function focusWhenLost(selector: string): void {
  setTimeout(() => {
    if (document.activeElement === document.body) document.querySelector<HTMLElement>(selector)?.focus();
  });
}

function Rename({ entry, onDone }: { entry: Summary; onDone: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const done = () => {
    void rename(entry.id, field.current?.value ?? '');
    onDone();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      onDone();
    } else if (event.key === 'Enter') {
      done();
    }
  };
  return (
    <input
      ref={field}
      class="rename"
      aria-label="Name of the conversation"
      defaultValue={entry.title}
      onBlur={done}
      onKeyDown={onKeyDown}
    />
  );
}
