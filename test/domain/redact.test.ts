import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { asRefillError, RefillError } from '../../src/domain/errors.ts';
import { forgetSecrets, redact, registerSecret } from '../../src/domain/redact.ts';

afterEach(() => forgetSecrets());

describe('redact', () => {
  test('leaves a text alone when nothing is registered', () => {
    expect(redact('password=hunter2')).toBe('password=hunter2');
  });

  test.each([
    ['as it is, and again', 'a p@ss/w ord! b p@ss/w ord! c', 'a *** b *** c'],
    ['in an address', `http://me:${encodeURIComponent('p@ss/w ord!')}@host/`, 'http://me:***@host/'],
    ['in an address with small hex digits', 'http://me:p%40ss%2fw%20ord!@host/', 'http://me:***@host/'],
    ['in a form', `a=${new URLSearchParams({ p: 'p@ss/w ord!' }).toString()}&b`, 'a=p=***&b'],
    ['on several lines', 'a\np@ss/w ord!\nb', 'a\n***\nb'],
    ['more than once in a row', 'p@ss/w ord!p@ss/w ord!', '******'],
  ])('%s', (_name, text, redacted) => {
    registerSecret('p@ss/w ord!');
    expect(redact(text)).toBe(redacted);
  });

  test('in an address made by URL', () => {
    registerSecret('p@ss:w/ord');
    const url = new URL('http://host/');
    url.password = 'p@ss:w/ord';
    expect(redact(url.href)).toBe('http://:***@host/');
  });

  test('in JSON, and in JSON in JSON', () => {
    const secret = 'pa"ss\\wo\nrd';
    registerSecret(secret);
    expect(redact(JSON.stringify({ secret }))).toBe('{"secret":"***"}');
    expect(redact(JSON.stringify({ a: JSON.stringify({ secret }) }))).not.toContain('wo');
  });

  test('in SQL', () => {
    registerSecret(`pa'ss`);
    expect(redact(`ALTER USER a PASSWORD 'pa''ss'`)).toBe(`ALTER USER a PASSWORD '***'`);
    expect(redact(`IDENTIFIED BY 'pa\\'ss'`)).toBe(`IDENTIFIED BY '***'`);
  });

  test.each([
    [['abcd', 'abcdefgh', 'efghijkl']],
    [['efghijkl', 'abcdefgh', 'abcd']],
    [['abcdefgh', 'abcd', 'efghijkl']],
    [['abcdefghijkl', 'bcde', 'abcd', 'abcdefgh']],
  ])('secrets that contain each other, or share an end: %j', (secrets) => {
    for (const secret of secrets) registerSecret(secret);
    expect(redact('1 abcd 2 abcdefgh 3').replace(/\*+/gu, '***')).toBe('1 *** 2 *** 3');
    const rest = redact('<abcdefghijkl>');
    expect(rest.replace(/\*+/gu, '***')).toBe('<***>');
  });

  test('one of three characters is not looked for, one of four is', () => {
    registerSecret('abc');
    registerSecret('abcd');
    registerSecret('');
    expect(redact('abc abcd')).toBe('abc ***');
  });

  test('characters that mean something in a pattern, and half a character', () => {
    registerSecret('a.*$&');
    registerSecret('\ud800abcd');
    expect(redact('abcd$& a.*$& \ud800abcd')).toBe('abcd$& *** ***');
  });

  test('whatever the secrets and wherever they stand, none is left, and the rest is', () => {
    const secret = fc.string({
      minLength: 4,
      maxLength: 12,
      unit: fc.constantFrom('a', 'b', '"', "'", '\\', '%', '/', ' ', 'é'),
    });
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(3), { maxLength: 6 }),
        (secrets, order) => {
          forgetSecrets();
          for (const value of secrets) registerSecret(value);
          // Separators are of characters that no secret has, so that only whole secrets can be found.
          const text = order.map((index) => `<${secrets[index % secrets.length] ?? ''}>`).join('-');
          const redacted = redact(text);
          for (const value of secrets) expect(redacted).not.toContain(value);
          expect(redacted).toBe(order.map(() => '<***>').join('-'));
        },
      ),
    );
  });
});

test('an error is kept, sent and printed without a secret, whoever has quoted it', () => {
  registerSecret('p@ss/w ord!');
  const error = new RefillError('BUG', 'the server says: p@ss/w ord! is wrong', {
    hint: 'try another than p@ss/w ord!',
    details: { url: 'http://me:p%40ss%2Fw%20ord!@host/', deep: [{ text: 'p@ss/w ord!' }, 7, null], shard: 1 },
  });
  expect(error.toJSON()).toMatchObject({
    message: 'the server says: *** is wrong',
    hint: 'try another than ***',
    details: { url: 'http://me:***@host/', deep: [{ text: '***' }, 7, null], shard: 1 },
  });
  expect(asRefillError(new Error('p@ss/w ord!')).message).toBe('***');
});
