/** Text made harmless in HTML and SVG, in attributes too. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

type Attributes = Readonly<Record<string, string | number>>;

/** `<name a="b">inside</name>`; numbers to a tenth of a pixel. `inside` is markup already. */
export function element(name: string, attributes: Attributes, inside = ''): string {
  const list = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === 'number' ? String(Math.round(value * 10) / 10) : escapeHtml(value);
    return ` ${key}="${text}"`;
  });
  return `<${name}${list.join('')}>${inside}</${name}>`;
}

export function textAt(x: number, y: number, text: string, className: string, anchor = 'start'): string {
  return element('text', { x, y, class: className, 'text-anchor': anchor }, escapeHtml(text));
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  return element('line', { x1, y1, x2, y2, class: className });
}

/** What a pointer that rests on it, or a screen reader, is told. */
export function titled(markup: string, title: string): string {
  return `<g><title>${escapeHtml(title)}</title>${markup}</g>`;
}

export function picture(width: number, height: number, label: string, inside: string): string {
  return element('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label }, inside);
}
