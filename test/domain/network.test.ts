import { expect, test } from 'vitest';
import { postgresError } from '../../src/source/errors.ts';
import { clickhouseError } from '../../src/target/errors.ts';

/** As Node throws: the code, and a text that says it too. */
const lost = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.5:5432`), { code });

// A run waits for a server that is away; any other answer ends it.
test.each(['ECONNREFUSED', 'ENETDOWN', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ERR_STREAM_DESTROYED'])(
  '%s is a server that is away, on both sides',
  (code) => {
    expect(clickhouseError(lost(code), 'here')).toMatchObject({ code: 'CH_UNREACHABLE', action: 'retry' });
    expect(postgresError(lost(code), 'here')).toMatchObject({ code: 'PG_UNREACHABLE', action: 'retry' });
  },
);
