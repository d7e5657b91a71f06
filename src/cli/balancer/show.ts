import type { BackendRow, BalancerView, Origin } from '../../balancer/view.ts';
import type { Lang, Text } from '../../core/lang.ts';
import { showable } from '../../core/render/escape.ts';
import type { Context } from '../context.ts';
import { numberText, table } from '../format.ts';

const STATES: Readonly<Record<BackendRow['state'], Text>> = {
  up: { id: 'siap', en: 'up' },
  down: { id: 'mati', en: 'down' },
  ejected: { id: 'dikeluarkan', en: 'ejected' },
  drained: { id: 'dikosongkan', en: 'drained' },
};

/** One row a backend, then the processes. */
export function show(context: Context, view: BalancerView): void {
  const { lang } = context;
  const id = lang === 'id';
  const method = `${view.method}${changed(view.methodOrigin, lang)}`;
  context.say({
    id: `Balancer ${view.url}, metode ${method}, pid ${view.pid}`,
    en: `Balancer ${view.url}, method ${method}, pid ${view.pid}`,
  });
  const head = id
    ? ['server', 'keadaan', 'bobot', 'berjalan', 'permintaan', 'gagal', 'asal']
    : ['backend', 'state', 'weight', 'active', 'requests', 'failed', 'origin'];
  const rows = view.backends.map((backend) => [
    showable(backend.name),
    stateText(backend, view.workers.length, lang),
    `${backend.weight}${changed(backend.origin === 'runtime' ? 'given' : backend.weightOrigin, lang)}`,
    numberText(backend.active, lang),
    numberText(backend.requests, lang),
    numberText(backend.failures, lang),
    originText(backend, lang),
  ]);
  context.out(table([head, ...rows]));
  warnUnverified(context, view);
  const workers = view.workers
    .map(({ pid, requests }) => `${pid} (${numberText(requests, lang)})`)
    .join(', ');
  if (view.workers.length > 1 || view.workers[0]?.pid !== view.pid)
    context.say({
      id: `Proses yang melayani (permintaannya): ${workers}`,
      en: `Processes that serve (their requests): ${workers}`,
    });
  if (view.retiring.length > 0)
    context.say({
      id: `Proses lama yang masih menyelesaikan koneksinya: ${view.retiring.join(', ')}`,
      en: `Replaced processes that still finish their connections: ${view.retiring.join(', ')}`,
    });
}

export function warnUnverified(context: Context, { backends }: Pick<BalancerView, 'backends'>): void {
  const names = backends.filter(({ verify }) => verify === false).map(({ name }) => showable(name));
  if (names.length === 0) return;
  const all = names.join(', ');
  context.say({
    id: `PERINGATAN: sertifikat ${all} TIDAK diperiksa (verify=off); siapa pun di antaranya bisa membaca dan mengubah semuanya.`,
    en: `WARNING: the certificate of ${all} is NOT checked (verify=off); anyone between may read and change all of it.`,
  });
}

function stateText({ state, up }: BackendRow, workers: number, lang: Lang): string {
  const text = STATES[state][lang];
  // Each process looks for itself.
  return state === 'up' && up < workers ? `${text} ${up}/${workers}` : text;
}

function originText({ origin, from = '' }: BackendRow, lang: Lang): string {
  if (origin === 'discovered') return showable(from);
  if (origin === 'given') return lang === 'id' ? 'pengaturan' : 'settings';
  return lang === 'id' ? 'perintah' : 'command';
}

function changed(origin: Origin, lang: Lang): string {
  if (origin === 'given') return '';
  return lang === 'id' ? ' (dari perintah)' : ' (by command)';
}
