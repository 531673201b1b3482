// SPDX-License-Identifier: Apache-2.0
// Conversations and files in the browser's own database. Nothing of them is kept by the server.
import { merged } from './tree';
import type { Chat, Summary } from './types';

const NAME = 'gemma4';
const VERSION = 2;
/** Of conversations: what their line in the list needs, as keys, so that it is had without reading what was said. */
const SUMMARY = 'summary';

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => {
      const db = request.result;
      if (oldVersion < 1) {
        db.createObjectStore('chats', { keyPath: 'id' });
        db.createObjectStore('files');
      }
      request.transaction!.objectStore('chats').createIndex(SUMMARY, ['changed', 'title']);
    };
    request.onblocked = () => reject(new Error('another window has an older page open: close it and reload this one'));
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close(); // a newer page has been loaded elsewhere
      resolve(request.result);
    };
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

/** One after the other: to be given all of them at once holds the page up. */
export async function eachChat(work: (chat: Chat) => void): Promise<void> {
  await ask('chats', 'readonly', (store) => {
    const request = store.openCursor();
    request.onsuccess = () => {
      if (!request.result) return;
      work(request.result.value as Chat);
      request.result.continue();
    };
    return request;
  });
}

/** Newest first. */
export async function readSummaries(): Promise<Summary[]> {
  const all: Summary[] = [];
  await ask('chats', 'readonly', (store) => {
    const request = store.index(SUMMARY).openKeyCursor(null, 'prev');
    request.onsuccess = () => {
      if (!request.result) return;
      const [changed, title] = request.result.key as [number, string];
      all.push({ id: request.result.primaryKey as string, title, changed });
      request.result.continue();
    };
    return request;
  });
  return all;
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
  const left = new Set((await ask('files', 'readonly', (store) => store.getAllKeys())).map(String));
  unsent.forEach((id) => left.delete(id));
  if (left.size === 0) return;
  await eachChat(({ messages }) => {
    for (const { attachments } of Object.values(messages)) attachments?.forEach(({ id }) => left.delete(id));
  });
  for (const id of left) await ask('files', 'readwrite', (store) => store.delete(id));
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
