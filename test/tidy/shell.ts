/** Commands as a shell would read them out of a text, as far as documents write shell: no expansion, no control flow. */

/** The words of one command, without assignments in front and redirections. */
export type Words = ReadonlyArray<string>

const token = /\\\n|(?<comment>(?<![^\s;(])#[^\n]*)|(?<break>&&|\|\||\$\(|[\n;|()])|(?<space>[^\S\n]+)|(?<redirect>\d?[<>]+&?)|'(?<single>[^']*)'|"(?<double>(?:\\.|[^"\\])*)"|\\(?<escaped>.)|(?<plain>[^\s;|()<>'"\\&]+|&)/g

/** Every simple command of a script, in order. */
export const commandsOf = (script: string): ReadonlyArray<Words> => {
  const commands: Array<ReadonlyArray<string>> = []
  let words: Array<string> = []
  let word: string | undefined
  const endWord = () => {
    if (word !== undefined) words.push(word)
    word = undefined
  }
  const endCommand = () => {
    endWord()
    commands.push(words)
    words = []
  }
  for (const { groups = {} } of script.matchAll(token)) {
    const text = groups["single"] ?? groups["double"]?.replace(/\\(.)/g, "$1") ?? groups["escaped"] ?? groups["plain"]
    if (text !== undefined) word = (word ?? "") + text
    else if (groups["break"] !== undefined) endCommand()
    else if (groups["redirect"] !== undefined) {
      endWord()
      words.push(">")
    } else endWord()
  }
  endCommand()
  return commands.map(bare).filter((command) => command.length > 0)
}

/** Without `NAME=value` in front, and without `> file`. */
const bare = (words: Words): Words => {
  const kept = words.filter((word, at) => word !== ">" && words[at - 1] !== ">")
  const first = kept.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word) && word !== "export")
  return first === -1 ? [] : kept.slice(first)
}
