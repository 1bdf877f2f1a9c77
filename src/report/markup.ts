import { escapeHtml } from './escape.ts';

/** A piece of HTML that is safe as it stands. Only `markup` makes one, so that no text gets in unescaped. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What can stand in a `markup` template: text and numbers (escaped), pieces, lists of them, and nothing. */
export type Content = string | number | Markup | null | readonly Content[];

function render(content: Content): string {
  if (content === null) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escapeHtml(content);
  if (typeof content === 'number') return String(content);
  return content.map(render).join('');
}

/** A template whose values are escaped: markup`<b>${name}</b>`. */
export function markup(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return new Markup(parts.map((part, at) => part + render(contents[at] ?? null)).join(''));
}
