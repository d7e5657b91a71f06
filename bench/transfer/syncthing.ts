/**
 * Two Syncthings of our own: loopback alone, no discovery, relays, reports or updates. A transfer is what the receiver
 * says it took, from `ItemStarted` to `ItemFinished`: the scan of the sender and the exchange of indexes are left out,
 * in its favour. Each transfer needs a new file, as known blocks are copied and not fetched: the material is linked
 * under a new name once the old one is gone on both sides.
 */
import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Running } from './contender.ts';
import type { Material } from './material.ts';
import type { Meter } from './meter.ts';
import { need } from './ssh.ts';
import { freePort, until, type Child, type Workshop } from './workshop.ts';

const FOLDER = 'bench';
const KEY = 'bench-key';
/** ms for a long poll, and for a whole transfer. */
const POLL_S = 2;
const TRANSFER_MS = 600_000;

interface Event {
  readonly id: number;
  readonly type: string;
  /** RFC 3339, with the machine's zone. */
  readonly time: string;
  readonly data: { readonly item?: string; readonly error?: string | null } | null;
}

class Syncthing {
  readonly home: string;
  readonly shared: string;
  readonly #workshop: Workshop;
  #child: Child | undefined;
  id = '';
  port = 0;
  #gui = 0;

  constructor(workshop: Workshop, name: string) {
    this.#workshop = workshop;
    this.home = join(workshop.folder, `syncthing-${name}`);
    this.shared = join(this.home, 'files');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async generate(): Promise<void> {
    await mkdir(join(this.shared, '.stfolder'), { recursive: true });
    await this.#workshop.spawn('syncthing', ['generate', '--home', this.home, '--no-default-folder']).ended();
    const asked = this.#workshop.spawn('syncthing', ['--home', this.home, '--device-id']);
    await asked.ended();
    this.id = asked.out.trim();
    [this.port, this.#gui] = [await freePort(), await freePort()];
  }

  async start(other: Syncthing, type: 'sendonly' | 'receiveonly'): Promise<void> {
    await writeFile(join(this.home, 'config.xml'), this.#config(other, type));
    const args = ['serve', '--home', this.home, '--no-browser', '--no-upgrade', '--logflags', '0'];
    const env = { STNORESTART: '1', STNOUPGRADE: '1', HOME: this.home };
    this.#child = this.#workshop.spawn('syncthing', args, { env });
    await until('syncthing to answer', () =>
      this.get('/rest/system/ping').then(
        () => true,
        () => false,
      ),
    );
  }

  #config(other: Syncthing, type: string): string {
    const device = (of: Syncthing): string =>
      `<device id="${of.id}" compression="never"><address>tcp://127.0.0.1:${of.port}</address></device>`;
    const off = [
      'globalAnnounceEnabled',
      'localAnnounceEnabled',
      'relaysEnabled',
      'natEnabled',
      'startBrowser',
      'crashReportingEnabled',
      // It would give way to everything else on the machine.
      'setLowPriority',
    ].map((name) => `<${name}>false</${name}>`);
    return `<configuration version="36">
  <folder id="${FOLDER}" path="${this.shared}" type="${type}" rescanIntervalS="0" fsWatcherEnabled="false">
    <device id="${this.id}"/><device id="${other.id}"/>
  </folder>
  ${device(this)}
  ${device(other)}
  <gui enabled="true" tls="false"><address>127.0.0.1:${this.#gui}</address><apikey>${KEY}</apikey></gui>
  <options>
    <listenAddress>tcp://127.0.0.1:${this.port}</listenAddress>
    <reconnectionIntervalS>1</reconnectionIntervalS>
    <urAccepted>-1</urAccepted>
    <autoUpgradeIntervalH>0</autoUpgradeIntervalH>
    ${off.join('\n    ')}
  </options>
</configuration>
`;
  }

  get<T>(path: string): Promise<T> {
    return this.#ask('GET', path);
  }

  /** Resolves when the scan is over. */
  async scan(): Promise<void> {
    await this.#ask('POST', `/rest/db/scan?folder=${FOLDER}`);
  }

  async #ask<T>(method: string, path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#gui}${path}`, {
      method,
      headers: { 'X-API-Key': KEY },
      signal: AbortSignal.timeout(TRANSFER_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`syncthing ${path}: ${response.status} ${text}`);
    return (text === '' ? null : JSON.parse(text)) as T;
  }

  async connected(): Promise<boolean> {
    const { connections } = await this.get<{
      connections: Readonly<Record<string, { connected: boolean }>>;
    }>('/rest/system/connections');
    return Object.values(connections).some(({ connected }) => connected);
  }

  /** Events of items that come after `since`, as they come. */
  async *events(since: number): AsyncGenerator<Event> {
    for (let last = since; ;) {
      const path = `/rest/events?events=ItemStarted,ItemFinished&since=${last}&timeout=${POLL_S}`;
      for (const event of (await this.get<readonly Event[] | null>(path)) ?? []) {
        last = event.id;
        yield event;
      }
    }
  }

  async lastEvent(): Promise<number> {
    const path = '/rest/events?events=ItemStarted,ItemFinished&since=0&limit=1&timeout=1';
    return (await this.get<readonly Event[] | null>(path))?.at(-1)?.id ?? 0;
  }

  /** By its own way: its monitor then waits for the process that does the work. */
  async stop(): Promise<void> {
    await this.#child?.stop('SIGTERM');
  }
}

export const syncthing: Contender = {
  name: 'Syncthing',
  note: 'ItemStarted to ItemFinished, without scan and index',
  async start(workshop: Workshop, material: Material): Promise<Running> {
    need('syncthing', 'syncthing');
    const [sender, receiver] = [new Syncthing(workshop, 'a'), new Syncthing(workshop, 'b')];
    await sender.generate();
    await receiver.generate();
    await sender.start(receiver, 'sendonly');
    await receiver.start(sender, 'receiveonly');
    await until('syncthing to connect', () => receiver.connected());
    let run = 0;
    let name = '';
    // A copy: links to the material itself would have kelana take it for touched, and check each block before it goes out.
    const own = `${sender.shared}-${material.name}`;
    await copyFile(material.path, own);
    return {
      pids: { sender: [sender.pid], receiver: [receiver.pid] },
      folder: receiver.shared,
      async prepare() {
        if (name !== '') {
          await rm(join(sender.shared, name));
          await sender.scan();
          await receiver.scan();
          await until('syncthing to forget', () => !existsSync(join(receiver.shared, name)));
          // Its database follows.
          await sleep(1_000);
        }
        run += 1;
        name = `run-${run}-${material.name}`;
        await link(own, join(sender.shared, name));
      },
      // Its next preparation does, in the way that Syncthing removes files.
      discard: () => Promise.resolve(),
      async transfer(meter) {
        const since = await receiver.lastEvent();
        await Promise.all([taken(receiver, name, since, meter), sender.scan()]);
        return join(receiver.shared, name);
      },
      close: async () => {
        await Promise.all([sender.stop(), receiver.stop()]);
      },
    };
  },
};

async function taken(receiver: Syncthing, name: string, since: number, meter: Meter): Promise<void> {
  for await (const event of receiver.events(since)) {
    if (event.data?.item !== name) continue;
    if (event.type === 'ItemStarted') meter.start();
    else {
      meter.stop();
      if (typeof event.data.error === 'string') throw new Error(`syncthing: ${event.data.error}`);
      return;
    }
  }
}
