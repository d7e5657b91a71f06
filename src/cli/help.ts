import type { Lang } from '../core/lang.ts';
import { COMMON, type Command, type Option } from './command.ts';

export function commandHelp(command: Command, lang: Lang): string {
  const usage = ['kelana', command.name, command.args, '[options]'].filter(Boolean).join(' ');
  const lines = [command.summary[lang], '', `${lang === 'id' ? 'Cara pakai' : 'Usage'}: ${usage}`, ''];
  lines.push(...optionLines(command.options, lang));
  lines.push(
    '',
    lang === 'id' ? 'Untuk semua perintah:' : 'For every command:',
    ...optionLines(COMMON, lang),
  );
  lines.push('', lang === 'id' ? 'Contoh:' : 'Examples:');
  for (const example of command.examples) lines.push(`  ${example.line}`, `      ${example.what[lang]}`);
  return lines.join('\n');
}

function optionLines(options: readonly Option[], lang: Lang): string[] {
  const heads = options.map((option) => {
    const value =
      option.type === 'flag'
        ? ''
        : ` ${option.value ?? option.oneOf?.join('|') ?? option.type.toUpperCase()}`;
    return `--${option.name}${value}${option.many === true ? '…' : ''}`;
  });
  const width = Math.min(30, Math.max(0, ...heads.map((head) => head.length)));
  return options.map((option, index) => {
    const preset =
      option.default === undefined || option.default === '' ? '' : ` [${String(option.default)}]`;
    return `  ${(heads[index] ?? '').padEnd(width)}  ${option.help[lang]}${preset}`;
  });
}

export function overview(commands: readonly Command[], lang: Lang): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const intro =
    lang === 'id'
      ? 'kelana: mencari, berbagi, dan mengirim berkas dan pesan antar mesin, tanpa server pusat.'
      : 'kelana: find, share and send files and messages between machines, with no central server.';
  return [
    intro,
    '',
    lang === 'id' ? 'Cara pakai: kelana PERINTAH [opsi]' : 'Usage: kelana COMMAND [options]',
    '',
    ...commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary[lang]}`),
    '',
    lang === 'id'
      ? 'Mulai dengan: kelana up      Rincian: kelana PERINTAH --help'
      : 'Start with: kelana up      Details: kelana COMMAND --help',
  ].join('\n');
}
