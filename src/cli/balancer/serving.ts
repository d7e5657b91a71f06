import { resolve } from 'node:path';
import { apply, specOf } from '../../balancer/apply.ts';
import { startBalancer, type Balancer } from '../../balancer/balancer.ts';
import type { Bound } from '../../balancer/handles.ts';
import { readKey } from '../../balancer/key-file.ts';
import type { Desired } from '../../core/balance/changes.ts';
import { parseAccessLog } from '../../core/balance/access-log.ts';
import { parseMethod } from '../../core/balance/choice.ts';
import type { Emit } from '../../core/events.ts';
import type { Context } from '../context.ts';
import { balanceFrom } from './options.ts';
import type { Values } from '../values.ts';
import { listenOf } from './configuration.ts';
import { edgesFrom } from './edges.ts';
import { forwardingFrom } from './forwarding.ts';

const STICKY_KEY = '.kelana/sticky.key';

/**
 * The balancer of one process, from its options, be it the only one or one of several: what an option means is said
 * here. Backends and method are those wanted now, which may differ from the options'.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE
 */
export async function startServing(
  { cwd }: Pick<Context, 'cwd'>,
  values: Values,
  wanted: Desired,
  emit: Emit,
  workers = 1,
  sockets: readonly Bound[] = [],
): Promise<Balancer> {
  const listen = listenOf(values);
  const [{ host, port }] = listen;
  const edges = edgesFrom(values, listen);
  const asked = balanceFrom(values);
  // What speaks another protocol than HTTP can only be asked whether it is there.
  const bare = edges.mode === 'tcp' && values.origin('check') === 'default';
  const check = bare ? { kind: 'tcp' as const, timeoutMs: asked.check.timeoutMs } : asked.check;
  const balance = { ...asked, check, method: parseMethod(wanted.method) };
  const backends = wanted.backends.map((backend) => specOf(backend, workers));
  // Kept in any case: the method may become sticky later, and all processes must name backends the same way.
  const stickyKey = await readKey(resolve(cwd, values.text('sticky-key') ?? STICKY_KEY), true);
  const accessLog = parseAccessLog(values.text('access-log') ?? 'full');
  const balancer = await startBalancer({
    host,
    port,
    backends,
    balance,
    edges,
    forwarding: forwardingFrom(values),
    emit,
    accessLog,
    sockets,
    stickyKey,
  });
  // Which of them are drained.
  apply(balancer.backends, wanted, workers);
  return balancer;
}
