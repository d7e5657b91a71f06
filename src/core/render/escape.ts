import { LOG } from '../config.ts';

/**
 * Text from outside in a log line. Three rules keep it from forging one: it stands between quotes unless it is a
 * plain ASCII token; what could end the line, end the quotes or change how the line is shown is written as an escape;
 * and what says that it was cut stands after the closing quote.
 *
 * Escaped are: control characters (C0, DEL, C1), line and paragraph separators, format characters (bidi controls,
 * zero-width), everything else that Unicode calls ignorable, and lone surrogates.
 */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
const UNQUOTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}'\\]/gu;
/** Most text is this; testing for it is ten times faster than replacing by Unicode property. */
const HARMLESS = /^[ !"#-&(-[\]-~]*$/;
const TOKEN = /^[\w.:@%+~#=/?&[\]*-]+$/;

const NAMED: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  "'": "\\'",
  '\\': '\\\\',
};

const escapeOne = (character: string): string =>
  NAMED[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

/** Escapes for use between single quotes; JavaScript's own rules read it back. */
export function escapeText(text: string): string {
  return HARMLESS.test(text) ? text : text.replace(UNQUOTABLE, escapeOne);
}

/** Escapes only what a terminal or a line reader would act on, for lines whose text is escaped already. */
export function showable(line: string): string {
  return line.replace(UNSHOWABLE, escapeOne);
}

/** `'text'`, escaped; longer text is cut and followed by `…(shown/all)`, both in UTF-16 units. */
export function quoted(text: string): string {
  if (text.length <= LOG.maxTextChars) return `'${escapeText(text)}'`;
  const last = text.charCodeAt(LOG.maxTextChars - 1);
  const shown = last >= 0xd800 && last <= 0xdbff ? LOG.maxTextChars - 1 : LOG.maxTextChars;
  return `'${escapeText(text.slice(0, shown))}'…(${shown}/${text.length})`;
}

/** The last plain token of each length below this: labels of parts, servers and methods come again in every line. */
const KNOWN_CHARS = 64;
const known: string[] = Array.from({ length: KNOWN_CHARS }, () => '');

/** A label, URL or code: bare where it is a plain token (`localhost:5001`), quoted where it is anything else. */
export function token(text: string): string {
  const { length } = text;
  if (length > 0 && length < KNOWN_CHARS && known[length] === text) return text;
  if (length > LOG.maxTextChars || !TOKEN.test(text)) return quoted(text);
  if (length < KNOWN_CHARS) known[length] = text;
  return text;
}

/** Tokens with commas; past `LOG.maxListed` only their number. */
export function tokens(list: readonly string[]): string {
  const shown = list.slice(0, LOG.maxListed).map(token).join(', ');
  return list.length > LOG.maxListed ? `${shown}, … (+${list.length - LOG.maxListed})` : shown;
}
