import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bash, builtCli, refill } from './built.ts';

const COMMANDS = [
  'init',
  'up',
  'down',
  'sample',
  'doctor',
  'survey',
  'plan',
  'run',
  'status',
  'pause',
  'resume',
  'cancel',
  'retry',
  'verify',
  'explain',
  'report',
  'runs',
  'demo',
  'completion',
];
const NEED_CONFIG = [
  ['doctor'],
  ['survey'],
  ['plan', 'a/b', '--from', '2026-01-01', '--to', '2026-01-02'],
  ['run', 'p-1'],
  ['status'],
  ['pause'],
  ['resume'],
  ['cancel'],
  ['retry'],
  ['verify', 'a/b', '--from', '2026-01-01', '--to', '2026-01-02'],
  ['explain', 'x', '--tenant', 'a/b'],
  ['report'],
  ['runs'],
];

let empty = '';
beforeAll(async () => {
  await builtCli();
  empty = await mkdtemp(join(tmpdir(), 'refill-cli-'));
}, 180_000);
afterAll(async () => {
  await rm(empty, { recursive: true, force: true });
});

describe('help', () => {
  it('lists every command', async () => {
    const { status, stdout } = await refill(['--help']);
    expect(status).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'mu'));
  });

  it.each(COMMANDS)('of %s has examples and --json', async (command) => {
    const { status, stdout, stderr } = await refill([command, '--help']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Examples:\n {2}\$ (refill|source)/u);
    expect(stdout).toContain('--json');
    if (NEED_CONFIG.some(([name]) => name === command)) expect(stdout).toContain('--config <file>');
  });
});

describe('usage errors', () => {
  it.each([
    [[]],
    [['bogus']],
    [['plan']],
    [['plan', 'a/b', '--bogus']],
    [['plan', 'a/b', 'c', '--from', '2026-01-01', '--to', '2026-01-02']],
    [['plan', 'ab', '--from', '2026-01-01', '--to', '2026-01-02']],
    [['plan', 'a/b', '--from', '2026-01-01', '--to', '2026-01-02', '--strategy', 'swap']],
    [['plan', 'a/b', '--from', '2026-01-01', '--to', '2026-01-02', '--tables', 'a,,b']],
    [['run']],
    [['run', 'p-1', '--from', '2026-01-01', '--execute']],
    [['verify', 'a/b/c', '--from', '2026-01-01', '--to', '2026-01-02']],
    [['explain', 'x']],
    [['explain', '', '--tenant', 'a/b']],
    [['survey', '--from', '2026-01-01', '--to', '2026-01-02']],
    [['survey', 'a/b', '--all', '--from', '2026-01-01', '--to', '2026-01-02']],
    [['runs', '--limit', 'many']],
    [['report', '--format', 'pdf']],
    [['up', '--sample', 'huge']],
    [['up', '--seed', '-1']],
    [['sample', 'huge']],
    [['completion', 'powershell']],
  ])('%j: USAGE, exit 2, nothing on stdout', async (args) => {
    const { status, stdout, stderr } = await refill(args, { cwd: empty });
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error USAGE: .+\n {2}→ .+/mu);
    expect(stderr).not.toContain('    at ');
  });

  it.each([
    [['--from', '2026-02-30', '--to', '2026-03-01']],
    [['--from', '2026-01-01T06:00:00', '--to', '2026-01-02']],
    [['--from', '2026-01-02', '--to', '2026-01-02']],
    [['--from', '2026-01-03', '--to', '2026-01-02']],
    [['--from', '2026-01-03']],
    [['--from', '', '--to', '']],
  ])('a range %j is RANGE_INVALID, exit 2', async (range) => {
    const { status, stderr } = await refill(['plan', 'a/b', ...range], { cwd: empty });
    expect(status).toBe(2);
    expect(stderr).toContain('error RANGE_INVALID: ');
  });

  it.each(['run', 'verify', 'survey'])('the range of %s is read alike', async (command) => {
    const { status, stderr } = await refill([command, 'a/b', '--from', '2026-01-02', '--to', '2026-01-01'], {
      cwd: empty,
    });
    expect(status).toBe(2);
    expect(stderr).toContain('error RANGE_INVALID: the range is reversed');
  });

  it('are one JSON object on the last line of stdout with --json, too', async () => {
    const { status, stdout, stderr } = await refill(['plan', 'a/b', '--jsn', '--json']);
    expect(status).toBe(2);
    expect(stderr).toContain('error USAGE');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      type: 'error',
      code: 'USAGE',
      message: "unknown option '--jsn'",
      hint: 'Did you mean --json? See `refill plan --help`.',
      source: 'config',
      action: 'fix-input',
      details: {},
    });
  });
});

