import { availableParallelism } from 'node:os';
import type { ListenAddress } from '../../balancer/address.ts';
import { Certificates } from '../../balancer/certificates.ts';
import type { Configuration } from '../../balancer/manager.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { settle } from '../options.ts';
import { Settings } from '../settings.ts';
import type { Values } from '../values.ts';
import { configurationOf, listenOf } from './configuration.ts';
import { edgesFrom } from './edges.ts';

/**
 * Reads flags and environment as they were and the file as it is now. A file that was there has to be there again, not
 * empty, and with a backend where it had one: it may be read while another one is put in its place, and what is left out
 * then would be taken for the defaults, among them the servers of the demonstration.
 */
export class Rereading {
  readonly #context: Pick<Context, 'args' | 'cwd' | 'env'>;
  readonly #command: Command;
  /** What was read last. */
  #last: Values;

  constructor(context: Pick<Context, 'args' | 'cwd' | 'env'>, command: Command, last: Values) {
    this.#context = context;
    this.#command = command;
    this.#last = last;
  }

  /**
   * `running`: addresses that are listened on already.
   * @throws KelanaError BAD_VALUE, BAD_CONFIG, BAD_CERTIFICATE, CANNOT_READ
   */
  read(running: readonly ListenAddress[]): Configuration {
    const { cwd, env } = this.#context;
    const args = this.#context.args.slice(1);
    const at = args.findIndex((arg) => arg === '--config' || arg.startsWith('--config='));
    const asked = at < 0 ? undefined : (args[at] ?? '').includes('=') ? args[at]?.slice(9) : args[at + 1];
    const settings = Settings.load(cwd, asked ?? env['KELANA_CONFIG'] ?? this.#last.file ?? undefined);
    const values = settle(this.#command, args, env, settings);
    refuseLoss(this.#last, values, settings);
    const { certificates = [] } = edgesFrom(values, listenOf(values));
    // Read for their mistakes alone: those that serve keep what they have until they read them by themselves.
    if (certificates.length > 0) void new Certificates(certificates, 0);
    const configuration = configurationOf(values, availableParallelism(), running);
    this.#last = values;
    return configuration;
  }
}

/** @throws KelanaError BAD_CONFIG where all of the file, or every backend, is gone from it */
function refuseLoss(before: Values, now: Values, settings: Settings): void {
  const lost = (why: Text): KelanaError =>
    new KelanaError('BAD_CONFIG', {
      file: settings.path ?? '',
      line: settings.lineOf('balancer', 0),
      why: {
        id: `${why.id}, padahal tadinya ada; bila memang dimaksud, jalankan ulang balancer`,
        en: `${why.en}, though it did before; if that is meant, restart the balancer`,
      },
    });
  const saidSomething = [...before.entries()].some(([, { origin }]) => origin === 'file');
  if (saidSomething && Object.keys(settings.document).length === 0)
    throw lost({ id: 'berkas itu tidak lagi berisi apa pun', en: 'the file says nothing' });
  if (before.origin('backend') !== undefined && now.origin('backend') === undefined)
    throw lost({ id: 'berkas itu tidak lagi menyebut backend', en: 'the file names no backend' });
}
