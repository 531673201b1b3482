// SPDX-License-Identifier: Apache-2.0
// An answer's text. It is read and drawn block by block, so that one that grows does not disturb what stands above.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { say } from '../announce';
import { cleaned } from '../clean';
import { type Block, GrowingText, wholeOf } from '../markdown';
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
  const [blocks] = useState(() => new Blocks());
  const [waits, setWaits] = useState(canWait);
  useLayoutEffect(() => {
    if (waits) return whenNear(place.current!, () => setWaits(false));
    return blocks.draw(place.current!, text);
  }, [text, waits]);
  return (
    <div class={waits ? 'prose raw' : 'prose'} ref={place} onClick={act}>
      {waits && text}
    </div>
  );
}

/** What is in the page of a text that may grow. */
class Blocks {
  private growing = new GrowingText();
  private drawn: Block[] = [];

  /** Leaves alone what is as it was, up to the first block that is not. */
  draw(place: HTMLElement, text: string): void {
    const before = this.drawn;
    const now = this.growing.blocksOf(text);
    this.drawn = now;
    let kept = now.findIndex((each, i) => !before[i] || !same(each, before[i]));
    if (kept < 0) kept = now.length;
    else if (before[kept]?.html === now[kept]!.html && now[kept]!.parts.length > 0) {
      fill(place.children[kept]!.querySelector('code')!, before[kept]!.parts, now[kept]!.parts);
      ++kept;
    }
    while (place.children.length > kept) place.lastChild!.remove();
    if (kept === now.length) return;
    const fresh = now.slice(kept).map((each) => `<div class="block" dir="auto">${wholeOf(each)}</div>`);
    place.append(cleaned(fresh.join(''))); // together: each cleaning makes a document
    for (let i = kept; i < now.length; ++i) typeset(place.children[i] as HTMLElement);
  }
}

function same(a: Block, b: Block): boolean {
  const { html, parts } = b;
  if (a === b) return true;
  return a.html === html && a.parts.length === parts.length && a.parts.every((each, i) => each === parts[i]);
}

/** Code that grows: what is scrolled, selected or has the focus in its frame stays so. */
function fill(code: Element, before: string[], now: string[]): void {
  const change = now.findIndex((each, i) => each !== before[i]);
  const kept = change < 0 ? now.length : change;
  while (code.children.length > kept) code.lastChild!.remove();
  if (kept < now.length) code.append(cleaned(now.slice(kept).join('')));
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
