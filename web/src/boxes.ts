// SPDX-License-Identifier: Apache-2.0
// Boxes and points in an answer: {"box_2d": [y1, x1, y2, x2], "label": …} and {"point": [y, x], "label": …}, in
// thousandths of the picture, in a fence or bare, with prose around them or without, whole or still being written.

export interface Mark {
  label: string;
  /** In thousandths: the left upper corner, and a size of zero for a point. */
  x: number;
  y: number;
  width: number;
  height: number;
  point: boolean;
}

export function marksOf(text: string): Mark[] {
  if (!/"(box_2d|point)"/.test(text)) return [];
  const marks: Mark[] = [];
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at)) {
    const end = endOfObject(text, at);
    const object = end > 0 ? parsed(text.slice(at, end)) : undefined;
    if (object === undefined) {
      at += 1; // an outer object that is not whole yet may hold inner ones that are
    } else {
      collect(object, marks);
      at = end;
    }
  }
  return marks;
}

/** Whether an answer is nothing but such a list, so that its JSON need not be read by people. */
export function onlyMarks(text: string): boolean {
  const bare = text
    .trim()
    .replace(/^```(?:json)?\s*/, '')
    .replace(/\s*```$/, '');
  return /^[[{]/.test(bare) && /[\]}]$/.test(bare) && parsed(bare) !== undefined && marksOf(bare).length > 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Behind the brace that closes the one at `start`; -1 where there is none. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; ++i) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') ++i;
      else if (c === '"') quoted = false;
    } else if (c === '"') {
      quoted = true;
    } else if (c === '{') {
      ++depth;
    } else if (c === '}' && --depth === 0) {
      return i + 1;
    }
  }
  return -1;
}

function collect(value: unknown, marks: Mark[]): void {
  if (Array.isArray(value)) {
    for (const each of value) collect(each, marks);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const entry = value as Record<string, unknown>;
  const mark = markOf(entry);
  if (mark) marks.push(mark);
  else if (!('box_2d' in entry) && !('point' in entry)) for (const each of Object.values(entry)) collect(each, marks);
}

/** The same checks as in `gemma4 detect`: what is out of range or has no area is left out, corners are put in order. */
function markOf(entry: Record<string, unknown>): Mark | undefined {
  const label = typeof entry['label'] === 'string' ? entry['label'] : '';
  const box = numbers(entry['box_2d'], 4);
  if (box) {
    const [top, left, bottom, right] = [
      Math.min(box[0]!, box[2]!),
      Math.min(box[1]!, box[3]!),
      Math.max(box[0]!, box[2]!),
      Math.max(box[1]!, box[3]!),
    ];
    if (bottom <= top || right <= left) return undefined;
    return { label, x: left, y: top, width: right - left, height: bottom - top, point: false };
  }
  const point = numbers(entry['point'], 2);
  return point && { label, x: point[1]!, y: point[0]!, width: 0, height: 0, point: true };
}

function numbers(value: unknown, count: number): number[] | undefined {
  if (!Array.isArray(value) || value.length !== count) return undefined;
  return value.every((each) => typeof each === 'number' && each >= 0 && each <= 1000) ? (value as number[]) : undefined;
}
