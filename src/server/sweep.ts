import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SERVER } from '../core/config.ts';

type Collect = (options: { type: 'minor' }) => void;

/**
 * Keeps memory flat while files stream through. Each piece of a file is a few hundred bytes for V8's heap and up to
 * 1 MiB outside it, so V8 sees little reason to collect and 100 MiB and more of dead pieces lie about. A minor
 * collection (about 1 ms) every `server.sweepBytes` frees them; V8 offers it only as `gc`, made visible here.
 */
export class Sweeper {
  readonly #collect: Collect;
  #passed = 0;

  constructor(collect: Collect = exposed()) {
    this.#collect = collect;
  }

  passed(bytes: number): void {
    this.#passed += bytes;
    if (this.#passed < SERVER.sweepBytes) return;
    this.#passed = 0;
    this.#collect({ type: 'minor' });
  }
}

/** Only a context that is made after the flag has `gc`; ours keeps none, so that nothing else can call it. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect | undefined;
  setFlagsFromString('--no-expose-gc');
  return collect ?? (() => undefined);
}
