/** Mixes numbers into 32 bits that look random: murmur3's finaliser over a running state. No state, no memory. */
export function mix(a: number, b = 0, c = 0): number {
  let h = (a ^ 0x9e3779b9) >>> 0;
  h = scramble(h ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b));
  return scramble(h ^ Math.imul(c + 0x165667b1, 0xc2b2ae35));
}

function scramble(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a of a text's UTF-16 units, scrambled. */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193);
  return scramble(h);
}
