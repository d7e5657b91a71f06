import { BALANCER } from '../core/config.ts';
import type { ParserLimits } from '../core/http/parser.ts';

/** The limits of both parsers, with Node's own latin1 reader, which is several times faster than a portable one. */
export const HTTP_LIMITS: ParserLimits = {
  maxHeadBytes: BALANCER.maxHeadBytes,
  maxHeaders: BALANCER.maxHeaders,
  maxExtensionBytes: BALANCER.maxExtensionBytes,
  decode: (bytes, start, end) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end),
};
