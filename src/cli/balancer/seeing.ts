import { parseListen, type ListenAddress } from '../../balancer/address.ts';
import { parseAccessLog } from '../../core/balance/access-log.ts';
import { BALANCER_SEEING } from '../../core/config.ts';
import type { Option } from '../command.ts';

/** Options of `kelana balancer` about what is shown of it. */
export const SEEING_OPTIONS: readonly Option[] = [
  {
    name: 'access-log',
    type: 'text',
    value: 'full|off|RATE',
    default: 'full',
    check: parseAccessLog,
    help: {
      id: 'permintaan yang masuk log: semua, yang gagal saja, atau juga sebagian (0.01: satu dari seratus)',
      en: 'requests that are logged: all, only what failed, or a part as well (0.01: one in a hundred)',
    },
  },
  {
    name: 'stats',
    type: 'text',
    value: 'H:P',
    check: parseStats,
    help: {
      id: 'alamat untuk GET /metrics (Prometheus) dan /stats (JSON); :PORT hanya untuk mesin ini',
      en: 'address for GET /metrics (Prometheus) and /stats (JSON); :PORT is for this machine only',
    },
  },
  {
    name: 'interval',
    type: 'seconds',
    value: 'S',
    default: BALANCER_SEEING.topMs / 1000,
    min: 0.1,
    max: 3_600,
    help: { id: 'untuk top: jarak antar pembaruan', en: 'for top: time between updates' },
  },
  {
    name: 'once',
    type: 'flag',
    help: { id: 'untuk top: satu gambaran saja', en: 'for top: one snapshot only' },
  },
];

/** @throws KelanaError BAD_VALUE */
export function parseStats(text: string): ListenAddress {
  return parseListen(text, '--stats', '127.0.0.1');
}
