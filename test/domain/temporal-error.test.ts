import { expect, test } from 'vitest';
import { temporalError } from '../../src/domain/temporal-error.ts';

const server = { address: 'temporal.internal:7233', namespace: 'default' };
/** As the SDK throws: what gRPC says is the cause of an error of its own. */
const thrown = (code: number, message: string) =>
  new Error('Failed to start Workflow', { cause: Object.assign(new Error(message), { code }) });

test.each([
  [4, 'TEMPORAL_UNREACHABLE'],
  [8, 'TEMPORAL_UNREACHABLE'],
  [14, 'TEMPORAL_UNREACHABLE'],
  [3, 'TEMPORAL_FAILED'],
  [7, 'TEMPORAL_FAILED'],
] as const)('gRPC’s %i is %s', (code, ours) => {
  expect(temporalError(thrown(code, 'said so'), server)).toMatchObject({ code: ours });
});

test('what has no code is no server that is away, unless it says so', () => {
  expect(temporalError(new Error('cannot read the payload'), server)).toMatchObject({ code: 'TEMPORAL_FAILED' });
  expect(temporalError(new Error('Failed to connect before the deadline'), server).code).toBe('TEMPORAL_UNREACHABLE');
});
