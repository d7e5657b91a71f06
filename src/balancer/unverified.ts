import type { Emit } from '../core/events.ts';

/** Says of each backend whose certificate is not looked at that it is so: at every start, reload and add. */
export function tellUnverified(emit: Emit, who: string, names: readonly string[]): void {
  for (const name of names)
    emit({
      type: 'error',
      who,
      code: 'TLS_UNVERIFIED',
      detail: `the certificate of ${name} is not checked (verify=off): anyone between may read and change all of it`,
    });
}

/** Whether a backend's text, as after `--backend`, says so. */
export function isUnverified(spec: string): boolean {
  return /,\s*verify=off\s*(?:,|$)/.test(spec);
}
