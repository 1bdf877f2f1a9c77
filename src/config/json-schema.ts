import { z } from 'zod';
import { yamlConfigSchema } from './schema.ts';

/**
 * The JSON Schema of the YAML form, by which editors complete and check a configuration while it is written. Draft 7,
 * which the YAML language server reads in full.
 */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(yamlConfigSchema, { io: 'input', target: 'draft-7' });
  return {
    $schema,
    title: 'Refill configuration',
    description: 'refill.config.yaml; see docs/configuration.md.',
    ...schema,
  };
}

/** The text of `config.schema.json`. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}
