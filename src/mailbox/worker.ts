import type { Calls } from './protocol.ts';
import { serve } from './serve.ts';
import { Store } from './store.ts';

/** The thread of the mailbox of servers. */
serve<Calls>(({ path, busyTimeoutMs }) => {
  const store = new Store(path, busyTimeoutMs);
  return {
    append: (arrivals) => store.appendAll(arrivals),
    list: ({ after, limit, room }) => store.list(after, limit, room),
    latest: () => store.latest(),
    check: () => {
      store.check();
      return null;
    },
    close: () => store.close(),
  };
});
