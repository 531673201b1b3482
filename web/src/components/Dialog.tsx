// SPDX-License-Identifier: Apache-2.0
// A window over the page. The browser's own <dialog> keeps the focus inside, closes on Escape, and gives the focus
// back.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { IconButton } from './Icon';
import { dialogs, Notices } from './Notices';

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** "drawer" at the side, "wide" for pictures and pages. */
  class?: string;
  actions?: ComponentChildren;
}

export function Dialog({ title, onClose, children, actions, ...rest }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const alive = useRef(true); // its last event comes late, when another dialog may be there
  useEffect(() => {
    const it = dialog.current!;
    it.showModal();
    ++dialogs.value;
    return () => {
      --dialogs.value;
      alive.current = false;
      it.close();
    };
  }, []);
  const id = `dialog-${title.replace(/\W+/g, '-')}`;
  return (
    <dialog
      ref={dialog}
      class={rest.class}
      aria-labelledby={id}
      onClose={() => alive.current && onClose()}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="dialog-inner">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          {actions}
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
      <Notices />
    </dialog>
  );
}
