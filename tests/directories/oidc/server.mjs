// node server.mjs <file>: the directories that the file describes, on a free port, which is printed.
// The page at which people sign in, Graph, and (under /control/) what only a test does.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
import { Directory } from './directories.mjs';
import { answerGraph } from './graph.mjs';

const directories = new Map();
let base;
let seen = [];
// What the next token answer of a directory is changed to.
const forgeries = new Map();

const server = http.createServer(async (request, response) => {
  try {
    await serve(request, response, new URL(request.url, base));
  } catch (error) {
    send(response, 500, { error: String(error) });
  }
});

async function serve(request, response, url) {
  const [, first, second] = url.pathname.split('/');
  if (first === 'control') return control(second, request, response);
  seen.push(`${request.method} ${url.pathname}`);
  if (first === 'graph') return graph(request, response, url);
  const directory = directories.get(first);
  if (!directory) return send(response, 404, { error: 'invalid_tenant', error_codes: [90002] });
  if (second === 'login') return login(directory, request, response);
  request.originalUrl = request.url;
  request.url = request.url.slice(`/${directory.id}/v2.0`.length);
  if (request.url === '/token' && forgeries.has(directory.id)) return forged(directory, request, response);
  return directory.handle(request, response);
}

async function login(directory, request, response) {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    return response.end(
      '<form method="post"><input name="username"><input name="password" type="password"><button>Sign in</button></form>',
    );
  }
  const form = new URLSearchParams(await text(request));
  const person = directory.signIn(form.get('username'), form.get('password'));
  const result = person
    ? { login: { accountId: person.oid } }
    : { error: 'access_denied', error_description: 'AADSTS50126: not valid' };
  return directory.provider.interactionFinished(request, response, result);
}

async function graph(request, response, url) {
  const token = (request.headers.authorization ?? '').replace('Bearer ', '');
  const directory = [...directories.values()].find(({ graphTokens }) => graphTokens.has(token));
  if (!directory) return send(response, 401, { error: { code: 'InvalidAuthenticationToken' } });
  const body = request.method === 'POST' ? JSON.parse(await text(request)) : undefined;
  return send(response, ...answerGraph(directory, base, request.method, url, body));
}

async function control(action, request, response) {
  const order = JSON.parse((await text(request)) || '{}');
  const directory = directories.get(order.directory);
  if (action === 'rotate') directory.rotate();
  if (action === 'register') directory.register(order.redirect_uri);
  if (action === 'forge') forgeries.set(order.directory, order);
  if (action === 'change') Object.assign(order.oid ? directory.find('oid', order.oid) : directory, order.values);
  const answer = seen;
  if (action === 'forget') seen = [];
  return send(response, 200, answer);
}

// The provider's own answer, its id_token changed in claims, header or key.
async function forged(directory, request, response) {
  const { claims, header, key, from, answer } = forgeries.get(directory.id);
  forgeries.delete(directory.id);
  if (answer) return send(response, 200, answer);
  const end = response.end.bind(response);
  response.write = () => true;
  response.end = (chunk) => {
    const body = JSON.parse(String(chunk));
    const payload = { ...decoded(body.id_token, 1), ...claims };
    for (const name of Object.keys(payload)) if (payload[name] === null) delete payload[name];
    const head = { ...decoded(body.id_token, 0), ...header };
    body.id_token = signed(head, payload, keyOf(directories.get(from) ?? directory, key));
    const changed = Buffer.from(JSON.stringify(body));
    response.setHeader('content-length', changed.length);
    return end(changed);
  };
  return directory.handle(request, response);
}

function keyOf(directory, kind) {
  if (kind === 'secret') return directory.clients[0].client_secret;
  if (kind === 'public') return crypto.createPublicKey(directory.key).export({ type: 'spki', format: 'pem' });
  if (kind === 'none') return undefined;
  return directory.key;
}

function signed(header, payload, key) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  if (key === undefined) return `${input}.`;
  if (typeof key === 'string') return `${input}.${crypto.createHmac('sha256', key).update(input).digest('base64url')}`;
  return `${input}.${crypto.sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

function decoded(token, part) {
  return JSON.parse(Buffer.from(token.split('.')[part], 'base64url'));
}

async function text(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  base = `http://127.0.0.1:${port}`;
  for (const each of JSON.parse(fs.readFileSync(process.argv[2])).directories) {
    directories.set(each.id, new Directory(base, each));
  }
  console.log(base);
  // Goes away and comes back at a word; and ends with whoever started it.
  const words = readline.createInterface({ input: process.stdin });
  words.on('line', (word) => {
    if (word === 'away') {
      server.close(() => console.log(word));
      server.closeAllConnections();
    } else server.listen(port, '127.0.0.1', () => console.log(word));
  });
  words.on('close', () => process.exit(0));
});
