import { z } from 'zod';
import { EXECUTORS } from '../domain/executor.ts';
import { oneOf, reference, strict, words } from './fields.ts';

const ADDRESS = 'a server as host:port, such as temporal.internal:7233';

/** Where runs are executed. */
export const executorSchema = oneOf(EXECUTORS).describe(
  'What does the steps of a run: `local`, the program that begins it, or `temporal`, workers of a Temporal server.',
);

export const temporalSchema = strict({
  address: words(ADDRESS)
    .regex(/^[^\s/@:]+:\d{1,5}$/u, { error: `expected ${ADDRESS}` })
    .describe('The Temporal server’s frontend, as host:port.'),
  namespace: words('a namespace’s name').default('default').describe('The namespace in which workflows are started.'),
  tls: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Whether the connection is encrypted, with the system’s certificates.'),
  apiKey: reference().exactOptional().describe('The API key’s reference: env:NAME, file:PATH or exec:COMMAND.'),
  taskQueue: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/u, { error: 'expected a name of letters, digits, `_`, `-` and `.`' })
    .default('refill')
    .describe('Beginning of the task queues’ names: `refill` for fleets, `refill-<cluster>` for a cluster.'),
  codec: words('the path of a module that exports payload codecs')
    .exactOptional()
    .describe('Module whose default export is a list of payload codecs: for those who encrypt payloads.'),
}).describe('The Temporal server whose workers do the steps of runs.');
