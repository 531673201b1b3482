// SPDX-License-Identifier: Apache-2.0
// What is being written, text and files, by conversation. It outlives a reload of its window.
import { computed, signal } from '@preact/signals';
import { currentId } from './state';
import type { Attachment } from './types';

export interface Draft {
  text: string;
  attachments: Attachment[];
}

/** In the window's own storage. */
const DRAFTS = 'gemma4.unsent';
/** In that of all windows: files that no conversation names yet, and when they came. */
const FILES = 'gemma4.unsent-files';
/** Windows that were closed leave files behind, for so long. */
const KEPT_MS = 24 * 3600 * 1000;

const drafts = signal(new Map(JSON.parse(sessionStorage.getItem(DRAFTS) ?? '[]') as [string, Draft][]));
const nothing: Draft = { text: '', attachments: [] };
export const draft = computed(() => draftOf(currentId.value));

export function draftOf(chatId: string): Draft {
  return drafts.value.get(chatId) ?? nothing;
}

export function setDraft(change: Partial<Draft>, chatId = currentId.value): void {
  const old = draftOf(chatId);
  if (change.attachments) noteFiles(old.attachments, change.attachments);
  drafts.value = new Map(drafts.value).set(chatId, { ...old, ...change });
}

addEventListener('pagehide', () => {
  const written = [...drafts.value].filter(([, { text, attachments }]) => text || attachments.length > 0);
  // Where there is no room for all of it: without the small pictures, or not at all.
  for (const some of [written, written.map(([id, each]) => [id, withoutThumbs(each)]), []]) {
    try {
      return sessionStorage.setItem(DRAFTS, JSON.stringify(some));
    } catch {
      continue;
    }
  }
});

function withoutThumbs({ text, attachments }: Draft): Draft {
  return { text, attachments: attachments.map(({ thumb: _, ...rest }) => rest) };
}

/** What the start of a window must not sweep out. */
export function unsentFiles(): Set<string> {
  return new Set(Object.keys(storedFiles()));
}

function storedFiles(): Record<string, number> {
  const all = JSON.parse(localStorage.getItem(FILES) ?? '{}') as Record<string, number>;
  return Object.fromEntries(Object.entries(all).filter(([, at]) => at > Date.now() - KEPT_MS));
}

function noteFiles(before: Attachment[], after: Attachment[]): void {
  const files = storedFiles();
  for (const { id } of before) delete files[id];
  for (const { id } of after) files[id] = Date.now();
  localStorage.setItem(FILES, JSON.stringify(files));
}
