// SPDX-License-Identifier: Apache-2.0
import { options } from '../options';
import { panel } from '../state';
import { Dialog } from './Dialog';

export function Shortcuts() {
  const keys: [string, string][] = [
    [options.value.enterSends ? 'Enter' : 'Ctrl+Enter', 'Send'],
    [options.value.enterSends ? 'Shift+Enter' : 'Enter', 'New line'],
    ['↑', 'In an empty box: edit your last message'],
    ['Escape', 'Stop the answer, close a window'],
    ['/', 'To the message box'],
    ['Ctrl+Shift+O', 'New conversation'],
    ['Ctrl+Shift+F', 'Search conversations'],
    ['Ctrl+Shift+S', 'Show or hide conversations'],
    ['?', 'This list'],
  ];
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (panel.value = '')}>
      <dl class="shortcuts dialog-body">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
