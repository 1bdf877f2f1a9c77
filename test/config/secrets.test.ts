import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { forgetSecrets, redact } from '../../src/domain/redact.ts';
import { absoluteReference, resolveSecret } from '../../src/config/secrets.ts';
import { BUILTINS, CONTRACT, directory, errorOf, everythingIn, loadYaml } from './fixture.ts';

afterEach(() => forgetSecrets());

describe('env:', () => {
  test('the variable as it is', async () => {
    expect(await resolveSecret('env:A', { env: { A: ' s3cret\n' } })).toBe(' s3cret\n');
  });

  test('the program’s own environment where no other is given', async () => {
    process.env['REFILL_TEST_SECRET'] = 's3cret';
    try {
      expect(await resolveSecret('env:REFILL_TEST_SECRET')).toBe('s3cret');
    } finally {
      delete process.env['REFILL_TEST_SECRET'];
    }
  });

  test.each([['missing', {}, 'env:A: the environment has no such variable']])('%s', async (_name, env, message) => {
    const error = await errorOf(resolveSecret('env:A', { env }));
    expect([error.code, error.message, error.details]).toEqual([
      'CONFIG_SECRET_MISSING',
      message,
      { reference: 'env:A' },
    ]);
  });

  test('a variable that is set to nothing is an empty password', async () => {
    expect(await resolveSecret('env:A', { env: { A: '' } })).toBe('');
  });
});

describe('file:', () => {
  test.each([
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    ['s3cret\n\n', 's3cret\n'],
    [' s3 cret ', ' s3 cret '],
    ['pässwört\n', 'pässwört'],
  ])('%j: one newline at the end is cut', async (text, secret) => {
    const cwd = await directory({ 'secrets/pg': text });
    expect(await resolveSecret('file:secrets/pg', { directory: cwd })).toBe(secret);
    expect(await resolveSecret(`file:${cwd}/secrets/pg`, { directory: '/' })).toBe(secret);
  });

  test.each([
    ['file:nix', 'there is no such file'],
    ['file:empty', 'it is empty'],
    ['file:newline', 'it is empty'],
    ['file:sub', 'it is a directory'],
    ['file:/dev/zero', 'it is not a file'],
    ['file:long', 'it is longer than 65536 bytes'],
  ])('%s', async (reference, why) => {
    const cwd = await directory({ empty: '', newline: '\n', 'sub/a': '', long: 'x'.repeat(65_537) });
    const error = await errorOf(resolveSecret(reference, { directory: cwd }));
    expect([error.code, error.message]).toEqual(['CONFIG_SECRET_MISSING', `${reference}: ${why}`]);
  });

  test.each([
    [0o600, 0],
    [0o640, 0],
    [0o644, 1],
    [0o444, 1],
  ])('mode %o: read in any case, with a warning where everybody can', async (mode, count) => {
    const cwd = await directory({ pg: 's3cret' });
    await chmod(join(cwd, 'pg'), mode);
    const warnings: string[] = [];
    const options = { directory: cwd, onWarning: (message: string) => void warnings.push(message) };
    expect(await resolveSecret('file:pg', options)).toBe('s3cret');
    expect(warnings).toHaveLength(count);
    expect(warnings.join('')).not.toContain('s3cret');
  });
});

describe('exec:', () => {
  test.each([
    ['exec:cat pg', 's3cret'],
    ['exec: cat pg | tr a-z A-Z', 'S3CRET'],
    ['exec:cat pg; echo', 's3cret\n'],
    ['exec:false || cat pg', 's3cret'],
    ['exec:cat pg; echo noise >&2', 's3cret'],
  ])('%s', async (reference, secret) => {
    const cwd = await directory({ pg: 's3cret\n' });
    expect(await resolveSecret(reference, { directory: cwd })).toBe(secret);
  });

  test('stdin is empty: a command that asks does not wait for ever', async () => {
    expect(await resolveSecret('exec:cat; cat /dev/null; printf "%s" "$(pwd)"', { directory: '/' })).toBe('/');
  });

  test.each([
    ['exec:exit 3', 'the command ended with status 3'],
    ['exec:cat pg; exit 1', 'the command ended with status 1'],
    ['exec:cat pg >&2; exit 1', 'the command ended with status 1'],
    ['exec:kill -9 $$', 'the command ended with SIGKILL'],
    ['exec:no-such-command-here', 'the command ended with status 127'],
    ['exec:true', 'it is empty'],
    ['exec:cat /dev/zero', 'the command prints more than 65536 bytes'],
  ])('%s: the error shows neither output', async (reference, why) => {
    const cwd = await directory({ pg: 's3cret\n' });
    const error = await errorOf(resolveSecret(reference, { directory: cwd }));
    expect(error.code).toBe('CONFIG_SECRET_MISSING');
    expect(error.message.startsWith(`${reference}: ${why}`)).toBe(true);
    expect(everythingIn(error)).not.toContain('s3cret');
  });

  test('a directory that is gone', async () => {
    const error = await errorOf(resolveSecret('exec:cat pg', { directory: '/no/such/directory' }));
    expect(error.message).toContain('cannot be started');
  });

  test('one that does not end is ended after 10 s, with what it started', { timeout: 60_000 }, async () => {
    const cwd = await directory();
    const started = performance.now();
    const error = await errorOf(resolveSecret('exec:sh -c "sleep 11; touch late" & sleep 30', { directory: cwd }));
    expect(error.message).toContain('has not ended after 10 s');
    expect(performance.now() - started).toBeLessThan(20_000);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    // Had the child lived on, it would have made its file by now.
    expect(await resolveSecret('exec:ls -A; echo nothing', { directory: cwd })).toBe('nothing');
  });
});

