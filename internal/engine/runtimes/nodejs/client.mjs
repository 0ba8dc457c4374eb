// A client of the Runtime API on one kept connection: HTTP/1.1 on a bare
// socket, at half the cost of Node's own agent for each request. The socket
// holds the event loop open only while an answer is awaited, so that a handler
// with nothing left to wait for is noticed. A Link (link.mjs) has the same next,
// respond, fail, last and stream.
import net from 'node:net';

const PREFIX = '/2018-06-01/runtime/';
const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const END = Buffer.from('\r\n\r\n');
const CRLF = Buffer.from('\r\n');
const NONE = Buffer.alloc(0);

// header makes a value that HTTP can carry.
const header = (value) => String(value).replace(/[^\x20-\x7e]/g, '?');

export class Client {
  constructor(address) {
    this.address = address;
    const i = address.lastIndexOf(':');
    this.peer = { host: address.slice(0, i).replace(/^\[|\]$/g, ''), port: Number(address.slice(i + 1)), noDelay: true };
    this.socket = null;
    this.waiting = null; // { resolve, reject } of the answer under way
    this.parser = null;
    this.streaming = null; // the answer in pieces under way: what writes and ends it
  }

  // next waits for an invocation.
  async next() {
    const answer = await this.call('GET', 'invocation/next');
    if (answer.status !== 200) {
      throw new Error(`Failed to get next invocation: status ${answer.status}`);
    }
    return answer;
  }

  // respond answers an invocation, and tells whether the answer is too long.
  respond(headers, text) {
    return this.end(headers, 'response', text, { 'Content-Type': 'application/json' });
  }

  // fail fails an invocation.
  fail(headers, result) {
    return this.end(headers, 'error', JSON.stringify(result), errorHeaders(result));
  }

  async end(headers, verb, body, own) {
    const status = await this.post(pathOf(headers, verb), body, { ...own, ...echo(headers) });
    if (status >= 300 && status !== 413) {
      throw new Error(`Failed to post the end of the invocation: status ${status}`);
    }
    await new Promise(setImmediate); // let what the handler left behind have its turn
    return status === 413;
  }

  // last posts the last word of a process that ends; headers are those of the
  // invocation, if it has one. Amid an answer in pieces it is the answer's end.
  last(headers, result) {
    if (this.streaming) {
      return this.streaming.end(result);
    }
    const path = headers ? pathOf(headers, 'error') : 'init/error';
    const own = { ...errorHeaders(result), ...(headers ? echo(headers) : {}) };
    return (this.waiting ? new Client(this.address) : this).post(path, JSON.stringify(result), own);
  }

