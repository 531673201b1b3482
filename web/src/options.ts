// SPDX-License-Identifier: Apache-2.0
// What a person has set, kept in this browser.
import { effect, signal } from '@preact/signals';
import type { Options } from './types';

const PLACE = 'gemma4.options';
const KEY_PLACE = 'gemma4.key';

export const defaults: Options = {
  think: false,
  stop: [],
  budget: '',
  tools: '',
  system: '',
  model: '',
  theme: 'system',
  enterSends: true,
  announce: true,
};

function stored(): Options {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(PLACE) ?? '{}') as Partial<Options>) };
  } catch {
    return defaults;
  }
}

export const options = signal<Options>(stored());
/** What the server lets this person in with; '' where it asks for nothing. */
export const serverKey = signal(localStorage.getItem(KEY_PLACE) ?? '');

export function setOptions(change: Partial<Options>): void {
  options.value = { ...options.value, ...change };
}

effect(() => {
  localStorage.setItem(PLACE, JSON.stringify(options.value));
  // What to read before the first paint, by theme.js.
  document.documentElement.dataset['theme'] = options.value.theme;
});
effect(() => {
  if (serverKey.value) localStorage.setItem(KEY_PLACE, serverKey.value);
  else localStorage.removeItem(KEY_PLACE);
});
