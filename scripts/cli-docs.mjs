/**
 * Writes docs/cli.md from the commands and docs/errors.md from the catalogue, as they were built; with --check, says
 * (exit 1) where a file is not what it would write. Run it after `npm run build`.
 */
import { readFile, writeFile } from 'node:fs/promises';

const built = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const [{ buildProgram }, { Cli }, { CATALOGUE }, { EXIT }] = await Promise.all([
  built('cli/program.js'),
  built('cli/cli.js'),
  built('domain/catalogue.js'),
  built('domain/exit.js'),
]);

const NOTE = '<!-- Written by scripts/cli-docs.mjs: do not edit. -->';

/** `<` is escaped outside of code only: in code, Markdown shows an escape as it stands. */
const escaped = (text) => text.replaceAll(/(`[^`]*`)|</gu, (_, code) => code ?? '&lt;');
/** Text in a table's cell. */
const cell = (text) => escaped(text.replaceAll('|', '\\|').replaceAll('\n', ' '));
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** What addHelpText has put after the help: the examples. */
function afterHelp(command) {
  let text = '';
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.slice(text.indexOf(command.helpInformation()) + command.helpInformation().length).trim();
}

function section(command) {
  const options = [...command.options, { flags: '-h, --help', description: 'display help for command' }].map(
    (option) => [
      `\`${cell(option.flags)}\``.replaceAll('&lt;', '<'),
      cell(
        [
          option.description,
          option.argChoices === undefined
            ? ''
            : `one of ${option.argChoices.map((choice) => `\`${choice}\``).join(', ')}`,
          option.defaultValue === undefined ? '' : `default \`${option.defaultValue}\``,
          option.mandatory ? 'required' : '',
        ]
          .filter((part) => part !== '')
          .join('; '),
      ),
    ],
  );
  const words = command.registeredArguments.map((argument) => {
    const choices = argument.defaultValue === undefined ? '' : ` (default \`${argument.defaultValue}\`)`;
    return `- \`${argument.required ? `<${argument.name()}>` : `[${argument.name()}]`}\`: ${argument.description}${choices}`;
  });
  const examples = afterHelp(command)
    .replace(/^Examples:\n/u, '')
    .replace(/^ {2}/gmu, '');
  return [
    `### refill ${command.name()}`,
    `\`refill ${command.name()} ${command.usage()}\``,
    command.description(),
    ...(words.length === 0 ? [] : [words.join('\n')]),
    table(['option', 'meaning'], options),
    `\`\`\`text\n${examples}\n\`\`\``,
  ].join('\n\n');
}

function cliPage() {
  const silent = { write: () => true };
  const cli = new Cli({ stdout: silent, stderr: silent, env: {}, cwd: '.', readerGone: new AbortController().signal });
  const program = buildProgram(cli, '');
  const groups = [...new Set(program.commands.map((command) => command.helpGroup()))];
  const meanings = {
    done: 'done, and nothing differs',
    differences: 'done, and differences were found',
    usage: 'the command line or the configuration is wrong; nothing was done',
    refused: 'refused as unsafe; nothing was done',
    failed: 'failed',
    interrupted: 'interrupted, paused or cancelled: it can go on',
  };
  return [
    '# The command line',
    NOTE,
    program.description(),
    'A tenant is written `customer/profile`. A range is `[from, to)` in UTC: a day (`2026-01-05`) or an instant with a zone (`2026-01-05T06:00:00Z`). The configuration is looked for in `.` and `.refill/`, unless `--config` names it. With `--json`, results are one JSON value on stdout, and the events of a run one a line; what is for people goes to stderr. `NO_COLOR` is honoured. `REFILL_TRACE=1` adds a stack to errors.',
    '## Exit status',
    table(
      ['status', 'meaning'],
      Object.entries(EXIT).map(([name, status]) => [status, meanings[name]]),
    ),
    'Errors are printed with a code; [errors.md](errors.md) lists all of them. With `--json`, the last line on stdout says the same: `{"type":"error","code","message","hint","source","action","details"}`.',
    '## Signals',
    'The first Ctrl-C (or SIGTERM, or a closed terminal) during a run takes no new window, says what it waits for, and pauses the run. The second stops at once: `refill resume` writes again what was half written. A third ends the process. A run or a fleet over [Temporal](temporal.md) goes on: there the first ends its following only.',
    ...groups.flatMap((group) => [
      `## ${group.replace(/:$/u, '')}`,
      ...program.commands.filter((command) => command.helpGroup() === group).map(section),
    ]),
  ].join('\n\n');
}

function errorsPage() {
  const actions = {
    retry: 'tried again by itself',
    'fix-input': 'correct the input',
    refuse: 'refused: read, then decide',
    page: 'somebody has to look',
    bug: 'report it',
  };
  const sources = [...new Set(Object.values(CATALOGUE).map(({ source }) => source))];
  return [
    '# Errors',
    NOTE,
    'Every error has a code, where it comes from, what is done about it, an exit status, and a hint. This is all of them.',
    ...sources.flatMap((source) => [
      `## From ${source}`,
      table(
        ['code', 'meaning', 'what to do', 'action', 'exit'],
        Object.entries(CATALOGUE)
          .filter(([, entry]) => entry.source === source)
          .map(([code, entry]) => [
            `\`${code}\``,
            cell(entry.meaning),
            cell(entry.hint),
            actions[entry.action],
            entry.exit,
          ]),
      ),
    ]),
  ].join('\n\n');
}

/** As prettier would have it, so that `npm run format:check` and this agree. */
async function formatted(text) {
  const { format } = await import('prettier');
  return await format(text, { parser: 'markdown', printWidth: 120 });
}

let stale = 0;
for (const [name, page] of [
  ['docs/cli.md', cliPage()],
  ['docs/errors.md', errorsPage()],
]) {
  const file = new URL(`../${name}`, import.meta.url);
  const text = await formatted(page);
  if (process.argv.includes('--check')) {
    if ((await readFile(file, 'utf8').catch(() => '')) === text) continue;
    console.error(`${name} is not up to date: npm run build && node scripts/cli-docs.mjs`);
    stale++;
  } else await writeFile(file, text);
}
process.exitCode = stale === 0 ? 0 : 1;
