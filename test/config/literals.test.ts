import { describe, expect, test } from 'vitest';
import { CONTRACT, errorOf, everythingIn, load, loadYaml, problemsIn } from './fixture.ts';

/** A password that is in no other text. */
const SECRET = 'hunter2';

describe('a password in clear is refused, and not repeated anywhere', () => {
  const at = (key: string, value: string): string => CONTRACT.replace(`env:${key}`, value);

  const scorer = (url: string): string => `scorers: { good: { url: "${url}" } }\n`;

  test.each([
    ['a word', at('LEDGER_PASSWORD', SECRET), 'ledger.password'],
    ['in quotes', at('PG_PASSWORD', `"${SECRET} and more"`), 'clusters.east.postgres.password'],
    ['of ClickHouse', at('CH_PASSWORD', SECRET), 'clusters.east.clickhouse.password'],
    ['of another scheme', at('PG_PASSWORD', `vault:${SECRET}`), 'clusters.east.postgres.password'],
    ['a scheme in capitals', at('PG_PASSWORD', `ENV:${SECRET}`), 'clusters.east.postgres.password'],
    ['printed by echo', at('PG_PASSWORD', `"exec:echo ${SECRET}"`), 'clusters.east.postgres.password'],
    [
      'in ClickHouse’s address',
      CONTRACT.replace('http://', `http://me:${SECRET}@`),
      'clusters.east.clickhouse.urls[0]',
    ],
    [
      'in an address without a scheme',
      CONTRACT.replace('http://', `me:${SECRET}@`),
      'clusters.east.clickhouse.urls[0]',
    ],
    [
      'that has a slash, in an address',
      CONTRACT.replace('http://', `http://me:/${SECRET}@`),
      'clusters.east.clickhouse.urls[0]',
    ],
    [
      'in an address’s query',
      CONTRACT.replace(':8123', `:8123/?user=a&password=${SECRET}`),
      'clusters.east.clickhouse.urls[0]',
    ],
    [
      'in an address’s query, in code',
      CONTRACT.replace(':8123', `:8123/?pass%77ord=${SECRET}`),
      'clusters.east.clickhouse.urls[0]',
    ],
    [
      'in an address’s fragment',
      CONTRACT.replace(':8123', `:8123/#password=${SECRET}`),
      'clusters.east.clickhouse.urls[0]',
    ],
    ['in a scorer’s address', `${CONTRACT}${scorer(`https://me:${SECRET}@scorer/judge`)}`, 'scorers.good.url'],
    ['in a scorer’s query', `${CONTRACT}${scorer(`https://scorer/judge?api_key=${SECRET}`)}`, 'scorers.good.url'],
    [
      'as a scorer’s token',
      `${CONTRACT}${scorer(`https://scorer/judge?a=b&access_token=${SECRET}`)}`,
      'scorers.good.url',
    ],
    [
      'in Temporal’s address',
      `${CONTRACT}temporal: { address: "https://me:${SECRET}@temporal:7233" }\n`,
      'temporal.address',
    ],
    ['in Temporal’s query', `${CONTRACT}temporal: { address: "temporal:7233?token=${SECRET}" }\n`, 'temporal.address'],
    ['in Postgres’s host', CONTRACT.replace('127.0.0.1', `"postgres://a:${SECRET}@pg/db"`), 'ledger.host'],
  ])('%s', async (_name, text, path) => {
    expect(text).toContain(SECRET);
    const error = await errorOf(loadYaml(text));
    expect(error.code).toBe('CONFIG_SECRET_LITERAL');
    expect(problemsIn(error).map((problem) => problem.path)).toEqual([path]);
    expect(error.message).toContain('env:NAME, file:PATH or exec:COMMAND');
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  test.each(['48151623', 'true', '4815.1623'])('one that YAML does not take for a text: %s', async (value) => {
    const error = await errorOf(loadYaml(at('PG_PASSWORD', value)));
    expect(error.code).toBe('CONFIG_SECRET_LITERAL');
    expect(everythingIn(error)).not.toContain(`${value} `);
    expect(error.message).not.toContain('4815');
  });

  test('beside other problems: all are listed, and the code is that of the password', async () => {
    const error = await errorOf(loadYaml(at('PG_PASSWORD', SECRET).replace('[scorecards]', '[]')));
    expect(error.code).toBe('CONFIG_SECRET_LITERAL');
    expect(problemsIn(error)).toHaveLength(2);
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  test.each([
    ['under a misspelt key', CONTRACT.replace('password: env:PG_PASSWORD', `passwrod: ${SECRET}`)],
    ['without a space after the colon', CONTRACT.replace('password: env:PG_PASSWORD', `password:${SECRET}`)],
    ['with an equals sign', CONTRACT.replace('password: env:PG_PASSWORD', `password=${SECRET}`)],
    ['as a port', CONTRACT.replace('5432', SECRET)],
    ['as a word', CONTRACT.replace('user: app', `user: app, tls: ${SECRET}`)],
    ['as a dataset', CONTRACT.replace('[scorecards]', `["${SECRET}"]`)],
    ['as all there is', SECRET],
    ['as a map', CONTRACT.replace('env:PG_PASSWORD', `{ env: ${SECRET} }`)],
    ['as a variable’s name', CONTRACT.replace('env:PG_PASSWORD', `env:${SECRET}!`)],
    ['beginning with *', CONTRACT.replace('env:PG_PASSWORD', `*${SECRET}`)],
    ['beginning with !', CONTRACT.replace('env:PG_PASSWORD', `!${SECRET}`)],
    ['beginning with @', CONTRACT.replace('env:PG_PASSWORD', `@${SECRET}`)],
    ['beginning with %', `password: %${SECRET}`],
    ['beginning with |', `password: |${SECRET}`],
    ['beginning with &', `password: &${SECRET} &b`],
    ['beginning with `', `password: \`${SECRET}`],
    ['with a bad escape', `password: "\\${SECRET}"`],
    ['in quotes that stay open', `password: "${SECRET}`],
    ['followed by another quote', `password: "a"${SECRET}`],
    ['with a colon', `password: ${SECRET}: b`],
    ['on a line with a tab', `a:\n\tpassword: ${SECRET}`],
    ['on a line without a space', `a:\n  password:${SECRET}\n  b: 1`],
  ])('a wrong file does not quote what could be one: %s', async (_name, text) => {
    expect(text).toContain(SECRET);
    const error = await errorOf(loadYaml(text));
    expect(['CONFIG_INVALID', 'CONFIG_SECRET_LITERAL']).toContain(error.code);
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  test.each([
    ['a literal', `export default { ledger: { password: '${SECRET}' } };`],
    ['a syntax error beside it', `const password = '${SECRET}' +;\nexport default {};`],
    ['an open text', `const password = '${SECRET};\nexport default {};`],
    ['a name twice', `const ${SECRET} = 1;\nconst ${SECRET} = 2;\nexport default {};`],
    ['JSON that is none', `export default JSON.parse('${SECRET}');`],
    ['an address that is thrown', `throw new Error('cannot reach http://me:${SECRET}@pg/');`],
    ['something thrown that is no Error', `throw { password: '${SECRET}' };`],
    [
      'top-level await',
      `const password = await Promise.resolve('${SECRET}');\nthrow new Error(String(password.length));`,
    ],
    ['an error’s further lines', `throw new Error('first\\n${SECRET}');`],
    ['a cause', `throw new Error('outer', { cause: new Error('${SECRET}') });`],
  ])('in TypeScript: %s', async (_name, text) => {
    expect(text).toContain(SECRET);
    const error = await errorOf(load({ 'refill.config.ts': text }));
    expect(['CONFIG_INVALID', 'CONFIG_SECRET_LITERAL']).toContain(error.code);
    expect(everythingIn(error)).not.toContain(SECRET);
  });
});
