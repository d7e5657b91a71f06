import { BlockList, isIPv6, type Socket } from 'node:net';
import { KelanaError } from '../core/errors.ts';
import { ProxyHeaderParser } from '../core/http/proxy-protocol.ts';
import type { ClientFacts, Connection } from './connection.ts';

/** Who may say for whom it speaks: addresses and networks (`10.0.0.0/8`). */
export type Trusted = (address: string) => boolean;

/** @throws KelanaError BAD_VALUE */
export function trustedSources(texts: readonly string[]): Trusted {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits, ...more] = text.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    try {
      if (more.length > 0 || (bits !== undefined && !/^[0-9]{1,3}$/.test(bits)))
        throw new Error('no network');
      if (bits === undefined) list.addAddress(address, family);
      else list.addSubnet(address, Number(bits), family);
    } catch (thrown) {
      const why = { id: 'harus alamat IP atau jaringan', en: 'it must be an IP address or a network' };
      const example = '--accept-proxy 10.0.0.0/8';
      throw new KelanaError('BAD_VALUE', { value: text, name: '--accept-proxy', why, example }, thrown);
    }
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** A connection of which the PROXY header has not all come. */
export class ProxyGate implements Connection {
  readonly #wire: Socket;
  readonly #until: number;

  /** `open` is called once, with what the header says; `refused` in its place where it is none, or late. */
  constructor(
    facts: ClientFacts,
    until: number,
    open: (facts: ClientFacts) => void,
    refused: (why: string) => void,
  ) {
    const wire = facts.wire;
    this.#wire = wire;
    this.#until = until;
    const parser = new ProxyHeaderParser();
    const leave = (): void => {
      wire.off('data', read);
      wire.off('end', cut);
      wire.off('close', gone);
    };
    const refuse = (why: string): void => {
      leave();
      wire.destroy();
      refused(why);
    };
    const read = (bytes: Buffer): void => {
      const result = parser.push(bytes);
      if (result === undefined) return;
      if (result.type === 'error') {
        refuse(result.why);
        return;
      }
      leave();
      wire.pause();
      if (result.rest.length > 0) wire.unshift(result.rest);
      const { addresses } = result.header;
      open(addresses === null ? facts : { ...facts, ...addresses.source, local: addresses.destination });
    };
    const gone = (): void => refuse('no PROXY header in time');
    const cut = (): void => refuse('closed before the end of its PROXY header');
    wire.on('data', read);
    wire.on('end', cut);
    wire.on('close', gone);
  }

  check(now: number): void {
    if (now > this.#until) this.#wire.destroy();
  }

  stop(): void {
    this.#wire.destroy();
  }

  destroy(): void {
    this.#wire.destroy();
  }
}
