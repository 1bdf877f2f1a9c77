import { CommanderError } from '@commander-js/extra-typings';
import { afterEach, describe, expect, it } from 'vitest';

import { printFailure, usageError } from '../../src/cli/failure.ts';
import { forgetSecrets, registerSecret } from '../../src/domain/redact.ts';
import { CATALOGUE } from '../../src/domain/catalogue.ts';
import { RefillError } from '../../src/domain/errors.ts';
import { recordingCli } from './place.ts';

afterEach(forgetSecrets);

describe('printFailure', () => {
  it('says what happened and what to do, and returns the status', () => {
    const { cli, out, err } = recordingCli();
    const error = new RefillError('PG_AUTH', 'user app is refused', { details: { host: 'db' } });
    expect(printFailure(cli, error, false)).toBe(4);
    expect(err()).toBe(`error PG_AUTH: user app is refused\n  → ${CATALOGUE.PG_AUTH.hint}\n`);
    expect(out()).toBe('');
  });

  it('prints one object for programs, too', () => {
    const { cli, out } = recordingCli();
    printFailure(cli, new RefillError('RUN_BUSY', 'busy', { hint: 'wait', details: { pid: 7 } }), true);
    expect(JSON.parse(out())).toEqual({
      type: 'error',
      code: 'RUN_BUSY',
      message: 'busy',
      source: 'run',
      action: 'refuse',
      hint: 'wait',
      details: { pid: 7 },
    });
  });

  it('never prints a secret, and keeps JSON JSON', () => {
    registerSecret('12345');
    const { cli, out, err } = recordingCli({ env: { REFILL_TRACE: '1' } });
    printFailure(cli, new RefillError('BUG', 'password 12345', { details: { rows: 12345, text: 'a 12345 b' } }), true);
    expect(err()).not.toContain('12345');
    expect(JSON.parse(out())).toMatchObject({ message: 'password ***', details: { rows: 12345, text: 'a *** b' } });
  });

  it('lets a message neither move the cursor nor forge a line', () => {
    const { cli, err } = recordingCli();
    printFailure(cli, new RefillError('USAGE', 'a\u001b[2Jb', { hint: 'c\nd' }), false);
    expect(err()).toBe('error USAGE: a\\u001b[2Jb\n  → c\\nd\n');
  });

  it('keeps the stack to itself unless REFILL_TRACE is set, and a cause’s words where they could quote a row', () => {
    const cause = new Error('row (1, "secret comment")');
    const quiet = recordingCli();
    printFailure(quiet.cli, new RefillError('CH_VALUE', 'bad value', { cause }), false);
    expect(quiet.err()).not.toContain('    at ');
    const traced = recordingCli({ env: { REFILL_TRACE: '1' } });
    printFailure(traced.cli, new RefillError('CH_VALUE', 'bad value', { cause }), false);
    expect(traced.err()).toContain('    at ');
    expect(traced.err()).not.toContain('secret comment');
  });

  it('calls what nobody expected a bug', () => {
    const { cli, err } = recordingCli();
    expect(printFailure(cli, new TypeError('x is not a function'), false)).toBe(4);
    expect(err()).toContain('error BUG: x is not a function');
  });
});

describe('usageError', () => {
  it('turns a suggestion into the hint', () => {
    const error = new CommanderError(
      1,
      'commander.unknownOption',
      "error: unknown option '--jsn'\n(Did you mean --json?)",
    );
    expect(usageError(error, 'refill plan')).toMatchObject({
      code: 'USAGE',
      message: "unknown option '--jsn'",
      hint: 'Did you mean --json? See `refill plan --help`.',
    });
  });
});
