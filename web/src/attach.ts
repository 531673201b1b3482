// SPDX-License-Identifier: Apache-2.0
// Files that a person brings: what kind they are, and a small picture of them.
import { draft, draftOf, setDraft } from './drafts';
import { keepFile } from './files';
import { bytes, clock } from './format';
import { currentId, model, takes } from './state';
import { complain, toast } from './toasts';
import { newId } from './tree';
import type { Attachment, Kind } from './types';

const THUMB = 160;
const MOST_TEXT = 2_000_000;
/** Files that browsers give no type, or a useless one. */
const BY_ENDING: Record<string, string> = {
  heic: 'image/heic',
  heif: 'image/heif',
  avif: 'image/avif',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  flac: 'audio/flac',
  opus: 'audio/ogg',
  m4a: 'audio/mp4',
  mkv: 'video/x-matroska',
};

const words: Record<Kind, string> = { image: 'pictures', audio: 'sound', video: 'film', text: 'text' };

let coming = Promise.resolve();

/** Takes files into the message that is being written. */
export function attach(files: Iterable<File>): Promise<void> {
  const added = addAll(files, currentId.value); // others may be looked at meanwhile
  coming = coming.then(() => added);
  return added;
}

/** Until the files that have been given are all in their message. */
export function allAttached(): Promise<void> {
  return coming;
}

async function addAll(files: Iterable<File>, chatId: string): Promise<void> {
  for (const file of files) {
    try {
      await add(file, chatId);
    } catch (error) {
      complain(file.name, error);
    }
  }
}

/** What was pasted or dropped, without folders. */
export function filesOf(data: DataTransfer | null): File[] {
  const items = [...(data?.items ?? [])].filter(({ kind }) => kind === 'file');
  return items.flatMap((item) => {
    const entry = item.webkitGetAsEntry();
    if (entry?.isDirectory) toast(`${entry.name} is a folder: give the files that are in it.`, undefined, true);
    const file = entry?.isDirectory ? null : item.getAsFile();
    return file ? [file] : [];
  });
}

export function detach(id: string): void {
  setDraft({ attachments: draft.value.attachments.filter((each) => each.id !== id) });
}

async function add(file: File, chatId: string): Promise<void> {
  const type = typeOf(file);
  const kind = await kindOf(file, type);
  if (kind !== 'text' && !takes(kind)) throw new Error(`${model.value?.id} does not read ${words[kind]}.`);
  const id = newId();
  const attachment: Attachment = { id, kind, name: file.name || kind, type, size: file.size };
  const blob = file.type === type ? file : new Blob([file], { type });
  await keepFile(id, blob);
  Object.assign(attachment, await looksOf(kind, blob));
  setDraft({ attachments: [...draftOf(chatId).attachments, attachment] }, chatId);
}

function typeOf(file: File): string {
  const ending = file.name.split('.').pop()?.toLowerCase() ?? '';
  return BY_ENDING[ending] ?? file.type;
}

async function kindOf(file: File, type: string): Promise<Kind> {
  if (file.size === 0) throw new Error('it is empty.');
  const first = type.split('/')[0];
  if (type === 'image/svg+xml') return 'text'; // to be read: no decoder of pictures takes it
  if (first === 'image' || first === 'audio' || first === 'video') return first;
  const isText = file.size <= MOST_TEXT && holdsText(await file.arrayBuffer());
  if (isText) return 'text';
  throw new Error(`pictures, sound, film, and text of up to ${bytes(MOST_TEXT)} can be attached, not this.`);
}

function holdsText(given: ArrayBuffer): boolean {
  try {
    return !new TextDecoder('utf-8', { fatal: true }).decode(given).includes('\0');
  } catch {
    return false;
  }
}

/** What can be shown of a file; what the browser cannot decode the server may still be able to. */
async function looksOf(kind: Kind, blob: Blob): Promise<Partial<Attachment>> {
  const url = URL.createObjectURL(blob);
  try {
    if (kind === 'image') return { thumb: await pictureOf(url) };
    if (kind === 'video') return await filmOf(url);
    if (kind === 'audio') return { seconds: await secondsOf(url) };
    return {};
  } catch {
    return {};
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function pictureOf(url: string): Promise<string> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return thumbOf(image, image.naturalWidth, image.naturalHeight);
}

function thumbOf(source: CanvasImageSource, width: number, height: number): string {
  const scale = Math.min(1, THUMB / Math.max(1, Math.min(width, height)));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#fff'; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.8);
}

function happens(target: HTMLMediaElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('too slow')), 5000);
    const settle = (done: () => void) => () => (clearTimeout(late), done());
    target.addEventListener(name, settle(resolve), { once: true });
    target.addEventListener(
      'error',
      settle(() => reject(new Error('cannot be decoded here'))),
      { once: true },
    );
  });
}

async function filmOf(url: string): Promise<Partial<Attachment>> {
  const film = document.createElement('video');
  film.muted = true;
  film.preload = 'auto';
  const ready = happens(film, 'loadeddata');
  film.src = url;
  await ready;
  const sought = happens(film, 'seeked');
  film.currentTime = Math.min(1, film.duration / 4 || 0);
  await sought;
  return { thumb: thumbOf(film, film.videoWidth, film.videoHeight), seconds: film.duration };
}

async function secondsOf(url: string): Promise<number> {
  const sound = new Audio();
  const ready = happens(sound, 'loadedmetadata');
  sound.src = url;
  await ready;
  return sound.duration;
}

/** A line about a file: "12 s · 200 kB". */
export function noteOf(attachment: Attachment): string {
  const { seconds } = attachment;
  return seconds !== undefined && Number.isFinite(seconds) ? clock(seconds) : '';
}
