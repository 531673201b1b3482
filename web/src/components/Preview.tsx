// SPDX-License-Identifier: Apache-2.0
// HTML of an answer, shown. The frame has no origin, no network, no way to this page: preview.html comes with a policy
// of its own, which lets scripts of the answer run and nothing be fetched.
import { useRef } from 'preact/hooks';
import { preview } from '../state';
import { download } from '../transfer';
import { Dialog } from './Dialog';

export function Preview({ html }: { html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const fill = () => frame.current?.contentWindow?.postMessage(html, '*');
  const save = () => download('page.html', new Blob([html], { type: 'text/html' }));
  return (
    <Dialog
      title="Preview"
      class="wide full"
      onClose={() => (preview.value = undefined)}
      actions={
        <button type="button" class="button" onClick={save}>
          Download
        </button>
      }
    >
      <iframe
        ref={frame}
        class="preview"
        title="The page of the answer"
        src="preview"
        sandbox="allow-scripts"
        onLoad={fill}
      />
    </Dialog>
  );
}
