// SPDX-License-Identifier: Apache-2.0
// A window over the page. The browser's own <dialog> keeps the focus inside, and closes on Escape.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { backToBox } from '../focus';
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
  useLayoutEffect(() => {
    const it = dialog.current!;
    it.showModal();
    ++dialogs.value;
    return () => {
      --dialogs.value;
      it.close(); // gives the focus back, which Escape has done already: a key may have led it on since
      if (it.contains(document.activeElement) || document.activeElement === document.body) backToBox();
    };
  }, []);
  const id = `dialog-${title.replace(/\W+/g, '-')}`;
  return (
    <dialog
      ref={dialog}
      class={rest.class}
      aria-labelledby={id}
      onClose={() => dialog.current && onClose()} // one that is taken out says so, too, a frame later
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
