// Goal: an operator sees in a browser how it goes, who is in step and who not, and shuts a device out.
// Method: headless Chromium on a real hosted backend with one paired local; the page is watched for errors and requests to anybody else, axe looks at every screen.
import { hostedWebApp } from "../support/suites/hostedWebApp.ts"

hostedWebApp("chromium")
