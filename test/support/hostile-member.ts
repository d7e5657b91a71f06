import type { Stream } from '@libp2p/interface';
import type { Holding } from '../../src/core/ports.ts';
import type { BlockFrame } from './block-frames.ts';
import type { LinkFrame } from '../../src/core/wire/frames.ts';
import { isSearchFrame, type SearchFrame } from '../../src/core/wire/search-frames.ts';
import { signer } from '../../src/overlay/keys.ts';
import type { Link } from '../../src/overlay/link.ts';
import { PrintKeeper } from '../../src/overlay/prints.ts';
import { Hostile, type HostileOptions, type OpenLink } from './hostile.ts';

export interface MemberScript {
  /** Files that its signed prints claim. */
  readonly files?: readonly Holding[];
  /** Each search frame, with a way to answer anybody. */
  onSearch?(frame: SearchFrame, from: string, member: Member): void;
  onWant?(frame: BlockFrame, stream: Stream): void;
}

/**
 * A liar in good standing: it keeps prints in step with its neighbours as an honest node does, so that searches come to
 * it, and lies only where its script does.
 */
export class Member implements AsyncDisposable {
  readonly hostile: Hostile;
  readonly prints: PrintKeeper;
  /** host:port of peers that it may speak to without being their neighbour. */
  readonly addresses = new Map<string, string>();

  private constructor(hostile: Hostile, prints: PrintKeeper) {
    this.hostile = hostile;
    this.prints = prints;
  }

  static async start(script: MemberScript = {}, options: HostileOptions = {}): Promise<Member> {
    const hostile: Hostile = await Hostile.start(
      {
        onHello: (link, hello) => {
          const { bits, addresses } = hello;
          queueMicrotask(() => member.prints.up(linkOf(link, bits, addresses)));
          link.stream.addEventListener('close', () => member.prints.down(linkOf(link, bits, addresses)));
        },
        onFrame: (frame, _say, from) => {
          if (frame.type === 'sync') member.prints.receive(from, frame.frame);
          else if (isSearch(frame)) script.onSearch?.(frame, from, member);
        },
        onWant: (frame, stream) => script.onWant?.(frame, stream),
      },
      options,
    );
    const prints = new PrintKeeper({
      peer: hostile.peerId,
      label: 'member',
      addresses: () => hostile.addresses,
      sign: signer(hostile.key),
      scanning: () => false,
      files: () => script.files ?? [],
      now: () => performance.now(),
      wall: Date.now,
      random: Math.random,
      send: (peer, frame) => member.say(peer, { type: 'sync', frame }),
      liar: () => undefined,
      mute: () => undefined,
      closest: () => [],
      bits: options.bits ?? 0,
      resizeAfterMs: 3_600_000,
    });
    const member = new Member(hostile, prints);
    return member;
  }

  /** Over whatever stream there is, or one of its own to where the peer was met before. */
  say(peer: string, frame: LinkFrame): void {
    const open = this.hostile.links.findLast((link) => link.peer === peer && !link.closed());
    const address = this.addresses.get(peer);
    if (open !== undefined) open.say(frame);
    else if (address !== undefined)
      this.hostile.ask(address).then(
        (stream) => stream.say(frame),
        () => undefined,
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.prints.leave();
    await this.hostile[Symbol.asyncDispose]();
  }
}

function linkOf({ peer, say }: OpenLink, bits: number, addresses: readonly string[]): Link {
  return {
    peer,
    label: peer,
    address: '',
    direction: 'outbound',
    sinceMs: 0,
    addresses,
    bits,
    send: say,
    close: async () => undefined,
  };
}

function isSearch(frame: LinkFrame): frame is SearchFrame {
  return isSearchFrame(frame.type);
}
