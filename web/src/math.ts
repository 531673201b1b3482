// SPDX-License-Identifier: Apache-2.0
// Formulas in Markdown: $…$ and \(…\) in a line, $$…$$ and \[…\] on lines of their own with no empty one between them.
// They become placeholders, which `typeset` fills once they are in the page: KaTeX builds nodes there, where its styles
// need no exception from the page's policy.
import katex from 'katex';
import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it';

function escaped(md: MarkdownIt, tag: string, shown: string, tex: string): string {
  return `<${tag} class="math" data-math="${shown}">${md.utils.escapeHtml(tex)}</${tag}>`;
}

/**
 * Where the next one of something is, at `from` or behind it; -1 where there is none. What was found is kept for those
 * who ask from before it: thousands of marks that nothing closes would each search all that follows.
 */
function nextOf(find: (text: string, from: number) => number) {
  const found = new WeakMap<StateInline, { from: number; at: number }>();
  return (state: StateInline, from: number): number => {
    const known = found.get(state);
    if (known && known.from <= from && (known.at < 0 || from <= known.at)) return known.at;
    const at = find(state.src, from);
    found.set(state, { from, at });
    return at;
  };
}

const nextDollar = nextOf((text, from) => {
  let at = text.indexOf('$', from);
  while (at > 0 && text[at - 1] === '\\') at = text.indexOf('$', at + 1);
  return at;
});

/** "$5 and $6" is no formula: a closing dollar has no blank before it and no digit behind it. */
function inlineDollar(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  if (src[pos] !== '$' || src[pos + 1] === '$' || /\s/.test(src[pos + 1] ?? ' ')) return false;
  const end = nextDollar(state, pos + 1);
  if (end < 0 || /\s/.test(src[end - 1]!) || /\d/.test(src[end + 1] ?? '')) return false;
  if (!silent) state.push('math_inline', 'math', 0).content = src.slice(pos + 1, end);
  state.pos = end + 1;
  return true;
}

/** What stands between two marks within a line: \(…\), and $$…$$ or \[…\] in the middle of a paragraph. */
function inlineBetween(open: string, close: string, name: string) {
  const nextClose = nextOf((text, from) => text.indexOf(close, from));
  return (state: StateInline, silent: boolean): boolean => {
    if (!state.src.startsWith(open, state.pos)) return false;
    const end = nextClose(state, state.pos + open.length);
    if (end < 0) return false;
    if (!silent) state.push(name, 'math', 0).content = state.src.slice(state.pos + open.length, end);
    state.pos = end + close.length;
    return true;
  };
}

function lineOf(state: StateBlock, line: number): string {
  return state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]);
}

/** The first line below `start` that ends a formula: by the mark, or since it is empty or the last. Kept as above. */
function nextEnd(close: string) {
  const found = new WeakMap<StateBlock, { level: number; endLine: number; start: number; end: number }>();
  return (state: StateBlock, start: number, endLine: number): number => {
    const { level } = state; // of lists and quotations: what is an empty line in them is none around them
    const known = found.get(state);
    const holds = known && known.level === level && known.endLine === endLine;
    if (holds && known.start <= start && start < known.end) return known.end;
    let end = start + 1;
    while (end < endLine && !state.isEmpty(end) && !lineOf(state, end).includes(close)) ++end;
    found.set(state, { level, endLine, start, end });
    return end;
  };
}

function blockBetween(open: string, close: string) {
  const endOf = nextEnd(close);
  return (state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean => {
    const first = lineOf(state, startLine);
    if (!first.startsWith(open)) return false;
    const here = first.includes(close, open.length);
    const end = here ? startLine : endOf(state, startLine, endLine);
    if (end >= endLine || (!here && state.isEmpty(end))) return false; // not closed yet: the text as it is
    const last = here ? first.slice(open.length) : lineOf(state, end);
    if (last.slice(last.indexOf(close)).replaceAll(close, '').trim()) return false; // a formula within a line
    if (silent) return true;
    const lines = Array.from({ length: end - startLine + 1 }, (_, i) => lineOf(state, startLine + i));
    const token = state.push('math_block', 'math', 0);
    token.block = true;
    token.content = lines.join('\n').slice(open.length).split(close, 1)[0]!;
    token.map = [startLine, end + 1];
    state.line = end + 1;
    return true;
  };
}

export function addMath(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math_paren', inlineBetween('\\(', '\\)', 'math_inline'));
  md.inline.ruler.before('escape', 'math_bracket', inlineBetween('\\[', '\\]', 'math_shown'));
  md.inline.ruler.before('escape', 'math_dollars', inlineBetween('$$', '$$', 'math_shown'));
  md.inline.ruler.before('escape', 'math_dollar', inlineDollar);
  const ends = { alt: ['paragraph', 'reference', 'blockquote', 'list'] };
  md.block.ruler.before('fence', 'math_dollars', blockBetween('$$', '$$'), ends);
  md.block.ruler.before('fence', 'math_brackets', blockBetween('\\[', '\\]'), ends);
  md.renderer.rules['math_inline'] = (tokens, i) => escaped(md, 'span', 'inline', tokens[i]!.content);
  md.renderer.rules['math_shown'] = (tokens, i) => escaped(md, 'span', 'block', tokens[i]!.content);
  md.renderer.rules['math_block'] = (tokens, i) => escaped(md, 'div', 'block', tokens[i]!.content);
}

/** Sets the formulas below `root`. One that KaTeX cannot read stays as it was written. */
export function typeset(root: HTMLElement): void {
  for (const place of root.querySelectorAll<HTMLElement>('.math[data-math]')) {
    const tex = place.textContent ?? '';
    const shown = place.dataset['math'] === 'block';
    delete place.dataset['math'];
    try {
      katex.render(tex, place, { displayMode: shown, trust: false, strict: 'ignore', maxSize: 20, maxExpand: 500 });
      if (shown) Object.assign(place, { tabIndex: 0, role: 'math', ariaLabel: tex }); // it may need to be scrolled
    } catch {
      place.classList.add('math-raw');
      place.textContent = tex;
    }
  }
}
