// Answers that are written as they come.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html
import { Writable } from 'node:stream';
import { InvalidStreamingOperation, toResult } from './errors.mjs';
import { logError } from './console.mjs';

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';

// A ResponseStream is what a streaming handler writes to: one POST in chunks.
// Nothing is sent before the first write, so that a handler that fails early
// fails as any other.
export class ResponseStream extends Writable {
  #client;
  #invocation;
  #contentType = 'application/octet-stream';
  #begun = false;
  #answer = null; // promise of the platform's answer
  #settle;

  constructor(client, invocation, highWaterMark) {
    super(highWaterMark ? { highWaterMark } : {});
    this.#client = client;
    this.#invocation = invocation;
    this.answered = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.answered.catch(() => {}); // whoever waits for it is told; nobody need wait
    this.on('error', (e) => this.#settle.reject(e));
  }

  setContentType(type) {
    if (this.#begun) {
      throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    }
    this.#contentType = type;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      chunk = JSON.stringify(chunk);
    }
    if (typeof this._onBeforeFirstWrite === 'function') { // a prelude goes first
      const first = this._onBeforeFirstWrite;
      this._onBeforeFirstWrite = undefined;
      first((data) => super.write(data));
    }
    return super.write(chunk, encoding, callback);
  }

  // end writes its last chunk by way of write, which does not go without saying.
  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') {
      return super.end(chunk);
    }
    if (chunk !== undefined && chunk !== null) {
      this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
    }
    return super.end(typeof encoding === 'function' ? encoding : callback);
  }

  _write(chunk, _encoding, callback) {
    if (chunk.length === 0) { // an empty chunk would be the end
      callback();
      return;
    }
    this.#begin();
    const size = Buffer.from(chunk.length.toString(16) + '\r\n');
    this.#send(Buffer.concat([size, chunk, Buffer.from('\r\n')]), callback);
  }

  _final(callback) {
    this.#begin();
    this.#finish('0\r\n\r\n').then(() => callback(), callback);
  }

  #begin() {
    if (this.#begun) {
      return;
    }
    this.#begun = true;
    this.#client.streaming = true;
    this.#answer = this.#client.answer();
    this.#answer.then(() => { this.#client.streaming = false; }, (e) => {
      this.#client.streaming = false;
      this.destroy(e);
    });
    this.#send(this.#client.head('POST', `invocation/${this.#invocation.id}/response`, {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Content-Type': this.#contentType,
      'Transfer-Encoding': 'chunked',
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}`,
      ...this.#invocation.echo,
    }));
  }

  #send(data, callback) {
    const { socket } = this.#client;
    if (socket === null) {
      callback?.(new Error('the Runtime API closed the connection'));
      return;
    }
    socket.write(data, callback);
  }

  async #finish(last) {
    this.#send(Buffer.from(last, 'latin1'));
    const { status } = await this.#answer;
    if (status >= 300) {
      logError('Stream Error', new Error(`The Runtime API refused the response: status ${status}`));
    }
    this.#settle.resolve();
  }

  // fail ends the answer with an error. It returns false when nothing was sent
  // yet: then the invocation can fail as others do.
  async fail(error) {
    if (!this.#begun) {
      this.destroy();
      return false;
    }
    logError('Invoke Error', error);
    if (this.writableEnded) { // too late: the answer is complete, or lost
      await this.answered.catch(() => {});
      return true;
    }
    const result = toResult(error);
    const body = Buffer.from(JSON.stringify(result)).toString('base64');
    const type = String(result.errorType).replace(/[^\x20-\x7e]/g, '?');
    await this.#finish(`0\r\n${ERROR_TYPE}: ${type}\r\n${ERROR_BODY}: ${body}\r\n\r\n`).catch(() => {});
    this.destroy();
    return true;
  }
}

// HttpResponseStream adds status and headers, for a function URL.
export class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8)); // ends the prelude
    };
    return stream;
  }
}
