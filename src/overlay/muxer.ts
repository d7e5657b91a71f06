import { yamux } from '@chainsafe/libp2p-yamux';
import { StreamState, type YamuxStream } from '@chainsafe/libp2p-yamux/stream';
import { OVERLAY } from '../core/config.ts';

/**
 * Bytes received on a stream before the sender is told that there is room for more. yamux's own tells it after each
 * frame, so that a link's small frames cost two writes and two reads each; of its window, 256 KiB at first, this is little.
 */
const LEAST_UPDATE = 16 * 1024;

/** yamux, without the packets that an idle connection does not need. */
export function quietYamux(): () => ReturnType<ReturnType<typeof yamux>> {
  const create = yamux({ keepAliveInterval: OVERLAY.muxerPingMs });
  return () => {
    const factory = create();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer(connection);
      const [opened, came] = [muxer.onCreateStream.bind(muxer), muxer.onRemoteStream.bind(muxer)];
      muxer.onCreateStream = () => quiet(opened());
      muxer.onRemoteStream = (stream) => came(quiet(stream));
      return muxer;
    };
    return factory;
  };
}

function quiet(stream: YamuxStream): YamuxStream {
  const send = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    // While a stream is opened, the update is what opens it.
    const open = stream.state === StreamState.Established || stream.state === StreamState.SYNSent;
    if (!open || owed(stream) >= LEAST_UPDATE) send();
  };
  return stream;
}

/** Bytes that came since the sender was told of room. Infinity where the fields are others than they were. */
function owed(stream: object): number {
  const { recvWindow, recvWindowCapacity } = stream as Record<string, unknown>;
  return typeof recvWindow === 'number' && typeof recvWindowCapacity === 'number'
    ? recvWindow - recvWindowCapacity
    : Infinity;
}
