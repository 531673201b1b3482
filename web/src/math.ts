// SPDX-License-Identifier: Apache-2.0
// Formulas in Markdown: $…$ and \(…\) in a line, $$…$$ and \[…\] on lines of their own with no empty one between them.
// They become placeholders, which `typeset` fills once they are in the page: KaTeX builds nodes there, where its styles
// need no exception from the page's policy.
import katex from 'katex';
import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it';

function escaped(md: MarkdownIt, tag: string, shown: string, tex: string): string {
  return `<${tag} class="math" data-math="${shown}">${md.utils.escapeHtml(tex)}</${tag}>`;
}

/** "$5 and $6" is no formula: a closing dollar has no blank before it and no digit behind it. */
function inlineDollar(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  if (src[pos] !== '$' || src[pos + 1] === '$' || /\s/.test(src[pos + 1] ?? ' ')) return false;
  for (let end = src.indexOf('$', pos + 1); end > 0; end = src.indexOf('$', end + 1)) {
    if (src[end - 1] === '\\') continue;
    if (/\s/.test(src[end - 1]!) || /\d/.test(src[end + 1] ?? '')) return false;
    if (!silent) state.push('math_inline', 'math', 0).content = src.slice(pos + 1, end);
    state.pos = end + 1;
    return true;
  }
  return false;
}

/** What stands between two marks within a line: \(…\), and $$…$$ or \[…\] in the middle of a paragraph. */
function inlineBetween(open: string, close: string, name: string) {
  return (state: StateInline, silent: boolean): boolean => {
    if (!state.src.startsWith(open, state.pos)) return false;
    const end = state.src.indexOf(close, state.pos + open.length);
    if (end < 0) return false;
    if (!silent) state.push(name, 'math', 0).content = state.src.slice(state.pos + open.length, end);
    state.pos = end + close.length;
    return true;
  };
}

function blockBetween(open: string, close: string) {
  return (state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean => {
    const lineOf = (line: number) => state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]);
    if (!lineOf(startLine).startsWith(open)) return false;
    let text = lineOf(startLine).slice(open.length);
    let line = startLine;
    while (!text.includes(close)) {
      if (++line >= endLine || state.isEmpty(line)) return false; // not closed yet: the text as it is
      text += '\n' + lineOf(line);
    }
    const [tex, ...behind] = text.split(close);
    if (behind.join('').trim()) return false; // a formula within a line
    if (silent) return true;
    const token = state.push('math_block', 'math', 0);
    token.block = true;
    token.content = tex!;
    token.map = [startLine, line + 1];
    state.line = line + 1;
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
