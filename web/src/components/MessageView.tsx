// SPDX-License-Identifier: Apache-2.0
// One message with what can be done about it.
import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import { marksOf, onlyMarks } from '../boxes';
import { count, duration, tokensPerSecond } from '../format';
import { again } from '../generate';
import { chat, choose, editing, isRunning, keyWanted, panel } from '../state';
import { hasEnded, siblingsOf } from '../tree';
import type { Attachment, Message, Stats } from '../types';
import { Bubble } from './Bubble';
import { Editor } from './Editor';
import { Icon, IconButton } from './Icon';
import { copied, Markdown } from './Markdown';
import { Marks } from './Marks';
import { MediaList } from './Media';
import { ToolCalls, ToolResults } from './Tools';

interface Props {
  message: Message;
  /** Those that a person has shown before this answer, the latest message's alone. */
  pictures: Attachment[];
  /** It is being written. */
  live: boolean;
  last: boolean;
  /** Far from what is seen first. */
  canWait: boolean;
}

/** Drawn anew only when something about it is new: long conversations stay quick while an answer grows. */
export const MessageView = memo(View, (a, b) => {
  return a.message === b.message && a.live === b.live && a.last === b.last && same(a.pictures, b.pictures);
});

function same(a: Attachment[], b: Attachment[]): boolean {
  return a.length === b.length && a.every((each, i) => each.id === b[i]!.id);
}

function View(props: Props) {
  const { message } = props;
  if (message.role === 'tool') return <ToolResults message={message} />;
  if (message.role === 'assistant') return <Answer {...props} />;
  if (editing.value === message.id) return <Editor message={message} />;
  return (
    <article class="message user" aria-label="You">
      <h2 class="sr">You</h2>
      {message.attachments && <MediaList attachments={message.attachments} />}
      {message.text && <Bubble key={message.id} text={message.text} />}
      <footer class="message-foot">
        <Branches message={message} />
        {message.text && <CopyButton text={message.text} />}
        <IconButton
          icon="edit"
          label="Edit and ask again"
          disabled={isRunning.value}
          onClick={() => (editing.value = message.id)}
        />
      </footer>
    </article>
  );
}

function Answer({ message, pictures, live, last, canWait }: Props) {
  const waits = live && !message.text && !message.thought && !message.calls;
  return (
    <article class="message assistant" aria-label="Answer" aria-busy={live} data-last={last}>
      <h2 class="sr">Answer</h2>
      {waits && (
        <p class="waiting">
          <span class="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span class="sr">Waiting for the answer</span>
        </p>
      )}
      {message.thought && <Thought message={message} live={live && !message.text} />}
      <Said message={message} pictures={pictures} canWait={canWait} />
      {message.calls && <ToolCalls key={message.id} message={message} open={last && !live} />}
      {message.finish === 'length' && <p class="note">The answer ends here: it has reached the limit of tokens.</p>}
      {!live && !hasEnded(message) && <p class="note">This answer is not finished.</p>}
      {message.finish === 'stopped' && <p class="note">You stopped the answer here.</p>}
      {message.error && (
        <p class="failure" role="alert">
          <span>{message.error}</span>
          {last && keyWanted.value && (
            <button type="button" onClick={() => (panel.value = 'settings')}>
              Enter a key
            </button>
          )}
          <button type="button" onClick={() => again(message)}>
            Try again
          </button>
        </p>
      )}
      <footer class="message-foot">
        {!live && message.text && <CopyButton text={message.text} />}
        {!live && (
          <IconButton icon="again" label="Answer again" disabled={isRunning.value} onClick={() => again(message)} />
        )}
        <Branches message={message} /> {/* where it moves no button from below the hand that has just pressed it */}
        {message.stats && <StatsLine stats={message.stats} live={live} />}
      </footer>
    </article>
  );
}

/** The text, and above it the picture with what the text marks in it. */
function Said({ message, pictures, canWait }: Omit<Props, 'live' | 'last'>) {
  const marks = pictures.length > 0 ? marksOf(message.text) : [];
  if (marks.length === 0) return <Markdown text={message.text} canWait={canWait} />;
  return (
    <>
      <Marks marks={marks} pictures={pictures} />
      {onlyMarks(message.text) ? (
        <details class="fold">
          <summary>JSON of the answer</summary>
          <Markdown text={fencedJson(message.text)} canWait={canWait} />
        </details>
      ) : (
        <Markdown text={message.text} canWait={canWait} />
      )}
    </>
  );
}

function fencedJson(text: string): string {
  return text.includes('```') ? text : '```json\n' + text.trim() + '\n```';
}

function Thought({ message, live }: { message: Message; live: boolean }) {
  const [open, setOpen] = useState(false);
  const time = message.thoughtMs ? ` for ${duration(message.thoughtMs)}` : '';
  return (
    <details class="fold thought" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="think" />
        {live ? <span class="shimmer">Thinking…</span> : `Thought${time}`}
      </summary>
      {open ? (
        <Markdown text={message.thought!} canWait={false} />
      ) : (
        <div class="prose raw">{message.thought}</div> // what nobody sees needs no drawing
      )}
    </details>
  );
}

function StatsLine({ stats, live }: { stats: Stats; live: boolean }) {
  const speed = tokensPerSecond(stats);
  const parts = [stats.tokens === 1 ? '1 token' : `${count(stats.tokens)} tokens`];
  if (speed > 0) parts.unshift(`${speed.toFixed(1)} tokens/s`);
  if (!live && stats.promptTokens > 0) {
    parts.push(
      `prompt ${count(stats.promptTokens)}` + (stats.cachedTokens ? `, ${count(stats.cachedTokens)} cached` : ''),
    );
    parts.push(`first after ${duration(stats.firstMs)}`);
  }
  return <span class="stats">{parts.join(' · ')}</span>;
}

function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await copied(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return <IconButton icon={done ? 'check' : 'copy'} label={done ? 'Copied' : 'Copy'} onClick={() => void copy()} />;
}

/** Which of the messages that stand beside one another is shown. After the last comes the first: a button that is
 *  disabled at the end would lose the focus. */
function Branches({ message }: { message: Message }) {
  const all = chat.value ? siblingsOf(chat.value, message) : [];
  if (all.length < 2) return null;
  const at = all.findIndex((each) => each.id === message.id);
  return (
    <span class="branches" role="group" aria-label="Versions">
      <IconButton icon="left" label="Version before" onClick={() => choose(all.at(at - 1)!.id)} />
      <span aria-live="polite">
        <span class="sr">Version </span>
        {at + 1}/{all.length}
      </span>
      <IconButton icon="right" label="Version after" onClick={() => choose(all[(at + 1) % all.length]!.id)} />
    </span>
  );
}
