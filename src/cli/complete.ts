import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';

/** Shells that completion can be printed for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

interface Choice {
  readonly word: string;
  readonly what: string;
}

interface Verb {
  readonly name: string;
  readonly what: string;
  readonly options: readonly Choice[];
  /** Words that can stand for the command's own arguments. */
  readonly words: readonly string[];
  /** Words that can follow an option. */
  readonly values: readonly { readonly option: string; readonly words: readonly string[] }[];
  /** Options that a file or directory follows. */
  readonly files: readonly string[];
}

function flag(option: Option): string {
  return option.long ?? option.short ?? '';
}

function verb(command: CommandUnknownOpts): Verb {
  const options = command.options.filter((option) => !option.hidden);
  return {
    name: command.name(),
    what: command.summary(),
    options: [...options.map((option) => ({ word: flag(option), what: option.description })), HELP],
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    values: options.flatMap((option) =>
      option.argChoices === undefined ? [] : [{ option: flag(option), words: option.argChoices }],
    ),
    files: options.filter((option) => /<(file|directory)>/u.test(option.flags)).map(flag),
  };
}

const HELP: Choice = { word: '--help', what: 'display help for command' };

/** Text in single quotes of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function bash(program: string, verbs: readonly Verb[]): string {
  const cases = verbs.map((one) => {
    const after = one.values.map(
      ({ option, words }) =>
        `        ${option}) COMPREPLY=($(compgen -W ${quoted(words.join(' '))} -- "$word")); return ;;`,
    );
    const files = one.files.map((option) => `        ${option}) COMPREPLY=($(compgen -f -- "$word")); return ;;`);
    const previous =
      after.length + files.length === 0 ? [] : ['      case "$previous" in', ...after, ...files, '      esac'];
    const words = [...one.words, ...one.options.map(({ word }) => word)].join(' ');
    return [`    ${one.name})`, ...previous, `      COMPREPLY=($(compgen -W ${quoted(words)} -- "$word")) ;;`].join(
      '\n',
    );
  });
  return `# ${program}: completion for bash. Load it with: source <(${program} completion bash)
_${program}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quoted([...verbs.map(({ name }) => name), '--help', '--version'].join(' '))} -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
}
complete -F _${program} ${program}
`;
}

function zsh(program: string, verbs: readonly Verb[]): string {
  // In a specification of _arguments, brackets and colons have a meaning.
  const plain = (text: string) => text.replace(/[[\]:]/gu, String.raw`\$&`);
  const cases = verbs.map((one) => {
    const specs = one.options.map(({ word, what }) => {
      const values = one.values.find(({ option }) => option === word);
      const action =
        values === undefined ? (one.files.includes(word) ? ':file:_files' : '') : `:value:(${values.words.join(' ')})`;
      return quoted(`${word}[${plain(what)}]${action}`);
    });
    const words = one.words.length === 0 ? [] : [quoted(`1:word:(${one.words.join(' ')})`)];
    return `    ${one.name}) _arguments ${[...specs, ...words].join(' ')} ;;`;
  });
  const listed = verbs.map(({ name, what }) => `    ${quoted(`${name}:${what.replaceAll(':', String.raw`\:`)}`)}`);
  return `#compdef ${program}
# ${program}: completion for zsh. Load it with: source <(${program} completion zsh)
_${program}() {
  local -a commands=(
${listed.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_${program}" ]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fish(program: string, verbs: readonly Verb[]): string {
  const lines = verbs.flatMap((one) => {
    const within = `-n ${quoted(`__fish_seen_subcommand_from ${one.name}`)}`;
    return [
      `complete -c ${program} -f -n __fish_use_subcommand -a ${one.name} -d ${quoted(one.what)}`,
      ...one.words.map((word) => `complete -c ${program} -f ${within} -a ${word}`),
      ...one.options.map(({ word, what }) => {
        const values = one.values.find(({ option }) => option === word);
        const argument =
          values === undefined ? (one.files.includes(word) ? ' -rF' : '') : ` -xa ${quoted(values.words.join(' '))}`;
        return `complete -c ${program} ${within} -l ${word.replace(/^--/u, '')}${argument} -d ${quoted(what)}`;
      }),
    ];
  });
  return `# ${program}: completion for fish. Load it with: ${program} completion fish | source\n${lines.join('\n')}\n`;
}

const WRITERS = { bash, zsh, fish };

/** A completion script for a shell, made from the commands as they are. */
export function completionScript(program: CommandUnknownOpts, shell: Shell): string {
  return WRITERS[shell](program.name(), program.commands.map(verb));
}
