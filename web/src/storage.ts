// SPDX-License-Identifier: Apache-2.0
// Conversations and files in the browser's own database. Nothing of them is kept by the server.
import { merged } from './tree';
import type { Chat, Summary } from './types';

const NAME = 'gemma4';
const VERSION = 1;

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('chats', { keyPath: 'id' });
      request.result.createObjectStore('files');
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database does not open'));
  });
  return opened;
}

async function ask<T>(store: string, mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  return new Promise<T>((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new Error('the browser has no room left'));
  });
}

export function readChat(id: string): Promise<Chat | undefined> {
  return ask('chats', 'readonly', (store) => store.get(id) as IDBRequest<Chat | undefined>);
}

export function readChats(): Promise<Chat[]> {
  return ask('chats', 'readonly', (store) => store.getAll() as IDBRequest<Chat[]>);
}

/** Newest first. */
export async function readSummaries(): Promise<Summary[]> {
  const chats = await readChats();
  return chats.map(({ id, title, changed }) => ({ id, title, changed })).sort((a, b) => b.changed - a.changed);
}

/** Returns what is kept now: with the messages that other windows have written to the same conversation meanwhile. */
export async function writeChat(chat: Chat): Promise<Chat> {
  let kept = chat;
  await ask('chats', 'readwrite', (store) => {
    const found = store.get(chat.id) as IDBRequest<Chat | undefined>;
    found.onsuccess = () => {
      if (found.result) kept = merged(found.result, chat);
      store.put(kept);
    };
    return found;
  });
  return kept;
}

export async function removeChat(chat: Chat): Promise<void> {
  await ask('chats', 'readwrite', (store) => store.delete(chat.id));
}

/** Files that no conversation names any more: a removal can be undone for a while, so they go at the next start.
 *  `unsent`: those that none names yet. */
export async function sweepFiles(unsent: Set<string>): Promise<void> {
  const named = new Set(unsent);
  for (const chat of await readChats()) {
    for (const message of Object.values(chat.messages)) message.attachments?.forEach((each) => named.add(each.id));
  }
  const keys = await ask('files', 'readonly', (store) => store.getAllKeys());
  for (const key of keys) {
    if (!named.has(String(key))) await ask('files', 'readwrite', (store) => store.delete(key));
  }
}

export function readFile(id: string): Promise<Blob | undefined> {
  return ask('files', 'readonly', (store) => store.get(id) as IDBRequest<Blob | undefined>);
}

export async function writeFile(id: string, blob: Blob): Promise<void> {
  await ask('files', 'readwrite', (store) => store.put(blob, id));
}

export async function removeAll(): Promise<void> {
  await ask('chats', 'readwrite', (store) => store.clear());
  await ask('files', 'readwrite', (store) => store.clear());
}
