// SPDX-License-Identifier: Apache-2.0
import { options } from '../options';

const MOST = 0.4; // of the window's height

/** As high as its text, up to a limit. */
export function grow(field: HTMLTextAreaElement | null): void {
  if (!field) return;
  field.style.height = 'auto';
  field.style.height = `${Math.min(field.scrollHeight, window.innerHeight * MOST)}px`;
}

/** Whether a key sends what has been written. An Enter that ends the composing of a character does not. */
export function sends(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.isComposing) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return options.value.enterSends && !event.shiftKey && !event.altKey;
}
