// SPDX-License-Identifier: Apache-2.0
// Conversations as a file and back: JSON with the attachments inside, or one conversation as Markdown to read.
import { blobOfDataUrl, dataUrlOf, fileOf } from './files';
import { show, refresh } from './state';
import { readChats, writeChat, writeFile } from './storage';
import { pathOf } from './tree';
import type { Chat, Message } from './types';

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
  const given = checked(JSON.parse(await file.text()) as unknown);
  const here = new Map((await readChats()).map((each) => [each.id, each]));
  for (const [id, url] of Object.entries(given.files)) await writeFile(id, blobOfDataUrl(url));
  let came = 0;
  for (const chat of given.chats) {
    if ((here.get(chat.id)?.changed ?? 0) > chat.changed) continue;
    await writeChat(chat);
    show(chat);
    ++came;
  }
  await refresh();
  return came;
}

function checked(value: unknown): Exported {
  const given = value as Partial<Exported> | null;
  if (given?.format !== FORMAT) throw new Error('this is no file of conversations that this page has written');
  if (given.version !== VERSION) throw new Error(`expected version ${VERSION}, found ${String(given.version)}`);
  const chats = given.chats;
  const files = given.files ?? {};
  if (!Array.isArray(chats) || !chats.every(isChat)) throw new Error('a conversation in it is damaged');
  if (!Object.values(files).every((each) => typeof each === 'string' && /^data:[^,]*;base64,/.test(each))) {
    throw new Error('an attachment in it is damaged');
  }
  return { format: FORMAT, version: VERSION, chats, files };
}

function isChat(chat: Chat): boolean {
  const texts = [chat?.id, chat?.title, chat?.system];
  if (!texts.every((each) => typeof each === 'string')) return false;
  if (typeof chat.changed !== 'number' || typeof chat.chosen !== 'object' || chat.chosen === null) return false;
  return typeof chat.messages === 'object' && Object.entries(chat.messages ?? {}).every(isMessage);
}

function isMessage([id, message]: [string, Message]): boolean {
  const roles = ['user', 'assistant', 'tool'];
  const whole = message?.id === id && typeof message.parent === 'string' && typeof message.text === 'string';
  const lists = [message?.attachments, message?.calls, message?.results];
  // A thumbnail is shown as it is: it must be a picture and nothing that points elsewhere.
  const thumbs = Array.isArray(message?.attachments) ? message.attachments.map((each) => each?.thumb) : [];
  return (
    whole &&
    roles.includes(message.role) &&
    lists.every((each) => each === undefined || Array.isArray(each)) &&
    thumbs.every((each) => each === undefined || /^data:image\//.test(each))
  );
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
