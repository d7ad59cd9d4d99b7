// Reads an AsyncAPI document from standard input; prints what is wrong with it, and its version.
import { text } from "node:stream/consumers";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const problems = diagnostics.map((one) => `${one.path.join(".")}: ${one.message}`);
console.log(JSON.stringify({ version: document?.version() ?? null, problems }));
