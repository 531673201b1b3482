// SPDX-License-Identifier: Apache-2.0
// How much of a long text is shown at first.

const LINES = 15;
const CHARACTERS = 1200;
/** Up to these, a text is no long one: what is left out must be worth the click. */
const MOST_LINES = 22;
const MOST_CHARACTERS = 1800;

/** How many characters make the beginning: all of them where the text is short. It ends with a line or a word. */
export function lengthOfBeginning(text: string): number {
  if (text.length <= MOST_CHARACTERS && endOfLine(text, MOST_LINES) === text.length) return text.length;
  const end = endOfLine(text, LINES);
  if (end <= CHARACTERS) return end;
  const blank = Math.max(text.lastIndexOf(' ', CHARACTERS), text.lastIndexOf('\n', CHARACTERS));
  if (blank > CHARACTERS / 2) return blank;
  const splitsPair = /[\uD800-\uDBFF]/.test(text[CHARACTERS - 1]!);
  return splitsPair ? CHARACTERS - 1 : CHARACTERS;
}

/** Where the line with this number, from 1, ends. */
function endOfLine(text: string, line: number): number {
  let at = -1;
  for (let i = 0; i < line; ++i) {
    at = text.indexOf('\n', at + 1);
    if (at < 0) return text.length;
  }
  return at;
}
