import { forwardingOf, type Forwarding } from '../../balancer/forwarding.ts';
import { FORWARDED_FORMS, type ForwardedForm } from '../../core/http/provenance.ts';
import type { Option } from '../command.ts';
import type { Values } from '../values.ts';

/** Options of `kelana balancer` for what backends are told of a request's origin. */
export const FORWARDING_OPTIONS: readonly Option[] = [
  {
    name: 'forwarded',
    type: 'text',
    value: 'F',
    oneOf: FORWARDED_FORMS,
    default: 'x-forwarded',
    help: {
      id: 'header tentang asal permintaan untuk server: X-Forwarded-*, Forwarded, keduanya, atau tidak ada',
      en: 'headers that tell servers where a request came from: X-Forwarded-*, Forwarded, both or none',
    },
  },
  {
    name: 'trust',
    type: 'text',
    value: 'IP[/BITS]',
    many: true,
    help: {
      id: 'proxy di depan balancer yang header asalnya dipertahankan; dari yang lain diganti',
      en: 'a proxy in front whose headers on the origin are kept; those of others are replaced',
    },
  },
];

/** @throws KelanaError BAD_VALUE */
export function forwardingFrom(values: Values): Forwarding {
  const asked = values.text('forwarded');
  const form: ForwardedForm | undefined = FORWARDED_FORMS.find((one) => one === asked);
  return forwardingOf(form, values.texts('trust'));
}
