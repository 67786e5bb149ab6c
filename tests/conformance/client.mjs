// A client made of Microsoft's own protocol library: it starts the server it is told to, goes through one editing session,
// and prints what it got as one JSON object. Knows the protocol; judges nothing: the test that starts it does.

import { spawn } from "node:child_process";
import protocol from "vscode-languageserver-protocol/node";

const uri = "file:///project/stack.py";
const line = 's = "😀é"; value = compute(';
const text = `def compute(x):\n    return x\n\n\n${line}\n`;

const [command, ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
const exited = new Promise((resolve) => server.on("exit", resolve));
const connection = protocol.createProtocolConnection(
  new protocol.StreamMessageReader(server.stdout),
  new protocol.StreamMessageWriter(server.stdin),
);
const messages = [];
connection.onNotification(protocol.ShowMessageNotification.type, (message) => messages.push(message.message));
connection.onUnhandledNotification((message) => messages.push(message.method));
connection.listen();

const ask = (position, context, token) =>
  connection.sendRequest(protocol.InlineCompletionRequest.type, { textDocument: { uri }, position, context }, token);
const { Invoked, Automatic } = protocol.InlineCompletionTriggerKind;

const result = { lineLength: line.length };
const initialized = await connection.sendRequest(protocol.InitializeRequest.type, {
  processId: process.pid,
  rootUri: null,
  capabilities: {
    general: { positionEncodings: ["utf-16"] },
    textDocument: { inlineCompletion: { dynamicRegistration: true }, synchronization: { dynamicRegistration: true } },
  },
  initializationOptions: { deadline_ms: 20000, min_confidence: 0 },
});
result.capabilities = initialized.capabilities;
await connection.sendNotification(protocol.InitializedNotification.type, {});
await connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
  textDocument: { uri, languageId: "python", version: 1, text },
});

result.invoked = await ask({ line: 4, character: line.length }, { triggerKind: Invoked });
result.automatic = await ask({ line: 4, character: line.length }, { triggerKind: Automatic });

await connection.sendNotification(protocol.DidChangeTextDocumentNotification.type, {
  textDocument: { uri, version: 2 },
  contentChanges: [
    { range: { start: { line: 4, character: line.length }, end: { line: 4, character: line.length } }, text: "1)\nprint(value)\nprint(value)\nprint(val" },
  ],
});
result.afterEdit = await ask({ line: 7, character: 9 }, { triggerKind: Automatic });

const range = { start: { line: 7, character: 6 }, end: { line: 7, character: 9 } };
result.selected = await ask(range.end, { triggerKind: Automatic, selectedCompletionInfo: { range, text: "value" } });

const source = new protocol.CancellationTokenSource();
const pending = ask({ line: 1, character: 4 }, { triggerKind: Invoked }, source.token).then(
  (answer) => ({ answer }),
  (error) => ({ code: error.code }),
);
source.cancel();
result.cancelled = await pending;
result.requestCancelled = protocol.LSPErrorCodes.RequestCancelled;

await connection.sendNotification(protocol.DidCloseTextDocumentNotification.type, { textDocument: { uri } });
result.closed = await ask({ line: 0, character: 0 }, { triggerKind: Automatic });
await connection.sendRequest(protocol.ShutdownRequest.type);
await connection.sendNotification(protocol.ExitNotification.type);
result.exitCode = await exited;
result.messages = messages;
console.log(JSON.stringify(result));
process.exit(0);
