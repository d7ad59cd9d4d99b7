// A receiver of web hooks by the npm library `standardwebhooks`: 204 for what is valid, else 401.
// Started with a secret; prints its port, and then of each request what it read or why it would not.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.argv[2]);

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    try {
      const read = webhook.verify(Buffer.concat(parts), request.headers);
      console.log(JSON.stringify({ id: request.headers["webhook-id"], read }));
      response.writeHead(204).end();
    } catch (error) {
      console.log(JSON.stringify({ refused: error.message }));
      response.writeHead(401).end(error.message);
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
