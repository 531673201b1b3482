// SPDX-License-Identifier: Apache-2.0
// The way of an answer's HTML into the page.
import DOMPurify from 'dompurify';

// The names of attributes that our own rules write; an answer cannot.
DOMPurify.setConfig({
  ALLOWED_ATTR: 'class href target rel title start align type tabindex role aria-label dir'.split(' '),
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
