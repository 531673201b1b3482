// SPDX-License-Identifier: Apache-2.0
// Answers are Markdown that nobody has checked. It becomes HTML without any HTML of its own, which passes `clean.ts`,
// and fetches nothing: pictures of other places become links.
import MarkdownIt, { type Env, type Token } from 'markdown-it';
import { colouredParts } from './colour';
import { addMath } from './math';

const md = MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
addMath(md);
const escape = md.utils.escapeHtml;

/** Languages that a frame can show. */
const SHOWN = new Set(['html', 'htm', 'svg', 'xhtml']);

/** Code of any kind, with a place for it: a list of parts that grows is drawn without what stands around it. */
function codeFrame(language: string): string {
  const show = SHOWN.has(language) ? '<button type="button" data-act="preview">Preview</button>' : '';
  const name = escape(language || 'text');
  return (
    `<div class="code" data-language="${name}"><div class="code-head"><span>${name}</span>${show}` +
    `<button type="button" data-act="copy">Copy</button></div><pre tabindex="0">${PLACE}</pre></div>`
  );
}

const PLACE = '<code></code>';

/** Whether the line that ends it is not there. */
function grows({ type, content, map }: Token): boolean {
  const lines = content.split('\n').length - (content.endsWith('\n') || !content ? 1 : 0);
  return type === 'fence' && map![1] - map![0] - 1 === lines;
}

function codeBlock(token: Token): Block {
  const language = (token.info.trim().split(/\s+/)[0] ?? '').toLowerCase();
  const parts = colouredParts(token.content, language, grows(token), escape);
  return { html: codeFrame(language), parts: parts.map((each) => `<span class="part">${each}</span>`) };
}

md.renderer.rules['fence'] = md.renderer.rules['code_block'] = (tokens, i) => wholeOf(codeBlock(tokens[i]!));
md.renderer.rules['table_open'] = () => '<div class="table" role="group" aria-label="Table" tabindex="0"><table>';
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

export interface Block {
  html: string;
  /** Of code: what is to be put into its place in `html`. Of code that grows, mostly the last one alone is new. */
  parts: string[];
}

/** All of its HTML. */
export function wholeOf({ html, parts }: Block): string {
  return parts.length > 0 ? html.replace(PLACE, () => `<code>${parts.join('')}</code>`) : html;
}

/** The blocks at the top level. `lines`: where each begins. `linked`: the text says what its references lead to, which
 *  may stand anywhere. */
function parsed(text: string): { blocks: Block[]; lines: number[]; linked: boolean } {
  const env: Env = {};
  const blocks: Block[] = [];
  const lines: number[] = [];
  let open: Token[] = [];
  let depth = 0;
  for (const token of md.parse(text, env)) {
    open.push(token);
    depth += token.nesting;
    if (depth > 0) continue;
    const isCode = token.type === 'fence' || token.type === 'code_block';
    blocks.push(isCode ? codeBlock(token) : { html: md.renderer.render(open, md.options, env), parts: [] });
    lines.push(open[0]!.map![0]);
    open = [];
  }
  return { blocks, lines, linked: env.references !== undefined };
}

/**
 * An answer's text, of which only the end is read again while it grows: what stands above a blank line between two
 * blocks is what it is, whatever comes below. References alone reach further: a text that has any is read whole.
 */
export class GrowingText {
  private done = ''; // the beginning that has been read for good
  private blocks: Block[] = []; // its blocks

  /** The blocks of `text`, which may also be another one than before. */
  blocksOf(text: string): Block[] {
    const whole = text.replace(/\r\n?/g, '\n');
    if (!whole.startsWith(this.done)) this.forget();
    let found = parsed(whole.slice(this.done.length));
    if (found.linked && this.done) {
      this.forget();
      found = parsed(whole);
    }
    const all = [...this.blocks, ...found.blocks];
    if (!found.linked) this.keep(whole.slice(this.done.length), found.blocks, found.lines);
    return all;
  }

  private forget(): void {
    this.done = '';
    this.blocks = [];
  }

  /** The last block may still become a part of the one above it: "2" is a paragraph, "2." goes on with a list. */
  private keep(rest: string, blocks: Block[], begins: number[]): void {
    const lines = rest.split('\n');
    const follows = (line: number) => /^[ \t]*$/.test(lines[line - 1]!);
    const end = begins.findLastIndex((each, i) => i > 0 && i < begins.length - 1 && follows(each));
    if (end < 0) return;
    this.done += lines.slice(0, begins[end]!).join('\n') + '\n';
    this.blocks.push(...blocks.slice(0, end));
  }
}
