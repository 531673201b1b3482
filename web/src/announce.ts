// SPDX-License-Identifier: Apache-2.0
// What screen readers say of an answer while it is written: whole sentences, once each. A live region around the answer
// itself would be read again with every token.
import { signal } from '@preact/signals';
import type { Message } from './types';

export interface Spoken {
  id: number;
  text: string;
}

/** The last few; older ones have been read and would only be in the way of those who move through the page. */
export const spoken = signal<Spoken[]>([]);
const KEPT = 6;

let last = 0;
let speaking = ''; // which answer
let said = 0; // characters of it

export function say(text: string): void {
  spoken.value = [...spoken.value.slice(1 - KEPT), { id: ++last, text }];
}

/** `answer`: as far as it is. */
export function announceText(answer: Message): void {
  begin(answer);
  const fresh = answer.text.slice(said);
  const end = Math.max(
    fresh.lastIndexOf('. '),
    fresh.lastIndexOf('\n'),
    fresh.lastIndexOf('? '),
    fresh.lastIndexOf('! '),
  );
  if (end < 0) return;
  said += end + 1;
  const words = plain(fresh.slice(0, end + 1));
  if (words) say(words);
}

function begin(answer: Message): void {
  if (speaking === answer.id) return;
  speaking = answer.id;
  said = 0;
}

export function announceEnd(message: Message): void {
  begin(message);
  const rest = plain(message.text.slice(said));
  if (message.error) say(`No answer: ${message.error}`);
  else if (message.finish === 'stopped') say('Stopped.');
  else say(`${rest} End of the answer.`.trim());
}

/** Without the marks of Markdown, which are no words. */
function plain(text: string): string {
  return text
    .replace(/[`*_#>|]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
