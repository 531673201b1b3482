// SPDX-License-Identifier: Apache-2.0
// What the page shows, as signals, and the ways to change it.
import { batch, computed, signal } from '@preact/signals';
import { ServerError, fetchModels } from './api';
import { options, setOptions } from './options';
import { readChat, readSummaries, removeAll, removeChat, writeChat } from './storage';
import { complain, toast } from './toasts';
import { merged, newChat, pathOf, titleOf, withChoice } from './tree';
import type { Attachment, Chat, Kind, Model, Summary } from './types';

export const models = signal<Model[]>([]);
/** Why there are none, where there are none. */
export const serverTrouble = signal('');
export const keyWanted = signal(false);

export const summaries = signal<Summary[]>([]);
/** Conversations that have been opened, those that are being answered among them. */
const chats = signal<Map<string, Chat>>(new Map());
export const currentId = signal('');
/** Those whose answer is being written. */
export const running = signal<Map<string, AbortController>>(new Map());

export const chat = computed<Chat | undefined>(() => chats.value.get(currentId.value));
export const path = computed(() => (chat.value ? pathOf(chat.value) : []));
export const isRunning = computed(() => running.value.has(currentId.value));
export const model = computed<Model | undefined>(
  () => models.value.find((each) => each.id === options.value.model) ?? models.value[0],
);
/** Whether the model reads such files, as far as is known. */
export function takes(kind: Kind): boolean {
  return model.value?.modalities?.includes(kind) ?? true;
}

/** Tokens of the context that the last answer filled of which the server has said it: none that is still being written,
 *  or was stopped. */
export const contextUsed = computed(() => {
  const stats = path.value.findLast((each) => each.stats?.promptTokens)?.stats;
  return stats ? stats.promptTokens + stats.tokens : 0;
});

/** The system prompt of a conversation that has not begun yet. */
export const draftSystem = signal<string | undefined>(undefined);

export type Panel = '' | 'settings' | 'camera' | 'shortcuts';
export const panel = signal<Panel>('');
export const preview = signal<{ html: string } | undefined>(undefined);
export const sidebarOpen = signal(window.matchMedia('(min-width: 60rem)').matches);
/** The message that is being rewritten. */
export const editing = signal('');

export function chatWith(id: string): Chat | undefined {
  return chats.value.get(id);
}

/** Shows a conversation's new state. Writing it down is for `save`. */
export function show(next: Chat): void {
  const all = new Map(chats.value);
  all.set(next.id, next);
  chats.value = all;
}

/** Tells other windows which conversation has been written, '' for all of them. */
const channel = new BroadcastChannel('gemma4');
channel.onmessage = ({ data }: MessageEvent<string>) => void follow(data);

async function follow(id: string): Promise<void> {
  try {
    if (id) return await followOne(id);
    await refresh();
    for (const each of chats.value.keys()) await followOne(each);
  } catch {
    // it stays as it is here
  }
}

async function followOne(id: string): Promise<void> {
  const written = await readChat(id);
  if (!written) {
    if (currentId.value === id) toast('This conversation was deleted in another window.');
    forget(id);
    return;
  }
  list(written);
  if (chats.value.has(id) && !running.value.has(id)) show(written);
}

/** Its line in the list. */
function list({ id, title, changed }: Chat): void {
  const others = summaries.value.filter((each) => each.id !== id);
  summaries.value = [{ id, title, changed }, ...others].sort((a, b) => b.changed - a.changed);
}

/** Whatever is being written to it ends, and is not kept. */
function forget(id: string): void {
  running.value.get(id)?.abort();
  const left = new Map(chats.value);
  left.delete(id);
  batch(() => {
    chats.value = left;
    summaries.value = summaries.value.filter((each) => each.id !== id);
    if (currentId.value === id) goTo('');
  });
}

export async function save(id: string): Promise<void> {
  const it = chats.value.get(id);
  if (!it) return;
  try {
    const kept = await writeChat(it);
    const now = chats.value.get(id);
    if (now && Object.keys(kept.messages).length > Object.keys(it.messages).length) show(merged(kept, now));
  } catch (error) {
    complain('This conversation is not kept', error);
  }
  list(it);
  channel.postMessage(id);
}

/** What has come of an answer that goes on, for the case that the page goes first. `save` says what goes wrong. */
export async function keepUnfinished(id: string): Promise<void> {
  const it = chats.value.get(id);
  if (it) await writeChat(it).catch(() => {});
}

export async function refresh(): Promise<void> {
  try {
    summaries.value = await readSummaries();
  } catch (error) {
    complain('The history cannot be read', error);
  }
}

export async function connect(): Promise<void> {
  try {
    models.value = await fetchModels();
    serverTrouble.value = '';
    keyWanted.value = false;
    const known = models.value.some((each) => each.id === options.value.model);
    if (options.value.model && !known) setOptions({ model: '' });
  } catch (error) {
    serverTrouble.value = error instanceof Error ? error.message : String(error);
    keyWanted.value = error instanceof ServerError && (error.status === 401 || error.status === 403);
  }
}

/** The current conversation, begun where there is none. */
export function chatAtHand(text: string, attachment?: Attachment): Chat {
  const at = chat.value;
  if (at) return at;
  const fresh = newChat(draftSystem.value ?? options.value.system);
  fresh.title = titleOf(text, attachment?.name ?? 'Conversation');
  batch(() => {
    show(fresh);
    goTo(fresh.id);
    draftSystem.value = undefined;
  });
  return fresh;
}

export function goTo(id: string): void {
  editing.value = '';
  currentId.value = id;
  const hash = id ? `#${id}` : '';
  if (location.hash !== hash) history.pushState(null, '', hash || location.pathname);
}

/** Shows the conversation that the address names. */
export async function open(id: string): Promise<void> {
  if (id && !chats.value.has(id)) {
    const stored = await readChat(id).catch(() => undefined);
    if (!stored) {
      toast('That conversation is not in this browser.');
      return goTo('');
    }
    show(stored);
  }
  goTo(id);
}

export async function rename(id: string, title: string): Promise<void> {
  const it = chats.value.get(id) ?? (await readChat(id));
  if (!it || !title.trim()) return;
  show({ ...it, title: title.trim() });
  await save(id);
}

export async function remove(id: string): Promise<void> {
  const it = chats.value.get(id) ?? (await readChat(id));
  if (!it) return;
  forget(id); // first, so that an answer's end does not write it anew
  await removeChat(it);
  channel.postMessage(id);
  toast(`“${it.title}” is deleted.`, {
    label: 'Undo',
    run: () => {
      show(it);
      void save(id).then(refresh);
    },
  });
}

export async function removeEverything(): Promise<void> {
  [...chats.value.keys()].forEach(forget);
  summaries.value = [];
  await removeAll();
  channel.postMessage('');
}

export function choose(id: string): void {
  const it = chat.value;
  if (!it) return;
  show(withChoice(it, id));
  void save(it.id);
}

export function setSystem(text: string): void {
  const it = chat.value;
  if (!it) {
    draftSystem.value = text;
    return;
  }
  show({ ...it, system: text });
  void save(it.id);
}
