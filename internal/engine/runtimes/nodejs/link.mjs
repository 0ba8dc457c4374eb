// A private way to the platform: frames on a socket that the process is given,
// described in internal/engine/runtimeapi/link.go. It takes one frame each way
// for an invocation. As with the Client, the socket holds the event loop open
// only while an answer is awaited.
import net from 'node:net';

const PLAIN = 'application/json';
const SMALL = 16384; // what is sent in one piece with its head
const nothing = Buffer.alloc(0);

export class Link {
  #socket;
  #buffer = nothing; // what has come of a frame
  #parts = null; // the pieces of one that is long
  #missing = 0;
  #waiting = null;
  #lost = null;
  #limit = 0;
  #pending = frame('N'); // what asks for the next invocation: the answer to the last one
  #payload = nothing;

  constructor(descriptor) {
    const socket = new net.Socket({ fd: descriptor, readable: true, writable: true });
    this.#socket = socket;
    socket.on('data', (data) => this.#receive(data));
    socket.on('error', (e) => this.#lose(e));
    socket.on('end', () => this.#lose(new Error('the platform closed the link')));
    socket.unref();
  }

  // assignment waits to be told whose function to run.
  async assignment() {
    this.#socket.write(frame('B'));
    const data = await this.#answer('A');
    return JSON.parse(data.toString('utf8', 5)).env;
  }

  // next sends the last answer, and waits for an invocation.
  async next() {
    this.#flush();
    const data = await this.#answer('I');
    const body = 9 + data.readUInt32LE(5);
    const headers = JSON.parse(data.toString('utf8', 9, body));
    this.#limit = headers.limit;
    return { headers, body: data.subarray(body) };
  }

  // respond answers, and tells whether the answer is too long.
  respond(_headers, text) {
    const payload = Buffer.from(text);
    if (this.#limit > 0 && payload.length > this.#limit) {
      this.#pending = frame('R', { type: PLAIN, large: payload.length });
      return true;
    }
    this.#pending = frame('R', { type: PLAIN }, payload.length);
    this.#payload = payload;
    return false;
  }

  // fail fails the invocation.
  fail(_headers, result) {
    this.#payload = Buffer.from(JSON.stringify(result));
    this.#pending = frame('F', typeOf(result), this.#payload.length);
    return false;
  }

  // last is the last word of a process that ends; headers are those of the
  // invocation, if it has one. It waits until that is heard.
  async last(headers, result) {
    const payload = Buffer.from(JSON.stringify(result));
    this.#socket.ref();
    this.#write(frame(headers ? 'D' : 'X', typeOf(result), payload.length), payload);
    await new Promise((resolve) => { this.#lost ? resolve() : this.#socket.once('close', resolve); });
  }

  // stream begins an answer in pieces: an object with write and end. The first
  // piece takes the beginning along.
  stream(_headers, contentType) {
    let begin = frame('S', { type: contentType });
    return {
      write: (parts, callback) => {
        const size = parts.reduce((n, part) => n + part.length, 0);
        const head = Buffer.concat([begin, frame('C', null, size)]);
        begin = nothing;
        this.#socket.cork();
        this.#socket.write(head);
        parts.forEach((part, i) => this.#socket.write(part, i === parts.length - 1 ? callback : undefined));
        this.#socket.uncork();
      },
      end: async (result) => {
        this.#payload = result ? Buffer.from(JSON.stringify(result)) : nothing;
        this.#pending = Buffer.concat([begin, frame('E', result ? typeOf(result) : {}, this.#payload.length)]);
      },
    };
  }

  #flush() {
    this.#write(this.#pending, this.#payload);
    this.#pending = this.#payload = nothing;
  }

  #write(head, payload) {
    if (payload.length <= SMALL) {
      this.#socket.write(payload.length === 0 ? head : Buffer.concat([head, payload]));
    } else {
      this.#socket.cork();
      this.#socket.write(head);
      this.#socket.write(payload);
      this.#socket.uncork();
    }
  }

  // answer is a promise of a frame of a kind.
  #answer(kind) {
    if (this.#lost) {
      return Promise.reject(this.#lost);
    }
    this.#socket.ref();
    return new Promise((resolve, reject) => { this.#waiting = { kind: kind.charCodeAt(0), resolve, reject }; });
  }

  // receive puts a frame together. The platform sends none before the last one
  // is answered, so there is never more than one.
  #receive(data) {
    if (this.#parts) {
      this.#parts.push(data);
      this.#missing -= data.length;
      if (this.#missing <= 0) {
        const whole = Buffer.concat(this.#parts);
        this.#parts = null;
        this.#deliver(whole);
      }
      return;
    }
    if (this.#buffer.length > 0) {
      data = Buffer.concat([this.#buffer, data]);
      this.#buffer = nothing;
    }
    if (data.length < 5) {
      this.#buffer = data;
      return;
    }
    this.#missing = 4 + data.readUInt32LE(0) - data.length;
    if (this.#missing > 0) {
      this.#parts = [data];
      return;
    }
    this.#deliver(data);
  }

  #deliver(data) {
    const waiting = this.#waiting;
    if (waiting?.kind !== data[4]) { // an assignment that comes too late to matter
      return;
    }
    this.#waiting = null;
    this.#socket.unref();
    waiting.resolve(data);
  }

  #lose(error) {
    this.#lost = error;
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#socket.destroy();
    waiting?.reject(error);
  }
}

const typeOf = (result) => ({ type: String(result.errorType).slice(0, 1000) });

// frame is one, but for a payload of so many bytes.
function frame(kind, head, payload = 0) {
  const text = head ? JSON.stringify(head) : '';
  const n = Buffer.byteLength(text);
  const size = head ? 4 + n : 0;
  const data = Buffer.allocUnsafe(5 + size);
  data.writeUInt32LE(1 + size + payload, 0);
  data.write(kind, 4, 'latin1');
  if (head) {
    data.writeUInt32LE(n, 5);
    data.write(text, 9);
  }
  return data;
}
