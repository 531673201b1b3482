// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';
import { attach, filesOf } from '../attach';
import { BOX, focusBox } from '../focus';
import { stop } from '../generate';
import { isRunning, panel, preview, sidebarOpen } from '../state';
import { Camera } from './Camera';
import { Composer } from './Composer';
import { Conversation } from './Conversation';
import { Header } from './Header';
import { dialogs, Notices } from './Notices';
import { Preview } from './Preview';
import { Settings } from './Settings';
import { Shortcuts } from './Shortcuts';
import { beginNew, narrow, SEARCH, Sidebar } from './Sidebar';

export function App() {
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const covered = narrow.value && sidebarOpen.value;
  return (
    <div class="app">
      <a class="skip" href={`#${BOX}`} onClick={(event) => (event.preventDefault(), focusBox())}>
        To the message box
      </a>
      <Sidebar />
      <main class="main" inert={covered}>
        <Header />
        <Conversation />
        <Composer />
      </main>
      {panel.value === 'settings' && <Settings />}
      {panel.value === 'camera' && <Camera />}
      {panel.value === 'shortcuts' && <Shortcuts />}
      {preview.value && <Preview html={preview.value.html} />}
      <DropZone />
      {dialogs.value === 0 && <Notices />}
    </div>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && !!target.closest('input, textarea, select, [contenteditable], dialog');
}

function onKey(event: KeyboardEvent): void {
  if (document.querySelector('dialog[open]')) return; // `dialogs` hears a frame later of one that Escape has closed
  const chord = (event.ctrlKey || event.metaKey) && event.shiftKey ? event.key.toLowerCase() : '';
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target) ? event.key : '';
  if (event.key === 'Escape' && isRunning.value) stop();
  else if (chord === 'o') beginNew();
  else if (chord === 's') sidebarOpen.value = !sidebarOpen.value;
  else if (chord === 'f') {
    sidebarOpen.value = true;
    setTimeout(() => document.getElementById(SEARCH)?.focus());
  } else if (plain === '/') focusBox();
  else if (plain === '?') panel.value = 'shortcuts';
  else return;
  event.preventDefault();
}

/** Files may be dropped anywhere. */
function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const withFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const onOver = (event: DragEvent) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const onDrop = (event: DragEvent) => {
      setOver(false);
      if (!withFiles(event)) return;
      event.preventDefault();
      void attach(filesOf(event.dataTransfer));
      focusBox();
    };
    document.addEventListener('dragover', onOver);
    document.addEventListener('dragleave', onLeave);
    document.addEventListener('drop', onDrop);
    return () => {
      document.removeEventListener('dragover', onOver);
      document.removeEventListener('dragleave', onLeave);
      document.removeEventListener('drop', onDrop);
    };
  }, []);
  return over ? (
    <div class="drop" aria-hidden="true">
      Drop pictures, sound, film or text here
    </div>
  ) : null;
}
