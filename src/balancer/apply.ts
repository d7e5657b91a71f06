import type { Desired, DesiredBackend } from '../core/balance/changes.ts';
import { parseMethod } from '../core/balance/choice.ts';
import { backendText, type BackendSpec } from '../core/balance/spec.ts';
import { parseBackend } from './address.ts';
import { mostOf } from './backend.ts';
import type { Backends } from './backends.ts';

/**
 * A backend as one of `workers` processes has it: of a limit on its requests each takes its part, one at least.
 * @throws KelanaError BAD_VALUE
 */
export function specOf({ spec, weight }: DesiredBackend, workers: number): BackendSpec {
  const parsed = parseBackend(spec);
  return { ...parsed, weight, maxConnections: Math.ceil(parsed.maxConnections / workers) };
}

/**
 * Makes the backends of one process what is desired; what is so already is left alone.
 * @throws KelanaError BAD_VALUE
 */
export function apply(backends: Backends, wanted: Desired, workers: number): void {
  const method = parseMethod(wanted.method);
  const specs = new Map(wanted.backends.map((backend) => [backend.name, specOf(backend, workers)]));
  // The last requests of one that goes end in peace; nobody needs to wait for them.
  const remove = (name: string): void => void backends.remove(name).catch(() => undefined);
  for (const { label } of backends.list) if (!specs.has(label)) remove(label);
  for (const { name, drained } of wanted.backends) {
    const spec = specs.get(name);
    if (spec === undefined) continue;
    const there = backends.list.find((backend) => backend.label === name && !backends.isLeaving(backend));
    // Weight and limit are changed in place.
    const { weight, maxConnections } = there?.spec ?? spec;
    const same =
      there !== undefined && backendText(there.spec) === backendText({ ...spec, weight, maxConnections });
    if (!same) {
      if (there !== undefined) remove(name);
      backends.add(spec);
    } else {
      if (there.weight !== spec.weight) backends.setWeight(name, spec.weight);
      if (there.maxConnections !== mostOf(spec.maxConnections)) backends.setMost(name, spec.maxConnections);
    }
    backends.drain(name, drained);
  }
  if (backends.methodText !== wanted.method) backends.setMethod(method);
}
