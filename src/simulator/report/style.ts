/** Colours of the strategies, told apart by people who see colours differently (Okabe, Ito 2008), light and dark. */
const LIGHT = {
  auto: '#1f1f1f',
  walk: '#b35900',
  walkers: '#d4a017',
  flood: '#c0392b',
  ring: '#b5538f',
  dht: '#0072b2',
  groups: '#00805e',
} as const;
const DARK = {
  auto: '#f2f2f2',
  walk: '#f0954a',
  walkers: '#f2cf5b',
  flood: '#ff7b6b',
  ring: '#e39bc8',
  dht: '#5cb8f0',
  groups: '#3fd0a4',
} as const;

const variables = (colours: Readonly<Record<string, string>>): string =>
  Object.entries(colours)
    .map(([name, colour]) => `--${name}:${colour};`)
    .join('');

const series = Object.keys(LIGHT)
  .map(
    (name) =>
      `.fill.${name}{fill:var(--${name})}.stroke.${name}{stroke:var(--${name})}.name.${name}{fill:var(--${name})}`,
  )
  .join('');

export const STYLE = `
:root{color-scheme:light dark;--page:#fbfaf7;--card:#fff;--ink:#20242a;--soft:#5d6570;--rule:#e3e1da;--minor:#f1efe9;
--good:#00704f;--bad:#b3261e;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--card:#1c2026;--ink:#e8eaed;--soft:#a3abb5;--rule:#343a43;
--minor:#252a31;--good:#5fd3a8;--bad:#ff8a80;${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1000px;margin:0 auto;padding:40px 20px 72px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3em}
h2{font-size:1.2rem;margin:0 0 .2em}
p{margin:.2em 0 1em;color:var(--soft);max-width:70ch}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:22px 24px;margin:22px 0}
svg{display:block;width:100%;height:auto;font-family:inherit}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{color:var(--soft);font-weight:600}
th.text,td.text{text-align:left}
.ok{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
text{fill:var(--ink);font-size:13px}
.tick,.axis{fill:var(--soft);font-size:12px}
.heading{font-weight:600;font-size:13px}
.label{fill:var(--soft)}
.number{font-variant-numeric:tabular-nums}
.name{font-weight:600}
.grid{stroke:var(--rule)}.minor{stroke:var(--minor)}
.mark{stroke:var(--ink);stroke-width:2}
.spread{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:2 2}
.stroke{fill:none;stroke-width:2.2}
.dot0{opacity:.45}.dot1{opacity:.7}
footer{color:var(--soft);font-size:.86rem}
code{font-size:.92em}
${series}
`;
