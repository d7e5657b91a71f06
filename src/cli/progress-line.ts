import type { Context } from './context.ts';
import { bytesText, numberText } from './format.ts';

/** One line, rewritten in place, on terminals only. */
export class ProgressLine {
  readonly #context: Context;
  #shown = false;

  constructor(context: Context) {
    this.#context = context;
  }

  show(bytes: number, size: number): void {
    const { lang, terminal, columns } = this.#context;
    if (!terminal) return;
    const share = size === 0 ? 1 : bytes / size;
    const text = ` ${numberText(share * 100, lang)} %  ${bytesText(bytes, lang)} / ${bytesText(size, lang)}`;
    const width = Math.max(10, Math.min(40, columns - text.length - 4));
    const full = Math.round(share * width);
    this.#context.write(`\r  ${'█'.repeat(full)}${'░'.repeat(width - full)}${text}\x1b[K`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#context.write('\r\x1b[K');
    this.#shown = false;
  }
}
