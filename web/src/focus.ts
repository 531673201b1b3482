// SPDX-License-Identifier: Apache-2.0
// Where the focus goes when what had it goes away.

export const BOX = 'message-box';

export function focusBox(): void {
  document.getElementById(BOX)?.focus();
}

/** After something that takes its own button away, or disables it. Not on phones: their keyboard would cover the
 *  conversation. */
export function backToBox(): void {
  if (window.matchMedia('(hover: hover)').matches) focusBox();
}
