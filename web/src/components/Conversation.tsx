// SPDX-License-Identifier: Apache-2.0
// The messages, kept at their end while an answer grows unless somebody reads further up.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { currentId, isRunning, path } from '../state';
import type { Attachment, Message } from '../types';
import { Empty } from './Empty';
import { IconButton } from './Icon';
import { MessageView } from './MessageView';

const NEAR = 80; // pixels from the end that still count as the end

export function Conversation() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const seen = useRef({ top: 0, height: 0 });
  const [away, setAway] = useState(false);
  const messages = path.value;
  const toEnd = () => {
    const it = scroller.current!;
    pinned.current = true;
    it.scrollTo({ top: it.scrollHeight });
    seen.current = { top: it.scrollTop, height: it.scrollHeight };
  };
  useLayoutEffect(toEnd, [currentId.value, messages.length]);
  // Pictures and formulas get their height after the text has been drawn, and a message box that grows takes height
  // from the conversation.
  useEffect(() => {
    const observer = new ResizeObserver(() => pinned.current && toEnd());
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  // Far from the end alone says nothing: a picture may have come since. People have left the end when they go up; where
  // the height is another one, it is the browser that has moved what it shows.
  const onScroll = () => {
    const { scrollTop: top, scrollHeight: height, clientHeight } = scroller.current!;
    const left = height - top - clientHeight;
    const up = top < seen.current.top && height === seen.current.height;
    seen.current = { top, height };
    pinned.current = left < (up ? 1 : NEAR) || (pinned.current && !up);
    setAway(!pinned.current);
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
        <div class="column" ref={content}>
          {messages.length === 0 ? (
            <Empty />
          ) : (
            messages.map((message, i) => (
              <MessageView
                key={message.parent || currentId.value} // versions take each other's place, and keep the focus
                message={message}
                pictures={message.role === 'assistant' ? picturesBefore(messages, i) : []}
                live={isRunning.value && i === messages.length - 1}
                last={i === messages.length - 1}
              />
            ))
          )}
        </div>
      </div>
      {away && <IconButton icon="down" class="to-end" label="To the end" onClick={toEnd} />}
    </div>
  );
}

/** The pictures of the latest message before `at` that has any. */
function picturesBefore(messages: Message[], at: number): Attachment[] {
  for (let i = at - 1; i >= 0; --i) {
    const pictures = messages[i]!.attachments?.filter((each) => each.kind === 'image') ?? [];
    if (pictures.length > 0) return pictures;
  }
  return [];
}
