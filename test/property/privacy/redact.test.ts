// Goal: what redaction hides and leaves, whatever the spelling; hiding twice changes nothing.
// Method: tables of texts, then random joins of fragments and separators from a printed seed, and all naughty characters.
import { assert, describe, it } from "@effect/vitest"
import { placeholders } from "../../../src/privacy/kinds.ts"
import { redact } from "../../../src/privacy/redact.ts"
import { separators, textOf } from "./texts.ts"

/** Texts and what leaves. `<E>`, `<P>`, `<S>`, `<C>` stand for the placeholders. */
const short = (text: string): string =>
  text.replaceAll(placeholders.EMAIL, "<E>").replaceAll(placeholders.PHONE, "<P>").replaceAll(placeholders.SSN, "<S>").replaceAll(placeholders.CREDIT_CARD, "<C>")

const leaves = (rows: ReadonlyArray<readonly [string, string]>, defaultRegion?: string): void => {
  for (const [text, expected] of rows) assert.strictEqual(short(redact(text, { defaultRegion }).text), expected, text)
}
const untouched = (texts: ReadonlyArray<string>, defaultRegion?: string): void => leaves(texts.map((text) => [text, text]), defaultRegion)

describe("e-mail", () => {
  it("is found in every spelling", () =>
    leaves([
      ["write to john.o'hara+tag@mail.example.co.uk, please", "write to <E>, please"],
      ["a@b.co,b@c.io;c@d.net", "<E>,<E>;<E>"],
      ["mailto:john@example.com?x=1", "mailto:<E>?x=1"],
      ["\"john doe\"@example.com", "<E>"],
      ["a+b@[192.168.1.1]", "<E>"],
      ["hans.m端ller@test.com", "<E>"],
      ["联系xiaoming@example.cn", "联系<E>"],
      ["用户@例子.广告", "<E>"],
      ["user@xn--80ak6aa92e.xn--p1ai", "<E>"],
      ["john (at) example [dot] com", "<E>"],
      ["john[at]example.com and jane{at}example{dot}org", "<E> and <E>"],
      ["JOHN DOT DOE AT GMAIL DOT COM", "<E>"],
      ["My email is john at gmail.com", "My email is <E>"],
      ["my e-mail: john at corp.example", "my e-mail: <E>"],
      ["ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "<E>"],
      ["jo\u200bhn@exam\u00adple.com", "<E>"],
      ["𝐣𝐨𝐡𝐧@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦 😀", "<E> 😀"],
      ["https://x.io/?email=john%40example.com&p=1", "https://x.io/?email=<E>&p=1"],
      ["john&#64;example.com", "<E>"],
      ["```\nemail = 'dev@example.com'\n```", "```\nemail = '<E>'\n```"],
      ["john@acme.com123-45-6789", "<E><S>"]
    ]))
  it("is not every sign", () =>
    untouched([
      "not-an-email@", "@alone", "john@gmail", "john@@gmail.com", "foo@1.2.3", "@scope/pkg@latest", "z@co.c", "icon@2x.png",
      "getty@tty1.service", "git@github.com:owner/name.git", "y = w@x.transpose()", "look at node.js and at github.com",
      "we met at the dot com bar", "const EMAIL = /[a-z]+@[a-z]+/;", "https://example.com/@user/profile"
    ]))
})

describe("payment card", () => {
  it("is found in every spelling", () =>
    leaves([
      ["Card 4111111111111111 approved", "Card <C> approved"],
      ["4111 1111 1111 1111 12/27 123", "<C> 12/27 123"],
      ["4111-1111-1111-1111", "<C>"],
      ["3400-000000-00009", "<C>"],
      ["3782 822463 10005", "<C>"],
      ["4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "<C>"],
      ["４１１１　１１１１　１１１１　１１１１", "<C>"],
      ["٤١١١١١١١١١١١١١١١", "<C>"],
      ["4111\u200b1111\u200b1111\u200b1111", "<C>"],
      ["4️⃣111111111111111", "<C>"],
      ["卡号4111111111111111。", "卡号<C>。"],
      ["const card = `4111111111111111`", "const card = `<C>`"],
      ["order #4111111111111111", "order #<C>"]
    ]))
  it("needs a right check digit, an issuer and its own digits", () =>
    untouched([
      "4111111111111112", "1234567890123456", "1755099880123", "411111111111111", "41111111111111111", "prefix6234917882863855",
      "6234917882863855suffix", "375556917985515999999993", "DE44 5001 0517 5407 3249 31", "GB29NWBK60161331926819",
      "550e8400-e29b-41d4-a716-446655440000", "978-3-16-148410-0"
    ]))
})

describe("social security number", () => {
  it("is found by its form, issued or not", () =>
    leaves([
      ["SSN:123-45-6789;DOB:1990-01-01", "SSN:<S>;DOB:1990-01-01"],
      ["000-00-0000 and 666-12-9999", "<S> and <S>"],
      ["109.99.6000", "<S>"],
      ["it is 123 45 6789.", "it is <S>."],
      ["Legacy value 123456789 appears", "Legacy value <S> appears"],
      ["078-051121 07805-1121", "<S>"],
      ["１２３–４５–６７８９", "<S>"],
      ["SSN123-45-6789", "SSN<S>"],
      ["`ssn = \"333-44-5555\"`", "`ssn = \"<S>\"`"]
    ]))
  it("is not part of a longer number", () =>
    untouched([
      "123-45-67890", "1-123-45-6789", "123-45-678", "12 123 45 6789 12", "94105-1234", "02540-4119", "sdb: 234441648 512-byte blocks",
      "-rw 123456789 2011-08-31 23:53", "order id 123456789", "c = 299792458 m/s", "https://x.io/t/123456789", "$123456789", "693-09.4444"
    ]))
})

describe("telephone number", () => {
  it("is found with its country", () =>
    leaves([
      ["+1 415 555 0132", "<P>"],
      ["(+44) 20 7946 0958", "<P>"],
      ["+(44) 20 7946 0958", "<P>"],
      ["+41 (0)69 979 80 58-Fax", "<P>-Fax"],
      ["+30 21 0 1234567", "<P>"],
      ["+1 415 555 0132 2026", "<P> 2026"],
      ["tel:+15551234567", "tel:<P>"],
      ["001-518-640-0854 mobile", "<P> mobile"],
      ["＋４９ ３０ １２３４５６７", "<P>"],
      ["+٤٩ ٣٠ ١٢٣٤٥٦٧", "<P>"]
    ]))
  it("is found as North America writes it", () =>
    leaves([
      ["(555) 123-4567, 555.123.4567, 1-555-123-4567, 312 515-2239", "<P>, <P>, <P>, <P>"],
      ["at 555 123 4567.", "at <P>."],
      ["523-222-8888EXT623, (523)222-8888 x 623", "<P>, <P>"],
      ["555–123–4567 or 555 - 123 - 4567", "<P> or <P>"],
      ["5551234567", "<P>"]
    ]))
  it("is found where the words around it say so", () =>
    leaves([
      ["Phone:\n467 3395\n\nE-mail", "Phone:\n<P>\n\nE-mail"],
      ["781 1704 office\n", "<P> office\n"],
      ["Desk: 5403926876", "Desk: <P>"],
      ["Can someone call me on 450 0840?", "Can someone call me on <P>?"],
      ["{\"homePhone\":\"4673395\"}", "{\"homePhone\":\"<P>\"}"],
      ["telefon: 030/1234567", "telefon: <P>"],
      ["我的电话是13812345678谢谢", "我的电话是<P>谢谢"],
      ["a trunk zero: 0494 92 82 32 or 01.84.17.61.18", "a trunk zero: <P> or <P>"]
    ]))
  it("is read by the rules of the region given", () => {
    leaves([["ruf an: 030 1234567", "ruf an: <P>"], ["es ist 03012345678", "es ist <P>"]], "DE")
    untouched(["es ist 03012345678"])
  })
  it("is not every number", () =>
    untouched([
      "\"time\": 1755099880", "1755099880123", "id 5551234567", "call id 1755099880", "deadbeef5551234567", "0x7f00ff00",
      "GB93PITW55383148579181", "v2026.2.9", "2.6.10-5-386", "2026-11-22 10:00", "31/8/2011", "20120102 08:00", "192.168.100.200",
      "call 192.168.100.200", "Phone: 2026-11-22", "978-3-16-148410-0", "555-123-4567-A", "+1755099880", "+4294967295", "googleearth_4.3.7284.3916+0.5.4-1",
      "at 17151 2450 Crown St", "ZIP 94105-1234", "my driver's license number is 5130634", "$8005552222", "http://paste.ubuntu.com/23652816/",
      "00:1A:2B:3C:4D:5E", "fe80::204:61ff:fe9d:f156", "1280x1024"
    ]))
})

describe("redact", () => {
  it("returns the very text when there is nothing to hide", () => {
    for (const text of ["", "hello", "what is 2 + 2?", "Grüße, 東京 😀", "x".repeat(10_000)]) {
      const redacted = redact(text)
      assert.strictEqual(redacted.text, text)
      assert.strictEqual(redacted.spans.length, 0)
    }
  })
  it("reports spans in units of the given text", () => {
    const text = "😀 ｊ\u200bohn@example.com 😀 𝟓𝟓𝟓-123-4567 😀"
    const { spans } = redact(text)
    assert.deepStrictEqual(spans.map((span) => [span.kind, text.slice(span.start, span.end)]), [["EMAIL", "ｊ\u200bohn@example.com"], ["PHONE", "𝟓𝟓𝟓-123-4567"]])
  })
  it.each([1, 2, 3, 4, 5])("hides everything in one pass and keeps what is between (seed %i)", (seed) => {
    let hidden = 0
    for (let round = 0; round < 12_000; round++) {
      const text = textOf(seed * 100_003 + round)
      for (const defaultRegion of [undefined, "DE", "US"]) {
        const once = redact(text, { defaultRegion })
        assert.strictEqual(redact(once.text, { defaultRegion }).text, once.text, JSON.stringify(text))
        assert.isTrue(once.text.isWellFormed() === text.isWellFormed(), JSON.stringify(text))
        let position = 0
        let rebuilt = ""
        for (const span of once.spans) {
          assert.isTrue(span.start >= position && span.end > span.start && span.end <= text.length, JSON.stringify(text))
          rebuilt += text.slice(position, span.start) + placeholders[span.kind]
          position = span.end
        }
        assert.strictEqual(rebuilt + text.slice(position), once.text)
        hidden += once.spans.length
      }
    }
    assert.isAbove(hidden, 10_000)
  })
  it("finds a planted card, number and address beside any separator", () => {
    let seen = 0
    for (const before of separators) {
      for (const after of separators) {
        for (const planted of ["4111 1111 1111 1111", "123-45-6789", "(555) 123-4567", "john.doe@example.com"]) {
          // letters that touch make an identifier of a number
          if (/^\w?$/.test(before) || /^\w?$/.test(after)) continue
          const text = `so${before}${planted}${after}and`
          seen++
          assert.notInclude(redact(text).text, planted, JSON.stringify(text))
        }
      }
    }
    assert.isAbove(seen, 500)
  })
})
