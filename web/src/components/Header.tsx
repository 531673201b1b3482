// SPDX-License-Identifier: Apache-2.0
// The line above a conversation: what it is called, which model answers, how full its context is.
import { count, short } from '../format';
import { setOptions } from '../options';
import { chat, contextUsed, model, models, panel, sidebarOpen } from '../state';
import { IconButton } from './Icon';

export function Header() {
  const open = sidebarOpen.value;
  return (
    <header class="head">
      <IconButton
        icon="sidebar"
        class="sidebar-toggle"
        label={open ? 'Hide conversations' : 'Show conversations'}
        onClick={() => (sidebarOpen.value = !open)}
      />
      <div class="head-names">
        {chat.value && <h1 class="head-title" dir="auto">{chat.value.title}</h1>}
        <ModelName />
      </div>
      <ContextMeter />
      <IconButton icon="settings" label="Settings" onClick={() => (panel.value = 'settings')} />
    </header>
  );
}

function ModelName() {
  if (models.value.length < 2) return <span class="head-model">{model.value?.id}</span>;
  return (
    <select
      class="head-model"
      aria-label="Model"
      value={model.value?.id}
      onChange={(event) => setOptions({ model: event.currentTarget.value })}
    >
      {models.value.map(({ id }) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </select>
  );
}

function ContextMeter() {
  const most = model.value?.context ?? 0;
  const used = contextUsed.value;
  if (most === 0 || used === 0) return null;
  const share = Math.min(1, used / most);
  const words = `${count(used)} of ${count(most)} tokens of the context are used`;
  return (
    <div
      class="context"
      role="meter"
      aria-label="Context used"
      aria-valuemin={0}
      aria-valuemax={most}
      aria-valuenow={used}
      aria-valuetext={words}
      title={words}
      data-full={share > 0.9}
    >
      <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
        <circle cx="10" cy="10" r="8" pathLength="100" />
        <circle cx="10" cy="10" r="8" pathLength="100" class="context-used" stroke-dasharray={`${share * 100} 100`} />
      </svg>
      <span>
        {short(used)}
        <span class="context-most"> / {short(most)}</span>
      </span>
    </div>
  );
}
