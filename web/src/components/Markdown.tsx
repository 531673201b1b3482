// SPDX-License-Identifier: Apache-2.0
// An answer's text. It is drawn block by block, so that one that grows does not disturb what stands above.
import { Component, createRef } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { say } from '../announce';
import { blocksOf, cleaned } from '../markdown';
import { typeset } from '../math';
import { whenNear } from '../near';
import { preview } from '../state';
import { complain } from '../toasts';

interface Props {
  text: string;
  /** It may stand there as it was written until somebody comes near. */
  canWait: boolean;
}

export function Markdown({ text, canWait }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [waits, setWaits] = useState(canWait);
  useLayoutEffect(() => (waits ? whenNear(place.current!, () => setWaits(false)) : undefined), [waits]);
  return (
    <div class={waits ? 'prose raw' : 'prose'} ref={place} onClick={act}>
      {waits ? text : blocksOf(text).map((html, i) => <Block key={i} html={html} />)}
    </div>
  );
}

class Block extends Component<{ html: string }> {
  private place = createRef<HTMLDivElement>();

  override shouldComponentUpdate(next: { html: string }): boolean {
    return next.html !== this.props.html;
  }
  override componentDidMount(): void {
    this.fill();
  }
  override componentDidUpdate(): void {
    this.fill();
  }

  private fill(): void {
    const place = this.place.current!;
    place.replaceChildren(cleaned(this.props.html));
    typeset(place);
  }

  override render() {
    return <div class="block" dir="auto" ref={this.place} />;
  }
}

/** The buttons at code are part of the text's HTML: their clicks come up to here. */
function act(event: MouseEvent): void {
  const button = (event.target as Element).closest<HTMLButtonElement>('button[data-act]');
  const code = button?.closest('.code')?.querySelector('code')?.textContent;
  if (!button || code === undefined || code === null) return;
  if (button.dataset['act'] === 'preview') preview.value = { html: code };
  else void copy(code, button);
}

async function copy(text: string, button: HTMLButtonElement): Promise<void> {
  if (!(await copied(text))) return;
  button.textContent = 'Copied';
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}

/** Into the clipboard, and said. */
export async function copied(text: string): Promise<boolean> {
  try {
    await writeClipboard(text);
    say('Copied.');
    return true;
  } catch (error) {
    complain('Nothing is copied', error);
    return false;
  }
}

async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // The page came over plain HTTP from another machine: there the older way is the only one.
  const field = Object.assign(document.createElement('textarea'), { value: text });
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  if (!done) throw new Error('the browser does not allow it');
}
