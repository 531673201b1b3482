// SPDX-License-Identifier: Apache-2.0
// Short notices that come and go.
import { signal } from '@preact/signals';

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { label: string; run: () => void };
}

export const toasts = signal<Toast[]>([]);
let last = 0;

/** Long enough to be read, and longer where something can be done about it. */
const MS = 6000;
const MS_WITH_ACTION = 10000;

export function toast(text: string, action?: Toast['action'], bad = false): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { id, text, bad, ...(action ? { action } : {}) }];
  setTimeout(() => dismiss(id), action || bad ? MS_WITH_ACTION : MS);
}

export function complain(what: string, error: unknown): void {
  toast(`${what}: ${error instanceof Error ? error.message : String(error)}`, undefined, true);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}
