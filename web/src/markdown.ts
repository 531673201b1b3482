// SPDX-License-Identifier: Apache-2.0
// Answers are Markdown that nobody has checked. It becomes HTML without any HTML of its own, passes DOMPurify, and
// fetches nothing: pictures of other places become links.
import DOMPurify from 'dompurify';
import hljs from 'highlight.js/lib/common';
import MarkdownIt, { type Token } from 'markdown-it';
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

/** The HTML of each block at the top level: while an answer grows, only its last blocks change. */
export function blocksOf(text: string): string[] {
  const env = {};
  const blocks: string[] = [];
  let open: Token[] = [];
  let depth = 0;
  for (const token of md.parse(text, env)) {
    open.push(token);
    depth += token.nesting;
    if (depth === 0) {
      blocks.push(md.renderer.render(open, md.options, env));
      open = [];
    }
  }
  return blocks;
}

// The names of attributes that our own rules above write; an answer cannot.
DOMPurify.setConfig({
  ALLOWED_ATTR: ['class', 'href', 'target', 'rel', 'title', 'start', 'align', 'type', 'tabindex', 'role', 'aria-label'],
  ALLOW_DATA_ATTR: true,
  ALLOWED_TAGS: (
    'a p br hr em strong s del code pre blockquote ul ol li h1 h2 h3 h4 h5 h6 ' +
    'table thead tbody tr th td div span button'
  ).split(' '),
  RETURN_DOM_FRAGMENT: true,
});

export function cleaned(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, { RETURN_DOM_FRAGMENT: true });
}
