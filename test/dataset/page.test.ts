import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { directory } from '../config/fixture.ts';
import orders from './orders.ts';
import { blocks } from './page.ts';

test('the page shows the dataset that the tests run, and it loads as the page says', async () => {
  const file = await readFile(new URL('orders.ts', import.meta.url), 'utf8');
  const page = blocks('ts').join('\n');
  expect(page).toBe(file.replaceAll('../../src/index.ts', 'refill'));

  const [yaml = ''] = blocks('yaml');
  const path = await directory({ 'orders.ts': page, 'refill.config.yaml': yaml });
  const { config } = await loadConfig({ file: join(path, 'refill.config.yaml') });
  expect(config.datasets).toEqual([orders]);
});