  // stream begins an answer that comes in pieces: one POST in chunks. It returns
  // what writes and ends it; broken is told when nobody will read it. The first
  // chunk takes the head along. Only writes and the wait for what the platform
  // says to it hold the event loop open.
  stream(headers, contentType, broken) {
    let head = this.head('POST', pathOf(headers, 'response'), {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Content-Type': contentType,
      'Transfer-Encoding': 'chunked',
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}`,
      ...echo(headers),
    });
    const answer = this.answer();
    this.socket.unref();
    answer.then(() => { this.streaming = null; }, (e) => {
      this.streaming = null;
      broken(e);
    });
    const send = (parts, callback) => {
      const { socket } = this;
      if (socket === null) {
        callback?.(new Error('the Runtime API closed the connection'));
        return;
      }
      socket.cork();
      parts.forEach((part, i) => socket.write(part, i === parts.length - 1 ? callback : undefined));
      socket.uncork();
    };
    let end = null;
    this.streaming = {
      write: (parts, callback) => {
        const size = parts.reduce((n, part) => n + part.length, 0);
        const first = Buffer.concat([head, Buffer.from(size.toString(16) + '\r\n')]);
        head = NONE;
        send([first, ...parts, CRLF], callback);
      },
      end: (result) => {
        if (!end) {
          this.socket?.ref();
          send([Buffer.concat([head, Buffer.from(`0\r\n${result ? trailer(result) : ''}\r\n`, 'latin1')])]);
          end = answer.then(({ status }) => status);
        }
        return end;
      },
    };
    return this.streaming;
  }

  // post sends body, and returns the status.
  async post(path, body, headers = {}) {
    return (await this.call('POST', path, body, headers)).status;
  }

  async call(method, path, body = '', headers = {}) {
    const data = Buffer.from(body);
    if (method === 'POST') {
      headers = { ...headers, 'Content-Length': data.length };
    }
    const request = Buffer.concat([this.head(method, path, headers), data]);
    const kept = this.socket !== null;
    try {
      return await this.exchange(request);
    } catch (e) {
      // A kept connection may have gone while the sandbox was frozen.
      if (!kept || !e.unanswered) {
        throw e;
      }
      return this.exchange(request);
    }
  }

  head(method, path, headers) {
    let text = `${method} ${PREFIX}${path} HTTP/1.1\r\nHost: ${this.address}\r\n`;
    for (const [name, value] of Object.entries(headers)) {
      text += `${name}: ${header(value)}\r\n`;
    }
    return Buffer.from(text + '\r\n', 'latin1');
  }

  // exchange sends a request, and waits for its answer.
  exchange(request) {
    const answer = this.answer();
    this.socket.write(request);
    return answer;
  }

  // answer is a promise of the next answer on the connection.
  answer() {
    const socket = this.connect();
    socket.ref();
    return new Promise((resolve, reject) => { this.waiting = { resolve, reject }; });
  }

  connect() {
    if (this.socket !== null) {
      return this.socket;
    }
    const socket = net.connect(this.peer);
    this.socket = socket;
    this.parser = new Parser();
    const lost = (error) => {
      if (this.socket === socket) {
        this.drop(error);
      }
    };
    socket.on('data', (data) => {
      if (this.socket === socket) {
        this.receive(data);
      }
    });
    socket.on('error', lost);
    socket.on('end', () => lost(new Error('the Runtime API closed the connection')));
    return socket;
  }

  receive(data) {
    let answer;
    try {
      answer = this.parser.push(data);
    } catch (e) {
      this.drop(e);
      return;
    }
    if (!answer || !this.waiting) {
      return;
    }
    const { resolve } = this.waiting;
    this.waiting = null;
    if (answer.headers.connection?.toLowerCase() === 'close') {
      this.drop(null);
    } else {
      this.parser = new Parser();
      this.socket.unref();
    }
    resolve(answer);
  }

  // drop gives the connection up, and whoever waits on it.
  drop(error) {
    const { socket, waiting, parser } = this;
    this.socket = this.waiting = null;
    socket.destroy();
    if (waiting) {
      error ??= new Error('the Runtime API closed the connection');
      error.unanswered = parser.empty;
      waiting.reject(error);
    }
  }
}

const pathOf = (headers, verb) => `invocation/${headers['lambda-runtime-aws-request-id']}/${verb}`;

const echo = (headers) => {
  const id = headers['lambda-runtime-invocation-id'];
  return id ? { 'Lambda-Runtime-Invocation-Id': id } : {};
};

const errorHeaders = (result) => ({ 'Content-Type': 'application/json', [ERROR_TYPE]: result.errorType });

function trailer(result) {
  const body = Buffer.from(JSON.stringify(result)).toString('base64');
  return `${ERROR_TYPE}: ${header(result.errorType)}\r\n${ERROR_BODY}: ${body}\r\n`;
}

// A Parser puts one answer together.
class Parser {
  constructor() {
    this.data = Buffer.alloc(0);
    this.head = null;
  }

  get empty() { return this.head === null && this.data.length === 0; }

  // push takes more bytes; it returns the answer once it is complete.
  push(data) {
    this.data = this.data.length === 0 ? data : this.gather(data);
    if (!this.head && !this.parseHead()) {
      return null;
    }
    if (this.length !== undefined) {
      return this.data.length + this.held < this.length ? null : this.finish(this.whole().subarray(0, this.length));
    }
    return this.chunked();
  }

  // gather keeps the parts of a long body apart until all are there.
  gather(data) {
    if (this.head && this.length !== undefined) {
      this.parts.push(this.data);
      this.held += this.data.length;
      return data;
    }
    return Buffer.concat([this.data, data]);
  }

  whole() { return this.parts.length === 0 ? this.data : Buffer.concat([...this.parts, this.data]); }

  parseHead() {
    const end = this.data.indexOf(END);
    if (end < 0) {
      return false;
    }
    const [first, ...lines] = this.data.toString('latin1', 0, end).split('\r\n');
    this.data = this.data.subarray(end + 4);
    const status = Number(first.split(' ')[1]);
    if (!first.startsWith('HTTP/1.') || !(status >= 100)) {
      throw new Error(`Bad answer from the Runtime API: ${first.slice(0, 80)}`);
    }
    if (status < 200) {
      return this.parseHead();
    }
    const headers = {};
    for (const line of lines) {
      const i = line.indexOf(':');
      headers[line.slice(0, i).trim().toLowerCase()] = Buffer.from(line.slice(i + 1).trim(), 'latin1').toString();
    }
    this.head = { status, headers };
    this.parts = [];
    this.held = 0;
    this.length = headers['transfer-encoding']?.toLowerCase().includes('chunked') ? undefined : Number(headers['content-length'] ?? 0);
    return true;
  }

  chunked() {
    const parts = [];
    for (let at = 0; ;) {
      const line = this.data.indexOf('\r\n', at);
      if (line < 0) {
        return null;
      }
      const size = parseInt(this.data.toString('latin1', at, line), 16);
      if (!(size >= 0)) {
        throw new Error('Bad chunk from the Runtime API');
      }
      if (size === 0) {
        return this.data.indexOf('\r\n', line + 2) < 0 ? null : this.finish(Buffer.concat(parts));
      }
      if (this.data.length < line + 2 + size + 2) {
        return null;
      }
      parts.push(this.data.subarray(line + 2, line + 2 + size));
      at = line + 2 + size + 2;
    }
  }

  finish(body) { return { ...this.head, body }; }
}
