// SPDX-License-Identifier: Apache-2.0
// Answers are Markdown that nobody has checked. It becomes HTML without any HTML of its own, which passes `clean.ts`,
// and fetches nothing: pictures of other places become links.
import hljs from 'highlight.js/lib/common';
import MarkdownIt, { type Env, type Token } from 'markdown-it';
import { addMath } from './math';

const md = MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
addMath(md);
const escape = md.utils.escapeHtml;

/** Languages that a frame can show. */
const SHOWN = new Set(['html', 'htm', 'svg', 'xhtml']);

/** Colouring costs more than all else, and an answer that grows is read again and again. */
const coloured = new Map<string, string>();
const KEPT = 64;

function highlighted(code: string, language: string): string {
  if (!language || !hljs.getLanguage(language)) return escape(code);
  const key = `${language} ${code}`;
  const known = coloured.get(key);
  const html = known ?? hljs.highlight(code, { language, ignoreIllegals: true }).value;
  coloured.delete(key); // the last one used goes last
  coloured.set(key, html);
  if (coloured.size > KEPT) coloured.delete(coloured.keys().next().value!);
  return html;
}

function codeBlock(code: string, info: string): string {
  const language = (info.trim().split(/\s+/)[0] ?? '').toLowerCase();
  const show = SHOWN.has(language) ? '<button type="button" data-act="preview">Preview</button>' : '';
  const name = escape(language || 'text');
  return (
    `<div class="code" data-language="${name}"><div class="code-head"><span>${name}</span>${show}` +
    '<button type="button" data-act="copy">Copy</button></div>' +
    `<pre tabindex="0"><code>${highlighted(code, language)}</code></pre></div>`
  );
}

md.renderer.rules['fence'] = (tokens, i) => codeBlock(tokens[i]!.content, tokens[i]!.info);
md.renderer.rules['code_block'] = (tokens, i) => codeBlock(tokens[i]!.content, '');
md.renderer.rules['table_open'] = () => '<div class="table" role="region" aria-label="Table" tabindex="0"><table>';
md.renderer.rules['table_close'] = () => '</table></div>';
// Alignment comes as a style, which the page's policy does not let an answer have.
md.renderer.rules['th_open'] = md.renderer.rules['td_open'] = (tokens, i) => {
  const align = /text-align:\s*(left|right|center)/.exec(String(tokens[i]!.attrGet('style') ?? ''))?.[1];
  return `<${tokens[i]!.tag}${align ? ` data-align="${align}"` : ''}>`;
};
md.renderer.rules['image'] = (tokens, i) => {
  const source = String(tokens[i]!.attrGet('src') ?? '');
  const name = escape(tokens[i]!.content || source);
  return `<a href="${escape(source)}" target="_blank" rel="noopener noreferrer nofollow">${name}</a>`;
};
md.renderer.rules['link_open'] = (tokens, i, given, _env, renderer) => {
  tokens[i]!.attrSet('target', '_blank');
  tokens[i]!.attrSet('rel', 'noopener noreferrer nofollow');
  return renderer.renderToken(tokens, i, given);
};

interface Block {
  html: string;
  /** Where it begins. */
  line: number;
}

/** The blocks at the top level. `linked`: the text says what its references lead to, which may stand anywhere. */
function parsed(text: string): { blocks: Block[]; linked: boolean } {
  const env: Env = {};
  const blocks: Block[] = [];
  let open: Token[] = [];
  let depth = 0;
  for (const token of md.parse(text, env)) {
    open.push(token);
    depth += token.nesting;
    if (depth > 0) continue;
    blocks.push({ html: md.renderer.render(open, md.options, env), line: open[0]!.map![0] });
    open = [];
  }
  return { blocks, linked: env.references !== undefined };
}

/**
 * An answer's text, of which only the end is read again while it grows: what stands above a blank line between two
 * blocks is what it is, whatever comes below. References alone reach further: a text that has any is read whole.
 */
export class GrowingText {
  private done = ''; // the beginning that has been read for good
  private html: string[] = []; // its blocks

  /** The HTML of each block of `text`, which may also be another one than before. */
  blocksOf(text: string): string[] {
    const whole = text.replace(/\r\n?/g, '\n');
    if (!whole.startsWith(this.done)) this.forget();
    let found = parsed(whole.slice(this.done.length));
    if (found.linked && this.done) {
      this.forget();
      found = parsed(whole);
    }
    const all = [...this.html, ...found.blocks.map(({ html }) => html)];
    if (!found.linked) this.keep(whole.slice(this.done.length), found.blocks);
    return all;
  }

  private forget(): void {
    this.done = '';
    this.html = [];
  }

  /** The last block may still become a part of the one above it: "2" is a paragraph, "2." goes on with a list. */
  private keep(rest: string, blocks: Block[]): void {
    const lines = rest.split('\n');
    const follows = ({ line }: Block) => /^[ \t]*$/.test(lines[line - 1]!);
    const end = blocks.findLastIndex((each, i) => i > 0 && i < blocks.length - 1 && follows(each));
    if (end < 0) return;
    this.done += lines.slice(0, blocks[end]!.line).join('\n') + '\n';
    this.html.push(...blocks.slice(0, end).map(({ html }) => html));
  }
}
