/** scp, rsync and tar through an sshd of our own: loopback, keys made for the moment, no setting of the person used. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Missing, type Contender, type Running } from './contender.ts';
import type { Material } from './material.ts';
import { freePort, installed, until, type Workshop } from './workshop.ts';
import { connect } from 'node:net';

const CIPHER = 'aes128-gcm@openssh.com';
/** Where sshd, run by root, wants an empty folder; Debian makes it when the service starts. */
const EMPTY = '/run/sshd';

interface Server {
  readonly pid: number;
  /** Options of ssh and scp; the port has another letter in each. */
  readonly options: readonly string[];
  readonly port: number;
  readonly host: string;
}

const servers = new WeakMap<Workshop, Promise<Server>>();

/** One sshd for all that use it. */
function serverOf(workshop: Workshop): Promise<Server> {
  const running = servers.get(workshop) ?? startServer(workshop);
  servers.set(workshop, running);
  return running;
}

async function startServer(workshop: Workshop): Promise<Server> {
  need('sshd', 'openssh-server');
  need('ssh', 'openssh-client');
  const home = join(workshop.folder, 'ssh');
  await mkdir(home, { mode: 0o700 });
  for (const name of ['host', 'user'])
    await workshop.spawn('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, name)]).ended();
  const port = await freePort();
  await writeFile(join(home, 'authorized'), await readFile(join(home, 'user.pub')));
  await writeFile(
    join(home, 'known'),
    `[127.0.0.1]:${port} ${await readFile(join(home, 'host.pub'), 'utf8')}`,
  );
  await writeFile(
    join(home, 'sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${join(home, 'host')}`,
      `AuthorizedKeysFile ${join(home, 'authorized')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitUserRC no',
      'PermitRootLogin prohibit-password',
      `Ciphers ${CIPHER}`,
      'Compression no',
      'UseDNS no',
      'LogLevel ERROR',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  if (userInfo().uid === 0 && !existsSync(EMPTY)) {
    mkdirSync(EMPTY, { mode: 0o755 });
    workshop.defer(() => rmSync(EMPTY, { recursive: true, force: true }));
  }
  // sshd starts itself again for each connection, and wants to be called by its whole path for that.
  const program = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) =>
    existsSync(path),
  );
  const child = workshop.spawn(program ?? 'sshd', ['-D', '-e', '-f', join(home, 'sshd_config')]);
  await Promise.race([until('sshd to listen', () => answers(port)), child.ended()]);
  const settings: Record<string, string> = {
    IdentityFile: join(home, 'user'),
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    UserKnownHostsFile: join(home, 'known'),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    BatchMode: 'yes',
    Ciphers: CIPHER,
    Compression: 'no',
    LogLevel: 'ERROR',
  };
  const options = [
    '-F',
    '/dev/null',
    ...Object.entries(settings).flatMap(([key, to]) => ['-o', `${key}=${to}`]),
  ];
  return { pid: child.pid, options, port, host: `${userInfo().username}@127.0.0.1` };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** @throws Missing that says which package has the program */
export function need(program: string, debian: string): void {
  if (!installed(program))
    throw new Missing(`${program} is not installed (Debian: apt-get install ${debian})`);
}

type CommandOf = (server: Server, from: string, into: string) => readonly [string, ...string[]];

function over(
  name: string,
  note: string,
  programs: Readonly<Record<string, string>>,
  command: CommandOf,
): Contender {
  return {
    name,
    note,
    async start(workshop: Workshop, material: Material): Promise<Running> {
      for (const [program, debian] of Object.entries(programs)) need(program, debian);
      const server = await serverOf(workshop);
      const folder = join(workshop.folder, name.replaceAll(' ', '-'), material.name);
      await mkdir(folder, { recursive: true });
      return {
        pids: { sender: [server.pid], receiver: [] },
        folder,
        async transfer(meter) {
          const [program, ...args] = command(server, material.path, folder);
          meter.start();
          const child = workshop.spawn(program, args);
          meter.watch('receiver', child.pid);
          await child.ended();
          meter.stop();
          return join(folder, material.name);
        },
        close: () => Promise.resolve(),
      };
    },
  };
}

const shellOf = ({ options, port }: Server): string => ['ssh', '-p', String(port), ...options].join(' ');

export const scp = over('scp', CIPHER, { scp: 'openssh-client' }, ({ options, port, host }, from, into) => [
  'scp',
  '-q',
  '-r',
  '-P',
  String(port),
  ...options,
  `${host}:${from}`,
  into,
]);

export const rsync = over('rsync', `over ssh, ${CIPHER}`, { rsync: 'rsync' }, (server, from, into) => [
  'rsync',
  '--recursive',
  '--times',
  '--whole-file',
  '-e',
  shellOf(server),
  `${server.host}:${from}`,
  into,
]);

export const tar = over('tar over ssh', CIPHER, { tar: 'tar' }, (server, from, into) => {
  const at = from.lastIndexOf('/');
  const remote = `tar -C '${from.slice(0, at)}' -cf - '${from.slice(at + 1)}'`;
  return ['sh', '-c', `${shellOf(server)} ${server.host} "${remote}" | tar -C '${into}' -xf -`];
});
