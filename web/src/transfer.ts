// SPDX-License-Identifier: Apache-2.0
// Conversations as a file and back: JSON with the attachments inside, or one conversation as Markdown to read.
import { isChat, isRecord } from './check';
import { blobOfDataUrl, dataUrlOf, fileOf } from './files';
import { show, refresh } from './state';
import { readChats, readSummaries, writeChat, writeFile } from './storage';
import { pathOf } from './tree';
import type { Chat } from './types';

const FORMAT = 'gemma4-chats';
const VERSION = 1;

interface Exported {
  format: string;
  version: number;
  chats: Chat[];
  /** Data URLs by the id of the attachment. */
  files: Record<string, string>;
}

export async function exportAll(): Promise<void> {
  const chats = await readChats();
  const files: Record<string, string> = {};
  for (const message of chats.flatMap((each) => Object.values(each.messages))) {
    for (const { id } of message.attachments ?? []) {
      const blob = await fileOf(id);
      if (blob) files[id] = await dataUrlOf(blob);
    }
  }
  const out: Exported = { format: FORMAT, version: VERSION, chats, files };
  const day = new Date().toISOString().slice(0, 10);
  download(`gemma4-chats-${day}.json`, new Blob([JSON.stringify(out)], { type: 'application/json' }));
}

/** Adds the file's conversations; one that is here already is kept where it is newer. Returns how many came. */
export async function importFile(file: Blob): Promise<number> {
  const given = checked(parsed(await file.text()));
  const files = Object.entries(given.files).map(([id, url]) => [id, decoded(url)] as const);
  const here = new Map((await readSummaries()).map(({ id, changed }) => [id, changed]));
  for (const [id, blob] of files) await writeFile(id, blob);
  let came = 0;
  for (const chat of given.chats) {
    if ((here.get(chat.id) ?? 0) > chat.changed) continue;
    await writeChat(chat);
    show(chat);
    ++came;
  }
  await refresh();
  return came;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error('this is no JSON, or a part of it is missing');
  }
}

function checked(given: unknown): Exported {
  const all: Record<string, unknown> = isRecord(given) ? given : {};
  const { format, version, chats, files = {} } = all;
  if (format !== FORMAT) throw new Error('this is no file of conversations that this page has written');
  if (version !== VERSION) throw new Error(`expected version ${VERSION}, found ${String(version)}`);
  if (!Array.isArray(chats) || !isRecord(files)) throw new Error('a part of it is missing');
  const bad = chats.findIndex((each) => !isChat(each));
  if (bad >= 0) throw new Error(`conversation ${bad + 1} of ${chats.length} in it is damaged`);
  return { format: FORMAT, version: VERSION, chats: chats as Chat[], files: files as Record<string, string> };
}

function decoded(url: unknown): Blob {
  try {
    if (typeof url === 'string' && /^data:[^,]*;base64,/.test(url)) return blobOfDataUrl(url);
  } catch {
    // said below
  }
  throw new Error('an attachment in it is damaged');
}

export function exportMarkdown(chat: Chat): void {
  const parts = [`# ${chat.title}`];
  for (const message of pathOf(chat)) {
    const names = message.attachments?.map((each) => `*${each.name}*\n\n`).join('') ?? '';
    if (message.role === 'user') parts.push(`## You\n\n${names}${message.text}`);
    if (message.role === 'assistant') parts.push(`## ${message.model ?? 'Gemma'}\n\n${message.text}`);
  }
  const name = chat.title.replace(/[^\p{L}\p{N} _-]+/gu, '').trim() || 'conversation';
  download(`${name}.md`, new Blob([parts.join('\n\n') + '\n'], { type: 'text/markdown' }));
}

export function download(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
