// SPDX-License-Identifier: Apache-2.0
// Where people write, and bring pictures, sound and film.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { allAttached, attach, detach, filesOf } from '../attach';
import { type Draft, draft, setDraft } from '../drafts';
import { BOX, backToBox } from '../focus';
import { clock } from '../format';
import { send, stop } from '../generate';
import { options, setOptions } from '../options';
import { canRecord, recording, startRecording, stopRecording } from '../record';
import { currentId, editing, isRunning, panel, path, takes } from '../state';
import { Icon, IconButton } from './Icon';
import { Chips } from './Media';
import { grow, sends } from './textarea';

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const { text, attachments } = draft.value;
  useLayoutEffect(() => grow(field.current), [text, currentId.value]);
  useEffect(backToBox, [currentId.value]);
  useEffect(() => {
    if (isRunning.value) backToBox(); // whatever has asked is gone or disabled meanwhile
  }, [isRunning.value]);
  const empty = isEmpty(draft.value);
  const submit = async () => {
    if (empty || isRunning.value) return;
    const chatId = currentId.value;
    await allAttached(); // what has just been dropped goes along
    const all = draft.value;
    if (currentId.value !== chatId || isRunning.value || isEmpty(all)) return;
    setDraft({ text: '', attachments: [] });
    send(all.text, all.attachments);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (sends(event)) {
      event.preventDefault();
      void submit();
    } else if (event.key === 'ArrowUp' && !text) {
      const own = path.value.findLast((each) => each.role === 'user');
      if (own && !isRunning.value) editing.value = own.id;
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = filesOf(event.clipboardData);
    if (files.length === 0) return;
    event.preventDefault();
    void attach(files);
  };
  return (
    <form class="composer" onSubmit={(event) => (event.preventDefault(), void submit())}>
      <Chips attachments={attachments} onRemove={(id) => (detach(id), field.current?.focus())} />
      <textarea
        id={BOX}
        ref={field}
        rows={1}
        dir="auto"
        aria-label="Message"
        placeholder="Ask anything"
        value={text}
        onInput={(event) => setDraft({ text: event.currentTarget.value })}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      <div class="composer-row">
        {recording.value ? <Recorder /> : <Tools />}
        <SendOrStop empty={empty} />
      </div>
    </form>
  );
}

function isEmpty({ text, attachments }: Draft): boolean {
  return !text.trim() && attachments.length === 0;
}

function SendOrStop({ empty }: { empty: boolean }) {
  if (isRunning.value) {
    const end = () => (stop(), backToBox());
    return <IconButton icon="stop" class="send" label="Stop the answer (Escape)" onClick={end} />;
  }
  return (
    <button
      type="submit"
      class="icon-button send"
      aria-label="Send"
      title="Send"
      disabled={empty}
    >
      <Icon name="send" />
    </button>
  );
}

function Tools() {
  const input = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const take = (event: Event) => {
    const from = event.currentTarget as HTMLInputElement;
    void attach([...(from.files ?? [])]);
    from.value = ''; // so that the same file can be chosen again
  };
  // Where the page may not use the camera itself, a phone's own camera app is asked for a picture.
  const openCamera = () => (canRecord ? (panel.value = 'camera') : camera.current?.click());
  const { think } = options.value;
  return (
    <div class="composer-tools">
      <input ref={input} type="file" multiple hidden onChange={take} />
      <input ref={camera} type="file" accept="image/*" capture="environment" hidden onChange={take} />
      <IconButton icon="clip" label="Attach files" onClick={() => input.current?.click()} />
      {takes('image') && <IconButton icon="camera" label="Take a picture" onClick={openCamera} />}
      {canRecord && takes('audio') && (
        <IconButton icon="mic" label="Record sound" onClick={() => void startRecording()} />
      )}
      <button type="button" class="pill" aria-pressed={think} onClick={() => setOptions({ think: !think })}>
        <Icon name="think" /> Think
      </button>
    </div>
  );
}

function Recorder() {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const attachButton = useRef<HTMLButtonElement>(null);
  useEffect(() => attachButton.current?.focus(), []);
  const end = (keep: boolean) => (stopRecording(keep), backToBox());
  const seconds = Math.max(0, now - (recording.value?.since ?? now)) / 1000;
  return (
    <div class="recorder" role="group" aria-label="Recording">
      <span class="recorder-dot" aria-hidden="true" />
      <span role="timer">{clock(seconds)}</span>
      <button type="button" class="button" onClick={() => end(false)}>
        Discard
      </button>
      <button ref={attachButton} type="button" class="button primary" onClick={() => end(true)}>
        Attach
      </button>
    </div>
  );
}
