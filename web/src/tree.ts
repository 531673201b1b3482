// SPDX-License-Identifier: Apache-2.0
// A conversation as a tree. Every function returns a new conversation and leaves the given one alone.
import type { Chat, Message } from './types';

export function newId(): string {
  // randomUUID is for secure contexts alone; a page that came over plain HTTP from another machine has none.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newChat(system: string): Chat {
  const now = Date.now();
  return { id: newId(), title: '', created: now, changed: now, system, messages: {}, chosen: {} };
}

/** The messages that are shown, first to last. */
export function pathOf(chat: Chat): Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  let next = chat.chosen[''];
  while (next !== undefined && !seen.has(next)) {
    seen.add(next); // a damaged file may hold a ring
    const message = chat.messages[next];
    if (!message) break;
    path.push(message);
    next = chat.chosen[message.id];
  }
  return path;
}

/** The messages from the first to `id`, whatever is shown. */
export function pathTo(chat: Chat, id: string): Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  let message = chat.messages[id];
  while (message && !seen.has(message.id)) {
    seen.add(message.id);
    path.unshift(message);
    message = chat.messages[message.parent];
  }
  return path;
}

/** `message` and those beside it, oldest first. */
export function siblingsOf(chat: Chat, message: Message): Message[] {
  return Object.values(chat.messages)
    .filter((each) => each.parent === message.parent)
    .sort((a, b) => a.at - b.at);
}

/** Adds a message below its parent and shows it. */
export function withMessage(chat: Chat, message: Message): Chat {
  return {
    ...chat,
    changed: Date.now(),
    messages: { ...chat.messages, [message.id]: message },
    chosen: { ...chat.chosen, [message.parent]: message.id },
  };
}

export function withChange(chat: Chat, id: string, change: Partial<Message>): Chat {
  const old = chat.messages[id];
  if (!old) return chat;
  return { ...chat, changed: Date.now(), messages: { ...chat.messages, [id]: { ...old, ...change } } };
}

/** All that two windows have of a conversation, shown as `ours` is. A message changes only while it is written: the
 *  copy that has ended, or the longer one, is the newer. */
export function merged(theirs: Chat, ours: Chat): Chat {
  const messages = { ...theirs.messages, ...ours.messages };
  for (const their of Object.values(theirs.messages)) {
    const our = messages[their.id]!;
    if ((hasEnded(their) && !hasEnded(our)) || their.text.length > our.text.length) messages[their.id] = their;
  }
  const changed = Math.max(theirs.changed, ours.changed);
  return { ...ours, changed, messages, chosen: { ...theirs.chosen, ...ours.chosen } };
}

/** Of an answer: it is not being written, and nothing has cut it off. */
export function hasEnded(message: Message): boolean {
  return !!message.finish || !!message.error;
}

/** Shows the message with this id instead of the one beside it. */
export function withChoice(chat: Chat, id: string): Chat {
  const message = chat.messages[id];
  if (!message) return chat;
  return { ...chat, chosen: { ...chat.chosen, [message.parent]: id } };
}

/** A name for a conversation, from what was asked first. */
export function titleOf(text: string, fallback: string): string {
  const line = text
    .trim()
    .split('\n', 1)[0]!
    .replace(/\s+/g, ' ')
    .replace(/^[#>*\-\s]+/, '');
  if (!line) return fallback;
  if (line.length <= 60) return line;
  const cut = line.slice(0, 60);
  const space = cut.lastIndexOf(' ');
  return (space > 30 ? cut.slice(0, space) : cut) + '…';
}
