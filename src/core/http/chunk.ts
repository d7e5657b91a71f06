/** Value of a hexadecimal digit's byte, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const NAME = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
/** *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112 section 7.1.1; one way to match it. */
const EXTENSION = new RegExp(`^(?:[ \\t]*;[ \\t]*${NAME}(?:[ \\t]*=[ \\t]*(?:${NAME}|${QUOTED}))?)*$`);

/** Whether the text after a chunk's size is a well-formed list of extensions. White space alone is none. */
export function chunkExtension(text: string): boolean {
  return EXTENSION.test(text);
}