describe('without a configuration', () => {
  it.each(NEED_CONFIG)('%s says so, with what to do', async (...args) => {
    const { status, stdout, stderr } = await refill([...args, '--json'], { cwd: empty });
    expect(status).toBe(2);
    expect(stderr).toContain('error CONFIG_MISSING');
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'CONFIG_MISSING' });
  });

  it('names the file that was asked for', async () => {
    const { status, stderr } = await refill(['doctor', '--config', 'nowhere.yaml'], { cwd: empty });
    expect(status).toBe(2);
    expect(stderr).toContain('nowhere.yaml');
  });
});

describe('init', () => {
  it('writes a configuration that loads, and overwrites nothing unasked', async () => {
    expect((await refill(['init'], { cwd: empty })).status).toBe(0);
    const file = join(empty, 'refill.config.yaml');
    const written = await readFile(file, 'utf8');
    await writeFile(file, 'mine: true\n');
    const again = await refill(['init'], { cwd: empty });
    expect([again.status, await readFile(file, 'utf8')]).toEqual([2, 'mine: true\n']);
    expect(again.stderr).toContain('--force');
    expect((await refill(['init', '--force'], { cwd: empty })).status).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(written);
    // It is complete but for the passwords, which lie where it says.
    const doctor = await refill(['runs'], { cwd: empty, env: { LEDGER_PASSWORD: '' } });
    expect(doctor.stderr).not.toContain('CONFIG_INVALID');
    await rm(file);
  });
});

describe('a reader that goes away', () => {
  it('is no crash', async () => {
    const { stderr } = await bash(
      'for i in 1 2 3; do $REFILL completion zsh | head -1; $REFILL --help | true; done >/dev/null',
    );
    expect(stderr).toBe('');
  });

  it.skipIf(process.platform !== 'linux')(
    'is told from a disk that is full: the status says that output was lost',
    async () => {
      const { stdout, stderr } = await bash('$REFILL completion zsh >/dev/full; echo $?');
      expect(stdout).toBe('4\n');
      expect(stderr).toMatch(/error OUTPUT_LOST: .*ENOSPC/u);
    },
  );
});

describe('completion', () => {
  it('is a script that bash takes, and completes commands, options and values', async () => {
    const complete = (words: string) =>
      bash(
        `source <($REFILL completion bash); COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _refill; echo "\${COMPREPLY[*]}"`,
      );
    expect((await complete("refill 're'")).stdout.split(/\s/u)).toEqual(
      expect.arrayContaining(['resume', 'retry', 'report']),
    );
    expect((await complete("refill plan '--str'")).stdout.trim()).toBe('--strategy');
    expect((await complete("refill plan x/y --strategy ''")).stdout.trim()).toBe('purge replace');
    expect((await complete("refill completion 'f'")).stdout.trim()).toBe('fish');
  });

  it.each(['zsh', 'fish'])('for %s names every command', async (shell) => {
    const { stdout } = await refill(['completion', shell]);
    for (const command of COMMANDS) expect(stdout).toContain(command);
  });
});

describe('the generated docs', () => {
  it('are what the commands and the catalogue say', async () => {
    const { stderr } = await bash('node scripts/cli-docs.mjs --check || true');
    expect(stderr).toBe('');
  });
});
