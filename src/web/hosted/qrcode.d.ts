declare module "qrcode-terminal/vendor/QRCode/index.js" {
  /** `typeNumber` below 1: as large as the text needs. `level` 1: low error correction. */
  export default class QRCode {
    constructor(typeNumber: number, level: number)
    addData(text: string): void
    make(): void
    getModuleCount(): number
    isDark(row: number, column: number): boolean
  }
}
