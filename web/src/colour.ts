// SPDX-License-Identifier: Apache-2.0
// Colours of code. They cost more than all else, and code that grows is read again and again: long code is coloured in
// parts of whole lines, of which the last alone is new.
import hljs from 'highlight.js/lib/common';

/** A part ends with the first line behind so many characters; where a string, a remark or another language goes on
 *  there, with the first so many further, or twice as many further than that, and so on. */
const PART = 4096;
const FURTHER = 512;
/** Of code that still grows, a last part of more is coloured as far only as has been tried for an end. */
const MOST_GROWING = 2 * PART;

interface Coloured {
  html: string;
  /** Nothing goes on behind it. */
  ends: boolean;
}

/** The last ones used, by their language and code: a few long blocks of characters. */
const known = new Map<string, Coloured>();
const KEPT = 1_000_000;
let kept = 0;

function coloured(code: string, language: string): Coloured {
  const key = `${language} ${code}`;
  let found = known.get(key);
  if (!found) {
    const { value, _top } = hljs.highlight(code, { language, ignoreIllegals: true });
    found = { html: value, ends: _top === hljs.getLanguage(language) };
    kept += key.length;
  }
  known.delete(key); // the last one used goes last
  known.set(key, found);
  for (const old of known.keys()) {
    if (kept <= KEPT) break;
    known.delete(old);
    kept -= old.length;
  }
  return found;
}

/** The part that `code` begins with; where none ends in it, what has been tried last. */
function firstPart(code: string, language: string): Coloured & { length: number } {
  let part = { html: '', ends: false, length: 0 };
  for (let size = PART, further = FURTHER; ; size += further, further *= 2) {
    const length = code.indexOf('\n', size) + 1;
    if (length === 0) return part;
    part = { ...coloured(code.slice(0, length), language), length };
    if (part.ends) return part;
  }
}

/** The HTML of each part. `grows`: its end is still to come. */
export function colouredParts(code: string, language: string, grows: boolean, escape: (s: string) => string): string[] {
  if (!language || !hljs.getLanguage(language)) return [escape(code)];
  const parts: string[] = [];
  for (let rest = code; ; ) {
    const { html, ends, length } = firstPart(rest, language);
    if (ends) {
      parts.push(html);
      rest = rest.slice(length);
      continue;
    }
    const all = !grows || rest.length <= MOST_GROWING;
    return [...parts, all ? coloured(rest, language).html : html + escape(rest.slice(length))];
  }
}
