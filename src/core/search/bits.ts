import { KelanaError } from '../errors.ts';

/** Bits, the highest of each byte first, and the codes that prints are written in. */
export class BitWriter {
  #bytes = new Uint8Array(256);
  #bits = 0;

  /** The lowest `width` bits of `value`; 0 to 32. */
  bits(value: number, width: number): void {
    while (this.#bits + width > this.#bytes.length * 8) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    for (let at = width - 1; at >= 0; at -= 1) {
      if (((value >>> at) & 1) === 1) {
        const byte = this.#bits >>> 3;
        this.#bytes[byte] = (this.#bytes[byte] ?? 0) | (0x80 >>> (this.#bits & 7));
      }
      this.#bits += 1;
    }
  }

  /** Golomb-Rice: the quotient by 2^`shift` in unary, then the rest. */
  rice(value: number, shift: number): void {
    let quotient = value >>> shift;
    for (; quotient >= 32; quotient -= 32) this.bits(0xffffffff, 32);
    this.bits((0xffffffff << 1) >>> 0, quotient + 1);
    this.bits(value & (2 ** shift - 1), shift);
  }

  /** Elias gamma, for numbers from 1. */
  gamma(value: number): void {
    const width = 32 - Math.clz32(value);
    this.bits(0, width - 1);
    this.bits(value, width);
  }

  /** Truncated binary: a number below `range` in as few bits as that takes. */
  below(value: number, range: number): void {
    const { width, short } = truncated(range);
    if (value < short) this.bits(value, width);
    else this.bits(value + short, width + 1);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, Math.ceil(this.#bits / 8));
  }
}

/** Reads what BitWriter wrote. @throws KelanaError PEER_PROTOCOL past the end, and where a number is too large */
export class BitReader {
  readonly #bytes: Uint8Array;
  /** Position in bits from the start. */
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  bit(): number {
    const byte = this.#bytes[this.at >>> 3];
    if (byte === undefined) throw refused('they end too early');
    const value = (byte >>> (7 - (this.at & 7))) & 1;
    this.at += 1;
    return value;
  }

  /** 0 to 31 bits. */
  bits(width: number): number {
    let value = 0;
    for (let left = width; left > 0;) {
      const byte = this.#bytes[this.at >>> 3];
      if (byte === undefined) throw refused('they end too early');
      const offset = this.at & 7;
      const taken = Math.min(8 - offset, left);
      value = (value << taken) | ((byte >>> (8 - offset - taken)) & ((1 << taken) - 1));
      this.at += taken;
      left -= taken;
    }
    return value;
  }

  /** A number of at most `most` (below 2^31). */
  rice(shift: number, most: number): number {
    let quotient = 0;
    const highest = most >>> shift;
    while (this.bit() === 1) {
      quotient += 1;
      if (quotient > highest) throw refused('a number is too large');
    }
    const value = quotient * 2 ** shift + this.bits(shift);
    if (value > most) throw refused('a number is too large');
    return value;
  }

  gamma(most: number): number {
    let width = 1;
    while (this.bit() === 0) {
      width += 1;
      if (width > 31) throw refused('a number is too large');
    }
    const value = 2 ** (width - 1) + this.bits(width - 1);
    if (value > most) throw refused('a number is too large');
    return value;
  }

  below(range: number): number {
    const { width, short } = truncated(range);
    const value = this.bits(width);
    return value < short ? value : value * 2 + this.bit() - short;
  }

  /** What fills the last byte must be zeros, and nothing may follow. */
  end(): void {
    if (this.bits(-this.at & 7) !== 0 || this.at < this.#bytes.length * 8)
      throw refused('something is left over');
  }
}

/** Numbers below `short` take `width` bits, the others one more. */
function truncated(range: number): { width: number; short: number } {
  const width = 31 - Math.clz32(range);
  return { width, short: 2 ** (width + 1) - range };
}

export function refused(why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why: `prints: ${why}` });
}
