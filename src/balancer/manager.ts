import {
  desired,
  edit,
  NO_CHANGES,
  stillMeant,
  type Changes,
  type Desired,
  type Edit,
  type Given,
  type GivenBackend,
} from '../core/balance/changes.ts';
import { BALANCER, BALANCER_CHANGE } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Source } from '../core/balance/source.ts';
import type { BalancerChange, Emit } from '../core/events.ts';
import type { Discovery } from './discovery.ts';
import { reasonText, type Fleet } from './fleet.ts';
import type { SettledOptions } from './protocol.ts';
import { isUnverified, tellUnverified } from './unverified.ts';
import { viewOf, type BalancerView } from './view.ts';

/** What flags, environment and file say together. */
export interface Configuration {
  readonly given: Given;
  /** Names that stand for further backends. */
  readonly sources?: readonly Source[];
  readonly settings: SettledOptions;
  readonly workers: number;
}

export interface ManagerOptions {
  readonly fleet: Fleet;
  /** Left out where no names can be given. */
  readonly discovery?: Discovery;
  /** Where clients reach it, with the options that run. */
  readonly url: (running: Configuration) => string;
  readonly pid: number;
  readonly who: string;
  readonly emit: Emit;
  readonly configuration: Configuration;
  readonly changes: Changes;
  /** Reads flags, environment and file again. @throws KelanaError where any of it is not valid */
  readonly read: () => Configuration;
  /** @throws KelanaError BAD_VALUE */
  readonly parseBackend: (spec: string) => GivenBackend;
  /** Whether a change makes sense as things are, with the options that run. @throws KelanaError BAD_VALUE */
  readonly check: (asked: Edit, now: Desired) => void;
  /** Whether processes with these options can do what is desired. @throws KelanaError BAD_VALUE */
  readonly fits: (wanted: Desired, options: Configuration) => void;
  /** @throws KelanaError CANNOT_WRITE */
  readonly save: (changes: Changes) => Promise<void>;
  /** Options that only a restart changes; all others but backends and method take an upgrade. */
  readonly fixed: ReadonlySet<string>;
}

/** Options whose new values wait for `upgrade`, or for a restart. */
interface Waiting {
  readonly needUpgrade?: readonly string[];
  readonly needRestart: readonly string[];
}

export interface Reloaded extends Required<Waiting> {
  readonly view: BalancerView;
}

/** The view as ever, and what of the settings still waits. */
export interface Upgraded extends BalancerView {
  readonly needRestart: readonly string[];
}

const BUSY = {
  most: BALANCER_CHANGE.maxPending,
  what: { id: 'perintah untuk balancer ini', en: 'commands for this balancer' },
};

/** Options that a reload itself carries out. */
const LIVE: ReadonlySet<string> = new Set(['backend', 'method']);
/** Options of the command line alone. */
const IGNORED: ReadonlySet<string> = new Set([
  'json',
  'lang',
  'config',
  'help',
  'forget',
  'once',
  'interval',
]);

