// SPDX-License-Identifier: Apache-2.0
// A question being asked otherwise.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { backToBox } from '../focus';
import { rewrite } from '../generate';
import { editing } from '../state';
import type { Message } from '../types';
import { Chips } from './Media';
import { grow, sends } from './textarea';

export function Editor({ message }: { message: Message }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(message.text);
  const [attachments, setAttachments] = useState(message.attachments ?? []);
  useLayoutEffect(() => grow(field.current), [text]);
  useLayoutEffect(() => {
    const it = field.current!;
    it.form!.scrollIntoView({ block: 'nearest' }); // with its buttons, if there is room for them
    it.focus();
    it.setSelectionRange(text.length, text.length);
  }, []);
  const empty = !text.trim() && attachments.length === 0;
  const done = () => {
    if (empty) return;
    editing.value = '';
    rewrite(message, text, attachments);
  };
  const leave = () => {
    editing.value = '';
    backToBox();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      leave();
    } else if (sends(event)) {
      event.preventDefault();
      done();
    }
  };
  return (
    <form class="message editor" onSubmit={(event) => (event.preventDefault(), done())}>
      <Chips
        attachments={attachments}
        onRemove={(id) => setAttachments(attachments.filter((each) => each.id !== id))}
      />
      <textarea
        ref={field}
        rows={1}
        dir="auto"
        aria-label="Your message"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="editor-foot">
        <button type="button" class="button" onClick={leave}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={empty}>
          Ask
        </button>
      </div>
    </form>
  );
}
