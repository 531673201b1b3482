// SPDX-License-Identifier: Apache-2.0
// A question's text. A long one is folded: its beginning is shown, and the rest when it is asked for, or when the
// browser's own search finds something in it.
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { lengthOfBeginning } from '../fold';
import { count } from '../format';

export function Bubble({ text }: { text: string }) {
  const shown = lengthOfBeginning(text);
  return (
    <div class="bubble" dir="auto">
      {shown < text.length ? <Folded text={text} shown={shown} /> : text}
    </div>
  );
}

function Folded({ text, shown }: { text: string; shown: number }) {
  const [open, setOpen] = useState(false);
  const rest = useRef<HTMLSpanElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    const it = rest.current!;
    const show = () => setOpen(true);
    it.addEventListener('beforematch', show);
    return () => it.removeEventListener('beforematch', show);
  }, []);
  // What is folded again takes its end, where the button was, along.
  useLayoutEffect(() => {
    if (!open && document.activeElement === button.current) button.current!.scrollIntoView({ block: 'nearest' });
  }, [open]);
  return (
    <>
      {text.slice(0, shown)}
      {!open && '…'}
      <span id={id} ref={rest} class="rest" hidden={open ? undefined : 'until-found'}>
        {text.slice(shown)}
      </span>
      <button
        ref={button}
        type="button"
        class="unfold"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        {open ? 'Show less' : `Show all ${count(text.length)} characters`}
      </button>
    </>
  );
}
