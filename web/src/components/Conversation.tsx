// SPDX-License-Identifier: Apache-2.0
// The messages, kept at their end while an answer grows unless somebody reads further up, or writes there.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { currentId, editing, isRunning, path } from '../state';
import { Empty } from './Empty';
import { IconButton } from './Icon';
import { Messages } from './Messages';

const NEAR = 80; // pixels from the end that still count as the end

export function Conversation() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const seen = useRef({ top: 0, height: 0 }); // at the last look
  const [away, setAway] = useState(false);
  const messages = path.value;
  const look = () => {
    const { scrollTop, scrollHeight } = scroller.current!;
    seen.current = { top: scrollTop, height: scrollHeight };
  };
  const toEnd = () => {
    const it = scroller.current!;
    pinned.current = true;
    it.scrollTo({ top: path.value.length > 0 ? it.scrollHeight : 0 }); // what is there before begins at its top
    look();
  };
  /** Before others come above the first message; returns what keeps it where it is once they are there. */
  const hold = () => {
    const it = scroller.current!;
    const place = it.querySelector('.message')!;
    const { top } = place.getBoundingClientRect();
    const height = it.scrollHeight;
    return () => {
      const moved = place.getBoundingClientRect().top - top;
      if (Math.abs(moved) >= 1) it.scrollTop += moved; // most browsers see to that, but none at the very top
      seen.current.top += it.scrollHeight - height; // whoever has gone up meanwhile is heard of later
      seen.current.height = it.scrollHeight;
    };
  };
  useLayoutEffect(toEnd, [currentId.value, messages.length]);
  useLayoutEffect(() => {
    if (isRunning.value) toEnd();
  }, [isRunning.value]);
  useLayoutEffect(() => {
    if (editing.value) pinned.current = false;
  }, [editing.value]);
  // Pictures and formulas get their height after the text has been drawn, and a message box that grows takes height
  // from the conversation.
  useEffect(() => {
    const resized = () => {
      if (goneUp()) pinned.current = false; // which is heard of with the next frame
      if (pinned.current) toEnd();
      else setAway(leftBelow(scroller.current!) > NEAR);
    };
    const observer = new ResizeObserver(resized);
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  // Far from the end alone says nothing: a picture may have come since. People have left the end when they go up, by
  // more than what has gone.
  const goneUp = () => {
    const { scrollTop, scrollHeight } = scroller.current!;
    const gone = seen.current.height - scrollHeight;
    const up = seen.current.top - scrollTop;
    return gone > 0 ? up > gone + 1 : up > 0; // heights are rounded
  };
  const onScroll = () => {
    const it = scroller.current!;
    const left = leftBelow(it);
    const up = goneUp();
    look();
    pinned.current = !editing.value && (left < (up ? 1 : NEAR) || (pinned.current && !up));
    setAway(!pinned.current && left >= 1);
  };
  // Whoever opens what is folded reads there.
  const onClick = (event: Event) => {
    if ((event.target as Element).closest('summary, [aria-expanded]')) pinned.current = false;
  };
  return (
    <div class="conversation">
      <div
        class="scroller"
        ref={scroller}
        onScroll={onScroll}
        tabIndex={messages.length > 0 ? 0 : -1}
        role="region"
        aria-label="Conversation"
      >
        <div class="column" ref={content} onClick={onClick}>
          {messages.length === 0 ? (
            <Empty />
          ) : (
            <Messages key={currentId.value} messages={messages} hold={hold} />
          )}
        </div>
      </div>
      {away && <IconButton icon="down" class="to-end" label="To the end" onClick={toEnd} />}
    </div>
  );
}

function leftBelow(it: HTMLElement): number {
  return it.scrollHeight - it.scrollTop - it.clientHeight;
}

