import createIgnore, { type Ignore } from 'ignore';
import { LIBRARY } from '../core/config.ts';
import { hasCode, openToRead, pathOf, readFully } from './files.ts';

/** Rules in the syntax of gitignore, in any shared folder or below. */
export const IGNORE_FILE = '.kelanaignore';

/**
 * What is never worth finding: made by machines and made again by them, half-written, or litter of a file manager.
 * A line with `!` in a `.kelanaignore` takes one of these back. Names that begin with a dot are never shared, whatever
 * a rule says (walk.ts).
 */
export const DEFAULT_IGNORES: readonly string[] = [
  'node_modules/',
  '__pycache__/',
  'lost+found/',
  '$RECYCLE.BIN/',
  'System Volume Information/',
  'Thumbs.db',
  'desktop.ini',
  '~$*',
  '*~',
  '*.tmp',
  '*.part',
  '*.crdownload',
  '*.swp',
];

/** The rules for what lies directly in one folder: its own file's, then those above it, then the defaults. */
export interface Rules {
  /** Path of the folder that the rules stand in, below the shared one; '' for itself. */
  readonly base: string;
  readonly lines: readonly string[];
  readonly own: Ignore;
  readonly above: Rules | null;
}

/** Whether `name` (a path below the shared folder) is left out. To be asked of no name below a folder that is. */
export function isIgnored(rules: Rules | null, name: string, folder: boolean): boolean {
  for (let one = rules; one !== null; one = one.above) {
    const below = one.base === '' ? name : name.slice(one.base.length + 1);
    const { ignored, unignored } = one.own.test(folder ? `${below}/` : below);
    if (ignored) return true;
    if (unignored) return false;
  }
  return false;
}

/** Where a file of rules cannot be read: rather nothing is shared than what somebody wanted left out. */
const NOTHING = ['*'];

function rulesOf(base: string, lines: readonly string[], above: Rules | null): Rules {
  const own = createIgnore({ ignorecase: false, allowRelativePaths: true }).add(lines);
  return { base, lines, own, above };
}

function defaults(): Rules {
  return rulesOf('', DEFAULT_IGNORES, null);
}

/**
 * The same rules for what lies below `folder`, which a nearer rule took back from one of them: to that one, all below
 * an ignored folder is ignored too, so it is told that this folder is not.
 */
function opened(rules: Rules, folder: string): Rules {
  const { base, lines, own } = rules;
  const above = rules.above === null ? null : opened(rules.above, folder);
  const below = base === '' ? folder : folder.slice(base.length + 1);
  if (own.test(`${below}/`).ignored) return rulesOf(base, [...lines, `!/${escaped(below)}/`], above);
  return above === rules.above ? rules : { ...rules, above };
}

function escaped(name: string): string {
  return name.replace(/[\\*?[\]!# ]/g, String.raw`\$&`);
}

/** Reads and keeps rules by folder, until told that a file of rules changed. */
export class Ignores {
  readonly #rules = new Map<string, Rules>();
  #defaults = defaults();
  readonly #unreadable: (path: string, thrown: unknown) => void;

  constructor(unreadable: (path: string, thrown: unknown) => void) {
    this.#unreadable = unreadable;
  }

  /** Also gives back what the matchers remember of every name they were asked. */
  forget(): void {
    this.#rules.clear();
    this.#defaults = defaults();
  }

  /** Rules for what lies in `folder` (below `root`, '' for itself). Never rejects. */
  async rules(root: string, folder: string): Promise<Rules> {
    const path = pathOf(root, folder);
    const known = this.#rules.get(path);
    if (known !== undefined) return known;
    const slash = folder.lastIndexOf('/');
    const above =
      folder === ''
        ? this.#defaults
        : opened(await this.rules(root, slash < 0 ? '' : folder.slice(0, slash)), folder);
    const lines = await this.#read(pathOf(path, IGNORE_FILE));
    const rules = lines === null ? above : rulesOf(folder, lines, above);
    this.#rules.set(path, rules);
    return rules;
  }

  async #read(path: string): Promise<readonly string[] | null> {
    try {
      const handle = await openToRead(path);
      try {
        const stats = await handle.stat();
        if (!stats.isFile()) return null;
        if (stats.size > LIBRARY.maxIgnoreBytes)
          throw new Error(`larger than ${LIBRARY.maxIgnoreBytes / 1024} KiB`);
        const bytes = Buffer.alloc(stats.size);
        const read = await readFully(handle, bytes, 0);
        const lines = bytes
          .toString('utf8', 0, read)
          .replace(/^\uFEFF/, '')
          .split(/\r?\n/);
        if (lines.length > LIBRARY.maxIgnoreLines)
          throw new Error(`more than ${LIBRARY.maxIgnoreLines} lines`);
        return lines;
      } finally {
        await handle.close();
      }
    } catch (thrown) {
      if (hasCode(thrown, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
      this.#unreadable(path, thrown);
      return NOTHING;
    }
  }
}