describe('what is no reference', () => {
  test.each(['hunter2', 'ENV:hunter2', 'env:', 'env:hunter2!', 'file:', 'exec: ', 'exec:echo hunter2', ''])(
    '%j is refused and not repeated',
    async (reference) => {
      const error = await errorOf(resolveSecret(reference));
      expect(error.code).toBe('CONFIG_SECRET_LITERAL');
      expect(everythingIn(error)).not.toContain('hunter2');
    },
  );
});

describe('after loading', () => {
  test('references do not depend on the directory any more', async () => {
    const cwd = await directory({
      'it’s/refill.config.yaml': CONTRACT.replace('env:LEDGER_PASSWORD', 'file:ledger')
        .replace('env:PG_PASSWORD', '"exec:cat ./pg || exit 5"')
        .replace('env:CH_PASSWORD', 'file:../ch'),
      'it’s/ledger': 'of the ledger\n',
      'it’s/pg': 'of Postgres\n',
      ch: 'of ClickHouse\n',
    });
    const { config } = await loadConfig({ cwd, file: 'it’s/refill.config.yaml', builtins: BUILTINS });
    const { ledger, clusters } = config;
    expect(ledger.password).toBe(`file:${cwd}/it’s/ledger`);
    expect(clusters['east']?.clickhouse.password).toBe(`file:${cwd}/ch`);
    const references = [ledger.password, clusters['east']?.postgres.password, clusters['east']?.clickhouse.password];
    const secrets = await Promise.all(references.map((reference) => resolveSecret(reference ?? '')));
    expect(secrets).toEqual(['of the ledger', 'of Postgres', 'of ClickHouse']);
  });

  test('a directory with a quote in its name', async () => {
    const cwd = await directory();
    const odd = join(cwd, `it's $(touch x)`);
    await mkdir(odd);
    await writeFile(join(odd, 'pg'), 's3cret\n');
    expect(await resolveSecret(absoluteReference('exec:cat pg', odd))).toBe('s3cret');
    expect(await resolveSecret(absoluteReference('file:pg', odd))).toBe('s3cret');
  });

  test('~/ is the home directory, and env: stays as it is', () => {
    expect(absoluteReference('file:~/pg', '/etc/refill')).toBe(`file:${homedir()}/pg`);
    expect(absoluteReference('env:A', '/etc/refill')).toBe('env:A');
  });

  test('secrets are not looked for when the configuration is loaded', async () => {
    const text = CONTRACT.replace('env:LEDGER_PASSWORD', 'file:/no/such/file')
      .replace('env:PG_PASSWORD', 'env:NO_SUCH_VARIABLE')
      .replace('env:CH_PASSWORD', '"exec:exit 1"');
    await expect(loadYaml(text)).resolves.toHaveProperty('ledger.password', 'file:/no/such/file');
  });
});

test('each secret that was resolved is redacted from then on', async () => {
  const cwd = await directory({ pg: 'from-a-file\n' });
  expect(redact('from-a-file, from-env, from-exec')).toBe('from-a-file, from-env, from-exec');
  await resolveSecret('file:pg', { directory: cwd });
  await resolveSecret('env:A', { env: { A: 'from-env' } });
  await resolveSecret('exec:printf from-; cat < /dev/null; printf exec');
  expect(redact('from-a-file, from-env, from-exec')).toBe('***, ***, ***');
});
