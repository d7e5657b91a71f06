import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Balancer } from './balancer.ts';
import type { Bound, BoundHandle } from './handles.ts';
import { parseToWorker, PROTOCOL, socketOf, type Call, type FromWorker, type Start } from './protocol.ts';
import { LocalWorker } from './worker.ts';

/** The channel to the process that started this one. */
export interface Channel {
  send(message: FromWorker, handle?: BoundHandle): void;
  /** `message` with the handle that came along; `gone` once, when the other side is no more. */
  listen(message: (message: unknown, handle: BoundHandle | undefined) => void, gone: () => void): void;
}

/**
 * Serves as one process of a balancer until it is told to end, or nobody is there who could tell it.
 * `start` makes the balancer from the options that the holder of the sockets has settled.
 */
export function serveAsWorker(
  channel: Channel,
  pid: number,
  start: (start: Start, sockets: readonly Bound[]) => Promise<Balancer>,
): Promise<void> {
  const sockets: Bound[] = [];
  let worker: LocalWorker | null = null;
  return new Promise((resolve) => {
    const refuse = (thrown: unknown): void => {
      const { code, params } = asKelanaError(thrown);
      channel.send({ type: 'failed', error: code, params });
    };
    const begin = async (asked: Start): Promise<void> => {
      if (asked.protocol !== PROTOCOL)
        throw new KelanaError('WORKER_FAILED', {
          why: {
            id: 'versi barunya perlu balancer dijalankan ulang',
            en: 'the new version needs the balancer to be restarted',
          },
        });
      const balancer = await start(asked, sockets);
      const serving = new LocalWorker(balancer, pid, asked.workers);
      worker = serving;
      serving.onSpent = (spent) => channel.send({ type: 'spent', spent });
      void serving.ended.then(() => {
        channel.send({ type: 'last', stats: serving.told });
        resolve();
      });
      if (asked.echo)
        for (const { handle, ...of } of balancer.bound()) channel.send({ type: 'echo', ...of }, handle);
      channel.send({ type: 'ready' });
    };
    channel.listen(
      (message, handle) => {
        const said = parseToWorker(message);
        if (said === null) return;
        if (said.type === 'socket') {
          if (handle !== undefined) sockets.push({ ...socketOf(said), handle });
        } else if (said.type === 'start') begin(said).catch(refuse);
        else if (worker === null) return;
        else if (said.type === 'spent') worker.spend(said.spent);
        else void answer(channel, worker, said);
      },
      () => {
        if (worker === null) resolve();
        else void worker.close();
      },
    );
  });
}

async function answer(channel: Channel, worker: LocalWorker, call: Call): Promise<void> {
  const { id } = call;
  try {
    if (call.type === 'stats') {
      channel.send({ type: 'answer', id, stats: await worker.stats() });
      return;
    }
    if (call.type === 'apply') await worker.apply(call.desired);
    else if (call.type === 'certificates') await worker.reloadCertificates();
    else if (call.type === 'drain') await worker.drain();
    else await worker.close();
    channel.send({ type: 'answer', id });
  } catch (thrown) {
    const { code, params } = asKelanaError(thrown);
    channel.send({ type: 'refused', id, error: code, params });
  }
}
