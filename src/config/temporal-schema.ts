import { z } from 'zod';
import { EXECUTORS } from '../domain/executor.ts';
import { expected, hostAndPort, oneOf, reference, strict, words } from './fields.ts';

const ADDRESS = 'a server as host:port, such as temporal.internal:7233';

/** Where runs are executed. */
export const executorSchema = oneOf(EXECUTORS).describe(
  'What does the steps of a run: `local`, the program that begins it, or `temporal`, workers of a Temporal server.',
);

const ownCertificates = strict(
  {
    ca: reference().exactOptional().describe('Certificate of who has signed the server’s, as PEM.'),
    certificate: reference().exactOptional().describe('This client’s certificate, as PEM.'),
    key: reference().exactOptional().describe('The key of `certificate`, as PEM.'),
    serverName: words('a server’s name')
      .exactOptional()
      .describe('The name in the server’s certificate; default: that of the address.'),
  },
  'true, false, or a map',
).refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
  error: '`certificate` and `key` belong together',
});

const tlsSchema = z
  .union([z.boolean(), ownCertificates], {
    error: expected('true, false, or a map with ca, certificate, key, serverName'),
  })
  .describe(
    'Whether the connection is encrypted, by the system’s certificates or by your own: `ca`, `certificate` and `key`, each as env:NAME, file:PATH or exec:COMMAND, and `serverName`. Default: true with an API key, else false.',
  );

/** How a Temporal server is reached: Refill's own, and those of re-indexers. */
export const connectionFields = {
  address: hostAndPort(ADDRESS).describe('The Temporal server’s frontend, as host:port.'),
  namespace: words('a namespace’s name').default('default').describe('The namespace in which workflows are started.'),
  tls: tlsSchema.exactOptional(),
  apiKey: reference().exactOptional().describe('The API key’s reference: env:NAME, file:PATH or exec:COMMAND.'),
  codec: words('the path of a module that exports payload codecs')
    .exactOptional()
    .describe('Module whose default export is a list of payload codecs: for those who encrypt payloads.'),
};

export const temporalSchema = strict({
  ...connectionFields,
  taskQueue: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/u, { error: 'expected a name of letters, digits, `_`, `-` and `.`' })
    .default('refill')
    .describe('Beginning of the task queues’ names: `refill` for fleets, `refill-<cluster>` for a cluster.'),
}).describe('The Temporal server whose workers do the steps of runs.');
