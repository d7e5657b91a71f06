import { BlockList, isIP } from 'node:net';
import { KelanaError } from '../core/errors.ts';
import type { ForwardedForm } from '../core/http/provenance.ts';

/** How backends are told where a request came from. */
export interface Forwarding {
  readonly form: ForwardedForm;
  /** Whether the peer at this IP address is a proxy of one's own. */
  readonly trusts: (address: string) => boolean;
}

/**
 * @param trust IP addresses and ranges (`10.0.0.0/8`) of proxies in front whose Forwarded and X-Forwarded-* stand
 * @throws KelanaError BAD_VALUE
 */
export function forwardingOf(form: ForwardedForm = 'x-forwarded', trust: readonly string[] = []): Forwarding {
  const list = new BlockList();
  for (const text of trust) addRange(list, text);
  if (trust.length === 0) return { form, trusts: () => false };
  return {
    form,
    trusts: (address) => {
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

function addRange(list: BlockList, text: string): void {
  const [address = '', length, ...rest] = text.split('/');
  const family = isIP(address);
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const bits = Number(length);
  if (family !== 0 && length === undefined) list.addAddress(address, type);
  else if (
    family !== 0 &&
    rest.length === 0 &&
    /^[0-9]{1,3}$/.test(length ?? '') &&
    bits <= (family === 6 ? 128 : 32)
  )
    list.addSubnet(address, bits, type);
  else
    throw new KelanaError('BAD_VALUE', {
      value: text,
      name: '--trust',
      why: { id: 'harus alamat IP atau rentang', en: 'it must be an IP address or a range' },
      example: '--trust 10.0.0.0/8',
    });
}
