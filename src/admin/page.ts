const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.5rem 1.5rem}';

/** A small page: a heading, paragraphs, and a button that posts to where the page is, if there is one. */
export function page(heading: string, paragraphs: readonly string[], button?: string): string {
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<meta name="robots" content="noindex"><title>${escaped(heading)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escaped(heading)}</h1>`,
    ...paragraphs.map((text) => `<p>${escaped(text)}</p>`),
    ...(button === undefined ? [] : [`<form method="post"><button>${escaped(button)}</button></form>`]),
    '</body></html>\n',
  ].join('\n');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
