// SPDX-License-Identifier: Apache-2.0
// Toasts, and what screen readers say by themselves. An open dialog takes them in: whatever is outside of it can be
// neither clicked nor heard meanwhile.
import { signal } from '@preact/signals';
import { spoken } from '../announce';
import { backToBox } from '../focus';
import { dismiss, toasts } from '../toasts';
import { IconButton } from './Icon';

/** How many dialogs are open. */
export const dialogs = signal(0);

export function Notices() {
  const close = (id: number) => (dismiss(id), backToBox());
  return (
    <>
      <div class="toasts" role="status" aria-live="polite">
        {toasts.value.map(({ id, text, bad, action }) => (
          <div key={id} class="toast" data-bad={bad}>
            <span>{text}</span>
            {action && (
              <button type="button" class="button" onClick={() => (action.run(), close(id))}>
                {action.label}
              </button>
            )}
            <IconButton icon="close" label="Dismiss" onClick={() => close(id)} />
          </div>
        ))}
      </div>
      <div class="sr" role="log" aria-live="polite" aria-label="Answer, read out">
        {spoken.value.map(({ id, text }) => (
          <p key={id}>{text}</p>
        ))}
      </div>
    </>
  );
}
