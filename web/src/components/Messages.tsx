// SPDX-License-Identifier: Apache-2.0
// The messages of a conversation: those at its end at once, then those above them, some at a time, while nothing that
// somebody reads moves.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { drawAll } from '../near';
import { currentId, isRunning } from '../state';
import type { Attachment, Message } from '../types';
import { MessageView } from './MessageView';

const AT_ONCE = 8; // more than a screen, mostly
const MORE = 20; // at a time: a task of 50 to 100 ms
const PAUSE_MS = 20; // for what people do meanwhile

interface Props {
  messages: Message[];
  /** To be called before more come; returns what to call when they have. */
  hold: () => () => void;
}

export function Messages({ messages, hold }: Props) {
  const ready = Math.max(0, messages.length - AT_ONCE); // versions may have fewer messages
  const [before, setBefore] = useState(ready);
  const first = Math.min(before, ready);
  const held = useRef<() => void>(() => {});
  const show = (from: number) => {
    held.current = hold();
    setBefore(from);
  };
  useLayoutEffect(() => {
    held.current();
    held.current = () => {};
  }, [first]);
  useEffect(() => {
    if (first === 0) return;
    const timer = setTimeout(() => show(Math.max(0, first - MORE)), PAUSE_MS);
    const all = () => {
      show(0);
      queueMicrotask(drawAll); // once they are there
    };
    addEventListener('beforeprint', all);
    return () => {
      clearTimeout(timer);
      removeEventListener('beforeprint', all);
    };
  }, [first]);
  const pictures = picturesBefore(messages);
  return (
    <>
      {messages.slice(first).map((message, i) => (
        <MessageView
          key={message.parent || currentId.value} // versions take each other's place, and keep the focus
          message={message}
          pictures={message.role === 'assistant' ? pictures[first + i]! : []}
          live={isRunning.value && first + i === messages.length - 1}
          last={first + i === messages.length - 1}
          canWait={first + i < ready}
        />
      ))}
    </>
  );
}

/** For each message the pictures of the latest one before it that has any. */
function picturesBefore(messages: Message[]): Attachment[][] {
  let latest: Attachment[] = [];
  return messages.map(({ attachments }) => {
    const before = latest;
    const own = attachments?.filter((each) => each.kind === 'image') ?? [];
    if (own.length > 0) latest = own;
    return before;
  });
}
