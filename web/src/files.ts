// SPDX-License-Identifier: Apache-2.0
// The bytes of attachments: in memory as long as the page is open, in the database beyond that.
import { readFile, writeFile } from './storage';

const blobs = new Map<string, Blob>();
const urls = new Map<string, string>();

export async function keepFile(id: string, blob: Blob): Promise<void> {
  blobs.set(id, blob);
  await writeFile(id, blob);
}

/** Writes them once more: a window that was opened since then has swept out what no conversation named yet. */
export async function keepAgain(ids: string[]): Promise<void> {
  for (const id of ids) {
    const blob = await fileOf(id);
    if (blob) await writeFile(id, blob);
  }
}

export async function fileOf(id: string): Promise<Blob | undefined> {
  const known = blobs.get(id) ?? (await readFile(id));
  if (known) blobs.set(id, known);
  return known;
}

/** An address for <img>, <audio> and <video>; the same one each time. */
export async function urlOf(id: string): Promise<string | undefined> {
  const known = urls.get(id);
  if (known) return known;
  const blob = await fileOf(id);
  if (!blob) return undefined;
  const url = URL.createObjectURL(blob);
  urls.set(id, url);
  return url;
}

export function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error ?? new Error('the file cannot be read'));
    reader.readAsDataURL(blob);
  });
}

export function blobOfDataUrl(url: string): Blob {
  const comma = url.indexOf(',');
  const bytes = atob(url.slice(comma + 1));
  const type = url.slice(5, url.indexOf(';'));
  return new Blob([Uint8Array.from(bytes, (c) => c.charCodeAt(0))], { type });
}
