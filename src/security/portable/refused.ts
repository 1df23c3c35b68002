/**
 * Something that came from outside does not hold: a key, a seal, a token, a signature. Nothing was done with it.
 * `hint` is for people: what to do now.
 */
export class Refused extends Error {
  readonly hint: string
  constructor(why: string, hint: string) {
    super(why)
    this.name = "Refused"
    this.hint = hint
  }
}
