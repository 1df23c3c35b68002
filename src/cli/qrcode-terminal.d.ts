declare module "qrcode-terminal" {
  const terminal: {
    readonly generate: (text: string, options: { readonly small: boolean }, done: (picture: string) => void) => void
  }
  export default terminal
}
