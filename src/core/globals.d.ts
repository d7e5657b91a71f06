// The few standard names that pure code may use although no `lib` without a host declares them.
// Only core's own tsconfig reads this file; everywhere else @types/node declares them in full.
interface AbortSignal {
  readonly aborted: boolean;
}
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes: Uint8Array): string;
}