/** Carries out what is asked of a running balancer, one thing after another, on all of its processes. */
export class Manager {
  readonly #options: ManagerOptions;
  #configuration: Configuration;
  /** The options that the processes run with. */
  #running: Configuration;
  #changes: Changes;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  /** What was found is about to be carried out. */
  #finding = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#configuration = this.#running = options.configuration;
    this.#changes = options.changes;
  }

  /** Starts the processes that were asked for; with one, this process goes on alone. @throws KelanaError START_FAILED */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const { workers } = this.#configuration;
      if (workers > 1) await this.#roll(this.#configuration, this.#changes);
    }).catch((thrown: unknown) => {
      // There is no old process that would go on.
      const error = asKelanaError(thrown);
      throw error.code === 'UPGRADE_FAILED' ? new KelanaError('START_FAILED', error.params, error) : error;
    });
  }

  async view(): Promise<BalancerView> {
    const { fleet, url, pid } = this.#options;
    const given = this.#given();
    const wanted = desired(given, this.#changes);
    return viewOf({ url: url(this.#running), pid, wanted, given, fleet: await fleet.stats() });
  }

  /** @throws KelanaError NO_SUCH_BACKEND, LAST_BACKEND, BACKEND_EXISTS, BAD_VALUE, CANNOT_WRITE; then nothing changed */
  change(asked: Edit): Promise<BalancerView> {
    return this.#inTurn(async () => {
      const given = this.#given();
      this.#options.check(asked, desired(given, this.#changes));
      await this.#settle(this.#configuration, edit(given, this.#changes, asked));
      this.#tell(...changeOf(asked));
      if (asked.type === 'add') this.#warn([asked.backend]);
      return await this.view();
    });
  }

  add(spec: string): Promise<BalancerView> {
    return this.change({ type: 'add', backend: this.#options.parseBackend(spec) });
  }

  /**
   * Reads the settings again and does what they say of backends and method.
   * @throws KelanaError what is wrong with them, RELOAD_NEEDS_UPGRADE where that may be what waits for one; then nothing changed
   */
  reload(forget: boolean): Promise<Reloaded> {
    return this.#inTurn(async () => {
      const configuration = this.#options.read();
      const { needUpgrade } = this.#waiting(configuration);
      await this.#following(configuration, () =>
        this.#settle(configuration, forget ? NO_CHANGES : this.#changes),
      ).catch((thrown: unknown) => {
        const error = asKelanaError(thrown);
        if (error.code !== 'BAD_VALUE' || needUpgrade.length === 0) throw error;
        const options = needUpgrade.join(', ');
        throw new KelanaError('RELOAD_NEEDS_UPGRADE', { why: reasonText(error), options }, error);
      });
      await this.#options.fleet.reloadCertificates();
      this.#tell('reload');
      this.#warn(desired(this.#given(), this.#changes).backends);
      return { view: await this.view(), ...this.#waiting(configuration) };
    });
  }

  /** Forgets what was changed at run time. */
  reset(): Promise<BalancerView> {
    return this.#inTurn(async () => {
      await this.#settle(this.#configuration, NO_CHANGES);
      this.#tell('reset');
      return await this.view();
    });
  }

  /**
   * New processes, of the code and the settings that are on disk now, but for what only a restart changes.
   * @throws KelanaError UPGRADE_FAILED; UPGRADE_NEEDS_RESTART where the cause may be a value that waits for one
   */
  upgrade(): Promise<Upgraded> {
    return this.#inTurn(async () => {
      const configuration = this.#options.read();
      const { needRestart } = this.#waiting(configuration);
      await this.#following(configuration, () => this.#roll(configuration, this.#changes)).catch(
        (thrown: unknown) => {
          const error = asKelanaError(thrown);
          if (error.code !== 'UPGRADE_FAILED' || needRestart.length === 0) throw error;
          const options = needRestart.join(', ');
          throw new KelanaError('UPGRADE_NEEDS_RESTART', { ...error.params, options }, error);
        },
      );
      this.#tell('upgrade');
      return { ...(await this.view()), needRestart };
    });
  }

  /** What a name stands for has changed. */
  found(name: string, backends: number): void {
    this.#tell('discover', name, backends);
    this.refresh();
  }

  /** Carries out what names stand for now; soon, and once for many changes. */
  refresh(): void {
    if (this.#finding) return;
    this.#finding = true;
    this.#last = this.#last
      .then(() => {
        this.#finding = false;
        return this.#settle(this.#configuration, this.#changes);
      })
      .catch((thrown: unknown) => this.#tellError(thrown));
  }

  /** For signals, where nobody waits for an answer: what goes wrong is told in the log. */
  async unattended(what: 'reload' | 'upgrade'): Promise<void> {
    try {
      this.#tellWaiting(what === 'upgrade' ? await this.upgrade() : await this.reload(false));
    } catch (thrown) {
      this.#tellError(thrown);
    }
  }

  #warn(backends: readonly GivenBackend[]): void {
    const { emit, who } = this.#options;
    const unverified = backends.filter(({ spec }) => isUnverified(spec));
    tellUnverified(
      emit,
      who,
      unverified.map(({ name }) => name),
    );
  }

  #tellError(thrown: unknown): void {
    const { code, params, message } = asKelanaError(thrown);
    const { emit, who } = this.#options;
    emit({ type: 'error', who, code, detail: message, params });
  }

  #given(configuration = this.#configuration, changes = this.#changes): Given {
    return this.#options.discovery?.expand(configuration, changes.added) ?? configuration.given;
  }

  /** Does the work with the names of these settings known, and then forgets those that are not asked for. */
  async #following({ sources = [] }: Configuration, work: () => Promise<void>): Promise<void> {
    const { discovery } = this.#options;
    await discovery?.follow(sources);
    try {
      await work();
    } finally {
      discovery?.keep(this.#configuration.sources ?? []);
    }
  }

  #tellWaiting({ needUpgrade = [], needRestart }: Waiting): void {
    const { emit, who } = this.#options;
    const type = 'balancer.waiting';
    if (needUpgrade.length > 0) emit({ type, who, options: needUpgrade, needs: 'upgrade' });
    if (needRestart.length > 0) emit({ type, who, options: needRestart, needs: 'restart' });
  }

  async #settle(configuration: Configuration, changes: Changes): Promise<void> {
    const given = this.#given(configuration, changes);
    const meant = stillMeant(given, changes);
    const wanted = this.#fitting(given, meant, this.#running);
    await this.#save(meant);
    this.#configuration = configuration;
    await this.#options.fleet.apply(wanted);
  }

  async #roll(configuration: Configuration, changes: Changes): Promise<void> {
    const { workers } = configuration;
    // The sockets and all that this process itself was started with are still those.
    const settings = withFixed(configuration.settings, this.#running.settings, this.#options.fixed);
    const given = this.#given(configuration, changes);
    const meant = stillMeant(given, changes);
    const wanted = this.#fitting(given, meant, configuration);
    await this.#options.fleet.roll({ settings, workers, desired: wanted });
    this.#configuration = configuration;
    this.#running = { ...configuration, settings };
    await this.#save(meant);
  }

  /** What holds, for processes with these options. @throws KelanaError BAD_VALUE */
  #fitting(given: Given, changes: Changes, options: Configuration): Desired {
    const wanted = desired(given, changes);
    if (wanted.backends.length > BALANCER.maxBackends)
      throw new KelanaError('BAD_VALUE', {
        value: String(wanted.backends.length),
        name: 'backend',
        why: {
          id: `paling banyak ${BALANCER.maxBackends} server`,
          en: `at most ${BALANCER.maxBackends} backends`,
        },
        example: 'kelana balancer ls',
      });
    this.#options.fits(wanted, options);
    return wanted;
  }

  async #save(changes: Changes): Promise<void> {
    if (JSON.stringify(changes) !== JSON.stringify(this.#changes)) await this.#options.save(changes);
    this.#changes = changes;
  }

  #waiting({ settings }: Configuration): Required<Waiting> {
    const before = new Map(this.#running.settings.map(([name, value]) => [name, JSON.stringify(value)]));
    const after = new Map(settings.map(([name, value]) => [name, JSON.stringify(value)]));
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (name) => !LIVE.has(name) && !IGNORED.has(name) && before.get(name) !== after.get(name),
    );
    const { fixed } = this.#options;
    return {
      needUpgrade: changed.filter((name) => !fixed.has(name)),
      needRestart: changed.filter((name) => fixed.has(name)),
    };
  }

  #tell(what: BalancerChange, subject = '-', value: number | null = null): void {
    const { emit, who } = this.#options;
    emit({ type: 'balancer.changed', who, what, subject, value });
  }

  /** One after another: each begins from what the one before it left. @throws KelanaError BUSY */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pending >= BALANCER_CHANGE.maxPending) return Promise.reject(new KelanaError('BUSY', BUSY));
    this.#pending += 1;
    const done = this.#last.then(work).finally(() => {
      this.#pending -= 1;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** New settings, with the running values of those that are fixed. */
function withFixed(
  wanted: SettledOptions,
  running: SettledOptions,
  fixed: ReadonlySet<string>,
): SettledOptions {
  return [...wanted.filter(([name]) => !fixed.has(name)), ...running.filter(([name]) => fixed.has(name))];
}

function changeOf(asked: Edit): [BalancerChange, string, number | null] {
  if (asked.type === 'add') return ['add', asked.backend.name, null];
  if (asked.type === 'method') return ['method', asked.method, null];
  if (asked.type === 'drain') return [asked.on ? 'drain' : 'undrain', asked.name, null];
  return [asked.type, asked.name, asked.type === 'weight' ? asked.weight : null];
}
