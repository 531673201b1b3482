// SPDX-License-Identifier: Apache-2.0
import { effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './components/App';
import { unsentFiles } from './drafts';
import './options';
import { chat, connect, open, refresh, serverTrouble } from './state';
import { sweepFiles } from './storage';
import { complain } from './toasts';

effect(() => {
  document.title = chat.value ? `${chat.value.title} · Gemma` : 'Gemma';
});

const goToAddress = () => void open(location.hash.slice(1)).catch((error: unknown) => complain('Conversation', error));
addEventListener('popstate', goToAddress);
addEventListener('focus', () => void (serverTrouble.value && connect())); // it may have been started meanwhile

render(<App />, document.getElementById('app')!);
goToAddress();
void connect();
void refresh();
void sweepFiles(unsentFiles()).catch(() => {}); // at the next start, then
